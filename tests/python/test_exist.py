"""What happens to who has a name already: a service restarts while its consumers stay."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any, Literal

import numpy
import pytest

import zinc

from .conftest import SHM

FORK: Any = multiprocessing.get_context("fork")


def test_replaced_array_stays_with_who_has_it(name: str) -> None:
    old = zinc.share(numpy.ones(3), name)
    reader = zinc.open_array(name)
    assert reader.region.wait(0)
    calls: list[Callable[[], zinc.SharedArray]] = [
        lambda: zinc.array(name, (2, 2), "f4", exist="replace"),
        lambda: zinc.share(numpy.zeros((2, 2), "f4"), name, exist="replace"),
    ]
    for call in calls:
        new = call()
        assert zinc.open_array(name).shape == (2, 2)
        assert zinc.open_array(name).region.id == new.region.id
        assert new.region.created
        assert new.region.linked
    assert not old.region.linked
    assert reader.region.wait(0)  # was told
    old[:] = 5
    assert reader.tolist() == [5, 5, 5]
    with pytest.raises(FileExistsError, match=name):
        zinc.array(name, (2, 2), "f4")
    with zinc.create(name, 8, exist="replace") as region:
        assert not new.region.linked
        assert region.linked
        assert bytes(region.as_buffer()) == bytes(8)


def test_replacing_what_is_not_there_or_dead_creates(name: str) -> None:
    first = zinc.array(name, 3, exist="replace")
    image = (SHM / f"zinc_{name}").read_bytes()
    del first
    assert not (SHM / f"zinc_{name}").exists()
    (SHM / f"zinc_{name}").write_bytes(image)  # that of a region to which nobody is attached
    zinc.array(name, 4, exist="replace")
    kept = zinc.create(name, 1, persistent=True)
    kept.close()
    zinc.array(name, 4, exist="replace")
    assert not (SHM / f"zinc_{name}").exists()


def test_what_is_no_region_is_not_replaced(name: str) -> None:
    path = SHM / f"zinc_{name}"
    path.write_bytes(b"mine")
    with pytest.raises(zinc.NotARegionError, match=name):
        zinc.array(name, 3, exist="replace")
    assert path.read_bytes() == b"mine"
    path.unlink()


def test_replacement_that_fails_leaves_what_is_there(name: str) -> None:
    old = zinc.share(numpy.ones(3), name)
    space = os.statvfs(SHM)
    with pytest.raises((OSError, ValueError)):
        zinc.array(name, space.f_blocks * space.f_frsize * 2 or 1 << 60, "u1", exist="replace")
    assert old.region.linked
    assert zinc.open_array(name).tolist() == [1, 1, 1]


def test_open_or_create(name: str) -> None:
    first = zinc.array(name, (2, 3), "f4", order="F", exist="open")
    assert first.region.created
    first[:] = 7
    again = zinc.array(name, (2, 3), "f4", exist="open")
    assert not again.region.created
    assert again.region.id == first.region.id
    assert again.tolist() == first.tolist()
    assert again.flags.fnc
    assert type(again) is zinc.SharedArray
    for shape, dtype in ((3, 2), "f4"), ((2, 3), "f8"), (1, "u1"), ((2, 3), "i4"):
        with pytest.raises(ValueError, match=name) as caught:
            zinc.array(name, shape, dtype, exist="open")
        for told in "(2, 3)", "float32", str(shape).strip("()"), str(numpy.dtype(dtype)):
            assert told in str(caught.value)
    assert first.region.linked
    del first, again, caught
    assert not (SHM / f"zinc_{name}").exists()


def test_open_of_what_is_no_array(name: str) -> None:
    for capacity in 24, 100:
        with (
            zinc.create(name, capacity),
            pytest.raises(ValueError, match=f"{name}.*not made for an array"),
        ):
            zinc.array(name, 3, exist="open")


def test_ways_that_are_none(name: str) -> None:
    wrong: Any = "overwrite"
    for call in (
        lambda: zinc.array(name, 3, exist=wrong),
        lambda: zinc.share([1], name, exist=wrong),
        lambda: zinc.create(name, 3, exist=wrong),
    ):
        with pytest.raises(ValueError, match="overwrite"):
            call()
    with pytest.raises(ValueError, match="'open'"):
        zinc.share([1], name, exist="open")  # type: ignore[arg-type]
    ways: list[Literal["open", "replace"]] = ["open", "replace"]
    for way in ways:  # one that nobody else has never exists
        assert zinc.array(None, 3, exist=way).region.created


def count(name: str, start: Any, counts: Any) -> None:
    start.wait()
    array = zinc.array(name, 8, "i8", exist="open", persistent=True)
    counts.put(array.region.created)


def test_of_many_at_once_one_creates(name: str) -> None:
    start, counts = FORK.Event(), FORK.SimpleQueue()
    children = [FORK.Process(target=count, args=(name, start, counts)) for _ in range(6)]
    for child in children:
        child.start()
    start.set()
    created = [counts.get() for _ in children]
    for child in children:
        child.join(60)
    assert sorted(created) == [False] * 5 + [True]
    zinc.unlink(name)


def replace_for_ever(name: str, started: Any) -> None:
    arrays: list[Any] = []
    while True:
        arrays[:] = [zinc.share(numpy.full(1000, len(arrays)), name, exist="replace")]
        started.set()


def test_two_that_replace_each_other(name: str) -> None:
    started = [FORK.Event() for _ in range(2)]
    children = [FORK.Process(target=replace_for_ever, args=(name, event)) for event in started]
    for child in children:
        child.start()
    for event in started:
        assert event.wait(60)
    seen = 0
    while seen < 100:
        try:
            array = zinc.open_array(name)
        except FileNotFoundError:
            continue
        assert array.size == 1000
        assert array.min() == array.max()
        seen += 1
    for child in children:
        assert child.is_alive()
        os.kill(child.pid, signal.SIGKILL)
        child.join(60)
    del array
    zinc.reclaim()
