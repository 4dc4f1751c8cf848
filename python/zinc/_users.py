"""Who writes to a channel or queue, and who reads or works there, for people to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Literal

from . import _zinc

_Told = tuple[int, int, int, bool, int, int, int, int, int, bool]


@dataclasses.dataclass(frozen=True)
class WriterInfo:
    """Who writes to a channel or queue; its `writers` and `examine` give them."""

    pid: int
    """The process, in the view of that process."""
    alive: bool
    """False if it was killed, or ended without a close, and nobody has needed its seat since."""
    since: float
    """When it sent its first message, or took its first loan, in seconds since 1970."""
    waiting_since: float | None
    """Since when it waits for room, in seconds since 1970; None if it does not."""


@dataclasses.dataclass(frozen=True)
class ReaderInfo:
    """Who reads a channel; `Channel.readers` and `examine` give them."""

    pid: int
    """The process, in the view of that process."""
    alive: bool
    """False if it was killed, or ended without a close, and nobody has needed its seat since."""
    since: float
    """When it came, in seconds since 1970."""
    lag: int
    """How many messages there have been that it has not received yet, displaced ones too. In a
    channel where writers wait, one with a lag of `slots` holds them up."""
    lost: int
    """How many messages it has missed."""
    views: int
    """How many messages it holds."""
    evicted: bool
    """Whether writers do not wait for it, since it has held one of them up for too long."""


@dataclasses.dataclass(frozen=True)
class WorkerInfo:
    """Who gets from a queue; `Queue.workers` and `examine` give them."""

    pid: int
    """The process, in the view of that process."""
    alive: bool
    """False if it was killed, or ended without a close, and nobody has needed its seat since."""
    since: float
    """When it came, in seconds since 1970."""
    at_work: int
    """On how many items it is at work."""
    first: int | None
    """The number of the first of these; None if there is none."""


@dataclasses.dataclass(frozen=True)
class ChannelInfo:
    """What a channel looks like from outside; `RegionInfo.channel` is one."""

    slots: int
    """How many messages it keeps."""
    slot_size: int
    """Bytes of a message, at most."""
    full: Literal["overwrite", "wait"]
    """What happens when it is full."""
    views: int
    """How many messages a reader may hold at once."""
    newest: int
    """The number of the newest message; 0 if there is none."""
    writers: list[WriterInfo]
    """Who writes, or did when it was killed."""
    readers: list[ReaderInfo]
    """Who reads, or did when it was killed."""


@dataclasses.dataclass(frozen=True)
class QueueInfo:
    """What a queue looks like from outside; `RegionInfo.queue` is one.

    All numbers but `newest` are of one look; while others go on, of moments close to each other.
    """

    maxsize: int
    """How many items may wait."""
    slot_size: int
    """Bytes of an item that is not put beside."""
    redeliver: bool
    """Whether what somebody was at work on who is killed goes to another."""
    newest: int
    """The number of the newest item: how many there have been."""
    waiting: int
    """How many items nobody has got."""
    at_work: int
    """On how many somebody who lives is at work."""
    left: int
    """On how many somebody was who was killed, or gave them back, and that wait for another. With
    ``redeliver=False`` nobody gets them, and they go when somebody comes upon who was killed."""
    is_shutdown: bool
    """Whether it was shut down, and takes no more."""
    writers: list[WriterInfo]
    """Who puts into it, or did when it was killed."""
    workers: list[WorkerInfo]
    """Who gets from it, or did when it was killed."""


def policy(how: int) -> Literal["overwrite", "wait"]:
    """Return the name of what happens when a channel is full."""
    return "wait" if how & _zinc.CHANNEL_WAIT else "overwrite"


def of_channel(newest: int, told: Iterable[_Told]) -> tuple[list[WriterInfo], list[ReaderInfo]]:
    """Return what the extension tells of a channel's users as what people read."""
    writers: list[WriterInfo] = []
    readers: list[ReaderInfo] = []
    for _, role, pid, alive, since, waiting_since, wanted, lost, views, evicted in told:
        who = pid, alive, since / 1e9
        if role == _zinc.SEAT_WRITES:
            writers.append(WriterInfo(*who, waiting_since / 1e9 if waiting_since else None))
        elif role == _zinc.SEAT_READS:
            lag = max(0, newest + 1 - wanted) if wanted else 0
            readers.append(ReaderInfo(*who, lag, lost, views, evicted))
    return writers, readers


def of_queue(told: Iterable[_Told]) -> tuple[list[WriterInfo], list[WorkerInfo]]:
    """Return what the extension tells of a queue's users as what people read."""
    told = list(told)
    workers = [
        WorkerInfo(pid, alive, since / 1e9, views, first or None)
        for _, role, pid, alive, since, _, first, _, views, _ in told
        if role == _zinc.SEAT_WORKS
    ]
    return of_channel(0, told)[0], workers


def examine(name: str) -> ChannelInfo | QueueInfo:
    """Look at the channel or queue of this name. Raises what `zinc.examine` raises."""
    (payload, messages, _, views, how, newest), told = _zinc.examine_channel_name(name)
    if not how & _zinc.QUEUE:
        return ChannelInfo(messages, payload, policy(how), views, newest, *of_channel(newest, told))
    (waiting, held, left, is_shutdown), told = _zinc.examine_queue_name(name)
    writers, workers = of_queue(told)
    of_dead = sum(worker.at_work for worker in workers if not worker.alive)
    return QueueInfo(
        maxsize=messages,
        slot_size=payload,
        redeliver=not how & _zinc.QUEUE_AT_MOST_ONCE,
        newest=newest,
        waiting=waiting,
        at_work=held - of_dead,
        left=left + of_dead,
        is_shutdown=is_shutdown,
        writers=writers,
        workers=workers,
    )
