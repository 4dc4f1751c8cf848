"""Who sits in a region and who has its lock, as its users see it, and from outside."""

from __future__ import annotations

import errno
import os
import time

import pytest

import zinc
from zinc import _seats

from .bare_lock import RECOVER, BareLock, holding
from .conftest import SHM


def test_a_region_that_nobody_locks_has_no_sitters(name: str) -> None:
    with zinc.create(name, 8) as region:
        assert region.seats == []
        info = zinc.examine(name)
        assert (info.seats, info.lock) == ([], zinc.LockInfo("free", 0, 0))
    with pytest.raises(ValueError, match="closed"):
        region.seats  # noqa: B018


def test_who_uses_a_lock_sits_until_it_closes(name: str) -> None:
    before = time.time()
    lock, other = BareLock(name), BareLock(name)
    with zinc.open(name) as region:
        assert (region.seats, region.kind) == ([], 3)  # an open handle is no sitter yet
        assert lock.acquire() == 0
        (seat,) = region.seats
        assert seat == zinc.Seat(0, "locks", os.getpid(), True, seat.since)
        assert before - 0.1 <= seat.since <= time.time()
        info = zinc.examine(name)
        assert info.seats == [seat]
        assert info.lock
        assert (info.lock.state, info.lock.pid) == ("held", os.getpid())
        assert before - 0.1 <= info.lock.since <= time.time()
        assert lock.release() == 0
        assert zinc.examine(name).lock == zinc.LockInfo("free", 0, 0)
        assert region.seats == [seat]
        assert other.acquire() == 0
        assert [s.number for s in region.seats] == [0, 1]
        assert other.release() == 0
        lock.close()
        assert [s.number for s in region.seats] == [1]
        other.close()
        assert region.seats == []


def test_who_was_killed_is_told_of(name: str) -> None:
    with zinc.SharedRegion.open_or_create(name, 16, kind=3) as region:
        with holding(name) as process:
            assert [(s.pid, s.alive) for s in region.seats] == [(process.pid, True)]
            held = zinc.examine(name).lock
            assert held
            process.kill()
        assert [(s.pid, s.alive) for s in region.seats] == [(process.pid, False)]
        info = zinc.examine(name)
        assert info.seats == region.seats
        assert info.lock == zinc.LockInfo("abandoned", process.pid, held.since)
        region.unlink()  # else it stays, for the next one to be told


def test_a_lock_whose_holder_died_outlives_its_users(name: str) -> None:
    with holding(name) as process:
        assert zinc.examine(name).state == "attached"
        process.kill()
    info = zinc.examine(name)
    assert info.state == "unattached"
    assert info.lock
    assert (info.lock.state, info.lock.pid) == ("abandoned", process.pid)
    zinc.unlink(name)


def test_who_repairs_and_what_is_damaged(name: str) -> None:
    with holding(name) as process:
        process.kill()
    lock = BareLock(name)
    assert lock.acquire() == -errno.EOWNERDEAD
    assert lock.acquire(RECOVER) == 1
    info = zinc.examine(name).lock
    assert info == zinc.LockInfo("repairing", os.getpid(), 0)
    assert lock.release() == 0
    with (SHM / f"zinc_{name}").open("r+b") as file:
        file.seek(96)
        file.write((0x3FFFFFFF).to_bytes(4, "little"))
        file.flush()
        assert zinc.examine(name).lock == zinc.LockInfo("damaged", 0, 0)
        file.seek(96)
        file.write(bytes(4))
    lock.close()


def test_anonymous_regions_have_seats(name: str) -> None:
    with zinc.SharedRegion.anonymous(64) as region:
        assert region.seats == []


def test_no_look_mixes_two_regions_of_one_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = zinc.create(name, 5)
    lock = None
    look = _seats.examine

    def look_late(name: str) -> tuple[list[zinc.Seat], zinc.LockInfo]:
        nonlocal lock
        if lock is None:  # another takes the name between two looks
            first.unlink()
            lock = BareLock(name)
            assert lock.acquire() == 0
        return look(name)

    monkeypatch.setattr(_seats, "examine", look_late)
    info = zinc.examine(name)
    assert lock
    assert info.lock
    assert (info.kind, info.lock.state, len(info.seats)) == (3, "held", 1)
    lock.release()
    lock.close()
    first.close()
