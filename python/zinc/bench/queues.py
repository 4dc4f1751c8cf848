"""Queues: objects that wait for whoever of several workers is free."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import itertools
import multiprocessing
import os
import pickle
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

import zinc

from . import messages, method, peers
from .delivery import deliver
from .latency import Sides, measure_held, python_asked, python_rounds
from .messages import WINDOW, Ends
from .method import Settings
from .native import Times
from .results import Result

QUANTITIES = READ, HANDED = "received and read", "received only"
FOREVER = peers.WATCHDOG.total_seconds()

Parts = dict[str, numpy.ndarray[Any, numpy.dtype[numpy.uint64]]]


def made(size: int, number: int) -> Parts:
    """Return the dict that travels: three arrays of so many bytes together, all words the same."""
    half, quarter = size // 16, size // 32
    lengths = {"points": half, "weights": quarter, "labels": quarter}
    return {name: numpy.full(many, number, numpy.uint64) for name, many in lengths.items()}


def total(parts: Parts) -> int:
    """Return the sum of all words, as one of them would have it."""
    return sum(int(part.sum()) for part in parts.values()) & (1 << 64) - 1


class Way(messages.Way):
    """A queue of objects. Any number of workers get them, and each goes to one."""

    def __init__(self, size: int, name: str, redis: str | None, workers: int = 1) -> None:
        """Prepare for objects whose arrays have `size` bytes."""
        super().__init__(size, name, workers, redis)
        # Of each worker: how many it has got, when the last, if it has left, if it has failed.
        self.board = method.shared((workers, 8))
        self.run = 0
        self.writers = 1
        self.seat = 0  # of the writers

    def put(self, item: object) -> None:
        """Hand over an object."""
        raise NotImplementedError

    def get(self) -> Any:
        """Wait for the next object."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove what is left, in the process that made this and started no side."""

    # As a way to deliver.

    def start_producer(self) -> None:
        super().start_producer()
        self.parts = made(self.size, 0)

    def fill(self, number: int) -> int:
        for part in self.parts.values():
            part.fill(number)
        return number * (self.size // 8) & (1 << 64) - 1

    def send(self) -> None:
        self.put(self.parts)

    def next(self) -> Any:
        return self.get()

    def total(self, payload: Any) -> Any:
        return total(payload)


class Zinc(Way):
    """A queue whose slots are as large as what travels."""

    name = "zinc"
    about = "Queue.put and get, the slots as large as the objects; arrays are read in place"

    def slot_size(self) -> int:
        return max(16384, self.size + 4096)

    def start_consumer(self) -> None:
        self.queue = zinc.Queue(
            WINDOW,
            name=self.id,
            slot_size=self.slot_size(),
            workers=self.readers + self.writers - 1,
            writers=self.writers,
            views=2,
        )

    def start_producer(self) -> None:
        super().start_producer()
        self.start_consumer()

    def put(self, item: object) -> None:
        self.queue.put(item)

    def get(self) -> Any:
        return self.queue.get()

    def close(self) -> None:
        self.queue.close()

    def clear(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            zinc.unlink(self.id, force=True)
        zinc.reclaim()  # what went beside the queue of who was killed


class ZincDefault(Zinc):
    """A queue as nobody has said anything of sizes."""

    name = "zinc, default slots"
    about = "the same with the slots that it has unless told otherwise; what is larger goes beside"

    def slot_size(self) -> int:
        return 1 << 18


class Queue(Way):
    """What most programs use."""

    name = "Queue"
    about = "multiprocessing.Queue, put and get"

    def __init__(self, size: int, name: str, redis: str | None, workers: int = 1) -> None:
        super().__init__(size, name, redis, workers)
        self.queue = self.make()

    def make(self) -> Any:
        return multiprocessing.get_context("fork").Queue(WINDOW)

    def put(self, item: object) -> None:
        self.queue.put(item)

    def get(self) -> Any:
        return self.queue.get()

    def close(self) -> None:
        self.queue.close()


class SimpleQueue(Queue):
    """A pipe with two locks."""

    name = "SimpleQueue"
    about = "multiprocessing.SimpleQueue, put and get"

    def make(self) -> Any:
        return multiprocessing.get_context("fork").SimpleQueue()


class ManagerQueue(Queue):
    """A queue in a process of its own."""

    name = "Manager().Queue"
    about = "multiprocessing.Manager().Queue, put and get: a server has what waits"

    def make(self) -> Any:
        self.maker = os.getpid()
        self.manager = multiprocessing.get_context("fork").Manager()
        return self.manager.Queue(WINDOW)

    def close(self) -> None:
        if self.maker == os.getpid():
            self.clear()

    def clear(self) -> None:
        self.manager.shutdown()


class FasterFifo(Queue):
    """A ring of bytes in shared memory."""

    name = "faster-fifo"
    about = "faster_fifo.Queue, put and get, with room for as many objects as the others have"
    needs = ("faster_fifo",)

    def make(self) -> Any:
        import faster_fifo

        return faster_fifo.Queue(WINDOW * (self.size + 4096), WINDOW)

    def put(self, item: object) -> None:
        self.queue.put(item, True, FOREVER)  # else it gives up after 10 s

    def get(self) -> Any:
        while True:  # it says Empty as soon as another worker was faster
            with contextlib.suppress(queue.Empty):
                return self.queue.get(True, FOREVER)


class ZeroMQ(Way):
    """One who distributes, to those who have connected."""

    name = "pyzmq"
    about = "PUSH and PULL over ipc://; pickle's buffers are frames of their own, not copied"
    needs = ("zmq",)

    def address(self, seat: int) -> str:
        return f"ipc://{tempfile.gettempdir()}/{self.id}-zmq-{seat}"

    def start_consumer(self) -> None:
        import zmq

        self.context: Any = zmq.Context()
        self.socket: Any = self.context.socket(zmq.PULL)
        self.socket.rcvhwm = WINDOW
        for seat in range(self.writers):
            self.socket.connect(self.address(seat))

    def start_producer(self) -> None:
        super().start_producer()
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PUSH)
        self.socket.sndhwm = WINDOW
        monitor = self.socket.get_monitor_socket(zmq.Event.HANDSHAKE_SUCCEEDED)
        self.socket.bind(self.address(self.seat))
        for _ in range(self.readers):  # or the first of them would get all
            recv_monitor_message(monitor)
        self.socket.disable_monitor()
        monitor.close()

    def put(self, item: object) -> None:
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(item, 5, buffer_callback=buffers.append)
        self.socket.send_multipart([data, *buffers], copy=False)

    def get(self) -> Any:
        data, *buffers = (frame.buffer for frame in self.socket.recv_multipart(copy=False))
        return pickle.loads(data, buffers=buffers)

    def close(self) -> None:
        self.context.destroy(0)
        self.clear()

    def clear(self) -> None:
        for seat in range(self.writers):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address(seat).removeprefix("ipc://"))


class Redis(Way, peers.RedisUnix):
    """A list."""

    name = "Redis list"
    about = (
        "redis-py over a Unix socket, LPUSH and BRPOP of a pickle; nothing bounds a list, so who "
        "has put 68 more, or 16 MiB and 4 more, looks and sleeps until fewer wait"
    )

    def put(self, item: object) -> None:
        most = WINDOW + min(64, (16 << 20) // self.size)
        waiting = self.client.lpush(self.id, pickle.dumps(item, 5))
        while waiting > most:
            time.sleep(0.0005)
            waiting = self.client.llen(self.id)

    def get(self) -> Any:
        return pickle.loads(self.client.brpop([self.id])[1])

    def clear(self) -> None:
        self.stop_server()


class Ray(Way):
    """An actor."""

    name = "Ray"
    about = "ray.util.queue.Queue, put and get: an actor has what waits; a cluster of one machine"
    needs = ("ray",)

    def __init__(self, size: int, name: str, redis: str | None, workers: int = 1) -> None:
        super().__init__(size, name, redis, workers)
        self.maker = os.getpid()
        self.folder = tempfile.mkdtemp(prefix=name)
        self.port = peers.free_port()
        options = ("--head", "--block", "--num-cpus=1", "--include-dashboard=false")
        where = (f"--port={self.port}", f"--temp-dir={self.folder}", "--disable-usage-stats")
        program = (sys.executable, "-m", "ray.scripts.scripts", "start", *options, *where)
        quiet = subprocess.DEVNULL
        self.head = subprocess.Popen(program, stdout=quiet, stderr=quiet)
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            if self.head.poll() is not None:
                raise RuntimeError("ray start --head has ended")
            time.sleep(0.1)

    def start_consumer(self) -> None:
        self.ray: Any = importlib.import_module("ray")  # which the type checkers need not have
        options = {"log_to_driver": False, "logging_level": "error"}
        self.ray.init(f"127.0.0.1:{self.port}", namespace=self.id, **options)
        actor = {"name": self.id, "get_if_exists": True, "lifetime": "detached", "num_cpus": 0}
        queues: Any = importlib.import_module("ray.util.queue")
        self.queue = queues.Queue(WINDOW, actor_options=actor)

    def start_producer(self) -> None:
        super().start_producer()
        self.start_consumer()

    def put(self, item: object) -> None:
        self.queue.put(item)

    def get(self) -> Any:
        return self.queue.get()

    def close(self) -> None:
        self.ray.shutdown()
        if self.maker == os.getpid():
            self.clear()

    def clear(self) -> None:
        self.head.terminate()
        self.head.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


WAYS: dict[str, type[Way]] = {
    way.name: way
    for way in (
        *(Zinc, ZincDefault, Queue, SimpleQueue, ManagerQueue),
        *(FasterFifo, ZeroMQ, Redis, Ray),
    )
}


# ---- messages a second ----


def measure(
    point: str, contenders: Sequence[str], settings: Settings, *, size: int, workers: int
) -> Iterator[Result]:
    """Measure objects that one process puts, and so many workers get."""

    def make(name: str, unique: str) -> Way:
        return WAYS[name](size, unique, settings.redis, workers)

    missing = {name: WAYS[name].missing(settings.redis) for name in contenders}
    blank = Result("queues", point, "", "", size=size)
    settings = dataclasses.replace(
        settings,
        seconds=settings.seconds / 4,
        samples=min(settings.samples, 3 if size > 1 << 22 else 5),
    )
    return messages.take_turns(blank, missing, make, workers, settings, ENDS)


def put_all(way: Way, is_read: bool, count: int) -> int:
    """Put objects, made before; return when the last worker had done with the last of them."""
    items = [made(way.size, number) for number in (1, 2, 3)]
    way.run += 1
    way.board[:] = 0
    for item in itertools.islice(itertools.cycle(items), count):
        way.put(item)
    got, last, has_left, has_failed = way.board[:, :4].T
    while got.sum() < count:
        if has_failed.any():
            raise RuntimeError("a reader has failed")
        time.sleep(0.0002)
    for _ in range(way.readers):  # each gets one, since it leaves with it
        way.put(way.run)
    while not has_left.all():
        time.sleep(0.02)
        way.put(way.run)  # pyzmq may have given two to one: it throws one away next time
    return int(last.max())


def get_all(way: Way, is_read: bool, count: int) -> None:
    """Get objects until there are no more, and note when."""
    way.run += 1
    board = memoryview(way.board[way.which])
    now = time.perf_counter_ns
    got = 0
    try:
        while (item := way.get()) != way.run:
            if isinstance(item, int):
                continue
            words = item["points"]
            number = int(words[0])
            if is_read and total(item) != number * (way.size // 8):
                raise RuntimeError(f"{way.name}: what arrived is not what was sent")
            del item, words
            got += 1
            board[1] = now()
            board[0] = got
        board[2] = 1
    except BaseException:
        board[3] = 1
        raise


ENDS = Ends(QUANTITIES, put_all, get_all)


# ---- one under way ----


def measure_latency(
    point: str, contenders: Sequence[str], settings: Settings, *, size: int
) -> Iterator[Result]:
    """Measure how long it takes until a worker that sleeps has an object."""
    ways = [WAYS[name] for name in contenders]
    for result in deliver("queues", point, size, ways, settings):
        if result.quantity == "hand-over":
            yield result


# ---- a call ----


def argument() -> numpy.ndarray[Any, Any]:
    """Return what each call has, and what comes back: 1 KiB."""
    return numpy.arange(128, dtype=numpy.uint64)


def called(rounds: int) -> Times:
    """Call a function that another process serves."""
    name = f"zinc-bench-{os.getpid()}-call"
    array = argument()
    with method.process(serve, name), zinc.connect(name, timeout_ms=60_000) as client:
        times = python_asked(lambda: client.call(array), lambda: None, rounds)
        client.shutdown()
    return times


def serve(name: str) -> None:
    """Serve what gives back what it gets."""
    method.pin(method.processors()[1])
    zinc.serve(name, lambda array: array)


def told(rounds: int) -> Times:
    """Send a pickle through a channel, and get one back through another."""
    array = argument()

    def sides() -> Sides:
        channel = zinc.Channel.create(None, WINDOW, slot_size=4096, full="wait")

        @functools.cache
        def reader() -> zinc.ChannelReader:
            return channel.reader(history=1)  # of the process that hears

        def hear() -> Any:
            with reader().recv() as message:
                return pickle.loads(message.data)

        return lambda: channel.send(pickle.dumps(array, 5)), hear

    return python_rounds(sides(), sides(), rounds)


CALLS: dict[str, Callable[[int], Times]] = {
    "zinc": called,
    "two channels, two pickles": told,
}


def measure_calls(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure calls whose argument and whose result are an array of 1 KiB, in turns."""
    settings = dataclasses.replace(settings, seconds=settings.seconds / 5)  # calls take longer
    return measure_held("queues", point, {name: CALLS[name] for name in contenders}, settings)
