"""What CPython's own tests ask of its queues, asked of zinc's.

The standard library has these tests where its package `test` is installed. Left out, with what
is otherwise here:

| case | why |
|---|---|
| `QueueTest.test_shrinking_queue` | `maxsize` can't be changed: memory was laid out for it |
| `FailingQueueTest` | replaces ``_put`` and ``_get``, the inside of `queue.Queue` |
| `LifoQueueTest`, `PriorityQueueTest`, `BaseSimpleQueueTest` | of other queues |
| `_TestQueue.test_queue_feeder_donot_stop_onexc` | no thread pickles: `put` raises at once |
| `_TestQueue.test_queue_feeder_on_queue_feeder_error` | nor is there a hook for what it would |
| `_TestQueue.test_closed_queue_empty_exceptions` | a closed one is ValueError in every call |
"""

from __future__ import annotations

import multiprocessing
import queue
import unittest
from typing import Any
from unittest import mock

import pytest

import zinc

queues: Any = pytest.importorskip("test.test_queue")
processes: Any = pytest.importorskip("test._test_multiprocessing")


def large(maxsize: int) -> dict[str, Any]:
    """Say how large a queue is that has no limit: some cases put that many before they get any."""
    return {"maxsize": maxsize or 1 << 16, "slot_size": 256}


class Standard:
    """The module `queue`, with zinc's. Some cases look which order a class of some name has."""

    Full, Empty, ShutDown = queue.Full, queue.Empty, zinc.ShutDown

    class Queue(zinc.Queue):
        def __new__(cls, maxsize: int = 0) -> Any:
            return zinc.Queue.__new__(cls, **large(maxsize))


class Joinable(Standard):
    class Queue(zinc.JoinableQueue):
        def __new__(cls, maxsize: int = 0) -> Any:
            return zinc.JoinableQueue.__new__(cls, **large(maxsize))


class TestQueue(queues.QueueTest, unittest.TestCase):  # type: ignore[misc]
    queue = Standard
    test_shrinking_queue = None


class TestJoinableQueue(queues.QueueTest, unittest.TestCase):  # type: ignore[misc]
    queue = Joinable
    test_shrinking_queue = None


class ProcessCases(processes._TestQueue):  # type: ignore[misc]
    TYPE = "processes"
    Queue = staticmethod(zinc.Queue)
    JoinableQueue = staticmethod(zinc.JoinableQueue)
    test_queue_feeder_donot_stop_onexc = None
    test_queue_feeder_on_queue_feeder_error = None
    test_closed_queue_empty_exceptions = None

    def setUp(self) -> None:
        """Give zinc's to the cases that take those of multiprocessing by their name."""
        for name in ("Queue", "JoinableQueue"):
            patch = mock.patch.object(multiprocessing, name, getattr(zinc, name))
            patch.start()
            self.addCleanup(patch.stop)


class TestForkedProcesses(ProcessCases, unittest.TestCase):
    Process = multiprocessing.get_context("fork").Process
    Event = staticmethod(multiprocessing.get_context("fork").Event)


class TestSpawnedProcesses(ProcessCases, unittest.TestCase):
    Process = multiprocessing.get_context("spawn").Process
    Event = staticmethod(multiprocessing.get_context("spawn").Event)
