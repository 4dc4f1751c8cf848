"""Barriers between processes, which break when one dies."""

from __future__ import annotations

from . import _named, _zinc
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    _Action = Callable[[], object] | None

__all__ = ["Barrier"]


class Barrier(_zinc.Barrier, _named.Named):
    """A number of parties that wait for each other, again and again.

    `Barrier(name, 3)` opens the barrier of this name, or creates it for three; without a name,
    `Barrier(parties=3)` or `Barrier(3)`, it has a random one, and goes to other processes as a
    `Lock` does. `action` is called in each process by the one that comes last there, before the
    others go on. `timeout`, in seconds, is that of `wait` where that has none.

    It breaks within 20 ms when somebody is killed who waits, or who has used it and is not yet
    there; when a wait ends before all have come; when the action raises; and by `abort`.

    Raises FileExistsError if the name is taken by something else, or by a barrier for others;
    ValueError for a number that is not 1 to 1048576; and what `Lock` raises.

    >>> import zinc
    >>> zinc.Barrier("docs-start", 1).wait()
    0
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "_action", "_timeout")

    _action: _Action
    _timeout: float | None

    def __new__(
        cls,
        name: str | int | None = None,
        parties: int | _Action = None,
        action: _Action | float = None,
        timeout: float | None = None,
        *,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the barrier of this name, or create it."""
        if isinstance(name, int):  # as multiprocessing has it: parties, action, timeout
            if not isinstance(action, (int, float)):
                action = timeout
            name, parties, action, timeout = None, name, parties, action
        if not isinstance(parties, int):
            raise TypeError(f"parties are a number, not {parties!r}")
        if action is not None and not callable(action):
            raise TypeError(f"action is None or is called, not {action!r}")
        region = _named.open_region(_zinc.BARRIER, name, mode, group, any_user, parties)
        return cls._at(region, action, timeout)

    @classmethod
    def _at(cls, region: _zinc.SharedRegion, action: _Action, timeout: float | None) -> Self:
        self = _zinc.Barrier.__new__(cls, region)
        self._action = action
        self._timeout = timeout
        return self

    def _place(self) -> tuple[Any, ...]:
        return self.region, self._action, self._timeout

    def __getstate__(self) -> object:
        """Return what a subclass has of its own; the rest goes by itself."""
        return getattr(self, "__dict__", None)

    def __repr__(self) -> str:
        how = "closed" if self.closed else f"{self.n_waiting} of {self.parties} there"
        return f"<zinc.Barrier {self.name!r}, {how}>"

    def wait(self, timeout: float | None = None, *, timeout_ms: float | None = None) -> int:
        """Wait until all are there; the place, from 0, in which this one came.

        Breaks the barrier if they are not within `timeout` seconds or `timeout_ms` milliseconds.
        Other threads run meanwhile, and signal handlers, too: what one raises, and what the action
        raises, comes out of here, and breaks it.

        Raises threading.BrokenBarrierError if it is broken, breaks or is reset, ValueError for
        times that can't be and if it is closed, meanwhile too; and what `Lock.acquire` raises for
        who may only read and for too many users.
        """
        if timeout is None and timeout_ms is None:
            timeout = self._timeout
        return self._meet(self._action, timeout, timeout_ms)

    async def wait_async(self, timeout_ms: float | None = None) -> int:
        """As `wait`, for a coroutine: other tasks of its loop run meanwhile.

        It has a thread of its own, in which the action is called. Cancelled, it breaks the
        barrier. Raises what `wait` raises, and RuntimeError if the system has no thread left.
        """
        from . import _in_thread

        return await _in_thread.run(lambda: self.wait(timeout_ms=timeout_ms), self.abort)
