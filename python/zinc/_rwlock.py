"""Locks for one writer or many readers, which the dead do not take along."""

from __future__ import annotations

from . import _lock, _named, _zinc
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

__all__ = ["RWLock"]


class Reader(_zinc.Reader):
    """The readers' half of an `RWLock`, its `read`."""

    __slots__ = ("__weakref__",)

    async def acquire_async(self, timeout_ms: float | None = None) -> bool:
        """As `acquire`, for a coroutine: other tasks of its loop run meanwhile.

        A wait that is cancelled ends at once, and does not read. Raises what `acquire` and
        `SharedRegion.wait_async` raise.
        """
        from . import _polling

        return await _polling.until(self.region, lambda: self.acquire(False), timeout_ms)

    async def __aenter__(self) -> bool:
        """Begin to read, by acquire_async(), which raises what this raises; True."""
        return await self.acquire_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Read no more, by release()."""
        self.release()


class RWLock(_named.Named):
    """A lock for one writer, or any number of readers.

    ``with lock.read:`` and ``with lock.write:`` hold it; both halves have `acquire`, `release` and
    `acquire_async`, too. `lock.write` is a `Lock`, with `holder`, `recover()` and, when a writer
    died, the `repair` that was given here: until that is done nobody reads. A reader that dies
    reads no more.

    Who wants to write goes first. An object that reads may read again, and waits for itself if it
    wants to write. The name, and the other arguments, are as in `Lock`; what is raised, too.

    >>> import zinc
    >>> lock = zinc.RWLock("docs-table")
    >>> with lock.read, lock.read:
    ...     lock.write.acquire(timeout_ms=5), lock.readers
    (False, 2)
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "read", "write")

    read: Reader
    """To be held by who reads."""
    write: _lock.Lock
    """To be held by who writes: a `Lock`."""

    def __init__(
        self,
        name: str | None = None,
        repair: Callable[[_lock.Lock], object] | None = None,
        *,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> None:
        """Open the lock of this name, or create it."""
        region = _named.open_region(_zinc.RWLOCK, name, mode, group, any_user)
        self._set(region, repair)

    def _set(
        self, region: _zinc.SharedRegion, repair: Callable[[_lock.Lock], object] | None
    ) -> None:
        self.read = Reader(region)
        self.write = _lock.Lock._at(region, None, repair, False, True)

    @classmethod
    def _at(cls, region: _zinc.SharedRegion, repair: Callable[[_lock.Lock], object] | None) -> Self:
        self = cls.__new__(cls)
        self._set(region, repair)
        return self

    def _place(self) -> tuple[Any, ...]:
        return self.region, self.write.repair

    def __getstate__(self) -> object:
        """Return what a subclass has of its own; the halves are made anew."""
        return getattr(self, "__dict__", None)

    def __repr__(self) -> str:
        return f"<zinc.RWLock {self.name!r}{', closed' if self.closed else ''}>"

    @property
    def region(self) -> Any:
        """The region that it is."""
        return self.read.region

    @property
    def name(self) -> str | None:
        """Its name."""
        return self.read.name

    @property
    def readers(self) -> int:
        """How many read, of all processes."""
        return self.read.get_value()

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self.read.closed

    def close(self) -> None:
        """Be done with it: this object reads no more. Never raises.

        If it writes, the next one is told, as by a writer that has died. Waits of other threads
        end with ValueError.
        """
        self.write.close()
