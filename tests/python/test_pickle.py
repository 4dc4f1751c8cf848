"""References to regions and arrays: who sends them, what keeps them, who loads them."""

from __future__ import annotations

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest

import zinc

from .conftest import sent

CONTEXTS = [multiprocessing.get_context(kind) for kind in ("fork", "spawn", "forkserver")]


class Frames(zinc.SharedRegion):
    """With something of its own to keep."""

    rate: int


class Slotted(Frames):
    """With places of its own beside, one of which is empty."""

    __slots__ = ("depth", "empty")

    depth: int
    empty: int


class Bare(zinc.SharedRegion):
    """With places alone."""

    __slots__ = ("depth",)

    depth: int


class Stated(zinc.SharedRegion):
    """That says itself what is kept."""

    __slots__ = ("depth", "secret")

    depth: int
    secret: str

    def __getstate__(self) -> object:
        return {"doubled": self.depth * 2}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.depth = state["doubled"]


def answer(region: zinc.SharedRegion) -> None:
    """Count up what is there, in a child."""
    while region.wait(60_000):
        region.as_buffer()[0] += 1
        if region.as_buffer()[0] == 11:
            return


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_child_attaches(name: str, context: Any, anonymous: bool) -> None:
    make = zinc.SharedRegion.anonymous
    with make(1) if anonymous else zinc.create(name, 1) as region:
        child = context.Process(target=answer, args=(region,))
        child.start()
        region.as_buffer()[0] = 10
        region.notify()
        child.join(60)
        assert child.exitcode == 0
        assert region.as_buffer()[0] == 11


def attributes(region: zinc.SharedRegion) -> tuple[Any, ...]:
    return type(region), region.name, region.capacity, region.readonly, region.id, region.metadata


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_loaded_is_a_handle_of_its_own(name: str, protocol: int) -> None:
    with (
        Frames.create(name, 8, metadata=b"m") as region,
        zinc.open(name, readonly=True) as reader,
        zinc.SharedRegion.anonymous(8) as unnamed,
        zinc.SharedRegion.from_fd(unnamed.descriptor(), readonly=True) as unnamed_reader,
    ):
        region.rate = 30
        region.notify()
        assert region.try_wait()
        for one in region, reader, unnamed, unnamed_reader:
            loaded = pickle.loads(sent(one, protocol))
            assert loaded is not one
            assert attributes(loaded) == attributes(one)
            assert loaded.sequence == one.sequence
            assert loaded.seen == 0
            loaded.close()
            assert not one.closed
        assert pickle.loads(sent(region, protocol)).rate == 30


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_a_subclass_has_of_its_own_is_kept(name: str, protocol: int) -> None:
    with Slotted.create(name, 8) as region, Bare.anonymous(8) as bare, Stated.anonymous(8) as own:
        region.rate, region.depth = 30, 5
        bare.depth = own.depth = 7
        own.secret = "s"
        with pickle.loads(sent(region, protocol)) as loaded:
            assert (loaded.rate, loaded.depth, loaded.id) == (30, 5, region.id)
            assert not hasattr(loaded, "empty")
        with pickle.loads(sent(bare, protocol)) as loaded:
            assert loaded.depth == 7
        with pickle.loads(sent(own, protocol)) as loaded:
            assert loaded.depth == 14
            assert not hasattr(loaded, "secret")


def test_pickle_of_what_is_gone(name: str) -> None:
    reading, writing = os.pipe()
    others = reading, os.open("/dev/null", os.O_RDWR), os.open("/dev/shm", os.O_RDONLY)
    region, unnamed = zinc.create(name, 8), zinc.SharedRegion.anonymous(8)
    pickles = sent(region), sent(unnamed)
    descriptor = unnamed.descriptor()
    region.unlink()
    for one in region, unnamed:
        one.close()
        with pytest.raises(ValueError, match="closed"):
            sent(one)
    with pytest.raises(pickle.UnpicklingError, match=name):
        pickle.loads(pickles[0])
    with zinc.create(name, 8), pytest.raises(pickle.UnpicklingError, match=f"{name}.*another"):
        pickle.loads(pickles[0])

    # Whatever the descriptor leads to by now: nothing is opened, nothing waits.
    with pytest.raises(pickle.UnpicklingError, match=f"process {os.getpid()} has closed it"):
        pickle.loads(pickles[1])
    for other in others:
        os.dup2(other, descriptor)
        with pytest.raises(pickle.UnpicklingError, match="has closed it"):
            pickle.loads(pickles[1])
        os.close(descriptor)
        os.close(other)
    os.close(writing)
    with zinc.SharedRegion.anonymous(8) as another:
        os.dup2(another.descriptor(), descriptor)
        with pytest.raises(pickle.UnpicklingError, match="another"):
            pickle.loads(pickles[1])
        if another.descriptor() != descriptor:
            os.close(descriptor)


def test_pickle_of_a_process_that_ended() -> None:
    code = "import pickle, sys, zinc; r = zinc.SharedRegion.anonymous(8)\n"
    code += "with zinc.by_reference(): sys.stdout.buffer.write(pickle.dumps(r))"
    pickled = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    with pytest.raises(pickle.UnpicklingError, match="or ended"):
        pickle.loads(pickled.stdout)


def test_copy_says_no_with_a_reason(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.SharedRegion.anonymous(8) as unnamed:
        for function in copy.copy, copy.deepcopy:
            with pytest.raises(TypeError, match=f"{name}.*same memory.*open it once more"):
                function(region)
            with pytest.raises(TypeError, match=r"anonymous.*same memory"):
                function([unnamed] if function is copy.deepcopy else unnamed)


# ---- who sends references, and who writes the data ----


def test_other_picklers_write_the_data(name: str, tmp_path: Path) -> None:
    """To a file, a checkpoint or another machine, where a reference would be lost."""
    array = zinc.array(name, (1000, 10))
    array[:] = numpy.arange(10000).reshape(1000, 10)
    file = tmp_path / "array"
    files: dict[str, tuple[Callable[[], object], Callable[[], Any]]] = {
        "joblib": (lambda: joblib.dump(array[1:], file), lambda: joblib.load(file)),
        "numpy": (lambda: array[1:].dump(file), lambda: numpy.load(file, allow_pickle=True)),
        "pickle": (
            lambda: file.write_bytes(pickle.dumps({"a": array[1:]})),
            lambda: pickle.loads(file.read_bytes())["a"],
        ),
    }
    for write, read in files.values():
        array[:] = numpy.arange(10000).reshape(1000, 10)
        write()
        array[:] = 0
        found = read()
        assert type(found) is numpy.ndarray
        assert numpy.array_equal(found, numpy.arange(10, 10000).reshape(999, 10))
    # Nor does it take zinc to load one.
    assert b"zinc" not in pickle.dumps(array)


def test_data_are_written_out_of_band(name: str) -> None:
    array = zinc.array(name, 1000)
    array[:] = 5
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(array, 5, buffer_callback=buffers.append)
    assert len(pickled) < 500
    (buffer,) = buffers
    assert numpy.shares_memory(numpy.frombuffer(buffer, "f8"), array)
    assert (pickle.loads(pickled, buffers=buffers) == 5).all()


def test_region_refuses_other_picklers(name: str) -> None:
    with zinc.create(name, 8) as region, Frames.anonymous(8) as unnamed:
        for one in region, unnamed, [region], {"region": unnamed}:
            with pytest.raises(TypeError, match=r"pickle.*by_reference"):
                pickle.dumps(one)


def test_by_reference_is_for_who_says_so(name: str) -> None:
    array = zinc.array(name, 1000)
    with zinc.by_reference():
        pickled = pickle.dumps([array, array.region])
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert len(pool.submit(pickle.dumps, array).result()) > 8000
    assert len(pickled) < 1000
    loaded, region = pickle.loads(pickled)
    assert numpy.shares_memory(loaded, array)
    assert region.id == array.region.id
    region.close()
    with pytest.raises(TypeError, match="by_reference"):
        pickle.dumps(array.region)


@pytest.mark.parametrize("module", ["multiprocessing.reduction", "joblib"])
def test_picklers_that_are_imported_later(name: str, module: str) -> None:
    """They need not be there when zinc, or the array, comes."""
    code = f"""if True:
        import pickle, sys, zinc
        array = zinc.array({name!r}, 1000)
        region = array.region
        plain = region.as_numpy("f8")
        assert {module!r} not in sys.modules
        import {module}
        if {module!r} == "joblib":
            from joblib.externals.loky.backend.reduction import dumps
        else:
            from multiprocessing.reduction import ForkingPickler
            dumps = ForkingPickler.dumps
        for value in array, region, plain:
            assert len(sent := bytes(dumps(value))) < 1000, value
            pickle.loads(sent)
        import importlib, multiprocessing.reduction as r
        assert r.__spec__.loader is r.__loader__
        assert type(r.__loader__).__module__.startswith(("importlib", "_frozen_importlib"))
    """
    subprocess.run([sys.executable, "-c", code], check=True)


class Own(numpy.ndarray[Any, Any]):
    """Somebody's subclass: it goes as it likes."""


def test_plain_arrays_on_a_region_go_by_reference(name: str) -> None:
    region = zinc.create(name, 8000)
    array = region.as_numpy("f8")
    array[:] = range(1000)
    inner = numpy.asarray(array[10:].reshape(99, 10).T)
    for value in array, inner, numpy.frombuffer(region, "f8"), numpy.frombuffer(memoryview(region)):
        loaded = pickle.loads(sent(value))
        assert type(loaded) is numpy.ndarray
        assert numpy.shares_memory(loaded, array)
        assert numpy.array_equal(loaded, value)
        assert loaded.flags.writeable == value.flags.writeable
    assert not numpy.shares_memory(pickle.loads(sent(array.view(Own))), array)
    for value in numpy.arange(5), numpy.arange(10)[2:], array + 1, numpy.array(["a", None]):
        assert sent(value) == pickle.dumps(value)  # as without zinc
    region.close()
    assert numpy.array_equal(pickle.loads(sent(inner)), inner)  # no region to attach to


def test_frames_and_matrices_on_a_region_go_by_reference(name: str) -> None:
    pandas = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    array = zinc.array(name, (10_000, 3))
    frame = pandas.DataFrame(array, columns=["x", "y", "z"], copy=False)
    numbers = zinc.share(numpy.arange(10_000, dtype="i4"))
    rows = zinc.share(numpy.arange(10_001, dtype="i4"))
    matrix = sparse.csr_matrix((array[:, 0].reshape(-1), numbers, rows), copy=False)
    for value in frame, matrix:
        pickled = sent(value)
        assert len(pickled) < 5000
        loaded = pickle.loads(pickled)
        array[5] += 1
        assert (value != loaded).sum().sum() == 0
    assert numpy.shares_memory(loaded.indptr, rows)


# ---- references that are under way, and nobody attached ----


def result(name: str | None) -> zinc.SharedArray:
    """Compute something in a worker, and let go of it."""
    return zinc.share(numpy.arange(5), name)


def send(queue: Any, name: str) -> None:
    queue.put(result(name))
    queue.put(numpy.asarray(result(None)))


def total(array: Any) -> int:
    return int(array.sum())


def check_that_nothing_is_kept(*names: str) -> None:
    for name in names:
        with pytest.raises(FileNotFoundError):
            zinc.open(name)


def check_results(found: list[Any], *names: str) -> None:
    assert [array.tolist() for array in found] == [[0, 1, 2, 3, 4]] * len(found)
    all_names = [*names, *(array.region.name for array in found)]
    found.clear()
    check_that_nothing_is_kept(*all_names)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_worker_may_return_an_array_and_end(name: str, context: Any) -> None:
    names = [f"{name}-{i}" for i in range(3)]
    with context.Pool(2, maxtasksperchild=1) as pool:
        found = pool.map(result, [*names, None, None], chunksize=1)
        pool.close()
        pool.join()  # forked workers have what it has loaded, and its thread the last result
    check_results(found, *names)


def test_executor_may_return_arrays(name: str) -> None:
    names = [f"{name}-{i}" for i in range(3)]
    with concurrent.futures.ProcessPoolExecutor(2, CONTEXTS[1]) as pool:
        found = list(pool.map(result, [*names, None, None]))
    check_results(found, *names)


def test_joblib_may_return_arrays(name: str, tmp_path: Path) -> None:
    from joblib.externals.loky import get_reusable_executor

    names = [f"{name}-{i}" for i in range(3)]
    try:
        run = joblib.Parallel(n_jobs=2, temp_folder=tmp_path)
        found = list(run(joblib.delayed(result)(one) for one in [*names, None]))
    finally:
        get_reusable_executor().shutdown(wait=True)
    check_results(found, *names)


@pytest.mark.parametrize("context", CONTEXTS[:2], ids=lambda c: c.get_start_method())
def test_generator_may_feed_a_pool(name: str, context: Any) -> None:
    names = [f"{name}-{i}" for i in range(4)]

    def arrays() -> Iterator[zinc.SharedArray]:
        for one in names:
            yield result(one)

    with context.Pool(2) as pool:
        assert list(pool.imap(total, arrays())) == [10] * 4
        pool.close()
        pool.join()
    check_that_nothing_is_kept(*names)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_sender_may_end_before_its_queue_is_read(name: str, context: Any) -> None:
    queue = context.Queue()
    child = context.Process(target=send, args=(queue, name))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    first, second = queue.get(timeout=60), queue.get(timeout=60)
    assert type(first) is zinc.SharedArray
    assert zinc.region_of(second)
    assert second.tolist() == first.tolist() == [0, 1, 2, 3, 4]
    names = [str(zinc.region_of(array).name) for array in (first, second)]  # type: ignore[union-attr]
    del first, second
    check_that_nothing_is_kept(*names)


def test_loss_is_told_instead_of_taken_for_the_end_of_a_pipe(name: str) -> None:
    """A pool takes an OSError for that, and waits for ever."""
    receiving, sending = CONTEXTS[0].Pipe(duplex=False)
    with receiving, sending:
        array = result(name)
        sending.send(array)
        array.region.unlink()
        del array
        with pytest.raises(pickle.UnpicklingError, match=f"{name}.*not found") as raised:
            receiving.recv()
    assert not isinstance(raised.value, OSError)


def lost(name: str) -> zinc.SharedArray:
    array = result(name)
    array.region.unlink()
    return array


def test_executor_tells_of_a_loss(name: str) -> None:
    with concurrent.futures.ProcessPoolExecutor(1, CONTEXTS[1]) as pool:
        with pytest.raises(concurrent.futures.BrokenExecutor) as raised:
            pool.submit(lost, name).result(60)
        assert name in str(raised.value.__cause__)


def test_reference_that_nobody_loads_costs_memory_for_its_lease(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinc._reference.LEASE", 0.05)
    with zinc.create(name, 8) as region:
        sent(region)
    while True:
        try:
            zinc.open(name).close()
        except FileNotFoundError:
            break


def test_loading_gives_back_what_sending_took(name: str) -> None:
    region = zinc.create(name, 8)
    pickles = [sent(region), sent(region)]
    region.close()
    pickle.loads(pickles[0]).close()
    with pickle.loads(pickles[1]) as loaded:
        assert loaded.name == name
    check_that_nothing_is_kept(name)


def test_sender_may_be_killed(name: str) -> None:
    code = f"""if True:
        import os, signal, sys, zinc
        from multiprocessing.reduction import ForkingPickler
        array = zinc.array({name!r}, 3)
        array[:] = 7
        os.write(1, ForkingPickler.dumps(array))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert zinc.reclaim().get(name) is None
    loaded = pickle.loads(ended.stdout)
    assert loaded.tolist() == [7, 7, 7]
    del loaded
    check_that_nothing_is_kept(name)
