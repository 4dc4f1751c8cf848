"""A run as tables, for the terminal and for the report."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence

from .method import BEYOND
from .results import Result, Run, rate_text, time_text, value_text


@dataclasses.dataclass
class Table:
    """A point of a suite: a row for each contender."""

    suite: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def tables(run: Run) -> Iterator[Table]:
    """Return a table for each point, in the order in which they were measured."""
    for (suite, _), group in itertools.groupby(run.results, lambda r: (r.suite, r.point)):
        found = list(group)
        make: Callable[[list[Result]], Table] = by_quantity
        if suite == "access":
            make = of_access
        elif suite in ("latency", "channels", "queues") and any(r.percentiles for r in found):
            make = of_percentiles
        elif any(result.unit == "kills" for result in found):
            make = of_kills
        elif suite == "queues":
            make = by_rate
        yield make(found)


def of_percentiles(results: Sequence[Result]) -> Table:
    """One quantity, and how its operations are distributed in the best sample."""
    most = max((list(result.percentiles or ()) for result in results), key=len)
    shares = most[1:]  # the first is what the sample itself is
    quantity = next(result.quantity for result in results if result.percentiles)
    columns = ["", f"{quantity}, best", "median", "x zinc", *shares, "of"]
    rows = []
    for result in results:
        row = [result.contender]
        if result.percentiles:
            row += [*pair(result), ratio(result, results)]
            told = [result.percentiles.get(share) for share in shares]
            row += ["" if time is None else value_text(result, time) for time in told]
            row.append(f"{result.operations:,}")
        rows.append(pad([*row, *absence(result)], len(columns)))
    note = (
        "the P50 of the best sample and of the one in the middle; percentiles of the best, if "
        f"{BEYOND} of its operations took longer"
    )
    return Table(results[0].suite, results[0].point, columns, rows, note)


def by_rate(results: Sequence[Result]) -> Table:
    """Several quantities, each as how many there are in a second: more is better."""
    table = by_quantity(results, a_second)
    table.columns = [
        column.replace(", best", ", a second, best").replace("x zinc", "time, x zinc")
        for column in table.columns
    ]
    table.note = (
        "everybody puts the same objects again and again, built before, of which as many may wait "
        "as there is room for in the queue: 4; what bounds itself otherwise is left as it is. A "
        "worker that reads takes the sum of all arrays, else it looks at one number"
    )
    return table


def by_quantity(
    results: Sequence[Result], text: Callable[[Result, float], str] = value_text
) -> Table:
    """Several quantities, each beside zinc's."""
    quantities = list(dict.fromkeys(result.quantity for result in results if result.quantity))
    columns = [""]
    for quantity in quantities:
        columns += [f"{quantity}, best", "median", "x zinc"]
    rows = []
    for name in dict.fromkeys(result.contender for result in results):
        own = {result.quantity: result for result in results if result.contender == name}
        row = [name]
        if reasons := [text for result in own.values() for text in absence(result)]:
            row.append(reasons[0])
        else:
            for quantity in quantities:
                there = own.get(quantity)
                row += [*pair(there, text), ratio(there, results)] if there else [""] * 3
        rows.append(pad(row, len(columns)))
    return Table(results[0].suite, results[0].point, columns, rows)


def of_kills(results: Sequence[Result]) -> Table:
    """Whether the others go on, and if not, after how many kills they no longer did."""
    quantities = list(dict.fromkeys(r.quantity for r in results if r.unit == "kills"))
    rows = []
    for name in dict.fromkeys(result.contender for result in results):
        own = [result for result in results if result.contender == name]
        told = {
            result.quantity: value_text(result, result.best) for result in own if result.samples
        }
        for victim, text in told.items():  # what was counted after it
            parts = [
                text,
                *(f"{told[q]} {q[len(victim) + 2 :]}" for q in told if f"{victim}, " in q),
            ]
            told[victim] = ", ".join(part for part in parts if not part.startswith("0 "))
        reasons = [text for result in own for text in absence(result)][:1]
        rows.append(
            pad(
                [name, *(reasons or [told.get(quantity, "") for quantity in quantities])],
                1 + len(quantities),
            )
        )
    kills = max(result.operations for result in results)
    note = f"{kills} of them, one after the other, until those who stay stand still"
    return Table(results[0].suite, results[0].point, ["", *quantities], rows, note)


def of_access(results: Sequence[Result]) -> Table:
    """Bandwidths, and what share of the memory's own each is."""
    quantities = list(dict.fromkeys(result.quantity for result in results))
    rows = []
    for quantity in quantities:
        for result in results:
            if result.quantity != quantity:
                continue
            if result.size == 0:  # single reads
                rows.append([quantity, result.contender, *pair(result), "", ""])
                continue
            share = result.memory / result.best if result.memory else None
            told = "" if share is None else f"{share:.0%}"
            if share is not None and share > 1.05:
                told += ", a cache's figure"
            rate = rate_text(result.size, result.best)
            rows.append([quantity, result.contender, *pair(result), rate, told])
    columns = ["", "", "best", "median", "bandwidth", "of the memory's own"]
    return Table(results[0].suite, results[0].point, columns, rows)


def reference(result: Result, results: Sequence[Result]) -> Result | None:
    """Return zinc's result for the same quantity: the first of its name."""
    return next(
        (
            other
            for other in results
            if (other.suite, other.point) == (result.suite, result.point)
            and other.quantity == result.quantity
            and other.samples
            and other.contender.startswith("zinc")
        ),
        None,
    )


def ratio(result: Result, results: Sequence[Result]) -> str:
    """Return how many times zinc's best a result's is."""
    ours = reference(result, results)
    if ours is None or ours.best <= 0 or result.unit not in ("ns", "lines"):
        return ""
    return f"{result.best / ours.best:.3g}"


def pair(result: Result, text: Callable[[Result, float], str] = value_text) -> list[str]:
    """Return best and median."""
    if not result.samples:
        return ["", ""]
    return [text(result, result.best), text(result, result.median)]


def a_second(result: Result, time: float) -> str:
    """Return how many operations of such a time there are in a second."""
    rate = 1e9 / time
    return f"{rate:.3g}" if rate < 999.5 else f"{rate:,.0f}"


def absence(result: Result) -> list[str]:
    """Return why a result has no samples, if it has none."""
    return [f"- {result.skipped}"] if result.skipped else []


def pad(row: list[str], width: int) -> list[str]:
    """Return a row with as many cells as there are columns."""
    return row + [""] * (width - len(row))


def unflattering(run: Run) -> list[str]:
    """Return every case in which something was better than zinc by more than a twentieth."""
    found = []
    for result in run.results:
        if not result.samples or result.unit != "ns" or result.contender.startswith("zinc"):
            continue
        ours = reference(result, run.results)
        if ours and max(result.best, result.resolution) * 1.05 < ours.best:
            found.append(
                f"{result.suite}, {result.point}, {result.quantity}: {result.contender} "
                f"{time_text(result.best)}, {ours.contender} {time_text(ours.best)}"
            )
    return found
