"""``zinc notify``, ``wait`` and ``watch``: notifications, out and in."""

from __future__ import annotations

import datetime
import json
import math
import time
from typing import Annotated

import typer

from .. import _zinc
from .._region import SharedRegion
from . import inspection, messages
from .console import Json, Name, fail, opened
from .signals import end_in_order


def notify(name: Name) -> None:
    """Say that there is something new, and print the new sequence."""
    with SharedRegion.open(name, any_user=True) as region:
        print(region.notify())


def wait(
    name: Name,
    timeout: Annotated[float | None, typer.Option(min=0, help="At most so many seconds.")] = None,
    after: Annotated[
        int | None,
        typer.Option(min=0, max=0xFFFFFFFF, help="Return once the sequence is not this."),
    ] = None,
) -> None:
    """Wait for the next notification, and print the sequence.

    Exit status 1 if it does not come in time, or if nobody else is attached who could.
    """
    if timeout is not None and math.isnan(timeout):
        raise typer.BadParameter("nan is no time", param_hint="--timeout")
    with opened(name) as region:
        seen = region.sequence if after is None else after
        end = None if timeout is None else time.monotonic() + timeout
        if not wait_or_leave(region, seen, end):
            is_late = end is not None and time.monotonic() >= end
            why = f"came in {timeout:g} s" if is_late else "can come: nobody else is attached"
            fail(f'region "{name}": no notification {why}')
        print(region.sequence)


def wait_or_leave(region: SharedRegion, after: int, end: float | None = None) -> bool:
    """Wait past a sequence; false after `end`, or if nobody but this is attached any more."""
    while True:
        left = 1.0 if end is None else min(1.0, max(0.0, end - time.monotonic()))
        if region.wait(left * 1000, after=after):
            return True
        if end is not None and time.monotonic() >= end:
            return False
        if inspection.is_left_alone(region):
            return False


def watch(
    name: Name,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after so many lines.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a line for each notification: when, which, and the rate; of a channel, each message.

    The rate is since the line before. Several that come faster than lines can be printed
    are seen as one. Ends when nobody else is attached.

    Of a message: when it was sent, its number, size and tag, and how it begins. A line says how
    many were lost before it: they came faster than lines can be printed. A watcher is a reader,
    so where writers wait for their readers, they wait for what reads the lines, too. A queue is
    refused: to read its items would take them from who works.
    """
    end_in_order()
    with opened(name) as region:
        is_channel = region.kind == _zinc.CHANNEL
        if not is_channel:
            print_notifications(region, count, as_json)
    if is_channel:
        messages.print_messages(name, count, as_json)


def print_notifications(region: SharedRegion, count: int | None, as_json: bool) -> None:
    """Print a line for each notification."""
    seen = region.sequence
    last = None
    while count is None or count > 0:
        if not wait_or_leave(region, seen):
            return
        now, sequence = time.monotonic(), region.sequence
        count_of = sequence - seen & 0xFFFFFFFF
        rate = None if last is None else count_of / max(now - last, 1e-9)
        at = datetime.datetime.now().astimezone()
        if as_json:
            line = {"time": at.isoformat(), "sequence": sequence, "rate": rate}
            print(json.dumps(line), flush=True)
        else:
            told = "" if rate is None else f"  {rate:>12,.1f} per s"
            print(f"{at:%H:%M:%S.%f}  {sequence:>10,}{told}", flush=True)
        seen, last = sequence, now
        count = count and count - 1
