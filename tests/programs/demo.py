"""The main job: a Swift process and this one hand a real file to each other.

Swift creates a region and puts the file into it; Python checks the SHA-256 of the
bytes that it sees, without a copy, against the file; Python answers with an array in
the same place, and Swift sums it. Exits with 1 if anything differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import zinc

WRITER = Path(__file__).parent / ".build/release/zinc-demo"


def largest_file() -> Path:
    """Return the largest file of the Python installation that runs this."""
    files = (
        Path(folder, name)
        for folder, _, names in os.walk(sysconfig.get_path("stdlib"))
        for name in names
    )
    libraries = Path(sysconfig.get_config_var("LIBDIR")).glob("libpython*")
    regular = (file for file in (*files, *libraries) if file.is_file() and not file.is_symlink())
    return max(regular, key=lambda file: file.stat().st_size)


def place_of(region: zinc.SharedRegion) -> dict[str, Any]:
    """Return where the region is in this process, as the kernel tells, like Place.swift."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, offset, device, inode, *_ = line.split()
        start, end = (int(number, 16) for number in span.split("-"))
        if start <= region.address < end:
            mapping = start - int(offset, 16)
            break
    return {
        "pid": os.getpid(), "mapping": mapping, "data": region.address,
        "device": device, "inode": int(inode), "size": len(region),
    }  # fmt: skip


def answer(writer: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next line of the Swift process."""
    assert writer.stdout is not None
    line = writer.stdout.readline()
    if not line:
        sys.exit(f"the Swift process ended early, with {writer.wait()}")
    result: dict[str, Any] = json.loads(line)
    return result


def milliseconds(nanoseconds: int) -> str:
    """Return a time for people."""
    return f"{nanoseconds / 1e6:,.3f} ms" if nanoseconds >= 1e5 else f"{nanoseconds / 1e3:,.1f} µs"


def show_places(console: Console, swift: dict[str, Any], python: dict[str, Any]) -> bool:
    """Print where both have the region; return whether it is the same memory."""
    table = Table(title="One piece of memory, in two processes")
    for heading in ("", "Swift, the writer", "Python, the reader", "same?"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    rows: list[tuple[str, str, Callable[[Any], str], bool]] = [
        ("process", "pid", str, False),
        ("mapping starts at", "mapping", hex, False),
        ("data starts at", "data", hex, False),
        ("from mapping to data", "offset", "{:,} bytes".format, True),
        ("device (/proc/self/maps)", "device", str, True),
        ("inode (/proc/self/maps)", "inode", str, True),
        ("size of the data", "size", "{:,} bytes".format, True),
    ]
    is_same = True
    for place in (swift, python):
        place["offset"] = place["data"] - place["mapping"]
    for title, key, form, must_agree in rows:
        agrees = swift[key] == python[key]
        is_same &= agrees or not must_agree
        verdict = ("yes" if agrees else "NO") if must_agree else "each its own"
        table.add_row(title, form(swift[key]), form(python[key]), verdict)
    console.print(table)
    return is_same


def main() -> int:
    """Run the job and return the exit code."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else largest_file()
    if not file.is_file() or file.stat().st_size < 4:
        sys.exit(f"{file}: a file of at least 4 bytes is needed")
    name = f"demo-{os.getpid()}"
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(
        f"file    {file}\nregion  /dev/shm/zinc_{name}\n", highlight=False, soft_wrap=True
    )

    writer = subprocess.Popen([WRITER, name, file], stdout=subprocess.PIPE, text=True)
    swift = answer(writer)
    with zinc.open(name) as region:
        same_place = show_places(console, swift, place_of(region))

        # "I am here"; the writer fills the region only then.
        attached = region.notify()
        if not region.wait(timeout_ms=60_000, after=attached):
            sys.exit("the Swift process did not notify within a minute")
        woken = time.monotonic_ns()
        filled = answer(writer)
        seen = hashlib.sha256(region.as_buffer()).hexdigest()
        with file.open("rb") as stream:
            expected = hashlib.file_digest(stream, "sha256").hexdigest()

        # Whole numbers, so that the sum is exact in whatever order it is made.
        array = region.as_numpy("f4")
        array[:] = np.arange(array.size) % 1000
        python_sum = float(array.sum(dtype="f8"))
        notified = time.monotonic_ns()
        region.notify()
        summed = answer(writer)
    status = writer.wait()

    hashes_agree, sums_agree = seen == expected, summed["sum"] == python_sum
    table = Table(title="What went through it", show_header=False)
    table.add_row("SHA-256 that Python sees", seen)
    table.add_row("SHA-256 of the file", expected, "same" if hashes_agree else "DIFFERENT")
    table.add_section()
    table.add_row(f"Python's sum of {array.size:,} float32", f"{python_sum:,.0f}")
    table.add_row(
        "Swift's sum of them", f"{summed['sum']:,.0f}", "same" if sums_agree else "DIFFERENT"
    )
    console.print(table)

    size = len(region)
    console.print(
        f"hand-over of {size:,} bytes, from notify to the end of wait:\n"
        f"  Swift to Python  {milliseconds(woken - filled['notified'])}\n"
        f"  Python to Swift  {milliseconds(summed['woken'] - notified)}\n"
        f"(reading the file into the region took {milliseconds(filled['reading'])})\n",
        highlight=False,
    )
    if same_place and hashes_agree and sums_agree and status == 0:
        console.print(
            "all the same: both worked on the same memory, and nothing was copied between them"
        )
        return 0
    console.print("[bold]something differs[/bold]")
    return 1


if __name__ == "__main__":
    sys.exit(main())
