"""``zinc ls``, ``info``, ``doctor`` and ``top``: what there is."""

from __future__ import annotations

import datetime
import fnmatch
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from .._seats import Seat
from .._users import ChannelInfo, QueueInfo, ReaderInfo, WorkerInfo, WriterInfo
from . import doctor as machine
from . import inspection, machines
from .console import Json, Name, fail, notes, out, print_json, print_table
from .inspection import Region
from .lines import (
    SORTED_BY,
    Order,
    age_text,
    channel_text,
    lock_text,
    plain,
    queue_text,
    row,
    size_text,
    style,
    waiting_text,
)
from .signals import end_in_order

LOOKING = 0.1  # seconds between two looks


def ls(
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="Of names, as a shell's: 'frames-*'.")
    ] = "*",
    sort: Annotated[
        Order, typer.Option(help="The largest, busiest or youngest first.")
    ] = Order.NAME,
    everything: Annotated[bool, typer.Option("--all", help="The objects of stores, too.")] = False,
    as_json: Json = False,
) -> None:
    """List the regions of this machine, or those whose names match.

    Used is the memory that a region really has. The rate is of the tenth of a second in which
    this command looked: of notifications, in a channel or queue of messages. Dead ones have lost
    their last user by a kill: zinc gc removes them. A lock tells who holds it, and for how long;
    one that is abandoned was held by who was killed. A channel tells how many messages its slowest
    reader has not received yet, and how many all of them have lost; or who waits for room, and for
    whom. A queue tells how many items wait, of how many that may; how many are left by who was
    killed or gave them back, or lost with who was; on how many somebody is at work; and who waits
    for room.

    A store tells how many objects it has, and what they take; they have no lines of their own but
    with --all and --json, and zinc store NAME lists them.

    A queue of replies is a caller's, for what zinc.serve answers. An object is one that was too
    large for a slot, and lies beside its message, or what zinc.put has put.
    """
    found = inspection.regions(LOOKING)
    found = [region for region in found if fnmatch.fnmatchcase(region.name, pattern)]
    found.sort(key=SORTED_BY[sort])
    if as_json:
        print_json([region.as_json() for region in found])
        return
    table = Table(box=None, pad_edge=False)
    for column in "name", "size", "used", "contents", "sequence", "per s", "age", "attached":
        is_text = column in ("name", "contents", "attached")
        is_long = column in ("contents", "attached")  # what gives way where there is no room
        table.add_column(
            column, justify="left" if is_text else "right", no_wrap=not is_long, overflow="fold"
        )
    for region in found:
        if region.store is None or everything:
            table.add_row(*row(region), style=style(region))
    print_table(table)
    if any(region.has_hidden_holders for region in found):
        notes.print("? are processes of others: who they are, only their user and root may see")


def info(
    name: Name,
    head: Annotated[int, typer.Option(min=0, help="How many bytes of data to show.")] = 64,
    as_json: Json = False,
) -> None:
    """Tell all of a region, and show its first bytes; of a channel or queue, who uses it.

    A reader that is behind by as many messages as the channel keeps holds up its writers, where
    they wait, and is evicted after the time that a writer has set. Held are messages that it still
    uses. Of a queue it tells who works, since when, and on how many items; what a worker that was
    killed was at work on goes to another, unless the queue was made with redeliver=False.
    """
    region = inspection.examine_twice(name, LOOKING)
    inspection.tell_holders({name: region})
    first = b"" if region.problem else inspection.head(region, head)
    if as_json:
        print_json({**region.as_json(), "head": first.hex()})
    else:
        show(region)
        if first and region.traffic is None:  # where it is how the channel stands
            print(*hex_lines(first), sep="\n")
            if elements := typed(region, first):
                print(elements)
    if region.problem:
        fail(region.problem)


def show(region: Region) -> None:
    """Print all that is known of a region but its data."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    created = datetime.datetime.fromtimestamp(region.created_at).astimezone()
    holders = [
        plain(f"{h.pid} {h.command} ({h.user}){inspection.stopped_text(h)}") for h in region.holders
    ]
    waking = ", woken by each notification" if region.wakes_always else ""
    outside = {
        "name": region.name,
        "state": region.state + (", persistent" if region.persistent else ""),
        "file": region.path,
        "owner": f"{region.owner}, mode {region.mode:04o}",
        "used": f"{region.memory:,} bytes",
        "handles": str(region.handles),
        "attached": "\n".join(holders)
        or ("others may not be seen" if region.handles else "nobody"),
    }
    inside = {
        "layout": f"version {region.layout}, data from byte {region.data_offset:,}",
        "size": f"{region.capacity:,} bytes",
        "contents": plain(region.contents),
        "lock": plain(lock_text(region)),
        **users(region),
        "sequence": f"{region.sequence:,}",
        "waiters": f"slept {region.parked:,} times, {region.woken:,} until notified{waking}",
        "created": f"{created:%Y-%m-%d %H:%M:%S %z}, {age_text(region.age)} ago",
        "creator": f"process {region.creator_pid}",
        "id": f"{region.id:016x}",
        "metadata": f"{len(region.metadata)} bytes {region.metadata!r}",
    }
    for what, told in (outside if region.problem else {**outside, **inside}).items():
        alarm = "bold red" if what == "lock" and region.needs_recovery else ""
        alarm = "bold yellow" if what == "writers" and region.is_stuck else alarm
        table.add_row(what, Text(told, style=alarm))
    print_table(table)


def users(region: Region) -> dict[str, str]:
    """Return who sits in a region; of one with messages what is going on in it, and who uses it."""
    if region.queue is not None:
        return queue_users(region, region.queue)
    channel = region.channel
    if channel is None:
        return {"seats": "\n".join(map(plain, seat_lines(region))) or "nobody sits there"}
    kept = f"{channel.slots:,} messages of {size_text(channel.slot_size)}, at most"
    full = "writers wait" if channel.full == "wait" else "the oldest makes room"
    return {
        "channel": f"{kept}; when it is full, {full}",
        "messages": f"{sent_text(region, channel)}; {plain(channel_text(region, channel))}",
        "writers": "\n".join(map(plain, writer_lines(region, channel))) or "nobody writes",
        "readers": "\n".join(map(plain, reader_lines(region, channel))) or "nobody reads",
    }


def queue_users(region: Region, queue: QueueInfo) -> dict[str, str]:
    """Return what is going on in a queue, who writes and who works."""
    kept = f"{queue.maxsize:,} items, at most, in slots of {size_text(queue.slot_size)}"
    fate = "go to others" if queue.redeliver else "are lost"
    return {
        "queue": f"{kept}; those of a killed worker {fate}",
        "items": f"{sent_text(region, queue)}; {plain(queue_text(region, queue))}",
        "writers": "\n".join(map(plain, writer_lines(region, queue))) or "nobody writes",
        "workers": "\n".join(map(plain, worker_lines(region, queue))) or "nobody works",
    }


def sent_text(region: Region, traffic: ChannelInfo | QueueInfo) -> str:
    """Return how many messages there have been, and how many a second."""
    return f"{traffic.newest:,}, {region.message_rate or 0:,.0f} per s"


def seat_lines(region: Region) -> Iterator[str]:
    """Return who sits in a region, a line each."""
    for seat in region.seats:
        yield f"{seat.number}: {seat.role}, {who(region, seat)}"


def writer_lines(region: Region, traffic: ChannelInfo | QueueInfo) -> Iterator[str]:
    """Return who writes to a channel or queue, a line each, and whom they wait for."""
    for writer in traffic.writers:
        waits = writer.alive and writer.waiting_since
        yield waiting_text(region, writer) if waits else who(region, writer)


def reader_lines(region: Region, channel: ChannelInfo) -> Iterator[str]:
    """Return who reads a channel, a line each, and how far behind."""
    for reader in channel.readers:
        told = f"{reader.lag:,} behind, {reader.lost:,} lost, {reader.views} held"
        fate = ", EVICTED" if reader.evicted else ""
        yield f"{who(region, reader)}: {told}{fate}"


def worker_lines(region: Region, queue: QueueInfo) -> Iterator[str]:
    """Return who works, a line each, and on how many."""
    for worker in queue.workers:
        told = "at work on "
        told += f"{worker.at_work:,}, from item {worker.first:,} on" if worker.first else "nothing"
        yield f"{who(region, worker)}: {'' if worker.alive else 'was '}{told}"


def who(region: Region, user: Seat | WriterInfo | ReaderInfo | WorkerInfo) -> str:
    """Return a process, and since when it takes part."""
    at = datetime.datetime.fromtimestamp(user.since).astimezone()
    fate = "" if user.alive else ", was killed"
    return f"{region.program_of(user.pid)}{fate}, since {at:%Y-%m-%d %H:%M:%S %z}"


def hex_lines(data: bytes) -> Iterator[str]:
    """Return bytes as hexadecimal and text, sixteen a line."""
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):47}  {text}"


def typed(region: Region, first: bytes) -> str | None:
    """Return the first elements of an array, if numpy is there to tell them."""
    found = region.description
    if found is None:
        return None
    try:
        import numpy

        dtype = found.dtype()
        elements = numpy.frombuffer(first, dtype, len(first) // dtype.itemsize)
        return "\n".join(map(plain, f"{dtype}: {elements}".splitlines()))
    except Exception:  # no numpy, or elements that it can't show: they may be anything
        return None


def doctor(as_json: Json = False) -> None:
    """Look whether this machine suits zinc, and tell what to do. Exit status 1 if it does not."""
    found = list(machine.checks())
    if as_json:
        print_json([check._asdict() for check in found])
    else:
        marks = {"ok": "green", "note": "yellow", "bad": "red"}
        for check in found:
            told = Text.assemble(
                (f"{check.status:6}", marks[check.status]), f"{check.name:20}{check.found}"
            )
            out.print(told, soft_wrap=True)
            if check.meaning:  # on a line of its own, to be copied
                out.print(f"{'':6}{check.meaning}", soft_wrap=True)
    if any(check.status == "bad" for check in found):
        raise typer.Exit(1)


def top(
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds from look to look.")] = 1,
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="ENDPOINT", help="Show another machine, once for each: tcp/a:7448."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="Tell others: tcp/0.0.0.0:7448.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A file of Zenoh's configuration.")] = None,
) -> None:
    """Show the regions live, and what is going on in channels and queues as zinc ls does.

    n, s, u, r and a sort by name, size, used memory, rate and age; q ends. With --listen nothing is
    shown: others may look by --connect, and whoever reaches the port sees the names. Both take
    zinc-shm[mirror].
    """
    if not math.isfinite(interval):
        raise typer.BadParameter("an interval has an end", param_hint="--interval")
    if connect and listen:
        raise typer.BadParameter("tell others, or look at others", param_hint="--connect")
    if config and not (connect or listen):
        raise typer.BadParameter("it is for --connect and --listen", param_hint="--config")
    if listen:
        end_in_order()
        machines.tell(listen, config)
        return
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        fail("top needs a terminal; zinc ls --json is for other programs")
    from .top import Top

    look = machines.there(connect, config) if connect else machines.Here()
    Top(interval, look, bool(connect)).run()
