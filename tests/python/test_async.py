"""wait_async: coroutines that wait, with one thread a loop. Watchdogs, no longest times."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import zinc

loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def _each_kind_of_loop(request: pytest.FixtureRequest) -> None:
    global loop_factory
    is_own = request.param == "asyncio"
    loop_factory = None if is_own else pytest.importorskip("uvloop").new_event_loop


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(main, 60))


def listeners() -> int:
    return sum(thread.name == "zinc-waits" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _thread_ends() -> Iterator[None]:
    yield
    while listeners():
        time.sleep(0.01)
    gc.collect()  # loops, and what they have


async def asleep(task: asyncio.Task[Any]) -> None:
    """Let a wait begin, and its thread fall asleep; right whether it does or not."""
    await asyncio.sleep(0.05)
    assert not task.done()


def test_sees_each_notification_once(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            assert not await region.wait_async(0)
            assert not await region.wait_async(1.5)
            region.notify()
            assert region.seen == 0
            assert await region.wait_async()
            assert region.seen == 1
            assert not await region.wait_async(0)
            task = asyncio.create_task(region.wait_async(None))
            await asleep(task)
            region.notify()
            assert await task
            assert not region.try_wait()

    run(main())


def test_after_leaves_the_object_alone(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            sequence = region.notify()
            assert await region.wait_async(after=0)
            assert not await region.wait_async(1, after=sequence)
            task = asyncio.create_task(region.wait_async(None, after=sequence))
            await asleep(task)
            region.notify()
            assert await task
            assert region.try_wait()

    run(main())


def test_another_process_ends_the_wait(name: str) -> None:
    code = f"""
import asyncio, zinc
async def main():
    with zinc.open("{name}") as region:
        sequence = 0
        for _ in range(200):
            assert await region.wait_async(None, after=sequence)
            sequence = region.notify()
asyncio.run(main())
"""

    async def main() -> None:
        with zinc.create(name, 1) as region:
            peer = subprocess.Popen([sys.executable, "-c", code])
            for _ in range(200):
                assert await region.wait_async(None, after=region.notify())
            assert await asyncio.to_thread(peer.wait) == 0

    run(main())


def test_other_tasks_run_even_if_there_is_always_news(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(count())
            for _ in range(100):
                region.notify()
                assert await region.wait_async(None)
                await region.wait_async(0)
            assert turns >= 200
            task.cancel()

    run(main())


def test_cancelled_wait_has_seen_nothing(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            task = asyncio.create_task(region.wait_async(None))
            await asleep(task)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            region.notify()
            assert region.try_wait()
            # Cancelled when the answer is on its way already, at each turn of the loop.
            for turns in range(6):
                task = asyncio.create_task(region.wait_async(None))
                await asleep(task)
                region.notify()
                time.sleep(0.05)
                for _ in range(turns):
                    await asyncio.sleep(0)
                if task.cancel():
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    assert region.try_wait()
                else:
                    assert await task
                    assert not region.try_wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(region.wait_async(None), 0.02)

    run(main())


def test_thousand_waiters_on_a_hundred_regions(name: str) -> None:
    async def main() -> None:
        regions = [zinc.create(f"{name}-{i}", 1) for i in range(100)]
        for _ in range(3):
            tasks = [
                asyncio.create_task(region.wait_async(None))
                for region in regions
                for _ in range(10)
            ]
            await asleep(tasks[0])
            assert listeners() == 1
            for region in regions:
                region.notify()
            assert all(await asyncio.gather(*tasks))
        tasks = [asyncio.create_task(region.wait_async(20)) for region in regions * 10]
        assert not any(await asyncio.gather(*tasks))
        tasks = [asyncio.create_task(region.wait_async(None)) for region in regions * 10]
        await asleep(tasks[0])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        for region in regions:
            region.close()

    run(main())


def test_leaves_nothing_behind(name: str) -> None:
    """No region is kept, by one who has seen news, none, or was cancelled."""

    async def main() -> None:
        region = zinc.create(name, 1)
        kept = weakref.ref(region)
        assert not await region.wait_async(1)
        region.notify()
        assert await region.wait_async(1)
        task = asyncio.create_task(region.wait_async(None))
        await asleep(task)
        region.notify()
        assert await task
        task = asyncio.create_task(region.wait_async(None))
        await asleep(task)
        task.cancel()
        await asyncio.wait([task])
        del task, region
        while kept():  # the thread lets go when it has run
            gc.collect()
            await asyncio.sleep(0.01)

    for _ in range(3):
        run(main())


def test_thread_that_ended_is_started_again(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            for _ in range(2):
                assert not await region.wait_async(1)
                while listeners():
                    await asyncio.sleep(0.05)

    run(main())


def test_close_ends_the_waits(name: str) -> None:
    async def main() -> None:
        region, other = zinc.create(name, 1), zinc.create(name + "-b", 1)
        tasks = [asyncio.create_task(r.wait_async(None)) for r in (region, region, other)]
        await asleep(tasks[0])
        region.close()
        for task in tasks[:2]:
            with pytest.raises(ValueError, match=f"{name}' is closed"):
                await task
        other.notify()
        assert await tasks[2]
        other.close()
        with pytest.raises(ValueError, match="is closed"):
            await region.wait_async()

    run(main())


def test_refuses_what_can_not_be(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            for timeout in (-1, -0.001, float("nan")):
                with pytest.raises(ValueError, match="timeout_ms"):
                    await region.wait_async(timeout)
            with pytest.raises(TypeError):
                await region.wait_async("soon")  # type: ignore[arg-type]
            for after in (-1, 1 << 32):
                with pytest.raises(ValueError, match="after"):
                    await region.wait_async(None, after)

    run(main())


def test_two_loops_and_threads_wait_on_one_region(name: str) -> None:
    with zinc.create(name, 1) as region:
        results: list[bool] = []

        async def main() -> None:
            results.append(await region.wait_async(None, after=0))

        threads = [threading.Thread(target=run, args=(main(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        region.notify()
        for thread in threads:
            thread.join()
        assert results == [True, True]


def test_process_ends_with_a_wait_in_its_thread(name: str) -> None:
    """A daemon thread must not keep the interpreter, nor crash it."""
    code = f"""
import asyncio, zinc
loop = asyncio.new_event_loop()
region = zinc.create("{name}", 1)
task = loop.create_task(region.wait_async(None))
loop.run_until_complete(asyncio.sleep(0.1))
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert done.returncode == 0
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


def test_iterates_over_what_is_new(name: str) -> None:
    async def main() -> None:
        region, other = zinc.create(name, 1), zinc.open(name)
        seen = []

        async def listen() -> None:
            async for sequence in region.notifications():
                seen.append(sequence)
                assert sequence == region.seen
                answered.set()
            seen.append(-1)

        answered = asyncio.Event()
        other.notify()
        task = asyncio.create_task(listen())
        for expected in range(1, 4):
            await answered.wait()
            answered.clear()
            assert seen[-1] == expected
            other.notify()
        await answered.wait()
        region.close()
        await task
        assert seen == [1, 2, 3, 4, -1]
        async for _ in region.notifications():
            pytest.fail("a closed region has none")

        async for sequence in other.notifications():
            assert sequence == 4
            break
        task = asyncio.create_task(anext(other.notifications()))  # type: ignore[arg-type]
        await asleep(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other.notify()
        assert other.try_wait()
        other.close()

    run(main())
