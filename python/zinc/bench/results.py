"""What a run of the benchmarks found, as it is kept in JSON."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path
from typing import Any, Literal, NamedTuple

FORMAT = 1

Unit = Literal["ns", "lines", "allocations", "system calls", "kills", "messages", "bytes"]


class Key(NamedTuple):
    """What a result is about; the same in every run."""

    suite: str
    point: str
    contender: str
    quantity: str


@dataclasses.dataclass
class Result:
    """One quantity of one contender at one point of a suite; less is better.

    `samples` are in `unit`: a time per operation, the median of a sample's own operations. Of
    kills, it is after how many the others stood still; 0 for none of them.
    `size` are the bytes that an operation moves, if it moves any.
    """

    suite: str
    point: str
    contender: str
    quantity: str
    unit: Unit = "ns"
    samples: list[float] = dataclasses.field(default_factory=list)
    size: int = 0
    operations: int = 0  # in a sample
    resolution: float = 0  # what the method can't tell from nothing, in ns
    percentiles: dict[str, float] | None = None  # of the operations of the best sample
    histogram: str | None = None  # the same, in the log format of HdrHistogram, base64
    memory: float | None = None  # how long the memory's own bandwidth takes for it, in ns
    skipped: str | None = None  # why there are no samples

    @property
    def key(self) -> Key:
        """What the result is about."""
        return Key(self.suite, self.point, self.contender, self.quantity)

    @property
    def best(self) -> float:
        """The least of the samples: noise only slows down."""
        return min(self.samples)

    @property
    def median(self) -> float:
        """The sample in the middle."""
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """How far the samples lie apart, without the slowest: noise only slows down."""
        return max(sorted(self.samples)[:-1], default=self.best) - self.best


@dataclasses.dataclass
class Run:
    """All results of a run, and of which machine they tell."""

    date: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    results: list[Result]
    doubts: list[str] = dataclasses.field(default_factory=list)  # was the machine too busy?

    def write(self, path: Path) -> None:
        """Write the run as JSON."""
        fields = {"format": FORMAT, **dataclasses.asdict(self)}
        path.write_text(json.dumps(fields, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run. Raises ValueError, with the path, for what is not one."""
        try:
            fields = json.loads(path.read_text())
            if fields.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            results = [Result(**result) for result in fields.pop("results")]
            return cls(results=results, **fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a file that zinc bench wrote: {error}") from error

    def find(self, suite: str, point: str, contender: str, quantity: str) -> Result | None:
        """Return a result that has samples, or None."""
        key = Key(suite, point, contender, quantity)
        return next((r for r in self.results if r.key == key and r.samples), None)


# ---- as text ----


def size_text(size: int) -> str:
    """Return a size as people write it: 64 MiB."""
    for unit, factor in ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size:,} B"


def time_text(time: float) -> str:
    """Return a time in ns with three digits that count."""
    for unit, factor in ("s", 1e9), ("ms", 1e6), ("µs", 1e3):
        if time >= factor * 0.9995:
            return f"{_digits(time / factor)} {unit}"
    return f"{_digits(time)} ns"


def rate_text(size: int, time: float) -> str:
    """Return bytes in ns as GB/s."""
    return f"{_digits(size / time)} GB/s"


def value_text(result: Result, value: float) -> str:
    """Return one of a result's samples in words that fit it."""
    if result.unit == "kills":
        return f"no, after {value:.0f}" if value else "yes"
    if result.unit != "ns":
        return f"{value:,.0f}"
    if value < result.resolution:
        return f"< {time_text(result.resolution)}"
    return time_text(value)


def _digits(number: float) -> str:
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"
