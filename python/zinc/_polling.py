"""Coroutines that wait for one of the lock's family: they sleep for the region's notifications."""

from __future__ import annotations

import asyncio
import sys
import time

from . import _async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ._zinc import SharedRegion

# Milliseconds. So long a death goes unnoticed, as in the core.
NAP = 20


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
