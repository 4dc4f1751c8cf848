"""Coroutines that wait for one of the lock's family: they sleep for the region's notifications."""

from __future__ import annotations

import asyncio
import math
import sys
import time

from . import _async, _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    from ._zinc import SharedRegion

    _Result = TypeVar("_Result")

# Milliseconds. So long a death goes unnoticed, as in the core.
NAP = 20
# Between two looks for room, at first and at most.
FIRST_NAP, LONGEST_NAP = 0.5, 20.0


async def until(
    region: SharedRegion, attempt: Callable[[], bool], timeout_ms: float | None
) -> bool:
    """Call `attempt`, which must not wait, until it returns True; False after so long.

    Nobody holds what it takes between two calls, so a cancellation leaves nothing.
    """
    seconds = _async.in_seconds(timeout_ms)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        before = region.sequence
        if attempt():
            return True
        left = NAP if end is None else min(NAP, (end - time.monotonic()) * 1000)
        if left <= 0:
            await _async.wait(region, 0, before)  # lets others run
            return False
        await _async.wait(region, left, before)


async def until_room(
    region: SharedRegion, attempt: Callable[[], _Result], timeout_ms: float | None
) -> _Result:
    """Call `attempt`, which raises FullError at once if there is no room, until there is.

    Its result; FullError after so long.
    """
    seconds = _async.in_seconds(timeout_ms)
    end = math.inf if seconds is None else time.monotonic() + seconds
    nap = FIRST_NAP
    while True:
        left = (end - time.monotonic()) * 1000
        try:
            return attempt()
        except _zinc.FullError:
            if left <= 0:
                raise
        # Of notifications only the last matters, which has not been: it sleeps.
        await _async.wait(region, min(nap, left), region.sequence)
        nap = min(nap * 2, LONGEST_NAP)


async def to_the_end(make: Callable[[], Awaitable[Any]]) -> None:
    """Await what `make` returns, and again when cancelled, which is raised once it is done."""
    if _async.is_in_trio():
        with sys.modules["trio"].CancelScope(shield=True):
            await make()
        return
    cancelled: asyncio.CancelledError | None = None
    while True:
        try:
            await make()
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
