"""Events between processes."""

from __future__ import annotations

from . import _named, _zinc
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

__all__ = ["Event"]


class Event(_zinc.Event, _named.Named):
    """Something that happened, or not yet: any process sets it, and any waits for it.

    `Event(name)` opens the event of this name, or creates it, not set; without a name it has a
    random one, and goes to other processes as a `Lock` does. It ends with its last user. The
    arguments, and what is raised, are as in `Lock`.

    >>> import zinc
    >>> ready = zinc.Event("docs-ready")
    >>> ready.wait(timeout_ms=5)
    False
    >>> zinc.Event("docs-ready").set()
    >>> ready.wait(), ready.is_set()
    (True, True)
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        name: str | None = None,
        *,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the event of this name, or create it."""
        region = _named.open_region(_zinc.EVENT, name, mode, group, any_user)
        return _zinc.Event.__new__(cls, region)

    @classmethod
    def _at(cls, region: _zinc.SharedRegion) -> Self:
        return _zinc.Event.__new__(cls, region)

    def _place(self) -> tuple[Any, ...]:
        return (self.region,)

    def __repr__(self) -> str:
        how = "closed" if self.closed else "set" if self.is_set() else "not set"
        return f"<zinc.Event {self.name!r}, {how}>"

    async def wait_async(self, timeout_ms: float | None = None) -> bool:
        """As `wait`, for a coroutine: other tasks of its loop run meanwhile.

        One that is cleared as soon as it was set may go unseen. Raises what `wait` and
        `SharedRegion.wait_async` raise.
        """
        from . import _polling

        return await _polling.until(self.region, self.is_set, timeout_ms)
