"""wait_async, wait_any_async and notifications under trio. Watchdogs, no longest times."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable

import pytest

import zinc

trio = pytest.importorskip("trio")
pytest.importorskip("trio.testing")


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def watched() -> None:
        with trio.fail_after(60):
            await main()

    before = set(os.listdir("/proc/self/fd"))
    trio.run(watched)
    assert set(os.listdir("/proc/self/fd")) == before


async def asleep() -> None:
    """Let the waits begin; right whether they do or not."""
    await trio.testing.wait_all_tasks_blocked(0.01)


def test_sees_each_notification_once(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            assert not await region.wait_async(0)
            assert not await region.wait_async(1.5)
            region.notify()
            assert region.seen == 0
            assert await region.wait_async()
            assert region.seen == 1
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    assert await region.wait_async(None)

                nursery.start_soon(wait)
                await asleep()
                region.notify()
            assert not region.try_wait()

    run(main)


def test_another_process_ends_the_wait(name: str) -> None:
    code = f"""
import sys, zinc
with zinc.open({name!r}) as region:
    for line in sys.stdin:
        region.notify()
"""

    async def main() -> None:
        with zinc.create(name, 1) as region:
            writer = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
            assert writer.stdin
            for _ in range(20):
                writer.stdin.write(b"\n")
                writer.stdin.flush()
                assert await region.wait_async(None)
            writer.stdin.close()
            assert writer.wait() == 0
            assert region.seen == 20

    run(main)


def test_after_leaves_the_object_alone(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            sequence = region.notify()
            assert await region.wait_async(after=0)
            assert not await region.wait_async(1, after=sequence)
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    assert await region.wait_async(None, after=sequence)

                nursery.start_soon(wait)
                await trio.sleep(0.02)
                region.notify()
            assert region.seen == 0
            assert region.try_wait()

    run(main)


def test_all_who_wait_on_one_object_are_told(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            told = []

            async def wait() -> None:
                told.append(await region.wait_async(None))

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(wait)
                await asleep()
                region.notify()
            assert told == [True] * 5

    run(main)


@pytest.mark.parametrize("after", [None, 0])
def test_cancellation_has_seen_nothing(name: str, after: int | None) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            with trio.move_on_after(0.02) as scope:
                await region.wait_async(None, after)
            assert scope.cancelled_caught
            region.notify()
            with trio.CancelScope() as scope:
                scope.cancel()
                await region.wait_async(None)
            assert scope.cancelled_caught
            assert region.seen == 0
            assert await region.wait_async(0)
            with trio.move_on_after(0.02) as scope:
                await zinc.wait_any_async([region], None)
            assert scope.cancelled_caught
            assert region.seen == 1

    run(main)


def test_close_ends_the_waits(name: str) -> None:
    async def main() -> None:
        region = zinc.create(name, 1)
        ended = []

        async def wait(after: int | None) -> None:
            with pytest.raises(ValueError, match="closed"):
                await region.wait_async(None, after)
            ended.append(after)

        async def wait_any() -> None:
            with pytest.raises(ValueError, match="closed"):
                await zinc.wait_any_async([region], None)
            ended.append(None)

        async def iterate() -> None:
            async for _ in region.notifications():
                pytest.fail("there is no news")
            ended.append(None)

        async with trio.open_nursery() as nursery:
            for after in None, None, 0:
                nursery.start_soon(wait, after)
            nursery.start_soon(wait_any)
            nursery.start_soon(iterate)
            await trio.sleep(0.02)
            region.close()
        assert len(ended) == 5

    run(main)


def test_notifications(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 1) as region:
            said = region.notify()
            async for sequence in region.notifications():
                assert sequence == said
                if said == 4:
                    region.close()  # ends the iteration
                else:
                    timer = threading.Timer(0.01, region.notify)
                    timer.start()
                    said += 1
        timer.join()

    run(main)


def test_wait_any_with_sentinels(name: str) -> None:
    async def main() -> None:
        left, right = zinc.create(name, 1), zinc.SharedRegion.anonymous(1)
        reading, writing = os.pipe()
        with left, right:
            assert await zinc.wait_any_async([left, right], 1.5) == []
            acts: list[tuple[Callable[[], object], object]] = [
                (right.notify, right),
                (lambda: os.write(writing, b"1"), reading),
            ]
            for act, expected in acts:
                timer = threading.Timer(0.01, act)
                timer.start()
                found = await zinc.wait_any_async([left, right], None, sentinels=[reading])
                assert found == [expected]
                timer.join()
        os.close(reading)
        os.close(writing)

    run(main)


def test_asyncio_goes_on_where_trio_is_imported(name: str) -> None:
    import asyncio

    async def main() -> None:
        with zinc.create(name, 1) as region:
            asyncio.get_running_loop().call_later(0.01, region.notify)
            assert await region.wait_async(None)

    asyncio.run(asyncio.wait_for(main(), 60))
