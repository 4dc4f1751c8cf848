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


class Standard:
    """The module `queue`, with zinc's."""

    Full, Empty, ShutDown = queue.Full, queue.Empty, zinc.ShutDown

    class Queue(zinc.JoinableQueue):
        """Of this name, since the cases look which order a class of some name has."""


class QueueCases(queues.QueueTest):  # type: ignore[misc]
    queue: Any = Standard
    test_shrinking_queue = None


class TestQueue(QueueCases, unittest.TestCase):
    class queue(Standard):  # noqa: N801
        Queue = zinc.Queue  # type: ignore[assignment]


class TestJoinableQueue(QueueCases, unittest.TestCase):
    pass


class ProcessCases(processes._TestQueue):  # type: ignore[misc]
    TYPE = "processes"
    Queue = staticmethod(zinc.Queue)
    JoinableQueue = staticmethod(zinc.JoinableQueue)
    test_queue_feeder_donot_stop_onexc = None
    test_queue_feeder_on_queue_feeder_error = None

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
