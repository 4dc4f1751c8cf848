"""What the tests share: names of their own, a Swift process, and a look at what is left."""

from __future__ import annotations

import gc
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import apart
import pytest

import zinc

# Before anything is made, and while this process has a single thread.
SHARED_BECAUSE = apart.enter()

# Who starts this in the background has these ignored, and what the tests start would, too.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

ROOT = Path(__file__).parents[2]
SHM = Path("/dev/shm")
PROGRAMS = ROOT / "tests/programs"

# Is this `make test-portable`? Then what is tested has nothing that only Linux has; see portable.h.
IS_PORTABLE = os.environ.get("ZINC_PORTABLE") == "1"
NEW = ".zinc_new_"  # what a file is called there while it is being made

RUN = f"test-{os.getpid()}"
counter = itertools.count()

# The first call of a process removes what is dead: it is over, whichever test runs first.
zinc.create(f"{RUN}-first", 1).close()


def only_linux(has: str) -> pytest.MarkDecorator:
    """Return the mark of a test that is about something that Linux alone has."""
    return pytest.mark.skipif(IS_PORTABLE, reason=f"Linux alone has {has}")


# For what is about all that there is in /dev/shm, or about who is the first to take what is dead.
whole_folder = pytest.mark.skipif(
    SHARED_BECAUSE is not None, reason=f"/dev/shm is the whole machine's: {SHARED_BECAUSE}"
)
may_unshare = pytest.mark.skipif(
    os.geteuid() != 0 or SHARED_BECAUSE is not None, reason="needs root, and a system that lets it"
)


def run_mounted(command: str, code: str) -> None:
    """Run Python in namespaces of its own, after a command that mounts something.

    That of IPC is for mqueue, which shows the message queues of everybody in it.
    """
    inside = ("sh", "-c", f'{command} && exec "$0" -c "$1"', sys.executable, code)
    result = subprocess.run(
        ["unshare", "--mount", "--ipc", *inside], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def pytest_report_header() -> str:
    """Say whose /dev/shm it is."""
    library = f"library: {zinc.get_library()}"
    if SHARED_BECAUSE is None:
        return f"{library}\n/dev/shm: of the tests' own"
    return (
        f"{library}\n/dev/shm: the machine's, of which zinc_{RUN}-* is looked at ({SHARED_BECAUSE})"
    )


def names_here() -> set[str]:
    """Return the names in /dev/shm that this run may have made.

    All, where it is the run's own. Else those that the fixture `name` has given or that begin
    with such a name, as those of nearly all tests do.
    """
    names = set(os.listdir(SHM))
    if SHARED_BECAUSE is None:
        return names
    return {name for name in names if name.startswith(f"zinc_{RUN}-")}


def names_left(before: set[str]) -> set[str]:
    """Return the names that are there now and were not; not what a kill left, if that can go."""
    left = names_here() - before
    if left and all(name.startswith(NEW) for name in left):
        zinc.reclaim()
        left = names_here() - before
    return left


def traces() -> tuple[set[str], dict[str, str]]:
    """Return what a test may not leave: names in /dev/shm, and this process's descriptors."""
    gc.collect()
    descriptors = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            descriptors[entry] = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:
            continue  # that of the listing itself
    return names_here(), descriptors


def pytest_collection_finish() -> None:
    """Leave what is there before the tests out of their collections, which would look at all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _leaves_no_traces() -> Iterator[None]:
    threads = set(threading.enumerate())
    names, descriptors = traces()
    yield
    end = time.monotonic() + 60
    while True:
        _, descriptors_after = traces()
        left_names = names_left(names)
        new = {fd: to for fd, to in descriptors_after.items() if descriptors.get(fd) != to}
        left = [to for to in new.values() if "shm" in to or "memfd" in to]
        # A thread of what was cancelled may have a hold of it until it ends.
        if not (left_names or left) or threads.issuperset(threading.enumerate()):
            break
        assert time.monotonic() < end, (left_names, left)
        time.sleep(0.001)
    for one in left_names:  # of a test that fails, and no other one for it
        (SHM / one).unlink(missing_ok=True)
    assert left_names == set()
    assert not left


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what this machine has not the programs for; `make test` installs them all."""
    needed = [program for marker in item.iter_markers("needs") for program in marker.args]
    for fixture, program in ("programs", "swift"), ("compile_c", "cc"), ("stop", "strace"):
        if fixture in getattr(item, "fixturenames", ()):
            needed.append(program)
    for program in needed:
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")


@pytest.fixture
def name() -> str:
    """Return a name that no other test has."""
    return f"{RUN}-{next(counter)}"


@pytest.fixture(scope="session")
def programs() -> Path:
    """Return the folder of the Swift programs, built."""
    scratch = PROGRAMS / (".build/portable" if IS_PORTABLE else ".build")
    if os.access(PROGRAMS, os.W_OK):  # another user takes what is there
        build = ["swift", "build", "-c", "release", "--package-path", str(PROGRAMS)]
        build += ["--scratch-path", str(scratch)]
        build += ["--product", "zinc-peer", "-Xcc", "-DCZINC_PORTABLE"] if IS_PORTABLE else []
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return scratch / "release"


class Peer:
    """A Swift process that has a region; see tests/programs/Sources/peer."""

    def __init__(self, program: Path, command: str) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.place: dict[str, Any] = self.ask(command)

    def ask(self, command: str) -> Any:
        """Send a line, return the answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Let it close the region and exit."""
        self.process.communicate()


@pytest.fixture
def peer(programs: Path) -> Iterator[Callable[[str], Peer]]:
    """Return a function that starts a Swift process with a first command."""
    peers: list[Peer] = []

    def start(command: str) -> Peer:
        peers.append(Peer(programs / "zinc-peer", command))
        return peers[-1]

    yield start
    for one in peers:
        one.end()


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a piece of Python in a process of its own."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def compile_c(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that compiles tests/c/<name>.c against what is installed."""

    def compile_one(name: str, *flags: str) -> Path:
        library = Path(zinc.get_library())
        run = [f"-Wl,-rpath,{library.parent}", "-o", str(tmp_path / name)]
        warnings = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        source = [str(ROOT / f"tests/c/{name}.c"), f"-I{zinc.get_include()}", str(library)]
        subprocess.run(["cc", "-O2", *warnings, *source, *flags, *run], check=True)
        return tmp_path / name

    return compile_one


def sent(value: object, protocol: int | None = None) -> bytes:
    """Return what a queue, a pipe or a pool of multiprocessing sends."""
    return bytes(ForkingPickler.dumps(value, protocol))
