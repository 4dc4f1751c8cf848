"""A run as pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from hdrh.histogram import HdrHistogram
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from . import conclusions
from .colours import colour_of, marker_of, style_of
from .results import Result, Run, size_text, time_text

mpl.use("Agg")
mpl.rcParams.update(
    {
        **{"svg.fonttype": "none", "svg.hashsalt": "zinc", "font.size": 9},
        **{"axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False},
        **{"axes.spines.right": False, "legend.frameon": False},
    }
)

OTHERS = "#8d99ae"
DELIVERY = "unix-sockets", "grpc", "redis", "peers"


Make = Callable[[Run, Any], str]  # draws, and returns what it says; nothing if it can't


class Picture(NamedTuple):
    """A plot, or why there is none."""

    name: str
    title: str
    path: Path | None  # of the SVG; the PNG lies beside it
    sentence: str  # what it says, or what it would have taken


def draw(run: Run, folder: Path) -> list[Picture]:
    """Draw what a run has the results for, as SVG and PNG."""
    pictures = []
    for name, title, make, takes in PLOTS:
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        if sentence := make(run, axes):
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)
            pictures.append(Picture(name, title, path, sentence))
        else:
            pictures.append(Picture(name, title, None, f"it takes results of {takes}"))
    return pictures


def series(run: Run, quantity: str) -> dict[str, list[Result]]:
    """Return the results of each contender that delivers, by size; zinc's of the first suite."""
    found: dict[str, dict[int, Result]] = {}
    for result in run.results:
        if result.suite in DELIVERY and result.quantity == quantity and result.samples:
            found.setdefault(result.contender, {}).setdefault(result.size, result)
    return {name: [by[size] for size in sorted(by)] for name, by in found.items()}


def of_delivery(quantity: str, label: str, what: str) -> Make:
    """Return what draws a quantity against the size of the payload."""

    def make(run: Run, axes: Any) -> str:
        lines = series(run, quantity)
        if not lines:
            return ""
        for name, results in lines.items():
            axes.plot(
                [result.size for result in results],
                [result.best for result in results],
                label=name,
                marker=marker_of(name),
                markersize=4,
                **style_of(name, list(lines)),
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: size_text(int(size))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: time_text(time)))
        axes.set_xlabel("payload")
        axes.set_ylabel(label)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        return conclusions.of_sizes([r for line in lines.values() for r in line], what)

    return make


def of_latency(point: str, when: str) -> Make:
    """Return what draws the whole distribution of round trips, up to the maximum."""

    def make(run: Run, axes: Any) -> str:
        results = [
            r for r in run.results if (r.suite, r.point) == ("latency", point) and r.histogram
        ]
        if not results:
            return ""
        names = [result.contender for result in results]
        for result in results:
            times, nines = zip(*distribution(result), strict=True)
            name = result.contender
            axes.plot(nines, times, label=name, **style_of(name, names))
        axes.set_xscale("log")
        axes.set_yscale("log")
        ticks = [2, 10, 100, 1_000, 10_000, 100_000]
        axes.set_xticks(ticks, ["P50", "P90", "P99", "P99.9", "P99.99", "P99.999"])
        axes.set_xlim(1, max(result.operations for result in results))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: time_text(time)))
        axes.set_xlabel("share of round trips that took no longer")
        axes.set_ylabel("round trip")
        axes.legend(fontsize=8)
        return conclusions.of_round_trips(results, when)

    return make


def distribution(result: Result) -> Iterator[tuple[float, float]]:
    """Return the points of a histogram: a time, and one in how many took longer."""
    histogram = HdrHistogram.decode(result.histogram)
    total = histogram.get_total_count()
    seen = 0
    for item in histogram.get_recorded_iterator():
        seen += item.count_at_value_iterated_to
        yield item.value_iterated_to, total / max(total - seen, 0.5)


def of_access(run: Run, axes: Any) -> str:
    """Draw bandwidths, the largest memory that was measured."""
    results = [r for r in run.results if r.suite == "access" and r.samples and r.size]
    if not results:
        return ""
    point = results[-1].point
    results = [result for result in results if result.point == point]
    quantities = [q for q in dict.fromkeys(r.quantity for r in results) if q[0] != "m"]
    names = list(dict.fromkeys(r.contender for r in results))
    names = [name for name in names if name != "memory itself"]
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        own = {r.quantity: r.size / r.best for r in results if r.contender == name}
        there = [(i, own[q]) for i, q in enumerate(quantities) if q in own]
        axes.bar(
            [i + index * width for i, _ in there],
            [v for _, v in there],
            width,
            label=name,
            color=colour_of(name),
            alpha=0.5 if name != "zinc" and name.startswith("zinc") else 1,
        )
    shown = [
        q for q in quantities if any(r.quantity == q and r.contender in names for r in results)
    ]
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(shown))], shown)
    axes.set_ylabel(f"GB/s, {point}")
    for result in results:
        if result.quantity in ("memset", "streaming read") and result.contender not in names:
            rate = result.size / result.best
            axes.axhline(rate, color="gray", linewidth=0.8, linestyle=":")
            axes.annotate(f"{result.quantity}, {rate:.0f}", (-0.4, rate), fontsize=7)
    axes.legend(fontsize=8)
    return conclusions.of_access(results)


def of_jobs(run: Run, axes: Any) -> str:
    """Draw how many times zinc's time others take for a job."""
    times: dict[str, dict[str, float]] = {}
    for result in run.results:
        if result.suite == "jobs" and result.unit == "ns" and result.samples:
            times.setdefault(result.point, {})[result.contender] = result.best
    rows = [
        (f"{job}: {name}", time / by["zinc"])
        for job, by in times.items()
        if "zinc" in by
        for name, time in by.items()
        if not name.startswith("zinc")
    ]
    if not rows:
        return ""
    names, ratios = zip(*rows, strict=True)
    axes.figure.set_size_inches(8, 0.2 * len(rows) + 1.2)
    axes.barh(range(len(rows)), [r - 1 for r in ratios], left=1, color=OTHERS)
    axes.axvline(1, color=colour_of("zinc"), linewidth=2.6)
    axes.annotate("  zinc", (1, -1), color=colour_of("zinc"), va="center", fontweight="bold")
    for index, ratio in enumerate(ratios):
        place = {"xytext": (4 if ratio >= 1 else -4, 0), "textcoords": "offset points"}
        side = "left" if ratio >= 1 else "right"
        axes.annotate(
            f"{float(f'{ratio:.2g}'):,g}", (ratio, index), **place, va="center", ha=side, fontsize=8
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlim(min(0.1, min(ratios) / 2), max(ratios) * 4)
    axes.set_ylim(len(rows) - 0.4, -1.6)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.set_xlabel("time, as a multiple of zinc's")
    return conclusions.of_jobs(dict(rows))


TO_HOLD, TO_READ = "Until the consumer holds the payload", "Until it has read every byte"
ASLEEP, AWAKE = "Round trips, both sides asleep in between", "Round trips, both sides awake"
SOME = f"one of {', '.join(DELIVERY)}"
# First what most programs do.
PLOTS: tuple[tuple[str, str, Make, str], ...] = (
    ("jobs", "Jobs, from Python, whose processes sleep in between", of_jobs, "jobs"),
    (
        *("latency-asleep", ASLEEP),
        *(of_latency("asleep", "Woken from sleep"), "latency, asleep"),
    ),
    ("hand-over", TO_HOLD, of_delivery("hand-over", "hand-over", "the hand-over"), SOME),
    ("both", TO_READ, of_delivery("both", "hand-over and use", "hand-over and reading"), SOME),
    (
        *("latency", AWAKE),
        *(of_latency("back to back", "Back to back"), "latency, back to back"),
    ),
    ("access", "Reading and writing memory", of_access, "access"),
)


def inline(path: Path) -> str:
    """Return an SVG without what can't stand inside a page."""
    text = path.read_text()
    with contextlib.suppress(ValueError):
        return text[text.index("<svg") :]
    return ""
