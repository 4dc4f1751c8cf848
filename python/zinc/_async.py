"""Waits of coroutines: one thread for all those of a loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref

from . import _zinc
from ._zinc import SharedRegion


async def wait(region: SharedRegion, timeout_ms: float | None, after: int | None) -> bool:
    """Do what `SharedRegion.wait_async` says."""
    if timeout_ms is not None and not timeout_ms >= 0:
        raise ValueError(f"timeout_ms must be None or at least 0, not {timeout_ms!r}")
    last = region.seen if after is None else after
    is_new = region.wait(0, after=last)
    if is_new or timeout_ms == 0:
        await asyncio.sleep(0)
    else:
        is_new = await _listener().wait(region, last, timeout_ms)
    # Only now, when nothing can cancel this any more. Raises if the region is closed.
    if after is None and is_new:
        region.try_wait()
    else:
        _ = region.sequence
    return is_new


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
    `changes`, a region for the two of them, says so.
    """

    def __init__(self) -> None:
        self._watches: dict[tuple[int, int], _Watch] = {}
        self._changes = _zinc.anonymous(SharedRegion, 1, 0, b"", 0)
        self._is_change_due = False
        self._is_listening = False
        self._lock = threading.Lock()

    async def wait(self, region: SharedRegion, last: int, timeout_ms: float | None) -> bool:
        """Wait until the sequence is not `last` or the region closed; False if it stays so."""
        loop = asyncio.get_running_loop()
        key = id(region), last
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(region, last)
            self._change(loop)
        future: asyncio.Future[bool] = loop.create_future()
        watch.futures.add(future)
        timer = None
        if timeout_ms is not None:
            timer = loop.call_later(timeout_ms / 1000, _answer, future, False)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            watch.futures.discard(future)
            if not watch.futures and self._watches.get(key) is watch:
                del self._watches[key]
                self._change(loop)

    def _change(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the thread, once for all the changes of one turn of the loop."""
        if not self._is_change_due:
            self._is_change_due = True
            loop.call_soon(self._tell, loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_change_due = False
        self._changes.notify()
        with self._lock:
            if self._is_listening or not self._watches:
                return
            self._is_listening = True
        try:
            thread = threading.Thread(target=self._listen, args=(loop,), name="zinc-waits")
            with contextlib.suppress(RuntimeError):  # beside the main interpreter there are none
                thread.daemon = True
            thread.start()
        except RuntimeError as error:  # no more threads, or none at all in this interpreter
            self._is_listening = False
            for watch in self._watches.values():
                for future in watch.futures:
                    if not future.done():
                        future.set_exception(error)

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
