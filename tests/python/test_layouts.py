"""Regions of another layout version: made by a zinc that is older or newer than this one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zinc
from zinc import _zinc

LAYOUT = _zinc.VERSION >> 16
OTHERS = [1, 3, LAYOUT + 1, 65535]
ATTACHED, EDGE = 0, 1  # bytes that are locked; the second in layouts before 4 alone


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zinc", *arguments], capture_output=True, text=True, check=False
    )


def place(name: str) -> Path:
    return Path(f"/dev/shm/zinc_{name}")


@pytest.fixture
def make(name: str) -> Iterator[Callable[..., Path]]:
    """Return a function that makes a region of another layout, which nobody has."""

    def one(layout: int, *, persistent: bool = False, seconds_kept: int = 0) -> Path:
        zinc.create(name, 5000, persistent=True).close()
        with place(name).open("r+b") as file:
            file.seek(8)
            file.write(struct.pack("<HH", layout, persistent))
            # What only the layout itself explains may be anything.
            for start, end in (12, 72), (84, 88), (96, 4096):
                file.seek(start)
                file.write(os.urandom(end - start))
            if seconds_kept:
                file.seek(72)
                now = _boot_time()
                file.write(struct.pack("<QI", now + seconds_kept * 10**9, 1))
        return place(name)

    yield one
    place(name).unlink(missing_ok=True)


def _boot_time() -> int:
    import time

    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@contextlib.contextmanager
def locked(path: Path, byte: int, kind: int = fcntl.F_RDLCK) -> Iterator[None]:
    """Lock a byte of a file, as a process of that layout does."""
    with path.open("r+b") as file:
        lock = struct.pack("hhqqi", kind, os.SEEK_SET, byte, 1, 0)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
        yield


@pytest.mark.parametrize("layout", OTHERS)
def test_dead_one_of_another_layout_goes(name: str, make: Callable[..., Path], layout: int) -> None:
    make(layout)
    with pytest.raises(FileNotFoundError):
        zinc.open(name)
    assert not place(name).exists()  # who met it removed it
    for capacity in 8, 2 << 20:  # the second looks before it begins
        make(layout)
        with zinc.create(name, capacity) as region:
            assert region.capacity == capacity
            assert not any(region.as_buffer())
    make(layout)
    with zinc.open_or_create(name, 8) as region:
        assert region.capacity == 8
    make(layout)
    assert zinc.reclaim()[name] > 0
    make(layout)
    _zinc.unlink(name, _zinc.IF_UNUSED)
    assert not place(name).exists()


@pytest.mark.parametrize("layout", OTHERS)
@pytest.mark.parametrize("why", ["attached", "persistent", "kept"])
def test_living_one_of_another_layout_stays(
    name: str, make: Callable[..., Path], layout: int, why: str
) -> None:
    path = make(layout, persistent=why == "persistent", seconds_kept=60 * (why == "kept"))
    inode = path.stat().st_ino
    with locked(path, ATTACHED) if why == "attached" else contextlib.nullcontext():
        with pytest.raises(zinc.NotARegionError, match=f"layout version {layout}, and this") as no:
            zinc.open(name)
        assert no.value.errno == errno.EBADMSG
        for capacity in 8, 2 << 20:
            with pytest.raises(FileExistsError, match=f"of layout version {layout}, and this"):
                zinc.create(name, capacity)
        with pytest.raises(zinc.NotARegionError, match="layout version"):
            zinc.open_or_create(name, 8)
        assert name not in zinc.reclaim()
        if why == "attached":
            with pytest.raises(OSError, match="in use") as used:
                zinc.unlink(name, if_unused=True)
            assert used.value.errno == errno.EBUSY
        assert path.stat().st_ino == inode
        zinc.unlink(name)  # that is how one says that it has to go
        assert not path.exists()


@pytest.mark.parametrize("how", ["reclaim", "unlink"])
def test_opener_of_an_old_layout_is_not_overtaken(
    name: str, make: Callable[..., Path], how: str
) -> None:
    path = make(3)
    with locked(path, EDGE):  # it has seen that the region lives, and is about to attach
        if how == "reclaim":
            assert name not in zinc.reclaim()
        else:
            with pytest.raises(OSError, match="is one stopped") as busy:
                zinc.unlink(name, if_unused=True)
            assert busy.value.errno == errno.EBUSY
        assert path.exists()
    assert name in zinc.reclaim()
    path = make(4 if LAYOUT > 4 else LAYOUT + 1)
    with locked(path, EDGE):  # which means nothing there
        assert name in zinc.reclaim()


def test_what_the_command_tells_of_another_layout(name: str, make: Callable[..., Path]) -> None:
    path = make(3)
    with locked(path, ATTACHED):
        line = next(line for line in run("ls").stdout.splitlines() if line.startswith(name))
        assert re.search(r" layout 3 ", line)
        info = run("info", name)
        assert info.returncode == 1
        assert "made by a zinc of layout version 3" in info.stderr
        assert f"{os.getpid()} " in info.stdout  # who has to be ended
        assert name not in run("gc").stdout
        for arguments in ("rm", name), ("rm", "--dry-run", name):
            assert run(*arguments).returncode == 1
        assert path.exists()
    assert name in run("gc", "--dry-run").stdout
    assert run("rm", "--dry-run", name).stdout == f"would remove {name}\n"
    assert name in run("gc").stdout
    assert not path.exists()
    make(3)
    assert run("rm", name).stdout == f"removed {name}\n"


def test_what_has_no_magic_is_nobodys_to_remove(name: str, make: Callable[..., Path]) -> None:
    path = make(3)
    with path.open("r+b") as file:
        file.write(b"x")
    assert name not in zinc.reclaim()
    with pytest.raises(zinc.NotARegionError, match="no zinc header"):
        zinc.unlink(name)
    assert path.exists()
