"""What CPython's own tests ask of threading's locks and their family, asked of zinc's.

The standard library has these tests where its package `test` is installed.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import zinc

tests: Any = pytest.importorskip("test.lock_tests")

# How objects show themselves is ours, and so are their private methods. What is longer than any
# clock runs is for ever, and no OverflowError.
OURS = ("repr", "_at_fork_reinit", "test__", "_recursion_count", "_release_save", "test_timeout")


def wait_threads_blocked(_count: int) -> None:
    """Return once the other threads do nothing, though they could.

    The library sleeps for 10 ms a thread, which is too short where others work, too.
    """
    looks = 0
    while looks < 5:  # one that waits for the interpreter gets it amid the next sleep
        time.sleep(0.01)
        states = [
            (Path(thread) / "stat").read_text().rpartition(")")[2].split()[0]
            for thread in os.scandir("/proc/self/task")
            if int(thread.name) != threading.get_native_id()
        ]
        looks = looks + 1 if set(states) <= {"S"} else 0


tests.wait_threads_blocked = wait_threads_blocked


def asked_of(kind: object, attribute: str, cases: str, *apart_from: str) -> Any:
    """Return the library's tests for things that `kind` makes, but for those that are not meant."""
    base = getattr(tests, cases)
    members: dict[str, object] = {attribute: staticmethod(kind)}  # type: ignore[arg-type]
    for member in dir(base):
        if member.startswith("test") and any(part in member for part in (*OURS, *apart_from)):
            members[member] = None
    return type(f"Test{base.__name__}", (base,), members)


TestLock = asked_of(zinc.Lock, "locktype", "LockTests")
TestRLock = asked_of(zinc.RLock, "locktype", "RLockTests")
TestEvent = asked_of(zinc.Event, "eventtype", "EventTests")
# It has a lock of zinc's.
TestCondition = asked_of(zinc.Condition, "condtype", "ConditionTests", "test_acquire")
# There are never more permits than there were.
TestSemaphore = asked_of(zinc.Semaphore, "semtype", "SemaphoreTests", "test_release_unacquired")
TestBoundedSemaphore = asked_of(zinc.BoundedSemaphore, "semtype", "BoundedSemaphoreTests")


class TestBarrier(asked_of(zinc.Barrier, "barriertype", "BarrierTests")):  # type: ignore[misc]
    """Whose cases keep their barrier, which would keep its name."""

    defaultTimeout = 60.0  # noqa: N815 # a watchdog: who is late must not break it

    def tearDown(self) -> None:
        super().tearDown()
        self.barrier.close()
