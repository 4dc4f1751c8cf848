"""The lock for readers and a writer, searched by spin, in the way of test_model.py."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from .test_channel_model import part
from .test_lock_model import ORDERS, follow, order
from .test_model import SOURCES, holds, reordered, steps, swapped, without

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

SOURCE = (SOURCES / "Locks/ReadWriteLock.swift").read_text()


def is_strongest(source: str, step: str) -> bool:
    (line,) = [line for name, line in steps(source) if name == step]
    return "rdering: .sequentiallyConsistent" in line


def of_read_write(source: str) -> list[str]:
    """Return what a source of ReadWriteLock defines for read_write_lock.pml."""
    named = {step for step, line in steps(source)}
    assert (
        {"q1", "q2", "q4", "q5", "p1"} <= named <= {"q1", "q2", "q3", "q4", "q5", "p0", "p1", "p2"}
    )
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    def see_each_other(first: str, second: str) -> bool:
        is_in_order = follow(source, f"// {first}\n", f"// {second}\n")
        return is_in_order and is_strongest(source, first) and is_strongest(source, second)

    expect("LOOK_BEFORE_COUNTING", see_each_other("q1", "q2"))
    expect("LOOK_BEFORE_LEAVING", see_each_other("q4", "q5"))
    is_fenced = "p0" in named and is_strongest(source, "p0")
    write = part(source, "func acquireWrite(") + part(source, "func waitForReaders(")
    expect(
        "LOOK_BEFORE_TAKING",
        is_fenced and follow(write, "writer.acquire(", "// p0\n", "nobodyReads()"),
    )
    pairs = order(source, "q4") & ORDERS["releasing"] and order(source, "p1") & ORDERS["acquiring"]
    expect("READ_AFTER_LEAVING", pairs)
    expect("STAY", part(source, "func enter(").count("leave(me)  // q3\n") == 2)
    expect(
        "LEAVE_SILENTLY",
        follow(part(source, "func leave("), "// q5\n", "Attachment.changed(handle)"),
    )
    count = "line >> 12 == reader.generation ? line & most : 0"
    expect("COUNT_THE_DEAD", count in part(source, "func count("))
    expect("ASK_THE_LINE_ALONE", "&& isCurrent(line, seat)" in part(source, "func nobodyReads("))
    expect("SWEEPS=0", "sweepSeats(handle) > 0" in write)
    is_told = "if word & LockRecord.died != 0 { throw" in part(source, "func mayRead(")
    if not is_told:
        definitions += ["READ_UNTOLD", "READ_ANYTHING=1"]
    release = part(source, "func releaseWrite(")
    tells = "// p2\n" in release + "\n"
    expect("RELEASE_SILENTLY", tells)
    expect("NOTIFY_BEFORE_RELEASE", not tells or follow(release, "writer.release()", "// p2"))
    return definitions


ONE_OF_EACH = ("READERS=1", "WRITERS=1", "KILLS=1", "ROUNDS=2")


@pytest.mark.parametrize(
    "configuration",
    [
        ("READERS=2", "WRITERS=1", "ROUNDS=2"),
        ("READERS=2", "WRITERS=1", "KILLS=1"),
        ("READERS=1", "WRITERS=2", "KILLS=1"),
        ("READERS=1", "WRITERS=1", "KILLS=2", "ROUNDS=2"),
    ],
    ids=" ".join,
)
def test_lock_for_readers_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    definitions = of_read_write(SOURCE)
    assert holds(tmp_path, "read_write_lock.pml", *definitions, *configuration)


RELEASE = """    try writer.release()
    unsafe Attachment.changed(handle)  // p2
"""
COUNTED = "line >> 12 == reader.generation ? line & most : 0"
TOLD = "if word & LockRecord.died != 0 { throw writer.ownerDied }"
SWEPT = "unsafe try Attachment.sweepSeats(handle) > 0"
LEFT = """      unsafe Attachment.changed(handle)
    }
    return true
"""


# Not made before the test, which may be of another source.
WEAKER = {
    "q1": partial(reordered, SOURCE, "q1", "acquiringAndReleasing"),
    "q2": partial(reordered, SOURCE, "q2", "acquiring"),
    "q4": partial(reordered, SOURCE, "q4", "acquiringAndReleasing"),
    "q5": partial(reordered, SOURCE, "q5", "acquiring"),
    "p0": partial(reordered, SOURCE, "p0", "acquiringAndReleasing"),
    "p1": partial(reordered, SOURCE, "p1", "relaxed"),
    "no p0": partial(without, SOURCE, "// p0"),
    "no p2": partial(without, SOURCE, "// p2"),
    "p2 before r1": partial(SOURCE.replace, RELEASE, "".join(reversed(RELEASE.splitlines(True)))),
    "q5 before q4": partial(swapped, SOURCE, "q4", "q5"),
    "no q3": partial(SOURCE.replace, "_ = leave(me)  // q3\n    return", "return"),
    "no news of a leave": partial(SOURCE.replace, LEFT, "    }\n    return true\n"),
    "what a dead one read": partial(SOURCE.replace, COUNTED, "line & most"),
    "who is over": partial(SOURCE.replace, " && isCurrent(line, seat)", ""),
    "no sweep": partial(SOURCE.replace, SWEPT, "false"),
    "not told": partial(SOURCE.replace, TOLD, ""),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_for_readers(tmp_path: Path, weaker: str) -> None:
    definitions = of_read_write(WEAKER[weaker]())
    assert definitions
    assert not holds(tmp_path, "read_write_lock.pml", *definitions, *ONE_OF_EACH, optimized="-O0")


def test_step_for_readers_that_is_not_known_is_an_error() -> None:
    with pytest.raises(AssertionError):
        of_read_write(SOURCE + "  let now = load(ordering: .relaxed)  // q9\n")
