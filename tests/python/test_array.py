"""zinc.array and its kin: what is shared, what is private, and what a pickle carries."""

from __future__ import annotations

import concurrent.futures
import contextlib
import copy
import multiprocessing
import os
import pickle
import re
import signal
import types
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import joblib
import numpy
import numpy.typing
import pytest

import zinc
from zinc import _description, _zinc

from .conftest import SHM, names_here, sent
from .hostile import HOSTILE

Array = numpy.ndarray[Any, Any]

DTYPES: dict[str, Any] = {
    "float32": "f4",
    "swapped": ">i8",
    "bool": bool,
    "complex": complex,
    "bytes": "S7",
    "unicode": "U3",
    "datetime": "M8[ns]",
    "structured": [("x", "f8"), ("name", "S5"), ("grid", "i2", (2, 3))],
    "nested": [("a", [("b", "u1"), ("c", "f4")]), ("d", "u8")],
    "aligned": numpy.dtype([("flag", "u1"), ("value", "f8")], align=True),
    "offsets": numpy.dtype({"names": ["a"], "formats": ["f4"], "offsets": [8], "itemsize": 24}),
    "accents": [("größe", "f4")],
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 0, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_opener_has_the_same_array(
    name: str, dtype: Any, shape: tuple[int, ...], order: Any
) -> None:
    created = zinc.array(name, shape, dtype, order=order)
    opened = zinc.open_array(name, shape, dtype)
    assert type(created) is type(opened) is zinc.SharedArray
    assert created.shape == opened.shape == shape
    assert created.dtype == opened.dtype == numpy.dtype(dtype)
    assert created.strides == opened.strides
    assert opened.size == 0 or opened.strides == numpy.zeros(shape, dtype, order).strides
    assert not any(created.tobytes(order))
    created.view(numpy.ndarray).reshape(-1, order="A").view("u1")[:] = 1
    assert created.tobytes(order) == opened.tobytes(order)


def test_records(name: str) -> None:
    record = numpy.dtype((numpy.record, [("x", "f8"), ("y", "i4")]))
    created = zinc.array(name, 3, record)
    opened = zinc.open_array(name)
    created["y"] = 7
    assert opened[1].y == 7
    assert opened.dtype.type is numpy.record
    for pickled in pickle.dumps(opened), sent(opened):
        assert pickle.loads(pickled)[2].y == 7


def test_views_stay_shared_and_the_rest_is_plain(name: str) -> None:
    array = zinc.array(name, (4, 6), "f4")
    array[:] = numpy.arange(24).reshape(4, 6)
    views: list[Any] = [array[1:], array[2], array[..., 1], array.T, array.reshape(6, 4)]
    views += [array.view("u4"), array[::-2], array[None], array.real, numpy.flip(array)]
    views += [numpy.expand_dims(array, 0), array.ravel()]
    for view in views:
        assert type(view) is zinc.SharedArray
        assert view.region is zinc.region_of(view) is array.region
    plain: list[Any] = [array + 1, -array, array.copy(), array[[0, 2]], array[array > 3]]
    plain += [array.sum(0), numpy.sin(array), array.astype("f8"), array.flatten(), array == array]
    plain += [numpy.zeros_like(array), numpy.concatenate([array, array]), numpy.sort(array)]
    plain += [
        copy.copy(array),
        copy.deepcopy(array),
        array.T.ravel(),
        array.take([1]),
        array @ array.T,
    ]
    plain += [*numpy.divmod(array, 3), *numpy.unique(array, return_counts=True), array.argsort()]
    for result in plain:
        assert type(result) is numpy.ndarray
        assert zinc.region_of(result) is None
    assert isinstance(array[1, 1], numpy.float32)
    assert isinstance(array.sum(), numpy.float32)
    before = array
    array += 1
    assert array is before is numpy.multiply(array, 2, out=array)
    for other in numpy.asarray(array)[1:], array.view(numpy.recarray), memoryview(array):
        assert zinc.region_of(numpy.asarray(other)) is array.region
    assert zinc.region_of(numpy.lib.stride_tricks.as_strided(array, (3,), (4,))) is array.region
    assert zinc.region_of(numpy.ones(3)) is None
    assert zinc.region_of("nonsense") is None
    loop = types.SimpleNamespace()
    loop.base = loop
    assert zinc.region_of(loop) is None


def test_class_is_not_to_be_called(name: str) -> None:
    array = zinc.array(name, 3)
    with pytest.raises(TypeError, match=r"zinc\.array"):
        zinc.SharedArray(3)
    assert array.region.name == name


def test_region_lasts_as_long_as_the_last_view(name: str) -> None:
    view: Any = zinc.array(name, (3, 4))[1:].T
    with zinc.open(name):
        pass
    view.region.close()
    view[:] = 4
    assert view.sum() == 32
    with pytest.raises(FileNotFoundError):
        zinc.open_array(name)
    assert (pickle.loads(sent(view)) == 4).all()  # no more by reference


def test_share_copies_what_there_is(name: str) -> None:
    for source in (
        numpy.arange(12.0).reshape(3, 4),
        numpy.asfortranarray(numpy.arange(12).reshape(3, 4)),
        numpy.arange(12)[::-2],
        numpy.array(5),
        numpy.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    ):
        shared = zinc.share(source, name)
        opened = zinc.open_array(name)
        assert opened.region.wait(0)
        assert opened.dtype == source.dtype
        assert (opened == source).all()
        assert opened.flags.fnc == source.flags.fnc
        assert not numpy.shares_memory(opened, source)
        del shared, opened
    nameless = zinc.share([1, 2])
    assert nameless.region.name is not None
    assert zinc.open_array(nameless.region.name).tolist() == [1, 2]
    with pytest.raises(TypeError, match="mask"):
        zinc.share(numpy.ma.masked_array([1, 2], [True, False]))


def test_anonymous_array_from_its_descriptor() -> None:
    description = _description.write((2, 2), numpy.dtype("i4"), "C")
    made = _zinc.anonymous(zinc.SharedRegion, 16, 0, description, _description.ARRAY)
    zinc.open_array(made)[1] = 5
    region = zinc.SharedRegion.from_fd(made.descriptor(), readonly=True)
    opened = zinc.open_array(region)
    assert opened.region is region
    assert opened.tolist() == [[0, 0], [5, 5]]
    assert not opened.flags.writeable


def test_readonly_array(name: str) -> None:
    array = zinc.array(name, 3)
    reader = zinc.open_array(name, readonly=True)
    again = pickle.loads(sent(reader))
    frozen = array[:]
    frozen.flags.writeable = False
    for view in reader, reader[1:], again, pickle.loads(sent(frozen)):
        with pytest.raises(ValueError, match="read-only"):
            view[:] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        again.flags.writeable = True


def test_expectations_that_differ_name_both(name: str) -> None:
    array = zinc.array(name, (3, 4), "f4")
    for shape, dtype in ((4, 3), None), (None, "f8"), (12, "f4"), ((3, 4), ">f4"):
        with pytest.raises(ValueError, match=name) as caught:
            zinc.open_array(name, shape, dtype)
        message = str(caught.value)
        assert "(3, 4)" in message
        assert "float32" in message
        assert shape is None or str(shape).strip("()") in message
        assert dtype is None or str(numpy.dtype(dtype)) in message
    assert array.region.sequence == 0


def test_arrays_that_cannot_be(name: str) -> None:
    wrong: Any
    for wrong in (object, [("x", "O")], numpy.dtypes.StringDType()):
        with pytest.raises(ValueError, match="Python objects"):
            zinc.array(name, 3, wrong)
    for wrong in ("S0", "V0", []):
        with pytest.raises(ValueError, match="no bytes"):
            zinc.array(name, 3, wrong)
    with pytest.raises(ValueError, match="2048"):
        zinc.array(name, 3, [(f"field{i}", "f8") for i in range(300)])
    with pytest.raises(ValueError, match="negative"):
        zinc.array(name, (3, -1))
    with pytest.raises(ValueError, match="order"):
        zinc.array(name, 3, order="K")  # type: ignore[arg-type]
    for shape in ("three", None, 2.5, (2, "3")):
        with pytest.raises(TypeError):
            zinc.array(name, shape)  # type: ignore[arg-type]
    for huge in ((2**62, 2), (2**70,)):
        with pytest.raises(ValueError, match="capacity"):
            zinc.array(name, huge)
    with pytest.raises(ValueError, match="1 to 250"):
        zinc.array("no/name", 3)
    with pytest.raises(FileNotFoundError):
        zinc.open_array(name)
    with zinc.create(name, 8), pytest.raises(ValueError, match="as_numpy"):
        zinc.open_array(name)


@pytest.mark.parametrize("description", HOSTILE, ids=range(len(HOSTILE)))
def test_description_that_lies(name: str, description: bytes) -> None:
    from zinc import _zinc

    region = _zinc.create(zinc.SharedRegion, name, 8, 0, 0o600, False, description, 1)
    with pytest.raises(zinc.NotARegionError, match=f"{name}.*damaged"):
        zinc.open_array(name)
    del region


def test_shape_that_numpy_refuses_makes_no_region(name: str) -> None:
    for shape in (1,) * 65, (0, 2**63), (2**62, 2):
        with pytest.raises(ValueError, match="can't be") as kept:
            zinc.array(name, shape, "u1", persistent=True)
        with pytest.raises(FileNotFoundError):
            zinc.open(name)
        del kept


def interrupted(call: Callable[[], object], seconds: float) -> bool:
    """Call, and interrupt it after a while; was that before it had returned?"""
    kept = None
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        kept = call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return kept is None
    finally:
        signal.signal(signal.SIGALRM, before)
    return False


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("call", ["create", "array", "share"])
def test_interrupted_call_leaves_nothing(name: str, call: str, persistent: bool) -> None:
    """At moments all over the call, until none comes before its end."""
    source = numpy.ones(32 << 20, "u1")
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: zinc.create(name, source.size, persistent=persistent),
        "array": lambda: zinc.array(name, source.shape, "u1", persistent=persistent),
        "share": lambda: zinc.share(source, name, persistent=persistent),
    }
    count = 0
    for step in range(1, 1000):
        if not interrupted(calls[call], step * 0.001):
            with contextlib.suppress(FileNotFoundError):
                zinc.unlink(name)
            break
        count += 1
        assert not (SHM / f"zinc_{name}").exists()
    assert count


# ---- pickles ----


def test_multiprocessing_sends_a_reference(name: str) -> None:
    array = zinc.array(name, (100, 200, 30), "f4")
    array[:] = numpy.arange(600000).reshape(array.shape)
    for view in (
        array,
        array[5:10],
        array.T,
        array[::-1, ::-2, 3],
        array[7, 8, 9:9],
        array[..., None],
        numpy.broadcast_to(array[0], (4, 200, 30), subok=True),
        array.view("u1")[..., 1::4],
    ):
        pickled = sent(view)
        assert len(pickled) < 500
        loaded = pickle.loads(pickled)
        assert type(loaded) is zinc.SharedArray
        assert (loaded.shape, loaded.strides, loaded.dtype) == (
            view.shape,
            view.strides,
            view.dtype,
        )
        assert numpy.array_equal(loaded, view)
        if view.size:
            assert numpy.shares_memory(loaded, array)
    assert type(pickle.loads(sent(array + 1))) is numpy.ndarray
    array.region.unlink()
    del loaded, view, array
    with pytest.raises(pickle.UnpicklingError, match=name):
        pickle.loads(pickled)
    other = zinc.array(name, (100, 200, 30), "f4")
    with pytest.raises(pickle.UnpicklingError, match=f"{name}.*another"):
        pickle.loads(pickled)
    del other


def test_forked_child_loads_what_it_has_inherited() -> None:
    """Of an anonymous region that its parent has closed by then: nobody else could attach."""
    array = zinc.SharedRegion.anonymous(24).as_numpy("f8")
    pickled = sent(array[1:])
    region = zinc.region_of(array)
    assert region
    asked, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(told)
            os.read(asked, 1)
            loaded = pickle.loads(pickled)
            loaded[:] = 5
            os._exit(0 if array.tolist() == [0, 5, 5] and zinc.region_of(loaded) is region else 1)
        finally:
            os._exit(2)
    region.close()
    os.close(asked)
    os.close(told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def private_bytes() -> int:
    """Return the memory of this process that is no file's and nobody else's."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def add(part: Array) -> tuple[float, int, int]:
    """Sum and change a part of an array, in a worker."""
    before = private_bytes()
    total = float(part.sum())
    part += 1
    assert isinstance(part, zinc.SharedArray)
    return total, private_bytes() - before, os.getpid()


def parts(array: Any) -> list[Any]:
    return [array[i : i + len(array) // 16] for i in range(0, len(array), len(array) // 16)]


CONTEXTS = [multiprocessing.get_context(kind) for kind in ("fork", "spawn", "forkserver")]
GIGABYTE = 1 << 30


def check_pool(array: Any, results: list[tuple[float, int, int]]) -> None:
    assert sum(total for total, _, _ in results) == array.size
    assert all(pid != os.getpid() for _, _, pid in results)
    assert max(grown for _, grown, _ in results) < GIGABYTE // 64
    assert (array == 2).all()


@pytest.fixture
def gigabyte(name: str) -> Iterator[zinc.SharedArray]:
    array = zinc.array(name, (16, GIGABYTE // 16 // 4), "f4")
    array[:] = 1
    yield array
    array.region.close()  # pytest keeps the array


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_pool_over_a_gigabyte_copies_none_of_it(gigabyte: Any, context: BaseContext) -> None:
    files = names_here()
    with context.Pool(2) as pool:
        check_pool(gigabyte, pool.map(add, parts(gigabyte)))
        pool.close()
        pool.join()
    assert {file for file in names_here() if "zinc" in file} <= files


def test_executor_over_a_gigabyte_copies_none_of_it(gigabyte: Any) -> None:
    with concurrent.futures.ProcessPoolExecutor(2, CONTEXTS[1]) as pool:
        check_pool(gigabyte, list(pool.map(add, parts(gigabyte))))


def test_joblib_over_a_gigabyte_copies_none_of_it(gigabyte: Any, tmp_path: Path) -> None:
    from joblib.externals.loky import get_reusable_executor

    try:
        run = joblib.Parallel(n_jobs=2, temp_folder=tmp_path)
        check_pool(gigabyte, run(joblib.delayed(add)(part) for part in parts(gigabyte)))
    finally:
        get_reusable_executor().shutdown(wait=True)


def hold(array: Array, events: Any) -> None:
    events.put(array.sum())
    assert isinstance(array, zinc.SharedArray)
    assert array.region.wait(60_000, after=0)
    events.put(array.sum())


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_argument_of_a_process(name: str, context: Any, anonymous: bool) -> None:
    array = zinc.array(None if anonymous else name, (3, 4))
    array[:] = 1
    events = context.Queue()
    child = context.Process(target=hold, args=(array.T[1:], events))
    child.start()
    assert events.get(timeout=60) == 9
    array[:] = 2
    array.region.notify()
    assert events.get(timeout=60) == 18
    child.join(60)
    assert child.exitcode == 0


def test_class_between_is_of_no_use(name: str) -> None:
    """What has arrays of it, or of classes of one's own, gets an exception, and no crash."""
    shared = zinc.array(name, 4)
    between: Any = zinc.SharedArray.__base__
    own: Any = type("Own", (between,), {})
    further: Any = type("Further", (own,), {})
    for cls in between, own, further:
        with pytest.raises((AttributeError, TypeError)):
            shared.view(cls)
        with pytest.raises((AttributeError, TypeError)):
            numpy.arange(3).view(cls)[0]
