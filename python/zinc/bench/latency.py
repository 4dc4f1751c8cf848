"""How long it takes to be told: round trips, one way, crowds, and calls that meet nobody."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

import numpy

import zinc

from . import method, native
from .method import Distribution, Settings
from .native import Handle, Talk, Times, address_of
from .results import Result

CROWD = 50


class Channel:
    """Two places, one for each direction, and the native kind of them."""

    kind = native.SPIN

    def __init__(self) -> None:
        # A page for each direction.
        self.pages = method.shared((2, 4096), numpy.uint8)
        self.there, self.back = map(address_of, self.pages)

    def attach(self) -> tuple[int, int]:
        """Return both places for the other process; called there, once it is pinned."""
        return self.there, self.back

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Close what it has open."""


class Futex(Channel):
    """A futex for each direction."""

    kind = native.FUTEX


class Raw(Channel):
    """Futexes that are watched before they are slept on."""

    kind = native.RAW


class Semaphore(Channel):
    """A POSIX semaphore for each direction."""

    kind = native.SEMAPHORE

    def __init__(self) -> None:
        super().__init__()
        for line in self.there, self.back:
            native.library().zincbench_semaphore(line)


class Files(Channel):
    """Descriptors: what is written to the first is read from the second."""

    kind = native.FILE

    def __init__(self, pair: Callable[[], tuple[int, int]]) -> None:
        self.pairs = pair(), pair()
        self.there, self.back = (write << 32 | read for write, read in self.pairs)

    def __exit__(self, *exception: object) -> None:
        for descriptor in {*self.pairs[0], *self.pairs[1]}:
            os.close(descriptor)


class Regions(Channel):
    """A region for each direction."""

    kind = native.WAIT

    def __init__(self) -> None:
        self.regions = Handle(1), Handle(1)
        self.there, self.back = (region.place for region in self.regions)

    def __exit__(self, *exception: object) -> None:
        for region in self.regions:
            region.close()


class LookedAt(Regions):
    """The same, for who looks in a loop."""

    kind = native.TRY_WAIT


class PinnedRegions(Regions):
    """The same, where each side has one processor already when it attaches."""

    def __init__(self) -> None:
        method.pin(method.processors()[0])
        super().__init__()
        method.unpin()

    def attach(self) -> tuple[int, int]:
        """Open them, as a stranger does that was sent the descriptors."""
        there, back = (region.open_again() for region in self.regions)
        return there.place, back.place


class Sleepers(Regions):
    """The same, for who sleeps at once."""

    kind = native.SLEEP


class SleepingCrowd(Channel):
    """A region for the questions, on which all sleep at once; a futex for the answer."""

    kind = native.CROWD

    def __init__(self) -> None:
        super().__init__()
        self.region = Handle(1)
        self.there = self.region.place

    def __exit__(self, *exception: object) -> None:
        self.region.close()


def a_pipe() -> tuple[int, int]:
    """Return the writing and the reading end of a pipe."""
    reader, writer = os.pipe()
    return writer, reader


def an_eventfd() -> tuple[int, int]:
    """Return an eventfd twice."""
    descriptor = os.eventfd(0)
    return descriptor, descriptor


def a_socket() -> tuple[int, int]:
    """Return both ends of a Unix socket."""
    one, other = socket.socketpair()
    return one.detach(), other.detach()


REFERENCES: dict[str, Callable[[], Channel]] = {
    "bare futex": Futex,
    "pipe": lambda: Files(a_pipe),
    "eventfd": lambda: Files(an_eventfd),
    "Unix socket": lambda: Files(a_socket),
    "POSIX semaphore": Semaphore,
}
AWAKE: dict[str, Callable[[], Channel]] = {
    "zinc, wait": Regions,
    "zinc, try_wait": LookedAt,
    "bare cache line": Channel,
    **REFERENCES,
}
PINNED_FIRST: dict[str, Callable[[], Channel]] = {
    "zinc, wait": PinnedRegions,
    "zinc, wait, pinned later": Regions,
    "bare cache line": Channel,
}
ONE_PROCESSOR: dict[str, Callable[[], Channel]] = {
    "zinc, wait": Regions,
    "zinc, try_wait": LookedAt,
    **REFERENCES,
}
ASLEEP: dict[str, Callable[[], Channel]] = {"zinc, wait": Sleepers, **REFERENCES}
MIXED: dict[str, Callable[[], Channel]] = {"zinc, wait": Regions, **REFERENCES}
CROWDS: dict[str, Callable[[], Channel]] = {"zinc, wait": SleepingCrowd, "bare futex": Futex}


@dataclasses.dataclass(frozen=True)
class Mode:
    """What is measured of native channels."""

    contenders: dict[str, Callable[[], Channel]]
    quantity: str = "round trip"
    pause: int = 0  # ns between questions
    crowd: int = 1
    processors: int = 2  # where the two sides are


# First what most programs do: they sleep until there is something.
MODES = {
    "asleep": Mode(ASLEEP, pause=100_000),
    "asleep, one way": Mode(ASLEEP, "one way", pause=100_000),
    "mixed, 1 kHz": Mode(MIXED, "one way", pause=1_000_000),
    f"{CROWD} asleep": Mode(CROWDS, "until the last one knows", pause=3_000_000, crowd=CROWD),
    "back to back": Mode(AWAKE),
    "back to back, one way": Mode(AWAKE, "one way"),
    "pinned first": Mode(PINNED_FIRST),
    "one processor for both": Mode(ONE_PROCESSOR, processors=1),
}


# ---- native ----


def converse(channel: Channel, mode: Mode, rounds: int) -> Times:
    """Hold one conversation between two processes, or a crowd; return the time of each round."""
    before = method.warm_up(rounds)
    sent, heard, answered = method.shared((3, before + rounds))
    talk = Talk(rounds=before + rounds, there=channel.there, back=channel.back, pause=mode.pause)
    talk.sent = address_of(sent)
    if mode.quantity == "one way":
        talk.heard = address_of(heard)
    else:
        talk.answered = address_of(answered)
    if mode.crowd > 1:
        present = method.shared(1, numpy.uint32)
        talk.present, talk.crowd = address_of(present), mode.crowd
    hold(channel, talk, mode.crowd, mode.processors)
    times: Times = (heard if mode.quantity == "one way" else answered) - sent
    return times[before:]


def hold(channel: Channel, talk: Talk, crowd: int = 1, processors: int = 2) -> None:
    """Ask in this process, and answer in others."""
    first, second = method.processors()
    with contextlib.ExitStack() as others:
        place = None if crowd > 1 else (first, second)[processors - 1]
        for _ in range(crowd):
            others.enter_context(method.process(answer, channel, talk, place))
        if place is not None:
            method.pin(first)
        native.library().zincbench_ask(channel.kind, talk)
        method.unpin()


def answer(channel: Channel, talk: Talk, place: int | None) -> None:
    """Be the other side."""
    if place is not None:
        method.pin(place)
    talk.there, talk.back = channel.attach()
    if wrong := native.library().zincbench_answer(channel.kind, talk):
        raise RuntimeError(f"{wrong} payloads were not what was sent")


def measure(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure native channels in one mode, in turns."""
    return measure_in("latency", point, contenders, settings, MODES[point])


def measure_in(
    suite: str, point: str, contenders: Sequence[str], settings: Settings, mode: Mode
) -> Iterator[Result]:
    """Measure some in a mode, in turns."""
    found = {name: Distribution() for name in contenders}
    planned: dict[str, int] = {}
    for name in contenders:
        method.say(name)
        with mode.contenders[name]() as channel:
            # One that sleeps takes a thousand times as long as one that spins.
            rounds = 500 if mode.processors > 1 else 20  # or spinning takes for ever
            one = mode.pause or float(numpy.median(converse(channel, mode, rounds)))
            planned[name] = max(20, settings.operations(max(one, 100), most=1_000_000))
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        with mode.contenders[name]() as channel:
            found[name].add(converse(channel, mode, planned[name]))
    for name, distribution in found.items():
        result = Result(suite, point, name, mode.quantity)
        result.resolution = 2 * method.clock_cost()
        yield distribution.tell(result)


# ---- Python ----


Sides = tuple[Callable[[], object], Callable[[], object]]  # one says, the other hears


def of_regions(hear: Callable[[zinc.SharedRegion], object]) -> Callable[[], list[Sides]]:
    """Return a maker of two regions, each with its two sides."""

    def make() -> list[Sides]:
        regions = zinc.SharedRegion.anonymous(1), zinc.SharedRegion.anonymous(1)
        return [(r.notify, functools.partial(hear, r)) for r in regions]

    return make


def of_files(pair: Callable[[], tuple[int, int]]) -> Callable[[], list[Sides]]:
    """Return a maker of two pairs of descriptors, each with its two sides."""

    def make() -> list[Sides]:
        one = (1).to_bytes(8, "little")
        pairs = pair(), pair()
        return [
            (functools.partial(os.write, w, one), functools.partial(os.read, r, 8))
            for w, r in pairs
        ]

    return make


def look(region: zinc.SharedRegion) -> None:
    """Look until there is something new."""
    while not region.try_wait():
        pass


PYTHON: dict[str, Callable[[], list[Sides]]] = {
    "zinc, wait": of_regions(functools.partial(zinc.SharedRegion.wait, timeout_ms=None)),
    "zinc, try_wait": of_regions(look),
    "os.pipe": of_files(a_pipe),
    "os.eventfd": of_files(an_eventfd),
    "socket": of_files(a_socket),
}


def measure_python(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure round trips between two Python processes, in turns."""

    def converse(name: str, rounds: int) -> Times:
        there, back = PYTHON[name]()
        return python_rounds(there, back, rounds)

    held = {name: functools.partial(converse, name) for name in contenders}
    return measure_held("latency", point, held, settings)


def measure_held(
    suite: str, point: str, held: Mapping[str, Callable[[int], Times]], settings: Settings
) -> Iterator[Result]:
    """Measure conversations of so many rounds, which return the time of each, in turns."""
    found = {name: Distribution() for name in held}
    for name in method.in_turns(list(held), settings.samples):
        method.say(name)
        found[name].add(held[name](settings.operations(5_000)))
    for name, distribution in found.items():
        result = Result(suite, point, name, "round trip")
        result.resolution = method.python_clock_cost()
        yield distribution.tell(result)


def python_rounds(there: Sides, back: Sides, rounds: int) -> Times:
    """Hold one conversation; return the time of each round after the warm-up."""
    (say, hear_there), (say_back, hear) = there, back
    whole = method.warm_up(rounds) + rounds
    with method.process(python_answer, hear_there, say_back, whole):
        return python_asked(say, hear, rounds)


def python_asked(say: Callable[[], object], hear: Callable[[], object], rounds: int) -> Times:
    """Be the one who asks; return the time of each round after the warm-up."""
    before = method.warm_up(rounds)
    times = []
    now = time.perf_counter_ns
    method.pin(method.processors()[0])
    for _ in range(before + rounds):
        start = now()
        say()
        hear()
        times.append(now() - start)
    method.unpin()
    return numpy.array(times[before:])


def python_answer(hear: Callable[[], object], say: Callable[[], object], rounds: int) -> None:
    """Be the other side."""
    method.pin(method.processors()[1])
    for _ in range(rounds):
        hear()
        say()


# ---- nobody there ----


def measure_alone(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure calls that meet nobody, and what waiting for nothing costs."""
    calls = 1_000_000
    handle = Handle(1)
    library = native.library()
    actions = {
        "zinc_notify": functools.partial(library.zincbench_notify, handle.handle, calls),
        "zinc_try_wait": functools.partial(library.zincbench_try_wait, handle.handle, calls),
        "reading the clock": functools.partial(library.zincbench_clock, calls),
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for name in method.in_turns([c for c in contenders if c in actions], settings.samples):
        method.say(name)
        found[name].append(method.least(actions[name], 3) / calls)
    for name in contenders:
        if name == WAITING:
            method.say(name)
            found[name] = [idle(settings.quick) for _ in range(1 if settings.quick else 3)]
        quantity = "CPU time" if name == WAITING else "a call"
        yield Result("latency", point, name, quantity, samples=found[name], operations=calls)
    handle.close()


WAITING = "a wait of 10 s"
ALONE = ("zinc_notify", "zinc_try_wait", "reading the clock", WAITING)


def idle(quick: bool) -> float:
    """Return the CPU time that ten seconds of waiting take, in ns."""
    seconds = 1 if quick else 10
    with zinc.SharedRegion.anonymous(1) as region:
        start = time.process_time_ns()
        region.wait(seconds * 1000)
        return (time.process_time_ns() - start) * 10 / seconds
