"""Descriptors that other code of the process closes, as what becomes a daemon does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import zinc

KINDS: dict[str, Callable[[str], zinc.SharedRegion]] = {
    "named": lambda name: zinc.create(f"{name}-2", 8),
    "opened": zinc.open,
    "read-only": lambda name: zinc.open(name, readonly=True),
    "anonymous": lambda _: zinc.SharedRegion.anonymous(8),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["close", "forget"])
def test_strangers_descriptor_is_not_closed(name: str, kind: str, how: str) -> None:
    with zinc.create(name, 8) as other:
        region = KINDS[kind](name)
        (number,) = region.descriptors()
        reader, writer = os.pipe()
        os.close(number)
        with pytest.raises(OSError, match="has closed its descriptor") as closed:
            region.descriptors()
        assert closed.value.errno == errno.EBADF
        os.dup2(reader, number)
        try:
            with pytest.raises(OSError, match="has closed its descriptor"):
                region.descriptors()
            region.as_buffer()  # goes on
            if how == "close":
                region.close()
            del region
            os.write(writer, b"x")
            assert os.read(number, 1) == b"x"
        finally:
            for descriptor in {reader, writer, number}:
                os.close(descriptor)
        assert other.descriptors()
        zinc.reclaim()


def test_number_that_nobody_has_is_no_fault(name: str) -> None:
    region = zinc.create(name, 8)
    os.close(region.descriptors()[0])
    region.close()  # and its name goes all the same
    assert not os.path.exists(f"/dev/shm/zinc_{name}")


def test_anonymous_one_does_not_send_a_strangers_descriptor() -> None:
    region = zinc.SharedRegion.anonymous(8)
    number = region.descriptor()
    assert region.descriptors() == [number]
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, number)
    with pytest.raises(OSError, match="find the descriptor: other code") as closed:
        region.descriptor()
    assert closed.value.errno == errno.EBADF
    region.close()
    for descriptor in {null, number}:
        os.close(descriptor)
    with pytest.raises(ValueError, match="closed"):
        region.descriptors()


DAEMON = """
import os, sys, zinc

region = zinc.create(sys.argv[1], 8)
if os.fork():
    os._exit(0)
os.setsid()
spared = sorted({0, 1, 2, *(region.descriptors() if sys.argv[2] == "spare" else [])})
for first, last in zip(spared, [*spared[1:], 4096]):
    os.closerange(first + 1, last)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("what", ["spare", "all"])
def test_daemon_that_spares_the_descriptors_stays_attached(name: str, what: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON, name, what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        if what == "spare":
            zinc.open(name).close()
        else:
            with pytest.raises(FileNotFoundError):
                zinc.open(name)
        assert process.stdin
        process.stdin.close()
        assert process.stdout.read() == ""  # until the daemon has ended
    assert not os.path.exists(f"/dev/shm/zinc_{name}")


# Closes a lock's descriptors, whose numbers then lead to another file, in which nobody has a lock.
HAS_LOST_THEM = """
import os, sys, tempfile, zinc
name, which, wants = sys.argv[1:]
lock = zinc.RWLock(name) if wants == "write" else zinc.Lock(name, lambda lock: print("taken"))
wanted = lock.write if wants == "write" else lock
assert not wanted.acquire(False)
numbers = lock.region.descriptors()
strangers = tempfile.TemporaryFile()
lost = numbers if which == "both" else [numbers[which == "seat"]]
for number in lost:
    os.dup2(strangers.fileno(), number)
try:
    print(wanted.acquire(timeout_ms=100))
except OSError as error:
    print(error.errno)
pid = os.fork()
if pid == 0:
    for number in lost:
        os.fstat(number)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
lock.close()
for number in lost:
    os.fstat(number)
"""


@pytest.mark.parametrize("which", ["attached", "seat", "both"])
@pytest.mark.parametrize("wants", ["lock", "write"])
def test_who_has_lost_its_descriptors_takes_no_lock_from_the_living(
    name: str, which: str, wants: str
) -> None:
    lock = zinc.RWLock(name).read if wants == "write" else zinc.Lock(name)
    with lock:
        result = subprocess.run(
            [sys.executable, "-c", HAS_LOST_THEM, name, which, wants],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stderr == ""
        # A writer asks for dead readers through its seat alone.
        expected = "False" if (wants, which) == ("write", "attached") else str(errno.EBADF)
        assert result.stdout.strip() == expected
