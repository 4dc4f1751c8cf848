"""Waiting for readers of channels, regions and processes at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio

import zinc


class Place:
    def __init__(self, name: str) -> None:
        self.channel = zinc.Channel.create(name, 4, slot_size=8)
        self.reader, self.other = self.channel.reader(), self.channel.reader()
        self.region = zinc.SharedRegion.anonymous(1)
        self.all: list[Any] = [self.reader, self.region]


@pytest.fixture
def place(name: str) -> Iterator[Place]:
    one = Place(name)
    yield one
    for thing in one.reader, one.other, one.region, one.channel:
        thing.close()


def sync(things: Any, timeout_ms: float | None = 1000, **more: Any) -> list[Any]:
    return list(zinc.wait_any(things, timeout_ms, **more))


def with_sentinels(things: Any, timeout_ms: float | None = 1000) -> list[Any]:
    read, write = os.pipe()
    try:
        return sync(things, timeout_ms, sentinels=[read])
    finally:
        os.close(read)
        os.close(write)


def in_asyncio(things: Any, timeout_ms: float | None = 1000) -> list[Any]:
    return list(asyncio.run(zinc.wait_any_async(things, timeout_ms)))


def in_trio(things: Any, timeout_ms: float | None = 1000) -> list[Any]:
    return list(trio.run(zinc.wait_any_async, things, timeout_ms))


ways = pytest.mark.parametrize("wait", [sync, with_sentinels, in_asyncio, in_trio])


@ways
def test_reader_is_ready_until_it_has_received_all(
    place: Place, wait: Callable[..., list[Any]]
) -> None:
    assert wait(place.all, 0) == []
    place.channel.send(b"1")
    place.channel.send(b"2")
    for _ in range(2):
        assert wait(place.all) == [place.reader]
        assert wait(place.all, 0) == [place.reader]
        place.reader.recv(0)
    assert wait(place.all, 0) == []
    assert place.other.lag == 2


@ways
def test_regions_are_seen_and_readers_not(place: Place, wait: Callable[..., list[Any]]) -> None:
    place.channel.send(b"1")
    place.region.notify()
    assert wait(place.all) == place.all
    assert wait(place.all) == [place.reader]
    place.reader.recv(0)
    assert wait(place.all, 0) == []
    place.region.notify()
    assert wait(place.all) == [place.region]


@ways
def test_news_without_a_message_end_no_wait(place: Place, wait: Callable[..., list[Any]]) -> None:
    """As when another reader is closed, or this one has received what is new."""
    place.channel.send(b"1")
    place.reader.recv(0)
    place.other.close()
    start = time.monotonic()
    assert wait(place.all, 30) == []
    assert time.monotonic() - start >= 0.03


@ways
def test_sleeps_until_there_is_a_message(place: Place, wait: Callable[..., list[Any]]) -> None:
    thread = threading.Timer(0.02, lambda: place.channel.send(b"late"))
    thread.start()
    assert wait(place.all, None) == [place.reader]
    thread.join()


@ways
def test_closed_reader_is_an_error(place: Place, wait: Callable[..., list[Any]]) -> None:
    thread = threading.Timer(0.02, place.reader.close)
    thread.start()
    with pytest.raises(ValueError, match="closed"):
        wait(place.all, None)
    thread.join()
    with pytest.raises(ValueError, match="closed"):
        wait(place.all, 0)


def test_process_that_ends(place: Place) -> None:
    code = "import sys, zinc; zinc.Channel.open(sys.argv[1]).send(b'last')"
    name = str(place.channel.name)
    process = subprocess.Popen([sys.executable, "-c", code, name])
    sentinel = os.pidfd_open(process.pid)
    try:
        found: list[Any] = []
        while sentinel not in found:
            found = sync([place.reader], None, sentinels=[sentinel])
        # What it said before it ended is there.
        assert found == [place.reader, sentinel]
    finally:
        process.wait()
        os.close(sentinel)


def test_what_can_be_waited_for(place: Place) -> None:
    wait_all: Any = zinc.wait_all
    with pytest.raises(TypeError, match="a SharedRegion is needed"):
        wait_all([place.reader])
    with pytest.raises(TypeError, match="a SharedRegion, a ChannelReader or a Queue is needed"):
        sync([place.channel])
