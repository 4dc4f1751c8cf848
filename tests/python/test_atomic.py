"""Numbers that several processes change at once."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest

import zinc

from .conftest import sent
from .test_family import together
from .test_lifecycle import Child
from .test_locks import CONTEXTS, is_asleep
from .test_locks_async import RUNNERS, both

Kind = Literal["u32", "u64", "i64"]
LIMITS: dict[Kind, tuple[int, int]] = {
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}
kinds = pytest.mark.parametrize("kind", LIMITS)


@kinds
def test_does_what_it_says(name: str, kind: Kind) -> None:
    with zinc.create(name, 32) as region:
        number = region.atomic(8, kind)
        assert (number.region, number.offset, number.kind) == (region, 8, kind)
        assert number.load() == 0
        number.store(5)
        assert number.exchange(6) == 5
        assert number.add(10) == 6
        assert number.add(-3) == 16
        assert number.load() == 13
        assert number.compare_exchange(12, 1) is False
        assert number.compare_exchange(13, 0b1100) is True
        assert number.or_(0b0011) == 0b1100
        assert number.and_(0b0110) == 0b1111
        assert number.load() == 0b0110
        other = zinc.open(name).atomic(8, kind)
        assert other.load() == 0b0110
        types: dict[Kind, str] = {"u32": "u4", "u64": "u8", "i64": "i8"}
        assert region.as_numpy(types[kind], 1, 8)[0] == 0b0110
        assert repr(number) == f"<zinc.Atomic {kind} at byte 8 of region '{name}', 6>"
        other.region.close()
        assert "closed" in repr(other)
        assert bytes(region.as_buffer()[:8]) == bytes(8) == bytes(region.as_buffer()[16:24])


@kinds
def test_wraps_around(name: str, kind: Kind) -> None:
    least, most = LIMITS[kind]
    with zinc.create(name, 16) as region:
        number = region.atomic(0, kind)
        number.store(most)
        assert number.load() == most
        assert number.add(1) == most
        assert number.load() == least
        assert number.exchange(least) == least
        assert number.add(-1) == least
        assert number.load() == most
        assert number.compare_exchange(most, least)
        assert number.load() == least
        assert bytes(region.as_buffer()[8:]) == bytes(8)


@kinds
def test_what_does_not_fit_is_refused(name: str, kind: Kind) -> None:
    least, most = LIMITS[kind]
    with zinc.create(name, 16) as region:
        number = region.atomic(8, kind)
        for value in (least - 1, most + 1, 2**70, -(2**70)):
            for call in (number.store, number.exchange, number.wait, number.or_, number.and_):
                with pytest.raises(ValueError, match=f"does not fit: byte 8 .* is {kind}"):
                    call(value)
            with pytest.raises(ValueError, match="does not fit"):
                number.compare_exchange(0, value)
        with pytest.raises(ValueError, match="does not fit"):
            number.add(2**70)
        with pytest.raises(TypeError):
            number.store(1.5)  # type: ignore[arg-type]
        assert number.load() == 0


@pytest.mark.parametrize("offset", [1, 2, 4, 12, 16, 20, 2**63, 2**70])
def test_offset_has_to_be_a_place_for_it(name: str, offset: int) -> None:
    with zinc.create(name, 16) as region:
        with pytest.raises(ValueError, match="begin at a multiple"):
            region.atomic(offset, "u64")
        with pytest.raises(ValueError, match="from 0"):
            region.atomic(-8)
        with pytest.raises(ValueError, match="kind"):
            region.atomic(0, "u16")  # type: ignore[arg-type]
        region.atomic(8)
        region.atomic(12, "u32")
    with pytest.raises(ValueError, match="closed"):
        region.atomic(0)


def test_of_a_read_only_region_is_read_and_waited_for(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.open(name, readonly=True) as reader:
        number, own = reader.atomic(0), region.atomic(0)
        for call in (number.store, number.exchange, number.add, number.or_, number.and_):
            with pytest.raises(PermissionError, match="read-only"):
                call(1)
        with pytest.raises(PermissionError, match="read-only"):
            number.compare_exchange(0, 1)
        assert not number.wait(0, timeout_ms=1)
        own.store(3)
        assert number.wait(0)
        assert number.load() == 3


def count(number: zinc.Atomic, times: int) -> None:
    for _ in range(times):
        number.add(1)
        while not number.compare_exchange(value := number.load(), value + 1):
            pass


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_no_change_is_lost(name: str, context: Any) -> None:
    with zinc.create(name, 8) as region:
        number = region.atomic(0, "i64")
        children = [context.Process(target=count, args=(number, 5000)) for _ in range(2)]
        for child in children:
            child.start()
        count(number, 5000)
        for child in children:
            child.join(60)
        assert number.load() == 30000


def test_threads_lose_no_change(name: str) -> None:
    with zinc.create(name, 8) as region:
        number = region.atomic(0)
        assert together(4, lambda _: count(number, 1000)) == [None] * 4
        assert number.load() == 8000


def test_wait_ends_with_each_change(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.open(name) as other:
        number = region.atomic(4, "u32")
        changes: list[Callable[[zinc.Atomic], object]] = [
            lambda one: one.store(1),
            lambda one: one.add(1),
            lambda one: one.or_(4),
            lambda one: one.and_(4),
            lambda one: one.exchange(9),
            lambda one: one.compare_exchange(9, 0),
        ]
        for change in changes:
            before = number.load()
            assert not number.wait(before, 0)
            assert not number.wait(before, timeout_ms=1)
            results: list[bool] = []
            wait = threading.Thread(target=lambda: results.append(number.wait(before)))
            wait.start()
            while not is_asleep(os.getpid()):
                time.sleep(0.0005)
            change(other.atomic(4, "u32"))
            wait.join(60)
            assert results == [True]


def test_change_that_nobody_tells_of_is_seen(name: str) -> None:
    with zinc.create(name, 8) as region:
        number = region.atomic(0)
        words = region.as_numpy("u8")
        timer = threading.Timer(0.02, words.__setitem__, (0, 7))
        timer.start()
        assert number.wait(0)
        timer.join()


def test_what_changes_nothing_tells_nobody(name: str) -> None:
    with zinc.create(name, 8) as region:
        number = region.atomic(0)
        before = region.sequence
        number.store(0)
        number.add(0)
        number.or_(0)
        number.and_(1)
        number.compare_exchange(0, 0)
        number.compare_exchange(1, 2)
        assert region.sequence == before
        number.add(1)
        assert region.sequence == before + 1


def test_closing_ends_a_wait(name: str) -> None:
    region = zinc.create(name, 8)
    number = region.atomic(0)
    results: list[str] = []

    def wait() -> None:
        try:
            number.wait(0)
        except ValueError as error:
            results.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while not is_asleep(os.getpid()):
        time.sleep(0.001)
    region.close()
    thread.join(60)
    assert results == [f"region '{name}' was closed during the wait"]
    for call in (number.load, lambda: number.add(1), lambda: number.wait(1)):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_ctrl_c_ends_a_wait(name: str) -> None:
    code = (
        f"import zinc\nnumber = zinc.open({name!r}).atomic(0)\n"
        "try: number.wait(0)\nexcept KeyboardInterrupt: print('ended')"
    )
    with zinc.create(name, 8):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        while not is_asleep(child.pid):
            time.sleep(0.001)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=60)[0] == "ended\n"


@both
def test_wait_async(name: str, kind: str) -> None:
    with zinc.create(name, 8) as region:
        number = region.atomic(0)

        async def main() -> None:
            assert await number.wait_async(1)
            assert not await number.wait_async(0, 10)
            timer = threading.Timer(0.02, number.add, (1,))
            timer.start()
            assert await number.wait_async(0, 60_000)
            timer.join()

        RUNNERS[kind][0](main)


def test_change_of_a_dead_one_stays(name: str) -> None:
    with zinc.create(name, 8) as region:
        Child(f"zinc.open({name!r}).atomic(0).add(3)").kill()
        assert region.atomic(0).load() == 3


def test_pickles_as_a_reference_alone(name: str) -> None:
    with zinc.create(name, 16) as region:
        number = region.atomic(8, "i64")
        with pytest.raises(TypeError, match="by_reference"):
            pickle.dumps(number)
        there = pickle.loads(sent(number))
        there.add(-4)
        assert (type(there), number.load()) == (zinc.Atomic, -4)
        there.region.close()
