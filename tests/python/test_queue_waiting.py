"""zinc.wait_any and wait_any_async of queues, beside regions, readers and processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

import zinc

FORK = multiprocessing.get_context("fork")

Wait = Callable[..., list[Any]]


def wait_in_asyncio(*args: Any, **kwargs: Any) -> list[Any]:
    return asyncio.run(zinc.wait_any_async(*args, **kwargs))


def wait_in_trio(*args: Any, **kwargs: Any) -> list[Any]:
    async def main() -> list[Any]:
        return await zinc.wait_any_async(*args, **kwargs)

    return trio.run(main)


def wait_with_sentinel(*args: Any, **kwargs: Any) -> list[Any]:
    """Beside a descriptor that nothing comes to."""
    reading, writing = os.pipe()
    try:
        return zinc.wait_any(*args, **kwargs, sentinels=[reading])
    finally:
        os.close(reading)
        os.close(writing)


each_way = pytest.mark.parametrize(
    "wait",
    [zinc.wait_any, wait_with_sentinel, wait_in_asyncio, wait_in_trio],
    ids=["thread", "sentinels", "asyncio", "trio"],
)


@pytest.fixture
def jobs(name: str) -> Iterator[zinc.Queue]:
    with zinc.Queue(8, name=name) as made:
        yield made


@each_way
def test_queue_is_ready_as_long_as_an_item_waits(jobs: zinc.Queue, wait: Wait) -> None:
    with zinc.SharedRegion.anonymous(1) as region:
        assert wait([jobs, region], 1) == []
        jobs.put(1)
        for _ in range(3):
            assert wait([jobs, region], None) == [jobs]
        assert jobs.get_nowait() == 1
        assert wait([region, jobs], 1) == []
        region.notify()
        assert wait([region, jobs], None) == [region]
        assert wait([region, jobs], 1) == []
        jobs.put(2)
        region.notify()
        assert wait([region, jobs], None) == [region, jobs]


@each_way
def test_wait_is_woken_by_an_item_and_by_the_end(jobs: zinc.Queue, name: str, wait: Wait) -> None:
    with zinc.Queue(name=f"{name}-other") as other:
        for what in lambda: jobs.put(1), lambda: jobs.send(b""), jobs.shutdown:
            timer = threading.Timer(0.02, what)
            timer.start()
            assert wait([other, jobs], None) == [jobs]
            timer.join()
            if not jobs.is_shutdown:
                jobs.recv(0).release()
        assert wait([other, jobs], None) == [jobs]
        with pytest.raises(zinc.ShutDown):
            jobs.get()


def get_and_hang(jobs: zinc.Queue) -> None:
    jobs.get()
    signal.pause()


@each_way
def test_what_a_killed_worker_had_makes_a_queue_ready(jobs: zinc.Queue, wait: Wait) -> None:
    """Nobody tells of it, so who waits looks."""
    jobs.put("an item")
    worker = FORK.Process(target=get_and_hang, args=(jobs,))
    worker.start()
    while jobs.qsize():
        time.sleep(0.001)
    killer = threading.Timer(0.02, worker.kill)
    killer.start()
    with zinc.SharedRegion.anonymous(1) as region:
        assert wait([region, jobs], None) == [jobs]
    killer.join()
    worker.join()
    assert jobs.get(timeout=20) == "an item"


@each_way
def test_closed_queue_and_what_is_no_queue_are_refused(
    jobs: zinc.Queue, name: str, wait: Wait
) -> None:
    closed = zinc.Queue(name=name)
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        wait([jobs, closed], 1)
    with zinc.Channel.create(f"{name}-channel", slot_size=1) as channel:
        with pytest.raises((TypeError, AttributeError)):
            wait([jobs, channel], 1)
        with pytest.raises(TypeError, match=r"a ChannelReader or a Queue is needed, not <zinc\.Ch"):
            zinc.wait_any([channel])  # type: ignore[type-var]
    with pytest.raises(TypeError, match="a SharedRegion is needed, not"):
        zinc.wait_all([jobs])  # type: ignore[list-item]


def test_wait_ends_as_its_queue_is_closed(jobs: zinc.Queue) -> None:
    waiting = threading.Timer(0.02, jobs.close)
    waiting.start()
    with pytest.raises(ValueError, match="closed"):
        zinc.wait_any([jobs], None)
    waiting.join()


def test_many_threads_that_wait_for_one_queue_miss_nothing(jobs: zinc.Queue) -> None:
    """None sleeps on while there is an item, whoever else has been told of it."""
    found: list[int] = []

    def take() -> None:
        with zinc.SharedRegion.anonymous(1) as region:
            both: list[Any] = [region, jobs]
            while True:
                assert zinc.wait_any(both, None) == [jobs]
                try:
                    found.append(jobs.get_nowait())
                except zinc.ShutDown:
                    return
                except queue.Empty:
                    continue

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(2000):
        jobs.put(number)
    jobs.shutdown()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(2000))
