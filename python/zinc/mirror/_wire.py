"""What goes over the link, and how to read what anybody may have sent.

A thing that is offered under NAME has the keys

* ``zinc/NAME/data``: what it is and what is in it, from who offers it to all who follow it;
* ``zinc/NAME/ask``: what followers want, and what they have;
* ``zinc/NAME/to/FOLLOWER``: items of a queue, for this follower alone;
* ``zinc/NAME/offer/ID`` and ``zinc/NAME/follower/ID``: liveliness tokens of both.

Each payload is a head (`HEAD`: magic, version, kind of payload, who sends it) and a body, little
endian. Small messages share one that fits into one batch of the transport (`BATCH`), and what is
large is cut into parts of four batches: with smaller ones the transport has as much to do for a
part as for its bytes, with larger ones both sides wait for each other.

* ``FACTS``: what the thing is (`Facts`), and the number of the newest that it has. Every beat (a
  tenth of the lease, a second at most), and whenever somebody asks. It is how a follower learns
  that it has missed something, whatever was lost, and that what it has is still the newest.
* ``STATE``: a part of a region's bytes: the sequence that they are of, how many there are in all,
  the offset of this part. Parts come in order; what comes out of order is dropped, and asked for.
* ``MESSAGES``: the number of the message that was sent before these, then messages or parts of one.
  Whoever has all up to that one knows that the numbers in between are lost for good at the source;
  else they were lost on the link, and are asked for from the first one on.
* ``ITEMS``: the same of a queue, in a stream: numbers count the deliveries to one follower. The
  stream, the delivery before these, and the last report of that follower that was heard stand
  before them. Without any it is a beat, or the beginning of a stream.
* ``ASK``: the number of the message that is wanted next; who asks is sent all from it on that is
  kept. Of a region it is 0, and its newest state is sent.
* ``HAVE``: the same number, where nothing is missing: that the follower lives, and how far it is.
* ``REPORT``: of a queue's follower: stream, number of the report, the delivery that is wanted next,
  up to which it takes them, and those that are done, or given back: all that it does not know to
  have been heard, so that any report may be lost. One of another stream than the present one counts
  for nothing: what was in that was given back when its follower was lost, and may be another's.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator

MAGIC, VERSION = b"zinc", 1
FACTS, STATE, MESSAGES, ITEMS, ASK, HAVE, REPORT = range(1, 8)
REGION, CHANNEL, QUEUE = range(1, 4)
WHAT = {REGION: "region", CHANNEL: "channel", QUEUE: "queue"}

# Zenoh's batches have 65,535 bytes, of which its own heads take some.
BATCH = 65_000
LARGE = 4 * BATCH
HEAD = struct.Struct("<4sBBHQ")
STATE_HEAD = struct.Struct("<QQQ")
MESSAGES_HEAD = struct.Struct("<Q")
ITEMS_HEAD = struct.Struct("<QQQ")
RECORD = struct.Struct("<QQQQII")
NUMBER = struct.Struct("<Q")
REPORT_HEAD = struct.Struct("<QQQQHH")
_FACTS = struct.Struct("<BBBxIQQQQQQ")

PART = LARGE - HEAD.size - STATE_HEAD.size
MESSAGE_ROOM = BATCH - HEAD.size - ITEMS_HEAD.size
MESSAGE_PART = LARGE - HEAD.size - ITEMS_HEAD.size - RECORD.size
# Deliveries that a report may name.
MOST_DONE = 4096
MOST_METADATA = 2048
LARGEST = (1 << 63) - 1


class RefusedError(ValueError):
    """What came is not what was expected."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a thing is, for who makes a copy of it."""

    what: int
    """REGION, CHANNEL or QUEUE."""
    source: int
    """The id of the region that it is, which tells two of one name apart."""
    newest: int
    """The number of its newest message, or its sequence."""
    capacity: int
    """Bytes of a region, or of a message or item at most."""
    slots: int = 0
    """How many messages it keeps, or items it holds."""
    views: int = 0
    """How many messages a reader may hold."""
    how: int = 0
    """The flags of a channel or queue, as the extension has them."""
    kind: int = 0
    """The kind of a region, as `SharedRegion.create` was told."""
    is_locked: bool = False
    """Whether the copy is written under its lock."""
    is_over: bool = False
    """Whether a queue was shut down, and all that was in it is done."""
    metadata: bytes = b""

    @property
    def place(self) -> tuple[object, ...]:
        """What a copy has to have alike."""
        is_region = self.what == REGION
        same = self.what, self.capacity, self.slots, self.how, self.metadata
        return (*same, self.kind) if is_region else same

    def __str__(self) -> str:
        """Tell what it is."""
        if self.what == REGION:
            return f"a region of {self.capacity} bytes and kind {self.kind}"
        each = "messages" if self.what == CHANNEL else "items"
        return f"a {WHAT[self.what]} of {self.slots} {each} of {self.capacity} bytes"


class Payload(NamedTuple):
    """What came, with its head read."""

    kind: int
    sender: int
    body: memoryview


class Part(NamedTuple):
    """A message, or a part of one."""

    number: int
    tag: int
    total: int
    offset: int
    before: int
    """The number of the message that was sent before it."""
    redelivered: int
    data: memoryview


def head(kind: int, sender: int) -> bytes:
    """Return what each payload begins with."""
    return HEAD.pack(MAGIC, VERSION, kind, 0, sender)


def read(data: bytes) -> Payload:
    """Read the head. Raises RefusedError if it is none of ours."""
    if len(data) < HEAD.size or data[:4] != MAGIC:
        raise RefusedError(f"{len(data)} bytes that no mirror has sent")
    _, version, kind, _, sender = HEAD.unpack_from(data)
    if version != VERSION:
        raise RefusedError(
            f"it is of version {version} of the mirrors' protocol, and this is {VERSION}: "
            "install the same zinc on both machines"
        )
    return Payload(kind, sender, memoryview(data)[HEAD.size :])


def write_facts(facts: Facts, sender: int) -> bytes:
    """Return the payload that tells what a thing is."""
    body = _FACTS.pack(
        *(
            facts.what,
            facts.is_locked | facts.is_over << 1,
            facts.how & 0xFF,
            facts.kind,
            facts.source,
            facts.newest,
        ),
        *(facts.capacity, facts.slots, facts.views, len(facts.metadata)),
    )
    return head(FACTS, sender) + body + facts.metadata


def read_facts(body: memoryview) -> Facts:
    """Return what a thing is said to be. Raises RefusedError for what can't be."""
    if len(body) < _FACTS.size:
        raise RefusedError("it is cut short")
    what, flags, how, kind, source, newest, capacity, slots, views, length = _FACTS.unpack_from(
        body
    )
    metadata = bytes(body[_FACTS.size :])
    if what not in WHAT or flags > 3 or length != len(metadata) or length > MOST_METADATA:
        raise RefusedError("it is no description of a region, channel or queue")
    if not 1 <= capacity <= LARGEST or slots > LARGEST or (what == REGION) == bool(slots):
        raise RefusedError(f"it describes {slots} messages of {capacity} bytes, which can't be")
    is_locked, is_over = bool(flags & 1), bool(flags & 2)
    sizes = capacity, slots, views, how, kind
    return Facts(what, source, newest, *sizes, is_locked, is_over, metadata)


def parts(body: memoryview, most: int, before: int) -> Iterator[Part]:
    """Give the messages in a body. Raises RefusedError for what can't be, at the first of it."""
    position = 0
    while position < len(body):
        if len(body) - position < RECORD.size:
            raise RefusedError("a message is cut short")
        number, tag, total, offset, length, again = RECORD.unpack_from(body, position)
        position += RECORD.size
        if number <= before or length > len(body) - position or offset + length > total:
            raise RefusedError(f"message {number} can't be")
        if total > most:
            raise RefusedError(f"message {number} has {total} bytes, and {most} is the most")
        data = body[position : position + length]
        position += length
        yield Part(number, tag, total, offset, before, again, data)
        if offset + length == total:
            before = number


class Report(NamedTuple):
    """What a queue's follower has to say."""

    stream: int
    number: int
    following: int
    limit: int
    done: tuple[int, ...]
    back: tuple[int, ...]


def write_report(report: Report, sender: int) -> bytes:
    """Return the payload of a report."""
    *numbers, done, back = report
    counts = len(done), len(back)
    ended = struct.pack(f"<{sum(counts)}Q", *done, *back)
    return head(REPORT, sender) + REPORT_HEAD.pack(*numbers, *counts) + ended


def read_report(body: memoryview) -> Report:
    """Read a report. Raises RefusedError for what can't be."""
    if len(body) < REPORT_HEAD.size:
        raise RefusedError("a report is cut short")
    stream, number, following, limit, done, back = REPORT_HEAD.unpack_from(body)
    if len(body) != REPORT_HEAD.size + 8 * (done + back):
        raise RefusedError("a report is cut short")
    ended = struct.unpack_from(f"<{done + back}Q", body, REPORT_HEAD.size)
    return Report(stream, number, following, limit, ended[:done], ended[done:])


def chunks(view: Buffer, size: int) -> Iterator[tuple[int, memoryview]]:
    """Give the parts of some bytes, each with its offset; one of no bytes for none."""
    whole = memoryview(view)
    for offset in range(0, len(whole) or 1, size):
        yield offset, whole[offset : offset + size]
