"""One region in several languages: that it is the same memory, and what a round trip takes in each.

    python tests/languages.py    prints both, for those languages that are installed

The tests use it, too. Each language is a process that is told what to do with a region, a line a
command: tests/programs/Sources/peer, tests/c/peer.c, tests/programs/peer.py, and `peer` of the
bindings.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zinc

ROOT = Path(__file__).parents[1]
BUILT = ROOT / ".build-bindings"


def programs(*go_options: str) -> dict[str, list[str]]:
    """Build the programs of each language whose tools are installed, and return how its peer is run.

    Beside it lie the examples `send` and `receive`.
    """
    found = {"Python": [sys.executable, str(ROOT / "tests/programs/peer.py")]}
    swift = ROOT / "tests/programs/.build/release/zinc-peer"
    if swift.exists():
        found["Swift"] = [str(swift)]
    # Go is where the Python is that has the package's extra `bindings`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PKG_CONFIG_PATH": zinc.get_pkgconfig()}
    environment.pop("ZINC_LIB_DIR", None)

    def build(language: str, peer: Path, folder: str, *command: str) -> None:
        tool = shutil.which(command[0], path=path)
        if tool is not None and (ROOT / folder).exists():
            subprocess.run([tool, *command[1:]], cwd=ROOT / folder, env=environment, check=True)
            found[language] = [str(peer)]

    library = Path(zinc.get_library())
    link = [f"-I{zinc.get_include()}", str(library), f"-Wl,-rpath,{library.parent}"]
    for folder in "c", "go":
        (BUILT / folder).mkdir(parents=True, exist_ok=True)
    for name, source in (
        ("send", "docs/examples/writer.c"),
        ("receive", "docs/examples/reader.c"),
        ("peer", "tests/c/peer.c"),
    ):
        if (ROOT / source).exists():
            program = BUILT / "c" / name
            build("C", program, ".", "cc", "-O2", source, *link, "-o", str(program))
    target = BUILT / "shared"
    cargo = ["cargo", "build", "--quiet", "--release", "--offline", "--lib", "--examples"]
    build(
        "Rust", target / "release/examples/peer", "bindings/rust", *cargo, f"--target-dir={target}"
    )
    go = ["go", "build", *go_options, "-o", f"{BUILT}/go/", "./internal/peer", "./examples/..."]
    build("Go", BUILT / "go/peer", "bindings/go", *go)
    return found


@dataclass(frozen=True)
class Place:
    """Where a process has a region, as the kernel tells."""

    data: int
    device: str
    inode: int
    offset: int
    """of the data, from the start of the file"""
    frame: int | None
    """the page of the machine's memory that the data begins with; root alone is told"""


def place_of(pid: int, data: int) -> Place:
    """Look from outside where an address of a process leads to."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, _, offset, device, inode, *_ = line.split()
        start, end = (int(number, 16) for number in span.split("-"))
        if start <= data < end:
            place = device, int(inode), int(offset, 16) + data - start
            return Place(data, *place, frame_of(pid, data))
    raise LookupError(f"{data:#x} of process {pid}")


def frame_of(pid: int, data: int) -> int | None:
    """Return the frame of a page that the process has touched; None where it isn't told."""
    page = os.sysconf("SC_PAGESIZE")
    try:
        with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
            pagemap.seek(data // page * 8)
            entry = int.from_bytes(pagemap.read(8), "little")
    except PermissionError:
        return None
    return entry & ((1 << 55) - 1) or None


class Peer:
    """One of the processes."""

    def __init__(self, command: list[str]) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)

    def tell(self, command: str) -> None:
        """Send a command."""
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """Return the next answer."""
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def ask(self, command: str) -> Any:
        """Send a command, and return its answer."""
        self.tell(command)
        return self.hear()

    def open(self, name: str) -> Place:
        """Let it open a region, and touch its first byte."""
        place = self.ask(f"open {name}")
        self.ask("read 0")
        return place_of(place["pid"], place["data"])

    def end(self) -> None:
        """Let it close the region and exit."""
        self.process.communicate()


def round_trip(command: list[str], rounds: int) -> float:
    """Return the nanoseconds of a question and its answer, both sides of a language and awake."""
    there, back = (f"languages-{os.getpid()}-{which}" for which in ("there", "back"))
    with zinc.create(there, 1), zinc.create(back, 1):
        asks, replies = Peer(command), Peer(command)
        for peer in asks, replies:
            peer.open(there)
        replies.tell(f"reply {back} {rounds}")
        time = float(asks.ask(f"ask {back} {rounds}"))
        replies.hear()
        for peer in asks, replies:
            peer.end()
    return time


def main() -> int:
    """Print both; return 1 if it is not the same memory."""
    found = programs()
    name = f"languages-{os.getpid()}"
    places: dict[str, Place] = {}
    with zinc.create(name, 1 << 16) as region:
        region.as_buffer()[0] = 42
        peers = {language: Peer(command) for language, command in found.items()}
        for language, peer in peers.items():
            places[language] = peer.open(name)
        seen = {peer.ask("read 0") for peer in peers.values()}
        for peer in peers.values():
            peer.end()
    print(f"One piece of memory in {len(places)} languages, each a process of its own:\n")
    for language, place in places.items():
        frame = "not told" if place.frame is None else f"{place.frame:#x}"
        print(
            f"  {language:7} data at {place.data:#x}, {place.offset} bytes into inode {place.inode} "
            f"of device {place.device}; page frame {frame}"
        )
    same = {(place.device, place.inode, place.offset, place.frame) for place in places.values()}
    is_same = len(same) == 1 and seen == {42}
    print(f"  {'the same for all' if is_same else 'THEY DIFFER'}\n")

    print("A round trip by notify and wait, both sides awake, the best of ten:\n")
    compared = [language for language in ("C", "Rust", "Go") if language in found]
    times = {language: float("inf") for language in compared}
    for _ in range(10):
        for language in compared:
            times[language] = min(times[language], round_trip(found[language], 100_000))
    for language, time in times.items():
        print(f"  {language:7} {time:6.0f} ns, {time / times['C']:.2f} times that of C")
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main())
