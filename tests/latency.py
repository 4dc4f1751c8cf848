"""Prints what `make bench-latency` stands for: zinc's round trips beside the bare ones, in one run."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import zinc

ROOT = Path(__file__).parents[1]
RUNS = 7


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
            for line in subprocess.check_output([program], text=True).splitlines():
                what, middle, late = line.split()
                found[what].append((float(middle), float(late)))
    return found


def show(what: str, values: list[float], unit: str, limit: str) -> None:
    """Print the best and the median of several runs."""
    best, middle = min(values), statistics.median(values)
    print(f"{what:46} {best:9.2f} {middle:9.2f} {unit:6} {limit}")


def main() -> None:
    """Measure and print."""
    found = measure()
    print(f"{'':46} {'best':>9} {'median':>9}        reach")
    for what, ours, bare, limits in (
        ("round trip, spinning in wait", "zinc_wait", "bare_spin", ("1.25", "2")),
        ("round trip, try_wait in a loop", "zinc_try_wait", "bare_spin", ("1.25", "2")),
        ("round trip, both asleep", "zinc_asleep", "bare_futex", ("1.1", "")),
    ):
        for i, percentile in enumerate(("P50", "P99")):
            pairs = zip(found[ours], found[bare], strict=True)
            ratios = [a[i] / b[i] for a, b in pairs]
            show(f"{what}, {percentile}", [a[i] for a in found[ours]], "ns", "")
            show("    bare", [b[i] for b in found[bare]], "ns", "")
            show("    ratio", ratios, "times", limits[i] and f"at most {limits[i]}")
    show("notify with nobody asleep", [a for a, _ in found["notify_alone"]], "ns", "at most 15")
    show("try_wait, nothing new", [a for a, _ in found["try_wait_alone"]], "ns", "at most 5")


if __name__ == "__main__":
    main()
