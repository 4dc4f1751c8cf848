"""What the hot path costs besides time, which is nothing: see zincbench_hot_path.

`counted` makes the calls, for whoever counts: a malloc that counts, which is preloaded;
valgrind's dhat; strace. In each run there also is something to count, so that a counter that
counts nothing is found out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from . import method, native
from .method import Settings
from .results import Result

PROOF = 1000  # as many have to be counted at least

What = Literal["calls", "messages"]


def run(calls: int, faults: int, what: What, *under: str, **environment: str) -> str:
    """Make the calls in a process of their own; return what it printed."""
    program = [sys.executable, "-m", "zinc.bench.counted", str(calls), str(faults), what]
    # A fresh interpreter knows where zinc is from the path of this one.
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [*under, *program],
        env={**os.environ, **path, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(under)} failed: {done.stderr[-300:]}")
    return done.stdout


def by_malloc(calls: int, faults: int, what: What = "calls") -> int:
    """Count allocations by a malloc that is preloaded."""
    return int(run(calls, faults, what, LD_PRELOAD=str(native.LIBRARY)))


def by_dhat(calls: int, faults: int, what: What = "calls") -> int:
    """Count allocations in the calls by valgrind's heap profiler."""
    return allocated(calls, faults, what) - allocated(0, 0, what)


def allocated(calls: int, faults: int, what: What) -> int:
    """Count those of the libraries in a whole program: of who called them there are no frames."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/dhat.json"
        run(calls, faults, what, "valgrind", "--tool=dhat", f"--dhat-out-file={out}")
        profile: Any = json.loads(Path(out).read_text())
    frames = profile["ftbl"]
    return sum(
        place["tbk"]
        for place in profile["pps"]
        if any("/libzinc" in frames[frame] for frame in place["fs"])
    )


def by_strace(calls: int, faults: int, what: What = "calls") -> int:
    """Count system calls."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/trace"
        run(calls, faults, what, "strace", "-o", out)
        trace = Path(out).read_text()
    marks = [match.start() for match in re.finditer(r"^getppid\(", trace, re.MULTILINE)]
    if len(marks) < 2:
        raise RuntimeError("strace shows no marks")
    return trace[marks[-2] : marks[-1]].count("\n") - 1  # the last two


class Counter(Protocol):
    """Who counts what the calls do."""

    def __call__(self, calls: int, faults: int, what: What = "calls") -> int: ...


COUNTERS: dict[str, tuple[str, Counter, str | None]] = {
    "malloc counter": ("allocations", by_malloc, None),
    "valgrind dhat": ("allocations", by_dhat, "valgrind"),
    "strace": ("system calls", by_strace, "strace"),
}
OF_MESSAGES = ("malloc counter", "strace")


def many(is_quick: bool) -> str:
    """Return how many calls are made, for the name of a point."""
    return "50,000" if is_quick else "a million"


def measure(
    point: str,
    contenders: Sequence[str],
    settings: Settings,
    *,
    suite: str = "hot-path",
    what: What = "calls",
) -> Iterator[Result]:
    """Count what `many` calls of each function do, or so many messages."""
    calls = 50_000 if settings.quick else 1_000_000
    for name in contenders:
        method.say(name)
        unit, count, program = COUNTERS[name]
        result = Result(suite, point, name, unit, unit=unit, operations=calls)  # type: ignore[arg-type]
        if program and shutil.which(program) is None:
            result.skipped = f"there is no {program} on the path"
        else:
            if (counted := count(calls, PROOF, what)) < PROOF:
                raise RuntimeError(f"{name} does not count")
            result.samples = [counted - PROOF]
        yield result
