"""The commands of ``zinc``."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from . import _doctor, _inspect, build_info
from ._inspect import Region
from ._region import SharedRegion, reclaim, unlink

PIECE = 8 << 20  # bytes between two looks of a progress bar
Piece = TypeVar("Piece", bytes, memoryview)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
out = Console(highlight=False, markup=False, emoji=False)
if not out.is_terminal:  # a line stays a line
    out.width = 1000
notes = Console(highlight=False, markup=False, emoji=False, stderr=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The region's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sum = Annotated[bool, typer.Option("--sha256", help="Print the data's SHA-256 on standard error.")]


@app.callback(invoke_without_command=True)
def zinc(
    version: Annotated[bool, typer.Option("--version", help="Tell what this zinc is.")] = False,
) -> None:
    """See, feed and clean shared memory between processes."""
    if version:
        print(*(f"{key} {value}" for key, value in build_info().items()), sep=", ")
        raise typer.Exit


def fail(message: str) -> NoReturn:
    """End with one line on standard error."""
    sys.exit(f"zinc: {message}")


# ---- seeing ----


@app.command()
def ls(as_json: Json = False) -> None:
    """List the regions of this machine.

    Used is the memory that a region really has. The rate is of the tenth of a second in which
    this command looked. Dead ones have lost their last user by a kill: zinc gc removes them.
    """
    found = _inspect.regions(interval=0.1)
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
        table.add_row(*row(region), style=STYLES[region.state])
    print_table(table)
    if any(region.has_hidden_holders for region in found):
        notes.print("? are processes of others: who they are, only their user and root may see")


def print_table(table: Table) -> None:
    """Print a table; for other programs, its lines end where their text does."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print(*(line.rstrip() for line in captured.get().rstrip().split("\n")), sep="\n")


STYLES = {"attached": "", "unattached": "cyan", "dead": "red", "unreadable": "dim"}


def plain(text: str) -> str:
    """Return a text of others' making without what could do something to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def row(region: Region) -> list[str]:
    """Return a region's line."""
    return [plain(cell) for cell in cells(region)]


def cells(region: Region) -> list[str]:
    """Return what its line tells."""
    if region.problem:
        used, told = decimal(region.memory), f"{region.owner} {region.mode:04o}: {region.problem}"
        return [region.name, "", used, "unreadable", "", "", "", told]
    rate = "" if not region.rate else f"{region.rate:,.0f}"
    sizes = decimal(region.capacity), decimal(region.memory)
    counts = f"{region.sequence:,}", rate, age_text(region.age)
    return [region.name, *sizes, region.contents, *counts, attached_text(region)]


def attached_text(region: Region) -> str:
    """Return who is attached, in a few words."""
    if region.state == "dead":
        return "dead"
    if region.state == "unattached":
        return "nobody, persistent"
    shown = [
        f"{h.pid} {os.path.basename(h.command.split(' ')[0])} ({h.user})" for h in region.holders
    ]
    if not shown:
        return f"? ({region.handles})" if region.handles else "?"
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


@app.command()
def info(
    name: Name,
    head: Annotated[int, typer.Option(min=0, help="How many bytes of data to show.")] = 64,
    as_json: Json = False,
) -> None:
    """Tell all of a region, and show its first bytes."""
    region = _inspect.examine(name)
    _inspect.tell_holders({name: region})
    first = b"" if region.problem else _inspect.head(region, head)
    if as_json:
        print_json({**region.as_json(), "head": first.hex()})
    else:
        show(region)
        if first:
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
    holders = [plain(f"{h.pid} {h.command} ({h.user})") for h in region.holders]
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
        "layout": f"version {build_info()['layout']}, data from byte {region.data_offset:,}",
        "size": f"{region.capacity:,} bytes",
        "contents": plain(region.contents),
        "sequence": f"{region.sequence:,}",
        "waiters": f"slept {region.parked:,} times, {region.woken:,} until notified{waking}",
        "created": f"{created:%Y-%m-%d %H:%M:%S %z}, {age_text(region.age)} ago",
        "creator": f"process {region.creator_pid}",
        "id": f"{region.id:016x}",
        "metadata": f"{len(region.metadata)} bytes {region.metadata!r}",
    }
    for what, told in (outside if region.problem else {**outside, **inside}).items():
        table.add_row(what, Text(told))
    print_table(table)


def hex_lines(data: bytes) -> Iterator[str]:
    """Return bytes as hexadecimal and text, sixteen a line."""
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):47}  {text}"


def typed(region: Region, first: bytes) -> str | None:
    """Return the first elements of an array, if numpy is there to tell them."""
    if region.description is None:
        return None
    try:
        import numpy
        from numpy.lib.format import descr_to_dtype

        dtype = descr_to_dtype(region.description["descr"])
        return (
            f"{plain(str(dtype))}: {numpy.frombuffer(first, dtype, len(first) // dtype.itemsize)}"
        )
    except (ImportError, ValueError, TypeError, ZeroDivisionError):
        return None


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look whether this machine suits zinc, and tell what to do. Exit status 1 if it does not."""
    found = list(_doctor.checks())
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


@app.command()
def watch(
    name: Name,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many lines.")] = None,
    as_json: Json = False,
) -> None:
    """Print a line for each notification: when, which, and the rate.

    The rate is since the line before. Several that come faster than lines can be printed
    are seen as one. Ends when nobody else is attached.
    """
    with opened(name) as region:
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


@app.command()
def top(
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds from look to look.")] = 1,
) -> None:
    """Show the regions live.

    n, s, u, r and a sort by name, size, used memory, rate and age; q ends.
    """
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        fail("top needs a terminal; zinc ls --json is for other programs")
    from ._top import Top

    Top(interval).run()


# ---- data ----


@app.command()
def cat(name: Name, sha256: Sum = False) -> None:
    """Write a region's data to standard output."""
    with opened(name) as region:
        data = memoryview(region)
        pieces = (data[start : start + PIECE] for start in range(0, len(data), PIECE))
        # A bar has no place between the data.
        title = None if sys.stdout.isatty() else f"{name} to standard output"
        for piece in passing(title, len(data), pieces, sha256):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


@app.command()
def put(
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="- or nothing is standard input.")
    ] = None,
    sha256: Sum = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Say that there is something new.")
    ] = False,
    persistent: Annotated[
        bool, typer.Option("--persistent", help="Keep the region when this command ends.")
    ] = False,
) -> None:
    """Put a file, or standard input, into a region.

    Into one that is there and has its size, or a new one. A new region that is not persistent
    goes with its last user: this command stays then until it is interrupted.
    """
    with sys.stdin.buffer if file is None or str(file) == "-" else file.open("rb") as source:
        size, pieces = whole(source)
        put_all(name, size, pieces, sha256, notify, persistent)


def put_all(
    name: str, size: int, pieces: Iterable[bytes], sha256: bool, notify: bool, persistent: bool
) -> None:
    """Put pieces into a region."""
    if not size:
        fail("there is nothing to put: a region has at least one byte")
    try:
        region = SharedRegion.open(name)
        is_new = False
    except FileNotFoundError:
        # No signal may leave half of it, neither now nor while it stays for others.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        region = SharedRegion.create(name, size, persistent=persistent)
        is_new = True
    with region:
        if persistent and not is_new and not _inspect.examine(name).persistent:
            fail(f'region "{name}" is there already, and not persistent')
        if region.capacity != size:
            told = f"{region.capacity:,} bytes, and there are {size:,} to put"
            fail(f'region "{name}" has {told}; zinc rm it first')
        room = memoryview(region)
        done = 0
        try:
            for piece in passing(f"to {name}", size, pieces, sha256):
                room[done : done + len(piece)] = piece
                done += len(piece)
        except BaseException:
            if is_new:  # nobody should find half of it
                unlink(name)
            raise
        if notify:
            region.notify()
        if is_new and not persistent:
            try:
                told = f"{name}: {size:,} bytes, until this is interrupted"
                print(told, file=sys.stderr, flush=True)
                signal.pause()
            except KeyboardInterrupt:
                return


def whole(source: BinaryIO) -> tuple[int, Iterable[bytes]]:
    """Return the size of what can be read, and its pieces; of a pipe, all at once."""
    status = os.fstat(source.fileno())
    if stat.S_ISREG(status.st_mode):
        size = max(0, status.st_size - source.tell())
        return size, pieces_of(source, size)
    data = source.read()
    return len(data), [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


def pieces_of(source: BinaryIO, size: int) -> Iterator[bytes]:
    """Read a file, which must not become shorter meanwhile."""
    done = 0
    while done < size:
        piece = source.read(min(PIECE, size - done))
        if not piece:
            fail(f"the file has become shorter: it had {size:,} bytes, and has {done:,}")
        done += len(piece)
        yield piece


def passing(title: str | None, size: int, pieces: Iterable[Piece], sha256: bool) -> Iterator[Piece]:
    """Return the same pieces, with a progress bar if it has a title and there is a terminal."""
    digest = hashlib.sha256()
    is_shown = title is not None and notes.is_terminal
    with Progress(console=notes, transient=True, disable=not is_shown) as progress:
        task = progress.add_task(title or "", total=size)
        for piece in pieces:
            yield piece
            if sha256:
                digest.update(piece)
            progress.advance(task, len(piece))
    if sha256:
        print(digest.hexdigest(), file=sys.stderr)


# ---- notifications ----


@app.command()
def notify(name: Name) -> None:
    """Say that there is something new, and print the new sequence."""
    with SharedRegion.open(name, any_user=True) as region:
        print(region.notify())


@app.command()
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
        assert region.name
        try:
            found = _inspect.examine(region.name)
        except FileNotFoundError:
            return False  # unlinked: nobody new will come
        if not found.persistent and _inspect.locks().get(found.inode, 2) < 2:
            return False


# ---- cleaning ----


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of regions.")],
    force: Annotated[
        bool, typer.Option("--force", help="Living ones too, and what is no region.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove regions' names; who is attached goes on with the memory."""
    failed = False
    for name in names:
        try:
            if not force:
                found = _inspect.examine(name)
                if found.problem:
                    raise OSError(0, found.problem)
                if found.state == "attached":
                    told = f'region "{name}" is in use; --force removes its name all the same'
                    raise OSError(0, told)
            if not dry_run:
                unlink(name, force=force)
            print(f"{'would remove' if dry_run else 'removed'} {name}")
        except (OSError, ValueError) as error:
            print(f"zinc: {error_text(error)}", file=sys.stderr)
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Remove the dead regions, and say what each one had.

    Those are dead whose last users were killed.
    """
    if dry_run:
        dead = (region for region in _inspect.look().values() if region.state == "dead")
        freed = {region.name: region.memory for region in dead}
    else:
        freed = reclaim()
    if as_json:
        print_json(freed)
        return
    for name, memory in sorted(freed.items()):
        print(f"{'would free' if dry_run else 'freed'} {decimal(memory)}  {name}")
    total = decimal(sum(freed.values()))
    noun = "region" if len(freed) == 1 else "regions"
    print(f"{len(freed)} dead {noun}, {total} {'to free' if dry_run else 'freed'}")


# ----


def opened(name: str) -> SharedRegion:
    """Attach to a region to read it, whoever it belongs to."""
    return SharedRegion.open(name, readonly=True, any_user=True)


def error_text(error: Exception) -> str:
    """Return an error's own words, without the number."""
    return getattr(error, "strerror", None) or str(error)


def age_text(seconds: float) -> str:
    """Return an age in one unit."""
    for unit, length in ("d", 86400), ("h", 3600), ("m", 60):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def print_json(value: object) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2))


if sys.argv[1:2] == ["bench"]:  # the others need not wait for what it takes
    from .bench.command import app as bench

    app.add_typer(bench, name="bench")
else:

    @app.command("bench")
    def listed() -> None:
        """Measure zinc beside what else there is, on this machine."""
