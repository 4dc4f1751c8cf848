"""Waiting for a region that nobody has created yet."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zinc

from .test_forbidden import run_without
from .test_interleavings import Stopped, stop
from .test_lifecycle import Child, create

Compile = Callable[..., Path]
__all__ = ["stop"]  # a fixture


def watches(process: int | str = "self") -> list[str]:
    """The descriptors with which a process is told of what comes into a folder."""
    folder = f"/proc/{process}/fd"
    found = []
    for descriptor in os.listdir(folder):
        try:
            target = os.readlink(f"{folder}/{descriptor}")
        except FileNotFoundError:  # that of the listing
            continue
        if target == "anon_inode:inotify":
            found.append(descriptor)
    return found


def until_watching(process: int | str = "self") -> None:
    """Wait until it waits for a region, or is about to."""
    while not watches(process):
        time.sleep(0.001)


class Waiting:
    """A process that opens a region with an argument, and prints what becomes of it."""

    def __init__(self, name: str, call: str = "open", timeout: str = "None") -> None:
        code = f"import zinc; r = zinc.{call}({name!r}, timeout_ms={timeout}); print(len(r))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until_watching(self.process.pid)

    def result(self) -> tuple[str, int]:
        output, errors = self.process.communicate()
        return output + errors, self.process.returncode


def test_open_waits_for_what_another_process_creates(name: str) -> None:
    waiting = [Waiting(name), Waiting(name, timeout="600_000")]
    with zinc.create(f"{name}-other", 8), zinc.create(f"{name}{name}", 8):
        assert [one.process.poll() for one in waiting] == [None, None]
        child = Child(create(name))
        assert [one.result() for one in waiting] == [("100\n", 0)] * 2
        child.end()


def test_open_array_waits(name: str) -> None:
    waiting = Waiting(name, "open_array")
    shared = zinc.array(name, 7, "u2")
    assert waiting.result() == ("7\n", 0)
    shared.region.close()


def test_dead_region_is_not_what_is_waited_for(name: str) -> None:
    Child(create(name)).kill()
    waiting = Waiting(name)
    with zinc.create(name, 8):
        assert waiting.result() == ("8\n", 0)


def test_region_that_dies_while_it_is_waited_for_and_comes_again(name: str) -> None:
    waiting = Waiting(name)
    waiting.process.send_signal(signal.SIGSTOP)
    Child(create(name)).kill()
    with zinc.create(name, 8):
        waiting.process.send_signal(signal.SIGCONT)
        assert waiting.result() == ("8\n", 0)


def test_time_that_is_over(name: str) -> None:
    begin = time.monotonic()
    with pytest.raises(FileNotFoundError, match=f'^.Errno 2. wait for "{name}": not found') as told:
        zinc.open(name, timeout_ms=30.5)
    assert time.monotonic() - begin >= 0.03
    assert told.value.errno == errno.ENOENT
    with pytest.raises(FileNotFoundError, match="wait for"):
        zinc.open_array(name, timeout_ms=1)
    with pytest.raises(FileNotFoundError, match=f'open "{name}": not found'):
        zinc.open(name, timeout_ms=0)
    assert watches() == []


@pytest.mark.parametrize("bad", [-1, float("nan")])
def test_timeout_that_can_not_be(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match="timeout_ms must be None or at least 0"):
        zinc.open(name, timeout_ms=bad)


def test_what_is_there_and_no_region_fails_at_once(name: str) -> None:
    place = Path(f"/dev/shm/zinc_{name}")
    place.write_bytes(b"x" * 100)
    try:
        with pytest.raises(zinc.NotARegionError):
            zinc.open(name, timeout_ms=None)
    finally:
        place.unlink()


def test_interrupt_ends_the_wait(name: str) -> None:
    waiting = Waiting(name)
    waiting.process.send_signal(signal.SIGINT)
    text, status = waiting.result()
    assert text.endswith("KeyboardInterrupt\n")
    assert status == -signal.SIGINT


def test_wait_goes_on_after_a_handler_that_returns(name: str) -> None:
    with_handler = Child(
        "import signal; signal.signal(signal.SIGUSR1, lambda *_: print('told', flush=True))"
    )
    assert with_handler.process.stdin
    with_handler.process.stdin.write(f"r = zinc.open({name!r}, timeout_ms=None)\n")
    with_handler.process.stdin.flush()
    until_watching(with_handler.process.pid)
    with_handler.process.send_signal(signal.SIGUSR1)
    assert with_handler.process.stdout
    assert with_handler.process.stdout.readline() == "told\n"
    with zinc.create(name, 8):
        assert with_handler.process.stdout.readline() == "done\n"
        with_handler.do("r.close()")
    with_handler.end()


def test_other_threads_run_meanwhile(name: str) -> None:
    made: list[zinc.SharedRegion] = []

    def make() -> None:
        until_watching()
        made.append(zinc.create(name, 8))

    thread = threading.Thread(target=make)
    thread.start()
    with zinc.open(name, timeout_ms=None) as region:
        thread.join()
        assert region.id == made[0].id
    made[0].close()
    assert watches() == []


def test_child_that_is_forked_meanwhile_has_no_watch(name: str) -> None:
    child = Child(
        "import threading",
        f"t = threading.Thread(target=zinc.open, args=[{name!r}], kwargs={{'timeout_ms': None}})",
        "t.start()",
    )
    until_watching(child.process.pid)
    look = (
        "[f for f in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fdinfo/{f}') and "
    )
    look += "'inotify' in open(f'/proc/self/fdinfo/{f}').read()]"
    assert child.do(look.join(["print(", ")"])) != "[]"
    fork = f"pid = os.fork()\nif not pid: os._exit(len({look}))\nprint(os.waitpid(pid, 0)[1])"
    assert child.do(f"exec({fork!r})") == "0"
    with zinc.create(name, 8):
        child.do("t.join()")
    child.end()


@pytest.mark.needs("strace", "cc")
def test_region_that_comes_between_the_look_and_the_sleep(
    name: str, stop: Callable[..., Stopped], compile_c: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sleeps have no end of their own here: who is not woken hangs."""
    preload = compile_c("no_naps", "-shared", "-fPIC")
    for look in (1, 2):
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(preload))
            opener = stop("print(zinc.open(name, timeout_ms=None).id)", "openat", look)
        with zinc.create(name, 8) as region:
            assert opener.end() == str(region.id)


LATE = """
import subprocess, sys, zinc
maker = "import sys, zinc; r = zinc.create(sys.argv[1], 8); print(flush=True); sys.stdin.read()"
command = [sys.executable, "-c", maker, sys.argv[1]]
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
with subprocess.Popen(command, **pipes) as maker:
    print(len(zinc.open(sys.argv[1], timeout_ms=None)))
    maker.communicate()
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    "fault",
    ["inotify_init1:error=EMFILE", "inotify_init1:error=EPERM", "inotify_add_watch:error=ENOSPC"],
)
def test_where_there_is_no_watch_it_looks_often(name: str, tmp_path: Path, fault: str) -> None:
    assert run_without(tmp_path, fault, LATE, name) == "8\n"


@pytest.mark.needs("strace")
def test_waiting_is_not_polling(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys, zinc\ntry: zinc.open(sys.argv[1], timeout_ms=300)\nexcept OSError: pass"
    strace = ["strace", "-qq", "-o", str(log), "-P", f"/dev/shm/zinc_{name}", "-e", "openat"]
    subprocess.run([*strace, sys.executable, "-c", code, name], check=True)
    assert len(log.read_text().splitlines()) <= 3  # before it has a watch, with it, at the end
