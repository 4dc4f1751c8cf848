"""Locks between processes, which a holder that is killed does not take along."""

from __future__ import annotations

from . import _named, _zinc
from ._mode import PRIVATE
from ._zinc import OwnerDiedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self, SupportsIndex

    from ._holders import LockHolder

__all__ = ["Lock", "OwnerDiedError", "RLock"]


class Lock(_zinc.Lock, _named.Named):
    """A lock between processes, and between the threads of each.

    `Lock(name)` opens the lock of this name, or creates it: unrelated processes need no common
    parent. Without a name it has a random one, and goes to other processes by multiprocessing
    or joblib, as a reference. It ends with its last user. `region.lock()` gives locks within a
    region.

    A lock whose holder dies is not lost, and what it guards may be half done: `repair` is a
    function that is called with the lock, which is held, in whoever comes next; what it raises
    comes out of `acquire`. Without one that is an `OwnerDiedError`, for everybody, until
    somebody has ended a ``with lock.recover():`` well. ``repair=lambda lock: None`` says that
    there is nothing to repair, ever.

    The holder is this object: other threads and tasks may release what one has acquired, and
    two objects of one name exclude each other, in one process too. With `reentrant` a thread
    that has it may acquire it again, and it alone may release it. In a forked child an object
    that it inherits holds nothing. `mode`, `group` and `any_user` are as in
    `SharedRegion.open_or_create`.

    Raises FileExistsError if something else has the name, ValueError for a name, mode or group
    that can't be, PermissionError and other OSErrors as the system says.

    >>> import zinc
    >>> with zinc.Lock("docs-database") as is_held:
    ...     is_held, zinc.Lock("docs-database").acquire(timeout_ms=5)
    (True, False)
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        name: str | None = None,
        repair: Callable[[Lock], object] | None = None,
        *,
        reentrant: bool = False,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the lock of this name, or create it."""
        region = _named.open_region(_zinc.LOCK, name, mode, group, any_user)
        return _zinc.Lock.__new__(cls, region, None, repair, reentrant, True)

    @classmethod
    def _at(
        cls,
        region: _zinc.SharedRegion,
        offset: SupportsIndex | None,
        repair: Callable[[Any], object] | None,
        reentrant: bool,
        owns_region: bool = False,
    ) -> Self:
        """Return the lock at a place of a region, its own for None; see `SharedRegion.lock`."""
        return _zinc.Lock.__new__(cls, region, offset, repair, reentrant, owns_region)

    def _place(self) -> tuple[Any, ...]:
        return self.region, self.offset, self.repair, self.reentrant, self._owns_region

    @property
    def holder(self) -> LockHolder | None:
        """Who has the lock, or died with it, as a `zinc.LockHolder`; None if it is free.

        It may have changed by then. Raises OSError (EBADMSG) if something else wrote where the
        lock is, ValueError if it is closed.
        """
        from . import _holders

        return _holders.lock_holder(self)

    async def acquire_async(self, timeout_ms: float | None = None) -> bool:
        """As `acquire`, for a coroutine: other tasks of its loop run meanwhile.

        The tasks that wait for one lock object get it in their order. One thread waits for all
        of them, and ends with them; `repair` is called in it. A wait that is cancelled ends at
        once, and holds nothing.

        Raises what `acquire` raises, RuntimeError if the system has no thread left, and
        TypeError for a `reentrant` lock, which counts for a thread, and tasks share one; only to
        be awaited in a task of asyncio or trio.

        >>> import asyncio, zinc
        >>> async def main():
        ...     async with zinc.Lock() as is_held:
        ...         return is_held
        >>> asyncio.run(main())
        True
        """
        from . import _lock_async

        return await _lock_async.acquire(self, timeout_ms)

    async def __aenter__(self) -> bool:
        """Acquire the lock, by acquire_async(), which raises what this raises; True."""
        return await self.acquire_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Release the lock, by release()."""
        self.release()


def RLock(  # noqa: N802, threading has it so
    name: str | None = None,
    repair: Callable[[Lock], object] | None = None,
    *,
    mode: int = PRIVATE,
    group: str | int | None = None,
    any_user: bool = False,
) -> Lock:
    """Return a reentrant `Lock`: a thread that has it may acquire it again.

    >>> import zinc
    >>> lock = zinc.RLock()
    >>> with lock, lock:
    ...     lock.reentrant
    True
    """
    return Lock(name, repair, reentrant=True, mode=mode, group=group, any_user=any_user)
