"""Each operation, killed at every system call that it makes, one after the other.

strace kills the process with SIGKILL as it enters a system call; after each kill the
rules of a name's life are checked from here. Nothing may hang, either: that is the
watchdog's to notice.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zinc

from .conftest import SHM, whole_folder

Compile = Callable[..., Path]

CAPACITY = 8192
CONTENTS = bytes(range(256)) * (CAPACITY // 256)

# A forked child holds the region too while its parent closes; it ends with its parent.
FORK_THEN_CLOSE = """
import os, sys, zinc
region = zinc.open_or_create(sys.argv[1], 8192)
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(1, b"%d" % os.getpid())
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
os.close(reader)
os.getppid()
region.close()
os.getppid()
"""

# operation, what is there before: nothing, a dead region, or one that this process holds
SCENARIOS = [
    ("create", "nothing"),
    ("create", "dead"),
    ("share", "nothing"),
    ("share", "dead"),
    ("replace", "nothing"),
    ("replace", "living"),
    ("replace", "dead"),
    ("open", "living"),
    ("open", "dead"),
    ("open-or-create", "nothing"),
    ("open-or-create", "living"),
    ("open-or-create", "dead"),
    ("close", "nothing"),
    ("close", "living"),
    # Looks at all that is there: as many system calls each time only where that does not change.
    pytest.param("reclaim", "dead", marks=whole_folder),
    pytest.param("reclaim", "living", marks=whole_folder),
    ("unlink", "living"),
    ("unlink", "dead"),
    ("notify", "living"),
    ("wait", "living"),
    ("fork-then-close", "nothing"),
    ("fork-then-close", "living"),
]


def await_end(pid: int) -> None:
    """Wait until a process that is no child of this one has let go of all that it had."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        select.select([descriptor], [], [])
        os.close(descriptor)


class Scenario:
    """An operation and its surroundings, as often as it takes."""

    def __init__(self, program: Path, folder: Path, name: str, operation: str, before: str) -> None:
        self.name, self.operation, self.before = name, operation, before
        self.path = SHM / f"zinc_{name}"
        self.log = folder / "strace.log"
        self.region: zinc.SharedRegion | None = None
        self.command = (
            [sys.executable, "-c", FORK_THEN_CLOSE, name]
            if operation == "fork-then-close"
            else [str(program), operation, name]
        )

    def set_up(self) -> None:
        if self.before == "living":
            self.region = zinc.create(self.name, CAPACITY)
            self.region.as_buffer()[:] = CONTENTS
        elif self.before == "dead":  # the file of a region to which nobody is attached
            with zinc.create(self.name, CAPACITY) as region:
                region.as_buffer()[:] = CONTENTS
                image = self.path.read_bytes()
            self.path.write_bytes(image)

    def run(self, *inject: str) -> list[str]:
        """Run it under strace; return its system calls, one a line."""
        strace = ["strace", "-o", str(self.log), *inject]
        reader, writer = os.pipe()
        subprocess.run(
            [*strace, *self.command], stdout=writer, stderr=subprocess.DEVNULL, check=False
        )
        os.close(writer)
        with os.fdopen(reader) as output:
            printed = output.read()
        if self.operation == "fork-then-close" and printed:
            await_end(int(printed))
        return self.log.read_text().splitlines()

    def points(self) -> Iterator[tuple[str, int]]:
        """Yield each system call between the marks: its name, and the how many-th of it it is."""
        self.set_up()
        calls = self.run()
        self.tear_down()
        seen: collections.Counter[str] = collections.Counter()
        is_inside = False
        for call in calls:
            match = re.match(r"(\w+)\(", call)
            if not match:
                continue
            seen[match[1]] += 1
            if match[1] == "getppid":
                is_inside = not is_inside
            elif is_inside:
                yield match[1], seen[match[1]]

    def kill_at(self, call: str, count: int) -> bool:
        """Kill it there; return whether that was between the marks."""
        lines = self.run(f"--inject={call}:signal=SIGKILL:when={count}")
        marks = sum(line.startswith("getppid(") for line in lines)
        return marks == 1 and "killed by SIGKILL" in lines[-1]

    def check(self) -> None:
        """Check the rules from the outside, then make sure that the name is as good as new."""
        if self.region:
            self.check_living(self.region)
        else:
            self.check_dead()
        with zinc.open_or_create(self.name, CAPACITY) as mine, zinc.open(self.name) as other:
            sequence = mine.notify()
            assert other.wait(0)
            assert other.sequence == sequence
            assert not other.wait(1, after=sequence)

    def check_living(self, region: zinc.SharedRegion) -> None:
        assert region.as_buffer() == CONTENTS
        if self.operation in ("unlink", "replace") and not region.linked:
            with pytest.raises(FileNotFoundError):
                zinc.open(self.name)
            return
        with pytest.raises(FileExistsError):
            zinc.create(self.name, CAPACITY)
        with zinc.open(self.name) as found:
            assert found.as_buffer() == CONTENTS
            found.notify()
        assert region.try_wait()
        assert self.name not in zinc.reclaim()

    def check_dead(self) -> None:
        if self.path.exists():
            assert self.path.stat().st_size == mmap.PAGESIZE + CAPACITY
            assert self.path.read_bytes()[:8] == b"GER_CNIZ"
            if self.operation == "share":
                assert self.path.read_bytes()[mmap.PAGESIZE :] == CONTENTS
        if self.operation not in (
            "create",
            "share",
            "replace",
        ):  # else this process would do the removing
            with pytest.raises(FileNotFoundError):
                zinc.open(self.name)
        with zinc.create(self.name, CAPACITY) as region:
            assert region.as_buffer() == bytes(CAPACITY)

    def tear_down(self) -> None:
        if self.region:
            self.region.close()
            self.region = None
        zinc.reclaim()
        assert not self.path.exists()


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("operation", "before"), SCENARIOS)
def test_killed_at_every_system_call(
    compile_c: Compile, tmp_path: Path, name: str, operation: str, before: str
) -> None:
    scenario = Scenario(compile_c("operation"), tmp_path, name, operation, before)
    points = list(scenario.points())
    if operation != "notify":  # which makes none where nobody sleeps
        assert points
    killed = 0
    for index in range(len(points)):
        # What is set up before the marks looks around for as long as it has time, so that the
        # count of a call differs now and then: it is counted anew where the kill missed.
        for _ in range(5):
            scenario.set_up()
            is_hit = scenario.kill_at(*points[index])
            scenario.check()
            scenario.tear_down()
            if is_hit:
                break
            counted = list(scenario.points())
            points = counted if len(counted) == len(points) else points
        killed += is_hit
    assert killed >= len(points) * 0.8, (killed, points)
    print(f"{operation}, {before}: killed at {killed} of {len(points)} system calls")


def test_waiter_killed_in_its_sleep_costs_two_wakes(name: str) -> None:
    code = "import sys, zinc; zinc.open(sys.argv[1]).wait(None)"
    with zinc.create(name, 1) as region:
        waiter = subprocess.Popen([sys.executable, "-c", code, name])
        while int.from_bytes((SHM / f"zinc_{name}").read_bytes()[24:28], sys.byteorder) == 0:
            assert waiter.poll() is None
            os.sched_yield()
        waiter.kill()
        waiter.wait()
        header = (SHM / f"zinc_{name}").read_bytes
        region.notify()  # finds its ticket
        region.notify()  # says that it was answered
        parked, woken = header()[24:28], header()[56:60]
        assert parked == woken
        assert region.wait(0)
