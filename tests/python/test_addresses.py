"""Every way to the data leads to the same bytes, in one process and across processes."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zinc

from .conftest import Peer


def mapping_of(region: zinc.SharedRegion) -> tuple[int, str, int]:
    """Return the start of the region's mapping, its device and its inode."""
    span, _, offset, device, inode, *_ = line_of(region).split()
    return int(span.partition("-")[0], 16) - int(offset, 16), device, int(inode)


def line_of(region: zinc.SharedRegion) -> str:
    """Return what /proc/self/maps says of the region's mapping."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if start <= region.address < end:
            return line
    raise LookupError(region)


def test_the_system_tells_the_name_of_a_mapping(name: str) -> None:
    """In /proc/PID/maps, and so in lsof, for who created it and for who opened it."""
    with zinc.create(name, 1) as region, zinc.open(name) as other:
        for one in region, other:
            assert line_of(one).split()[5:] == [f"/dev/shm/zinc_{name}"]
        region.unlink()
        assert line_of(region).split()[5:] == [f"/dev/shm/zinc_{name}", "(deleted)"]


@pytest.mark.parametrize("readonly", [False, True])
def test_all_views_have_one_address(name: str, readonly: bool) -> None:
    with zinc.create(name, 10_000), zinc.open(name, readonly=readonly) as region:
        addresses = {
            region.address,
            np.frombuffer(region, "u1").__array_interface__["data"][0],
            region.as_numpy("f4").__array_interface__["data"][0],
            np.asarray(region.as_buffer()).__array_interface__["data"][0],
        }
        if not readonly:
            addresses.add(ctypes.addressof(ctypes.c_char.from_buffer(region)))
        assert len(addresses) == 1
        assert region.address % mmap.PAGESIZE == 0
        start, _, inode = mapping_of(region)
        header = ctypes.string_at(start, 72)
        assert header[:8] == (0x5A494E435F524547).to_bytes(8, "little")
        assert region.address - start == int.from_bytes(header[48:56], "little") == mmap.PAGESIZE
        assert inode == Path(f"/dev/shm/zinc_{name}").stat().st_ino


def test_c_pointer_is_the_python_address(name: str) -> None:
    # The same library, as a C program would load it: zinc_ptr is the address of the mapping
    # of the handle that it is given.
    library = ctypes.CDLL(zinc.get_library())
    library.zinc_ptr.restype = ctypes.c_void_p
    library.zinc_ptr.argtypes = [ctypes.c_void_p]
    library.zinc_capacity.restype = ctypes.c_size_t
    library.zinc_capacity.argtypes = [ctypes.c_void_p]
    with zinc.create(name, 12_345) as region:
        handle = handle_of(region)
        assert library.zinc_ptr(handle) == region.address
        assert library.zinc_capacity(handle) == len(region)


def handle_of(region: zinc.SharedRegion) -> int:
    """Return the ZincHandle in a Python object: its first field after the object's head."""
    return ctypes.c_void_p.from_address(id(region) + object.__basicsize__).value or 0


SIZES = [(1, True), (4095, True), (4096, True), (4097, True), (1 << 20 | 1, True), (1 << 30, False)]


@pytest.mark.parametrize(("size", "reserve"), SIZES)
def test_swift_opens_what_python_created(
    name: str, peer: Callable[[str], Peer], size: int, reserve: bool
) -> None:
    with zinc.create(name, size, reserve=reserve) as region:
        check_both_see_one_memory(region, peer(f"open {name}"))


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 1 << 20 | 1])
def test_python_opens_what_swift_created(name: str, peer: Callable[[str], Peer], size: int) -> None:
    swift = peer(f"create {name} {size}")
    with zinc.open(name) as region:
        check_both_see_one_memory(region, swift)
        swift.end()
        assert region.as_numpy()[0] == 22  # outlives its creator


def check_both_see_one_memory(region: zinc.SharedRegion, swift: Peer) -> None:
    start, device, inode = mapping_of(region)
    assert swift.place["device"] == device
    assert swift.place["inode"] == inode
    assert swift.place["size"] == len(region)
    assert swift.place["data"] - swift.place["mapping"] == region.address - start == mmap.PAGESIZE
    bytes_of_it = region.as_numpy()
    for offset in sorted({0, len(region) // 2, len(region) - 1}):
        swift.ask(f"write {offset} 11")
        assert bytes_of_it[offset] == 11
        bytes_of_it[offset] = 22
        assert swift.ask(f"read {offset}") == 22
