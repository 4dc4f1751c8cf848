"""The rules of a name's life, with real processes and real signals."""

from __future__ import annotations

import fcntl
import mmap
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zinc

from .conftest import SHM, may_unshare, only_linux, whole_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def place(name: str) -> Path:
    return SHM / f"zinc_{name}"


class Child:
    """A Python process that runs lines of code, one after the other, when it is told to."""

    LOOP = "import sys, os, zinc\nfor line in sys.stdin:\n    exec(line)\n    print('done', flush=True)"

    def __init__(self, *lines: str, prefix: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", self.LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in lines:
            self.do(line)

    def do(self, line: str) -> str:
        """Run a line; return what it printed."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        printed = ""
        while (answer := self.process.stdout.readline()) != "done\n":
            assert answer, self.process.communicate()[1]
            printed += answer
        return printed.strip()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it exit as a program does; it must say nothing."""
        output, errors = self.process.communicate()
        assert (output, errors, self.process.returncode) == ("", "", 0)


def create(name: str, size: int = 100, more: str = "") -> str:
    return f"r = zinc.create({name!r}, {size}{more}); r.as_buffer()[0] = 9"


# ---- rule 2 and 3: a name lasts as long as somebody is attached


def test_name_is_free_again_after_owner_is_killed(name: str) -> None:
    child = Child(create(name))
    with pytest.raises(FileExistsError):
        zinc.create(name, 100)
    child.kill()
    assert place(name).exists()
    with zinc.create(name, 200) as region:
        assert bytes(region.as_buffer()) == bytes(200)
        assert region.sequence == 0


def test_dead_region_is_not_found_and_reclaimed(name: str) -> None:
    Child(create(name)).kill()
    with pytest.raises(FileNotFoundError):
        zinc.open(name)
    assert not place(name).exists()


def test_region_outlives_its_creator(name: str) -> None:
    child = Child(create(name))
    with zinc.open(name) as region:
        child.kill()
        assert region.as_buffer()[0] == 9
        with zinc.open(name) as other:
            assert other.as_buffer()[0] == 9
    assert not place(name).exists()


def test_persistent_region_is_never_dead(name: str) -> None:
    Child(create(name, more=", persistent=True")).end()
    with pytest.raises(FileExistsError):
        zinc.create(name, 1)
    assert name not in zinc.reclaim()
    with zinc.open(name) as region:
        assert region.as_buffer()[0] == 9
    assert place(name).exists()
    zinc.unlink(name)
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


# ---- rule 4: nothing is removed that is not proved dead


def test_unlink_takes_the_name_and_leaves_the_memory(name: str) -> None:
    with zinc.create(name, 10) as first:
        zinc.unlink(name)
        with zinc.create(name, 20) as second:
            first.as_buffer()[0], second.as_buffer()[0] = 1, 2
            assert (first.as_buffer()[0], second.as_buffer()[0]) == (1, 2)
            first.close()
            with zinc.open(name) as found:
                assert len(found) == 20
    with pytest.raises(FileNotFoundError, match=f'unlink "{name}": not found'):
        zinc.unlink(name)


def test_unlink_leaves_junk_unless_forced(name: str) -> None:
    place(name).write_text("not a region")
    with pytest.raises(zinc.NotARegionError):
        zinc.unlink(name)
    assert place(name).exists()
    zinc.unlink(name, force=True)
    assert not place(name).exists()
    place(name).mkdir()
    zinc.unlink(name, force=True)
    place(name).symlink_to("/etc/passwd")
    zinc.unlink(name, force=True)
    assert Path("/etc/passwd").exists()
    with pytest.raises(FileNotFoundError):
        zinc.unlink(name, force=True)


def test_close_leaves_what_has_come_to_its_place(name: str) -> None:
    first, second = zinc.create(name, 1), zinc.open(name)
    zinc.unlink(name)
    zinc.create(name, 2, persistent=True).close()
    first.close()
    with zinc.open(name) as found:
        assert len(found) == 2
    zinc.unlink(name)
    place(name).write_text("not a region")
    second.close()
    assert place(name).read_text() == "not a region"
    place(name).unlink()


@whole_folder
def test_reclaim_takes_the_dead_and_tells_what_it_freed(name: str) -> None:
    junk = place(f"{name}-junk")
    junk.write_text("junk")
    alive = Child(create(f"{name}-alive"))
    with zinc.create(f"{name}-mine", 1), zinc.create(f"{name}-kept", 1, persistent=True):
        pass
    Child(create(f"{name}-2", 1, ", persistent=True")).kill()
    Child(create(f"{name}-dead", 1 << 20)).kill()  # the last one to begin, which removes the dead
    freed = {found: size for found, size in zinc.reclaim().items() if found.startswith(name)}
    assert freed == {f"{name}-dead": (1 << 20) + mmap.PAGESIZE}
    assert junk.exists()
    alive.end()
    junk.unlink()
    zinc.unlink(f"{name}-kept")
    zinc.unlink(f"{name}-2")


# ---- open_or_create


def test_open_or_create(name: str) -> None:
    with zinc.open_or_create(name, 100) as first:
        first.as_buffer()[0] = 3
        with zinc.open_or_create(name, 100) as second:
            assert second.as_buffer()[0] == 3
        with pytest.raises(FileExistsError, match="100 bytes, and 200 were asked for"):
            zinc.open_or_create(name, 200)
    Child(create(name)).kill()
    with zinc.open_or_create(name, 300) as region:
        assert len(region) == 300


def test_created_tells_which_call_it_was(name: str) -> None:
    with zinc.open_or_create(name, 8) as first, zinc.open_or_create(name, 8) as second:
        assert (first.created, second.created) == (True, False)
        with zinc.open(name) as third:
            assert not third.created
    assert first.created  # after close, too
    Child(create(name)).kill()
    with zinc.open_or_create(name, 8) as region:  # what was dead is made anew
        assert region.created
    with zinc.create(name, 8) as region, zinc.SharedRegion.anonymous(8) as anonymous:
        assert region.created
        assert anonymous.created
        with zinc.SharedRegion.from_fd(anonymous.descriptor()) as same:
            assert not same.created


def test_one_of_many_processes_created_it(name: str) -> None:
    code = f"r = zinc.open_or_create({name!r}, 4096); sys.stdout.write(str(r.created) + chr(10))"
    children = [Child() for _ in range(4)]
    for _ in range(30):
        told: list[str] = []
        threads = [threading.Thread(target=lambda c=c: told.append(c.do(code))) for c in children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["False"] * 3 + ["True"]
        for child in children:
            child.do("r.close()")
    for child in children:
        child.end()


def test_open_or_create_refuses_what_create_and_open_refuse(name: str) -> None:
    place(name).write_text("junk")
    with pytest.raises(zinc.NotARegionError):
        zinc.open_or_create(name, 1)
    place(name).unlink()
    for bad in ("", "a/b"):
        with pytest.raises(ValueError, match="open or create"):
            zinc.open_or_create(bad, 1)
    with pytest.raises(ValueError, match="capacity"):
        zinc.open_or_create(name, 0)


def test_processes_that_open_or_create_at_once_meet(name: str) -> None:
    code = f"r = zinc.open_or_create({name!r}, 4096); sys.stdout.write(str(os.stat(r'{place(name)}').st_ino) + chr(10))"
    children = [Child() for _ in range(4)]
    for _ in range(30):
        inodes = set()
        threads = [threading.Thread(target=lambda c=c: inodes.add(c.do(code))) for c in children]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(inodes) == 1
        for child in children:
            child.do("r.close()")
        assert not place(name).exists()
    for child in children:
        child.end()


# ---- fork


def in_child(function: Callable[[], Any]) -> int:
    """Run a function in a forked child; return its exit code, 1 if it raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_forked_child_that_closes_leaves_its_parent_attached(name: str) -> None:
    with zinc.create(name, 1) as region:
        assert in_child(region.close) == 0
        assert in_child(lambda: None) == 0
        assert in_child(lambda: os.kill(os.getpid(), signal.SIGKILL)) == -signal.SIGKILL
        zinc.open(name).close()
        assert region.notify() == 1
    assert not place(name).exists()


def fork_held(do: Callable[[], int]) -> Callable[[], int]:
    """Fork a child that waits, and return what lets it act and returns its exit status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(writer)
            os.read(reader, 1)
            status = do()
        finally:
            os._exit(status)
    os.close(reader)

    def let_go() -> int:
        os.close(writer)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return let_go


def test_forked_child_keeps_the_region_of_a_parent_that_closed(name: str) -> None:
    region = zinc.create(name, 1)

    def use() -> int:
        region.as_buffer()[0] = 7
        return int(zinc.open(name).as_buffer()[0])

    let_go = fork_held(use)
    region.close()
    with pytest.raises(FileExistsError):
        zinc.create(name, 1)
    assert let_go() == 7
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


def test_forked_child_that_closes_last_takes_the_name_along(name: str) -> None:
    region = zinc.create(name, 1)

    def close() -> int:
        region.close()
        return 0

    let_go = fork_held(close)
    region.close()
    assert place(name).exists()
    assert let_go() == 0
    assert not place(name).exists()


def test_fork_while_other_threads_create_and_close(name: str) -> None:
    """No child inherits a region in the making: at most one descriptor a region, with a name."""
    stop = threading.Event()

    def work(which: int) -> None:
        while not stop.is_set():
            zinc.open_or_create(f"{name}-{which}", 5000).close()

    def look() -> None:
        found = 0
        for entry in os.listdir("/proc/self/fd"):
            try:
                link, links = os.readlink(f"/proc/self/fd/{entry}"), os.fstat(int(entry)).st_nlink
            except OSError:
                continue  # that of the listing itself
            if link.startswith("/dev/shm/"):
                found += 1
                assert links == 1  # published, and alive because we are
        assert found <= 2

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    results = [in_child(look) for _ in range(200)]
    stop.set()
    for thread in threads:
        thread.join()
    assert results == [0] * 200
    zinc.reclaim()  # what a child had inherited as it was closed


CALLS = ["list readdir", "examine pread", "reclaim pread", "unlink pread", "open pread", "close pread", "close close"]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_fork_amid_a_call_hands_nothing_on(
    name: str, compile_c: Callable[..., Path], call: str
) -> None:
    """Whatever a call has open, a child that is forked meanwhile does not."""
    if call.startswith("open"):
        place(name).write_text("not a region")  # else the child would have the region
    elif not call.startswith("close"):
        zinc.create(name, 1, persistent=True).close()
    command = [str(compile_c("gate", "-pthread")), name, *call.split()]
    assert subprocess.check_output(command, text=True) == "0\n"
    place(name).unlink(missing_ok=True)


@pytest.mark.parametrize("call", ["create fallocate", "anonymous fallocate"])
def test_fork_amid_a_reservation_hands_nothing_on(
    name: str, compile_c: Callable[..., Path], call: str
) -> None:
    """The fork need not wait for what takes long, and the child has nothing of it."""
    command = [str(compile_c("gate", "-pthread")), name, *call.split(), "free"]
    assert subprocess.check_output(command, text=True) == "0\n"
    zinc.reclaim()  # what a child, not yet at its fork handler, had as it was closed


@whole_folder
def test_fork_amid_the_end_of_much_memory_keeps_none_of_it(
    name: str, compile_c: Callable[..., Path]
) -> None:
    Child(create(name, 16 << 20)).kill()
    command = [str(compile_c("gate", "-pthread")), name, "reclaim", "munmap", "free"]
    assert subprocess.check_output(command, text=True) == "0\n"
    assert not place(name).exists()


def test_child_of_a_waiting_parent_can_close(name: str) -> None:
    """The wait of a parent's thread is not in the child, and does not keep it from closing."""
    region = zinc.create(name, 1)
    waiter = threading.Thread(target=lambda: region.wait(None, after=0))
    waiter.start()
    while int.from_bytes(place(name).read_bytes()[24:28], sys.byteorder) == 0:
        time.sleep(0.001)
    assert in_child(region.close) == 0
    region.notify()
    waiter.join()
    region.close()


def attach_and_add(name: str) -> None:
    with zinc.open(name) as region:
        region.as_numpy("u8")[0] += 1
        region.notify()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_multiprocessing(name: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with zinc.create(name, 8) as region:
        for _ in range(3):
            process = context.Process(target=attach_and_add, args=(name,))
            process.start()
            process.join()
            assert process.exitcode == 0
        assert region.as_numpy("u8")[0] == 3
        assert region.sequence == 3


def test_nothing_is_inherited_across_exec(name: str) -> None:
    with zinc.create(name, 1), zinc.SharedRegion.anonymous(1):
        listing = subprocess.check_output(["ls", "-l", "/proc/self/fd"], text=True, close_fds=False)
        assert "zinc" not in listing
        assert "memfd" not in listing


# ---- anonymous regions


def test_anonymous_region() -> None:
    with zinc.SharedRegion.anonymous(5000) as region:
        assert region.name is None
        assert len(region) == 5000
        assert bytes(region.as_buffer()) == bytes(5000)
        assert repr(region).startswith("<zinc.SharedRegion anonymous, 5000 bytes at 0x")
        descriptor = region.descriptor()
        with zinc.SharedRegion.from_fd(descriptor) as other:
            other.as_buffer()[0] = 4
            other.notify()
            assert other.descriptor() != descriptor
        assert region.wait(0)
        assert region.as_buffer()[0] == 4
        with zinc.SharedRegion.from_fd(region.descriptor(), readonly=True) as reader:
            assert memoryview(reader).readonly
    with pytest.raises(ValueError, match="closed"):
        region.descriptor()


@only_linux("files whose size is sealed")
@pytest.mark.parametrize("size", [4096, 1 << 20])
def test_size_of_an_anonymous_region_is_for_life(size: int) -> None:
    with zinc.SharedRegion.anonymous(5000) as region, pytest.raises(PermissionError):
        os.ftruncate(region.descriptor(), size)


def test_what_polls_does_not_take_a_region_for_ready() -> None:
    """The descriptor of memory can always be read: a loop that watched it would spin."""
    with zinc.SharedRegion.anonymous(8) as region:
        assert select.select([region.descriptor()], [], [], 0)[0]
        for watch in (
            lambda: select.select([region], [], [], 0),  # type: ignore[type-var]
            lambda: select.poll().register(region),  # type: ignore[arg-type]
            lambda: zinc.wait_any([region], 0, sentinels=[region]),  # type: ignore[type-var]
        ):
            with pytest.raises((TypeError, AttributeError)):
                watch()


def test_anonymous_region_through_a_socket_and_a_child(name: str) -> None:
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs, zinc.SharedRegion.anonymous(100) as region:
        socket.send_fds(ours, [b"x"], [region.descriptor()])
        _, (descriptor,), _, _ = socket.recv_fds(theirs, 1, 1)
        with zinc.SharedRegion.from_fd(descriptor) as received:
            os.close(descriptor)
            received.as_buffer()[0] = 5
            assert region.as_buffer()[0] == 5
        code = "import sys, zinc; r = zinc.SharedRegion.from_fd(int(sys.argv[1])); r.as_buffer()[1] = 6; r.notify()"
        subprocess.run(
            [sys.executable, "-c", code, str(region.descriptor())],
            pass_fds=[region.descriptor()],
            check=True,
        )
        assert region.as_buffer()[1] == 6
        assert region.wait(0)
        assert in_child(lambda: region.as_buffer().__setitem__(2, 7)) == 0
        assert region.as_buffer()[2] == 7


def test_from_fd_refuses_what_is_no_anonymous_region(name: str, tmp_path: Path) -> None:
    with zinc.create(name, 1):
        descriptors = [
            os.open(tmp_path, os.O_RDONLY),
            os.open(place(name), os.O_RDWR),
            os.memfd_create("unsealed"),
            *os.pipe(),
        ]
        for descriptor in descriptors:
            with pytest.raises(zinc.NotARegionError):
                zinc.SharedRegion.from_fd(descriptor)
            os.close(descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            zinc.SharedRegion.from_fd(descriptors[0])
        with pytest.raises(ValueError, match=r"negative|-1"):
            zinc.SharedRegion.from_fd(-1)
    with pytest.raises(ValueError, match="capacity"):
        zinc.SharedRegion.anonymous(0)


@only_linux("files whose size is sealed")
def test_from_fd_refuses_what_can_change_its_size() -> None:
    with zinc.SharedRegion.anonymous(5000) as region:
        image = os.pread(region.descriptor(), mmap.PAGESIZE + 5000, 0)
    for seals in (0, fcntl.F_SEAL_GROW, fcntl.F_SEAL_SHRINK):
        descriptor = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(descriptor, image)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        with pytest.raises(zinc.NotARegionError, match="not sealed"):
            zinc.SharedRegion.from_fd(descriptor)
        os.close(descriptor)


def test_nobody_adds_a_seal_to_an_anonymous_region() -> None:
    """One against writing would take notifications from all who have it."""
    with zinc.SharedRegion.anonymous(1) as region, pytest.raises(PermissionError):
        fcntl.fcntl(region.descriptor(), fcntl.F_ADD_SEALS, 0x10)  # F_SEAL_FUTURE_WRITE


def test_memory_of_a_reader_can_not_be_written(name: str) -> None:
    def protection(region: zinc.SharedRegion) -> str:
        for line in Path("/proc/self/maps").read_text().splitlines():
            start, end = (int(one, 16) for one in line.split()[0].split("-"))
            if start <= region.address < end:
                return line.split()[1]
        raise AssertionError

    with zinc.create(name, 1) as region, zinc.SharedRegion.anonymous(1) as unnamed:
        assert protection(region) == protection(unnamed) == "rw-s"
        with zinc.open(name, readonly=True) as reader:
            assert protection(reader) == "r--s"
        with zinc.SharedRegion.from_fd(unnamed.descriptor(), readonly=True) as reader:
            assert protection(reader) == "r--s"


# ---- closing, and the end of an interpreter


EXITS = {
    "the end": "",
    "an exception": "raise SystemExit(0)",
    "sys.exit": "sys.exit(0)",
    "live views": "import numpy; a = r.as_numpy(); b = numpy.ndarray(8, buffer=r); m = memoryview(r)",
    "live views and close": "import numpy; a = r.as_numpy(); m = memoryview(r); r.close(); a[0] = 1",
    "a cycle": "class C: pass\nc = C(); c.c = c; c.r = r; del r",
    "running threads": "import threading, time\n"
    "def work():\n    while True: r.as_buffer()[0] = 1; r.notify()\n"
    "for _ in range(3): threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.05)",
    "waiting threads": "import threading, time\n"
    "for _ in range(3): threading.Thread(target=r.wait, args=(None,), daemon=True).start()\n"
    "time.sleep(0.05)",
    "an exit handler that uses it": "import atexit; atexit.register(r.notify)",
}


@pytest.mark.parametrize("how", EXITS)
def test_exit_says_nothing_and_leaves_nothing(
    name: str, how: str, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    result = python(f"import sys, zinc\nr = zinc.create({name!r}, 100)\n{EXITS[how]}")
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)
    assert not place(name).exists()


@pytest.mark.parametrize("mode", ["close-amid-exit", "exit-amid-close"])
def test_exit_and_close_wait_for_each_other(
    name: str, compile_c: Callable[..., Path], mode: str
) -> None:
    subprocess.run([str(compile_c("closing", "-pthread")), name, mode], check=True)
    assert not place(name).exists()


def test_uncaught_exception_leaves_nothing(
    name: str, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    result = python(f"import zinc; r = zinc.create({name!r}, 100); 1 / 0")
    assert result.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert not place(name).exists()


def test_close_while_other_threads_use_the_region(name: str) -> None:
    for _ in range(50):
        region = zinc.create(name, 4096)
        start = threading.Barrier(7)
        views: list[Any] = []
        unexpected: list[BaseException] = []

        def use(action: Callable[[], Any], start: Any = start, wrong: Any = unexpected) -> None:
            start.wait()
            try:
                for _ in range(100_000):
                    action()
            except ValueError as error:
                if "closed" not in str(error):
                    wrong.append(error)

        actions: list[Callable[[], Any]] = [
            region.notify,
            region.try_wait,
            lambda: region.wait(None),
            lambda: region.wait(1, after=region.sequence),
            lambda: views.append(memoryview(region)),
            lambda: region.as_numpy().sum(),
        ]
        threads = [threading.Thread(target=use, args=(action,)) for action in actions]
        for thread in threads:
            thread.start()
        start.wait()
        region.close()
        for thread in threads:
            thread.join()
        assert not unexpected
        assert not place(name).exists()
        for view in views:
            view[0] = 1
            view.release()


# ---- stopped processes, namespaces, users


def test_stopped_process_delays_nobody(name: str) -> None:
    child = Child(create(name))
    os.kill(child.process.pid, signal.SIGSTOP)
    with zinc.open(name) as region:
        assert region.notify() == 1
        with pytest.raises(FileExistsError):
            zinc.create(name, 1)
    assert place(name).exists()
    child.process.kill()
    child.process.communicate()
    zinc.create(name, 1).close()


def test_process_stopped_while_it_removes_is_named_and_passes(name: str) -> None:
    """The mildest thing: a clear error after a second, and all is well once it goes on."""
    import struct

    zinc.create(name, 1, persistent=True).close()
    try:
        with place(name).open("r+b") as file:
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
            with pytest.raises(OSError, match="is one stopped"):
                zinc.open(name)
            with pytest.raises(OSError, match="is one stopped"):
                zinc.unlink(name)
        zinc.open(name).close()
    finally:
        zinc.unlink(name)


def test_patience_is_a_time(name: str) -> None:
    """However often signals end the pauses in between."""
    import struct

    zinc.create(name, 1, persistent=True).close()
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with place(name).open("r+b") as file:
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            start = time.monotonic()
            with pytest.raises(OSError, match="is one stopped"):
                zinc.open(name)
            assert time.monotonic() - start >= 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        zinc.unlink(name)


@may_unshare
def test_equal_pids_in_pid_namespaces_do_not_matter(name: str) -> None:
    # Both are pid 1 (or 2) where they live.
    prefix = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    first = Child(create(name), prefix=prefix)
    second = Child(f"r = zinc.open({name!r})", prefix=prefix)
    assert first.do("print(os.getpid())") == second.do("print(os.getpid())")
    first.kill()
    with pytest.raises(FileExistsError):
        zinc.create(name, 1)
    assert second.do("print(r.as_buffer()[0])") == "9"
    second.kill()
    wait_until_dead(name)
    zinc.create(name, 1).close()


def wait_until_dead(name: str) -> None:
    """Wait until the kernel has ended the processes in a namespace whose first was killed."""
    while True:
        try:
            zinc.open(name).close()
        except FileNotFoundError:
            return
        time.sleep(0.01)
