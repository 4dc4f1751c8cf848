"""Messages from Python: what one costs in a thread, and from one process to one or to three."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy

import zinc

from . import method, peers
from .method import Settings
from .peers import WATCHDOG
from .results import Result
from .transports import Bytes, Transport, absence

WINDOW = 4  # messages that may be under way

QUANTITIES = FILLED, HANDED = "filled and read", "handed over only"


class Way(Transport):
    """A way to give each of many messages to one reader or to several, and to lose none."""

    def __init__(self, size: int, name: str, readers: int, redis: str | None = None) -> None:
        """Prepare for messages of `size` bytes."""
        super().__init__(size, name, redis)
        self.readers = readers
        self.which = -1  # of the readers

    def meet(self) -> None:
        """Get ready to receive, now that the writer is there; called by each reader."""


AnyWay = TypeVar("AnyWay", bound=Way)


class Zinc(Way):
    """A channel whose writer waits for its readers."""

    name = "zinc"
    about = "Channel.loan and recv; the message is filled in its slot, and read there"

    def start_consumer(self) -> None:
        self.channel = zinc.Channel.open_or_create(
            self.id,
            WINDOW,
            slot_size=self.size,
            full="wait",
            writers=1,
            readers=self.readers,
            views=1,
        )
        self.reader = self.channel.reader()

    def start_producer(self) -> None:
        self.channel = zinc.Channel.open(self.id)

    def payload(self) -> Bytes:
        self.loan = self.channel.loan()
        array: Bytes = self.loan.array
        return array

    def send(self) -> None:
        self.loan.publish()

    def next(self) -> Any:
        self.message = self.reader.recv()
        return self.message.data

    def release(self) -> None:
        self.message.release()

    def close(self) -> None:
        self.channel.close()


class Kickmsg(Way):
    """A slot that the message is filled in."""

    name = "kickmsg"
    about = (
        "allocate, publish and receive_view, in place; it would drop what a reader is late for, "
        "so its writer looks at a counter of what was read"
    )
    needs = ("kickmsg",)

    def __init__(self, size: int, name: str, readers: int) -> None:
        super().__init__(size, name, readers)
        self.read = method.shared((readers, 8))  # on lines of their own
        self.sent = 0

    def region(self) -> Any:
        import kickmsg

        settings = kickmsg.Config()
        settings.max_subscribers = self.readers
        settings.sub_ring_capacity = 2 * WINDOW
        settings.pool_size = 2 * WINDOW + self.readers
        settings.max_payload_size = self.size
        name = f"/{self.id}-kickmsg"
        return kickmsg.SharedRegion.create_or_open(name, kickmsg.ChannelType.PubSub, settings)

    def start_consumer(self) -> None:
        import kickmsg

        self.channel = self.region()
        self.subscriber = kickmsg.Subscriber(self.channel)

    def start_producer(self) -> None:
        import kickmsg

        self.channel = self.region()
        self.publisher = kickmsg.Publisher(self.channel)

    def payload(self) -> Bytes:
        counts = self.read[:, 0]
        while self.sent - int(counts.min()) >= WINDOW:
            os.sched_yield()
        slot = self.publisher.allocate()
        if slot is None:
            raise RuntimeError("kickmsg has no slot left")
        self.slot = slot
        return numpy.frombuffer(slot, numpy.uint8, self.size)

    def send(self) -> None:
        self.sent += 1
        self.slot.publish(self.size)

    def next(self) -> Any:
        view = self.subscriber.receive_view(WATCHDOG)
        if view is None:
            raise RuntimeError("kickmsg: nothing came")
        self.view = view
        return memoryview(view)

    def release(self) -> None:
        self.view.release()
        self.read[self.which, 0] += 1

    def close(self) -> None:
        is_producer = hasattr(self, "publisher")
        for name in ("slot", "view", "publisher", "subscriber", "channel"):
            vars(self).pop(name, None)
        if is_producer:
            with contextlib.suppress(Exception):
                sys.modules["kickmsg"].unlink_shm(f"/{self.id}-kickmsg")


class Iceoryx2(Way):
    """A loaned sample that the message is filled in."""

    name = "iceoryx2"
    about = "loan, send that waits for readers, receive, and an event that wakes them; in place"
    needs = ("iceoryx2",)

    def services(self) -> tuple[Any, Any]:
        """Open both services; what they come from has to be kept."""
        import iceoryx2

        iox: Any = iceoryx2
        self.node, service = peers.iceoryx2_node(self.id)
        payloads = (
            service()
            .publish_subscribe(peers.iceoryx2_bytes())
            .payload_alignment(iox.Alignment.new(64))
            .enable_safe_overflow(False)
            .max_publishers(1)
            .max_subscribers(self.readers)
            .history_size(0)
            .subscriber_max_buffer_size(WINDOW)
            .subscriber_max_borrowed_samples(1)
            .open_or_create()
        )
        return payloads, service().event().open_or_create()

    def start_consumer(self) -> None:
        self.held = payloads, events = self.services()
        self.subscriber = payloads.subscriber_builder().create()
        self.listener = events.listener_builder().create()

    def start_producer(self) -> None:
        import iceoryx2

        iox: Any = iceoryx2
        self.held = payloads, events = self.services()
        self.publisher = (
            payloads.publisher_builder()
            .initial_max_slice_len(self.size)
            .backpressure_strategy(iox.BackpressureStrategy.RetryUntilDelivered)
            .create()
        )
        self.notifier = events.notifier_builder().create()

    def meet(self) -> None:
        # Which connects it: a writer does not wait for one that has never been connected.
        self.subscriber.has_samples()

    def payload(self) -> Bytes:
        self.sample = self.publisher.loan_slice_uninit(self.size)
        return peers.view_at(self.sample.payload_ptr, self.size)

    def send(self) -> None:
        self.sample.assume_init().send()
        self.notifier.notify()

    def next(self) -> Any:
        while True:
            self.sample = self.subscriber.receive()
            if self.sample is not None:
                return peers.view_at(self.sample.payload_ptr, self.size)
            self.listener.blocking_wait()

    def release(self) -> None:
        self.sample.delete()

    def close(self) -> None:
        for name in ("sample", "publisher", "subscriber", "notifier", "listener", "held", "node"):
            vars(self).pop(name, None)


class ZeroMQ(Way):
    """A PUSH socket for each reader."""

    name = "pyzmq"
    about = "PUSH and PULL over ipc://, one pair for each reader, without copies in Python"
    needs = ("zmq",)

    def address(self, which: int) -> str:
        return f"ipc://{tempfile.gettempdir()}/{self.id}-zmq-{which}"

    def start_consumer(self) -> None:
        import zmq

        self.context: Any = zmq.Context()
        self.socket: Any = self.context.socket(zmq.PULL)
        self.socket.rcvhwm = WINDOW
        self.socket.bind(self.address(self.which))

    def start_producer(self) -> None:
        import zmq

        self.context = zmq.Context()
        self.sockets: list[Any] = []
        for which in range(self.readers):
            socket = self.context.socket(zmq.PUSH)
            socket.sndhwm = WINDOW
            socket.connect(self.address(which))
            self.sockets.append(socket)
        # What is under way may not be filled again.
        self.arrays = itertools.cycle([method.private(self.size) for _ in range(WINDOW)])
        self.sent: list[list[Any]] = []

    def payload(self) -> Bytes:
        if len(self.sent) == WINDOW:
            for tracker in self.sent.pop(0):
                tracker.wait()
        self.array = next(self.arrays)
        return self.array

    def send(self) -> None:
        self.sent.append([s.send(self.array, copy=False, track=True) for s in self.sockets])

    def next(self) -> Any:
        return self.socket.recv(copy=False).buffer

    def close(self) -> None:
        self.context.destroy(0)
        if self.which >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address(self.which).removeprefix("ipc://"))


class Queue(Way):
    """A multiprocessing.Queue for each reader."""

    name = "Queue"
    about = "multiprocessing.Queue, put(array) and get(), one for each reader"

    def __init__(self, size: int, name: str, readers: int) -> None:
        super().__init__(size, name, readers)
        self.queues = [self.queue() for _ in range(readers)]

    def queue(self) -> Any:
        return multiprocessing.get_context("fork").Queue(WINDOW)

    def payload(self) -> Bytes:
        # A thread of its own pickles it, some time after put().
        self.array: Bytes = numpy.empty(self.size, numpy.uint8)
        return self.array

    def send(self) -> None:
        for queue in self.queues:
            queue.put(self.array)

    def next(self) -> Any:
        return self.queues[self.which].get()

    def close(self) -> None:
        for queue in self.queues:
            queue.close()


class SimpleQueue(Queue):
    """A multiprocessing.SimpleQueue for each reader."""

    name = "SimpleQueue"
    about = "multiprocessing.SimpleQueue, put(array) and get(), one for each reader"

    def queue(self) -> Any:
        return multiprocessing.get_context("fork").SimpleQueue()

    def start_producer(self) -> None:
        self.array = method.private(self.size)

    def payload(self) -> Bytes:
        return self.array


WAYS: dict[str, type[Way]] = {
    way.name: way for way in (Zinc, Kickmsg, Iceoryx2, ZeroMQ, SimpleQueue, Queue)
}


# ---- one process to others ----


def measure(
    point: str, contenders: Sequence[str], settings: Settings, *, size: int, readers: int
) -> Iterator[Result]:
    """Measure messages that one process sends and so many receive, in turns."""

    def make(name: str, unique: str) -> Way:
        return WAYS[name](size, unique, readers)

    missing = {name: WAYS[name].missing(None) for name in contenders}
    blank = Result("channels", point, "", "", size=size)
    settings = dataclasses.replace(settings, seconds=settings.seconds / 2)
    return take_turns(blank, missing, make, readers, settings)


def take_turns(
    blank: Result,
    missing: Mapping[str, str | None],
    make: Callable[[str, str], AnyWay],
    readers: int,
    settings: Settings,
    ends: Ends[AnyWay] | None = None,
) -> Iterator[Result]:
    """Measure the ways whose absence has no reason; results are like the blank one."""
    there: list[AnyWay] = []
    ends = ends or Ends(QUANTITIES, write, receive)
    for index, (name, reason) in enumerate(missing.items()):
        if reason:
            for quantity in ends.quantities:
                yield dataclasses.replace(blank, contender=name, quantity=quantity, skipped=reason)
        else:
            there.append(make(name, f"zinc-bench-{os.getpid()}-{index}"))
    found: dict[str, dict[str, list[float]]] = {
        way.name: {quantity: [] for quantity in ends.quantities} for way in there
    }
    planned: dict[tuple[str, str], int] = {}
    with crowd(there, readers, ends) as run:
        for way in there:
            for quantity in found[way.name]:
                method.say(way.name)
                one = run(way, quantity, 1)
                if one < 1e8:
                    run(way, quantity, 2 * WINDOW)  # first touches
                    one = run(way, quantity, 3)
                planned[way.name, quantity] = settings.operations(one, most=20_000)
        for way in method.in_turns(there, settings.samples):
            method.say(way.name)
            for quantity, samples in found[way.name].items():
                count = planned[way.name, quantity]
                if count > 1:
                    run(way, quantity, method.warm_up(count))
                samples.append(run(way, quantity, count))
    for name, quantities in found.items():
        for quantity, samples in quantities.items():
            yield dataclasses.replace(
                blank,
                contender=name,
                quantity=quantity,
                samples=samples,
                operations=planned[name, quantity],
            )


@dataclasses.dataclass(frozen=True)
class Ends(Generic[AnyWay]):
    """What both sides do with so many messages, in each of two manners: fully, or only in part.

    `write` may return when it was over, in ns; else that is when all readers have done.
    """

    quantities: tuple[str, str]  # the full one first
    write: Callable[[AnyWay, bool, int], int | None]
    receive: Callable[[AnyWay, bool, int], None]


@contextlib.contextmanager
def crowd(
    ways: Sequence[AnyWay], readers: int, ends: Ends[AnyWay] | None = None
) -> Generator[Callable[[AnyWay, str, int], float]]:
    """Start the readers; give what sends messages and returns the time of each, in ns."""
    ends = ends or Ends(QUANTITIES, write, receive)
    order = method.shared(3)  # which way, whether it is read, how many
    pipes = [(os.pipe(), os.pipe()) for _ in range(readers)]
    with contextlib.ExitStack() as others:
        for which in range(readers):
            others.enter_context(method.process(read, ways, which, order, pipes, ends.receive))
        for _, (_, told) in pipes:
            os.close(told)

        def await_all() -> None:
            for _, (done, _) in pipes:
                if not os.read(done, 1):
                    raise RuntimeError("a reader has failed")

        def run(way: AnyWay, quantity: str, count: int) -> float:
            is_full = quantity == ends.quantities[0]
            order[:] = ways.index(way), is_full, count
            for (_, begin), _ in pipes:
                os.write(begin, b"!")
            await_all()  # they are about to read
            start = time.perf_counter_ns()
            end = ends.write(way, is_full, count)
            await_all()
            return ((end or time.perf_counter_ns()) - start) / count

        await_all()
        for way in ways:
            way.start_producer()
        method.pin(method.processors()[0])
        try:
            yield run
        finally:
            method.unpin()
            for (_, begin), _ in pipes:
                os.close(begin)
    for way in ways:
        way.close()
    for (begun, _), (done, _) in pipes:
        os.close(begun)
        os.close(done)


def write(way: Way, is_filled: bool, count: int) -> None:
    """Send messages: words that are all the number of the message, or the first of which is."""
    for number in range(1, count + 1):
        words = way.payload().view(numpy.uint64)
        if is_filled:
            words.fill(number)
        else:
            words[0] = number
        del words
        way.send()


def read(
    ways: Sequence[AnyWay],
    which: int,
    order: Any,
    pipes: Any,
    receive: Callable[[AnyWay, bool, int], None],
) -> None:
    """Receive messages; the side of another process."""
    for (_, begin), (_, done) in pipes:
        os.close(begin)
        if done != pipes[which][1][1]:
            os.close(done)
    begun, done = pipes[which][0][0], pipes[which][1][1]
    for way in ways:
        way.which = which
        way.start_consumer()
    if len(pipes) == 1:
        method.pin(method.processors()[1])
    os.write(done, b"!")
    while os.read(begun, 1):
        place, is_full, count = map(int, order)
        ways[place].meet()
        os.write(done, b"!")
        receive(ways[place], bool(is_full), count)
        os.write(done, b"!")
    for way in ways:
        with contextlib.suppress(Exception):
            way.close()
    sys.stderr.flush()
    os._exit(0)  # some of them have threads that would not end


def receive(way: Way, is_filled: bool, count: int) -> None:
    """Receive messages, and look at them."""
    for number in range(1, count + 1):
        words = numpy.frombuffer(way.next(), numpy.uint64)
        expected = number * len(words) if is_filled else number
        if int(words.sum() if is_filled else words[0]) != expected:
            raise RuntimeError(f"{way.name}: what arrived is not what was sent")
        del words
        way.release()


# ---- one thread ----


Both = tuple[Callable[[bytes], object], Callable[[], object]]
BOTH = b"\1" * 8


@contextlib.contextmanager
def zinc_in_thread() -> Generator[Both]:
    """Make a channel."""
    with zinc.Channel.create(None, 64, slot_size=8) as channel, channel.reader() as reader:
        yield channel.send, reader.recv


@contextlib.contextmanager
def zinc_copied() -> Generator[Both]:
    """Make one whose messages are copied out, as the others' are."""
    with zinc_in_thread() as (send, receive):
        recv: Any = receive
        yield send, lambda: bytes(recv().data)


@contextlib.contextmanager
def kickmsg_in_thread(is_view: bool) -> Generator[Both]:
    """Make a channel of kickmsg."""
    import kickmsg

    settings = kickmsg.Config()
    settings.max_subscribers, settings.sub_ring_capacity = 1, 64
    settings.pool_size, settings.max_payload_size = 128, 8
    name = f"/zinc-bench-{os.getpid()}-kickmsg"
    region = kickmsg.SharedRegion.create(name, kickmsg.ChannelType.PubSub, settings)
    subscriber, publisher = kickmsg.Subscriber(region), kickmsg.Publisher(region)
    yield publisher.send, subscriber.try_receive_view if is_view else subscriber.try_receive
    region.unlink()


@contextlib.contextmanager
def iceoryx2_in_thread() -> Generator[Both]:
    """Make a service of iceoryx2."""
    node, service = peers.iceoryx2_node(f"zinc-bench-{os.getpid()}")
    payloads = service().publish_subscribe(ctypes.c_uint64).open_or_create()
    publisher = payloads.publisher_builder().create()
    subscriber = payloads.subscriber_builder().create()
    value = ctypes.c_uint64(1)
    yield functools.partial(sent, publisher, value), subscriber.receive
    del publisher, subscriber, payloads, service, node


def sent(publisher: Any, value: ctypes.c_uint64, _: bytes) -> None:
    """Send the same value as everybody."""
    publisher.send_copy(value)


@contextlib.contextmanager
def queue_in_thread() -> Generator[Both]:
    """Make a SimpleQueue."""
    queue: Any = multiprocessing.get_context("fork").SimpleQueue()
    yield queue.put, queue.get
    queue.close()


@contextlib.contextmanager
def zmq_in_thread() -> Generator[Both]:
    """Make two sockets of one context."""
    import zmq

    context = zmq.Context()
    one, other = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    one.bind("inproc://bench")
    other.connect("inproc://bench")
    yield one.send, other.recv
    context.destroy(0)


IN_THREAD: dict[str, tuple[str | None, Callable[[], contextlib.AbstractContextManager[Both]]]] = {
    "zinc": (None, zinc_in_thread),
    "zinc, copied out": (None, zinc_copied),
    "kickmsg": ("kickmsg", functools.partial(kickmsg_in_thread, False)),
    "kickmsg, in place": ("kickmsg", functools.partial(kickmsg_in_thread, True)),
    "iceoryx2": ("iceoryx2", iceoryx2_in_thread),
    "SimpleQueue": (None, queue_in_thread),
    "pyzmq": ("zmq", zmq_in_thread),
}


def measure_in_thread(
    point: str, contenders: Sequence[str], settings: Settings
) -> Iterator[Result]:
    """Measure messages of eight bytes that one thread sends and receives, in turns."""
    there: list[str] = []
    for name in contenders:
        module = IN_THREAD[name][0]
        if module and (reason := absence(module)):
            yield Result("channels", point, name, "send and receive", skipped=reason)
        else:
            there.append(name)
    calls = 5_000 if settings.quick else 50_000
    found: dict[str, list[float]] = {name: [] for name in there}
    for name in method.in_turns(there, settings.samples):
        method.say(name)
        with IN_THREAD[name][1]() as (send, receive):
            action = functools.partial(exchange, send, receive, calls)
            exchange(send, receive, method.warm_up(calls))
            found[name].append(method.least(action, 3) / calls)
    for name, samples in found.items():
        quantity = "send and receive"
        yield Result("channels", point, name, quantity, samples=samples, size=8, operations=calls)


def exchange(send: Callable[[bytes], object], receive: Callable[[], object], calls: int) -> None:
    """Send and receive, in turns."""
    for _ in itertools.repeat(None, calls):
        send(BOTH)
        receive()
