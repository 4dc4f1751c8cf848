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
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
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


@pytest.mark.parametrize(
    "timeout", [Decimal("0.5"), Fraction(1, 2), numpy.float32(1), True, 5e-324]
)
def test_timeout_is_whatever_is_a_number(name: str, timeout: Any) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            assert not region.wait(timeout)
            assert not await region.wait_async(timeout)

    run(main())


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 1e15, 2**70, Decimal("Infinity")])
def test_timeout_that_never_comes(name: str, timeout: Any) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            task = asyncio.create_task(region.wait_async(timeout))
            await asleep(task)
            region.notify()
            assert await task

    run(main())


@pytest.mark.parametrize("timeout", [10**400, "5", b"5", [], Decimal("sNaN"), 1j])
def test_timeout_that_can_not_be_leaves_nothing(name: str, timeout: Any) -> None:
    """It is refused as `wait` refuses it, and keeps neither the region nor a thread."""

    async def main() -> None:
        region = zinc.create(name, 1)
        kept = weakref.ref(region)
        with pytest.raises(Exception) as expected:  # noqa: PT011
            region.wait(timeout)
        with pytest.raises(type(expected.value)):
            await region.wait_async(timeout)
        del region, expected
        gc.collect()
        assert kept() is None
        assert listeners() == 0

    run(main())


class Refusing(asyncio.SelectorEventLoop):
    """A loop that takes no timers, nor what a wait asks it to call."""

    def call_later(self, *_: object, **__: object) -> asyncio.TimerHandle:
        raise RuntimeError("no timers")

    def call_soon(self, callback: Any, *arguments: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        if getattr(callback, "__module__", "") == "zinc._async":
            raise RuntimeError("no calls")
        return super().call_soon(callback, *arguments, context=context)


@pytest.mark.parametrize(("timeout", "told"), [(1000, "no timers"), (None, "no calls")])
def test_wait_that_its_loop_refuses_leaves_nothing(name: str, timeout: Any, told: str) -> None:
    async def main() -> None:
        region = zinc.create(name, 1)
        kept = weakref.ref(region)
        with pytest.raises(RuntimeError, match=told):
            await region.wait_async(timeout)
        del region
        gc.collect()
        assert kept() is None
        assert listeners() == 0

    with asyncio.Runner(loop_factory=Refusing) as runner:
        runner.run(main())


def test_after_is_whatever_is_a_whole_number(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            region.notify()
            assert await region.wait_async(1, after=numpy.uint32(0))
            assert not await region.wait_async(1, after=numpy.int64(1))
            with pytest.raises(TypeError):
                await region.wait_async(1, after=1.5)  # type: ignore[arg-type]

    run(main())


FORKED = """
import asyncio, os, sys, threading, time, zinc
loop = {new_loop}()
region, other = zinc.SharedRegion.anonymous(8), zinc.SharedRegion.anonymous(8)

def in_child(go_on):
    child = os.fork()
    if child == 0:
        try:
            go_on()
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

def later(region):
    threading.Timer(0.1, region.notify).start()

def listening():
    return any(thread.name == "zinc-waits" for thread in threading.enumerate())
"""


@pytest.fixture
def forking(name: str) -> Callable[[str], None]:
    """Return a function that runs a program, in a process of its own, whose children go on."""
    kind = (
        "asyncio.new_event_loop" if loop_factory is None else "__import__('uvloop').new_event_loop"
    )

    def run(code: str) -> None:
        program = FORKED.format(new_loop=kind) + code
        done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
        assert done.returncode == 0

    return run


def test_forked_child_waits_on_a_loop_that_had_a_thread(forking: Callable[[str], None]) -> None:
    forking("""
later(region)
assert loop.run_until_complete(region.wait_async(None))
assert listening()

def go_on():
    assert not listening()
    later(region)
    assert loop.run_until_complete(region.wait_async(None))
    assert region.seen == region.sequence
    os._exit(0)

in_child(go_on)
later(other)
assert loop.run_until_complete(other.wait_async(None))
""")


def test_forked_child_goes_on_with_who_waited_before(forking: Callable[[str], None]) -> None:
    """Of two tasks, one that was told before the fork; parent and child have a thread each."""
    if loop_factory is not None:
        pytest.skip(
            "what wakes a loop of uvloop is one for parent and child, and the child takes it"
        )
    forking("""
tasks = [loop.create_task(r.wait_async(None)) for r in (region, other)]
loop.run_until_complete(asyncio.sleep(0.1))
assert listening()
other.notify()
time.sleep(0.1)  # the thread has reported it, or does so in the parent alone

def go_on():
    later(region)
    assert loop.run_until_complete(asyncio.gather(*tasks)) == [True, True]
    os._exit(0)

in_child(go_on)
assert loop.run_until_complete(asyncio.gather(*tasks)) == [True, True]
""")


def test_forked_child_of_a_running_loop_goes_on(forking: Callable[[str], None]) -> None:
    forking("""
async def main():
    task = loop.create_task(region.wait_async(None))
    await asyncio.sleep(0.1)
    child = os.fork()
    if child:  # a loop that both run at once loses wake-ups of its own
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    else:
        later(region)
    assert await task
    return child

if loop.run_until_complete(main()) == 0:
    os._exit(0)
""")


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
