"""Waits of coroutines: one thread for all those of a loop of asyncio; `_trio` has trio's."""

from __future__ import annotations

import asyncio
import contextlib
import math
import operator
import os
import sys
import threading
import weakref

from . import _sentinels, _zinc
from ._zinc import SharedRegion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, SupportsIndex

    from _typeshed import FileDescriptorLike


async def wait(region: SharedRegion, timeout_ms: float | None, after: SupportsIndex | None) -> bool:
    """Do what `SharedRegion.wait_async` says."""
    seconds = in_seconds(timeout_ms)
    last = region.seen if after is None else operator.index(after)
    is_new = region.wait(0, after=last)
    is_due = is_new or seconds == 0
    if is_in_trio():
        from . import _trio

        is_new = await _trio.wait(region, last, 0 if is_due else seconds, after is None)
    elif is_due:
        await asyncio.sleep(0)
    else:
        is_new = await _listener().wait(region, last, seconds)
    # Only now, when nothing can cancel this any more. Raises if the region is closed.
    if after is None and is_new:
        region.try_wait()
    else:
        _ = region.sequence
    return is_new


async def wait_any(
    regions: Iterable[Any], timeout_ms: float | None, sentinels: Iterable[FileDescriptorLike]
) -> list[Any]:
    """Do what `zinc.wait_any_async` says."""
    seconds = in_seconds(timeout_ms)
    waited = _sentinels.Waited(regions, sentinels)
    if is_in_trio():
        from . import _trio

        return await _trio.wait_any(waited, seconds)
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while True:
        is_over = end is not None and loop.time() >= end
        if is_over or waited.unseen():
            await asyncio.sleep(0)
        else:
            left = math.inf if end is None else end - loop.time()
            nap = min(left, waited.longest_nap)
            await _until_ready(waited, None if nap == math.inf else nap)
        # Another task or thread may have seen what there was.
        if (found := waited.take()) or is_over:
            return found


async def _until_ready(waited: _sentinels.Waited, seconds: float | None) -> None:
    """Wait until one of them may be ready, or the time is over."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()
    timer = None if seconds is None else loop.call_later(seconds, _answer, future, False)
    listener = _listener()
    watched: list[tuple[SharedRegion, int]] = []
    copies: list[int] = []
    try:
        for region in waited.regions:
            last = region.seen
            listener.add(region, last, future)
            watched.append((region, last))
        for descriptor in waited.descriptors:
            # A copy, since others may watch the same, and a loop knows one watcher of each.
            copies.append(os.dup(descriptor))
            loop.add_reader(copies[-1], _answer, future, True)
        await future
    finally:
        if timer is not None:
            timer.cancel()
        for copy in copies:
            loop.remove_reader(copy)
            os.close(copy)
        for region, last in watched:
            listener.discard(region, last, future)


def is_in_trio() -> bool:
    """Is the caller a task of trio? Else of asyncio, which may run inside of it."""
    trio = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    try:
        return asyncio.current_task() is None
    except RuntimeError:  # no loop of asyncio is running
        return True


def in_seconds(timeout_ms: float | None) -> float | None:
    """Convert a timeout as `SharedRegion.wait` does; None for ever."""
    if timeout_ms is None:
        return None
    milliseconds = math.fsum((timeout_ms,))  # of whatever has __float__, but of no text
    if not milliseconds >= 0:
        raise ValueError(f"timeout_ms must be None or at least 0, not {timeout_ms!r}")
    # What no clock of 64 bits in nanoseconds reaches is more than a loop need know of.
    return milliseconds / 1000 if milliseconds < 9e12 else None


class _Watch:
    """Those of a loop who wait until a region's sequence is not `last`."""

    __slots__ = ("futures", "is_reported", "last", "region")

    def __init__(self, region: SharedRegion, last: int) -> None:
        self.region = region
        self.last = last
        self.futures: set[asyncio.Future[bool]] = set()
        self.is_reported = False

    def report(self) -> bool:
        """Is it over? Whoever asks will tell those who wait."""
        try:
            self.is_reported = self.region.sequence != self.last
        except ValueError:  # closed, which those who wait should know
            self.is_reported = True
        return self.is_reported


class _Listener:
    """A loop's watches, and the thread that sleeps until one of them is over.

    The loop's thread alone changes the watches; the other one copies them when
    `changes`, a region for the two of them, says so. A forked child has the watches,
    but not the thread: it starts anew, with changes of its own.
    """

    def __init__(self) -> None:
        self._watches: dict[tuple[int, int], _Watch] = {}
        self._is_change_due = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._process = os.getpid()
        self._changes = _zinc.anonymous(SharedRegion, 1, _zinc.LOCAL, b"", 0)
        self._is_listening = False
        self._lock = threading.Lock()
        for watch in self._watches.values():
            watch.is_reported = False  # the thread may have ended between that and its report

    async def wait(self, region: SharedRegion, last: int, seconds: float | None) -> bool:
        """Wait until the sequence is not `last` or the region closed; False if it stays so."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _answer, future, False)
        try:
            self.add(region, last, future)
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            self.discard(region, last, future)

    def add(self, region: SharedRegion, last: int, future: asyncio.Future[bool]) -> None:
        """Let the future be answered once the sequence is not `last` or the region closed."""
        key = id(region), last
        is_first = key not in self._watches
        watch = self._watches.setdefault(key, _Watch(region, last))
        watch.futures.add(future)
        if is_first:
            self._change(asyncio.get_running_loop())

    def discard(self, region: SharedRegion, last: int, future: asyncio.Future[bool]) -> None:
        """Forget it, if it is not over."""
        key = id(region), last
        watch = self._watches.get(key)
        if watch is None:
            return
        watch.futures.discard(future)
        if not watch.futures:
            del self._watches[key]
            self._change(asyncio.get_running_loop())

    def go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen in a forked child, should it run the loop, for those who waited before."""
        if self._watches:
            self._change(loop)

    def _change(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the thread, once for all the changes of one turn of the loop."""
        if not self._is_change_due:
            loop.call_soon(self._tell, loop)
            self._is_change_due = True

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._is_change_due = False
            if self._process != os.getpid():
                self._changes.close()
                self._start_anew()
            self._changes.notify()
            with self._lock:
                if self._is_listening or not self._watches:
                    return
                self._is_listening = True
            self._start(loop)
        except Exception as error:  # no memory, or no thread left, or none in this interpreter
            for watch in self._watches.values():
                for future in watch.futures:
                    if not future.done():
                        future.set_exception(error)
        except BaseException:  # an interrupt, after which the loop may be run again
            self._change(loop)
            raise

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            thread = threading.Thread(target=self._listen, args=(loop,), name="zinc-waits")
            with contextlib.suppress(RuntimeError):  # beside the main interpreter there are none
                thread.daemon = True
            thread.start()
        except BaseException:
            self._is_listening = False
            raise

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            told = self._changes.sequence
            pending = [w for w in list(self._watches.values()) if not w.is_reported]
            if not pending and not self._changes.wait(100, after=told):
                with self._lock:
                    if not self._watches:
                        self._is_listening = False
                        return
            while pending and self._changes.sequence == told:
                regions = self._changes, *(watch.region for watch in pending)
                after = told, *(watch.last for watch in pending)
                with contextlib.suppress(ValueError):  # of a closed one, whose watch is over
                    _zinc.wait_many(regions, None, False, after)
                del regions
                over = [watch for watch in pending if watch.report()]
                try:
                    if over:
                        loop.call_soon_threadsafe(self._end, over)
                except RuntimeError:  # the loop is closed, and nobody waits any more
                    return
                pending = [watch for watch in pending if not watch.is_reported]
                del over

    def _end(self, watches: list[_Watch]) -> None:
        for watch in watches:
            key = id(watch.region), watch.last
            if self._watches.get(key) is watch:
                del self._watches[key]
            for future in watch.futures:
                _answer(future, True)


def _answer(future: asyncio.Future[bool], is_new: bool) -> None:
    if not future.done():
        future.set_result(is_new)


_listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Listener] = (
    weakref.WeakKeyDictionary()
)


def _listener() -> _Listener:
    loop = asyncio.get_running_loop()
    listener = _listeners.get(loop)
    if listener is None:
        listener = _listeners[loop] = _Listener()
    return listener


def _go_on_in_child() -> None:
    for loop, listener in list(_listeners.items()):
        with contextlib.suppress(RuntimeError):  # closed, or another thread's
            listener.go_on(loop)


os.register_at_fork(after_in_child=_go_on_in_child)
