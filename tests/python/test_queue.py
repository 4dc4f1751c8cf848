"""Queues of objects and messages, in one process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import zinc


@pytest.fixture
def jobs(name: str) -> Iterator[zinc.Queue]:
    with zinc.Queue(8, name=name) as made:
        yield made


def test_objects_come_out_in_the_order_in_which_they_went_in(jobs: zinc.Queue) -> None:
    for item in (1, "two", {"three": [3.0]}):
        jobs.put(item)
    assert [jobs.get(), jobs.get(), jobs.get()] == [1, "two", {"three": [3.0]}]
    with pytest.raises(queue.Empty):
        jobs.get_nowait()


def test_arrays_are_read_where_they_were_put(jobs: zinc.Queue) -> None:
    jobs.put({"x": np.arange(100)})
    found = jobs.get()["x"]
    assert found.sum() == 4950
    assert not found.flags.writeable
    assert not found.flags.owndata


def test_full_queue_refuses_and_waits(jobs: zinc.Queue) -> None:
    for item in range(8):
        jobs.put(item)
    assert jobs.full()
    with pytest.raises(queue.Full):
        jobs.put_nowait(8)
    with pytest.raises(queue.Full):
        jobs.put(8, timeout=0.01)
    getter = threading.Timer(0.05, jobs.get)
    getter.start()
    jobs.put(8)
    getter.join()


def test_task_done_is_said_once_for_each_get(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.put(2)
    jobs.get()
    jobs.get()
    jobs.task_done()
    jobs.task_done()
    jobs.join(timeout_ms=1000)
    with pytest.raises(ValueError, match="more often"):
        jobs.task_done()


def test_join_waits_for_what_is_at_work(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.get()
    with pytest.raises(TimeoutError, match="1 are being worked on"):
        jobs.join(timeout_ms=20)


def test_after_shutdown_what_is_left_is_got(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.shutdown()
    with pytest.raises(zinc.ShutDown):
        jobs.put(2)
    assert list(jobs) == [1]
    with pytest.raises(zinc.ShutDown):
        jobs.get()


def test_closed_queue_raises(jobs: zinc.Queue) -> None:
    jobs.close()
    for call in (jobs.get, lambda: jobs.put(1), jobs.qsize, jobs.join, jobs.recv):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_name_brings_the_same_queue(jobs: zinc.Queue) -> None:
    with zinc.Queue(name=jobs.name) as other:
        jobs.put("hello")
        assert other.get() == "hello"
    for wrong in ({"maxsize": 16}, {"slot_size": 1}, {"redeliver": False}):
        with pytest.raises(ValueError, match="exists with"):
            zinc.Queue(name=jobs.name, **wrong)
