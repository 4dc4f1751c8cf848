"""Stores: a mapping that processes share, which holds so much and no more."""

from __future__ import annotations

import asyncio
import collections
import errno
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

from .conftest import SHM, may_unshare, run_mounted, sent

PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def store(name: str) -> Iterator[zinc.Store]:
    with zinc.Store(name, 64 << 20) as store:
        yield store
    del store
    gc.collect()
    assert files(name) == []


def files(name: str) -> list[str]:
    """What there is of a store."""
    return sorted(entry for entry in os.listdir(SHM) if entry.startswith(f"zinc_{name}"))


def run(code: str, *arguments: str) -> str:
    """Run it in another process; return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


# ---- a mapping ----


def test_it_is_a_mapping(store: zinc.Store) -> None:
    assert isinstance(store, MutableMapping)
    assert len(store) == 0
    assert not store
    store["a"] = 1
    store["b"] = [2, "two"]
    store["a"] = {"one": 1}
    assert store["a"] == {"one": 1}
    assert (len(store), "a" in store, "c" in store) == (2, True, False)
    assert dict(store) == {"a": {"one": 1}, "b": [2, "two"]}
    assert sorted(store.keys()) == ["a", "b"]
    assert sorted(map(str, store.values())) == ["[2, 'two']", "{'one': 1}"]
    assert store.get("c") is None
    assert store.get("c", 5) == 5
    with pytest.raises(KeyError, match="'c'"):
        store["c"].nothing()
    with pytest.raises(KeyError, match="'c'"):
        del store["c"]
    with pytest.raises(KeyError):
        store.pop("c")
    assert store.pop("c", None) is None
    assert store.pop("a") == {"one": 1}
    assert "a" not in store
    assert store.setdefault("b", 7) == [2, "two"]
    assert store.setdefault("d", 7) == 7
    store.update({"e": 1}, f=2)
    assert {store.popitem()[0] for _ in range(4)} == {"b", "d", "e", "f"}
    with pytest.raises(KeyError, match="is empty"):
        store.popitem()
    store.update(a=1, b=2)
    store.clear()
    assert list(store) == []
    assert store == zinc.Store(store.name)
    assert store != {}
    assert len({store, zinc.Store(store.name)}) == 1


def test_keys(store: zinc.Store) -> None:
    for key in "", "ä/b c\n", "x" * 176, "\udcff":
        store[key] = key
        assert key in store
        assert store[key] == key
    assert set(store) == {"", "ä/b c\n", "x" * 176, "\udcff"}
    with pytest.raises(ValueError, match="the key has 177 bytes, and may have 176"):
        store["x" * 177] = 1
    with pytest.raises(ValueError, match="177 bytes"):
        store.get("x" * 177)
    wrong: Any = b"x"
    for call in (store.get, store.__getitem__, store.pin, store.pop):
        with pytest.raises(TypeError, match="a key of a store is a str"):
            call(wrong)
    with pytest.raises(TypeError, match="is a str"):
        store[wrong] = 1
    assert wrong not in store


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(10.0),
        numpy.array(5, "i2"),
        numpy.zeros((0, 3)),
        numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
        numpy.arange(20).reshape(4, 5)[::2, 1::2],
        numpy.array([(1, 2.0)], [("a", "u1"), ("b", "f8")]),
        numpy.array(["2020-01-01"], "datetime64[D]"),
        numpy.array([b"ab", b"c"]),
    ],
    ids=str,
)
def test_arrays_are_where_they_lie(store: zinc.Store, array: numpy.ndarray[Any, Any]) -> None:
    store["a"] = array
    found = store["a"]
    assert type(found) is zinc.SharedArray
    assert (found.dtype, found.shape, found.tolist()) == (array.dtype, array.shape, array.tolist())
    assert not found.flags.writeable
    own = store.get("a", copy=True)
    assert type(own) is numpy.ndarray
    assert own.flags.writeable
    assert own.flags.owndata
    if array.size:
        here, there = store["a"].__array_interface__["data"][0], found.region.address
        assert here != found.__array_interface__["data"][0]  # another mapping, of the same memory
        assert there <= found.__array_interface__["data"][0] < there + found.region.capacity


def test_other_objects(store: zinc.Store) -> None:
    frame = {"image": numpy.arange(1000), "text": "ä" * 5000, "none": None, "bytes": b"x" * 100000}
    store["frame"] = frame
    found = store["frame"]
    assert found["text"] == frame["text"]
    assert found["bytes"] == frame["bytes"]
    assert found["image"].tolist() == list(range(1000))
    assert not found["image"].flags.writeable
    store["objects"] = numpy.array([{}, "x"], object)
    assert store["objects"].tolist() == [{}, "x"]
    store["masked"] = numpy.ma.masked_equal([1, 2], 2)
    assert store["masked"].tolist() == [1, None]
    shared = zinc.share(numpy.arange(5))
    store["shared"] = shared  # an array, wherever it is
    assert store["shared"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="refers to shared memory that is not the store's"):
        store["inside"] = [shared]
    with pytest.raises((AttributeError, pickle.PicklingError)):
        store["lambda"] = lambda: 1
    assert "inside" not in store
    assert "lambda" not in store
    assert len(files(store.name)) == 1 + len(store)


def test_what_was_got_stays_right(store: zinc.Store) -> None:
    store["a"] = numpy.full(1000, 1)
    first = store["a"]
    store["a"] = numpy.full(1000, 2)
    second = store["a"][10:20]
    del store["a"]
    (one, other) = store.objects()
    assert (one.present, other.present) == (False, False)
    assert store.used == 2 * (PAGE + 2 * PAGE)
    assert [holder.pid for held in store.holders().values() for holder in held] == [os.getpid()] * 2
    assert (set(first), set(second)) == ({1}, {2})
    del first
    gc.collect()
    assert store.used == 3 * PAGE
    store.close()
    assert set(second) == {2}


def test_made_in_place(store: zinc.Store) -> None:
    with store.create("bytes", 10) as memory:
        assert "bytes" not in store
        memory[:3] = b"abc"
    assert bytes(store["bytes"]) == b"abc" + bytes(7)
    assert store["bytes"].readonly
    assert type(store.get("bytes", copy=True).obj) is bytearray
    building = store.build("array", (2, 3), "f4")
    with building as array:
        array[:] = 7
    assert store["array"].tolist() == [[7] * 3] * 2
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    with pytest.raises(ValueError, match="already"), building:
        pass
    with pytest.raises(RuntimeError), store.build("array", 5, replace=True) as array:
        raise RuntimeError
    with pytest.raises(RuntimeError), store.create("more", 5):
        raise RuntimeError
    del array
    assert store["array"].shape == (2, 3)
    assert "more" not in store
    for bad in (-1, 0, 1 << 70):
        with pytest.raises((ValueError, OSError)), store.create("bad", bad):
            pass
    with pytest.raises(ValueError, match="addresses of Python objects"):
        store.build("bad", 3, object)
    assert len(files(store.name)) == 3


def test_one_wins(store: zinc.Store) -> None:
    store.put("a", 1)
    with pytest.raises(FileExistsError, match="the key is there already"):
        store.put("a", 2)
    store.put("a", 3, replace=True)
    assert store["a"] == 3
    with store.create("b", 5) as memory:
        store["b"] = "other"
        memory[:] = b"12345"
        with pytest.raises(FileExistsError), store.create("b", 5):
            pass
        del store["b"]
    assert bytes(store["b"]) == b"12345"
    with pytest.raises(FileExistsError), store.create("c", 5):
        store["c"] = "faster"
    assert store["c"] == "faster"
    assert store.used == sum(one.memory for one in store.objects())


# ---- processes ----

PUT_ONCE = """
import sys, zinc
store = zinc.Store(sys.argv[1])
sys.stdin.readline()
try:
    store.put("key", sys.argv[2])
except FileExistsError:
    print("told")
else:
    print("won")
"""


def test_of_several_processes_one_wins(store: zinc.Store) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUT_ONCE, store.name, str(i)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert collections.Counter(said) == {"won": 1, "told": 3}
    assert store["key"] == str(said.index("won"))


def test_travels_as_a_reference(store: zinc.Store) -> None:
    other = pickle.loads(sent(store))
    other["a"] = 1
    assert store["a"] == 1
    assert other == store
    with pytest.raises(TypeError, match="by_reference"):
        pickle.dumps(store)
    code = "import sys, zinc; print(zinc.Store(sys.argv[1])['a'])"
    assert run(code, store.name) == "1\n"


def test_ends_with_its_last_user_or_is_persistent(name: str) -> None:
    zinc.Store(name, 1 << 20).close()
    code = "import sys, zinc; zinc.Store(sys.argv[1], 1 << 20)['a'] = 1"
    run(code, name)
    assert files(name) == []
    store = zinc.Store(name, 1 << 20, persistent=True)
    store["a"] = numpy.arange(10)
    store.close()
    with zinc.Store(name) as store:
        assert store["a"].sum() == 45
        held = store["a"]
        store.unlink()
        with pytest.raises(FileNotFoundError):
            zinc.Store.open(name)
        assert len(files(name)) == 1
        assert held.sum() == 45
        del held
        gc.collect()
        assert files(name) == []


def test_killed_users_leave_nothing(name: str) -> None:
    code = """
import os, signal, sys, numpy, zinc
store = zinc.Store(sys.argv[1], 1 << 20)
store["a"] = numpy.arange(10000)
kept = store["a"]
making = store.create("b", 100)
making.__enter__()
os.kill(os.getpid(), signal.SIGKILL)
"""
    process = subprocess.run([sys.executable, "-c", code, name], check=False)
    assert process.returncode == -signal.SIGKILL
    there = files(name)
    assert len(there) == 3
    assert {f"zinc_{one}" for one in zinc.reclaim()} >= set(there)
    assert files(name) == []
    with zinc.Store(name, 1 << 20) as store:
        process = subprocess.run([sys.executable, "-c", code, name], check=False)
        assert list(store) == ["a"]
        assert [(one.key, one.present) for one in store.objects()] == [("a", True)]
        assert store.used == store.objects()[0].memory
        assert len(files(name)) == 2


def test_two_stores_of_one_name_do_not_mix(name: str) -> None:
    old = zinc.Store(name, 1 << 20)
    old["a"] = numpy.arange(3)
    old["b"] = 1
    held = old["a"]
    old.unlink()
    with zinc.Store(name, 1 << 20) as new:
        assert "a" not in new
        new["a"] = "new"
        assert "b" in old
        assert old.get("b") is None  # which nobody had: it went with the name
        assert new["a"] == "new"
        assert held.tolist() == [0, 1, 2]
        old.close()
        assert new["a"] == "new"


def test_forked_child_goes_on(store: zinc.Store) -> None:
    store["a"] = numpy.arange(5)
    held = store["a"]
    child = os.fork()
    if child == 0:
        try:
            store["b"] = int(held.sum())
            os._exit(0 if store["a"].sum() == 10 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert store["b"] == 10


def test_threads(store: zinc.Store) -> None:
    def work(number: int) -> None:
        for i in range(50):
            store[f"{number}"] = numpy.full(100, i)
            store["shared"] = numpy.full(1000, number)
            assert store[f"{number}"][0] == i
            assert len(set(store["shared"].tolist())) == 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store) == 5
    assert store.used == sum(one.memory for one in store.objects())


# ---- room ----


def test_evicts_what_was_used_longest_ago(name: str) -> None:
    with zinc.Store(name, 8 * PAGE) as store:
        for key in "abcd":
            store[key] = key
        assert store["a"] == "a"
        events = store.subscribe(timeout_ms=0)
        store["e"] = "e"
        assert set(store) == {"a", "c", "d", "e"}
        store.pin("c")
        with pytest.raises(KeyError):
            store.pin("b")
        held = store["d"]
        store["f"] = "f"
        store["g"] = "g"
        assert {"c", "f", "g"} <= set(store)
        store.pin("c", False)
        assert held == "d"
        changes = [(event.change, event.key) for event in events]
        assert changes[:2] == [("evicted", "b"), ("put", "e")]
        assert store.info().evictions == 3
        assert store.used <= store.capacity
        assert store.evict(1) == 2 * PAGE
        assert store.evict() == 6 * PAGE
        assert len(store) == 0
        with pytest.raises(ValueError, match="can't be freed"):
            store.evict(-1)


def test_what_somebody_has_is_not_evicted(name: str) -> None:
    with zinc.Store(name, 8 * PAGE) as store:
        store["a"] = numpy.arange(10)
        held = store["a"]
        for i in range(20):
            store[f"{i}"] = i
        assert store["a"].tolist() == held.tolist()
        store.build("b", 1)
        held_too = [held]
        for i in range(3):
            store[f"held {i}"] = numpy.arange(10)
            held_too.append(store[f"held {i}"])
        with pytest.raises(OSError, match="no room: the object takes") as caught:
            store["c"] = 1
        assert caught.value.errno == errno.ENOSPC
        assert f"in use by process {os.getpid()}" in str(caught.value)
        assert f": {8 * PAGE} bytes" in str(caught.value)
        assert "c" not in store
        held_too.clear()
        gc.collect()
        store["c"] = 1


def test_full_is_an_error(name: str) -> None:
    with zinc.Store(name, 4 * PAGE, full="error") as store:
        store["a"] = store["b"] = 1
        with pytest.raises(OSError, match="no room"):
            store["c"] = 1
        with pytest.raises(OSError, match="the store may have"):
            store["c"] = numpy.zeros(4 * PAGE)
        del store["a"]
        store["c"] = 1
        assert set(store) == {"b", "c"}


def test_full_waits(name: str) -> None:
    with zinc.Store(name, 4 * PAGE, full="wait") as store:
        store["a"] = store["b"] = 1
        with pytest.raises(OSError, match="no room"):
            store.put("c", 1, timeout_ms=30)
        code = "import sys, zinc; zinc.Store(sys.argv[1])['c'] = 2"
        process = subprocess.Popen([sys.executable, "-c", code, name])
        while True:  # until it waits
            time.sleep(0.01)
            wchan = Path(f"/proc/{process.pid}/wchan").read_text()
            if "futex" in wchan:
                break
            assert process.poll() is None
        assert "c" not in store
        del store["a"]
        assert process.wait(60) == 0
        assert store["c"] == 2

        async def put_and_delete() -> None:
            put = asyncio.create_task(store.put_async("d", 1))
            await asyncio.sleep(0.01)
            assert not put.done()
            del store["b"]
            await put

        asyncio.run(put_and_delete())
        assert store["d"] == 1
        held = store.build("e", 1)
        with pytest.raises(OSError, match="no room"):
            asyncio.run(store.put_async("e", 1, timeout_ms=20))
        del held


@may_unshare
def test_full_folder(tmp_path: Path, name: str) -> None:
    code = """
import errno, os, numpy, zinc
store = zinc.Store("small", 1 << 30, full="error")
store["a"] = numpy.zeros(1 << 16)
for _ in range(3):
    try:
        store["b"] = numpy.zeros(1 << 20)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert "/dev/shm" in str(error), error
    else:
        raise SystemExit("there was room")
assert list(store) == ["a"], list(store)
assert store.used == store.objects()[0].memory
assert len(os.listdir("/dev/shm")) == 2
try:
    for i in range(100_000):
        store[str(i)] = i
except OSError as error:
    assert error.errno == errno.ENOSPC
assert store[str(i - 1)] == i - 1 and str(i) not in store
store.clear()
store["b"] = numpy.zeros(1 << 16)
"""
    run_mounted("mount -t tmpfs -o size=2m tmpfs /dev/shm", code)


@may_unshare
def test_full_folder_evicts() -> None:
    code = """
import errno, os, numpy, zinc
store = zinc.Store("small", 1 << 30)
for i in range(100):
    store[str(i)] = numpy.full(1 << 20, i % 256, "u1")
assert store.info().evictions > 80, store.info()
assert "99" in store and "0" not in store, list(store)
held = [store[key] for key in list(store)]
assert len(held) > 3
try:
    for i in range(100):
        held.append(store.setdefault(f"more {i}", numpy.ones(1 << 20, "u1")))
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    assert "/dev/shm" in str(error) and f"in use by process {os.getpid()}" in str(error), error
else:
    raise SystemExit("there was room")
assert all((one == one[0]).all() for one in held)
"""
    run_mounted("mount -t tmpfs -o size=16m tmpfs /dev/shm", code)


def test_very_many_objects(name: str) -> None:
    count = 100_000
    with zinc.Store(name, 1 << 30) as store:
        for i in range(count):
            store[str(i)] = i
        assert len(store.objects()) == len(store) == count
        assert all(store[str(i)] == i for i in range(0, count, 7))
        for i in range(0, count, 2):
            del store[str(i)]
        assert len(store) == count // 2
        assert store.get("0") is None
        assert store["1"] == 1
    assert files(name) == []


# ---- waits ----


def test_waits_for_keys(store: zinc.Store) -> None:
    assert store.get("late", timeout_ms=10) is None
    assert store.wait_any(["a", "b"], 0) == []
    assert store.wait_any([], 0) == []
    assert store.wait_all([], 0)
    store["a"] = 1
    assert store.wait_any(["a", "b"]) == ["a"]
    assert not store.wait_all(["a", "b"], 10)
    code = """
import sys, zinc
store = zinc.Store(sys.argv[1])
store["started"] = 1
store.get("go", timeout_ms=None)
store["b"] = 2
store["c"] = 3
"""
    process = subprocess.Popen([sys.executable, "-c", code, store.name])
    assert store.get("started", timeout_ms=None) == 1
    store["go"] = 1
    assert store.get("b", timeout_ms=None) == 2
    assert store.wait_all(["a", "b", "c"])
    assert process.wait(60) == 0
    with pytest.raises(ValueError, match="timeout"):
        store.get("x", timeout_ms=-1)

    async def wait() -> None:
        assert await store.get_async("x", 5, timeout_ms=10) == 5
        assert await store.wait_any_async(["x", "a"]) == ["a"]
        assert not await store.wait_all_async(["x", "a"], 5)
        get = asyncio.create_task(store.get_async("x"))
        both = asyncio.create_task(store.wait_all_async(["x", "y"]))
        await asyncio.sleep(0.01)
        await store.put_async("x", 7)
        assert await get == 7
        assert not both.done()
        store["y"] = 1
        assert await both

    asyncio.run(wait())


def test_interrupted_wait(store: zinc.Store) -> None:
    class SignalError(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise SignalError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(SignalError):
            store.get("never", timeout_ms=None)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_subscribe(store: zinc.Store) -> None:
    store["before"] = 1
    events = store.subscribe(timeout_ms=0)
    assert list(events) == []
    store["a"] = numpy.zeros(10)
    store["a"] = numpy.zeros(20)
    del store["a"]
    store.evict()
    told = list(events)
    assert [(event.change, event.key) for event in told] == [
        ("put", "a"),
        ("put", "a"),
        ("deleted", "a"),
        ("evicted", "before"),
    ]
    assert [event.nbytes for event in told[:3]] == [80, 160, 160]
    assert abs(told[0].time - time.time()) < 60
    for i in range(600):
        store["x"] = i
    assert len(list(events)) == 512
    assert events.lost == 88

    async def watch() -> list[str]:
        keys = []
        async for event in store.subscribe(timeout_ms=None):
            keys.append(event.key)
            if event.key == "end":
                return keys
        raise AssertionError

    async def both() -> list[str]:
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        store["1"] = 1
        await asyncio.sleep(0.01)
        store["end"] = 1
        return await watching

    assert asyncio.run(both()) == ["1", "end"]


# ---- errors ----


def test_opened_as_it_is(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        zinc.Store.open(name)
    with zinc.Store(name, 1 << 20, full="wait", mode=0o640) as store:
        assert (store.capacity, store.info().full) == (1 << 20, "wait")
        zinc.Store(name).close()
        zinc.Store(name, 1 << 20, full="wait").close()
        with pytest.raises(ValueError, match="exists with capacity=1048576, and 5 is wanted"):
            zinc.Store(name, 5)
        with pytest.raises(ValueError, match="exists with full='wait'"):
            zinc.Store(name, full="evict")
        store["a"] = 1
        assert os.stat(SHM / f"zinc_{store.objects()[0].name}").st_mode & 0o777 == 0o640
        assert repr(store) == f"<zinc.Store {name!r}, 1 objects, {2 * PAGE} of 1048576 bytes>"
    assert repr(store) == f"<zinc.Store {name!r}, closed>"
    for use in (lambda: store["a"], lambda: store.put("a", 1), store.info, lambda: "a" in store):
        with pytest.raises(ValueError, match="is closed"):
            use()
    store.close()
    for bad in (0, -1, 1 << 63):
        with pytest.raises(ValueError, match="capacity of a store"):
            zinc.Store(name, bad)
    with pytest.raises(ValueError, match="full must be"):
        zinc.Store(name, full="drop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 233"):
        zinc.Store("x" * 234, 1)
    with zinc.create(name, 10), pytest.raises(FileExistsError, match="is no store"):
        zinc.Store(name)
    assert files(name) == []
    with zinc.Store() as store:
        assert store.name.startswith("store-")
        assert store.capacity == os.statvfs(SHM).f_blocks * os.statvfs(SHM).f_frsize // 2


def test_damaged_objects_are_refused(store: zinc.Store) -> None:
    store["a"] = {"x": numpy.arange(1000)}
    path = SHM / f"zinc_{store.objects()[0].name}"
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\xff" * 64)
    with pytest.raises(ValueError, match=r"damaged|no object"):
        store.get("a")
    store["b"] = numpy.arange(1000)
    path = SHM / f"zinc_{store.objects()[-1].name}"
    with path.open("r+b") as file:
        file.seek(2048)
        file.write(b"x")
    with pytest.raises(zinc.NotARegionError, match="description"):
        store.get("b")
