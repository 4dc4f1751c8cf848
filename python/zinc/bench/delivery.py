"""Giving payloads of one size from one process to another, in several ways."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from . import method
from .method import Settings
from .results import Result
from .transports import Transport

# What one payload takes: until the consumer holds all of it, until it has then read every
# byte, and both.
QUANTITIES = "hand-over", "use", "both"

# How long, in ns, a consumer waits for its payload: always the same, since a processor that
# has been idle for longer, while a larger payload was written, takes longer to wake up.
FALLING_ASLEEP = 100_000


def deliver(
    suite: str, point: str, size: int, ways: Sequence[type[Transport]], settings: Settings
) -> Iterator[Result]:
    """Measure some ways in turns, the producer in this process and the consumer in another."""
    missing = {way.name: way.missing(settings.redis) for way in ways}
    for name, reason in missing.items():
        if reason:
            for quantity in QUANTITIES:
                yield Result(suite, point, name, quantity, size=size, skipped=reason)
    name = f"zinc-bench-{os.getpid()}"
    there = [
        way(size, f"{name}-{index}", settings.redis)
        for index, way in enumerate(ways)
        if not missing[way.name]
    ]
    board = method.shared(3)  # when it had arrived, when it was read, and the sum of it
    commands_out, commands_in = os.pipe()
    done_out, done_in = os.pipe()
    found = {way.name: {q: method.Distribution() for q in QUANTITIES} for way in there}
    with method.process(consume, there, board, commands_out, commands_in, done_out, done_in):
        os.close(done_in)
        with contextlib.closing(Producer(board, commands_in, done_out)) as producer:
            producer.await_done()  # the consumer has started
            for way in there:
                way.start_producer()
            method.pin(method.processors()[0])
            planned = {}
            for which, way in enumerate(there):
                method.say(way.name)
                producer.send(which, way, 1)  # first touches
                one = method.timed(functools.partial(producer.send, which, way, 1))
                planned[which] = settings.operations(one, most=2000)
            for which in method.in_turns(range(len(there)), settings.samples):
                way, operations = there[which], planned[which]
                method.say(way.name)
                producer.send(which, way, method.warm_up(operations))
                times = producer.send(which, way, operations)
                for quantity, column in zip(QUANTITIES, times, strict=True):
                    found[way.name][quantity].add(column)
        for way in there:
            way.close()
    for way in there:
        for quantity, distribution in found[way.name].items():
            result = Result(suite, point, way.name, quantity, size=size)
            result.resolution = method.python_clock_cost()
            yield distribution.tell(result)


class Producer:
    """The side of this process."""

    def __init__(self, board: Any, commands: int, done: int) -> None:
        self.board, self.commands, self.done = board, commands, done
        self.number = 0

    def await_done(self) -> None:
        """Sleep until the consumer has done with what it got."""
        if not os.read(self.done, 1):
            raise RuntimeError("the consumer has failed")

    def send(self, which: int, way: Transport, count: int) -> Any:
        """Send payloads; return the times of each quantity, in ns."""
        times = numpy.empty((len(QUANTITIES), count))
        now = time.perf_counter_ns
        for index in range(count):
            self.number += 1
            expected = way.fill(self.number)
            os.write(self.commands, bytes([which]))
            end = now() + FALLING_ASLEEP
            while now() < end:
                pass
            start = now()
            way.send()
            self.await_done()
            arrived, used, total = map(int, self.board)
            if total != expected:
                raise RuntimeError(f"{way.name}: what arrived is not what was sent")
            times[:, index] = arrived - start, used - arrived, used - start
        return times

    def close(self) -> None:
        """Let the consumer end."""
        os.close(self.commands)
        os.close(self.done)


def consume(
    ways: Sequence[Transport],
    board: Any,
    commands: int,
    commands_in: int,
    done_out: int,
    done: int,
) -> None:
    """Read every byte of each payload that comes, and say when; the other process's side."""
    os.close(commands_in)
    os.close(done_out)
    for way in ways:
        way.start_consumer()
    method.pin(method.processors()[1])
    os.write(done, b"!")
    now = time.perf_counter_ns
    while command := os.read(commands, 1):
        way = ways[command[0]]

        def use(payload: Any, way: Transport = way) -> None:
            arrived = now()
            total = way.total(payload)
            board[:] = arrived, now(), total
            del payload
            way.release()
            os.write(done, b"!")

        way.receive(use)
    for way in ways:
        with contextlib.suppress(Exception):
            way.close()
    sys.stderr.flush()
    os._exit(0)  # some of them have threads that would not end
