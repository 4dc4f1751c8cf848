"""Coroutines and locks: whatever is cancelled holds nothing, and leaves no thread."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio

import zinc
from zinc import _lock_async

from .test_lifecycle import Child


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "zinc-lock"]


def wait_for_no_thread() -> None:
    end = time.monotonic() + 60
    while threads() and time.monotonic() < end:
        time.sleep(0.001)
    assert not threads()


def is_free_in_the_end(name: str) -> None:
    """Nobody holds the lock, and no thread is left that might."""
    wait_for_no_thread()
    lock = zinc.Lock(name)
    assert lock.acquire(False)
    lock.release()
    lock.close()


async def sleep_of_trio(seconds: float) -> None:
    await trio.sleep(seconds)


RUNNERS: dict[str, tuple[Callable[..., Any], Callable[[float], Coroutine[Any, Any, None]]]] = {
    "asyncio": (lambda main: asyncio.run(main()), asyncio.sleep),
    "trio": (trio.run, sleep_of_trio),
}
both = pytest.mark.parametrize("kind", RUNNERS)


@both
def test_async_with(name: str, kind: str) -> None:
    lock = zinc.Lock(name)

    async def main() -> None:
        async with lock as is_held:
            assert is_held is True
            assert lock.locked()
            assert not await lock.acquire_async(0)
            assert not await lock.acquire_async(5)
        with pytest.raises(KeyError):
            async with lock:
                raise KeyError

    RUNNERS[kind][0](main)
    is_free_in_the_end(name)


@both
def test_waits_for_another_process(name: str, kind: str) -> None:
    lock = zinc.Lock(name)
    child = Child(f"lock = zinc.Lock({name!r}); lock.acquire()")
    run, sleep = RUNNERS[kind]
    turns = 0

    async def main() -> bool:
        nonlocal turns
        assert not await lock.acquire_async(timeout_ms=20)
        assert child.process.stdin
        child.process.stdin.write("import time; time.sleep(0.05); lock.release()\n")
        child.process.stdin.flush()
        while not await lock.acquire_async(timeout_ms=10):
            turns += 1
        await sleep(0)
        return lock.locked()

    assert run(main)
    assert turns
    lock.release()
    child.process.communicate()
    is_free_in_the_end(name)


@both
def test_timeout_must_be_one(name: str, kind: str) -> None:
    lock = zinc.Lock(name)

    async def main() -> None:
        for timeout in (-1, float("nan")):
            with pytest.raises(ValueError, match="timeout_ms"):
                await lock.acquire_async(timeout)
        lock.close()
        with pytest.raises(ValueError, match="closed"):
            await lock.acquire_async()

    RUNNERS[kind][0](main)


def test_reentrant_one_is_refused(name: str) -> None:
    lock = zinc.RLock(name)
    with pytest.raises(TypeError, match="tasks share one"):
        asyncio.run(lock.acquire_async())
    assert not lock.locked()


def test_tasks_get_it_in_their_order_and_share_a_thread(name: str) -> None:
    lock = zinc.Lock(name)
    order: list[int] = []
    most = 0

    async def take(number: int) -> None:
        nonlocal most
        async with lock:
            most = max(most, len(threads()))
            order.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        async with lock:
            tasks = [asyncio.create_task(take(i)) for i in range(30)]
            await asyncio.sleep(0.01)
            assert len(threads()) == 1
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert order == [*range(30)]
    assert most <= 1
    is_free_in_the_end(name)


def test_two_loops_exclude_each_other(name: str) -> None:
    lock = zinc.Lock(name)
    value = [0]

    async def count() -> None:
        for _ in range(50):
            async with lock:
                before = value[0]
                await asyncio.sleep(0)
                value[0] = before + 1

    async def main() -> None:
        await asyncio.gather(count(), count())

    loops = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join(60)
    assert value == [200]
    is_free_in_the_end(name)


@both
def test_another_task_may_release(name: str, kind: str) -> None:
    lock = zinc.Lock(name)

    async def give() -> None:
        lock.release()

    async def main() -> None:
        await lock.acquire_async()
        await give()
        assert not lock.locked()

    RUNNERS[kind][0](main)


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("releases", [None, 0, 1, 2, 3])
def test_cancelled_after_so_many_turns(name: str, turns: int, releases: int | None) -> None:
    """Of the loop; the lock becomes free before, meanwhile or never."""
    lock, other = zinc.Lock(name), zinc.Lock(name)

    async def main() -> None:
        other.acquire()
        task = asyncio.create_task(lock.acquire_async())
        for turn in range(turns):
            if turn == releases:
                other.release()
                time.sleep(0.001)  # lets the thread be faster than the loop, now and then
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task is True
            lock.release()
        except asyncio.CancelledError:
            pass

    asyncio.run(main())
    if releases is None or releases >= turns:
        other.release()
    is_free_in_the_end(name)


def test_cancelled_when_it_was_just_given(name: str) -> None:
    """The future is answered, and the task has not gone on yet."""
    lock, other = zinc.Lock(name), zinc.Lock(name)

    async def main() -> None:
        other.acquire()
        task = asyncio.create_task(lock.acquire_async())
        await asyncio.sleep(0.001)
        other.release()
        while lock.holder is None or threads():  # given, and the thread is done
            time.sleep(0.0005)
        # In the loop's queue now: the answer. Cancelled before it, and after it.
        asyncio.get_running_loop().call_soon(task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    is_free_in_the_end(name)


def test_storm_of_cancellations(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    held = 0

    async def take(after: float) -> None:
        nonlocal held
        try:
            async with asyncio.timeout(after):
                async with lock:
                    held += 1
                    try:
                        assert held == 1
                        await asyncio.sleep(0)
                    finally:
                        held -= 1
        except TimeoutError:
            pass

    async def main() -> None:
        for turn in range(60):
            async with other:
                tasks = [
                    asyncio.create_task(take((turn * 7 + i * 3) % 20 / 4000)) for i in range(10)
                ]
                await asyncio.sleep(turn % 10 / 2000)
            await asyncio.gather(*tasks)

    asyncio.run(main())
    is_free_in_the_end(name)


def test_cancelled_in_trio(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)

    async def main() -> None:
        for turn in range(20):
            other.acquire()
            with trio.move_on_after(turn % 5 / 1000):
                async with lock:
                    pass
            other.release()

    trio.run(main)
    is_free_in_the_end(name)


def test_one_that_is_cancelled_lets_the_next_have_it(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)

    async def main() -> bool:
        other.acquire()
        first = asyncio.create_task(lock.acquire_async())
        second = asyncio.create_task(lock.acquire_async())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        other.release()
        return await asyncio.wait_for(second, 60)

    assert asyncio.run(main())
    lock.release()
    is_free_in_the_end(name)


def test_loop_that_ends_amid_a_wait(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    other.acquire()
    loop = asyncio.new_event_loop()
    task = loop.create_task(lock.acquire_async())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    other.release()
    end = time.monotonic() + 60
    while (threads() or lock.locked()) and time.monotonic() < end:
        time.sleep(0.001)
    is_free_in_the_end(name)
    # asyncio has a word for those who leave tasks like this; this test has not.
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_closing_ends_the_wait(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)

    async def main() -> None:
        tasks = [asyncio.create_task(lock.acquire_async()) for _ in range(3)]
        await asyncio.sleep(0.01)
        lock.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == [ValueError] * 3

    with other:
        asyncio.run(main())
    is_free_in_the_end(name)


def test_taken_from_the_dead_it_is_repaired_or_told(name: str) -> None:
    calls: list[str] = []

    def repair(lock: zinc.Lock) -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            raise KeyError

    lock = zinc.Lock(name, repair)
    plain = zinc.Lock(name)

    async def main() -> None:
        child = Child(f"lock = zinc.Lock({name!r}); lock.acquire()")
        tasks = [asyncio.create_task(plain.acquire_async()) for _ in range(2)]
        await asyncio.sleep(0.01)
        child.kill()
        for task in tasks:
            with pytest.raises(zinc.OwnerDiedError):
                await task
        with pytest.raises(zinc.OwnerDiedError):
            await plain.acquire_async()
        with pytest.raises(KeyError):
            await lock.acquire_async()
        async with lock:
            assert lock.holder
            assert lock.holder.pid == os.getpid()
        async with plain:
            pass

    asyncio.run(main())
    assert len(calls) == 2
    is_free_in_the_end(name)


def test_repair_of_who_was_cancelled_leaves_nothing(name: str) -> None:
    """It is called in the thread, and ends there."""
    begun, go_on = threading.Event(), threading.Event()

    def repair(lock: zinc.Lock) -> None:
        begun.set()
        go_on.wait(60)

    lock = zinc.Lock(name, repair)

    async def main() -> None:
        child = Child(f"lock = zinc.Lock({name!r}); lock.acquire()")
        task = asyncio.create_task(lock.acquire_async())
        await asyncio.sleep(0.01)
        child.kill()
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(main())
    is_free_in_the_end(name)


def test_no_thread_left_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with other:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                with pytest.raises(RuntimeError, match="new thread"):
                    await lock.acquire_async()
            task = asyncio.create_task(lock.acquire_async())
            await asyncio.sleep(0)
        assert await task
        lock.release()

    asyncio.run(main())
    is_free_in_the_end(name)


def test_what_a_handler_raises_as_it_begins_to_wait_holds_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    start = threading.Thread.start

    def start_and_be_interrupted(thread: threading.Thread) -> None:
        start(thread)
        other.release()
        while _lock_async._queues[lock]:  # until it is given the lock
            time.sleep(0.001)
        raise KeyboardInterrupt

    other.acquire()
    monkeypatch.setattr(threading.Thread, "start", start_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(lock.acquire_async())
    assert other.acquire(timeout_ms=60_000)
    other.release()
