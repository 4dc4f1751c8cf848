"""Who goes on after others were killed: real processes, real SIGKILLs."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import glob
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar, Literal

import numpy

import zinc

from . import method, peers
from .method import Settings
from .results import Result
from .transports import absence

SIZE = 1 << 16
LONGEST, A_LOOK = 2.0, 1.0  # seconds that the others have to go on, in a full run, in a quick one

Send = Callable[[int], None]
Receive = Callable[[], int]
Role = Literal["reader", "writer"]


class System:
    """How a writer and a reader who stay, and those who are killed, give each other messages."""

    name: str
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str) -> None:
        """Prepare what all processes inherit."""
        self.id = name
        self.message = numpy.zeros(SIZE // 8, numpy.uint64)

    def writer(self, stays: bool) -> Send:
        """Return what sends a number, in a message of 64 KiB; called in its process."""
        raise NotImplementedError

    def reader(self) -> Receive:
        """Return what waits for a message, and returns its number; called in its process."""
        raise NotImplementedError

    def reader_to_be_killed(self, is_busy: bool) -> Receive:
        """Return the same for who is killed, idle or at work."""
        return self.reader()

    def take(self) -> None:
        """Have a place for a message at one's disposal, where it is filled in place."""

    def settle(self) -> dict[str, int]:
        """Count what else there is to tell, by what it is; called when nobody sends any more."""
        return {}

    def end(self) -> None:
        """Remove what is left; called in a process of its own."""

    def close(self) -> None:
        """Remove what is left; called where it was made."""


class Zinc(System):
    """A channel whose writers wait for its readers."""

    name = "zinc"

    def channel(self) -> zinc.Channel:
        return zinc.Channel.open_or_create(self.id, slots=8, slot_size=SIZE, full="wait")

    def writer(self, stays: bool) -> Send:
        self.end_of = channel = self.channel()

        def send(number: int) -> None:
            with channel.loan() as loan:
                loan.array.view(numpy.uint64).fill(number)

        return send

    def reader(self) -> Receive:
        reader = self.channel().reader()

        def receive() -> int:
            with reader.recv() as message:
                return int(message.array.view(numpy.uint64).max())

        return receive

    def take(self) -> None:
        self.loan = self.end_of.loan()

    def end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            zinc.unlink(self.id, force=True)


class Kickmsg(System):
    """A channel, without the repairs that somebody has to ask for.

    Its defaults, but for a pool that fewer killed writers exhaust.
    """

    name = "kickmsg"
    needs = ("kickmsg",)

    def region(self) -> Any:
        import kickmsg

        settings = kickmsg.Config()
        settings.sub_ring_capacity, settings.pool_size = 8, 32
        settings.max_payload_size = SIZE
        name = f"/{self.id}-kickmsg"
        return kickmsg.SharedRegion.create_or_open(name, kickmsg.ChannelType.PubSub, settings)

    def writer(self, stays: bool) -> Send:
        import kickmsg

        self.end_of = publisher = kickmsg.Publisher(self.region())

        def send(number: int) -> None:
            slot = publisher.allocate()
            if slot is not None:
                numpy.frombuffer(slot, numpy.uint64, SIZE // 8).fill(number)
                slot.publish(SIZE)

        return send

    def reader(self) -> Receive:
        import kickmsg

        subscriber = kickmsg.Subscriber(self.region())

        def receive() -> int:
            view = subscriber.receive_view(peers.WATCHDOG)
            if view is None:
                raise RuntimeError("nothing came")
            with view:
                return int(numpy.frombuffer(memoryview(view), numpy.uint64).max())

        return receive

    def take(self) -> None:
        self.slot = self.end_of.allocate()

    def end(self) -> None:
        import kickmsg

        kickmsg.unlink_shm(f"/{self.id}-kickmsg")


class Iceoryx2(System):
    """A service, which overwrites, and an event."""

    name = "iceoryx2"
    needs = ("iceoryx2",)

    def services(self) -> tuple[Any, Any]:
        self.node, service = peers.iceoryx2_node(self.id)
        payloads = service().publish_subscribe(peers.iceoryx2_bytes())
        payloads = payloads.max_publishers(4).max_subscribers(4).open_or_create()
        return payloads, service().event().open_or_create()

    def writer(self, stays: bool) -> Send:
        payloads, events = self.services()
        publisher = payloads.publisher_builder().initial_max_slice_len(SIZE).create()
        notifier = events.notifier_builder().create()
        self.end_of = publisher

        def send(number: int) -> None:
            sample = publisher.loan_slice_uninit(SIZE)
            peers.view_at(sample.payload_ptr, SIZE).view(numpy.uint64).fill(number)
            sample.assume_init().send()
            notifier.notify()

        return send

    def reader(self) -> Receive:
        payloads, events = self.services()
        subscriber = payloads.subscriber_builder().create()
        listener = events.listener_builder().create()

        def receive() -> int:
            while (sample := subscriber.receive()) is None:
                listener.blocking_wait()
            number = int(peers.view_at(sample.payload_ptr, SIZE).view(numpy.uint64).max())
            sample.delete()
            return number

        return receive

    def take(self) -> None:
        self.sample = self.end_of.loan_slice_uninit(SIZE)

    def end(self) -> None:
        node, _ = peers.iceoryx2_node(self.id)
        node.try_cleanup_dead_nodes()


class ZeroMQ(System):
    """PUB and SUB: one address for who stays, and one for who is killed."""

    name = "pyzmq"
    needs = ("zmq",)

    def address(self, stays: bool) -> str:
        return f"ipc://{tempfile.gettempdir()}/{self.id}-zmq-{int(stays)}"

    def writer(self, stays: bool) -> Send:
        import zmq

        socket: Any = zmq.Context().socket(zmq.PUB)
        socket.bind(self.address(stays))

        def send(number: int) -> None:
            self.message.fill(number)
            socket.send(self.message)

        return send

    def reader(self) -> Receive:
        import zmq

        socket: Any = zmq.Context().socket(zmq.SUB)
        socket.subscribe(b"")
        for stays in True, False:
            socket.connect(self.address(stays))
        return lambda: int(numpy.frombuffer(socket.recv(), numpy.uint64).max())

    def end(self) -> None:
        for stays in True, False:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address(stays).removeprefix("ipc://"))


class SimpleQueue(System):
    """One for all, as its users share it."""

    name = "SimpleQueue"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.queue: Any = self.make()

    def make(self) -> Any:
        return multiprocessing.get_context("fork").SimpleQueue()

    def writer(self, stays: bool) -> Send:
        def send(number: int) -> None:
            self.queue.put(numpy.full(SIZE // 8, number, numpy.uint64))

        return send

    def reader(self) -> Receive:
        return lambda: int(self.queue.get().max())


class Queue(SimpleQueue):
    """One for all, as its users share it."""

    name = "Queue"

    def make(self) -> Any:
        return multiprocessing.get_context("fork").Queue(8)


SYSTEMS: dict[str, type[System]] = {
    system.name: system for system in (Zinc, Kickmsg, Iceoryx2, ZeroMQ, SimpleQueue, Queue)
}


@dataclasses.dataclass(frozen=True)
class Victim:
    """Who is killed, again and again, at what."""

    role: Role
    is_busy: bool


VICTIMS = {
    "after an idle reader": Victim("reader", False),
    "after a busy reader": Victim("reader", True),
    "after an idle writer": Victim("writer", False),
    "after a busy writer": Victim("writer", True),
}

VICTIMS_OWN = 1 << 63  # in the numbers of messages that victims send


class Board(ctypes.Structure):
    """What the processes tell each other, beside what is measured."""

    _fields_ = (
        ("sent", ctypes.c_uint64),
        ("received", ctypes.c_uint64),
        ("awaited", ctypes.c_uint64),
        ("is_paused", ctypes.c_uint64),
        ("was_paused", ctypes.c_uint64),
        ("is_there", ctypes.c_uint64),
    )


def measure(
    point: str,
    contenders: Sequence[str],
    settings: Settings,
    *,
    suite: str = "channels",
    victims: Mapping[str, Victim] = VICTIMS,
    missing: Callable[[str], str | None] = lambda name: absence(*SYSTEMS[name].needs),
    make: Callable[[str, str], System] = lambda name, unique: SYSTEMS[name](unique),
) -> Iterator[Result]:
    """Kill one after the other until those who stay stand still, or as many as there are to be."""
    kills = 3 if settings.quick else 40
    for index, name in enumerate(contenders):
        reason = missing(name)
        for quantity, victim in victims.items():
            method.say(f"{name}, {quantity}")
            result = Result(suite, point, name, quantity, unit="kills", operations=kills)
            counted: dict[str, int] = {}
            if reason:
                result.skipped = reason
            else:
                unique = f"zinc-bench-{os.getpid()}-{index}-{victim.role}{victim.is_busy:d}"
                system = make(name, unique)
                count, counted = kill(system, victim, kills, A_LOOK if settings.quick else LONGEST)
                result.samples = [count]
                with method.process(system.end):  # iceoryx2 would not live through a later fork
                    pass
                system.close()
                for path in glob.glob(f"/dev/shm/*{system.id}*"):  # of who was killed
                    os.unlink(path)
            yield result
            for what, number in counted.items():
                yield dataclasses.replace(
                    result, quantity=f"{quantity}, {what}", unit="messages", samples=[number]
                )


def kill(
    system: System, victim: Victim, kills: int, longest: float = LONGEST
) -> tuple[int, dict[str, int]]:
    """Return after how many kills those who stay stood still, 0 if they never did; and `settle`."""
    within = functools.partial(happens_in, longest)
    board = Board.from_buffer(method.shared(8))
    chance = random.Random(kills)
    with started(stay_and_read, system, board), started(stay_and_write, system, board):
        if not happens_in(10 * LONGEST, lambda: board.received > 2):  # they import, too
            raise RuntimeError(f"{system.name}: those who stay don't begin")
        for count in range(1, kills + 1):
            board.is_there = 0
            with started(perish, system, victim, board) as process:
                if not within(lambda: board.is_there or not process.is_alive()):
                    return count, {}
                time.sleep(chance.uniform(0, 0.003))  # at whatever it does then
                if not victim.is_busy:
                    board.is_paused = 1
                    if not within(lambda: board.was_paused):
                        return count, {}
                    time.sleep(0.02)  # all have fallen asleep
                if not process.is_alive():  # it could not take the place of the one before
                    return count, {}
            board.is_paused = 0
            board.awaited = board.sent + 3
            if not within(lambda: board.received >= board.awaited):
                return count, {}
        board.was_paused, board.is_paused = 0, 1
        if not within(lambda: board.was_paused):
            return kills, {}
        return 0, system.settle()


def happens_in(seconds: float, is_so: Callable[[], object]) -> bool:
    """Wait until something is so. Returns False if that takes longer."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


@contextlib.contextmanager
def started(target: Callable[..., None], *arguments: object) -> Generator[BaseProcess]:
    """Run a function in a forked process, which is killed in the end."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def stay_and_write(system: System, board: Board) -> None:
    """Send a message every now and then."""
    send = system.writer(True)
    while True:
        while board.is_paused:
            board.was_paused = 1
            time.sleep(0.0005)
        board.was_paused = 0
        send(board.sent + 1)
        board.sent += 1
        time.sleep(0.0002)


def stay_and_read(system: System, board: Board) -> None:
    """Receive what comes."""
    receive = system.reader()
    while True:
        number = receive()
        if number < VICTIMS_OWN:
            board.received = number


def perish(system: System, victim: Victim, board: Board) -> None:
    """Be the one who is killed."""
    if victim.role == "reader":
        receive = system.reader_to_be_killed(victim.is_busy)
        board.is_there = 1
        while True:
            receive()
    send = system.writer(False)
    send(VICTIMS_OWN)
    if not victim.is_busy:
        system.take()
        board.is_there = 1
        signal.pause()
    board.is_there = 1
    while True:
        send(VICTIMS_OWN)
