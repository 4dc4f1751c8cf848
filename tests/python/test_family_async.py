"""Coroutines and the family of the lock: what is cancelled has taken nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import pytest
import trio

import zinc

from .test_lifecycle import Child
from .test_locks_async import RUNNERS, both


class Closes(Protocol):
    def close(self) -> None: ...


_Closes = TypeVar("_Closes", bound=Closes)


class Closing(Protocol):
    def __call__(self, one: _Closes) -> _Closes: ...


@pytest.fixture
def closing() -> Iterator[Closing]:
    """Close what goes through it, of which a thread that trio has left may still have a hold."""
    with contextlib.ExitStack() as stack:

        def close_later(one: _Closes) -> _Closes:
            stack.callback(one.close)
            return one

        yield close_later


@both
def test_semaphore(name: str, kind: str, closing: Closing) -> None:
    semaphore, other = closing(zinc.Semaphore(name, 2)), closing(zinc.Semaphore(name, 2))
    run, sleep = RUNNERS[kind]

    async def main() -> None:
        async with semaphore as is_taken, other:
            assert is_taken is True
            assert not await semaphore.acquire_async(0)
            assert not await semaphore.acquire_async(10)
        child = Child(f"s = zinc.Semaphore({name!r}, 2); s.acquire(), s.acquire()")
        assert not await semaphore.acquire_async(10)
        child.kill()
        async with semaphore:
            pass
        await sleep(0)

    run(main)
    assert semaphore.get_value() == 2


@pytest.mark.parametrize("turns", range(6))
def test_cancelled_semaphore_has_taken_nothing(name: str, turns: int) -> None:
    semaphore, other = zinc.Semaphore(name), zinc.Semaphore(name)

    async def main() -> None:
        other.acquire()
        task = asyncio.create_task(semaphore.acquire_async())
        for turn in range(turns):
            if turn == turns - 2:
                other.release()
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task
            semaphore.release()
        except asyncio.CancelledError:
            pass

    asyncio.run(main())
    if turns < 2:
        other.release()
    assert semaphore.get_value() == 1


@both
def test_event(name: str, kind: str, closing: Closing) -> None:
    event = closing(zinc.Event(name))

    async def main() -> None:
        assert not await event.wait_async(0)
        assert not await event.wait_async(10)
        timer = threading.Timer(0.02, zinc.Event(name).set)
        timer.start()
        assert await event.wait_async()
        assert await event.wait_async(0)
        timer.join()
        event.close()
        with pytest.raises(ValueError, match="closed"):
            await event.wait_async()

    RUNNERS[kind][0](main)


@both
def test_readers_and_writers(name: str, kind: str, closing: Closing) -> None:
    lock, other = closing(zinc.RWLock(name)), closing(zinc.RWLock(name))

    async def main() -> None:
        async with lock.read, other.read:
            assert not await lock.write.acquire_async(10)
        async with lock.write:
            assert not await other.read.acquire_async(10)
            assert not await other.write.acquire_async(10)
        child = Child(f"lock = zinc.RWLock({name!r}); lock.write.acquire()")
        child.kill()
        with pytest.raises(zinc.OwnerDiedError):
            await lock.read.acquire_async()
        with lock.write.recover():
            pass
        async with lock.read:
            pass

    RUNNERS[kind][0](main)


@both
def test_condition(name: str, kind: str, closing: Closing) -> None:
    condition = closing(zinc.Condition(name, reentrant=False))
    run, _ = RUNNERS[kind]
    items: list[int] = []

    def produce() -> None:
        one = closing(zinc.Condition(name, reentrant=False))
        with one:
            items.append(1)
            one.notify()

    async def main() -> None:
        async with condition:
            assert not await condition.wait_async(10)
            thread = threading.Thread(target=produce)
            thread.start()
            while not items:
                assert await condition.wait_async(60_000)
            assert condition.lock.locked()
        thread.join()
        with pytest.raises(RuntimeError, match="not acquired"):
            await condition.wait_async()

    run(main)
    with pytest.raises(TypeError, match="reentrant"):
        run(zinc.Condition(f"{name}-2").wait_async)


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("notifies", [False, True])
def test_cancelled_condition_has_its_lock_and_loses_no_notification(
    name: str, turns: int, notifies: bool
) -> None:
    condition, other = (zinc.Condition(name, reentrant=False) for _ in range(2))

    async def wait(one: zinc.Condition) -> bool:
        async with one:
            return await one.wait_async()

    async def main() -> None:
        task = asyncio.create_task(wait(condition))
        while not await sees_waiter(condition):
            pass
        second = asyncio.create_task(wait(other))
        await asyncio.sleep(0.01)
        if notifies:
            async with zinc.Condition(name, reentrant=False) as _:
                pass
            async with condition:
                condition.notify()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task
            async with condition:
                condition.notify()
        except asyncio.CancelledError:
            if not notifies:
                async with condition:
                    condition.notify()
        assert await asyncio.wait_for(second, 60)

    async def sees_waiter(one: zinc.Condition) -> bool:
        await asyncio.sleep(0.001)
        return not one.lock.locked()

    asyncio.run(main())
    assert condition.lock.holder is None


@both
def test_barrier(name: str, kind: str, closing: Closing) -> None:
    barriers = [closing(zinc.Barrier(name, 3)) for _ in range(3)]
    places: list[int] = []

    async def meet(one: zinc.Barrier) -> None:
        places.append(await one.wait_async(60_000))

    async def in_asyncio() -> None:
        await asyncio.gather(*(meet(one) for one in barriers))

    async def in_trio() -> None:
        async with trio.open_nursery() as nursery:
            for one in barriers:
                nursery.start_soon(meet, one)

    RUNNERS[kind][0](in_asyncio if kind == "asyncio" else in_trio)
    assert sorted(places) == [0, 1, 2]


def no_thread_is_left() -> bool:
    end = time.monotonic() + 60
    while any(thread.name == "zinc-wait" for thread in threading.enumerate()):
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


@both
def test_barrier_that_is_cancelled_breaks(name: str, kind: str, closing: Closing) -> None:
    barrier, other = closing(zinc.Barrier(name, 2)), closing(zinc.Barrier(name, 2))

    async def in_asyncio() -> None:
        task: asyncio.Task[Any] = asyncio.create_task(barrier.wait_async())
        while not barrier.n_waiting:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def in_trio() -> None:
        with trio.move_on_after(0.02):
            await barrier.wait_async()

    RUNNERS[kind][0](in_asyncio if kind == "asyncio" else in_trio)
    assert other.broken
    assert no_thread_is_left()
    with pytest.raises(threading.BrokenBarrierError):
        RUNNERS[kind][0](lambda: other.wait_async()) if kind == "trio" else asyncio.run(
            other.wait_async()
        )
    assert no_thread_is_left()


def test_cancelled_when_all_have_come_breaks_no_barrier(name: str) -> None:
    barrier = zinc.Barrier(name, 1)

    async def main() -> None:
        task: asyncio.Task[Any] = asyncio.create_task(barrier.wait_async())
        await asyncio.sleep(0)
        assert no_thread_is_left()  # and the loop does not know yet
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not barrier.broken
