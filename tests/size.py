"""Prints the figures that `make size` stands for: how large, how fast to load and to create."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import zinc

ROOT = Path(__file__).parents[1]


# In bytes, what `make size` prints beside what there is, and the tests of the package hold. The
# wheel's is of all but its benchmarks, its program, and what joins machines.
LIMITS = {"libzinc.so": 165_000, "_zinc.abi3.so": 150_000, "libzincbench.so": 30_000}
LIMIT_OF_WHEEL = 300_000


def parts(wheel: Path) -> tuple[int, int]:
    """Return how many bytes of a wheel are the library, and how many the rest."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {file.filename: file.compress_size for file in archive.infolist()}
    others = (
        *("zinc/bench/", "zinc/libzincbench.so", "zinc/command/"),
        *("zinc/dask.py", "zinc/mirror/"),
    )
    beside = sum(size for name, size in packed.items() if name.startswith(others))
    return wheel.stat().st_size - beside, beside


def sizes() -> None:
    """The libraries, stripped as they are shipped, and the wheel."""
    library = Path(zinc.get_library())
    for name, limit in LIMITS.items():
        size = (library.parent / name).stat().st_size
        print(f"{name:<21} {size / 1000:8.1f} KB   (at most {limit / 1000:.0f})")
    dynamic = subprocess.check_output(["readelf", "-d", library], text=True)
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    print(f"libzinc.so needs      {', '.join(needed)}")
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "-w",
            folder,
            str(ROOT),
        ]
        subprocess.run(pip, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        of_library, beside = parts(wheel)
    print(
        f"wheel                 {of_library / 1000:8.1f} KB   (at most {LIMIT_OF_WHEEL / 1000:.0f})"
    )
    print(f"  benchmarks, program {beside / 1000:8.1f} KB   beside that")


def interpreter(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter."""
    command = [sys.executable, *options, "-c", code]
    # As for users: modules are compiled once, not at every start.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment)


def start_time(code: str) -> float:
    """Return how long an interpreter takes that runs `code`, in milliseconds."""
    start = time.perf_counter()
    interpreter(code)
    return (time.perf_counter() - start) * 1000


def imports() -> None:
    """What `import zinc` adds to a bare interpreter, as the clock and as the interpreter see it."""
    interpreter("import zinc")  # compiles the modules
    pairs = [(start_time("pass"), start_time("import zinc")) for _ in range(10)]
    bare, loaded = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    print(f"import zinc           {loaded - bare:8.2f} ms   (at most 2; bare start {bare:.1f} ms)")
    reports = (interpreter("import zinc", "-X", "importtime").stderr for _ in range(10))
    found = (re.search(r"\| +(\d+) \| zinc$", report, re.MULTILINE) for report in reports)
    best = min(int(match[1]) for match in found if match)
    print(f"  -X importtime       {best / 1000:8.2f} ms")


def creation() -> None:
    """Creating and closing a page, beside the bare system calls, in one run."""
    library = Path(zinc.get_library())
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "create_cost")
        flags = [f"-I{zinc.get_include()}", str(library), f"-Wl,-rpath,{library.parent}"]
        compiler = ["cc", "-O2", str(ROOT / "tests/c/create_cost.c"), *flags, "-o", str(program)]
        subprocess.run(compiler, check=True)
        output = subprocess.check_output([program], text=True)
    samples = [tuple(map(float, line.split())) for line in output.splitlines()]
    ratios = sorted(mine / bare for mine, bare in samples)
    mine, bare = min(sample[0] for sample in samples), min(sample[1] for sample in samples)
    print(
        f"create + close        {mine / bare:8.2f} times the bare system calls  (at most 3; "
        f"median {statistics.median(ratios):.2f}; {mine / 1000:.1f} and {bare / 1000:.1f} µs)"
    )


if __name__ == "__main__":
    sizes()
    imports()
    creation()
