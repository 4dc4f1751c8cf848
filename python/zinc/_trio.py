"""Waits of trio's tasks, for the descriptors that regions have for every loop."""

from __future__ import annotations

import math
import os

import trio

from . import _sentinels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._zinc import SharedRegion

# Milliseconds for which a thread outlives a wait that was cancelled.
SLICE = 50


async def wait(region: SharedRegion, last: int, seconds: float | None, sees: bool) -> bool:
    """Wait until the sequence is not `last`; `sees` says that this is what the region has seen.

    The descriptor tells of what the region has not seen, and of nothing else: who waits past
    another sequence has a thread of trio's do it.
    """
    if seconds == 0:
        await trio.lowlevel.checkpoint()
    else:
        with trio.move_on_after(math.inf if seconds is None else seconds):
            if sees:
                is_new = False
                while not is_new:
                    await _until_readable([region.event_fd()])
                    is_new = region.wait(0, after=last)
            else:
                while not await trio.to_thread.run_sync(
                    region.wait, SLICE, last, abandon_on_cancel=True
                ):
                    pass
    return region.wait(0, after=last)


async def wait_any(waited: _sentinels.Waited, seconds: float | None) -> list[Any]:
    """Do what `zinc.wait_any_async` says."""
    end = math.inf if seconds is None else trio.current_time() + seconds
    while True:
        is_over = trio.current_time() >= end
        if is_over or waited.unseen():
            await trio.lowlevel.checkpoint()
        else:
            with trio.move_on_at(min(end, trio.current_time() + waited.longest_nap)):
                events = [region.event_fd() for region in waited.regions]
                await _until_readable([*events, *waited.descriptors])
        # Another task or thread may have seen what there was.
        if (found := waited.take()) or is_over:
            return found


async def _until_readable(descriptors: Iterable[int]) -> None:
    """Wait until one of them is readable.

    Copies of them, since trio lets one task alone wait for each; the copy of a region's is
    readable, too, once that is closed.
    """
    copies: list[int] = []
    try:
        for descriptor in descriptors:
            copies.append(os.dup(descriptor))
        async with trio.open_nursery() as nursery:
            for copy in copies:
                nursery.start_soon(_cancel_when_readable, copy, nursery.cancel_scope)
    finally:
        for copy in copies:
            os.close(copy)


async def _cancel_when_readable(descriptor: int, scope: trio.CancelScope) -> None:
    await trio.lowlevel.wait_readable(descriptor)
    scope.cancel()
