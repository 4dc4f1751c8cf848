"""Regions that outlive their last user for a while: keep, and tickets that are given back."""

from __future__ import annotations

import math
import os
import signal
import struct
import subprocess
import sys
import time
from typing import Any

import pytest

import zinc

from .conftest import SHM


def words(name: str) -> tuple[int, int]:
    """Return what the header says: until when it is kept, and the tickets."""
    kept_until, tickets = struct.unpack_from("<QI", (SHM / f"zinc_{name}").read_bytes(), 72)
    return kept_until, tickets


def alive(name: str) -> bool:
    try:
        zinc.open(name).close()
    except FileNotFoundError:
        return False
    return True


def boot_time() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_kept_region_outlives_its_last_user(name: str) -> None:
    with zinc.create(name, 8) as region:
        region.as_buffer()[0] = 7
        before = boot_time()
        region.keep(3600)
        kept_until, tickets = words(name)
        assert before + 3600 * 10**9 <= kept_until <= boot_time() + 3600 * 10**9
        assert tickets == 1
        region.keep(1)  # one that ends earlier changes nothing
        assert words(name) == (kept_until, 2)
    assert name not in zinc.reclaim()
    with pytest.raises(FileExistsError):
        zinc.create(name, 8)
    with zinc.open(name) as again:
        assert again.as_buffer()[0] == 7
    with zinc.open(name) as again:
        again.give_back()
    with zinc.open(name) as again:
        again.give_back()
        again.give_back()  # never below none
        assert words(name) == (kept_until, 0)
    assert not (SHM / f"zinc_{name}").exists()


def test_kept_region_outlives_a_killed_user_for_its_time(name: str) -> None:
    code = """if True:
        import os, sys, zinc
        region = zinc.create(sys.argv[1], 8)
        region.keep(float(sys.argv[2]))
        os.kill(os.getpid(), 9)
    """
    for seconds, stays in ("3600", True), ("0", False), ("0.05", False):
        ended = subprocess.run([sys.executable, "-c", code, name, seconds], check=False)
        assert ended.returncode == -signal.SIGKILL
        while not stays and words(name)[0] > boot_time():
            os.sched_yield()
        assert alive(name) == stays
        if stays:
            zinc.unlink(name)
        else:
            assert not (SHM / f"zinc_{name}").exists()


def test_kept_for_ever_is_a_time_too(name: str) -> None:
    with zinc.create(name, 8) as region:
        region.keep(math.inf)
        assert words(name) == (2**64 - 1, 1)
    assert alive(name)
    zinc.unlink(name)


@pytest.mark.parametrize("seconds", [-1, math.nan, -math.inf])
def test_what_no_time_is(name: str, seconds: float) -> None:
    with zinc.create(name, 8) as region:
        with pytest.raises(ValueError, match=f"keep '{name}': seconds are a number from 0"):
            region.keep(seconds)
        assert words(name) == (0, 0)


def test_who_can_not_keep() -> None:
    nobody: Any = "soon"
    with zinc.SharedRegion.anonymous(8) as region:
        with pytest.raises(ValueError, match="without a name"):
            region.keep(1)
        with pytest.raises(TypeError):
            region.keep(nobody)
    with pytest.raises(ValueError, match="closed"):
        region.keep(1)
    with pytest.raises(ValueError, match="closed"):
        region.give_back()


def test_tickets_of_many_at_once_are_all_counted(name: str) -> None:
    with zinc.create(name, 8) as region:
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                for _ in range(5000):
                    region.keep(60)
                    region.keep(60)
                    region.give_back()
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert words(name)[1] == 20_000
        region.unlink()


def test_reader_of_a_writable_region_may_keep_it(name: str) -> None:
    with zinc.create(name, 8), zinc.open(name, readonly=True) as reader:
        reader.keep(60)
        reader.give_back()
        assert words(name)[1] == 0
