"""A region as a line of a table, for ``zinc ls`` and ``zinc top``."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import Any

from .._holders import Holder
from .._users import ChannelInfo, QueueInfo, WriterInfo
from .inspection import LOCKS, Region

STYLES = {
    **{"attached": "", "unattached": "cyan", "dead": "red", "unreadable": "dim"},
    **{"needs recovery": "bold red reverse", "stuck": "bold yellow"},
}


class Order(enum.StrEnum):
    """What regions are sorted by."""

    NAME = "name"
    SIZE = "size"
    USED = "used"
    RATE = "rate"
    AGE = "age"


SORTED_BY: dict[Order, Callable[[Any], Any]] = {
    Order.NAME: lambda region: region.name,
    Order.SIZE: lambda region: -region.capacity,
    Order.USED: lambda region: -region.memory,
    Order.RATE: lambda region: -(region.per_second or 0),
    Order.AGE: lambda region: region.age,
}


def style(region: Region) -> str:
    """Return how a region's line is shown."""
    if region.needs_recovery:
        return STYLES["needs recovery"]
    return STYLES["stuck" if region.is_stuck else region.state]


def plain(text: str) -> str:
    """Return a text of others' making without what could do something to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def row(region: Region) -> list[str]:
    """Return a region's line."""
    return [plain(cell) for cell in cells(region)]


def cells(region: Region) -> list[str]:
    """Return what its line tells."""
    if region.problem:
        used, told = size_text(region.memory), f"{region.owner} {region.mode:04o}: {region.problem}"
        contents = region.state if region.layout is None else f"layout {region.layout}"
        if region.layout is not None:
            told = f"{attached_text(region)}; {told}"
        return [region.name, "", used, contents, "", "", "", told]
    rate = "" if not region.per_second else f"{region.per_second:,.0f}"
    sizes = size_text(region.capacity), size_text(region.memory)
    counts = f"{region.sequence:,}", rate, age_text(region.age)
    return [region.name, *sizes, contents_text(region), *counts, attached_text(region)]


def contents_text(region: Region) -> str:
    """Return what a region is, what is going on if it has messages, and who has its lock.

    Of one that is no lock only if somebody has it.
    """
    if region.channel is not None:
        return f"{region.contents}, {channel_text(region, region.channel)}"
    if region.queue is not None:
        return f"{region.contents}, {queue_text(region, region.queue)}"
    if region.lock is None or (region.kind not in LOCKS and region.lock.state == "free"):
        return region.contents
    whose = "" if region.kind in LOCKS else "lock "
    return f"{region.contents}, {whose}{lock_text(region)}"


def channel_text(region: Region, channel: ChannelInfo) -> str:
    """Return what is going on in a channel, in a few words."""
    if region.waiting:
        return waiting_text(region, region.waiting[0])
    readers = [reader for reader in channel.readers if reader.alive]
    if not readers:
        return "nobody reads"
    unread = max(min(reader.lag, channel.slots) for reader in readers)
    lost = sum(reader.lost for reader in readers)
    evicted = sum(reader.evicted for reader in readers)
    told = f"{unread:,} of {channel.slots:,} unread"
    return told + (f", {lost:,} lost" if lost else "") + (f", {evicted} EVICTED" if evicted else "")


def queue_text(region: Region, queue: QueueInfo) -> str:
    """Return what is going on in a queue, in a few words."""
    told = [waiting_text(region, writer) for writer in region.waiting[:1]]
    told.append(f"{queue.waiting:,} of {queue.maxsize:,} wait")
    if queue.left:
        told.append(f"{queue.left:,} {'LEFT' if queue.redeliver else 'LOST'}")
    if any(worker.alive for worker in queue.workers):
        told.append(f"{queue.at_work:,} at work")
    else:
        told.append("nobody works")
    return ", ".join([*told, "shut down"] if queue.is_shutdown else told)


def waiting_text(region: Region, writer: WriterInfo) -> str:
    """Return how long a writer waits, and for whom."""
    age = age_text(max(0.0, time.time() - (writer.waiting_since or 0)))
    slow = [f"{region.program_of(r.pid)} ({r.lag:,} behind)" for r in region.holding_up]
    more = f" and {len(slow) - 1} more" if len(slow) > 1 else ""
    whom = f" for {slow[0]}{more}" if slow else ""
    return f"{region.program_of(writer.pid)} WAITS {age}{whom}"


def lock_text(region: Region) -> str:
    """Return how a region's lock is, in a few words."""
    lock = region.lock
    if lock is None:
        return ""
    age = f", {age_text(max(0.0, time.time() - lock.since))}" if lock.since else ""
    return {
        "free": "nobody writes" if region.contents == "rwlock" else "free",
        "held": f"held by {region.program_of(lock.pid)}{age}",
        "repairing": f"being repaired by {region.program_of(lock.pid)}",
        "abandoned": f"ABANDONED: {lock.pid} died with it{age}",
        "damaged": "DAMAGED: something else has written there",
    }[lock.state]


def attached_text(region: Region) -> str:
    """Return who is attached, in a few words."""
    if region.state == "dead":
        return "dead"
    if region.state == "unattached":
        return f"nobody, {'persistent' if region.persistent else 'kept'}"
    shown = [holder_text(holder) for holder in region.holders]
    if not shown:
        return f"? ({region.handles})" if region.handles else "?"
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def holder_text(holder: Holder) -> str:
    """Return who is attached, in a few words."""
    return f"{holder.pid} {holder.program} ({holder.user})"


def size_text(size: int) -> str:
    """Return a size in words, in powers of 1024, as all of zinc tells sizes."""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    power = (size.bit_length() - 1) // 10
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB')[power - 1]}"


def age_text(seconds: float) -> str:
    """Return an age in one unit."""
    for unit, length in ("d", 86400), ("h", 3600), ("m", 60):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"
