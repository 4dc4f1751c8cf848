"""Channels in native code: what a message costs, alone, between two processes, and with readers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import statistics
from collections.abc import Callable, Generator, Iterator, Sequence

import numpy

from . import latency, method, native
from .latency import Mode
from .method import Settings
from .native import ChannelHandle, Talk, address_of
from .results import Result

KEPT = 256  # messages, of a channel and of a bare ring

# A sample of two processes is timed in so many parts, of which the median counts: for some, one of
# the two may have to wait for a processor.
PARTS = 50


@dataclasses.dataclass(frozen=True)
class Carried:
    """What carries messages, and how each side comes to its end of it."""

    kind: int
    writer: Callable[[], int]
    reader: Callable[[], int]


Maker = Callable[[int], contextlib.AbstractContextManager[Carried]]


@contextlib.contextmanager
def channel(size: int, waits: bool = True, readers: int = 1) -> Generator[Carried]:
    """Make a channel for messages of `size` bytes."""
    made = ChannelHandle(size, KEPT, waits, readers)
    try:
        yield Carried(native.CHANNEL, made.writer, made.reader)
    finally:
        made.close()


@contextlib.contextmanager
def ring(size: int, least: int = 8) -> Generator[Carried]:
    """Make a bare ring whose messages have so many bytes, `least` of them at least."""
    stride = max(size, least)
    memory = method.shared(192 + 64 + KEPT * stride, numpy.uint8)
    place = address_of(memory)
    native.library().zincbench_ring(place, KEPT, stride)
    yield Carried(native.RING, lambda: place, lambda: place)


@contextlib.contextmanager
def line(size: int) -> Generator[Carried]:
    """Make a bare line, which has the last message alone."""
    memory = method.shared(8)
    yield Carried(native.LINE, lambda: address_of(memory), lambda: address_of(memory))


CARRIERS: dict[str, Maker] = {
    "zinc": functools.partial(channel, waits=False),
    "zinc, writers wait": channel,
    "bare ring": ring,
}
STREAMS: dict[str, Maker] = {
    "zinc": channel,
    "bare ring": ring,
    "bare ring, a line each": functools.partial(ring, least=64),
}


# ---- one processor ----


def measure_alone(
    point: str, contenders: Sequence[str], settings: Settings, *, size: int
) -> Iterator[Result]:
    """Measure both halves of a message in one thread, in turns: 100 are sent, 100 received."""
    batch = 100
    rounds = 1_000 if settings.quick else 10_000
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        method.pin(method.processors()[0])
        with CARRIERS[name](size) as carried:
            writer, reader = carried.writer(), carried.reader()
            best = [float("inf")] * 2
            for many in method.warm_up(rounds), rounds, rounds, rounds:
                times = numpy.zeros(2, numpy.uint64)
                where = carried.kind, writer, reader, size, batch, many, address_of(times)
                check(native.library().zincbench_batches(*where))
                best = [min(a, int(b) / many / batch) for a, b in zip(best, times, strict=True)]
            found[name].append((best[0], best[1]))
        method.unpin()
    for name, samples in found.items():
        for which, quantity in enumerate(("loan and publish", "receive and release")):
            own = [sample[which] for sample in samples]
            yield Result(
                *("channels", point, name, quantity),
                samples=own,
                size=size,
                operations=rounds * batch,
            )


def check(wrong: int) -> None:
    """Raise RuntimeError if messages were not what was sent."""
    if wrong:
        raise RuntimeError(f"{wrong} messages were not what was sent")


# ---- two processors ----


def measure_stream(
    point: str, contenders: Sequence[str], settings: Settings, *, size: int
) -> Iterator[Result]:
    """Measure messages that one process sends as fast as another receives them, in turns."""
    planned: dict[str, int] = {}
    for name in contenders:
        method.say(name)
        one = stream(STREAMS[name], size, 10_000)
        planned[name] = settings.operations(max(one, 2))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        found[name].append(stream(STREAMS[name], size, planned[name]))
    for name, samples in found.items():
        yield Result(
            *("channels", point, name, "a message"),
            samples=samples,
            size=size,
            operations=planned[name],
        )


def stream(make: Maker, size: int, count: int) -> float:
    """Send messages to another process; return the time of each."""
    first, second = method.processors()
    counts = parts(count)
    is_there = method.shared(1)
    with make(size) as carried:

        def read() -> None:
            method.pin(second)
            reader = carried.reader()
            is_there[0] = 1
            receive = functools.partial(
                native.library().zincbench_receive, carried.kind, reader, size
            )
            check(sum([receive(many) for many in counts]))  # all of them, or the writer would wait

        with method.process(read) as other:
            method.pin(first)
            writer = carried.writer()
            while not is_there[0] and other.is_alive():  # or it is not waited for
                pass
            send = functools.partial(native.library().zincbench_send, carried.kind, writer, size)
            times = [method.timed(functools.partial(send, many)) / many for many in counts]
            method.unpin()
    return statistics.median(times[1:])


def parts(count: int) -> list[int]:
    """Return how many operations the warm-up has, and each part of a sample of so many."""
    return [method.warm_up(count), *[max(2, count // PARTS)] * PARTS]


class Messages(latency.Channel):
    """A channel for each direction."""

    kind = native.MESSAGE

    def __init__(self) -> None:
        self.channels = ChannelHandle(8, 4, False), ChannelHandle(8, 4, False)
        self.there = self.channels[0].writer()
        self.back = self.channels[1].reader()

    def attach(self) -> tuple[int, int]:
        return self.channels[0].reader(), self.channels[1].writer()

    def __exit__(self, *exception: object) -> None:
        for one in self.channels:
            one.close()


class SleepingMessages(Messages):
    """The same, for who sleeps at once."""

    kind = native.MESSAGE_SLEEP


ROUNDS: dict[str, Callable[[], latency.Channel]] = {
    "zinc": Messages,
    "zinc, notify and wait": latency.Regions,
    "bare cache line": latency.Channel,
}
SLEEPERS: dict[str, Callable[[], latency.Channel]] = {
    "zinc": SleepingMessages,
    "zinc, notify and wait": latency.Sleepers,
    "bare futex": latency.Futex,
}
ASLEEP = Mode(SLEEPERS, "one way", pause=100_000)


def measure_rounds(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure round trips of two messages between two processes, in turns; no clock is in them."""
    rounds = {name: settings.operations(converse(ROUNDS[name], 1_000)) for name in contenders}
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        found[name].append(converse(ROUNDS[name], rounds[name]))
    for name, samples in found.items():
        yield Result(
            *("channels", point, name, "round trip"), samples=samples, operations=rounds[name]
        )


def measure_asleep(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure how long it takes until a reader that sleeps has a message, in turns."""
    return latency.measure_in("channels", point, contenders, settings, ASLEEP)


def converse(make: Callable[[], latency.Channel], rounds: int) -> float:
    """Hold one conversation between two processes; return the time of each round."""
    first, second = method.processors()
    counts = parts(rounds)
    times = []
    with make() as made:

        def answer() -> None:
            method.pin(second)
            there, back = made.attach()
            for many in counts:
                talk = Talk(rounds=many, there=there, back=back)
                native.library().zincbench_answer(made.kind, talk)

        with method.process(answer):
            method.pin(first)
            for many in counts:
                talk = Talk(rounds=many, there=made.there, back=made.back)
                ask = functools.partial(native.library().zincbench_ask, made.kind, talk)
                times.append(method.timed(ask) / many)
            method.unpin()
    return statistics.median(times[1:])


# ---- many readers ----

PAUSES = 20  # instructions between two messages: readers have seen the one by the next

SPREAD: dict[str, Callable[[int], contextlib.AbstractContextManager[Carried]]] = {
    "zinc": lambda readers: channel(8, waits=False, readers=readers),
    "bare line": lambda readers: line(8),
}


def measure_readers(
    point: str, contenders: Sequence[str], settings: Settings, *, readers: int
) -> Iterator[Result]:
    """Measure what a message costs its writer while so many processes read without sleeping."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    count = settings.operations(1_000)
    method.clock_cost()  # which is known from here on, and not asked for while others run
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        found[name].append(spread(SPREAD[name], readers, count))
    for name, samples in found.items():
        quantity = "a message, for its writer"
        result = Result("channels", point, name, quantity, samples=samples, operations=count)
        result.resolution = method.clock_cost()
        yield result


def spread(
    make: Callable[[int], contextlib.AbstractContextManager[Carried]], readers: int, count: int
) -> float:
    """Send messages to so many processes on one processor; return the writer's time of each."""
    first, second = method.processors()
    is_over, began = method.shared((2, 1024), numpy.uint32)
    with make(readers) as carried, contextlib.ExitStack() as others:

        def follow(which: int) -> None:
            method.pin(second)
            reader = carried.reader()
            began[which] = 1
            native.library().zincbench_follow(carried.kind, reader, address_of(is_over))

        for which in range(readers):
            others.enter_context(method.process(follow, which))
        method.pin(first)
        where = carried.kind, carried.writer()
        try:
            while began.sum() < readers:
                pass
            send = functools.partial(native.library().zincbench_send_paced, *where)
            times: list[float] = [send(many, PAUSES) / many for many in parts(count)]
            return max(1.0, statistics.median(times[1:]) - method.clock_cost())
        finally:
            is_over[0] = 1
            method.unpin()
