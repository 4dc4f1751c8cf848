"""Who sits in a region, and who has its lock, for people to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal

from . import _zinc

STATES: tuple[Literal["free", "held", "repairing", "abandoned", "damaged"], ...] = (
    *("free", "held", "repairing", "abandoned", "damaged"),  # as zinc.h numbers them
)
ROLES = {1: "locks", _zinc.SEAT_WRITES: "writes", _zinc.SEAT_READS: "reads", 4: "works"}


@dataclasses.dataclass(frozen=True)
class Seat:
    """Who takes part in a region; `SharedRegion.seats` and `examine` give them.

    Who uses a lock sits on one of the region's 120 seats from its first use of it to its end.
    Unlike `Holder`, all who sit are told of, whoever they belong to, and those who were killed.
    """

    number: int
    """Which of the region's seats, from 0."""
    role: str
    """What for: ``"locks"``; ``"writes"`` and ``"reads"`` in a channel, ``"works"`` in a queue."""
    pid: int
    """The process, in the view of that process."""
    alive: bool
    """False if it was killed, or ended without a close, and nobody has needed the seat since."""
    since: float
    """When it sat down, in seconds since 1970."""


@dataclasses.dataclass(frozen=True)
class LockInfo:
    """How a region's own lock is from outside; `RegionInfo.lock` is one."""

    state: Literal["free", "held", "repairing", "abandoned", "damaged"]
    """Nobody has it (free); somebody does (held); somebody does who has not yet repaired what a
    holder left that died (repairing); its holder died, and nobody has it (abandoned); or something
    has written there that is nobody's (damaged)."""
    pid: int
    """Who has it, or who died with it, in the view of that process; 0 for nobody."""
    since: float
    """Since when that one has it, or had, in seconds since 1970, to some milliseconds; 0 where
    that is not known."""


def seats(told: Iterable[tuple[int, int, int, bool, int]]) -> list[Seat]:
    """Return what the extension tells of seats as what people read."""
    return [
        Seat(number, ROLES.get(role, f"role {role}"), pid, alive, since / 1e9)
        for number, role, pid, alive, since in told
    ]


def examine(name: str) -> tuple[list[Seat], LockInfo]:
    """Look at a region's seats and its own lock. Raises what `zinc.examine` raises."""
    state, pid, since = _zinc.examine_lock(name)
    return seats(_zinc.examine_seats(name)), LockInfo(STATES[state], pid, since / 1e9)
