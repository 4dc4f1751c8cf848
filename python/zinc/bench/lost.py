"""What queues lose, and what comes twice, when who takes part is killed."""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from . import killed, method
from .killed import SIZE, VICTIMS_OWN, Receive, Send, Victim
from .method import Settings
from .queues import WAYS, Way, made, total
from .results import Result

MOST = 1 << 16  # objects of who stays, and of those who are killed
STILL = 0.2  # seconds: nothing comes any more

# Whoever joins Ray takes longer than those who stay have.
CONTENDERS = tuple(name for name in WAYS if name != "Ray")

Counts = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]

VICTIMS = {
    "after an idle worker": Victim("reader", False),
    "after a busy worker": Victim("reader", True),
    "after a writer": Victim("writer", True),
}


class System(killed.System):
    """A queue, and a ledger of what was put and got, by the number of the object."""

    def __init__(self, way: Way) -> None:
        """Prepare what all processes inherit."""
        super().__init__(way.id)
        self.name = way.name
        self.way = way
        self.item: Any = None  # what was got last, and is at work
        ledger = method.shared((4, 2 * MOST), "u1")
        self.was_put, self.of_stayer, self.of_victims, self.in_hand = ledger
        self.last = method.shared(1)  # of the victims' own

    def writer(self, stays: bool) -> Send:
        self.way.seat = 0 if stays else 1
        self.way.start_producer()

        def send(number: int) -> None:
            if number >= VICTIMS_OWN:
                self.last[0] += 1
                number = MOST + int(self.last[0])
            if number >= (MOST if stays else 2 * MOST):
                signal.pause()
            self.way.put(made(SIZE, number))
            self.was_put[number] = 1

        return send

    def reader(self) -> Receive:
        return self.reading(self.of_stayer)

    def reader_to_be_killed(self, is_busy: bool) -> Receive:
        """Return what waits for objects; a busy one has got one, with which it does not end."""
        if not is_busy:
            return self.reading(self.of_victims)
        self.reading(self.in_hand)()
        return signal.pause  # type: ignore[return-value] # it never does

    def reading(self, seen: Counts) -> Receive:
        """Return what waits for an object and notes that it came."""
        self.way.start_consumer()

        def receive() -> int:
            self.item = self.way.get()
            number = int(self.item["points"][0])
            if total(self.item) != number * (SIZE // 8):
                raise RuntimeError(f"{self.way.name}: what arrived is not what was sent")
            seen[number] += 1
            return VICTIMS_OWN if number >= MOST else number

        return receive

    def settle(self) -> dict[str, int]:
        """Wait until all has come, or nothing comes any more; count."""
        end = time.monotonic() + STILL
        came = 0
        while self.lost() and time.monotonic() < end:
            if came != (came := int(self.of_stayer.sum())):
                end = time.monotonic() + STILL
            time.sleep(0.001)
        came_often = self.of_stayer + self.of_victims + self.in_hand > 1
        return {"lost": self.lost(), "twice": int(came_often.sum())}

    def lost(self) -> int:
        """Return how many objects nobody got but who was killed before it had done with it."""
        return int((self.was_put > self.of_stayer + self.of_victims).sum())

    def close(self) -> None:
        self.way.clear()


def measure(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Kill one after the other, and count what they leave."""

    def missing(name: str) -> str | None:
        return WAYS[name].missing(settings.redis)

    def make(name: str, unique: str) -> System:
        way = WAYS[name](SIZE, unique, settings.redis)
        way.writers = 2
        for module in way.needs:  # or each who takes a place would take long
            importlib.import_module(module)
        return System(way)

    return killed.measure(
        *(point, contenders, settings),
        suite="queues",
        victims=VICTIMS,
        missing=missing,
        make=make,
    )
