"""References to objects: put, read by whoever has one, gone with the last."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import pickle
from typing import Any

import numpy
import pytest

import zinc

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
    assert repr(ref) == f"<zinc.Ref small, {ref.size} bytes>"


def test_large_objects_are_read_where_they_are() -> None:
    ref = zinc.put({"a": numpy.arange(10_000), "b": numpy.ones((100, 100))[::2]})
    assert regions() == [f"zinc_{ref.name}"]
    assert ref.size == zinc.examine(str(ref.name)).capacity
    one, other = ref.get(), ref.get()
    assert one["a"].ctypes.data == other["a"].ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        one["a"][0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):  # nor by force
        one["a"].flags.writeable = True
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
    del got, array, building
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
