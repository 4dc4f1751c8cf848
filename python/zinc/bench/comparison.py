"""Two runs against each other: what changed, and what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from .results import Key, Result, Run

# All samples of one run are slower than all of another's, by chance alone: of two and two in one
# case of three, of four and four in one of thirty-five, before the spread is asked for besides.
ENOUGH = 4

Verdict = Literal["slower", "faster", "same", "too few samples"]


class Change(NamedTuple):
    """How a result differs between two runs."""

    key: Key
    before: Result
    after: Result
    ratio: float  # of the medians: after / before
    verdict: Verdict


def compare(before: Run, after: Run, least: float) -> list[Change]:
    """Tell what changed from what is noise, for all that both runs have samples of.

    The medians differ if they lie further apart than the samples of both runs together are
    spread, and if their ratio is more than `least` (0.1 is a tenth) beyond 1, and as much beyond
    what happened to the others at the same point: what makes those slower that zinc has no part
    in is the machine. Of times it takes `ENOUGH` samples in each run; what is counted is the same
    each time, and one is enough.
    """
    old = {result.key: result for result in before.results if result.samples}
    pairs = [(old[r.key], r) for r in after.results if r.key in old and r.samples]
    ratios = {new.key: ratio_of(was, new) for was, new in pairs if is_enough(was, new)}
    changes = []
    for was, new in pairs:
        verdict: Verdict = "too few samples"
        ratio = ratio_of(was, new)
        if is_enough(was, new):
            low, high = others(new.key, ratios)
            is_beyond = abs(new.median - was.median) > was.spread + new.spread
            if is_beyond and ratio > high * (1 + least):
                verdict = "slower"
            elif is_beyond and ratio < low / (1 + least):
                verdict = "faster"
            else:
                verdict = "same"
        changes.append(Change(new.key, was, new, ratio, verdict))
    return changes


def is_enough(was: Result, new: Result) -> bool:
    """Return whether there are samples enough to judge by."""
    return new.unit != "ns" or min(len(was.samples), len(new.samples)) >= ENOUGH


def others(key: Key, ratios: Mapping[Key, float]) -> tuple[float, float]:
    """Return between what the rows beside one lie, and 1; beside zinc's, those that are not."""
    is_ours = key.contender.startswith("zinc")
    beside = [
        ratio
        for other, ratio in ratios.items()
        if (other.suite, other.point, other.quantity) == (key.suite, key.point, key.quantity)
        and other.contender != key.contender
        and not (is_ours and other.contender.startswith("zinc"))
    ]
    return min([1.0, *beside]), max([1.0, *beside])


def ratio_of(was: Result, new: Result) -> float:
    """Return after / before, of what the clock can tell from nothing."""
    floor = max(was.resolution, new.resolution)
    old, now = max(was.median, floor), max(new.median, floor)
    if old == 0:
        return float("inf") if now else 1.0
    return now / old
