"""What is in the middle of something while others exit, fork, remove, or send signals."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zinc

from .conftest import SHM, may_unshare

DEAD = "import os, sys, zinc; r = zinc.create(sys.argv[1], 8); os._exit(0)"


def place(name: str) -> Path:
    return SHM / f"zinc_{name}"


@pytest.mark.parametrize("what", ["exit", "forks", "callbacks"])
def test_exit_and_fork_beside_other_threads(
    compile_c: Callable[..., Path], tmp_path: Path, what: str
) -> None:
    program = compile_c("transitions", "-pthread")
    command = [str(program), what, "/tmp" if what == "exit" else str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.needs("strace")
def test_fork_waits_for_no_large_create_and_inherits_none_of_it(name: str, tmp_path: Path) -> None:
    code = """
import os, sys, threading, zinc
created = threading.Event()
def create():
    zinc.create(sys.argv[1], 4096).close()
    created.set()
thread = threading.Thread(target=create)
thread.start()
def unnamed():
    for fd in os.listdir("/proc/self/fd"):
        try:
            file = os.readlink(f"/proc/self/fd/{fd}")
            if file.startswith(("/dev/shm/#", "/dev/shm/.zinc_new_")): return True
        except FileNotFoundError: pass  # that of the listing itself
    return False
while not unnamed():
    pass
pid = os.fork()
if pid == 0:
    os._exit(2 if unnamed() else 0)
assert not created.is_set(), "the fork waited"
assert os.waitpid(pid, 0)[1] == 0, "the child has the file"
thread.join()
"""
    delay = ["-f", "-e", "trace=fallocate", "-e", "inject=fallocate:delay_enter=1500ms"]
    log = str(tmp_path / "log")
    command = ["strace", "-qq", "-o", log, *delay, sys.executable, "-c", code, name]
    subprocess.run(command, check=True)


@pytest.mark.needs("strace")
@pytest.mark.parametrize("operation", ["create", "open", "open_or_create"])
def test_name_that_is_just_being_reclaimed_is_waited_for(
    name: str, tmp_path: Path, operation: str
) -> None:
    subprocess.run([sys.executable, "-c", DEAD, name], check=True)
    log = tmp_path / "log"
    slow = ["strace", "-qq", "-o", str(log), "-e", "inject=unlink:delay_enter=300ms"]
    code = "import sys, zinc; print(zinc.reclaim().get(sys.argv[1]))"
    with subprocess.Popen(
        [*slow, "-e", "trace=fcntl,unlink", sys.executable, "-c", code, name],
        stdout=subprocess.PIPE,
        text=True,
    ) as reclaimer:
        while not is_being_removed(name):
            assert reclaimer.poll() is None
        if operation == "open":
            with pytest.raises(FileNotFoundError):
                zinc.open(name)
        elif operation == "create":
            zinc.create(name, 8).close()
        else:
            zinc.open_or_create(name, 8).close()
        assert reclaimer.communicate()[0] == "8192\n"


def is_being_removed(name: str) -> bool:
    """Does somebody hold the lock of who removes the name?"""
    lock = struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)
    with place(name).open("rb") as file:
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, lock)
    return bool(struct.unpack("hhqqi", answer)[0] == fcntl.F_WRLCK)


def test_signals_do_not_shorten_the_patience_for_a_lock(name: str) -> None:
    """With a profiling timer of a millisecond, as without one."""
    zinc.create(name, 8, persistent=True).close()
    file = place(name).open("r+b")
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    signals: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    threading.Timer(0.2, file.close).start()
    try:
        zinc.open(name).close()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        zinc.unlink(name)
    assert signals


def open_and_close(name: str) -> None:
    while True:
        try:
            zinc.open(name).close()
        except FileNotFoundError:
            continue


def test_crowd_that_opens_and_closes_keeps_nobody_from_removing(name: str) -> None:
    context = multiprocessing.get_context("fork")
    crowd = [context.Process(target=open_and_close, args=(name,), daemon=True) for _ in range(16)]
    for one in crowd:
        one.start()
    try:
        for _ in range(100):
            zinc.create(name, 8, persistent=True).close()
            zinc.unlink(name)
    finally:
        for one in crowd:
            one.kill()
            one.join()


def test_unlink_of_what_is_in_use_leaves_it(name: str) -> None:
    with zinc.create(name, 8, persistent=True) as region:
        with pytest.raises(OSError, match="in use"):
            zinc.unlink(name, if_unused=True)
        assert place(name).exists()
        region.close()
        zinc.unlink(name, if_unused=True)
    assert not place(name).exists()


def test_region_unlinks_its_own_name_and_no_other(name: str) -> None:
    with zinc.create(name, 8) as region:
        region.unlink()
        assert not place(name).exists()
        with pytest.raises(FileNotFoundError):
            region.unlink()
        with zinc.create(name, 16) as other:
            with pytest.raises(FileNotFoundError):
                region.unlink()
            assert zinc.open(name).id == other.id
        region.as_buffer()[0] = 1
    with zinc.SharedRegion.anonymous(8) as region, pytest.raises(ValueError, match="no name"):
        region.unlink()


def test_kept_region_outlives_its_last_user(name: str) -> None:
    """With a ticket and time left; see docs/reference/layout.md."""
    until = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 3600 * 10**9
    region = zinc.create(name, 8)
    region.as_buffer()[0] = 9
    keep(name, until, 1)
    region.close()
    assert name not in zinc.reclaim()
    with pytest.raises(FileExistsError):
        zinc.create(name, 8)
    with zinc.open(name) as region:
        assert region.as_buffer()[0] == 9
        keep(name, until, 0)  # nobody is to come any more
    assert not place(name).exists()
    region = zinc.create(name, 8)
    keep(name, 1, 1)  # or it is too late
    region.close()
    assert not place(name).exists()


def keep(name: str, until: int, tickets: int) -> None:
    with place(name).open("r+b") as file:
        file.seek(72)
        file.write(struct.pack("=QI", until, tickets))


def test_file_size_limit_is_an_error_and_no_signal(name: str) -> None:
    code = """
import errno, resource, sys, zinc
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
for make in (lambda: zinc.create(sys.argv[1], 1 << 20),
             lambda: zinc.create(sys.argv[1], 1 << 20, reserve=False),
             lambda: zinc.SharedRegion.anonymous(1 << 20)):
    try: make()
    except OSError as error: assert error.errno == errno.EFBIG and "ulimit -f" in str(error), error
    else: raise SystemExit("it fits")
zinc.create(sys.argv[1], 1 << 19).close()
"""
    subprocess.run([sys.executable, "-c", code, name], check=True)
    assert not place(name).exists()


@may_unshare
def test_dead_regions_make_room_for_names_too() -> None:
    code = """
import errno, os, zinc
for i in range(100):
    pid = os.fork()
    if pid == 0:
        try: zinc.create(f"dead-{i}", 8)
        except OSError: os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        break
zinc.create("new", 8).close()
full = []
try:
    for i in range(100): full.append(zinc.create(f"living-{i}", 8))
except OSError as error: assert error.errno == errno.ENOSPC and "nr_inodes" in str(error), error
else: raise SystemExit("there is no end")
"""
    mount = 'mount -t tmpfs -o nr_inodes=20 none /dev/shm && exec "$0" -c "$1"'
    subprocess.run(["unshare", "--mount", "sh", "-c", mount, sys.executable, code], check=True)


def test_failing_allocations_are_errors(compile_c: Callable[..., Path], name: str) -> None:
    program = compile_c("no_memory", "-ldl")
    result = subprocess.run([str(program), name], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result
    assert int(result.stdout) > 100
