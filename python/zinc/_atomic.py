"""Numbers in a region that several processes change at once."""

from __future__ import annotations

from . import _named, _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, SupportsIndex

__all__ = ["Atomic"]


class Atomic(_zinc.Atomic, _named.Named):
    """A number in a region that any process changes, of which no change is lost.

    `SharedRegion.atomic` gives them: 4 or 8 bytes of the data, in the machine's own byte order, so
    that numpy and C see the same number. What was written before a change is seen by who sees the
    change. Goes to other processes as a `Lock` does.

    >>> import zinc
    >>> with zinc.create("docs-counter", 8) as region:
    ...     counter = region.atomic(0)
    ...     counter.add(5), counter.add(-1), counter.load()
    (0, 5, 4)
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    def __new__(cls, region: _zinc.SharedRegion, offset: SupportsIndex, kind: str = "u64") -> Self:
        """Return the number at byte `offset` of the data; see `SharedRegion.atomic`."""
        return _zinc.Atomic.__new__(cls, region, offset, kind)

    @classmethod
    def _at(cls, region: _zinc.SharedRegion, offset: int, kind: str) -> Self:
        return cls(region, offset, kind)

    def _place(self) -> tuple[Any, ...]:
        return self.region, self.offset, self.kind

    def __repr__(self) -> str:
        value = "closed" if self.region.closed else self.load()
        name = self.region.name
        return f"<zinc.Atomic {self.kind} at byte {self.offset} of region {name!r}, {value}>"

    async def wait_async(self, value: int, timeout_ms: float | None = None) -> bool:
        """As `wait`, for a coroutine: other tasks of its loop run meanwhile.

        Raises what `wait` and `SharedRegion.wait_async` raise.
        """
        from . import _polling

        return await _polling.until(self.region, lambda: self.wait(value, 0), timeout_ms)
