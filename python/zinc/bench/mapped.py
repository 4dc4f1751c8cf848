"""zinc beside what one would write by hand: a mapped file with a futex, both in native code."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterator, Sequence

import numpy

from . import method, native
from .delivery import QUANTITIES
from .latency import Raw, Regions, hold
from .method import Distribution, Settings
from .native import Handle, Talk, address_of
from .results import Result
from .transports import HandMade, Transport, Zinc

NATIVE = {"zinc, native": Regions, "mmap and futex, native": Raw}
STEPS = "create", "open", "close", "close and remove"
LIVES = ("zinc", "mmap, reserved", "mmap, sparse")


def deliver(
    point: str, size: int, contenders: Sequence[str], settings: Settings
) -> Iterator[Result]:
    """Measure the native hand-over of a payload that is built in place."""
    found = {name: (Distribution(), Distribution(), Distribution()) for name in contenders}
    region = Handle(size)
    file = method.shared(size, "u1")
    payloads = dict(zip(NATIVE, (region.address, address_of(file)), strict=True))

    def converse(name: str, rounds: int) -> Sequence[native.Times]:
        before = method.warm_up(rounds)
        sent, heard, used = method.shared((3, before + rounds))
        with NATIVE[name]() as channel:
            talk = Talk(rounds=before + rounds, there=channel.there, back=channel.back)
            talk.payload, talk.payload_size = payloads[name], size
            talk.sent, talk.heard, talk.used = map(address_of, (sent, heard, used))
            hold(channel, talk)
        return [times[before:] for times in (heard - sent, used - heard, used - sent)]

    planned = {}
    for name in contenders:
        method.say(name)
        # Writing the payload takes about as long as reading it.
        one = 2 * float(numpy.median(converse(name, 3)[2]))
        planned[name] = settings.operations(one, most=20_000)
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        for distribution, times in zip(found[name], converse(name, planned[name]), strict=True):
            distribution.add(times)
    region.close()
    for name, distributions in found.items():
        for quantity, distribution in zip(QUANTITIES, distributions, strict=True):
            result = Result("mmap", point, name, quantity, size=size)
            result.resolution = 2 * method.clock_cost()
            yield distribution.tell(result)


def lives(point: str, size: int, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure what it costs to create, open and close."""
    library = native.library()
    name = f"zinc-bench-{os.getpid()}"
    path = f"/dev/shm/{name}".encode()
    found = {(way, step): Distribution() for way in contenders for step in STEPS}

    def live(way: str, rounds: int) -> list[native.Times]:
        times = [method.shared(rounds) for _ in STEPS]
        arrays = map(address_of, times)
        if way == "zinc":
            status = library.zincbench_zinc_lives(name.encode(), size, rounds, *arrays)
        else:
            reserve = way == "mmap, reserved"
            status = library.zincbench_raw_lives(path, size, reserve, rounds, *arrays)
        if status != 0:
            raise RuntimeError(f"{way}: can't create {size} bytes in /dev/shm")
        return times

    planned = {
        way: settings.operations(method.timed(functools.partial(live, way, 1)))
        for way in contenders
    }
    for way in method.in_turns(contenders, settings.samples):
        method.say(way)
        live(way, method.warm_up(planned[way]))
        for step, times in zip(STEPS, live(way, planned[way]), strict=True):
            found[way, step].add(times)
    for (way, step), distribution in found.items():
        result = Result("mmap", point, way, step)
        result.resolution = 2 * method.clock_cost()
        yield distribution.tell(result)


# What both are written with here, and how many lines of it: those of their classes in
# `transports` that do something.
WRITTEN: dict[str, type[Transport]] = {"zinc": Zinc, "mmap and futex": HandMade}


def lines(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Count the lines of user code for both."""
    for name in contenders:
        counted = method.lines_of(inspect.getsource(WRITTEN[name]))
        yield Result("mmap", point, name, "lines", unit="lines", samples=[counted])
