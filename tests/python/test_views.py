"""Whatever sees a region's bytes: one memory, read-only where it should, valid to the end."""

from __future__ import annotations

import gc
import hashlib
import io
import pickle
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

View = Callable[[zinc.SharedRegion], Any]


def of_torch(function: str) -> View:
    def view(region: zinc.SharedRegion) -> Any:
        torch = pytest.importorskip("torch")
        if function == "from_numpy":
            return torch.from_numpy(region.as_numpy())
        return torch.frombuffer(region, dtype=torch.uint8)

    return view


def of_arrow(region: zinc.SharedRegion | memoryview) -> Any:
    return pytest.importorskip("pyarrow").py_buffer(region)


# Each gives something of 16 bytes that numpy.asarray can look at without a copy.
VIEWS: dict[str, View] = {
    "memoryview": memoryview,
    "slice": lambda region: memoryview(region)[:16],
    "cast": lambda region: memoryview(region).cast("I").cast("B"),
    "as_buffer": zinc.SharedRegion.as_buffer,
    "as_numpy": zinc.SharedRegion.as_numpy,
    "as_numpy of a shape": lambda region: region.as_numpy("u1", (2, 8)).ravel(),
    "numpy.frombuffer": lambda region: numpy.frombuffer(region, "u1"),
    "numpy.ndarray": lambda region: numpy.ndarray(16, "u1", region),
    "numpy.ndarray of a view": lambda region: numpy.ndarray(16, "u1", memoryview(region)),
    "numpy.asarray": lambda region: numpy.asarray(region),
    "PickleBuffer": pickle.PickleBuffer,
    "numpy.ndarray of a PickleBuffer": lambda region: numpy.ndarray(
        16, "u1", pickle.PickleBuffer(region)
    ),
    "numpy.frombuffer of a PickleBuffer": lambda region: numpy.frombuffer(
        pickle.PickleBuffer(region), "u1"
    ),
    "what a view is of": lambda region: memoryview(region).obj,
    "pyarrow.py_buffer": of_arrow,
    "pyarrow.py_buffer of a view": lambda region: of_arrow(memoryview(region)),
    "torch.frombuffer": of_torch("frombuffer"),
    "torch.from_numpy": of_torch("from_numpy"),
}

# What is done with the object itself, and not with a memoryview of it, may keep that alone.
KEEPS_THE_OBJECT = {"numpy.ndarray", "pyarrow.py_buffer", "torch.frombuffer"}

every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@every_view
def test_view_is_the_memory_and_outlives_the_region(name: str, view: View) -> None:
    region, other = zinc.create(name, 16), zinc.open(name)
    seen = view(region)
    other.as_buffer()[:] = bytes(range(16))
    assert bytes(seen) == bytes(range(16))
    region.close()
    assert bytes(seen) == bytes(range(16))
    del region
    array = numpy.asarray(seen)
    array[3] = 99
    assert other.as_buffer()[3] == bytes(seen)[3] == 99
    other.close()
    del other
    with pytest.raises(FileNotFoundError):
        zinc.open(name)
    assert bytes(seen)[3] == 99


def is_mapped(address: int) -> bool:
    """Is shared memory there, in this process?"""
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, end, permissions = line.replace("-", " ", 1).split()[:3]
        if int(first, 16) <= address < int(end, 16):
            return permissions.endswith("s")
    return False


@pytest.mark.parametrize("view", VIEWS)
def test_memory_goes_with_the_last_view_of_a_closed_region(name: str, view: str) -> None:
    region = zinc.create(name, 16)
    address = region.address
    views = [VIEWS[view](region) for _ in range(3)]
    views.append(numpy.asarray(views[0])[3:])
    region.close()
    while views:
        assert is_mapped(address)
        assert bytes(views.pop()) in (bytes(16), bytes(13))
    assert is_mapped(address) == (view in KEEPS_THE_OBJECT)
    assert region.closed
    del region
    assert not is_mapped(address)


def test_memory_goes_at_once_if_no_view_is_left(name: str) -> None:
    with zinc.create(name, 16) as region:
        address = region.address
        memoryview(region).release()
        bytes(region.as_numpy())
        assert is_mapped(address)
        region.close()
        assert not is_mapped(address)


def test_descriptor_goes_with_close_and_the_view_stays_valid() -> None:
    region = zinc.SharedRegion.anonymous(16)
    place = Path(f"/proc/self/fd/{region.descriptor()}")
    inode = place.stat().st_ino
    address = region.address
    view = memoryview(region)
    region.close()
    assert not place.exists() or place.stat().st_ino != inode
    view[3] = 3
    assert bytes(view) == bytes((0, 0, 0, 3)) + bytes(12)
    view.release()
    assert not is_mapped(address)


@pytest.mark.parametrize("view", VIEWS)
def test_view_keeps_the_region_attached(name: str, view: str) -> None:
    seen = VIEWS[view](zinc.create(name, 16))
    zinc.open(name).close()
    assert bytes(seen) == bytes(16)
    del seen
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


def test_array_knows_its_region_through_any_view(name: str) -> None:
    with zinc.create(name, 16) as region:
        for view in VIEWS:
            if view.startswith(("numpy", "memoryview", "as_")) and "Pickle" not in view:
                array = numpy.asarray(VIEWS[view](region))
                assert zinc.region_of(array[1:]) is region, view
        assert memoryview(region).obj.base is region  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_closed", [True, False])
def test_view_in_the_regions_own_attribute_is_collected(name: str, is_closed: bool) -> None:
    class Own(zinc.SharedRegion):
        view: memoryview

    region = Own.create(name, 16)
    address = region.address
    region.view = memoryview(region)[1:]
    if is_closed:
        region.close()
    gc.collect()
    assert is_mapped(address)
    del region
    gc.collect()
    assert not is_mapped(address)


def test_what_reads_the_object_itself_keeps_it_valid(name: str) -> None:
    """It can't be told from what goes on reading the memory later."""
    region = zinc.create(name, 16)
    address = region.address
    assert hashlib.sha256(region).digest() == hashlib.sha256(bytes(16)).digest()
    assert struct.unpack_from("<Q", region, 8) == (0,)
    region.close()
    assert is_mapped(address)
    del region
    assert not is_mapped(address)


@every_view
def test_readonly_region_gives_readonly_views(name: str, view: View) -> None:
    with zinc.create(name, 16) as region, zinc.open(name, readonly=True) as reader:
        if view is VIEWS["torch.frombuffer"] or view is VIEWS["torch.from_numpy"]:
            pytest.skip("torch has no read-only tensors, and warns")
        seen = view(reader)
        region.as_buffer()[5] = 5
        assert bytes(seen)[5] == 5
        assert memoryview(seen).readonly
        array = numpy.asarray(seen)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def pack(region: zinc.SharedRegion) -> None:
    struct.pack_into("<IQ", region, 4, 0x01020304, 0x05060708090A0B0C)


def read_file(region: zinc.SharedRegion) -> None:
    with Path(__file__).open("rb", buffering=0) as file:
        assert file.readinto(region) == 16


def read_bytes(region: zinc.SharedRegion) -> None:
    assert io.BytesIO(bytes(range(100, 120))).readinto(region) == 16


def receive(region: zinc.SharedRegion) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.send(b"sixteen bytes...")
        assert right.recv_into(region) == 16


@pytest.mark.parametrize("write", [pack, read_file, read_bytes, receive])
def test_what_writes_into_buffers(name: str, write: Callable[[zinc.SharedRegion], None]) -> None:
    expected = bytearray(16)
    write(expected)  # type: ignore[arg-type]
    with zinc.create(name, 16) as region:
        with (
            zinc.open(name, readonly=True) as reader,
            pytest.raises((TypeError, BufferError), match=r"read-write|writable|read-only"),
        ):
            write(reader)
        assert bytes(region.as_buffer()) == bytes(16)
        write(region)
        assert bytes(region.as_buffer()) == expected
        region.close()
        with pytest.raises((ValueError, TypeError), match=r"closed|read-write"):
            write(region)


AT_EXIT = """
import atexit, sys, numpy, zinc

class Last:
    def __del__(self):
        assert bytes(self.view)[:4] == b"last", bytes(self.view)

held = []
for i in range(len(sys.argv[1:])):
    for close in (True, False):
        region = zinc.create(f"{sys.argv[1]}-{i}-{close}", 16)
        region.as_buffer()[:4] = b"last"
        for view in (memoryview(region)[1:], numpy.frombuffer(region, "u1"), region.as_numpy(),
                     numpy.ndarray(16, "u1", region), zinc.share([1, 2])):
            last = Last()
            last.view = memoryview(region)
            last.more = view, last  # a cycle, for the last collection
            held.append((view, last))
            atexit.register(bytes, view)
        if close:
            region.close()
        sys.modules[f"kept{i}{close}"] = view
del region, view, last
"""


def test_views_are_valid_when_the_interpreter_exits(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", AT_EXIT, name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ---- as_numpy ----


def test_as_numpy_takes_any_dtype_and_offset(name: str) -> None:
    point = numpy.dtype([("x", "<f4"), ("tag", "S4")])
    with zinc.create(name, 103) as region:
        data = region.as_numpy()
        data[:] = range(103)
        raw = bytes(region.as_buffer())
        assert region.as_numpy(point).shape == (12,)
        assert region.as_numpy(point, 2, 8)["tag"][0] == raw[12:16]
        assert region.as_numpy("f4").shape == (25,)
        assert region.as_numpy("f4", -1, 3).tobytes() == raw[3:]
        assert region.as_numpy("u2", (-1, 5, 2)).shape == (5, 5, 2)
        assert region.as_numpy("u1", (3, -1), offset=1).shape == (3, 34)
        assert region.as_numpy(("u1", (2, 2))).shape == (25, 2, 2)
        assert region.as_numpy(numpy.float64, numpy.int64(3)).shape == (3,)
        assert region.as_numpy("u1", [2, numpy.int8(5)]).shape == (2, 5)
        assert region.as_numpy("u1", ()).shape == ()
        assert region.as_numpy("f8", (0, 5)).shape == (0, 5)
        assert region.as_numpy("i8", (3, 4)).flags.c_contiguous
        assert numpy.shares_memory(region.as_numpy("f8"), data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f8", 13), "104 bytes, and there are 103"),
        (("f8", (3, 4), 8), "96 bytes, and there are 95"),
        (("f8", (2**40, 2**40)), f"{2**83} bytes, and there are 103"),
        (("f8", None, 96), "8 bytes, and there are 7"),
        (("u1", -1, 103), "1 bytes, and there are 0"),
        (("u1", 1, 200), "1 bytes, and there are 0"),
        (("u1", 1, 2**70), "1 bytes, and there are 0"),
        (("u1", (-1, 104)), "104 bytes, and there are 103"),
        (("u1", (-1, -1)), "nothing may be negative"),
        (("u1", (-1, 0)), "nothing may be negative"),
        (("u1", -2), "nothing may be negative"),
        (("u1", 1, -1), "nothing may be negative"),
        ((object, 1), "Python objects"),
        (([("a", "O")],), "Python objects"),
        (("S0", 1), "no bytes"),
        (("V", None), "no bytes"),
        (([], 2), "no bytes"),
    ],
)
def test_as_numpy_says_what_is_wrong(name: str, arguments: Any, message: str) -> None:
    with zinc.create(name, 103) as region:
        with pytest.raises(ValueError, match=message) as caught:
            region.as_numpy(*arguments)
        assert f"region '{name}'" in str(caught.value)


@pytest.mark.parametrize("arguments", [("no-type",), ("f4", "3"), ("f4", 2.5), ("f4", 1, "0")])
def test_as_numpy_refuses_other_types(name: str, arguments: Any) -> None:
    with zinc.create(name, 103) as region, pytest.raises(TypeError):
        region.as_numpy(*arguments)
