"""How much memory a region really has, and how to give some of it back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import zinc

from .conftest import SHM

PAGE = os.sysconf("SC_PAGESIZE")

KINDS: dict[str, Callable[[str, int, bool], zinc.SharedRegion]] = {
    "named": lambda name, size, reserve: zinc.create(name, size, reserve=reserve),
    "anonymous": lambda _, size, reserve: zinc.SharedRegion.anonymous(size, reserve=reserve),
}
both_kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


@both_kinds
def test_sparse_region_takes_what_is_touched(
    name: str, make: Callable[[str, int, bool], zinc.SharedRegion]
) -> None:
    with make(name, 64 << 30, False) as region:
        assert region.used == PAGE
        view = region.as_buffer()
        view[0] = 1
        view[(64 << 30) - 1] = 1
        assert region.used == 3 * PAGE
        region.trim()
        assert region.used == PAGE
        assert (view[0], view[(64 << 30) - 1]) == (0, 0)
    with make(name, 10 * PAGE, True) as region:
        assert region.used == 11 * PAGE


@both_kinds
def test_trim_zeroes_these_bytes_and_no_others(
    name: str, make: Callable[[str, int, bool], zinc.SharedRegion]
) -> None:
    size = 10 * PAGE + 100
    for offset, length in (
        (0, 0),
        (0, 1),
        (PAGE - 1, 2),
        (PAGE, 3 * PAGE),
        (100, 5 * PAGE),
        (size, 0),
        (size - 1, 1),
        (9 * PAGE, PAGE + 100),
        (0, size),
    ):
        with make(name, size, True) as region:
            view = region.as_buffer()
            view[:] = b"x" * size
            expected = bytearray(view)
            expected[offset : offset + length] = bytes(length)
            region.trim(offset, length)
            last = size if offset + length == size else offset + length
            whole = -(-last // PAGE) if last == size else last // PAGE
            pages = max(0, whole - -(-offset // PAGE))
            assert region.used == (12 - pages) * PAGE
            assert view == expected
            view[:] = b"y" * size  # the memory is there again
            assert region.used == 12 * PAGE


def test_trim_is_seen_by_all(name: str) -> None:
    code = """
import sys, zinc
region = zinc.open(sys.argv[1])
region.trim(length=int(sys.argv[2]))
print(region.used)
"""
    with zinc.create(name, 3 * PAGE) as region, zinc.open(name, readonly=True) as reader:
        view = region.as_buffer()
        view[:] = b"x" * len(view)
        output = subprocess.check_output([sys.executable, "-c", code, name, str(PAGE)], text=True)
        assert output == f"{3 * PAGE}\n"
        for one in region, reader:
            assert bytes(one.as_buffer()) == bytes(PAGE) + b"x" * (2 * PAGE)
        assert region.linked
        assert os.stat(SHM / f"zinc_{name}").st_size == 4 * PAGE


@both_kinds
def test_trim_refuses_what_is_not_there(
    name: str, make: Callable[[str, int, bool], zinc.SharedRegion]
) -> None:
    with make(name, 100, True) as region:
        region.as_buffer()[:] = b"x" * 100
        for offset, length in (101, None), (101, 0), (0, 101), (1, 100), (1, 1 << 70), (1 << 70, 1):
            with pytest.raises(ValueError, match="not within the 100 that there are"):
                region.trim(offset, length)
        for offset, length in (-1, 1), (0, -1), (-1 << 70, None):
            with pytest.raises(ValueError, match="counted from 0"):
                region.trim(offset, length)
        with pytest.raises(TypeError):
            region.trim("0")  # type: ignore[arg-type] # pyright: ignore
        assert bytes(region.as_buffer()) == b"x" * 100


def test_who_may_only_read_can_not_trim(name: str) -> None:
    with zinc.create(name, 100) as region, zinc.open(name, readonly=True) as reader:
        region.as_buffer()[:] = b"x" * 100
        with pytest.raises(PermissionError, match=f'trim "{name}": the data can\'t be written'):
            reader.trim()
        assert bytes(region.as_buffer()) == b"x" * 100
        assert reader.used == region.used


def test_descriptor_that_other_code_has_closed(name: str) -> None:
    code = """
import errno, os, sys, zinc
region = zinc.create(sys.argv[1], 8)
os.close(region.descriptors()[0])
os.open("/etc/hostname", os.O_RDONLY)  # a stranger has the number now
for use in region.trim, lambda: region.used:
    try:
        use()
    except OSError as error:
        assert error.errno == errno.EBADF
    else:
        raise SystemExit("it used a stranger's descriptor")
"""
    assert subprocess.run([sys.executable, "-c", code, name], check=False).returncode == 0
