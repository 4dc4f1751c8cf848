"""``zinc cat`` and ``put``: a region's data, out and in."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import typer
from rich.progress import Progress

from .._region import SharedRegion, discard
from . import inspection
from .console import Name, Sum, fail, notes, opened
from .signals import end_in_order

PIECE = 8 << 20  # bytes between two looks of a progress bar
Piece = TypeVar("Piece", bytes, memoryview)


def cat(name: Name, sha256: Sum = False) -> None:
    """Write a region's data to standard output."""
    with opened(name) as region:
        data = memoryview(region)
        # A bar has no place between the data.
        title = None if sys.stdout.isatty() else f"{name} to standard output"
        write_out(passing(title, len(data), pieces_in(data), sha256))


def pieces_in(data: memoryview) -> Iterator[memoryview]:
    """Return data in pieces."""
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def write_out(pieces: Iterable[memoryview]) -> None:
    """Write pieces to standard output."""
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


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
    passed = passing(f"to {name}", size, pieces, sha256)
    try:
        region = SharedRegion.open(name)
    except FileNotFoundError:
        put_new(name, size, passed, notify, persistent)
        return
    with region:
        if what := inspection.KINDS.get(region.kind):
            what = "queue" if inspection.is_queue(name) else what
            fail(f'region "{name}" is of kind {what}: zinc put would overwrite what its users need')
        if persistent and not inspection.examine(name).persistent:
            fail(f'region "{name}" is there already, and not persistent')
        if region.capacity != size:
            told = f"{region.capacity:,} bytes, and there are {size:,} to put"
            fail(f'region "{name}" has {told}; zinc rm it first')
        fill(region, passed, notify)


def put_new(name: str, size: int, pieces: Iterable[bytes], notify: bool, persistent: bool) -> None:
    """Put pieces into a region that is created for them; nobody finds half of it."""
    signals = end_in_order()
    region = SharedRegion.create(name, size, persistent=persistent)
    try:
        fill(region, pieces, notify)
        if not persistent:
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            print(f"{name}: {size:,} bytes, until this is interrupted", file=sys.stderr, flush=True)
            signal.sigwait(signals)
    except BaseException:
        discard(region)
        raise
    region.close()


def fill(region: SharedRegion, pieces: Iterable[bytes], notify: bool) -> None:
    """Copy pieces into a region."""
    copy(memoryview(region), pieces)
    if notify:
        region.notify()


def copy(room: memoryview, pieces: Iterable[bytes]) -> None:
    """Copy pieces into memory, one after the other."""
    done = 0
    for piece in pieces:
        room[done : done + len(piece)] = piece
        done += len(piece)


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
