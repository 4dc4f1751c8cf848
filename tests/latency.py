"""Prints what `make bench-latency` stands for: zinc's round trips beside the bare ones, in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import zinc

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
RUNS = 7
ROUNDS = 100_000


def measure() -> dict[str, list[tuple[float, float]]]:
    """Run the program several times: the median and 99th percentile of each thing, in ns."""
    found = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/latency"
        library = zinc.get_library()
        source = str(ROOT / "tests/c/latency.c")
        compiler = ["cc", "-O2", "-I", zinc.get_include(), source, library, "-o", program]
        subprocess.run([*compiler, f"-Wl,-rpath,{Path(library).parent}"], check=True)
        for _ in range(RUNS):
            found["python_wait"].append(converse(zinc.SharedRegion.wait))
            found["python_try_wait"].append(converse(look))
            for line in subprocess.check_output([program], text=True).splitlines():
                what, middle, late = line.split()
                found[what].append((float(middle), float(late)))
    return found


def converse(wait: Callable[[zinc.SharedRegion], object]) -> tuple[float, float]:
    """Round trips between two Python processes: median and 99th percentile, in ns."""
    with zinc.SharedRegion.anonymous(1) as there, zinc.SharedRegion.anonymous(1) as back:
        child = os.fork()
        if child == 0:
            for _ in range(ROUNDS):
                wait(there)
                back.notify()
            os._exit(0)
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter_ns()
            there.notify()
            wait(back)
            times.append(time.perf_counter_ns() - start)
        os.waitpid(child, 0)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def look(region: zinc.SharedRegion) -> None:
    """Look until there is something new."""
    while not region.try_wait():
        pass


def show(what: str, values: list[float], unit: str, limit: tuple[float, ...] = ()) -> None:
    """Print the best and the median of several runs, and what there is to reach."""
    best, middle = min(values), statistics.median(values)
    reach = f"at most {limit[0]:g}" if limit else ""
    print(f"{what:46} {best:9.2f} {middle:9.2f} {unit:6} {reach}")


def idle() -> float:
    """CPU that waiting for ten seconds uses, in ns."""
    with zinc.SharedRegion.anonymous(1) as region:
        start = time.process_time_ns()
        region.wait(10_000)
        return time.process_time_ns() - start


def main() -> None:
    """Measure and print."""
    found = measure()
    print(f"{'':46} {'best':>9} {'median':>9}        reach")
    for what, ours, bare, most, ratio in (
        ("round trip, spinning in wait", "zinc_wait", "bare_spin", (2000, 6000), (1.25, 2)),
        ("round trip, try_wait in a loop", "zinc_try_wait", "bare_spin", (2000, 6000), (1.25, 2)),
        ("round trip, both asleep", "zinc_asleep", "bare_futex", (), (1.1,)),
        ("one wakes 50 sleeping processes", "zinc_crowd", "bare_crowd", (), (1.2,)),
        ("Python: round trip, wait", "python_wait", "bare_spin", (600,), ()),
        ("Python: round trip, try_wait in a loop", "python_try_wait", "bare_spin", (400,), ()),
    ):
        for i, percentile in enumerate(("P50", "P99")):
            pairs = zip(found[ours], found[bare], strict=True)
            show(f"{what}, {percentile}", [a[i] for a in found[ours]], "ns", most[i : i + 1])
            show("    bare", [b[i] for b in found[bare]], "ns")
            show("    ratio", [a[i] / b[i] for a, b in pairs], "times", ratio[i : i + 1])
    show("notify with nobody asleep", [a for a, _ in found["notify_alone"]], "ns", (15,))
    show("try_wait, nothing new", [a for a, _ in found["try_wait_alone"]], "ns", (5,))
    show("CPU that a wait of 10 s uses", [idle() / 1000 for _ in range(3)], "us", (1000,))


if __name__ == "__main__":
    main()
