"""How a sample is taken, whatever it measures."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import mmap
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

import numpy

from . import native
from .results import Result

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How much is measured."""

    samples: int = 5
    seconds: float = 0.25  # about as long is a sample, if it has many operations
    quick: bool = False
    redis: str | None = None  # a server that is there, as a URL

    @classmethod
    def of(cls, quick: bool, redis: str | None = None) -> Settings:
        """Return those of a full run, or of a quick one."""
        return cls(2, 0.03, True, redis) if quick else cls(redis=redis)

    def operations(self, one: float, most: int = 1 << 40) -> int:
        """Return how many operations that take `one` ns each make a sample.

        Three at least, so that one which was interrupted is not the median; of those that
        take longer than any interruption, one.
        """
        least = 1 if self.quick or one > 2e8 else 3
        return max(least, min(most, int(self.seconds * 1e9 / max(one, 1))))


def warm_up(operations: int) -> int:
    """Return how many operations go before a sample of so many."""
    return math.ceil(operations / 10)


def in_turns(contenders: Sequence[T], samples: int) -> Iterator[T]:
    """Each contender once a sample: the first first in odd samples, and last in even ones."""
    for sample in range(samples):
        yield from contenders if sample % 2 == 0 else reversed(contenders)


# ---- processors ----


def processors() -> tuple[int, int]:
    """Return the ones for the two sides: two if there are two, else one twice."""
    there = sorted(_allowed())
    return there[0], there[-1]


@functools.cache
def _allowed() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


def pin(which: int) -> None:
    """Keep all threads of this process on one processor."""
    _stay_on({which})


def unpin() -> None:
    """Undo `pin`."""
    _stay_on(set(_allowed()))


def _stay_on(which: set[int]) -> None:
    _allowed()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), which)


# ---- memory and processes ----


def shared(
    shape: int | tuple[int, ...], dtype: Any = numpy.uint64
) -> numpy.ndarray[Any, numpy.dtype[Any]]:
    """Return zeros that children will share: page-aligned, and not zinc's."""
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    size = max(1, count * numpy.dtype(dtype).itemsize)
    return numpy.frombuffer(mmap.mmap(-1, size), dtype, count).reshape(shape)


def private(size: int) -> numpy.ndarray[Any, numpy.dtype[numpy.uint8]]:
    """Return page-aligned zeros of this process alone, not yet touched."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return numpy.frombuffer(mmap.mmap(-1, size, flags), numpy.uint8)


@contextlib.contextmanager
def process(target: Callable[..., None], *arguments: object) -> Generator[Any]:
    """Run a function in a forked process meanwhile. Raises RuntimeError if it fails there."""
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)
    child.start()
    try:
        yield child
    except BaseException:
        child.kill()
        raise
    child.join()
    if child.exitcode != 0:
        raise RuntimeError(f"the other process ended with {child.exitcode}")


# ---- clocks ----


@functools.cache
def clock_cost() -> float:
    """Return what it costs to read the clock once from native code, in ns."""
    calls = 100_000
    return least(lambda: native.library().zincbench_clock(calls), 5) / calls


@functools.cache
def python_clock_cost() -> float:
    """Return the same from Python."""
    now = time.perf_counter_ns
    times = [now() for _ in range(10_000)]
    return float(numpy.median(numpy.diff(times)))


def least(action: Callable[[], object], times: int) -> float:
    """Return the shortest time of several that an action takes, in ns."""
    return min(timed(action) for _ in range(times))


def timed(action: Callable[[], object]) -> float:
    """Return how long an action takes, in ns."""
    start = time.perf_counter_ns()
    action()
    return time.perf_counter_ns() - start


# ---- code ----


def lines_of(source: str) -> int:
    """Return how many lines of a class, or of methods, there are without heads and imports."""
    no_code = ("#", '"""', "class ", "name =", "about =", "def ", "async def ", "import ", "from ")
    lines = (line.strip() for line in source.splitlines())
    return sum(bool(line) and not line.startswith(no_code) for line in lines)


# ---- results ----


PERCENTILES = 50, 90, 99, 99.9, 99.99, 100
# A percentile is told if so many operations took longer: else it is one that was interrupted.
BEYOND = 5


class Distribution:
    """The operations of the best of several samples."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._best: Any = None

    def add(self, times: numpy.ndarray[Any, Any]) -> None:
        """Take one sample: the time of each operation, in ns."""
        median = float(numpy.median(times))
        if not self.samples or median < min(self.samples):
            self._best = numpy.array(times)
        self.samples.append(median)

    def tell(self, result: Result) -> Result:
        """Give a result its samples, percentiles and histogram."""
        result.samples = self.samples
        result.operations = len(self._best)
        best = numpy.sort(self._best)
        result.percentiles = percentiles(best)
        result.histogram = encoded(best)
        return result


def percentiles(times: numpy.ndarray[Any, Any]) -> dict[str, float]:
    """Return the median, the maximum, and what percentiles there are enough of sorted times for.

    Each is the time that has the rank: nothing in between is made up.
    """
    found = {}
    for share in PERCENTILES:
        place = max(1, math.ceil(len(times) * share / 100))
        if share in (50, 100) or len(times) - place >= BEYOND:
            found[f"P{share:g}" if share < 100 else "maximum"] = float(times[place - 1])
    return found


def encoded(times: numpy.ndarray[Any, Any]) -> str:
    """Return a histogram of three digits, from 1 ns to 100 s, encoded as HdrHistogram has it."""
    from hdrh.histogram import HdrHistogram  # compare and rows do without it

    histogram = HdrHistogram(1, 100_000_000_000, 3)
    values, counts = numpy.unique(times, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(max(1, int(value)), count)
    text: bytes | str = histogram.encode()
    return text.decode() if isinstance(text, bytes) else text


def say(text: str) -> None:
    """Tell whoever watches this worker what it does now."""
    print(f"now {text}", file=sys.stderr, flush=True)
