"""Each way to fail: the exception, its message, and that nothing is left behind.

That no name and no descriptor stays is checked around every test (conftest).
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _zinc

from .conftest import ROOT, SHM, may_unshare

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's file")


def place(name: str) -> Path:
    return SHM / f"zinc_{name}"


@pytest.fixture
def in_place(name: str) -> Iterator[Path]:
    """Return where the region's file would be, and clear it after the test."""
    path = place(name)
    yield path
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


BAD_NAMES = [
    "", "a/b", "/", ".", "..", "a b", "a.b", "é", "\uff4e", "a\nb", "\n", "a\0b", "\0", "x" * 251,
    "x" * 100_000, "'; rm -rf /", "%s%n", "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("call", [lambda n: zinc.create(n, 1), zinc.open], ids=["create", "open"])
def test_impossible_name(call: Callable[[str], Any], bad: str) -> None:
    with pytest.raises(ValueError, match=r"1 to 250 characters|NUL|surrogates"):
        call(bad)


@pytest.mark.parametrize("wrong", [None, b"name", 3, 1.5, ["a"]], ids=repr)
def test_name_of_wrong_type(wrong: Any) -> None:
    with pytest.raises(TypeError):
        zinc.create(wrong, 1)
    with pytest.raises(TypeError):
        zinc.open(wrong)


@pytest.mark.parametrize("bad", [0, -1, 1 << 63, 1 << 64, -(1 << 70), (1 << 63) - 1, 10**30])
def test_impossible_capacity(name: str, bad: int) -> None:
    with pytest.raises(
        ValueError, match=f'create "{name}": the capacity must be 1 to [0-9]+ bytes'
    ):
        zinc.create(name, bad)


@pytest.mark.parametrize("wrong", [None, "1", 1.0, b"1", []], ids=repr)
def test_capacity_of_wrong_type(name: str, wrong: Any) -> None:
    with pytest.raises(TypeError):
        zinc.create(name, wrong)


@pytest.mark.parametrize("bad", [0, -1, 0o400, 0o200, 0o1600, 0o70000, 1 << 32, (1 << 32) + 0o600])
def test_impossible_mode(name: str, bad: int) -> None:
    with pytest.raises(ValueError, match="mode"):
        zinc.create(name, 1, mode=bad)


def test_living_name_is_taken(name: str) -> None:
    with zinc.create(name, 1):
        with pytest.raises(FileExistsError, match=f'create "{name}": already exists') as caught:
            zinc.create(name, 1 << 21)
        assert caught.value.errno == errno.EEXIST
        with pytest.raises(FileExistsError):  # before it reserves what does not fit
            zinc.create(name, 1 << 50)


def test_nobody_has_the_name(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f'open "{name}": not found') as caught:
        zinc.open(name)
    assert caught.value.errno == errno.ENOENT


def test_too_little_memory(name: str) -> None:
    needed = (1 << 50) + mmap.PAGESIZE
    with pytest.raises(OSError, match=f"{needed} bytes do not fit: /dev/shm has") as caught:
        zinc.create(name, 1 << 50)
    assert caught.value.errno == errno.ENOSPC


@as_root
def test_region_of_another_user(name: str) -> None:
    with zinc.create(name, 1):
        os.chown(place(name), 65534, 65534)
        with pytest.raises(
            PermissionError, match=f'open "{name}": the region belongs to user 65534'
        ):
            zinc.open(name)
        zinc.open(name, any_user=True).close()


@as_root
def test_region_whose_mode_keeps_others_out(name: str, python: Callable[..., Any]) -> None:
    code = "import os, sys, zinc; os.setuid(65534); zinc.open(sys.argv[1], any_user=True)"
    with zinc.create(name, 1):
        failed = python(code, name)
    assert "PermissionError" in failed.stderr
    assert f'open "{name}"' in failed.stderr
    assert "Permission denied" in failed.stderr


@may_unshare
def test_pipe_that_may_only_be_read_keeps_nobody_waiting(name: str, in_place: Path) -> None:
    os.mkfifo(in_place)
    in_place.chmod(0o444)
    code = f"import zinc\ntry: zinc.open({name!r})\nexcept zinc.NotARegionError: print('refused')"
    nobody = [str(ROOT / "tests/unprivileged"), sys.executable, "-c", code]
    assert subprocess.check_output(nobody, text=True, timeout=60) == "refused\n"


def make_text(path: Path) -> None:
    path.write_text("hello " * 100)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_dangling_link(path: Path) -> None:
    path.symlink_to(f"{path}-nothing")


MAKERS: list[Callable[[Path], None]] = [
    Path.touch, Path.mkdir, os.mkfifo, make_text, make_socket, make_link, make_dangling_link
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_something_else_has_the_place(
    name: str, in_place: Path, make: Callable[[Path], None]
) -> None:
    make(in_place)
    before = in_place.lstat()
    with pytest.raises(zinc.NotARegionError, match=f'open "{name}": not a region') as caught:
        zinc.open(name)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EBADMSG
    with pytest.raises(zinc.NotARegionError):
        zinc.open(name, readonly=True)
    with pytest.raises(FileExistsError, match="not a zinc region"):
        zinc.create(name, 1)
    assert in_place.lstat().st_ino == before.st_ino


def test_link_to_a_region_is_not_followed(name: str, in_place: Path) -> None:
    with zinc.create(f"{name}-real", 1):
        in_place.symlink_to(place(f"{name}-real"))
        with pytest.raises(zinc.NotARegionError):
            zinc.open(name)


@pytest.fixture
def image(name: str) -> bytes:
    """Return the file of a persistent region of 5000 bytes, which nobody has any more."""
    zinc.create(name, 5000, persistent=True).close()
    bytes_of_it = place(name).read_bytes()
    place(name).unlink()
    assert len(bytes_of_it) == mmap.PAGESIZE + 5000
    return bytes_of_it


@pytest.mark.parametrize("size", [1, 71, 72, 128, 4095, 4096, 4097, 9095])
def test_truncated_region(name: str, image: bytes, in_place: Path, size: int) -> None:
    in_place.write_bytes(image[:size])
    with pytest.raises(zinc.NotARegionError):
        zinc.open(name)


LAYOUT = _zinc.VERSION >> 16

LIES = {
    "magic": ("<Q", 0, 0x5A494E435F524548),
    "older version": ("<H", 8, LAYOUT - 1),
    "newer version": ("<H", 8, LAYOUT + 1),
    "capacity one less": ("<Q", 16, 4999),
    "capacity one more": ("<Q", 16, 5001),
    "capacity 0": ("<Q", 16, 0),
    "capacity 2**63": ("<Q", 16, 1 << 63),
    "capacity 2**64 - 1": ("<Q", 16, (1 << 64) - 1),
    "capacity 2**64 - 4096": ("<Q", 16, (1 << 64) - 4096),
    "metadata of 2049": ("<I", 68, 2049),
    "metadata of 2**32 - 1": ("<I", 68, (1 << 32) - 1),
    "offset 0": ("<Q", 48, 0),
    "offset 1": ("<Q", 48, 1),
    "offset unaligned": ("<Q", 48, 4104),
    "offset next page": ("<Q", 48, 8192),
    "offset beyond the end": ("<Q", 48, 1 << 40),
    "offset 2**63": ("<Q", 48, 1 << 63),
    "offset 2**64 - 4096": ("<Q", 48, (1 << 64) - 4096),
}


@pytest.mark.parametrize("lie", LIES)
def test_header_that_lies(name: str, image: bytes, in_place: Path, lie: str) -> None:
    form, offset, value = LIES[lie]
    damaged = bytearray(image)
    struct.pack_into(form, damaged, offset, value)
    in_place.write_bytes(damaged)
    with pytest.raises(
        zinc.NotARegionError, match=r"damaged|layout version|no zinc header|begins at"
    ):
        zinc.open(name)
    with pytest.raises(FileExistsError):
        zinc.create(name, 1)


def test_data_begins_where_its_maker_has_pages(name: str, in_place: Path) -> None:
    begins = 16 * mmap.PAGESIZE
    with zinc.create(name, 5000, metadata=b"told") as region:
        region.as_buffer()[:] = b"x" * 5000
        image = bytearray(place(name).read_bytes())
    struct.pack_into("<Q", image, 48, begins)
    struct.pack_into("<H", image, 10, 1)  # persistent
    header, data = image[: mmap.PAGESIZE], image[mmap.PAGESIZE :]
    in_place.write_bytes(header + bytes(begins - mmap.PAGESIZE) + data)
    with zinc.open(name) as region, zinc.open(name, readonly=True) as reader:
        assert bytes(region.metadata) == b"told"
        assert bytes(region.as_buffer()) == bytes(reader.as_buffer()) == b"x" * 5000
        region.as_buffer()[4999] = 121
        assert reader.as_buffer()[4999] == 121
        assert in_place.read_bytes()[begins + 4999] == 121
    smaller = mmap.PAGESIZE // 2
    struct.pack_into("<Q", header, 48, smaller)
    in_place.write_bytes(header[:smaller] + data)
    with pytest.raises(zinc.NotARegionError, match=f"byte {smaller}, .* of {mmap.PAGESIZE} alone"):
        zinc.open(name)


def test_random_headers_never_crash(name: str, image: bytes, in_place: Path) -> None:
    generator = random.Random(12)
    opened = 0
    for _ in range(2000):
        damaged = bytearray(image)
        for _ in range(generator.choice([1, 2, 8])):
            damaged[generator.randrange(72)] = generator.choice([0, 1, 127, 128, 255])
        in_place.write_bytes(damaged)
        try:
            with zinc.open(name) as region:
                assert bytes(region.as_buffer()) == bytes(5000)
                assert not any(region.metadata)
                region.notify()
                assert not region.wait(0, after=region.sequence)
                opened += 1
        except (zinc.NotARegionError, FileNotFoundError):
            pass
    assert opened > 0


@pytest.mark.parametrize("bad", [-1, -0.001, float("nan"), float("-inf"), -(10**30)], ids=repr)
def test_impossible_timeout(name: str, bad: float) -> None:
    with zinc.create(name, 1) as region, pytest.raises(ValueError, match="timeout_ms"):
        region.wait(bad)


@pytest.mark.parametrize("bad", [-1, 1 << 32, 1 << 64, -(1 << 64)])
def test_impossible_after(name: str, bad: int) -> None:
    with zinc.create(name, 1) as region, pytest.raises(ValueError, match="after must be"):
        region.wait(after=bad)


@pytest.mark.parametrize("kind", [numpy.uint32, numpy.int64, numpy.uint64, bool])
def test_after_is_any_whole_number(name: str, kind: Callable[[int], Any]) -> None:
    with zinc.create(name, 1) as region:
        region.notify()
        assert region.wait(0, after=kind(0))
        assert not region.wait(0, after=kind(1))
        assert not region.wait(0.01, after=kind(1))
        assert _zinc.wait_many([region], 0, False, (kind(0),)) == [region]
        assert _zinc.wait_many([region], 0, False, (kind(1),)) == []
        for wrong in (
            numpy.float64(1),
            numpy.array([1, 2]),
            numpy.int64(-1),
            numpy.uint64(1 << 32),
        ):
            with pytest.raises((TypeError, ValueError)):
                region.wait(0, after=wrong)  # type: ignore[arg-type]
            with pytest.raises((TypeError, ValueError)):
                _zinc.wait_many([region], 0, False, (wrong,))  # type: ignore[arg-type]


def test_wrong_arguments_of_wait(name: str) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda r: r.wait("1"),
        lambda r: r.wait(after="1"),
        lambda r: r.wait(after=1.5),
        lambda r: r.wait(1, 2, True, 4),
        lambda r: r.wait(1, timeout_ms=1),
        lambda r: r.wait(timeout=1),
        lambda r: r.notify(1),
    ]
    with zinc.create(name, 1) as region:
        for call in calls:
            with pytest.raises(TypeError):
                call(region)


def test_unlink_of_an_object_is_of_its_own_name(name: str) -> None:
    first = zinc.create(name, 8, persistent=True)
    first.unlink()
    assert not place(name).exists()
    first.as_buffer()[0] = 1  # it goes on
    with pytest.raises(FileNotFoundError, match=f'unlink "{name}"') as caught:
        first.unlink()
    assert caught.value.errno == errno.ENOENT
    with zinc.create(name, 8) as second:
        with pytest.raises(FileNotFoundError, match=f'unlink "{name}"'):
            first.unlink()
        with zinc.open(name) as third:
            assert third.id == second.id
            third.unlink()
        assert not place(name).exists()
    first.close()
    with pytest.raises(ValueError, match="closed"):
        first.unlink()
    with zinc.SharedRegion.anonymous(8) as unnamed, pytest.raises(ValueError, match="unlink"):
        unnamed.unlink()


def test_unlink_of_what_nobody_uses(name: str) -> None:
    region = zinc.create(name, 8, persistent=True)
    with pytest.raises(OSError, match=f'unlink "{name}"') as caught:
        _zinc.unlink(name, _zinc.IF_UNUSED)
    assert caught.value.errno == errno.EBUSY
    with zinc.open(name):
        region.close()
        with pytest.raises(OSError, match=f'unlink "{name}"'):
            _zinc.unlink(name, _zinc.IF_UNUSED)
    _zinc.unlink(name, _zinc.IF_UNUSED)
    with pytest.raises(FileNotFoundError):
        _zinc.unlink(name, _zinc.IF_UNUSED)
    with pytest.raises(ValueError, match="flag"):
        _zinc.unlink(name, 1 << 20)


# Lets each single allocation of an action fail, one after the other.
NO_MEMORY = """
import sys
import _testcapi, zinc
from zinc import _zinc

name, Region = sys.argv[1], zinc.SharedRegion
new = f"{name}-new"
region = zinc.create(name, 8, metadata=b"m")
unnamed, closed = Region.anonymous(8), Region.anonymous(8)
closed.close()
regions, wrong = (region, unnamed), (region, closed)

wait = Region.wait

def outcome(before, function, *args):
    sys._getframe()  # or Python 3.11 loses the exception where it finds no memory for that
    try:
        try:
            _testcapi.set_nomemory(before, before + 1)
            function(*args)
        except BaseException as error:
            return type(error)
        finally:
            _testcapi.remove_mem_hooks()
    except MemoryError:  # it was this script's own
        _testcapi.remove_mem_hooks()
        return MemoryError

for expected, *call in (
    (None, _zinc.create, Region, new, 8, 0, 0o600, False, b"m", 0),
    (FileExistsError, _zinc.create, Region, name, 8, 0, 0o600, False, b"m", 0),
    (TypeError, _zinc.create, int, name, 8, 0, 0o600, False, b"m", 0),
    (ValueError, _zinc.create, Region, "", 8, 0, 0o600, False, b"m", 0),
    (None, _zinc.open, Region, name, 0, 0),
    (FileNotFoundError, _zinc.open, Region, new, 0, 0),
    (FileNotFoundError, _zinc.open, Region, new, 0, 0.01),
    (None, _zinc.anonymous, Region, 8, 0, b"", 0),
    (None, _zinc.from_fd, Region, unnamed.descriptor(), 0),
    (FileNotFoundError, _zinc.unlink, new, False),
    (None, _zinc.names),
    (None, _zinc.reclaim),
    (None, _zinc.examine, name),
    (None, memoryview, region),
    (ValueError, memoryview, closed),
    (None, region.as_buffer),
    (None, repr, region),
    (None, repr, closed),
    (None, getattr, region, "metadata"),
    (None, getattr, region, "address"),
    (None, region.notify),
    (None, region.wait, 0.01, 10**9),
    (None, region.wait, 0),
    (ValueError, region.wait, 0, 1 << 40),
    (ValueError, region.wait, -1),
    (ValueError, closed.wait),
    (None, _zinc.wait_many, [region, unnamed], 0.01, False, ()),
    (None, _zinc.wait_many, (region, unnamed), 0.01, True, (10**9, 10**9)),
    (ValueError, _zinc.wait_many, (region, closed), 0.01, True, ()),
    (None, region.__enter__),
    (None, closed.__exit__, None, None, None),
):
    raised = [outcome(before, *call) for before in range(40)]
    assert set(raised) <= {MemoryError, expected}, (call, raised)
    assert raised[-1] == expected, (call, raised)
    assert new not in _zinc.names()
print("fine")
"""


def test_no_memory_for_a_python_object(name: str) -> None:
    pytest.importorskip("_testcapi")
    done = subprocess.run(
        [sys.executable, "-c", NO_MEMORY, name], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_with_closes_as_a_subclass_does(name: str) -> None:
    class Own(zinc.SharedRegion):
        def close(self) -> None:
            closed.append(self.closed)
            super().close()

    closed: list[bool] = []
    with Own.create(name, 1) as region:
        pass
    assert region.closed
    assert closed == [False]

    class Failing(zinc.SharedRegion):
        def close(self) -> None:
            super().close()
            raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"), Failing.create(name, 1) as other:
        pass
    assert other.closed


def test_notify_that_is_refused_has_an_errno() -> None:
    with zinc.SharedRegion.anonymous(1) as region:
        descriptor = os.open(f"/proc/self/fd/{region.descriptor()}", os.O_RDONLY)
        try:
            reader = zinc.SharedRegion.from_fd(descriptor)
        finally:
            os.close(descriptor)
        with reader, pytest.raises(PermissionError, match="may only read the region") as refused:
            reader.notify()
        assert refused.value.errno == errno.EPERM
