"""Barriers and semaphores, searched by spin, in the way of test_model.py."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from .test_channel_model import part
from .test_lock_model import follow
from .test_model import SOURCES, holds

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")


class Sources(NamedTuple):
    """What the models are about."""

    barrier: str
    semaphore: str
    table: str


SOURCE = Sources(
    (SOURCES / "Locks/Barrier.swift").read_text(),
    (SOURCES / "Locks/Semaphore.swift").read_text(),
    (SOURCES / "Seats/SeatTable.swift").read_text(),
)


def missing(definitions: dict[str, bool]) -> list[str]:
    """Return those that are defined, since the source has not what they stand for."""
    return [name for name, is_there in definitions.items() if not is_there]


def of_barrier(source: Sources) -> list[str]:
    """Return what the sources define for barrier.pml."""
    seats, reset = part(source.table, "func sweep("), part(source.barrier, "func reset(")
    counts = "countDeath()" in seats and "!= deaths" in part(source.barrier, "func sweep(")
    return missing(
        {
            "COUNT_NOTHING": counts,
            "COUNT_AFTERWARDS": not counts or follow(seats, "countDeath()", "clear(seat)"),
            "BREAK_ANY_PHASE": "now.phase != phase ||" in part(source.barrier, "func breakUp("),
            "MEET_BROKEN": "!now.isBroken &&" in part(source.barrier, "func release("),
            "RESET_LATE": follow(reset, "abort()", "known.pointee.store("),
            "KNOW_BEFORE": follow(reset, "sweepSeats(", "known.pointee.store(", "change(now"),
        }
    )


def of_semaphore(source: Sources) -> list[str]:
    """Return what the source defines for semaphore.pml."""
    sweep = part(source.semaphore, "func sweep(")
    acquire = part(source.semaphore, "func acquire(")
    return missing(
        {
            "TAKE_BLINDLY": "expected: 0, desired: me.bits" in part(source.semaphore, "func take("),
            "RELEASE_BLINDLY": "expected: me.bits, desired: 0"
            in part(source.semaphore, "func release("),
            "SWEEP_BLINDLY": "expected: word, desired: 0" in sweep,
            "SWEEP_NOTHING": "try sweep(me)" in acquire,
        }
    )


def test_barrier_holds(tmp_path: Path) -> None:
    assert holds(tmp_path, "barrier.pml", *of_barrier(SOURCE))


def test_semaphore_holds(tmp_path: Path) -> None:
    assert holds(tmp_path, "semaphore.pml", *of_semaphore(SOURCE))


COUNT, CLEAR = "        countDeath()\n", "        clear(seat)\n"
ABORT, SWEEP = "    abort()\n", "    _ = unsafe try Attachment.sweepSeats(handle)\n"
KNOW = "    unsafe known.pointee.store(deaths, ordering: .sequentiallyConsistent)\n"
TAKEN = "compareExchange(\n        expected: {}, desired: {}, ordering: .sequentiallyConsistent"
# Each with the one that it stands for in the model.
WEAKER_BARRIERS = {
    "no look at the number": ("COUNT_NOTHING", "barrier", "!= deaths", "!= known"),
    "deaths are not counted": ("COUNT_NOTHING", "table", COUNT + CLEAR, CLEAR),
    "cleared before": ("COUNT_AFTERWARDS", "table", COUNT + CLEAR, CLEAR + COUNT),
    "breaks any phase": ("BREAK_ANY_PHASE", "barrier", "now.phase != phase ||", ""),
    "meets when broken": ("MEET_BROKEN", "barrier", "&& !now.isBroken &&", "&&"),
    "reset while they wait": ("RESET_LATE", "barrier", ABORT + SWEEP, SWEEP),
    "known before they are found": ("KNOW_BEFORE", "barrier", SWEEP + KNOW, KNOW + SWEEP),
}
WEAKER_SEMAPHORES = {
    "takes what is taken": ("TAKE_BLINDLY", TAKEN.format("0", "me.bits"), "exchange(me.bits"),
    "gives back another's": ("RELEASE_BLINDLY", TAKEN.format("me.bits", "0"), "exchange(0"),
    "takes from the living": ("SWEEP_BLINDLY", TAKEN.format("word", "0"), "exchange(0"),
    "leaves it to the dead": ("SWEEP_NOTHING", "try sweep(me)", "false"),
}


@pytest.mark.parametrize("weaker", WEAKER_BARRIERS)
def test_nothing_weaker_holds_of_barriers(tmp_path: Path, weaker: str) -> None:
    definition, file, old, new = WEAKER_BARRIERS[weaker]
    source = getattr(SOURCE, file)
    assert source.count(old) == 1
    definitions = of_barrier(SOURCE._replace(**{file: source.replace(old, new)}))
    assert definitions == [definition]
    assert not holds(tmp_path, "barrier.pml", *definitions, optimized="-O0")


@pytest.mark.parametrize("weaker", WEAKER_SEMAPHORES)
def test_nothing_weaker_holds_of_semaphores(tmp_path: Path, weaker: str) -> None:
    definition, old, new = WEAKER_SEMAPHORES[weaker]
    assert SOURCE.semaphore.count(old) == 1
    definitions = of_semaphore(SOURCE._replace(semaphore=SOURCE.semaphore.replace(old, new)))
    assert definitions == [definition]
    assert not holds(tmp_path, "semaphore.pml", *definitions, optimized="-O0")
