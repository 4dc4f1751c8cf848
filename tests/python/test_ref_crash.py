"""Objects and references whose processes are killed at every system call, or find no room.

strace kills, as in test_crash.py; here it takes hold of a child that is forked, since numpy takes
long to import. What is left is looked at from this process: no object that is half there has a name
that somebody could come by, none is loaded wrongly, and what stays is what a ticket keeps: as long
as its lease, or until the reference is loaded.
"""

from __future__ import annotations

import array
import collections
import gc
import mmap
import os
import pickle
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

from .conftest import SHM, may_unshare, sent

DATA = array.array("q", range(5000))
GAPS = numpy.ones((100, 200))[::2, ::2]

# Between its calls strace kills.
mark = os.getppid

Operation = Callable[[bytes, Callable[[bytes], object]], object]


def put(message: bytes, say: Callable[[bytes], object]) -> object:
    mark()
    ref = zinc.put([DATA, DATA])
    mark()
    return ref


def put_in_place(message: bytes, say: Callable[[bytes], object]) -> object:
    mark()
    ref = zinc.put(GAPS)  # which is written once its memory is there
    mark()
    return ref


def build(message: bytes, say: Callable[[bytes], object]) -> object:
    mark()
    building = zinc.build(5000, "i8")
    with building as built:
        built[:] = DATA
    del built
    mark()
    return building


def get(message: bytes, say: Callable[[bytes], object]) -> object:
    ref = zinc.put(DATA)
    mark()
    one, other = ref.get(), ref.get(copy=True)
    mark()
    assert one == other == DATA
    return ref


def release(message: bytes, say: Callable[[bytes], object]) -> object:
    ref = zinc.put(numpy.arange(5000))
    assert ref.get()[-1] == 4999
    mark()
    ref.release()
    mark()
    return ref


def send(message: bytes, say: Callable[[bytes], object]) -> object:
    ref = zinc.put(DATA)
    mark()
    say(sent(ref))
    mark()
    return ref


def load(message: bytes, say: Callable[[bytes], object]) -> object:
    mark()
    ref = pickle.loads(message)
    loaded = ref.get()
    mark()
    assert loaded == DATA
    return ref


def objects() -> list[str]:
    """Return the names of objects' regions."""
    gc.collect()
    return [entry.removeprefix("zinc_") for entry in os.listdir(SHM) if "zinc_object-" in entry]


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import what they import, which children have then."""
    message = sent(zinc.put(DATA))
    for operation in put, put_in_place, build, get, release, load:
        operation(message, len)


class Run:
    """An operation in a child, which strace looks at."""

    def __init__(self, folder: Path, operation: Operation, message: bytes, *options: str) -> None:
        self.log = folder / "strace.log"
        self.log.unlink(missing_ok=True)
        self.reader, writer = os.pipe()
        gate, opened = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            gc.disable()  # which would close what was its parent's amid what is counted
            os.write(writer, b"!")  # what is done after each fork is done
            try:
                while not select.select([gate], [], [], 0.001)[0]:
                    os.getpgid(0)
                operation(message, lambda said: os.write(writer, said))
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        os.close(gate)
        os.read(self.reader, 1)
        strace = ["strace", "-qq", "-o", str(self.log), "-p", str(self.pid), *options]
        self.strace = subprocess.Popen(strace, stderr=subprocess.PIPE)
        # By a call that no operation makes: what is counted begins behind it.
        while not self.log.exists() or "getpgid(" not in self.log.read_text():
            assert self.strace.poll() is None, self.strace.communicate()
            time.sleep(0.001)
        os.write(opened, b"!")
        os.close(opened)

    def await_stop(self) -> bool:
        """Wait until it is stopped, or has ended: was it, between the marks?"""
        while self.strace.poll() is None:
            text = self.log.read_text()
            if text.count("--- stopped by SIGSTOP ---"):
                return text.count("getppid(") == 1
            time.sleep(0.001)
        return False

    def end(self) -> tuple[list[str], bytes, int]:
        """Return its system calls, one a line, what it said, and how it ended."""
        _, status = os.waitpid(self.pid, 0)
        self.strace.communicate()
        with os.fdopen(self.reader, "rb") as said:
            return self.log.read_text().splitlines(), said.read(), status


def options_for(call: str, count: int, name: str) -> list[str]:
    """Return options of strace, to send a signal at a system call."""
    return [
        "-e",
        f"trace={call},getppid,getpgid",
        "-e",
        f"inject={call}:signal={name}:when={count}",
    ]


def points(folder: Path, operation: Operation, message: bytes = b"") -> list[tuple[str, int]]:
    """Return each system call between the marks: its name, and the how many-th of it it is."""
    seen: collections.Counter[str] = collections.Counter()
    found = []
    is_inside = False
    calls, said, status = Run(folder, operation, message).end()
    assert status == 0, calls
    for call in calls:
        if match := re.match(r"(\w+)\(", call):
            seen[match[1]] += 1
            if match[1] == "getppid":
                is_inside = not is_inside
            elif is_inside:
                found.append((match[1], seen[match[1]]))
    if said:
        assert pickle.loads(said).get() == DATA
    zinc.reclaim()  # it has ended without exit handlers
    assert objects() == []
    return found


def kill_at(
    folder: Path, operation: Operation, message: bytes, call: str, count: int
) -> tuple[bool, bytes]:
    """Kill it there; return whether that was between the marks, and what it had said."""
    run = Run(folder, operation, message, *options_for(call, count, "SIGKILL"))
    lines, said, status = run.end()
    is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert is_killed or status == 0, lines
    return is_killed and sum("getppid(" in line for line in lines) == 1, said


@pytest.mark.needs("strace")
@pytest.mark.parametrize("operation", [put, put_in_place, build, get, release])
def test_killed_at_every_system_call(tmp_path: Path, operation: Operation) -> None:
    there = points(tmp_path, operation)
    assert bool(there) == (operation is not get)  # which makes none
    killed = 0
    for call, count in there:
        killed += kill_at(tmp_path, operation, b"", call, count)[0]
        left = objects()
        assert len(left) <= 1
        for name in left:  # of the dead, which nobody knows
            seen = zinc.examine(name)
            assert seen.state == "dead"
            assert (SHM / f"zinc_{name}").stat().st_size == mmap.PAGESIZE + (seen.capacity or 0)
        zinc.reclaim()
        assert objects() == []
    assert killed >= 0.8 * len(there), (killed, there)
    print(f"killed at {killed} of {len(there)} system calls")


@pytest.mark.needs("strace")
def test_sender_killed_at_every_system_call(tmp_path: Path) -> None:
    """What it has sent is loaded; what it has not keeps the object for the lease, and no longer."""
    outcomes: collections.Counter[str] = collections.Counter()
    for call, count in [*points(tmp_path, send), ("getppid", 1), ("getppid", 2)]:
        _, said = kill_at(tmp_path, send, b"", call, count)
        zinc.reclaim()
        left = objects()
        if said:
            assert pickle.loads(said).get() == DATA
            outcomes["sent"] += 1
        elif left:
            assert zinc.examine(left[0]).state == "unattached"
            with zinc.open(left[0]) as region:
                region.give_back()  # as its lease does
            outcomes["kept"] += 1
        else:
            outcomes["not pickled"] += 1
        assert objects() == []
    # Where it is, it looks up before it keeps anything.
    assert outcomes.pop("not pickled") > 1
    assert outcomes == {"sent": 1, "kept": 1}


@pytest.mark.needs("strace")
@pytest.mark.parametrize("is_sender_alive", [True, False])
def test_loader_killed_at_every_system_call(tmp_path: Path, is_sender_alive: bool) -> None:
    """Until it has attached somebody else may load what it has not; the sender goes on."""
    there = points(tmp_path, load, sent(zinc.put(DATA)))
    killed = 0
    outcomes: collections.Counter[str] = collections.Counter()
    for call, count in [*there, ("getppid", 2)]:
        ref = zinc.put(DATA)
        name, message = str(ref.name), sent(ref)
        if not is_sender_alive:
            ref.release()
        killed += kill_at(tmp_path, load, message, call, count)[0]
        if is_sender_alive:
            assert ref.get() == DATA
            ref.release()
        zinc.reclaim()
        if objects():  # it has not given the ticket back
            assert objects() == [name]
            assert zinc.examine(name).state == "unattached"
            assert pickle.loads(message).get() == DATA
            outcomes["kept"] += 1
        else:
            with pytest.raises(pickle.UnpicklingError, match="not found"):
                pickle.loads(message)
            outcomes["gone"] += 1
        assert objects() == []
    assert killed >= 0.8 * len(there), (killed, there)
    assert outcomes["gone"] >= 1, outcomes
    print(f"killed at {killed} of {len(there)} system calls: {outcomes}")


@pytest.mark.needs("strace")
def test_sender_killed_at_every_system_call_of_the_load(tmp_path: Path) -> None:
    """The loader is stopped there, and goes on when the sender is dead and what is dead is gone."""
    there = points(tmp_path, load, sent(zinc.put(DATA)))
    stopped = 0
    for call, count in there:
        sender, message = start_sender()
        run = Run(tmp_path, load, message, *options_for(call, count, "SIGSTOP"))
        stopped += run.await_stop()
        kill(sender)
        zinc.reclaim()
        os.kill(run.pid, signal.SIGCONT)
        lines, _, status = run.end()
        assert status == 0, lines
        zinc.reclaim()
        assert objects() == []
    assert stopped >= 0.8 * len(there), (stopped, there)


def start_sender() -> tuple[int, bytes]:
    """Return a process that has sent a reference, and lives, and the message."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        ref = zinc.put(DATA)
        os.write(writer, sent(ref))
        while True:
            signal.pause()
    os.close(writer)
    message = os.read(reader, 4096)
    os.close(reader)
    return pid, message


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_sender_killed(moment: str) -> None:
    sender, message = start_sender()
    if moment == "before":
        kill(sender)
        zinc.reclaim()
        assert len(objects()) == 1
    ref = pickle.loads(message)
    loaded = ref.get()
    if moment == "after":
        kill(sender)
        zinc.reclaim()
    assert loaded == ref.get() == DATA
    ref.release()
    assert objects() == []


# ---- no room

FULL = """
import errno, os, sys, numpy, zinc
sys.path.insert(0, sys.argv[1])
import apart
apart.leave()
apart.call("mount", b"none", b"/dev/shm", b"tmpfs", 0, b"size=2m")
MIB = 1 << 20
whole = numpy.ones((MIB // 8, 2))

def refused(call, least):
    try:
        call()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        numbers = [int(word) for word in str(error).split() if word.isdigit()]
        assert numbers[0] >= least and numbers[2] == 2 * MIB, error
        assert "/dev/shm has" in str(error) and "remount" in str(error), error
    else:
        sys.exit("there was room")
    assert os.listdir("/dev/shm") == kept, os.listdir("/dev/shm")

def build():
    with zinc.build(3 * MIB, "u1"):
        sys.exit("there was room")

kept = []
for _ in range(20):
    refused(lambda: zinc.put(whole), 2 * MIB)
    refused(lambda: zinc.put([whole[:, :1], whole[:, 1:], numpy.ones(MIB // 8)]), 3 * MIB)
    refused(lambda: zinc.put([numpy.ones(MIB // 16), numpy.ones(3 * MIB // 16)]), 2 * MIB)
    refused(build, 3 * MIB)
with zinc.put(numpy.ones(MIB // 8)) as ref:
    kept = ["zinc_" + ref.name]
    refused(lambda: zinc.put(numpy.ones(MIB // 8)), MIB)
    assert ref.get().sum() == MIB // 8
with zinc.put(numpy.ones(MIB // 8)) as ref:  # there is room again
    assert ref.get().sum() == MIB // 8
assert not os.listdir("/dev/shm")
"""


@may_unshare
def test_full_folder_is_no_space(python: Any) -> None:
    result = python(FULL, str(Path(__file__).parents[1]))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
