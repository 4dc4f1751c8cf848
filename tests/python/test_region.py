"""One process and its regions."""

from __future__ import annotations

import inspect
import mmap
import weakref

import numpy as np
import pytest

import zinc


def test_properties(name: str) -> None:
    with zinc.create(name, 5000) as region:
        assert region.name == name
        assert region.capacity == len(region) == 5000
        assert not region.readonly
        assert not region.closed
        assert region.sequence == 0
        assert region.address % mmap.PAGESIZE == 0
        assert isinstance(region, zinc.SharedRegion)
    assert region.closed
    assert (region.name, region.capacity) == (name, 5000)


@pytest.mark.parametrize("capacity", [1, 4095, 4096, 4097, 1 << 20 | 1])
def test_capacity_is_exact_and_zeroed(name: str, capacity: int) -> None:
    with zinc.create(name, capacity) as region, zinc.open(name) as other:
        view = memoryview(other)
        assert view.nbytes == len(other) == capacity
        assert bytes(view) == bytes(capacity)
        memoryview(region)[capacity - 1] = 7
        assert view[capacity - 1] == 7


def test_buffers_are_the_region_itself(name: str) -> None:
    with zinc.create(name, 16) as region:
        memoryview(region)[0:4] = b"abcd"
        region.as_buffer()[4:8] = b"efgh"
        np.frombuffer(region, "u1")[8:12] = 105
        region.as_numpy()[12:] = 106
        assert bytes(region.as_buffer()) == b"abcdefghiiiijjjj"


def test_numpy_views(name: str) -> None:
    with zinc.create(name, 103) as region:
        assert region.as_numpy().dtype == np.uint8
        assert region.as_numpy().shape == (103,)
        assert region.as_numpy("f4").shape == (25,)
        array = region.as_numpy(np.float64, (3, 4))
        array[:] = np.arange(12).reshape(3, 4)
        assert region.as_numpy("f8", 12).tolist() == list(range(12))
        assert np.shares_memory(array, region.as_numpy())


def test_view_outlives_close_and_region(name: str) -> None:
    region = zinc.create(name, 8)
    array = region.as_numpy()
    region.close()
    array[:] = 5
    del region
    assert array.tolist() == [5] * 8
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


def test_closed_region_refuses(name: str) -> None:
    region = zinc.create(name, 8)
    region.close()
    region.close()
    for use in (
        region.as_buffer,
        region.as_numpy,
        region.notify,
        region.try_wait,
        region.wait,
        region.__enter__,
        region.trim,
        lambda: memoryview(region),
        lambda: region.address,
        lambda: region.linked,
        lambda: region.used,
        lambda: region.metadata,
        lambda: region.seen,
        lambda: region.sequence,
    ):
        with pytest.raises(ValueError, match=f"region '{name}' is closed"):
            use()


def test_context_manager_closes_on_error(name: str) -> None:
    with pytest.raises(KeyError), zinc.create(name, 8) as region:
        raise KeyError
    assert region.closed


def test_garbage_collection_detaches(name: str) -> None:
    region = zinc.create(name, 8)
    reference = weakref.ref(region)
    del region
    assert reference() is None
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


def test_repr_tells_what_matters(name: str) -> None:
    region = zinc.create(name, 8)
    region.notify()
    assert (
        repr(region) == f"<zinc.SharedRegion '{name}', 8 bytes at {region.address:#x}, sequence 1>"
    )
    with zinc.open(name, readonly=True) as reader:
        assert "8 bytes, read-only," in repr(reader)
    region.close()
    assert repr(region) == f"<zinc.SharedRegion '{name}', 8 bytes, closed>"


def test_subclass_is_kept(name: str) -> None:
    class Frames(zinc.SharedRegion):
        pass

    with Frames.create(name, 8) as region, Frames.open(name) as other:
        assert type(region) is type(other) is Frames


def test_no_other_way_to_make_one(name: str) -> None:
    from zinc import _zinc

    with pytest.raises(TypeError, match=r"use SharedRegion\.create"):
        zinc.SharedRegion()
    for wrong in (int, 3, object):
        with pytest.raises(TypeError, match="subclass of SharedRegion"):
            _zinc.create(wrong, name, 8, 0, 0, False, b"", 0)  # type: ignore[type-var, arg-type]
    uninitialized = object.__new__
    with pytest.raises(TypeError):
        uninitialized(zinc.SharedRegion)


def test_metadata_and_id_come_with_the_region(name: str) -> None:
    longest = bytes(range(256)) * 8
    with zinc.create(name, 1, metadata=longest) as region, zinc.open(name) as other:
        assert region.metadata == other.metadata == longest
        assert region.id == other.id != 0
        assert region.kind == other.kind == 0
        with zinc.open_or_create(name, 1, metadata=b"unused") as third:
            assert third.metadata == longest
    with zinc.open_or_create(name, 1, metadata=memoryview(b"new")) as third:
        assert third.metadata == b"new"
        assert third.id != region.id
    with zinc.SharedRegion.anonymous(1, metadata=b"nameless") as region:
        assert zinc.SharedRegion.from_fd(region.descriptor()).metadata == b"nameless"
    with zinc.create(name, 1) as region:
        assert region.metadata == b""
    with pytest.raises(ValueError, match=f"{name}.*2049 bytes of metadata.*2048"):
        zinc.create(name, 1, metadata=bytes(2049))
    with pytest.raises(TypeError, match="bytes-like"):
        zinc.create(name, 1, metadata="text")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["close", "as_buffer", "notify", "try_wait", "wait", "as_numpy"])
def test_methods_have_signatures_and_docstrings(method: str) -> None:
    function = getattr(zinc.SharedRegion, method)
    assert inspect.signature(function).parameters["self"]
    assert len(function.__doc__) > 60
    if method == "wait":
        assert str(inspect.signature(function)) == (
            "(self, /, timeout_ms=1000, after=None, until_alone=False)"
        )
