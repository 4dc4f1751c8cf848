"""Coroutines that read and write channels: what is cancelled has received and sent nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trio

import zinc

from .test_locks_async import RUNNERS, both


@pytest.fixture
def channel(name: str) -> Iterator[zinc.Channel]:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as one:
        yield one


@both
def test_recv_async_waits_for_what_comes(channel: zinc.Channel, kind: str) -> None:
    run, sleep = RUNNERS[kind]
    with channel.reader() as reader:

        async def main() -> None:
            channel.send(b"1")
            assert bytes((await reader.recv_async()).data) == b"1"
            with pytest.raises(TimeoutError, match="no message came within 0 ms"):
                await reader.recv_async(0)
            start = time.monotonic()
            with pytest.raises(TimeoutError, match="within 20 ms"):
                await reader.recv_async(timeout_ms=20)
            assert time.monotonic() - start >= 0.02
            with pytest.raises(ValueError, match="timeout_ms"):
                await reader.recv_async(-1)
            await sleep(0)

        run(main)


def test_others_run_while_one_receives(channel: zinc.Channel) -> None:
    async def main() -> None:
        reader = channel.reader()
        task = asyncio.create_task(reader.recv_async())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        channel.send(b"late")
        assert bytes((await task).data) == b"late"
        reader.close()

    asyncio.run(main())


def test_busy_channel_lets_others_run(channel: zinc.Channel) -> None:
    """Also where there is a message each time."""
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            ran += 1
            await asyncio.sleep(0)

    async def main() -> None:
        with channel.reader() as reader:
            task = asyncio.create_task(other())
            for _ in range(10):
                channel.send(b"x")
                await reader.recv_async()
            task.cancel()
        assert ran >= 10

    asyncio.run(main())


def test_cancelled_receive_has_received_nothing(channel: zinc.Channel) -> None:
    async def main() -> None:
        with channel.reader() as reader:
            for turn in range(20):
                task = asyncio.create_task(reader.recv_async())
                for _ in range(turn % 4):
                    await asyncio.sleep(0)
                channel.send(b"x")
                task.cancel()
                try:
                    message = await task
                except asyncio.CancelledError:
                    message = reader.recv(0)
                assert message.number == turn + 1

    asyncio.run(main())


@both
def test_async_iteration_ends_with_close(channel: zinc.Channel, kind: str) -> None:
    run, _ = RUNNERS[kind]
    reader = channel.reader()

    async def main() -> None:
        channel.send(b"1")
        channel.send(b"2")
        numbers = []
        async for message in reader:
            numbers.append(message.number)
            if len(numbers) == 2:
                reader.close()
        assert numbers == [1, 2]

    run(main)


def test_close_ends_waits_of_tasks(channel: zinc.Channel) -> None:
    async def main() -> None:
        reader = channel.reader()

        async def iterate() -> int:
            return len([message async for message in reader])

        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(iterate()),
            asyncio.create_task(reader.recv_async()),
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        reader.close()
        assert await tasks[0] == 0
        with pytest.raises(ValueError, match="closed"):
            await tasks[1]

    asyncio.run(main())


def test_send_async_waits_for_room(channel: zinc.Channel) -> None:
    async def main() -> None:
        with channel.reader() as reader:
            assert await channel.send_async(b"1") == 1
            assert await channel.send_async(b"2", tag=4) == 2
            with pytest.raises(TimeoutError, match="it is full, and a reader holds it up"):
                await channel.send_async(b"3", timeout_ms=5)
            task = asyncio.create_task(channel.send_async(b"3"))
            await asyncio.sleep(0.003)
            assert not task.done()
            assert reader.recv(0).number == 1
            assert await task == 3
            assert [(m.number, m.tag) for m in reader.recv_many(9)] == [(2, 4), (3, 0)]

    asyncio.run(main())


def test_cancelled_send_has_sent_nothing(channel: zinc.Channel) -> None:
    async def main() -> None:
        with channel.reader() as reader:
            await channel.send_async(b"1")
            await channel.send_async(b"2")
            for _ in range(50):  # more than there are slots
                task = asyncio.create_task(channel.send_async(b"3"))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert len(reader.recv_many(9)) == 2
            assert channel.send(b"4") == 3

    asyncio.run(main())


@both
def test_send_object_async_waits_for_room(name: str, kind: str) -> None:
    run, _ = RUNNERS[kind]

    async def main() -> None:
        with (
            zinc.Channel.create(name, 2, slot_size=256, full="wait") as channel,
            channel.reader() as reader,
        ):
            assert await channel.send_object_async({"one": 1}, tag=4) == 1
            assert await channel.send_object_async(bytes(100_000)) == 2
            beside = {one for one in zinc.regions() if one.startswith("object-")}
            for _ in range(50):  # more than there are slots, and none stays beside
                with pytest.raises(TimeoutError, match="it is full, and a reader holds it up"):
                    await channel.send_object_async(bytes(100_000), timeout_ms=0)
            channel._sent._spares.clear()  # which the next one may have use for
            assert {one for one in zinc.regions() if one.startswith("object-")} == beside
            with pytest.raises(Exception, match="pickle") as caught:
                await channel.send_object_async(lambda: 1)
            assert caught.value.__notes__ == [f"send an object to channel {name!r}"]
            threading.Timer(0.03, lambda: reader.recv(0).object()).start()
            assert await channel.send_object_async(3) == 3
            assert [m.object() for m in reader.recv_many(9)] == [bytes(100_000), 3]
            assert [await channel.send_object_async(n) for n in (4, 5)] == [4, 5]
            channel._sent._spares.clear()
            assert not beside & set(zinc.regions())
        with (
            zinc.Channel.create(name, 2, shape=1, dtype="u1") as channel,
            pytest.raises(ValueError, match="its messages are arrays"),
        ):
            await channel.send_object_async(1)

    run(main)


def test_cancelled_send_of_an_object_has_sent_nothing(name: str) -> None:
    async def main() -> None:
        with (
            zinc.Channel.create(name, 2, slot_size=256, full="wait") as channel,
            channel.reader() as reader,
        ):
            await channel.send_object_async(1)
            await channel.send_object_async(2)
            before = {one for one in zinc.regions() if one.startswith("object-")}
            for _ in range(50):
                task = asyncio.create_task(channel.send_object_async(bytes(100_000)))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            channel._sent._spares.clear()  # which the next one may have use for
            beside = {one for one in zinc.regions() if one.startswith("object-")} - before
            assert len(beside) <= 1  # that the last one's traceback has
            assert [m.object() for m in reader.recv_many(9)] == [1, 2]
            assert channel.send_object(3) == 3

    asyncio.run(main())


def test_send_async_under_trio(channel: zinc.Channel) -> None:
    async def main() -> None:
        with channel.reader() as reader:
            for number in range(1, 10):
                assert await channel.send_async(b"x") == number
                assert reader.recv(0).number == number
            channel.send(b"x")
            channel.send(b"x")
            with trio.move_on_after(0.01) as scope:
                await channel.send_async(b"x")
            assert scope.cancelled_caught

    trio.run(main)
