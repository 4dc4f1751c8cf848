"""A run as pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from hdrh.histogram import HdrHistogram
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .results import Result, Run, size_text, time_text

mpl.use("Agg")
mpl.rcParams.update(
    {
        **{"svg.fonttype": "none", "svg.hashsalt": "zinc", "font.size": 9},
        **{"axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False},
        **{"axes.spines.right": False, "legend.frameon": False},
    }
)

DELIVERY = "unix-sockets", "grpc", "redis", "peers"
MARKERS = "osv^<>DPX*hp"


def draw(run: Run, folder: Path) -> dict[str, Path]:
    """Draw what a run has the results for, as SVG and PNG; return the SVGs by title."""
    drawn = {}
    for name, title, make in PLOTS:
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        if make(run, figure.subplots()):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=150)
            drawn[title] = folder / f"{name}.svg"
    return drawn


def series(run: Run, quantity: str) -> dict[str, list[Result]]:
    """Return the results of each contender that delivers, by size; zinc's of the first suite."""
    found: dict[str, dict[int, Result]] = {}
    for result in run.results:
        if result.suite in DELIVERY and result.quantity == quantity and result.samples:
            found.setdefault(result.contender, {}).setdefault(result.size, result)
    return {name: [by[size] for size in sorted(by)] for name, by in found.items()}


def of_delivery(quantity: str, label: str) -> Callable[[Run, Any], bool]:
    """Return what draws a quantity against the size of the payload."""

    def make(run: Run, axes: Any) -> bool:
        lines = series(run, quantity)
        if not lines:
            return False
        for index, (name, results) in enumerate(lines.items()):
            is_ours = name.startswith("zinc")
            axes.plot(
                [result.size for result in results],
                [result.best for result in results],
                label=name,
                marker=MARKERS[index % len(MARKERS)],
                markersize=4,
                linewidth=2.6 if is_ours else 1.2,
                color="black" if name == "zinc" else f"C{index}",
                linestyle="--" if is_ours and name != "zinc" else "-",
                zorder=3 if is_ours else 2,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: size_text(int(size))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: time_text(time)))
        axes.set_xlabel("payload")
        axes.set_ylabel(label)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        return True

    return make


def of_latency(run: Run, axes: Any) -> bool:
    """Draw the whole distribution of round trips, up to the maximum."""
    for result in run.results:
        is_it = result.suite == "latency" and result.point == "back to back"
        if is_it and result.histogram and result.percentiles:
            times, nines = zip(*distribution(result), strict=True)
            ours = result.contender.startswith("zinc")
            axes.plot(nines, times, label=result.contender, linewidth=2.4 if ours else 1.2)
    if not axes.lines:
        return False
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = [2, 10, 100, 1_000, 10_000, 100_000]
    axes.set_xticks(ticks, ["P50", "P90", "P99", "P99.9", "P99.99", "P99.999"])
    axes.set_xlim(left=1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda time, _: time_text(time)))
    axes.set_xlabel("share of round trips that took no longer")
    axes.set_ylabel("round trip")
    axes.legend(fontsize=8)
    return True


def distribution(result: Result) -> Iterator[tuple[float, float]]:
    """Return the points of a histogram: a time, and one in how many took longer."""
    histogram = HdrHistogram.decode(result.histogram)
    total = histogram.get_total_count()
    seen = 0
    for item in histogram.get_recorded_iterator():
        seen += item.count_at_value_iterated_to
        yield item.value_iterated_to, total / max(total - seen, 0.5)


def of_access(run: Run, axes: Any) -> bool:
    """Draw bandwidths, the largest memory that was measured."""
    results = [r for r in run.results if r.suite == "access" and r.samples and r.size]
    if not results:
        return False
    point = results[-1].point
    results = [result for result in results if result.point == point]
    quantities = [q for q in dict.fromkeys(r.quantity for r in results) if q[0] != "m"]
    names = list(dict.fromkeys(r.contender for r in results))
    names = [name for name in names if name != "memory itself"]
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        own = {r.quantity: r.size / r.best for r in results if r.contender == name}
        there = [(i, own[q]) for i, q in enumerate(quantities) if q in own]
        axes.bar([i + index * width for i, _ in there], [v for _, v in there], width, label=name)
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
    return True


Make = Callable[[Run, Any], bool]
PLOTS: tuple[tuple[str, str, Make], ...] = (
    ("hand-over", "Until the consumer holds the payload", of_delivery("hand-over", "hand-over")),
    ("both", "Until the consumer has read every byte", of_delivery("both", "hand-over and use")),
    ("latency", "Round trips, both sides on their own processor", of_latency),
    ("access", "Reading and writing memory", of_access),
)


def inline(path: Path) -> str:
    """Return an SVG without what can't stand inside a page."""
    text = path.read_text()
    with contextlib.suppress(ValueError):
        return text[text.index("<svg") :]
    return ""
