"""Semaphores between processes, whose permits come back from the dead."""

from __future__ import annotations

from . import _named, _zinc
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

__all__ = ["BoundedSemaphore", "Semaphore"]


class Semaphore(_zinc.Semaphore, _named.Named):
    """A number of permits, which processes take and give back.

    `Semaphore(name, 3)` opens the semaphore of this name, or creates it with three permits; without
    a name, `Semaphore(value=3)` or `Semaphore(3)`, it has a random one, and goes to other processes
    as a `Lock` does. It ends with its last user.

    Each permit knows which object has it. So those of a process that was killed, or of an object
    that was closed, come back within 20 ms, and there are never more than there were: an object
    gives back what it has, whichever thread or task took it, and nobody else does.

    Raises FileExistsError if the name is taken by something else, or by a semaphore of another
    number; ValueError for a number that is not 1 to 1048576; and what `Lock` raises.

    >>> import zinc
    >>> with zinc.Semaphore("docs-downloads", 2) as is_taken:
    ...     is_taken, zinc.Semaphore("docs-downloads", 2).get_value()
    (True, 1)
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        name: str | int | None = None,
        value: int = 1,
        *,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the semaphore of this name, or create it."""
        own, permits = (None, name) if isinstance(name, int) else (name, value)
        region = _named.open_region(_zinc.SEMAPHORE, own, mode, group, any_user, permits)
        return _zinc.Semaphore.__new__(cls, region)

    @classmethod
    def _at(cls, region: _zinc.SharedRegion) -> Self:
        return _zinc.Semaphore.__new__(cls, region)

    def _place(self) -> tuple[Any, ...]:
        return (self.region,)

    def __repr__(self) -> str:
        free = "closed" if self.closed else f"{self.get_value()} free"
        return f"<zinc.Semaphore {self.name!r}, {free}>"

    async def acquire_async(self, timeout_ms: float | None = None) -> bool:
        """As `acquire`, for a coroutine: other tasks of its loop run meanwhile.

        A wait that is cancelled ends at once, and has taken nothing. Raises what `acquire` and
        `SharedRegion.wait_async` raise.
        """
        from . import _polling

        return await _polling.until(self.region, lambda: self.acquire(False), timeout_ms)

    async def __aenter__(self) -> bool:
        """Take a permit, by acquire_async(), which raises what this raises; True."""
        return await self.acquire_async()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Give it back, by release()."""
        self.release()


# There are never more permits than there were.
BoundedSemaphore = Semaphore
