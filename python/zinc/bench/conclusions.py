"""What each plot says, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from .results import Result, rate_text, size_text, time_text


def of_sizes(results: Sequence[Result], what: str) -> str:
    """Tell how zinc compares at the largest size at which there is another."""
    for size in sorted({result.size for result in results}, reverse=True):
        there = [result for result in results if result.size == size]
        if sentence := beside(there, f"With {size_text(size)}, {what}"):
            return sentence
    return "Only zinc was measured."


def of_round_trips(results: Sequence[Result], when: str) -> str:
    """Tell how zinc's round trips compare."""
    return beside(results, f"{when}, a round trip") or "Only zinc was measured."


def beside(results: Sequence[Result], what: str) -> str:
    """Tell zinc's time, and the fastest and the slowest of the others; nothing without both."""
    ours = next((r for r in results if r.contender.startswith("zinc")), None)
    others = sorted(
        (r for r in results if not r.contender.startswith("zinc")), key=lambda r: r.best
    )
    if ours is None or not others:
        return ""
    fastest, slowest = others[0], others[-1]
    told = [
        f"{what} takes {time_text(ours.best)} by “{ours.contender}”",
        versus(fastest, ours, "the fastest other"),
    ]
    if slowest is not fastest:
        told.append(versus(slowest, ours, "the slowest"))
    return ", ".join(told) + "."


def versus(result: Result, ours: Result, which: str) -> str:
    """Return a time, and in words how it stands to zinc's."""
    ratio = result.best / ours.best
    stands = f"{ratio:,.3g} times as long" if ratio > 1 else f"{1 / ratio:,.3g} times as fast"
    if 0.9 < ratio < 1.1:
        stands = "about the same"
    return f"{time_text(result.best)} by “{result.contender}”, {which} ({stands})"


def of_jobs(ratios: dict[str, float]) -> str:
    """Tell how often zinc is the fastest, and where it is not."""
    slower = {name: ratio for name, ratio in ratios.items() if ratio < 1}
    told = f"zinc is the faster one in {len(ratios) - len(slower)} of {len(ratios)} comparisons"
    if not slower:
        return f"{told}."
    each = ", ".join(f"“{name}” takes {ratio:.2g} of its time" for name, ratio in slower.items())
    return f"{told}: {each}."


def of_access(results: Sequence[Result]) -> str:
    """Tell the bandwidth of a region, and of private memory, for reading in sequence."""
    rates = {
        result.contender: rate_text(result.size, result.best)
        for result in results
        if result.quantity == "sequential read" and result.size
    }
    ours = rates.pop("zinc", None)
    if ours is None or not rates:
        return "There is nothing to compare."
    others = ", ".join(f"{name} at {rate}" for name, rate in rates.items())
    return f"A region is read in sequence at {ours}; {others}."
