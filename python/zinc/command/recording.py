"""``zinc record`` and ``replay``: a channel's messages, into a file and out of it.

The file is a head, and then a record for each message. Nothing in it is written twice, so that
what is whole stays so though the recorder is killed. Numbers are little-endian, sums CRC-32:

    head    "zincrec1", u64 slot size, u32 slots, u32 views, u32 flags (1: writers wait),
            u32 length of the metadata; the metadata; u32 sum of all this
    record  u64 number, u64 time, u64 tag, u64 length, u32 sum of the bytes,
            u32 sum of the 36 bytes before; the bytes
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import time
from collections.abc import Generator
from io import BufferedReader
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NoReturn
from zlib import crc32

import typer

from .. import _description
from .._channel import Channel, Loan, Message
from .console import fail
from .lines import size_text
from .messages import following, reading
from .signals import end_in_order

if TYPE_CHECKING:
    import numpy

MAGIC = b"zincrec1"
HEAD = struct.Struct("<8sQIIII")
RECORD = struct.Struct("<QQQQI")
SUM = struct.Struct("<I")
WAITS = 1
MOST_METADATA = 2048  # of a region

Name = Annotated[str, typer.Argument(metavar="NAME", help="The channel's name.")]
Count = Annotated[
    int | None, typer.Option("--count", "-n", min=1, help="End after so many messages.")
]


class Head(NamedTuple):
    """What the channel was that a recording is of."""

    slot_size: int
    slots: int
    views: int
    full: Literal["overwrite", "wait"]
    metadata: bytes

    def array(self) -> tuple[tuple[int, ...], numpy.dtype[Any]] | None:
        """Return the shape and dtype of its messages, None for bytes."""
        if not self.metadata:
            return None
        described = _description.read(self.metadata)
        return described.shape, described.dtype()


# ---- out of a channel


def record(
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="- is standard output.")],
    count: Count = None,
) -> None:
    """Write a channel's messages, from now on, into a file that zinc replay plays.

    A FILE that is there is overwritten. Ends when it is interrupted, or when nobody else is
    attached to the channel. Of a recorder that is killed, all is good but the message that it was
    writing. One that is slower than the writers tells how many messages it has lost, whose numbers
    are missing in the file; where writers wait for their readers, they wait for it, too. A queue is
    refused, as zinc watch does.
    """
    end_in_order()
    notes = sys.stderr if file == "-" else sys.stdout
    with reading(name) as (channel, reader), destination(file) as tape:
        tape.begin(channel, reader._region.metadata)
        print(f"recording {name}", file=notes, flush=True)
        with contextlib.suppress(SystemExit):  # a signal's
            for message in following(reader):
                with message:
                    tape.add(message)
                if tape.messages == count:
                    break
        told = f"recorded {messages_text(tape.messages)}, {size_text(tape.whole)}"
        print(f"{told}; {reader.lost:,} lost", file=notes, flush=True)


class Tape:
    """A file that becomes a recording."""

    def __init__(self, descriptor: int, file: str | None) -> None:
        self.descriptor, self.file = descriptor, file
        self.whole = 0  # bytes up to the end of the last whole record
        self.messages = 0

    def begin(self, channel: Channel, metadata: bytes) -> None:
        """Write what the channel is."""
        flags = WAITS if channel.full == "wait" else 0
        told = channel.slot_size, channel.slots, channel.views, flags, len(metadata)
        head = HEAD.pack(MAGIC, *told) + metadata
        self.write(head, SUM.pack(crc32(head)))

    def add(self, message: Message) -> None:
        """Write a message."""
        data = message.data
        told = message.number, message.time, message.tag, len(message), crc32(data)
        head = RECORD.pack(*told)
        self.write(head, SUM.pack(crc32(head)), data)
        self.messages += 1

    def write(self, *parts: bytes | memoryview) -> None:
        """Write all of this, after which the file is whole."""
        left = [memoryview(part) for part in parts if len(part)]
        size = sum(map(len, left))
        while left:
            try:
                written = os.writev(self.descriptor, left)
            except OSError as error:
                if self.messages and error.errno != errno.EPIPE:
                    told = f"{messages_text(self.messages)} were recorded before"
                    error.strerror = f"{error.strerror}; {told}"
                error.filename = self.file
                raise
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]
        self.whole += size


@contextlib.contextmanager
def destination(file: str) -> Generator[Tape, None, None]:
    """Give a file to record into, of which only what is whole stays."""
    if file == "-":
        yield Tape(sys.stdout.fileno(), None)
        return
    with open(file, "wb", buffering=0) as opened:
        tape = Tape(opened.fileno(), file)
        try:
            yield tape
        finally:
            with contextlib.suppress(OSError):  # a pipe or a device
                os.ftruncate(tape.descriptor, tape.whole)


# ---- into a channel


def speed_of(text: str) -> float:
    """Return how many times as fast as it was a recording is played; 0 for at once."""
    with contextlib.suppress(ValueError):
        if text == "max" or float(text) >= 0:
            return 0 if text == "max" else float(text)
    raise typer.BadParameter("a number from 0, or max")


def replay(
    file: Annotated[str, typer.Argument(metavar="FILE", help="- is standard input.")],
    name: Name,
    speed: Annotated[
        float,
        typer.Option(
            parser=speed_of,
            metavar="NUMBER|max",
            help="Times as fast; 0 or max leaves no intervals.",
        ),
    ] = 1,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at its end.")] = False,
    count: Count = None,
    readers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Begin when so many read the channel.")
    ] = 0,
) -> None:
    """Send what zinc record has written into a channel, at the intervals at which it was sent.

    Into one that is there and takes such messages, or a new one as it was recorded, which goes
    when nobody is attached any more. Messages keep their tags; numbers and times are new. A file
    whose recorder was killed is played up to its last whole message.
    """
    end_in_order()
    is_standard = file == "-"
    with open(sys.stdin.fileno() if is_standard else file, "rb", closefd=not is_standard) as source:
        player = Player(source, "standard input" if is_standard else file, speed)
        if loop and not source.seekable():
            fail(f"{player.title}: it can be read once, and not in a loop")
        with destined(name, player.head) as channel:
            if readers:
                channel.wait_for_readers(readers)
            try:
                player.play(channel, count, loop)
            except SystemExit as end:
                if not loop or count or isinstance(end.code, str):
                    raise
            lost = f"; {player.lost:,} lost when it was recorded" if player.lost else ""
            print(f"played {messages_text(player.messages)}{lost}")


class Player:
    """A recording that is played. What is wrong with it ends the process."""

    def __init__(self, source: BufferedReader, title: str, speed: float) -> None:
        self.source, self.title, self.speed = source, title, speed
        self.messages = 0
        self.lost = 0  # by the recorder
        self.head = self.read_head()

    def read_head(self) -> Head:
        """Read what the channel was."""
        head = self.source.read(HEAD.size)
        if head[: len(MAGIC)] != MAGIC:
            is_other = head.startswith(MAGIC[:-1]) and len(head) >= len(MAGIC)
            self.refuse("a recording of another version" if is_other else "no recording")
        if len(head) < HEAD.size:
            self.refuse("no whole recording: it ends in its head")
        _, slot_size, slots, views, flags, length = HEAD.unpack(head)
        if length > MOST_METADATA:
            self.refuse("a damaged recording: no channel has so many metadata")
        rest = self.source.read(length + SUM.size)
        if len(rest) < length + SUM.size:
            self.refuse("no whole recording: it ends in its head")
        metadata, told = rest[:length], rest[length:]
        if SUM.unpack(told) != (crc32(head + metadata),):
            self.refuse("a damaged recording: the sum of its head is another")
        full: Literal["overwrite", "wait"] = "wait" if flags & WAITS else "overwrite"
        read = Head(slot_size, slots, views, full, metadata)
        try:
            read.array()
        except ValueError as error:
            self.refuse(f"no recording of a channel: {error}")
        return read

    def play(self, channel: Channel, count: int | None, loop: bool) -> None:
        """Send the messages, so many or all, once or again and again."""
        begin = self.source.tell() if loop else 0
        start = time.monotonic()
        lap = self.play_once(channel, start, count)
        while loop and self.messages != count:
            if not self.messages:
                self.refuse("a recording without a message, which can't be played in a loop")
            self.source.seek(begin)
            start += lap
            self.play_once(channel, start, count)

    def play_once(self, channel: Channel, start: float, count: int | None) -> float:
        """Send the messages from a time on. Return how long that takes, as it was recorded.

        It takes an interval more than there are: the one before a loop's first message.
        """
        is_first = not self.messages
        first = before = last = played = 0
        while self.messages != count and (told := self.read_record(is_first)):
            number, at, tag, length, checksum = told
            if not played:
                first = last = at
            elif is_first:
                self.lost += number - before - 1
            before, last = number, max(last, at)
            with channel.loan(length, tag) as loan:
                if not self.fill(loan, number, checksum, is_first):
                    loan.discard()
                    break
                if self.speed:
                    due = start + (at - first) / 1e9 / self.speed
                    time.sleep(max(0.0, due - time.monotonic()))
            played += 1
            self.messages += 1
        if not self.speed or played < 2:
            return 0
        return (last - first) / 1e9 / self.speed * played / (played - 1)

    def read_record(self, is_first: bool) -> tuple[int, int, int, int, int] | None:
        """Read what a message is; None at the end."""
        told = self.source.read(RECORD.size + SUM.size)
        if len(told) < RECORD.size + SUM.size:
            if told and is_first:
                self.tell_of_cut()
            return None
        head, checksum = told[: RECORD.size], told[RECORD.size :]
        number, at, tag, length, sum_of_data = RECORD.unpack(head)
        if SUM.unpack(checksum) != (crc32(head),) or length > self.head.slot_size:
            self.refuse(f"damaged behind its first {messages_text(self.messages)}")
        return number, at, tag, length, sum_of_data

    def fill(self, loan: Loan, number: int, checksum: int, is_first: bool) -> bool:
        """Read a message's bytes; false where the file ends before they do."""
        data = loan.data
        if self.source.readinto(data) < len(data):
            if is_first:
                self.tell_of_cut()
            return False
        if crc32(data) != checksum:
            self.refuse(f"damaged: the sum of message {number:,} is another")
        return True

    def tell_of_cut(self) -> None:
        """Say that the recorder was killed."""
        told = f"it ends within a message, behind {messages_text(self.messages)}"
        print(f"zinc: {self.title}: {told}: its recorder was killed", file=sys.stderr)

    def refuse(self, why: str) -> NoReturn:
        """End with what is wrong."""
        fail(f"{self.title}: it is {why}")


def destined(name: str, head: Head) -> Channel:
    """Attach to the channel that takes such messages, or create it."""
    array = head.array()
    while True:
        try:
            channel = Channel.open(name, any_user=True)
        except FileNotFoundError:
            pass
        else:
            break
        shape, dtype = array or (None, None)
        with contextlib.suppress(FileExistsError):  # somebody was faster
            return Channel.create(
                name,
                head.slots,
                slot_size=head.slot_size if array is None else None,
                shape=shape,
                dtype=dtype,
                full=head.full,
                views=head.views,
            )
    takes = None if channel.dtype is None else (channel.shape, channel.dtype)
    if takes != array or (array is None and channel.slot_size < head.slot_size):
        channel.close()
        taken, given = kind_text(takes, channel.slot_size), kind_text(array, head.slot_size)
        fail(f'channel "{name}" takes {taken}, and the recording has {given}; play it into another')
    return channel


def kind_text(array: tuple[tuple[int, ...] | None, Any] | None, slot_size: int) -> str:
    """Return what messages are, in words."""
    return f"up to {slot_size:,} bytes" if array is None else f"{array[1]} arrays of {array[0]}"


def messages_text(count: int) -> str:
    """Return how many messages there are, in words."""
    return f"{count:,} message" + ("" if count == 1 else "s")
