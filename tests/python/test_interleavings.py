"""One process stopped between two of its system calls, while others do all of theirs.

strace stops it with SIGSTOP after a system call on the region's file; so nothing here depends on
who is faster. What it then finds is not what it saw before, and it has to notice.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zinc

from .conftest import IS_PORTABLE, SHM, whole_folder
from .test_lifecycle import Child, create

pytestmark = pytest.mark.needs("strace")


def place(name: str) -> Path:
    return SHM / f"zinc_{name}"


class Stopped:
    """A Python process that runs `code`, stopped after its `count`-th `call` on the file."""

    def __init__(self, log: Path, name: str, code: str, call: str, count: int = 1) -> None:
        self.log = log
        inject = f"inject={call}:signal=SIGSTOP:when={count}"
        command = [sys.executable, "-c", f"import os, sys, zinc\nname = {name!r}\n{code}"]
        self.tracer = subprocess.Popen(
            ["strace", "-qq", "-o", str(log), "-P", str(place(name)), "-e", inject, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wait_for("--- stopped by SIGSTOP ---")

    def wait_for(self, text: str) -> None:
        """Wait until it stands in the trace; the watchdog is pytest's."""
        while not self.log.exists() or text not in self.log.read_text():
            assert self.tracer.poll() is None, f"it ended before {text}"
            time.sleep(0.001)

    def go_on(self) -> None:
        children = Path(f"/proc/{self.tracer.pid}/task/{self.tracer.pid}/children").read_text()
        for pid in children.split():
            os.kill(int(pid), signal.SIGCONT)

    def end(self) -> str:
        """Let it go on to its end; return what it printed."""
        if self.tracer.poll() is None:
            self.go_on()
        printed = self.tracer.communicate()[0]
        assert self.tracer.returncode == 0
        return printed.strip()


@pytest.fixture
def stop(tmp_path: Path, name: str) -> Iterator[Callable[..., Stopped]]:
    """Return a function that runs code until it is stopped; its arguments are those of Stopped."""
    started: list[Stopped] = []
    numbers = itertools.count()

    def start(code: str, call: str, count: int = 1) -> Stopped:
        started.append(Stopped(tmp_path / f"log-{next(numbers)}", name, code, call, count))
        return started[-1]

    yield start
    for one in started:
        if one.tracer.poll() is None:
            one.go_on()
        one.tracer.communicate()


def test_open_amid_which_the_name_passes_on(name: str, stop: Callable[..., Stopped]) -> None:
    first = zinc.create(name, 8)
    opener = stop("print(zinc.open(name).id)", "fcntl")  # it has seen that somebody is attached
    first.close()
    with zinc.create(name, 16) as second:
        assert opener.end() == str(second.id)


def test_create_amid_which_another_takes_the_dead_name(
    name: str, stop: Callable[..., Stopped]
) -> None:
    Child(create(name)).kill()
    code = "try: zinc.create(name, 24)\nexcept FileExistsError: print('exists')"
    creator = stop(code, "pread64")  # it has the dead one open, to remove it
    with zinc.create(name, 16) as region:
        assert creator.end() == "exists"
        with zinc.open(name) as same:
            assert same.id == region.id


def test_create_whose_name_is_removed_or_passes_on_at_once(
    name: str, stop: Callable[..., Stopped]
) -> None:
    """The new region has a name, and is not mapped yet."""
    for is_taken in False, True:
        code = "with zinc.create(name, 8) as region: region.as_buffer()[:] = b'creators'"
        creator = stop(code, "renameat2" if IS_PORTABLE else "linkat")
        zinc.unlink(name)
        region = zinc.create(name, 16) if is_taken else zinc.SharedRegion.anonymous(16)
        assert creator.end() == ""
        assert bytes(region.as_buffer()) == bytes(16)
        assert place(name).exists() == is_taken
        region.close()


def test_create_amid_which_the_last_user_keeps_the_region(
    name: str, stop: Callable[..., Stopped]
) -> None:
    region = zinc.create(name, 8)
    code = "try: zinc.create(name, 24)\nexcept FileExistsError: print('exists')"
    creator = stop(code, "pread64")  # it has seen that nobody asked for it to be kept
    region.keep(3600)
    region.close()
    assert creator.end() == "exists"
    with zinc.open(name) as same:
        assert same.capacity == 8
        same.unlink()


def test_unlink_of_the_unused_amid_which_the_name_is_taken_anew(
    name: str, stop: Callable[..., Stopped]
) -> None:
    zinc.create(name, 8, persistent=True).close()
    code = "try: zinc.unlink(name, if_unused=True)\nexcept OSError as error: print(error.errno)"
    remover = stop(code, "pread64")  # nobody is attached to what it has open
    zinc.unlink(name)
    with zinc.create(name, 8) as region:
        assert remover.end() == str(errno.EBUSY)
        with zinc.open(name) as same:
            assert same.id == region.id


def test_close_amid_which_the_name_is_taken_anew(name: str, stop: Callable[..., Stopped]) -> None:
    closer = stop("zinc.create(name, 8).close()", "openat")  # its own is what it has open
    zinc.unlink(name)
    zinc.create(name, 16, persistent=True).close()
    assert closer.end() == ""
    with zinc.open(name) as region:
        assert len(region) == 16
    zinc.unlink(name)


@whole_folder
def test_reclaim_and_open_of_what_has_just_died(name: str, stop: Callable[..., Stopped]) -> None:
    """Either the opener attaches, and the name stays, or the remover removes it."""
    owner = Child(create(name))
    code = (
        "try: region = zinc.open(name)\n"
        "except FileNotFoundError: print('not found')\n"
        "else: sys.stdin.read(); print(os.path.exists('/dev/shm/zinc_' + name))"
    )
    opener = stop(code, "fcntl")  # it has seen that somebody is attached
    owner.kill()
    remover = stop("zinc.reclaim()", "fcntl")  # it has seen that nobody is
    opener.go_on()
    opener.wait_for("F_OFD_SETLK")
    remover.end()
    assert opener.end() in ("not found", "True")
