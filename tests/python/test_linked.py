"""Removing a name is news for who is attached, and they can see that it leads elsewhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import zinc

from .conftest import SHM

WAITER = """
import asyncio, sys, zinc
name, way = sys.argv[1:]
region = zinc.open(name, readonly=way == "readonly")
print(region.linked, flush=True)
if way == "wait_any":
    zinc.wait_any([zinc.SharedRegion.anonymous(1), region], None)
elif way == "wait_async":
    asyncio.run(region.wait_async(None))
else:
    region.wait(None)
print(region.linked, region.sequence)
"""


def start_waiter(name: str, way: str) -> subprocess.Popen[str]:
    """Start a process that waits for the region, in one way or another; it is asleep."""
    command = [sys.executable, "-c", WAITER, name, way]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    parked = slice(24, 28)
    while not any((SHM / f"zinc_{name}").read_bytes()[parked]):
        assert process.poll() is None
        os.sched_yield()
    return process


WAYS: dict[str, Callable[[str], object]] = {
    "by name": zinc.unlink,
    "by handle": lambda name: zinc.open(name).unlink(),
    "by force": lambda name: zinc.unlink(name, force=True),
    "zinc rm": lambda name: subprocess.run(
        [sys.executable, "-m", "zinc", "rm", "--force", name],
        check=True,
        stdout=subprocess.DEVNULL,
    ),
}


@pytest.mark.parametrize("way", ["wait", "wait_any", "wait_async", "readonly"])
def test_unlink_wakes_who_waits(name: str, way: str) -> None:
    region = zinc.create(name, 8)
    waiter = start_waiter(name, way)
    zinc.unlink(name)
    assert waiter.communicate()[0] == "False 1\n"
    region.close()


@pytest.mark.parametrize("remove", WAYS.values(), ids=WAYS.keys())
def test_removal_is_one_notification(name: str, remove: Callable[[str], object]) -> None:
    if remove is WAYS["zinc rm"]:
        pytest.importorskip("typer")
    with zinc.create(name, 8) as region:
        waiter = start_waiter(name, "wait")
        assert (region.linked, region.sequence) == (True, 0)
        remove(name)
        assert (region.linked, region.sequence) == (False, 1)
        assert region.try_wait()
        assert not region.try_wait()
        assert waiter.communicate()[0] == "False 1\n"
        with zinc.create(name, 8) as another:
            assert (region.linked, another.linked, another.sequence) == (False, True, 0)


def test_no_news_where_nothing_was_removed(name: str) -> None:
    with zinc.create(name, 8) as region:
        with pytest.raises(OSError, match="in use"):
            zinc.unlink(name, if_unused=True)
        zinc.open(name).close()
        zinc.reclaim()
        assert (region.linked, region.sequence) == (True, 0)
        region.unlink()
        with zinc.create(name, 8) as another:
            with pytest.raises(FileNotFoundError):
                region.unlink()
            assert (region.sequence, another.sequence) == (1, 0)


def test_linked_of_what_has_no_name_or_is_closed(name: str) -> None:
    with zinc.SharedRegion.anonymous(8) as anonymous:
        assert not anonymous.linked
    region = zinc.create(name, 8)
    region.close()
    with pytest.raises(ValueError, match="closed"):
        _ = region.linked


def test_file_that_others_removed_or_replaced(name: str) -> None:
    path = SHM / f"zinc_{name}"
    with zinc.create(name, 8) as region:
        path.unlink()
        assert not region.linked
        path.write_bytes(b"")
        assert not region.linked
        path.unlink()


def test_unlink_of_what_was_cut_short_does_not_fault(name: str) -> None:
    code = """
import os, sys, zinc
region = zinc.create(sys.argv[1], 8)
os.truncate("/dev/shm/zinc_" + sys.argv[1], 0)
region.unlink()
os._exit(0)
"""
    assert subprocess.run([sys.executable, "-c", code, name], check=False).returncode == 0
    assert not (SHM / f"zinc_{name}").exists()


def test_region_of_another_layout_is_removed_and_not_written(name: str) -> None:
    path = SHM / f"zinc_{name}"
    with zinc.create(name, 8):
        with path.open("r+b") as file:
            file.seek(8)
            file.write(b"\x07\x00")
        with path.open("rb") as file:
            before = file.read()
            zinc.unlink(name)
            file.seek(0)
            assert file.read() == before


def test_coroutine_hears_of_it(name: str) -> None:
    async def main() -> bool:
        with zinc.create(name, 8) as region:
            asyncio.get_running_loop().call_soon(zinc.unlink, name)
            return await region.wait_async(None) and not region.linked

    assert asyncio.run(main())
