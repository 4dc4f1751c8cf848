"""Huge pages, and pages that are there before they are touched; and what is said if they are not."""

from __future__ import annotations

import mmap
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zinc

from .conftest import SHM
from .test_forbidden import run_without

SIZE = 8 << 20
Make = Callable[..., zinc.SharedRegion]

KINDS: dict[str, Make] = {
    "create": lambda name, **how: zinc.create(name, SIZE, **how),
    "open_or_create": lambda name, **how: zinc.open_or_create(name, SIZE, **how),
    "array": lambda name, **how: zinc.array(name, SIZE, "u1", **how).region,
    "array that is there or not": lambda name, **how: (
        zinc.array(name, SIZE, "u1", exist="open", **how).region
    ),
    "anonymous": lambda _, **how: zinc.SharedRegion.anonymous(SIZE, **how),
}
all_kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def kibibytes(region: zinc.SharedRegion, key: str) -> int:
    """Return what /proc/self/smaps says of the region's mapping."""
    is_its_own = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            is_its_own = int(found[1], 16) <= region.address < int(found[2], 16)
        elif is_its_own and line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise LookupError(region, key)


WHOLE = (SIZE + mmap.PAGESIZE) // 1024  # with the header's page


@all_kinds
def test_prefault_touches_all_pages(name: str, make: Make) -> None:
    with make(name) as region:
        assert kibibytes(region, "Rss") < 16 * mmap.PAGESIZE // 1024
    with make(name, prefault=True) as region:
        assert kibibytes(region, "Rss") == WHOLE
        if region.name is None:
            other = zinc.SharedRegion.from_fd(region.descriptor(), prefault=True)
            reader = zinc.SharedRegion.from_fd(region.descriptor(), readonly=True, prefault=True)
        else:
            other = zinc.open(name, prefault=True)
            reader = zinc.open(name, readonly=True, prefault=True)
        told = kibibytes(other, "Rss"), kibibytes(reader, "Rss")
        other.close()
        reader.close()
        assert told == (WHOLE, SIZE // 1024)  # a reader's header is a mapping of its own


@all_kinds
def test_huge_pages_or_a_reason(name: str, make: Make) -> None:
    """They need not be had, but what is said has to be so."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with make(name, hugepages=True, prefault=True) as region:
            view = region.as_buffer()
            view[:3] = b"abc"
            huge = kibibytes(region, "ShmemPmdMapped")
            assert bytes(view[:4]) == b"abc\0"
            assert bytes(view[-4:]) == bytes(4)
            del view
    assert (huge == SIZE // 1024) == (told == [])
    assert [one.category for one in told] == [RuntimeWarning] * len(told)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_region_with_huge_pages_is_as_any_other(name: str) -> None:
    with zinc.create(name, SIZE, hugepages=True) as region:
        region.as_buffer()[:] = b"x" * SIZE
        with zinc.open(name, readonly=True, hugepages=True) as reader, zinc.open(name) as other:
            assert bytes(reader.as_buffer()) == bytes(other.as_buffer()) == b"x" * SIZE
            region.notify()
            assert reader.try_wait()
            assert other.try_wait()
    assert not (SHM / f"zinc_{name}").exists()


def test_too_small_for_one(name: str) -> None:
    with pytest.warns(RuntimeWarning, match="region 'test-.*', hugepages: .*smaller than one huge"):
        region = zinc.create(name, 4096, hugepages=True)
    region.close()


@all_kinds
def test_what_is_not_reserved_has_no_pages(name: str, make: Make) -> None:
    for how in {"hugepages": True}, {"prefault": True}:
        arguments: dict[str, Any] = how
        with pytest.raises(ValueError, match="memory that is reserved"):
            make(name, reserve=False, **arguments)


def test_prefault_of_a_sparse_region_takes_its_memory(name: str) -> None:
    with zinc.create(name, SIZE, reserve=False) as region:
        assert region.used == mmap.PAGESIZE
        with zinc.open(name, prefault=True):
            assert region.used == SIZE + mmap.PAGESIZE


WARN = """
import os, sys, warnings, zinc
warnings.simplefilter("error")
name, how = sys.argv[1:]
try:
    zinc.create(name, 8 << 20, persistent=True, **{how: True})
except RuntimeWarning as warning:
    print(warning, os.path.exists("/dev/shm/zinc_" + name))
warnings.simplefilter("ignore")
with zinc.create(name, 8 << 20, **{how: True}) as region:
    region.as_buffer()[:] = b"x" * len(region)
"""


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("error", "how", "why"),
    [
        ("EINVAL", "hugepages", "as root: mount -o remount,huge=within_size /dev/shm"),
        ("ENOMEM", "hugepages", "no huge page free"),
        ("EINVAL", "prefault", "takes Linux 5.14"),
        ("EFAULT", "prefault", "there was no memory for all pages"),
        ("EPERM", "prefault", "the system refused"),
    ],
)
def test_system_that_can_not_do_it_says_why(
    name: str, tmp_path: Path, error: str, how: str, why: str
) -> None:
    """And with warnings as errors nothing is left behind."""
    told = run_without(tmp_path, f"madvise:error={error}", WARN, name, how)
    assert told.startswith(f"region '{name}', {how}: ")
    assert why in told
    assert told.endswith(" False\n")
