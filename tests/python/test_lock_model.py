"""Seats and locks, searched by spin, in the way of test_model.py."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from .test_model import SOURCES, holds, reordered, steps, without

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

# Bits, as in lock.pml: a step may acquire, release, or both.
ORDERS = {"relaxed": 0, "acquiring": 1, "releasing": 2, "acquiringAndReleasing": 3}
ORDERS["sequentiallyConsistent"] = 3

# Those that the model does without, where a source does.
WAKES = {"a6", "a7", "r2", "r4"}
STEPS = WAKES | {f"a{i}" for i in range(1, 6)} | {"r1", "r3", "r5", "s2f"}
STEPS |= {f"s{i}" for i in range(1, 7)}


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    lock: str = (SOURCES / "Locks/Lock.swift").read_text()
    record: str = (SOURCES / "Locks/LockRecord.swift").read_text()
    seat: str = (SOURCES / "Seats/Seat.swift").read_text()
    table: str = (SOURCES / "Seats/SeatTable.swift").read_text()

    def all(self) -> str:
        return "\n".join((self.lock, self.record, self.seat, self.table))


SOURCE = Sources()


def order(source: str, name: str) -> int:
    """Return the memory order of a step, 0 if it is not there."""
    lines = [line for step, line in steps(source) if step == name]
    found = [re.search(r"rdering: \.(\w+)", line) for line in lines]
    assert len(found) <= 1
    return max((ORDERS[match[1]] for match in found if match), default=0)


def follow(source: str, *texts: str) -> bool:
    """Are these in a source, in this order? Each one is there at most once."""
    assert max(source.count(text) for text in texts) == 1, texts
    places = [source.find(text) for text in texts]
    return -1 not in places and places == sorted(places)


def of_lock(source: Sources) -> list[str]:
    """Return what sources of the lock and of seats define for lock.pml."""
    named = {step for step, line in steps(source.all())}
    assert STEPS - WAKES - {"s2f"} <= named <= STEPS, named
    definitions = [
        f"{step.upper()}_ORDER={order(source.all(), step)}"
        for step in ("a1", "a2", "a5", "r1", "r3", "s2", "s2f", "s3")
    ]

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    def line_of(step: str) -> str:
        (line,) = [line for name, line in steps(source.lock) if name == step]
        return line

    lock, table = source.lock, source.table
    expect("COUNT_BEFORE_LOCKING", follow(source.seat, "Seat.free(table", "table.begin("))
    expect("SAME_GENERATION", re.search(r"let generation = .* >> 8 &\+ 1$", table, re.MULTILINE))
    expect("ASK_THE_SEAT_ALONE", "if successors != 0 { return" in table)
    expect("ASK_THE_GENERATION_ALONE", "isTaken(identity.seat, file) ? .alive : .over" in table)
    expect("FORGET_OTHERS", "desired: now | me.bits | waiters," in line_of("a2"))
    expect("SLEEP_UNSAID", follow(lock, "desired: asleep", "// a3\n", "// a4\n"))
    expect("SLEEP_ON_ANYTHING", "czinc_futex_wait(word, asleep," in line_of("a4"))
    expect("TAKE_ANYTHING=1", "expected: now," in line_of("a5"))
    (taken,) = re.findall(r"let left = recovers \? (.*) : LockRecord\.died$", lock, re.MULTILINE)
    expect("TAKE_UNTOLD", "LockRecord.died" in taken)
    expect("TAKE_FOR_ONE", "LockRecord.waiters" in taken)
    take_over = lock[lock.index("func takeOver(") : lock.index("func passOn(")]
    expect("ASK_FOR_WHO_WAS_THERE", follow(take_over, "(from me:", "let now = ", "fate(of: owner"))
    expect("TELL_NOBODY", follow(lock, "// a5\n", "// a6\n"))
    expect("KEEP_THE_WAKE", "defer { if isWoken { passOn() } }" in lock)
    release = lock[lock.index("func tryRelease(") : lock.index("func abandon(")]
    wakes = "// r2" in release
    expect("RELEASE_SILENTLY", wakes)
    expect("WAKE_BEFORE_RELEASE", not wakes or follow(release, "record.release()", "// r2\n"))
    expect("ABANDON_SILENTLY", follow(lock, "// r3\n", "// r4\n"))
    return definitions


# Two that sit, use it, and leave; three that contend, and go round again.
KILLED = ("PROCESSES=2", "KILLS=1")
ABANDONED = ("PROCESSES=3", "SEATED=1", "ABANDONS=1")
LATE = ("PROCESSES=3", "SEATED=1", "TIMEOUTS=1", "ROUNDS=2", "GO_ROUND=1")
KILLED_TWICE = ("PROCESSES=2", "KILLS=2")


@pytest.mark.parametrize(
    "configuration",
    [
        (*KILLED, "ROUNDS=2"),
        KILLED_TWICE,
        (*KILLED, "TIMEOUTS=1"),
        (*KILLED, "STOPS=1"),
        # Without what may be under way, for it has too many states.
        ("PROCESSES=3", "SEATED=1", "KILLS=1", "STORE_ORDER=RELEASES"),
        ("PROCESSES=3", "TIMEOUTS=1"),
        ABANDONED,
        LATE,
    ],
    ids=" ".join,
)
def test_lock_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "lock.pml", *of_lock(SOURCE), *configuration)


def changed(file: str, old: str, new: str) -> Sources:
    """Return the sources with another text in the one place where this one is."""
    source: str = getattr(SOURCE, file)
    assert source.count(old) == 1, old
    return replace(SOURCE, **{file: source.replace(old, new)})


def lacking(file: str, text: str) -> Sources:
    return replace(SOURCE, **{file: without(getattr(SOURCE, file), text)})


def weakened(file: str, step: str) -> Sources:
    return replace(SOURCE, **{file: reordered(getattr(SOURCE, file), step, "relaxed")})


def after(file: str, first: str, second: str) -> Sources:
    """Return the sources with the lines that have these texts in each other's place."""
    lines = getattr(SOURCE, file).split("\n")
    here, there = (
        next(i for i, line in enumerate(lines) if text in line) for text in (first, second)
    )
    lines[here], lines[there] = lines[there], lines[here]
    return replace(SOURCE, **{file: "\n".join(lines)})


RELEASE = """    if record.release() & LockRecord.waiters != 0 {
      unsafe czinc_futex_wake_one(record.word)  // r2
    }
"""
WAKE_FIRST = """    unsafe czinc_futex_wake_one(record.word)  // r2
    _ = record.release()
"""
TAKEN = "me.bits | LockRecord.died | LockRecord.waiters :"
# Where to look for it, and what to change how: not before the test, which may be of another source.
WEAKER: dict[str, tuple[tuple[str, ...], Callable[..., Sources], *tuple[str, ...]]] = {
    "a1": (KILLED, weakened, "record", "a1"),
    "a2": (KILLED, weakened, "lock", "a2"),
    "r1": (KILLED, weakened, "record", "r1"),
    "r3": (KILLED, weakened, "lock", "r3"),
    "s2": (KILLED, weakened, "table", "s2"),
    "s2f": (KILLED, lacking, "table", "// s2f"),
    "s3": (KILLED, weakened, "table", "s3"),
    "s2 before s1": (KILLED, after, "seat", "Seat.free(table", "table.begin("),
    "s2 of the same": (KILLED, changed, "table", ">> 8 &+ 1\n", ">> 8\n"),
    "no s3": (KILLED, changed, "table", "if successors != 0 { return", "if false { return"),
    "no s4": (KILLED, changed, "table", "isTaken(identity.seat, file) ?", "true ?"),
    "a2 alone": (ABANDONED, changed, "lock", "me.bits | waiters,", "me.bits,"),
    "a4 before a3": (KILLED, after, "lock", "// a3", "// a4"),
    "a4 with what is there": (ABANDONED, changed, "lock", "(word, asleep,", "(word, again,"),
    "a5 from anybody": (KILLED, changed, "lock", "expected: now, desired: left", "desired: left"),
    "a5 without a word": (KILLED, changed, "lock", TAKEN, TAKEN.replace("LockRecord.died | ", "")),
    "a5 alone": (KILLED, changed, "lock", TAKEN, TAKEN.replace("| LockRecord.waiters ", "")),
    "a5 of who was there": (
        KILLED_TWICE,
        changed,
        "lock",
        "func takeOver(from me",
        "func takeOver(_ now: UInt32, from me",
    ),
    "no a6": (KILLED, lacking, "lock", "// a6"),
    "no a7": (LATE, lacking, "lock", "defer { if isWoken"),
    "no r2": (KILLED, changed, "lock", RELEASE, "_ = record.release()"),
    "r2 before r1": (KILLED, changed, "lock", RELEASE, WAKE_FIRST),
    "no r4": (KILLED, lacking, "lock", "// r4"),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_locks(tmp_path: Path, weaker: str) -> None:
    configuration, change, *how = WEAKER[weaker]
    source = change(*how)
    assert of_lock(source) != of_lock(SOURCE)
    assert not holds(tmp_path, "lock.pml", *of_lock(source), *configuration, optimized="-O0")


def test_step_of_locks_that_is_not_known_is_an_error() -> None:
    more = SOURCE.lock + "  let now = load(ordering: .relaxed)  // a9\n"
    with pytest.raises(AssertionError):
        of_lock(replace(SOURCE, lock=more))
