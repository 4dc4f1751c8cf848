"""Prints what `make bench-python` stands for: calls from Python, beside what Python has itself."""

from __future__ import annotations

import gc
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy
from rich.console import Console
from rich.table import Table

import zinc

SIZE = 1 << 20
RUNS = 15

Statement = tuple[str, dict[str, Any]]


def per_call(statement: str, names: dict[str, Any]) -> tuple[float, float]:
    """Return the best and the median of several runs, in ns, the loop included."""
    timer = timeit.Timer(statement, globals=names)
    number, taken = timer.autorange()
    number = max(1, int(number * 0.02 / taken))
    runs = [timer.timeit(number) / number * 1e9 for _ in range(RUNS)]
    return min(runs), statistics.median(runs)


def starts(imports: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Return what each import adds to a bare start of this interpreter, in ns; taken in turns."""
    # As for users: modules are compiled once, not at every start.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    taken: dict[str, list[float]] = {name: [] for name in ("", *imports)}
    for _ in range(RUNS + 1):
        for name, runs in taken.items():
            start = time.perf_counter_ns()
            subprocess.run(
                [sys.executable, "-c", imports.get(name, "pass")], check=True, env=environment
            )
            runs.append(time.perf_counter_ns() - start)
    bare = taken.pop("")[1:]  # the first compiles the modules
    return {
        name: (min(runs[1:]) - min(bare), statistics.median(runs[1:]) - statistics.median(bare))
        for name, runs in taken.items()
    }


def cell(figures: tuple[float, float] | None) -> str:
    """Return best and median as text."""
    if figures is None:
        return ""
    unit, factor = (
        ("ms", 1e6) if figures[0] >= 1e5 else ("µs", 1e3) if figures[0] >= 1e3 else ("ns", 1)
    )
    best, median = (f"{figure / factor:.{0 if unit == 'ns' else 2}f}" for figure in figures)
    return f"{best} / {median} {unit}"


class Bare(numpy.ndarray[Any, Any]):
    """A subclass that adds nothing: what slicing one costs, numpy takes for itself."""


def sliced() -> float:
    """Return how many times as long a slice of a SharedArray takes as one of a bare subclass."""
    shared = zinc.array(None, 1000)
    bare = numpy.ones(1000).view(Bare)
    best = [per_call("array[1:5]", {"array": array})[0] for array in (shared, bare)]
    return best[0] / best[1]


def main() -> None:
    """Measure and print."""
    table = Table(title=f"Python {sys.version.split()[0]}, best / median of {RUNS} runs")
    for column in "", "zinc", "at most", "multiprocessing.shared_memory", "mmap":
        table.add_column(column, no_wrap=True)

    def row(what: str, limit: str, *statements: Statement | None) -> None:
        figures = [s and per_call(*s) for s in statements]
        table.add_row(what, cell(figures[0]), limit, *(cell(f) for f in figures[1:]))

    added = starts(
        {
            "zinc": "import zinc",
            "shared_memory": "import multiprocessing.shared_memory",
            "mmap": "import mmap",
        }
    )
    table.add_row("import", cell(added["zinc"]), "2 ms", *map(cell, list(added.values())[1:]))

    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        file.truncate(SIZE)
        region, shm, mapped = (
            zinc.create("bench-python", SIZE),
            SharedMemory("bench-python", create=True, size=SIZE),
            mmap.mmap(file.fileno(), SIZE),
        )
        names = {"r": region, "s": shm, "m": mapped, "numpy": numpy, "zinc": zinc}
        names |= {"mmap": mmap, "file": file, "SharedMemory": SharedMemory, "SIZE": SIZE}

        def of(code: str) -> Statement:
            return code, names

        row("an empty loop, in each of these", "", of("pass"))
        row("notify()", "60 ns", of("r.notify()"))
        row("try_wait()", "60 ns", of("r.try_wait()"))
        row("wait(0), nothing new", "", of("r.wait(0)"))
        row("capacity", "60 ns", of("r.capacity"), of("s.size"), of("len(m)"))
        row(
            "memoryview",
            "150 ns",
            of("memoryview(r)"),
            of("memoryview(s.buf)"),
            of("memoryview(m)"),
        )
        array = "numpy.ndarray((SIZE,), 'u1', {})"
        row(
            "as_numpy()",
            "1.5 µs",
            of("r.as_numpy()"),
            of(array.format("s.buf")),
            of(array.format("m")),
        )
        array = "numpy.ndarray((512, 512), 'f4', {})"
        row(
            'as_numpy("f4", (512, 512))',
            "",
            of('r.as_numpy("f4", (512, 512))'),
            of(array.format("s.buf")),
            of(array.format("m")),
        )
        gc.collect()
        row(
            "open and close",
            "",
            of('zinc.open("bench-python").close()'),
            of('SharedMemory("bench-python").close()'),
            of("mmap.mmap(file.fileno(), SIZE).close()"),
        )
        row(
            "create, 1 MiB, and remove",
            "",
            of('zinc.create("bench-python-2", SIZE).close()'),
            of(
                "s = SharedMemory(create=True, size=SIZE); s.buf[::4096] = bytes(256); s.close(); s.unlink()"
            ),
        )
        big = numpy.ones(64 << 20, "u1")
        names |= {"big": big, "copyto": numpy.copyto}
        row(
            "64 MiB, share()",
            "",
            of('zinc.share(big, "bench-python-3").region.close()'),
            of(
                "s = SharedMemory(create=True, size=big.size); copyto(numpy.ndarray(big.shape, big.dtype, s.buf), big); s.close(); s.unlink()"
            ),
        )
        row(
            "64 MiB, array() and copy",
            "",
            of(
                'a = zinc.array("bench-python-3", big.shape, big.dtype); copyto(a, big); a.region.close(); a = None'
            ),
        )
        mapped.close()
        region.close()
        shm.close()
        shm.unlink()
    console = Console(width=120)
    console.print(table)
    console.print(f"array[1:5]: {sliced():.2f} times a bare subclass of ndarray; at most 2")


if __name__ == "__main__":
    main()
