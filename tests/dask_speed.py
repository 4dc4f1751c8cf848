"""How long Dask takes from one task to the next, beside None and an array of numpy.

    python tests/dask_speed.py [MEBIBYTES [TIMES]]    as root

Two machines, each with two workers. Each number is the median of so many hand-overs, taken in turns.
A task that is given an array looks at its first and its last number, and no more.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from python.dask_hosts import cluster
from python.machines import machines

MEASURE = """
import statistics

class Image:
    def __init__(self, pixels):
        self.pixels = pixels

def make(kind, nbytes):
    array = numpy.ones(nbytes // 8)
    shared = zinc.share(array) if kind != "numpy" else None
    return {"None": None, "numpy": array, "zinc": shared, "zinc in an object": Image(shared)}[kind]

def look(thing):
    array = getattr(thing, "pixels", thing)
    return None if array is None else (array[0], array[-1], type(array).__name__)

nbytes, times = int(sys.argv[1]) << 20, int(sys.argv[2])
client.wait_for_workers(4, timeout=60)
for where, to in ("on one host", "machine-1-1"), ("between hosts", "machine-2-0"):
    taken = {}
    for _ in range(times + 1):
        for kind in "None", "numpy", "zinc", "zinc in an object":
            made = client.submit(make, kind, nbytes, workers="machine-1-0", pure=False)
            wait(made)
            begin = time.perf_counter()
            seen = client.submit(look, made, workers=to, pure=False).result()
            taken.setdefault(kind, []).append(time.perf_counter() - begin)
            del made
            time.sleep(0.05)
    for kind, seconds in taken.items():
        middle = statistics.median(seconds[1:])  # the first connects
        base = statistics.median(taken["None" if where == "on one host" else "numpy"][1:])
        beside = "None" if where == "on one host" else "numpy"
        print(f"{where:14} {kind:18} {middle * 1e3:8.1f} ms, {middle / base:6.2f} times {beside}", flush=True)
"""


def main(mebibytes: str = "256", times: str = "20") -> None:
    """Measure, and print what was measured."""
    with (
        tempfile.TemporaryDirectory() as folder,
        machines(2) as both,
        cluster(both, Path(folder)) as dask,
    ):
        client = dask.client(both[0], MEASURE, mebibytes, times)
        assert client.stdout
        for line in client.stdout:
            print(line, end="", flush=True)
        print(client.communicate()[1][-3000:], end="", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
