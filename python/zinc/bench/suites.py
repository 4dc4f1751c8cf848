"""What there is to measure: suites, their points, and who contends at each."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

from . import (
    access,
    channels,
    delivery,
    hot_path,
    jobs,
    killed,
    latency,
    locks,
    lost,
    mapped,
    messages,
    objects,
    peers,
    python_locks,
    queues,
    transports,
)
from .method import Settings
from .results import Result, size_text
from .transports import Transport

Measure = Callable[[str, Sequence[str], Settings], Iterator[Result]]


@dataclasses.dataclass(frozen=True)
class Point:
    """Where some contenders do the same thing."""

    name: str
    contenders: tuple[str, ...]
    measure: Measure


@dataclasses.dataclass(frozen=True)
class Suite:
    """A question, and the points at which it is answered."""

    name: str
    title: str
    points: Callable[[bool], Sequence[Point]]  # for a quick run, or a full one


def ways_at(suite: str, ways: Sequence[type[Transport]]) -> Callable[[bool], list[Point]]:
    """Return the points of a suite that delivers payloads of several sizes."""
    named = {way.name: way for way in ways}

    def points(is_quick: bool) -> list[Point]:
        return [point_of(suite, size, named) for size in sizes(is_quick)]

    return points


def point_of(suite: str, size: int, named: Mapping[str, type[Transport]]) -> Point:
    """Return the point of one size."""

    def measure(point: str, names: Sequence[str], settings: Settings) -> Iterator[Result]:
        return delivery.deliver(suite, point, size, [named[name] for name in names], settings)

    return Point(size_text(size), tuple(named), measure)


def sizes(is_quick: bool) -> list[int]:
    """Return the sizes of payloads, 64 times as large each, or 16 times."""
    powers = (10, 16, 22) if is_quick else (10, 14, 18, 22, 26, 30)
    return [1 << power for power in powers]


def latency_points(is_quick: bool) -> list[Point]:
    """Return the modes of latency."""
    points = [Point(n, tuple(m.contenders), latency.measure) for n, m in latency.MODES.items()]
    points.append(Point("Python, back to back", tuple(latency.PYTHON), latency.measure_python))
    points.append(Point("nobody there", latency.ALONE, latency.measure_alone))
    return points


def access_points(is_quick: bool) -> list[Point]:
    """Return the sizes of memory that is read and written, whole pages of it."""

    def point(name: str, size: int) -> Point:
        def measure(point: str, names: Sequence[str], settings: Settings) -> Iterator[Result]:
            return access.measure(point, size // 4096 * 4096, names, settings)

        return Point(name, tuple(access.CONTENDERS), measure)

    large = () if is_quick else (point("1 GB", 10**9),)
    return [point("100 MB", 10**8), *large]


def mapped_points(is_quick: bool) -> list[Point]:
    """Return what is measured against a mapped file: delivery, native and in Python, lives."""

    def native(size: int) -> Point:
        def measure(point: str, names: Sequence[str], settings: Settings) -> Iterator[Result]:
            return mapped.deliver(point, size, names, settings)

        return Point(f"{size_text(size)}, native", tuple(mapped.NATIVE), measure)

    def lives(size: int) -> Point:
        def measure(point: str, names: Sequence[str], settings: Settings) -> Iterator[Result]:
            return mapped.lives(point, size, names, settings)

        return Point(f"life of {size_text(size)}", mapped.LIVES, measure)

    return [
        *map(native, sizes(is_quick)),
        *ways_at("mmap", [transports.Zinc, transports.HandMade])(is_quick),
        *map(lives, (1 << 12, 1 << 20, 1 << 26)),
        Point("code in Python", tuple(mapped.WRITTEN), mapped.lines),
    ]


def counted(is_quick: bool) -> list[Point]:
    """Return the one point of the hot path."""
    name = f"{hot_path.many(is_quick)} calls of each"
    return [Point(name, tuple(hot_path.COUNTERS), hot_path.measure)]


def lock_points(is_quick: bool) -> list[Point]:
    """Return what is measured of locks."""
    count = functools.partial(hot_path.measure, suite="locks")
    return [
        Point("nobody contends", tuple(locks.ALONE), locks.measure_alone),
        Point("two processes contend", tuple(locks.TOGETHER), locks.measure_together),
        Point("nobody contends, Python", tuple(python_locks.PYTHON), python_locks.measure_alone),
        Point(
            "two processes contend, Python",
            tuple(python_locks.PYTHON),
            python_locks.measure_together,
        ),
        Point(f"seats, {locks.SITTERS} taken", locks.SEATS, locks.measure_seats),
        Point(f"{hot_path.many(is_quick)}, uncontended", tuple(hot_path.COUNTERS), count),
    ]


def channel_points(is_quick: bool) -> list[Point]:
    """Return what is measured of channels: native, in Python, and what else counts."""

    def of(measure: Callable[..., Iterator[Result]], **arguments: int) -> Measure:
        return functools.partial(measure, **arguments)

    def alone(name: str, size: int) -> Point:
        return Point(name, tuple(channels.CARRIERS), of(channels.measure_alone, size=size))

    def stream(size: int) -> Point:
        measure = of(channels.measure_stream, size=size)
        return Point(f"stream of {size_text(size)}, native", tuple(channels.STREAMS), measure)

    def read(readers: int) -> Point:
        measure = of(channels.measure_readers, readers=readers)
        return Point(f"{readers_text(readers)}, native", tuple(channels.SPREAD), measure)

    def carried(size: int, readers: int) -> Point:
        measure = of(messages.measure, size=size, readers=readers)
        name = f"{size_text(size)}, Python, {readers_text(readers)}"
        return Point(name, tuple(messages.WAYS), measure)

    powers = (10, 20) if is_quick else (10, 16, 20, 22, 26)
    return [
        alone("one thread, native", 0),
        alone("one thread, 1 KiB, native", 1024),
        Point("round trip, native", tuple(channels.ROUNDS), channels.measure_rounds),
        *map(stream, (8, 1024)),
        Point("asleep, native", tuple(channels.SLEEPERS), channels.measure_asleep),
        *map(read, (1, 2, 4, 8)),
        Point("one thread, Python", tuple(messages.IN_THREAD), messages.measure_in_thread),
        *(carried(1 << power, readers) for readers in (1, 3) for power in powers),
        Point("others go on", tuple(killed.SYSTEMS), killed.measure),
        Point(
            f"{hot_path.many(is_quick)} messages",
            hot_path.OF_MESSAGES,
            functools.partial(hot_path.measure, suite="channels", what="messages"),
        ),
    ]


def queue_points(is_quick: bool) -> list[Point]:
    """Return what is measured of queues: by size and number of workers, and after kills."""
    names = tuple(queues.WAYS)

    def latency(size: int) -> Point:
        measure = functools.partial(queues.measure_latency, size=size)
        return Point(f"{size_text(size)}, one under way", names, measure)

    def shared(size: int, workers: int) -> Point:
        measure = functools.partial(queues.measure, size=size, workers=workers)
        who = "1 worker" if workers == 1 else f"{workers} workers"
        return Point(f"{size_text(size)}, {who}", names, measure)

    sizes = [1 << power for power in ((10, 20) if is_quick else (10, 16, 20, 26))]
    crowds = (2,) if is_quick else (1, 2, 4)
    return [
        *(shared(size, workers) for workers in crowds for size in sizes),
        *map(latency, sizes[:1] if is_quick else sizes),
        Point("a call with 1 KiB", tuple(queues.CALLS), queues.measure_calls),
        Point("others go on", lost.CONTENDERS, lost.measure),
    ]


def object_points(is_quick: bool) -> list[Point]:
    """Return the objects that are put: arrays by size, and such as have many parts."""

    def of(what: str, size: int) -> Point:
        able = (n for n in objects.WAYS if what != objects.UNABLE.get(n))
        names = [n for n in able if size <= objects.LARGEST.get(n, size)]
        measure = functools.partial(objects.measure, what=what, size=size)
        return Point(f"{what}, {size_text(size)}", tuple(names), measure)

    powers = (10, 20) if is_quick else (10, 13, 16, 20, 26, 30)
    parts, frame = (20, 20) if is_quick else (23, 27)
    return [
        *(of("array", 1 << power) for power in powers),
        of("dict of 50 arrays", 1 << parts),
        of("DataFrame with strings", 1 << frame),
    ]


def job_points(is_quick: bool) -> list[Point]:
    """Return the jobs, those of a page of the documentation each."""
    return [
        Point(name, tuple(way.name for way in job.ways), jobs.measure)
        for name, job in jobs.JOBS.items()
    ]


def readers_text(readers: int) -> str:
    """Return a number of readers."""
    return "1 reader" if readers == 1 else f"{readers} readers"


ZINC = (transports.Zinc, transports.ZincCopy)
SUITES = {
    suite.name: suite
    for suite in (
        Suite("latency", "How long until the other side knows", latency_points),
        Suite("access", "Reading and writing the memory itself", access_points),
        Suite(
            "unix-sockets",
            "Through a pair of Unix sockets",
            ways_at("unix-sockets", [*ZINC, transports.UnixSocket]),
        ),
        Suite("mmap", "Beside shared memory made by hand", mapped_points),
        Suite(
            "grpc",
            "Through gRPC",
            ways_at(
                "grpc",
                [
                    *(*ZINC, peers.GrpcUnary, peers.GrpcUnaryUnix),
                    *(peers.GrpcStream, peers.GrpcStreamUnix),
                ],
            ),
        ),
        Suite("redis", "Through Redis", ways_at("redis", [*ZINC, peers.Redis, peers.RedisUnix])),
        Suite(
            "peers",
            "Beside other libraries",
            ways_at(
                "peers",
                [
                    *(*ZINC, transports.SharedMemoryEvent, transports.Pipe, transports.Queue),
                    *(peers.ZeroMQ, peers.Iceoryx2, peers.Kickmsg),
                ],
            ),
        ),
        Suite("locks", "Locks between processes", lock_points),
        Suite("channels", "Messages between processes", channel_points),
        Suite("queues", "Objects for whoever of several processes is free", queue_points),
        Suite("objects", "Objects that one process leaves and others read", object_points),
        Suite("jobs", "Jobs that people have, beside what else they use", job_points),
        Suite("hot-path", "System calls and allocations on the hot path", counted),
    )
}

ABOUT = {
    way.name: way.about
    for way in (
        *(*ZINC, transports.HandMade, transports.UnixSocket, transports.SharedMemoryEvent),
        *(transports.Pipe, transports.Queue, peers.GrpcUnary, peers.GrpcUnaryUnix),
        *(peers.GrpcStream, peers.GrpcStreamUnix, peers.Redis, peers.RedisUnix, peers.ZeroMQ),
        *(peers.Iceoryx2, peers.Kickmsg),
    )
} | {
    f"{way.name}, in {suite}": way.about
    for suite, ways in (
        *(("channels", messages.WAYS), ("queues", queues.WAYS)),
        ("objects", objects.WAYS),
    )
    for way in ways.values()
}
