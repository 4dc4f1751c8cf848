"""References to objects: put, read by whoever has one, gone with the last."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _objects

from .conftest import SHM, sent


def regions() -> list[str]:
    """The regions of objects."""
    gc.collect()
    return [entry for entry in os.listdir(SHM) if entry.startswith("zinc_object-")]


def test_small_objects_are_in_the_reference() -> None:
    ref = zinc.put({"a": [1, 2], "b": numpy.arange(10)})
    assert regions() == []
    assert ref.name is None
    assert ref.get()["b"].tolist() == list(range(10))
    assert ref.get() is not ref.get()
    assert pickle.loads(sent(ref)).get()["a"] == [1, 2]
    assert repr(ref) == f"<zinc.Ref small, {ref.nbytes} bytes>"


def writable_data(region: str) -> list[str]:
    """Return this process's mappings that may write to what is behind a region's header."""
    mappings = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(f"/zinc_{region}"):
            addresses, access, offset, *_ = line.split()
            start, end = (int(address, 16) for address in addresses.split("-"))
            if "w" in access and int(offset, 16) + end - start > os.sysconf("SC_PAGESIZE"):
                mappings.append(line)
    return mappings


def test_large_objects_are_read_where_they_are() -> None:
    ref = zinc.put({"a": numpy.arange(10_000), "b": numpy.ones((100, 100))[::2]})
    assert regions() == [f"zinc_{ref.name}"]
    assert ref.nbytes == zinc.examine(str(ref.name)).capacity
    one, other = ref.get(), ref.get()
    assert one["a"].ctypes.data == other["a"].ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        one["a"][0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):  # nor by force
        one["a"].flags.writeable = True
    assert writable_data(str(ref.name)) == []
    del ref, other
    assert one["a"].sum() == 49_995_000
    del one
    assert regions() == []


def test_reference_on_its_way_keeps_the_object() -> None:
    ref = zinc.put(numpy.arange(10_000))
    message = sent(ref)
    del ref
    assert len(regions()) == 1
    assert len(message) < 500
    got = pickle.loads(message)
    assert got.get().sum() == 49_995_000
    del got
    assert regions() == []


def made(size: int) -> zinc.Ref:
    return zinc.put(numpy.full(size, os.getpid()))


def total(ref: zinc.Ref) -> int:
    return int(ref.get().sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_may_return_one_and_end(method: str) -> None:
    with multiprocessing.get_context(method).Pool(1) as pool:
        refs = pool.map(made, [3, 10_000])
        assert pool.map(total, refs) == [total(ref) for ref in refs]
    assert refs[1].get()[0] != os.getpid()
    assert [len(ref.get()) for ref in refs] == [3, 10_000]
    del refs
    assert regions() == []


def test_reference_in_messages_and_items(name: str) -> None:
    ref = zinc.put(numpy.arange(10_000))
    with zinc.Channel.create(name, 2, slot_size=512) as channel:
        readers = channel.reader(), channel.reader()
        channel.send_object({"ref": ref})
        for reader in readers:
            assert reader.recv(0).object()["ref"].get().sum() == 49_995_000
        channel.send_object(0)
        channel.send_object(0)
        for reader in readers:
            reader.close()
    with zinc.Queue(2, name=f"{name}-queue", slot_size=512) as queue:
        queue.put(ref)
        del ref
        assert queue.get().get().sum() == 49_995_000
    assert regions() == []


def test_regions_in_an_object_are_kept(name: str) -> None:
    shared = zinc.array(name, 3)
    shared[:] = 7
    ref = zinc.put([shared])
    del shared
    gc.collect()
    assert ref.get()[0].tolist() == [7, 7, 7]
    del ref
    gc.collect()
    zinc.unlink(name)  # which its ticket keeps for the lease


def test_references_are_not_data() -> None:
    ref = zinc.put(1)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="Ref"):
            attempt(ref)
    with pytest.raises(TypeError, match=r"zinc\.put"):
        zinc.Ref()
    with zinc.by_reference():
        assert pickle.loads(pickle.dumps(ref)).get() == 1


def test_what_can_not_be_pickled_leaves_nothing() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        zinc.put([numpy.zeros(10_000), lambda: 1])
    assert regions() == []


@pytest.mark.parametrize(
    ("shape", "dtype"), [((2, 3), "f4"), (5, "M8[s]"), ((), "i8"), ((0, 3), "f8"), (4, "S0")]
)
def test_building_in_place(shape: Any, dtype: Any) -> None:
    building = zinc.build(shape, dtype)
    with pytest.raises(ValueError, match="after the with"):
        _ = building.ref
    with building as array:
        assert array.tolist() == numpy.zeros(shape, dtype).tolist()
        if array.dtype.kind in "fi":
            array[...] = 3
        wanted = array.tolist()
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0
    got = building.ref.get()
    assert (got.shape, got.dtype, got.tolist()) == (array.shape, array.dtype, wanted)
    assert not got.flags.writeable
    with pytest.raises(ValueError, match="built already"), building:
        pass
    name = str(building.ref.name)
    del array
    assert writable_data(name) == []
    del got, building
    assert regions() == []


def test_building_that_fails_leaves_nothing() -> None:
    building = zinc.build(10_000)

    def fail() -> None:
        with building as array:
            array[:] = 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert regions() == []
    with pytest.raises(ValueError, match="after the with"):
        _ = building.ref


def test_what_can_not_be_built() -> None:
    with pytest.raises(ValueError, match="negative"):
        zinc.build((2, -1))
    with pytest.raises(ValueError, match="Python objects"):
        zinc.build(3, object)
    with pytest.raises((OSError, ValueError, OverflowError)), zinc.build((1 << 40, 1 << 10)):
        pass
    assert regions() == []


# ---- how long


def test_released_at_once() -> None:
    ref = zinc.put(numpy.arange(10_000))
    one = ref.get()
    facts = ref.name, ref.nbytes, repr(ref)
    ref.release()
    assert regions() == [f"zinc_{ref.name}"]  # which the array has
    assert one.sum() == 49_995_000
    ref.release()
    with pytest.raises(ValueError, match=r"get <zinc\.Ref 'object-.*, \d+ bytes>: it was released"):
        ref.get()
    with pytest.raises(ValueError, match=r"pickle <zinc\.Ref .*: it was released"):
        sent(ref)
    assert (ref.name, ref.nbytes, repr(ref)) == facts
    assert pickle.loads(sent(one)).sum() == 49_995_000  # by value
    del one
    assert regions() == []
    with zinc.put(numpy.arange(10_000)) as ref:
        assert len(regions()) == 1
    assert regions() == []


def test_small_ones_are_released_too() -> None:
    with zinc.put([1, 2]) as ref:
        assert ref.get() == [1, 2]
    with pytest.raises(ValueError, match=r"get <zinc\.Ref small, \d+ bytes>: it was released"):
        ref.get()
    ref.release()
    with pytest.raises(ValueError, match="released"):
        sent(ref)
    assert ref.nbytes > 0


def test_other_references_go_on_after_a_release() -> None:
    ref = zinc.put(numpy.arange(10_000))
    message = sent(ref)
    with ref, pickle.loads(message) as other:
        ref.release()
        assert other.get().sum() == 49_995_000
        third = pickle.loads(sent(other))
    assert third.get().sum() == 49_995_000
    third.release()
    assert regions() == []


def test_release_lets_go_of_regions_in_the_object(name: str) -> None:
    shared = zinc.array(name, 3)
    ref = zinc.put([shared])
    del shared
    ref.release()
    zinc.unlink(name, if_unused=True)  # its ticket has kept it, and nobody else


def test_collected_in_a_cycle() -> None:
    ref = zinc.put(numpy.arange(10_000))
    cycle: list[Any] = [ref, ref.get()]
    cycle.append(cycle)
    del ref, cycle
    assert regions() == []


def test_released_beside_loads_of_other_threads() -> None:
    outcomes: list[object] = []

    def load(ref: zinc.Ref, barrier: threading.Barrier) -> None:
        barrier.wait()
        try:
            while True:
                outcomes.append(int(ref.get()[-1]))
        except ValueError as error:
            outcomes.append("released" in str(error) or error)

    for _ in range(50):
        ref = zinc.put(numpy.arange(10_000))
        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=load, args=(ref, barrier)) for _ in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        ref.release()
        for thread in threads:
            thread.join()
    assert outcomes.count(True) == 150
    assert set(outcomes) <= {True, 9999}
    assert regions() == []


@pytest.mark.parametrize("first", ["parent", "child"])
def test_forked_child_has_one_of_its_own(first: str) -> None:
    ref = zinc.put(numpy.arange(10_000))
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()

    def child() -> None:
        if first == "child":
            ref.release()
        there.send(None)
        there.recv()
        there.send(None if first == "child" else int(ref.get().sum()))

    process = fork.Process(target=child)
    process.start()
    here.recv()
    assert ref.get().sum() == 49_995_000
    if first == "parent":
        ref.release()
        assert len(regions()) == 1
    here.send(None)
    assert here.recv() == (None if first == "child" else 49_995_000)
    process.join()
    ref.release()
    zinc.reclaim()  # multiprocessing's children leave without exit handlers
    assert regions() == []


EXIT = """
import numpy, sys, zinc
ref = zinc.put(numpy.arange(10_000))
other = zinc.put(numpy.arange(10_000))
array = other.get()
if len(sys.argv) > 1:
    other.release()
print(array.sum())
"""


@pytest.mark.parametrize("arguments", [(), ("release",)])
def test_exit_leaves_nothing(python: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = python(EXIT, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "49995000\n", "")
    assert regions() == []


# ---- copies


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "array",
    [
        numpy.arange(10),
        numpy.arange(10_000.0),
        numpy.asfortranarray(numpy.ones((100, 70))),
        numpy.ones((100, 100))[::2, ::3],
        numpy.arange(2000).astype("M8[s]"),
        numpy.ones(1000, [("a", "i4"), ("b", "f8")]),
        numpy.zeros(0),
        numpy.zeros((100, 200, 3))[:, :, 0].T,
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
@pytest.mark.parametrize("is_writable", [True, False])
def test_copies_can_be_written(array: Any, is_writable: bool) -> None:
    array = array.copy(order="K") if is_writable else read_only(array.view())
    ref = zinc.put({"a": array})
    before = ref.get()["a"].copy()
    copied, other = ref.get(copy=True)["a"], ref.get(copy=True)["a"]
    assert copied.flags.writeable
    assert (copied.tolist(), copied.strides) == (before.tolist(), ref.get()["a"].strides)
    ref.release()
    assert regions() == []
    copied[...] = numpy.zeros((), copied.dtype)
    assert other.tolist() == before.tolist()


def test_arrays_in_regions_are_not_copied(name: str) -> None:
    shared = zinc.array(name, 3)
    with zinc.put([shared, numpy.zeros(3)]) as ref:
        got = ref.get(copy=True)
        shared[0] = got[1][0] = 1
        assert got[0].tolist() == [1, 0, 0]
        assert ref.get()[1].tolist() == [0, 0, 0]
    zinc.unlink(name)  # which its ticket keeps for the lease


# ---- how much memory


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("size", [64, 4096, 5000, 100_003])
def test_memory_beside_the_arrays(count: int, size: int) -> None:
    """The header's page, and for each array 8 bytes, and what it lacks to a multiple of 64."""
    arrays = [numpy.zeros(size, "u1") for _ in range(count)]
    ref = zinc.put(arrays)
    parts = _objects.dump(arrays)
    written = bytearray(parts.size)
    parts.write_into(written)
    stream = int.from_bytes(written[8:16], "little")
    assert ref.nbytes == parts.size
    assert ref.nbytes <= 24 + stream + count * (size + 8 + 63)
    if ref.name:
        page = os.sysconf("SC_PAGESIZE")
        pages = -(-(page + ref.nbytes) // page)
        assert zinc.examine(ref.name).memory == pages * page
