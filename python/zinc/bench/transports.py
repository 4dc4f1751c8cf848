"""Ways to give a payload from one process to another: zinc's, and what Python has itself.

Each is written as its own manual would have it, with what makes it fast. The lines of
`Zinc` and `HandMade` are counted and compared as users' code.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import mmap
import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from typing import Any, ClassVar

import numpy

import zinc

from .method import private

Bytes = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]


def absence(*modules: str) -> str | None:
    """Return which of these modules are not installed, in words, or None."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class Transport:
    """One way. Made before the two processes part; each then starts its own side."""

    name: ClassVar[str]
    about: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()  # modules

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        """Prepare for payloads of `size` bytes; `name` is for whatever needs a unique one."""
        self.size = size
        self.id = name
        self.redis = redis

    @classmethod
    def missing(cls, redis: str | None) -> str | None:
        """Return why it can't be used here, or None; `redis` is a server that was named."""
        return absence(*cls.needs)

    def start_consumer(self) -> None:
        """Do what the consumer has to do before the producer starts."""

    def start_producer(self) -> None:
        """Do what the producer has to do before the first payload."""

    def payload(self) -> Bytes:
        """Return where the producer builds its next payload."""
        raise NotImplementedError

    def fill(self, number: int) -> int:
        """Build a payload whose words are all a number; return what `total` will say of it."""
        payload = self.payload().view(numpy.uint64)
        payload[:] = number
        return number * len(payload) & (1 << 64) - 1

    def send(self) -> None:
        """Hand over what was built."""
        raise NotImplementedError

    def receive(self, use: Callable[[Any], None]) -> None:
        """Wait for the next payload in the consumer, and call `use` with it: a buffer."""
        use(self.next())

    def next(self) -> Any:
        """Return the next payload in the consumer."""
        raise NotImplementedError

    def total(self, payload: Any) -> Any:
        """Return the sum of all words of what was received."""
        return numpy.frombuffer(payload, numpy.uint64).sum()

    def release(self) -> None:
        """Let go of the payload that was received, now that it was used."""

    def close(self) -> None:
        """End this process's side."""


class Zinc(Transport):
    """A region; the payload is built in it."""

    name = "zinc"
    about = "the producer builds its payload in the region"

    def start_consumer(self) -> None:
        self.region = zinc.open_or_create(self.id, self.size)
        self.array = self.region.as_numpy()

    start_producer = start_consumer

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        self.region.notify()

    def next(self) -> Any:
        self.region.wait(None)
        return self.array

    def close(self) -> None:
        self.region.close()


class ZincCopy(Zinc):
    """A region, for a payload that was built elsewhere."""

    name = "zinc, copied in"
    about = "the payload is in the producer's own memory, and is copied into the region"

    def start_producer(self) -> None:
        super().start_producer()
        self.source = private(self.size)

    def payload(self) -> Bytes:
        return self.source

    def send(self) -> None:
        self.array[:] = self.source
        self.region.notify()


class HandMade(Transport):
    """A file in /dev/shm, mapped, with a futex in its first page: zinc by hand."""

    name = "mmap and futex"
    about = "shm_open, ftruncate, mmap, and a futex through ctypes"
    system_call = ctypes.CDLL(None).syscall
    futex = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine)

    def start_consumer(self) -> None:
        # shm_open is this, in /dev/shm.
        file = os.open(f"/dev/shm/{self.id}-mmap", os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(file, mmap.PAGESIZE + self.size)
        memory = mmap.mmap(file, mmap.PAGESIZE + self.size)
        os.close(file)
        self.sequence = ctypes.c_uint32.from_buffer(memory)
        self.sleepers = ctypes.c_uint32.from_buffer(memory, 4)
        self.array = numpy.frombuffer(memory, numpy.uint8, offset=mmap.PAGESIZE)
        self.seen = self.sequence.value

    start_producer = start_consumer

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        self.sequence.value += 1
        if self.sleepers.value:
            self.system_call(self.futex, ctypes.byref(self.sequence), 1, 1, None, None, 0)

    def next(self) -> Any:
        self.sleepers.value = 1
        while self.sequence.value == self.seen:
            place = ctypes.byref(self.sequence)
            self.system_call(self.futex, place, 0, self.seen, None, None, 0)
        self.sleepers.value = 0
        self.seen = self.sequence.value
        return self.array

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # the other side was first
            os.unlink(f"/dev/shm/{self.id}-mmap")


class UnixSocket(Transport):
    """A pair of stream sockets."""

    name = "Unix socket"
    about = "socketpair, sendall, and recv_into a buffer that is there"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def start_consumer(self) -> None:
        self.array = private(self.size)

    start_producer = start_consumer

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        self.ends[0].sendall(self.array)

    def next(self) -> Any:
        got = 0
        room = memoryview(self.array)
        while got < self.size:
            got += self.ends[1].recv_into(room[got:])
        return self.array

    def close(self) -> None:
        for end in self.ends:
            end.close()


class SharedMemoryEvent(Transport):
    """What Python's own library has for it."""

    name = "shared_memory and Event"
    about = "multiprocessing.shared_memory; a multiprocessing.Event says that there is something"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.memory = SharedMemory(f"{name}-memory", create=True, size=size)
        self.event = multiprocessing.Event()
        self.array: Bytes | None = numpy.ndarray(size, numpy.uint8, self.memory.buf)

    def start_consumer(self) -> None:
        self.is_consumer = True

    def start_producer(self) -> None:
        self.is_consumer = False

    def payload(self) -> Bytes:
        assert self.array is not None
        return self.array

    def send(self) -> None:
        self.event.set()

    def next(self) -> Any:
        self.event.wait()
        self.event.clear()
        return self.array

    def close(self) -> None:
        self.array = None
        self.memory.close()
        if not self.is_consumer:
            self.memory.unlink()


class Pipe(Transport):
    """A multiprocessing.Pipe that arrays are sent through."""

    name = "Pipe"
    about = "multiprocessing.Pipe, send(array) and recv()"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.reader, self.writer = multiprocessing.Pipe(duplex=False)

    def start_producer(self) -> None:
        self.array = private(self.size)

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        self.writer.send(self.array)

    def next(self) -> Any:
        return self.reader.recv()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


class Queue(Transport):
    """A multiprocessing.Queue of arrays."""

    name = "Queue"
    about = "multiprocessing.Queue, put(array) and get()"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.queue: multiprocessing.Queue[Bytes] = multiprocessing.Queue()

    def start_producer(self) -> None:
        self.array = private(self.size)

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        self.queue.put(self.array)

    def next(self) -> Any:
        return self.queue.get()

    def close(self) -> None:
        self.queue.close()
