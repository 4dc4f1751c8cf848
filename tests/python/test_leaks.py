"""Memory and references stay where they were, however often a thing is done or fails."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _zinc

from .conftest import sent

REPEATS = 500


class MallocInfo(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = tuple(
        (field, ctypes.c_size_t)
        for field in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


class Place:
    """A region of each kind, and what belongs to them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.region = zinc.create(name, 4096, metadata=b"metadata")
        self.reader = zinc.open(name, readonly=True)
        self.unnamed = zinc.SharedRegion.anonymous(4096)
        self.closed = zinc.SharedRegion.anonymous(1)
        self.closed.close()
        self.nameless = zinc.create(f"{name}-nameless", 1, persistent=True)
        self.nameless.unlink()
        self.lock = self.region.lock(112)
        self.pickle = sent(self.region)
        self.unnamed_pickle = sent(self.unnamed)
        self.wrong = Path(f"/dev/shm/zinc_{name}-wrong")
        self.wrong.write_bytes(b"no region")

    def close(self) -> None:
        self.region.give_back()  # the reference's, unless it was loaded
        for region in self.region, self.reader, self.unnamed, self.nameless:
            region.close()
        self.wrong.unlink()


@pytest.fixture
def place(name: str) -> Iterator[Place]:
    one = Place(name)
    yield one
    one.close()


def arrays(place: Place) -> None:
    array = zinc.array(f"{place.name}-array", (3, 4), [("x", "f4"), ("y", "S3")])
    zinc.open_array(f"{place.name}-array")["x"][1:].T[:] = 3
    assert zinc.region_of(array[1:]) is array.region
    assert type(array["x"] + 1)
    assert pickle.loads(sent(array[1:]))["x"].sum() == 24


def view_of_closed(place: Place) -> None:
    """Let several views outlive the close, each in another way."""
    region = zinc.create(f"{place.name}-2", 64)
    views = [memoryview(region), memoryview(memoryview(region).obj), memoryview(region)[3:]]
    array = numpy.ndarray(3, "u1", memoryview(region))
    region.close()
    assert array.sum() == sum(map(sum, views)) == 0


def poll_in_a_loop(place: Place) -> None:
    with zinc.open(place.name) as region:
        assert region.event_fd() == region.event_fd()
        place.reader.event_fd()  # lasts, and its thread with it
        region.notify()
        assert region.try_wait()


class Failing(zinc.SharedRegion):
    def close(self) -> None:
        super().close()
        raise RuntimeError


def fail_to_close(place: Place) -> None:
    with Failing.create(f"{place.name}-2", 1):
        pass


def kill_one(place: Place) -> None:
    child = os.fork()
    if child == 0:
        kept = zinc.create(f"{place.name}-dead", 1)
        os._exit(kept.sequence)
    os.waitpid(child, 0)
    # Unless somebody else on the machine was the first.
    assert zinc.reclaim().get(f"{place.name}-dead", 8192) == 8192


def enter(lock: zinc.Lock) -> None:
    with lock as is_held:
        assert is_held


def acquire_and_release(place: Place) -> None:
    assert place.lock.acquire(True, timeout=1)
    place.lock.release()


def set_an_event(place: Place) -> None:
    event = zinc.Event(f"{place.name}-2")
    assert not event.wait(0)
    event.set()
    assert event.wait(timeout_ms=1)


def die_with_a_lock(place: Place) -> None:
    """In the way of one that nobody can release any more."""
    place.region.lock(64).acquire()
    try:
        place.region.lock(64).acquire()
    except zinc.OwnerDiedError as error:
        assert error.pid == os.getpid()
    with place.region.lock(64).recover(1) as is_broken:
        assert is_broken


def repair_by_a_cycle(place: Place) -> None:
    place.region.lock(64).acquire()
    locks: list[zinc.Lock] = []
    locks.append(place.region.lock(64, lambda _: locks[0]))
    with locks[0]:
        pass


def fail_to_repair(place: Place) -> None:
    place.region.lock(80).recover().__enter__()
    place.region.lock(80, lambda _: 1 / 0).acquire()


def wait_for_a_condition(place: Place) -> None:
    with zinc.Condition(zinc.Lock()):
        pass
    condition = zinc.Condition(f"{place.name}-2")
    with condition, condition:
        condition.wait(timeout_ms=0.01)
        condition.notify_all()


def read_and_write(place: Place) -> None:
    lock = zinc.RWLock(f"{place.name}-2")
    with lock.read, lock.read:
        assert lock.readers == 2
    with lock.write:
        assert lock.write.holder
    lock.close()


def break_a_barrier(place: Place) -> None:
    barrier = zinc.Barrier(f"{place.name}-2", 2)
    try:
        barrier.wait(timeout_ms=0.01)
    except threading.BrokenBarrierError:
        barrier.reset()
    assert zinc.Barrier(1, lambda: 0).wait() == 0


def take_permits(place: Place) -> None:
    with zinc.Semaphore(f"{place.name}-2", 3) as semaphore:
        assert semaphore
    zinc.Semaphore(2).acquire()


def change_a_number(place: Place) -> None:
    number = place.region.atomic(128, "i64")
    number.exchange(-(2**40))
    number.compare_exchange(number.add(2**50), number.or_(2**60))
    number.store(number.and_(2**61))
    number.wait(number.load(), timeout_ms=0.01)


# What is done, and what it raises.
ACTIONS: dict[str, tuple[Callable[[Place], Any], type[BaseException] | None]] = {
    "notify": (lambda p: p.region.notify(), None),
    "try_wait": (lambda p: p.region.try_wait(), None),
    "wait": (lambda p: p.region.wait(0), None),
    "wait for a time": (lambda p: p.reader.wait(timeout_ms=0.01, after=p.reader.sequence), None),
    "event_fd": (poll_in_a_loop, None),
    "attributes": (
        lambda p: [getattr(p.region, a) for a in dir(p.region) if not a.startswith("_")],
        None,
    ),
    "repr": (lambda p: repr(p.region) + repr(p.unnamed) + repr(p.closed), None),
    "buffer": (lambda p: bytes(memoryview(p.region)[:4]) + bytes(p.reader.as_buffer()[:3]), None),
    "as_numpy": (lambda p: p.region.as_numpy("f4", (2, -1), 8).sum(), None),
    "with": (lambda p: p.region.__enter__().__len__(), None),
    "close again": (lambda p: p.closed.close(), None),
    "create": (lambda p: zinc.create(f"{p.name}-2", 1, metadata=b"m").close(), None),
    "create, to be collected": (lambda p: zinc.create(f"{p.name}-2", 1), None),
    "open": (lambda p: zinc.open(p.name).close(), None),
    "open in time": (lambda p: zinc.open(p.name, timeout_ms=None).close(), None),
    "alone": (lambda p: p.region.alone, None),
    "wait until alone": (lambda p: p.region.wait(0.01, until_alone=True), None),
    "open_or_create": (lambda p: zinc.open_or_create(p.name, 4096).close(), None),
    "anonymous": (lambda p: zinc.SharedRegion.anonymous(1, metadata=b"m"), None),
    "from_fd": (lambda p: zinc.SharedRegion.from_fd(p.unnamed.descriptor()), None),
    "view that outlives": (lambda p: memoryview(zinc.create(f"{p.name}-2", 1)), None),
    "view that outlives close": (view_of_closed, None),
    "unlink of the object": (
        lambda p: zinc.create(f"{p.name}-2", 1, persistent=True).unlink(),
        None,
    ),
    "names": (lambda p: _zinc.names(), None),
    "unlink": (
        lambda p: zinc.unlink(zinc.create(f"{p.name}-2", 1, persistent=True).name or ""),
        None,
    ),
    "reclaim": (kill_one, None),
    "wait_any": (lambda p: zinc.wait_any([p.region, p.reader], 0), None),
    "wait_all": (lambda p: zinc.wait_all((p.region, p.unnamed), 0.01), None),
    "pickle": (lambda p: pickle.loads(sent(p.reader)), None),
    "pickle of an anonymous one": (lambda p: pickle.loads(p.unnamed_pickle), None),
    "arrays": (arrays, None),
    "share": (lambda p: zinc.share([1, 2, 3]).region.name, None),
    "build_info": (lambda p: zinc.build_info(), None),
    "lock": (lambda p: enter(zinc.Lock(f"{p.name}-2")), None),
    "lock of a region": (lambda p: p.region.lock(96, print).locked(), None),
    "acquire and release": (acquire_and_release, None),
    "reentrant lock": (lambda p: enter(zinc.RLock()), None),
    "lock's holder": (lambda p: repr(p.lock) + repr(p.lock.holder), None),
    "pickle of a lock": (lambda p: pickle.loads(sent(p.lock)), None),
    "die with a lock": (die_with_a_lock, None),
    "repair by a cycle": (repair_by_a_cycle, None),
    "semaphore": (take_permits, None),
    "event": (set_an_event, None),
    "condition": (wait_for_a_condition, None),
    "readers and writers": (read_and_write, None),
    "barrier": (break_a_barrier, None),
    "number": (change_a_number, None),
    # and what fails
    "release what is free": (lambda p: p.lock.release(), RuntimeError),
    "acquire with others": (lambda p: p.lock.acquire(what=1), TypeError),  # type: ignore[call-arg]
    "acquire in no time": (lambda p: p.lock.acquire(timeout=-3), ValueError),
    "acquire within a text": (lambda p: p.lock.acquire(timeout="1"), TypeError),  # type: ignore[arg-type]
    "repair that fails": (fail_to_repair, ZeroDivisionError),
    "lock of a closed one": (lambda p: p.closed.lock(), ValueError),
    "lock where none can be": (lambda p: p.region.lock(4090), ValueError),
    "repair with a number": (lambda p: p.region.lock(0, 3), TypeError),  # type: ignore[arg-type]
    "permit too many": (lambda p: zinc.Semaphore(1).release(), ValueError),
    "no permits": (lambda p: zinc.Semaphore(0), ValueError),
    "notify without a lock": (lambda p: zinc.Condition().notify(), RuntimeError),
    "action that fails": (lambda p: zinc.Barrier(1, lambda: 1 / 0).wait(), ZeroDivisionError),
    "number that does not fit": (lambda p: p.region.atomic(0, "u32").add(1 << 70), ValueError),
    "number where none can be": (lambda p: p.region.atomic(4), ValueError),
    "open too early": (lambda p: zinc.open("nobody", timeout_ms=0.01), FileNotFoundError),
    "create twice": (lambda p: zinc.create(p.name, 1), FileExistsError),
    "create a wrong name": (lambda p: zinc.create("no/name", 1), ValueError),
    "create a NUL": (lambda p: zinc.create("no\0name", 1), ValueError),
    "create a number": (lambda p: zinc.create(5, 1), TypeError),  # type: ignore[arg-type]
    "create a surrogate": (lambda p: zinc.create("\ud800", 1), UnicodeEncodeError),
    "create nothing": (lambda p: zinc.create(p.name, 0), ValueError),
    "create too much": (lambda p: zinc.create(f"{p.name}-2", 1 << 50), OSError),
    "create far too much": (lambda p: zinc.create(f"{p.name}-2", 1 << 100), ValueError),
    "create a text": (lambda p: zinc.create(p.name, "1"), TypeError),  # type: ignore[arg-type]
    "create with a mode": (lambda p: zinc.create(p.name, 1, mode=0o1), ValueError),
    "create with a huge mode": (lambda p: zinc.create(p.name, 1, mode=1 << 70), ValueError),
    "too much metadata": (lambda p: zinc.create(p.name, 1, metadata=bytes(2049)), ValueError),
    "text as metadata": (
        lambda p: zinc.create(p.name, 1, metadata="m"),  # type: ignore[arg-type]
        TypeError,
    ),
    "anonymous nothing": (lambda p: zinc.SharedRegion.anonymous(0), ValueError),
    "other capacity": (lambda p: zinc.open_or_create(p.name, 2), FileExistsError),
    "open nothing": (lambda p: zinc.open(f"{p.name}-none"), FileNotFoundError),
    "open no region": (lambda p: zinc.open(f"{p.name}-wrong"), zinc.NotARegionError),
    "from no descriptor": (lambda p: zinc.SharedRegion.from_fd(9999), OSError),
    "from a file": (lambda p: zinc.SharedRegion.from_fd(0), zinc.NotARegionError),
    "from nothing": (lambda p: zinc.SharedRegion.from_fd("0"), TypeError),  # type: ignore[arg-type]
    "unlink of a name that is gone": (lambda p: p.nameless.unlink(), FileNotFoundError),
    "unlink of no name": (lambda p: p.unnamed.unlink(), ValueError),
    "unlink of what is used": (lambda p: _zinc.unlink(p.name, _zinc.IF_UNUSED), OSError),
    "a with that fails at its end": (fail_to_close, RuntimeError),
    "unlink nothing": (lambda p: zinc.unlink(f"{p.name}-none"), FileNotFoundError),
    "unlink no region": (lambda p: zinc.unlink(f"{p.name}-wrong"), zinc.NotARegionError),
    "descriptor of a named one": (lambda p: p.region.descriptor(), ValueError),
    "wait before now": (lambda p: p.region.wait(-1), ValueError),
    "wait for a text": (lambda p: p.region.wait("1"), TypeError),  # type: ignore[arg-type]
    "wait after a text": (lambda p: p.region.wait(0, after="1"), TypeError),  # type: ignore[arg-type]
    "wait after too much": (lambda p: p.region.wait(0, after=1 << 32), ValueError),
    "wait after less": (lambda p: p.region.wait(0, after=-1), ValueError),
    "wait with more": (lambda p: p.region.wait(0, 1, True, 3), TypeError),  # type: ignore[call-arg]
    "wait twice": (lambda p: p.region.wait(0, timeout_ms=0), TypeError),  # type: ignore[misc]
    "wait with others": (lambda p: p.region.wait(what=1), TypeError),  # type: ignore[call-arg]
    "wait for none": (lambda p: zinc.wait_any([]), ValueError),
    "wait for others": (lambda p: zinc.wait_any([p.region, 1]), TypeError),
    "wait for a closed one": (lambda p: zinc.wait_all([p.region, p.closed]), ValueError),
    "wait for no sequence": (lambda p: zinc.wait_any(5), TypeError),  # type: ignore[arg-type]
    "notify a closed one": (lambda p: p.closed.notify(), ValueError),
    "event_fd of a closed one": (lambda p: p.closed.event_fd(), ValueError),
    "try_wait on a closed one": (lambda p: p.closed.try_wait(), ValueError),
    "wait on a closed one": (lambda p: p.closed.wait(0), ValueError),
    "look at a closed one": (lambda p: memoryview(p.closed), ValueError),
    "as_numpy of a closed one": (lambda p: p.closed.as_numpy(), ValueError),
    "address of a closed one": (lambda p: p.closed.address, ValueError),
    "metadata of a closed one": (lambda p: p.closed.metadata, ValueError),
    "enter a closed one": (lambda p: p.closed.__enter__(), ValueError),
    "pickle a closed one": (lambda p: sent(p.closed), ValueError),
    "writable buffer of a reader": (lambda p: ctypes.c_char.from_buffer(p.reader), TypeError),
    "as_numpy of too much": (lambda p: p.region.as_numpy("f8", 513), ValueError),
    "as_numpy of nonsense": (lambda p: p.region.as_numpy("nonsense"), TypeError),
    "copy": (lambda p: copy.copy(p.region), TypeError),
    "construct": (lambda p: zinc.SharedRegion(), TypeError),
    "set": (lambda p: setattr(p.region, "name", "x"), AttributeError),
    "array of objects": (lambda p: zinc.array(p.name, 3, object), ValueError),
    "array of no array": (lambda p: zinc.open_array(p.name), ValueError),
    "wrong subclass": (lambda p: type("Both", (zinc.SharedRegion, int), {}), TypeError),
}


def measure(place: Place) -> dict[str, int]:
    """Return what may not grow: blocks, bytes, references, descriptors, mappings."""
    gc.collect()
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = MallocInfo
    with open("/proc/self/maps") as maps:
        mappings = sum(1 for _ in maps)
    return {
        "blocks": sys.getallocatedblocks(),
        "bytes": libc.mallinfo2().uordblks,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "mappings": mappings,
        "references to the type": sys.getrefcount(zinc.SharedRegion),
        "references to its base": sys.getrefcount(zinc.SharedRegion.__base__),
        "references to the error": sys.getrefcount(zinc.NotARegionError),
        "references to the region": sys.getrefcount(place.region),
        "references to its name": sys.getrefcount(place.name),
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_grows(place: Place, action: str) -> None:
    act, error = ACTIONS[action]
    is_slow = action in ("reclaim", "wrong subclass", "open too early")
    repeats = REPEATS // 10 if is_slow else REPEATS

    def repeat() -> dict[str, int]:
        for _ in range(repeats):
            if error is None:
                act(place)
            else:
                try:
                    act(place)
                except error:
                    pass
                else:
                    pytest.fail(f"{action} did not fail")
        return measure(place)

    figures = [repeat() for _ in range(4)]
    # A leak grows every time; what others keep (caches, free lists) at some time or other.
    grown = {
        key: min(after[key] - before[key] for before, after in pairwise(figures))
        for key in figures[0]
    }
    allowed = {"blocks": repeats // 2, "bytes": repeats * 4}
    assert {key: value for key, value in grown.items() if value > allowed.get(key, 0)} == {}
