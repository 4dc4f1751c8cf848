"""Regions that are renamed, so that another object can use their memory: nobody sees it change."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _objects, _zinc

from .conftest import IS_PORTABLE, SHM
from .test_crash import Scenario
from .test_interleavings import Stopped, stop
from .test_lifecycle import Child

__all__ = ["stop"]  # a fixture


def regions() -> list[str]:
    """The regions of objects."""
    gc.collect()
    return [entry for entry in os.listdir(SHM) if entry.startswith("zinc_object-")]


def inodes() -> set[int]:
    return {(SHM / entry).stat().st_ino for entry in regions()}


@pytest.fixture
def queue(name: str) -> Iterator[zinc.Queue]:
    with zinc.Queue(4, name=name, slot_size=256) as one:
        yield one


# ---- another name


def test_renamed_region_is_found_by_its_new_name_alone(name: str) -> None:
    with zinc.create(name, 8) as region:
        region.as_buffer()[:] = b"contents"
        identity, status = region.id, (SHM / f"zinc_{name}").stat()
        assert _zinc.rename(region, f"{name}-new")
        assert (region.name, region.id, region.linked) == (f"{name}-new", identity, True)
        assert (SHM / f"zinc_{name}-new").stat().st_ino == status.st_ino
        with pytest.raises(FileNotFoundError):
            zinc.open(name)
        with zinc.open(f"{name}-new") as other:
            assert bytes(other.as_buffer()) == b"contents"
            other.notify()
        assert region.try_wait()
        with zinc.create(name, 8):
            assert region.linked
    with pytest.raises(FileNotFoundError):
        zinc.open(f"{name}-new")


@pytest.mark.parametrize("readonly", [False, True])
def test_attached_region_keeps_its_name(name: str, readonly: bool) -> None:
    with zinc.create(name, 8) as region:
        with zinc.open(name, readonly=readonly):
            assert not _zinc.rename(region, f"{name}-new")
        child = Child(f"r = zinc.open({name!r}, readonly={readonly})")
        assert not _zinc.rename(region, f"{name}-new")
        assert region.name == name
        child.kill()
        assert _zinc.rename(region, f"{name}-new")


def test_region_with_views_keeps_its_name(name: str) -> None:
    with zinc.create(name, 8) as region:
        view = memoryview(region)
        assert not _zinc.rename(region, f"{name}-new")
        view.release()
        assert _zinc.rename(region, f"{name}-new")


def test_region_with_a_ticket_keeps_its_name(name: str) -> None:
    with zinc.create(name, 8) as region:
        region.keep(0)
        assert not _zinc.rename(region, f"{name}-new")
        region.give_back()
        assert _zinc.rename(region, f"{name}-new")


def test_region_of_a_forked_child_keeps_its_name(name: str) -> None:
    """Parent and child share what the kernel knows of them."""
    with zinc.create(name, 8) as region:
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
        os.close(ours)
        assert not _zinc.rename(region, f"{name}-new")
        os.close(theirs)
        os.waitpid(child, 0)
        assert _zinc.rename(region, f"{name}-new")


def test_names_that_can_not_be_given(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.create(f"{name}-new", 8):
        with pytest.raises(FileExistsError, match=name):
            _zinc.rename(region, f"{name}-new")
        with pytest.raises(ValueError, match="a name has 1 to 250 characters"):
            _zinc.rename(region, "a/b")
        assert not region.wait(0)
        with zinc.open(name) as other:
            other.notify()
        assert region.wait(0)
        region.unlink()
        with zinc.create(name, 16), pytest.raises(FileNotFoundError):
            _zinc.rename(region, f"{name}-third")
        with pytest.raises(FileNotFoundError):
            zinc.open(f"{name}-third")
    with pytest.raises(ValueError, match="closed"):
        _zinc.rename(region, f"{name}-third")
    with (
        zinc.SharedRegion.anonymous(8) as unnamed,
        pytest.raises(ValueError, match="has none to change"),
    ):
        _zinc.rename(unnamed, f"{name}-third")


@pytest.mark.parametrize("count", [1, 2])
def test_open_amid_which_the_region_is_renamed(
    name: str, stop: Callable[..., Stopped], count: int
) -> None:
    """It has looked who is attached; it is just about to be."""
    with zinc.create(name, 8) as region:
        code = "try: zinc.open(name)\nexcept FileNotFoundError: print('gone')"
        opener = stop(code, "fcntl", count)
        assert _zinc.rename(region, f"{name}-new")
        assert opener.end() == "gone"


# ---- objects, one after the other in the same memory


def test_next_large_object_takes_the_memory_of_one_that_is_done(queue: zinc.Queue) -> None:
    seen: set[int] = set()
    names: set[str] = set()
    for number in range(20):
        queue.put(numpy.full(1000 - number % 7, number))
        seen |= inodes()
        names |= set(regions())
        found = queue.get()
        assert (len(found), int(found[0]), int(found[-1])) == (1000 - number % 7, number, number)
    assert len(seen) <= 4
    assert len(names) >= 20


def test_memory_of_much_larger_and_of_smaller_objects_is_not_used(queue: zinc.Queue) -> None:
    seen: list[set[int]] = []
    for size in 4000, 40000, 10000, 30000:
        queue.put(bytes(size))
        assert len(queue.get()) == size
        queue.put(1)
        queue.get()
        seen.append(inodes())
    assert [len(each) for each in seen] == [1, 2, 3, 3]


def test_what_is_held_stays_as_it_is(queue: zinc.Queue) -> None:
    held: list[Any] = []
    for number in range(30):
        queue.put(numpy.full(1000, number))
        found = queue.get()
        if number % 3 == 0:
            held.append((number, found))
        del found
        assert all((array == number).all() for number, array in held)


def test_array_of_a_region_that_was_closed_stays_as_it_is(queue: zinc.Queue) -> None:
    queue.put(numpy.full(1000, 1))
    first = queue.get()
    region = zinc.region_of(first)
    assert region is not None
    region.close()
    for number in range(5):
        queue.put(numpy.full(1000, 2 + number))
        assert queue.get()[0] == 2 + number
    assert (first == 1).all()


def test_close_of_an_object_ends_waits_though_it_has_views(queue: zinc.Queue) -> None:
    queue.put(numpy.full(1000, 1))
    found = queue.get()
    region = zinc.region_of(found)
    assert region is not None
    raised: list[ValueError] = []

    def wait() -> None:
        try:
            region.wait(None)
        except ValueError as error:
            raised.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    while (SHM / f"zinc_{region.name}").read_bytes()[24:28] == bytes(4):  # who sleeps
        time.sleep(0.001)
    region.close()
    waiter.join()
    assert "closed" in str(raised[0])
    assert (found == 1).all()


def test_array_that_is_on_its_way_elsewhere_stays_as_it_is(queue: zinc.Queue, name: str) -> None:
    with zinc.Queue(4, name=f"{name}-next") as onward:
        queue.put(numpy.full(1000, 1))
        onward.put(queue.get())
        for number in range(5):
            queue.put(numpy.full(1000, 2 + number))
            assert queue.get()[0] == 2 + number
        assert (onward.get() == 1).all()


def test_array_of_a_forked_child_stays_as_it_is(queue: zinc.Queue) -> None:
    queue.put(numpy.full(1000, 1))
    first = queue.get()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0 if (first == 1).all() else 1)
    del first
    for number in range(5):
        queue.put(numpy.full(1000, 2 + number))
        assert queue.get()[0] == 2 + number
    os.close(theirs)
    os.close(ours)
    assert os.waitpid(child, 0)[1] == 0


HOLD = """
import sys, zinc
with zinc.Queue(name=sys.argv[1]) as queue:
    found = queue.get()
    print(found[0], flush=True)
    sys.stdin.read()
"""


def test_one_who_is_killed_with_an_object_does_not_keep_its_memory(queue: zinc.Queue) -> None:
    queue.put(numpy.full(1000, 1))
    (first,) = inodes()
    command = [sys.executable, "-c", HOLD, str(queue.name)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"1\n"
    child.kill()
    child.communicate()
    assert queue.get()[0] == 1  # again
    for number in range(3):
        queue.put(numpy.full(1000, number))
        assert queue.get()[0] == number
    assert first in inodes()


def test_memory_that_is_kept_for_the_next_has_an_end(queue: zinc.Queue) -> None:
    mib = 1 << 20
    for _ in range(3):
        for _ in range(4):
            queue.put(numpy.zeros(8 * mib, "u1"))
        for _ in range(4):
            queue.get()
        queue.put(1)
        queue.get()
    kept = sum(region.capacity for _, region in queue._sent._spares)
    assert 0 < kept <= 2 * (8 * mib + mmap.PAGESIZE)
    for _ in range(40):
        queue.put(1)
        queue.get()
    assert regions() == []


def test_nothing_that_was_kept_outlives_the_sender(name: str) -> None:
    with zinc.Queue(4, name=name, slot_size=256) as queue:
        for _ in range(3):
            queue.put(bytes(1000))
            queue.get()
        queue.task_done()
        assert regions()
    assert regions() == []


def test_object_that_could_not_be_sent_leaves_its_memory_to_the_next(queue: zinc.Queue) -> None:
    for number in range(4):
        queue.put(number)
    for _ in range(3):
        with pytest.raises(Exception, match="full"):
            queue.put_nowait(bytes(1000))
        assert len(inodes()) == 1
    (kept,) = inodes()
    queue.get()
    queue.put(bytes(1000))
    assert inodes() == {kept}
    assert [queue.get() for _ in range(4)] == [1, 2, 3, bytes(1000)]


def test_stale_record_is_gone_and_nothing_else(name: str) -> None:
    """Which somebody has kept who no longer has the message."""
    with zinc.Channel.create(name, 2, slot_size=128) as channel:
        reader = channel.reader()
        channel.send_object(numpy.full(1000, 1))
        stale = bytes(reader.recv(0).data)
        for number in range(6):
            channel.send_object(numpy.full(1000, 2 + number))
        with pytest.raises(pickle.UnpicklingError, match="not found"):
            _objects.load(stale)
        reader.close()
    for left in regions():
        zinc.unlink(left.removeprefix("zinc_"))


# ---- killed on the way

PUT = """
import os, sys, zinc
with zinc.Queue(name=sys.argv[1]) as queue:
    for _ in range(int(sys.argv[2])):
        queue.put(bytes(40000)); queue.get(); queue.task_done()
    queue.put(0); queue.get(); queue.task_done()
    os.getppid()
    queue.put(b"7" * 40000)
    os.getppid()
"""


class Putting(Scenario):
    """One who puts an object that is too large for a slot, into new memory or not."""

    def __init__(self, folder: Path, name: str, before: str) -> None:
        super().__init__(Path(), folder, name, "put", before)
        self.command = [sys.executable, "-c", PUT, name, "3" if before == "spare" else "0"]

    def set_up(self) -> None:
        self.queue = zinc.Queue(4, name=self.name, slot_size=256)

    def check(self) -> None:
        zinc.reclaim()
        left = regions()
        if self.queue.qsize():
            assert len(left) == 1
            assert self.queue.get() == b"7" * 40000
            self.queue.task_done()
            gc.collect()
        assert regions() == []

    def tear_down(self) -> None:
        while self.queue.qsize():
            self.queue.get()
        self.queue.close()
        assert regions() == []

    def forget(self) -> None:
        """Remove what one has left who was killed before the marks."""
        self.queue.close()
        for left in regions():
            zinc.unlink(left.removeprefix("zinc_"))


@pytest.mark.needs("strace")
@pytest.mark.parametrize("before", ["nothing", "spare"])
def test_sender_killed_at_every_system_call(tmp_path: Path, name: str, before: str) -> None:
    """No region is kept for a message that is not there. Between taking the ticket and publishing
    there is no system call; who is killed in these few instructions leaves it for 10 minutes.
    """
    scenario = Putting(tmp_path, name, before)
    points = list(scenario.points())
    is_renamed = "renameat2" in [call for call, _ in points]
    # In the portable library a new region is renamed, too.
    assert IS_PORTABLE or is_renamed == (before == "spare")
    killed = 0
    for call, count in points:
        scenario.set_up()
        # So many calls may have been made before the marks where a machine is busy.
        if not scenario.kill_at(call, count):
            scenario.forget()
            continue
        killed += 1
        scenario.check()
        scenario.tear_down()
    assert killed >= len(points) * 0.8, (killed, points)


def test_sender_killed_while_it_waits_for_room_leaves_nothing(queue: zinc.Queue) -> None:
    for number in range(4):
        queue.put(number)
    code = "import sys, zinc; zinc.Queue(name=sys.argv[1]).put(bytes(1000))"
    child = subprocess.Popen([sys.executable, "-c", code, str(queue.name)])
    while not any(one.pid == child.pid and one.waiting_since for one in queue.writers):
        time.sleep(0.001)
    assert len(regions()) == 1
    child.kill()
    child.wait()
    zinc.reclaim()
    assert regions() == []
