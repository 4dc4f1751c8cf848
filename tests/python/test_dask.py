"""Dask between machines: references where they hold, values elsewhere."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from .dask_hosts import cluster
from .machines import machines

pytest.importorskip("distributed")

# Says of things that tasks make and get, on each pair of machines, what they have become.
PASS = """
class Image:
    def __init__(self, pixels):
        self.pixels = pixels

def make(kind):
    numbers = numpy.arange(5000)
    if kind == "array":
        return zinc.share(numbers)
    if kind == "object":
        return Image(zinc.share(numbers))
    if kind == "list":
        return [zinc.share(numbers), {"more": zinc.share(numbers)}]
    if kind == "ref":
        return zinc.put({"a": numbers, "b": zinc.share(numbers)})
    if kind == "region":
        return zinc.share(numbers).region
    return zinc.Channel.create("channel-" + str(os.getpid()), slots=2, slot_size=10)

def total(thing):
    if isinstance(thing, numpy.ndarray):
        region = zinc.region_of(thing)
        return int(thing.sum()), region and region.name
    if isinstance(thing, Image):
        return total(thing.pixels)
    if isinstance(thing, list):
        assert total(thing[1]["more"])[0] == total(thing[0])[0]
        return total(thing[0])
    if isinstance(thing, zinc.Ref):
        values = thing.get()
        assert values["b"].sum() == values["a"].sum()
        return int(values["a"].sum()), thing.name
    if isinstance(thing, zinc.SharedRegion):
        return int(thing.as_numpy("i8").sum()), thing.name
    return TOTAL, thing.name

def error_of(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__, isinstance(error, OSError), str(error)

TOTAL = sum(range(5000))
client.wait_for_workers(4, timeout=60)
A, A2, B = "machine-1-0", "machine-1-1", "machine-2-0"
for kind in "array", "object", "list", "ref", "region", "channel":
    made = client.submit(make, kind, workers=A, pure=False)
    _, name = client.submit(total, made, workers=A, pure=False).result(60)
    near = client.submit(total, made, workers=A2, pure=False).result(60)
    assert near[1] == name is not None, (kind, near)
    far = error_of(client.submit(total, made, workers=B, pure=False).result)
    if kind == "channel":
        assert far[:2] == ("UnpicklingError", False), far
        assert "it was made in another /dev/shm of this machine, machine-1" in far[2], far
    else:
        assert far[0] == TOTAL and far[1] != name, (kind, far)
    del made

    # from here to tasks, as an argument; kept, so that a task can run again
    mine = make(kind)
    sum_here, name = total(mine)
    for worker in A, A2:
        assert client.submit(total, mine, workers=worker, pure=False).result(60) == (sum_here, name), kind
    far = error_of(client.submit(total, mine, workers=B, pure=False).result)
    assert far[0] == (sum_here if kind != "channel" else "UnpicklingError"), (kind, far)

    # scattered, and gathered, through the scheduler and directly
    if kind != "channel":
        for direct, worker in (True, A), (True, B), (False, A), (False, B):
            [there] = client.scatter([mine], workers=[worker], direct=direct, hash=False)
            got = client.submit(total, there, workers=worker, pure=False).result(60)
            assert got[0] == sum_here, (kind, direct, worker, got)
            assert (got[1] == name) == (direct and worker == A), (kind, direct, worker, got)
            assert total(client.gather(there, direct=direct))[0] == sum_here
            del there
    del mine
print("done")
"""


def test_what_holds_goes_by_reference_and_the_rest_by_value(tmp_path: Path) -> None:
    with machines(2) as both, cluster(both, tmp_path) as dask:
        client = dask.client(both[0], PASS)
        told, errors = client.communicate()
        assert told == "done\n", errors[-3000:] + dask.logs()[-6000:]


# Sums of arrays, over and over, of which each worker makes and adds what the scheduler tells it to.
SUMS = """
def make(number, nbytes):
    array = zinc.array(None, nbytes // 8, "u8")
    array[:] = number
    return array

def add(one, other):
    array = zinc.array(None, one.shape, "u8")
    return {"sum": numpy.add(one, other, out=array)}

def total(one, other):
    numbers = one["sum"] + other["sum"]
    return int(numbers[0]), bool((numbers == numbers[0]).all()), len(numbers)

nbytes, rounds = int(sys.argv[1]), int(sys.argv[2])
client.wait_for_workers(4, timeout=60)
for number in range(rounds):
    print("round", flush=True)
    parts = [client.submit(make, number + i, nbytes, pure=False) for i in range(4)]
    sums = [client.submit(add, *parts[i : i + 2], pure=False) for i in (0, 2)]
    result = client.submit(total, *sums, pure=False).result()
    assert result == (4 * number + 6, True, nbytes // 8), result
    del parts, sums
print("done", flush=True)
"""

RECLAIM = "import zinc; zinc.reclaim(); print(zinc.regions())"


def size_of_arrays() -> int:
    """Return a gibibyte where there is room for a dozen, and less elsewhere."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return 1 << 30 if int(fields["MemAvailable"].split()[0]) > 18 << 20 else 64 << 20


@pytest.mark.timeout(600)
def test_sums_are_right_though_workers_are_killed_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "1000")
    nbytes = int(os.environ.get("ZINC_DASK_BYTES", size_of_arrays()))
    with machines(2) as both:
        with cluster(both, tmp_path) as dask:
            rounds = 3 if nbytes > 1 << 29 else 6
            client = dask.client(both[0], SUMS, str(nbytes), str(rounds))
            assert client.stdout
            assert client.stderr
            number = 10
            while client.stdout.readline() == "round\n":
                time.sleep(random.random() * 2 * nbytes / (1 << 28))
                name, process = random.choice([*dask.workers.items()])
                process.kill()
                process.wait()
                del dask.workers[name]
                dask.worker(both[name.startswith("machine-2")], number)
                number += 1
            errors = client.stderr.read()
            client.communicate()
            assert client.returncode == 0, errors[-3000:] + dask.logs()[-6000:]
        for machine in both:  # a region under way stays for 20 s
            while (
                left := machine.run([sys.executable, "-c", RECLAIM], capture_output=True, text=True)
            ).stdout != "[]\n":
                assert left.returncode == 0, left.stderr
                time.sleep(0.5)
            assert machine.shared_memory() == set()
