"""What killed processes leave is removed by the first create or open of any other process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import zinc

from .conftest import SHM, whole_folder

# Where others may have a thousand names, one process need not come to these.
pytestmark = whole_folder

VICTIM = """
import os, signal, sys, zinc
region = zinc.create(sys.argv[1], 1 << 20)
os.kill(os.getpid(), int(sys.argv[2]))
"""

BEGINNINGS = {
    "create": "zinc.create(name, 8)",
    "open": "zinc.open(name)",
    "open_or_create": "zinc.SharedRegion.open_or_create(name, 8)",
}

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def leave_dead(name: str, number: int = signal.SIGKILL) -> None:
    """Let a process end by a signal that has a region of this name."""
    done = subprocess.run([sys.executable, "-c", VICTIM, name, str(int(number))], check=False)
    assert done.returncode == -number
    assert (SHM / f"zinc_{name}").exists()


@pytest.fixture
def persistent(name: str) -> Iterator[str]:
    """The name of a region that others may open, and that nobody is attached to."""
    zinc.create(name, 8, persistent=True).close()
    yield name
    zinc.unlink(name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
@pytest.mark.parametrize("first", [*BEGINNINGS])
def test_first_call_removes_the_dead(
    python: Python, name: str, first: str, number: signal.Signals, persistent: str
) -> None:
    dead = [f"{name}-dead-{i}" for i in range(5)]
    for one in dead:
        leave_dead(one, number)
    code = f"import sys, zinc; name = sys.argv[1]; {BEGINNINGS[first]}"
    left = dead
    while left:  # once, unless this machine takes the process off its processor for that long
        done = python(code, persistent if first == "open" else f"{name}-other")
        assert (done.returncode, done.stderr) == (0, "")
        before, left = left, [one for one in dead if (SHM / f"zinc_{one}").exists()]
        assert len(left) < len(before)


def test_second_call_does_not_look(python: Python, name: str) -> None:
    code = """
import os, sys, zinc
name = sys.argv[1]
with zinc.create(name, 8):
    image = open("/dev/shm/zinc_" + name, "rb").read()
with open("/dev/shm/zinc_" + name + "-dead", "wb") as dead:  # a region that nobody has
    dead.write(image)
zinc.create(name, 8).close()
pid = os.fork()  # a child has looked with its parent
if pid == 0:
    zinc.create(name, 8).close()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
print(os.path.exists("/dev/shm/zinc_" + name + "-dead"))
"""
    done = python(code, name)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert zinc.reclaim().keys() == {f"{name}-dead"}


def test_all_else_stays_and_nothing_fails(python: Python, name: str, persistent: str) -> None:
    """Living, persistent and kept regions, and what has a region's place but is none."""
    living = zinc.create(f"{name}-living", 8)
    with zinc.create(f"{name}-kept", 8) as kept:
        kept.keep(3600)
    place = f"{SHM}/zinc_{name}-junk-"
    os.mkfifo(place + "fifo")
    os.mkdir(place + "folder")
    os.symlink("/etc/hostname", place + "link")
    (SHM / f"zinc_{name}-junk-empty").touch()
    (SHM / f"zinc_{name} is no name").touch()
    names = set(os.listdir(SHM))
    done = python("import sys, zinc; zinc.create(sys.argv[1], 8).close()", f"{name}-other")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(os.listdir(SHM)) == names
    living.close()
    for junk in "fifo", "folder", "link", "empty":
        zinc.unlink(f"{name}-junk-{junk}", force=True)
    zinc.unlink(f"{name}-kept")
    (SHM / f"zinc_{name} is no name").unlink()


def test_more_names_than_it_has_time_for(python: Python, name: str) -> None:
    """Then each process removes some, none waits, and all are removed in the end."""
    with zinc.create(name, 8):
        image = (SHM / f"zinc_{name}").read_bytes()
    dead = [SHM / f"zinc_{name}-{i}" for i in range(1500)]
    for path in dead:
        path.write_bytes(image)
    code = "import sys, zinc; zinc.create(sys.argv[1], 8).close()"
    left = len(dead)
    for _ in range(3):
        assert python(code, f"{name}-other").returncode == 0
        before, left = left, sum(path.exists() for path in dead)
        assert 0 < left < before
    zinc.reclaim()
    assert not any(path.exists() for path in dead)
