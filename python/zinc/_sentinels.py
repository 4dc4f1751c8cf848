"""Waits for regions, readers and descriptors at once, such as the sentinels of processes."""

from __future__ import annotations

import errno
import math
import os
import select
import threading
import time

from . import _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from _typeshed import FileDescriptorLike

# Seconds between two looks for what a killed worker has left.
_NAP = 0.02

READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Waited:
    """Regions, readers and sentinels of which at least one is to be ready."""

    def __init__(self, regions: Iterable[Any], sentinels: Iterable[FileDescriptorLike]) -> None:
        """Raise ValueError for nothing to wait for, TypeError for what is no descriptor."""
        self._wanted = tuple(regions)
        # What says when to look again; of readers and queues their own.
        self.regions: tuple[_zinc.SharedRegion, ...] = tuple(map(_region_of, self._wanted))
        # Nobody tells of a worker that is killed.
        has_queues = any(map(_is_queue, self._wanted))
        self.longest_nap = _NAP if has_queues else math.inf
        self.sentinels = tuple(sentinels)
        if not self.regions and not self.sentinels:
            raise ValueError("there is no region to wait for, and no sentinel")
        self.descriptors = [_descriptor(sentinel) for sentinel in self.sentinels]

    def poller(self, *more: int) -> select.poll:
        """Return what polls the sentinels, and more."""
        poller = select.poll()
        for descriptor in (*self.descriptors, *more):
            poller.register(descriptor, READABLE)
        return poller

    def unseen(self) -> bool:
        """Is something ready? Nothing is seen by that."""
        return bool(self._ready()) or any(map(_is_ready, self._wanted))

    def take(self) -> list[Any]:
        """Return what is ready; of the regions that is seen now.

        The sentinels first: what a process said before it ended is then there as well.
        """
        ready = self._ready()
        news = _zinc.wait_many(self._wanted, 0, False, ()) if self._wanted else []
        return [*news, *ready]

    def _ready(self) -> list[FileDescriptorLike]:
        events = dict(self.poller().poll(0))
        for sentinel, descriptor in zip(self.sentinels, self.descriptors, strict=True):
            if events.get(descriptor, 0) & select.POLLNVAL:
                message = f"wait_any: the sentinel {sentinel!r} is closed"
                raise OSError(errno.EBADF, message)
        return [s for s, d in zip(self.sentinels, self.descriptors, strict=True) if d in events]


def _is_queue(one: Any) -> bool:
    return hasattr(one, "_worker")


def _region_of(one: Any) -> _zinc.SharedRegion:
    region: _zinc.SharedRegion = one
    if isinstance(one, _zinc.ChannelReader):
        region = one._region
    elif _is_queue(one):
        region = one._worker().region
    return region


def _is_ready(one: Any) -> bool:
    if _is_queue(one):
        return bool(_zinc.wait_many((one,), 0, False, ()))
    return bool(one.lag if isinstance(one, _zinc.ChannelReader) else one.sequence != one.seen)


def _descriptor(sentinel: FileDescriptorLike) -> int:
    if isinstance(sentinel, int):
        return sentinel
    return sentinel.fileno()


def wait_any(
    regions: Iterable[Any], timeout_ms: float | None, sentinels: Iterable[FileDescriptorLike]
) -> list[Any]:
    """Do what `zinc.wait_any` says of sentinels.

    The caller's thread sleeps on the regions, where signals reach it, and one more on the
    sentinels, for as long as the call lasts.
    """
    if timeout_ms is not None and not timeout_ms >= 0:
        raise ValueError(f"timeout_ms must be None or at least 0, not {timeout_ms!r}")
    end = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
    waited = Waited(regions, sentinels)
    found = waited.take()
    if found or timeout_ms == 0:
        return found
    changes = _zinc.anonymous(_zinc.SharedRegion, 1, _zinc.LOCAL, b"", 0)
    stop = os.eventfd(0)
    poller = waited.poller(stop)

    def watch() -> None:
        poller.poll()
        changes.notify()

    thread: threading.Thread | None = None
    try:
        while not found:
            if thread is None:
                thread = threading.Thread(target=watch, name="zinc-sentinels")
                thread.start()
            left = math.inf if end is None else max(0, end - time.monotonic())
            nap = min(left, waited.longest_nap)
            after = changes.seen, *(region.seen for region in waited.regions)
            is_new = _zinc.wait_many(
                (changes, *waited.regions), None if nap == math.inf else nap * 1000, False, after
            )
            is_over = not is_new and nap == left
            # Another thread may have seen what there was, or have read it.
            found = waited.take()
            if is_over:
                break
            if changes.try_wait():
                thread.join()
                thread = None
        return found
    finally:
        os.eventfd_write(stop, 1)
        if thread is not None and thread.ident is not None:
            thread.join()
        os.close(stop)
        changes.close()
