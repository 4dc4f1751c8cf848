"""Who has which colour: the same in every plot."""

from __future__ import annotations

from typing import Any

ZINC = "#d62728"

# Of those that are variants of each other, all have one, and another line each.
COLOURS = {
    "zinc": ZINC,
    "Unix socket": "#1f77b4",
    "gRPC": "#2ca02c",
    "Redis": "#9467bd",
    "shared_memory and Event": "#8c564b",
    "Pipe": "#e377c2",
    "Queue": "#bcbd22",
    "pyzmq": "#17becf",
    "iceoryx2": "#ff7f0e",
    "kickmsg": "#1b4965",
    "mmap and futex": "#7f7f7f",
    "bare cache line": "#bbbbbb",
    "bare futex": "#555555",
    "pipe": "#e377c2",
    "eventfd": "#ff7f0e",
    "POSIX semaphore": "#9467bd",
    "shm_open and mmap": "#7f7f7f",
    "private memory": "#1f77b4",
}
LINES = "-", "--", ":", "-."
MARKERS = "osv^<>DPX*hp"


def family_of(name: str) -> str:
    """Return whose variant a contender is: its own, if nobody's. Raises KeyError for no one."""
    return max((family for family in COLOURS if is_of(name, family)), key=len, default=name)


def is_of(name: str, family: str) -> bool:
    """Return whether a name begins with the whole of another."""
    return name == family or name.startswith((f"{family},", f"{family} "))


def colour_of(name: str) -> str:
    """Return a contender's colour. Raises KeyError for one that has none."""
    return COLOURS[family_of(name)]


def style_of(name: str, names: list[str]) -> dict[str, Any]:
    """Return how the line of a contender is drawn, among those of a plot."""
    family = family_of(name)
    variant = [other for other in names if family_of(other) == family].index(name)
    is_ours = family == "zinc"
    return {
        "color": COLOURS[family],
        "linestyle": LINES[variant % len(LINES)],
        "linewidth": 2.6 if is_ours else 1.2,
        "zorder": 3 if is_ours else 2,
    }


def marker_of(name: str) -> str:
    """Return the marker of a contender's family."""
    return MARKERS[list(COLOURS).index(family_of(name)) % len(MARKERS)]
