"""Conditions between processes."""

from __future__ import annotations

import contextlib
import time

from . import _named, _zinc
from ._lock import Lock
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, TypeVar

    _Result = TypeVar("_Result")

__all__ = ["Condition"]


class Condition(_zinc.Condition, _named.Named):
    """Waiting, with a lock, for what the lock guards to change.

    `Condition(name)` opens the condition of this name, or creates it, with a lock of its own, which
    is reentrant unless `reentrant` says otherwise, and for which `repair` is as in `Lock`.
    `Condition(lock)` goes with a `Lock` of yours. So it has a random name, as one without a name
    has: it meets others only where it is sent, as a `Lock` is, together with its lock. At most 128
    wait at a time.

    One that is killed when it was just notified leaves its notification to another. Raises what
    `Lock` raises.

    >>> import zinc
    >>> condition = zinc.Condition("docs-stock")
    >>> with condition:
    ...     condition.notify()
    ...     condition.wait(timeout_ms=5)
    False
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "_guard")

    _guard: Lock

    def __new__(
        cls,
        lock: str | Lock | None = None,
        repair: Callable[[Lock], object] | None = None,
        *,
        reentrant: bool = True,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the condition of this name, or create it."""
        if isinstance(lock, Lock):
            if repair is not None:
                raise ValueError("a lock of yours has a repair of its own, and no other one")
            region = _named.open_region(_zinc.CONDITION, None, mode, group, any_user)
            return cls._at(region, lock)
        region = _named.open_region(_zinc.CONDITION, lock, mode, group, any_user)
        return cls._at(region, None, repair, reentrant)

    @classmethod
    def _at(
        cls,
        region: _zinc.SharedRegion,
        lock: Lock | None,
        repair: Callable[[Lock], object] | None = None,
        reentrant: bool = True,
    ) -> Self:
        self = _zinc.Condition.__new__(cls, region)
        self._guard = lock or Lock._at(region, None, repair, reentrant, False)
        return self

    def _place(self) -> tuple[Any, ...]:
        if self._guard.region is not self.region:
            return self.region, self._guard
        return self.region, None, self._guard.repair, self._guard.reentrant

    def __getstate__(self) -> object:
        """Return what a subclass has of its own; the lock goes by itself."""
        return getattr(self, "__dict__", None)

    def __repr__(self) -> str:
        return f"<zinc.Condition {self.name!r} with {self._guard!r}>"

    @property
    def lock(self) -> Lock:
        """The `Lock` that goes with it, with `holder` and `recover()`."""
        return self._guard

    def acquire(
        self,
        blocking: bool = True,
        timeout: float | None = -1,
        *,
        timeout_ms: float | None = None,
    ) -> bool:
        """Acquire the lock: its `acquire`."""
        return self._guard.acquire(blocking, timeout, timeout_ms=timeout_ms)

    def release(self) -> None:
        """Release the lock: its `release`."""
        self._guard.release()

    def __enter__(self) -> bool:
        """Acquire the lock, by acquire(), which raises what this raises; True."""
        return self._guard.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Release the lock, by release(), unless a wait has ended without it."""
        try:
            self._guard.release()
        except RuntimeError:
            if kind is None:
                raise

    def wait(self, timeout: float | None = None, *, timeout_ms: float | None = None) -> bool:
        """Release the lock, sleep until somebody notifies, and acquire it again.

        True if it was notified, False if that did not come within `timeout` seconds or
        `timeout_ms` milliseconds. What waits for something calls it in a loop, or `wait_for`.
        Other threads run meanwhile, and signal handlers, too: what one raises comes out of here,
        with the lock held again, unless another is raised while it waits for that.

        Raises RuntimeError without the lock, ValueError for times that can't be and if it is
        closed, meanwhile too, OSError (EAGAIN) if 128 wait already; and when the lock can't be
        acquired again what `Lock.acquire` raises, as OwnerDiedError, without the lock.
        """
        return self._wait(self._guard, timeout, timeout_ms)

    def wait_for(
        self,
        predicate: Callable[[], _Result],
        timeout: float | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> _Result:
        """Wait until `predicate()`, which is called with the lock held, is true; its last result.

        Ends after `timeout` seconds or `timeout_ms` milliseconds, whatever it is. Raises what
        `wait` raises, and what it raises itself.
        """
        if timeout is not None and timeout_ms is not None:
            raise ValueError("timeout, in seconds, or timeout_ms: give one of them")
        if timeout is not None:
            timeout_ms = timeout * 1000
        end = None if timeout_ms is None else time.monotonic() * 1000 + timeout_ms
        while not (result := predicate()):
            left = None if end is None else end - time.monotonic() * 1000
            if left is not None and left <= 0:
                break
            self.wait(timeout_ms=left)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake `n` of those who wait, who came first, once they get the lock.

        Raises RuntimeError without the lock, ValueError if it is closed.
        """
        self._notify(self._guard, n)

    def notify_all(self) -> None:
        """Wake all who wait, as `notify` does."""
        self._notify(self._guard, None)

    async def acquire_async(self, timeout_ms: float | None = None) -> bool:
        """Acquire the lock: its `acquire_async`, for conditions with ``reentrant=False``."""
        return await self._guard.acquire_async(timeout_ms)

    async def __aenter__(self) -> bool:
        """Acquire the lock, by acquire_async(), which raises what this raises; True."""
        return await self._guard.acquire_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Release the lock, as __exit__() does."""
        self.__exit__(kind, value, traceback)

    async def wait_async(self, timeout_ms: float | None = None) -> bool:
        """As `wait`, for a coroutine, with a lock that is not reentrant.

        Cancelled, it ends once it has the lock again. Raises what `wait` raises, TypeError with a
        reentrant lock, and what `SharedRegion.wait_async` raises.
        """
        from . import _polling

        if self._guard.reentrant:
            raise TypeError(f"wait_async of {self!r}: tasks share a thread; use reentrant=False")
        place = self._begin(self._guard)
        is_whole = False
        try:
            self._guard.release()
            try:
                await _polling.until(self.region, lambda: self._sleep(place), timeout_ms)
            finally:
                await _polling.to_the_end(self._guard.acquire_async)
            is_whole = True
        finally:
            was_notified = self._end(place)
            if was_notified and not is_whole:
                # It is not lost with who does not return from here.
                with contextlib.suppress(RuntimeError):
                    self.notify()
        return was_notified
