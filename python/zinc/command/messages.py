"""A channel's messages, one after another, and as lines: for ``zinc watch`` and ``record``."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Generator, Iterator

from .._channel import Channel, ChannelReader, Message
from . import inspection
from .console import fail
from .lines import plain

HEAD = 16  # bytes that a line shows; of an array, half as many elements


@contextlib.contextmanager
def reading(name: str) -> Generator[tuple[Channel, ChannelReader], None, None]:
    """Attach to a channel as a reader, whoever it belongs to, and give what it is.

    The channel is closed already, so that this process is attached once.
    """
    if inspection.is_queue(name):
        told = "to read an item would take it from who works"
        fail(f'queue "{name}": {told}; zinc info {name} and zinc top tell what is going on')
    with Channel.open(name, any_user=True) as channel:
        reader = channel.reader()
    with reader:
        yield channel, reader


def following(reader: ChannelReader) -> Iterator[Message]:
    """Return message after message, until nobody else is attached and all are received."""
    while True:
        try:
            yield reader.recv(1000)
        except TimeoutError:
            if not inspection.is_left_alone(reader._region):
                continue
            while (message := reader.try_recv()) is not None:
                yield message
            return


def print_messages(name: str, count: int | None, as_json: bool) -> None:
    """Print a line for each message, and one for those that were lost before it."""
    with reading(name) as (channel, reader):
        lost = 0
        for message in following(reader):
            with message:
                missed, lost = reader.lost - lost, reader.lost
                at = datetime.datetime.fromtimestamp(message.time / 1e9).astimezone()
                if as_json:
                    line = {
                        "time": at.isoformat(),
                        "number": message.number,
                        "size": len(message),
                        "tag": message.tag,
                        "lost": missed,
                        "head": bytes(message.data[:HEAD]).hex(),
                    }
                    print(json.dumps(line), flush=True)
                else:
                    if missed:
                        print(f"{'':15}  {missed:>10,}  lost")
                    told = f"{message.number:>10,}  {len(message):>10,} bytes  tag {message.tag}"
                    print(f"{at:%H:%M:%S.%f}  {told}  {head_text(channel, message)}", flush=True)
            count = count and count - 1
            if count == 0:
                return


def head_text(channel: Channel, message: Message) -> str:
    """Return the first bytes of a message, or the first elements of its array."""
    if channel.dtype is not None:
        with contextlib.suppress(Exception):  # elements that can't be shown: they may be anything
            first = message.array.flat[: HEAD // 2]
            rest = " ..." if message.array.size > len(first) else ""
            return plain(f"[{' '.join(map(str, first))}{rest}]")
    return f"{bytes(message.data[:HEAD])!r}{' ...' if len(message) > HEAD else ''}"
