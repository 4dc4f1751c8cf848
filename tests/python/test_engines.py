"""References under engines that run tasks in other processes, or in threads."""

from __future__ import annotations

import concurrent.futures
import gc
import importlib
import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest

import zinc

COUNT = 10_000
TOTAL = COUNT * (COUNT - 1) // 2


def work(ref: zinc.Ref, shared: zinc.SharedArray, where: int) -> Any:
    """Read both, write to one, and return one more of each, made here."""
    shared[where] = where + 1
    total = int(ref.get().sum())
    return total, zinc.put(numpy.full(COUNT, where)), zinc.share(numpy.full(COUNT, where))


def nothing_is_left() -> bool:
    """Say whether all is gone, once what processes without exit handlers have left is."""
    gc.collect()
    zinc.reclaim()
    return not [name for name in zinc.regions() if name.startswith(("object-", "array-"))]


def run(call: Callable[[zinc.Ref, zinc.SharedArray], list[Any]]) -> None:
    """Let an engine call `work` for 0, 1 and 2, and look at what comes of it."""
    ref, shared = zinc.put(numpy.arange(COUNT)), zinc.array(None, 3)
    results = call(ref, shared)
    assert shared.tolist() == [1, 2, 3]
    for number, (total, made, array) in enumerate(results):
        assert total == TOTAL
        assert made.get().sum() == array.sum() == number * COUNT
        assert zinc.region_of(array) is not None


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_executors(method: str) -> None:
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        run(lambda *both: list(pool.map(work, *([one] * 3 for one in both), range(3))))
    assert nothing_is_left()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend: str, tmp_path: Path) -> None:
    def call(*both: Any) -> list[Any]:
        tasks = (joblib.delayed(work)(*both, where) for where in range(3))
        results: list[Any] = joblib.Parallel(2, backend=backend, temp_folder=tmp_path)(tasks)
        return results

    run(call)
    if backend == "loky":
        joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    assert nothing_is_left()


# ---- dask

# As in a notebook, all functions are those of __main__, which distributed pickles in another way.
CLUSTER = """
import logging, os, sys
import dask, numpy, zinc
import zinc.dask
from distributed import Client, LocalCluster

COUNT, TOTAL = 10_000, 49_995_000

def work(ref, shared, number):
    shared[number] = number + 1
    return int(ref.get().sum()), [zinc.put(numpy.full(COUNT, number))], zinc.share(numpy.ones(COUNT))

def read(ref):
    return os.getpid(), int(ref.get().sum())

def place(array):
    region = zinc.region_of(array)
    return os.getpid(), region and region.name

if __name__ == "__main__":
    options = {"dashboard_address": None, "threads_per_worker": 1, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        ref, shared = zinc.put(numpy.arange(COUNT)), zinc.array(None, 3)
        for number in range(3):
            done = client.submit(work, ref, shared, number).result()
            assert done[0] == TOTAL
            assert done[1][0].get().tolist() == [number] * COUNT
            assert zinc.region_of(done[2]) is not None
        assert shared.tolist() == [1, 2, 3]
        assert dask.delayed(read)(ref).compute()[1] == TOTAL
        future = client.scatter(ref, broadcast=True)
        workers = client.scheduler_info()["workers"]
        seen = [client.submit(read, future, workers=[w], pure=False).result() for w in workers]
        assert [total for _, total in seen] == [TOTAL, TOTAL]
        assert len({os.getpid(), *(pid for pid, _ in seen)}) == 3
        pid, name = client.submit(place, client.scatter(shared)).result()
        assert pid != os.getpid()
        assert name == shared.region.name
    print("done")
"""


def test_dask(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    (tmp_path / "cluster.py").write_text(CLUSTER)
    done = subprocess.run(
        [sys.executable, "cluster.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert nothing_is_left()  # nor tickets, for references that were pickled and not sent


def test_what_dask_spills_has_data_and_no_references() -> None:
    spill: Any = pytest.importorskip("distributed.spill")
    protocol: Any = pytest.importorskip("distributed.protocol")
    importlib.import_module("zinc.dask")
    with zinc.put(numpy.arange(COUNT)) as ref:
        with pytest.raises(TypeError, match="zinc"):
            spill.serialize_bytelist([ref], on_error="raise")
        shared = zinc.share(numpy.arange(COUNT))
        for value in shared, [shared]:
            spilled = b"".join(spill.serialize_bytelist(value, on_error="raise"))
            assert len(spilled) > 8 * COUNT
            assert numpy.sum(protocol.deserialize_bytes(spilled)) == TOTAL
        zinc.unlink(str(shared.region.name))
        del shared, value  # the record of what was logged has this frame
