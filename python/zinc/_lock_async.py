"""Coroutines that wait for a lock: in a queue, for which one thread waits."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import math
import os
import sys
import threading
import weakref

from . import _async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._lock import Lock

# Milliseconds for which the thread outlives a wait that was cancelled.
SLICE = 50


_queues: weakref.WeakKeyDictionary[Lock, Queue] = weakref.WeakKeyDictionary()


class _Waiter:
    """A task that waits. `is_granted`: the lock is its, once it looks."""

    __slots__ = ("error", "is_granted", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.is_granted = False
        self.error: BaseException | None = None


class Queue:
    """The tasks that wait for one lock object, of whatever loops, in their order.

    Who gets the lock is decided under the mutex: the thread gives it to the first task that is
    still there, and a task that goes takes itself out, and finds whether it has been given it.
    So no cancellation comes in between.
    """

    __slots__ = ("_is_served", "_mutex", "_waiters", "process")

    def __init__(self) -> None:
        self.process = os.getpid()
        self._mutex = threading.Lock()
        self._waiters: collections.deque[_Waiter] = collections.deque()
        self._is_served = False

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def join(self, lock: Lock, waiter: _Waiter) -> None:
        """Stand in line. RuntimeError if the system has no thread left.

        Whatever it raises, a signal handler's too, the caller leaves: it may have been given it.
        """
        with self._mutex:
            self._waiters.append(waiter)
            lock._queue(1)
            if self._is_served:
                return
            self._is_served = True
        try:
            thread = threading.Thread(target=self._serve, args=(lock,), name="zinc-lock")
            with contextlib.suppress(RuntimeError):  # beside the main interpreter there are none
                thread.daemon = True
            thread.start()
        except BaseException:
            with self._mutex:
                self._is_served = False
            raise

    def leave(self, lock: Lock, waiter: _Waiter) -> bool:
        """Wait no longer, and say whether the lock was given to this one."""
        with self._mutex:
            if waiter in self._waiters:  # not called up yet
                self._waiters.remove(waiter)
                lock._queue(-1)
            is_granted, waiter.is_granted = waiter.is_granted, False
            return is_granted

    def _serve(self, lock: Lock) -> None:
        while True:
            with self._mutex:
                if not self._waiters:
                    self._is_served = False
                    return
            is_taken = False
            error = None
            try:
                is_taken = lock._acquire_queued(SLICE)
            except BaseException as raised:  # of the repair, which is the task's to hear
                error = raised
            if is_taken or error is not None:
                self._hand_over(lock, is_taken, error)
            del error

    def _hand_over(self, lock: Lock, is_taken: bool, error: BaseException | None) -> None:
        with self._mutex:
            waiter = self._waiters.popleft() if self._waiters else None
            if waiter is not None:
                lock._queue(-1)
                waiter.is_granted = is_taken
                waiter.error = error
        try:
            if waiter is not None:
                waiter.wake()
        except RuntimeError:  # the loop is over, and the task won't look
            is_taken = self.leave(lock, waiter) if waiter is not None else is_taken
            waiter = None
        if waiter is None and is_taken:
            _give_back(lock)


def _give_back(lock: Lock) -> None:
    with contextlib.suppress(RuntimeError, ValueError):  # closed, and others are told
        lock.release()


async def acquire(lock: Lock, timeout_ms: float | None) -> bool:
    """Do what `Lock.acquire_async` says."""
    if lock.reentrant:
        raise TypeError(
            f"acquire_async of {lock!r}: it is reentrant, which counts for a thread, and tasks "
            "share one; open it without"
        )
    seconds = _async.in_seconds(timeout_ms)
    queue = _queues.get(lock)
    if queue is None or queue.process != os.getpid():  # a forked child has not the thread
        queue = _queues[lock] = Queue()
    # Those who wait already come first.
    if not queue and lock.acquire(False):
        return True
    wait = _wait_in_trio if _async.is_in_trio() else _wait_in_asyncio
    return await wait(lock, queue, seconds)


async def _wait_in_asyncio(lock: Lock, queue: Queue, seconds: float | None) -> bool:
    if seconds == 0:
        await asyncio.sleep(0)
        return False
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    waiter = _Waiter(lambda: loop.call_soon_threadsafe(_answer, future))
    timer = None if seconds is None else loop.call_later(seconds, _answer, future)
    try:
        queue.join(lock, waiter)
        await future
    except BaseException:
        if queue.leave(lock, waiter):
            _give_back(lock)
        raise
    finally:
        if timer is not None:
            timer.cancel()
    return _result(lock, queue, waiter)


async def _wait_in_trio(lock: Lock, queue: Queue, seconds: float | None) -> bool:
    trio = sys.modules["trio"]
    if seconds == 0:
        await trio.lowlevel.checkpoint()
        return False
    event = trio.Event()
    token = trio.lowlevel.current_trio_token()
    waiter = _Waiter(lambda: token.run_sync_soon(event.set))
    try:
        queue.join(lock, waiter)
        with trio.move_on_after(math.inf if seconds is None else seconds):
            await event.wait()
    except BaseException:
        if queue.leave(lock, waiter):
            _give_back(lock)
        raise
    return _result(lock, queue, waiter)


def _result(lock: Lock, queue: Queue, waiter: _Waiter) -> bool:
    is_granted = queue.leave(lock, waiter)
    if waiter.error is not None:
        raise waiter.error
    return is_granted


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
