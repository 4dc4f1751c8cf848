"""References beside Ray: its objects are for whoever asks, so they have values unless told."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("ray")

PROGRAM = """
import numpy, ray, zinc

ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)

@ray.remote
def look(array):
    return zinc.region_of(array) is None, int(array.sum())

@ray.remote
def make():
    return [zinc.share(numpy.arange(10))]

@ray.remote
def fill(array):
    array[:] = 7

shared = zinc.share(numpy.arange(10))
assert ray.get(look.remote(shared)) == (True, 45)
assert ray.get(make.remote())[0].sum() == 45
for refused in zinc.put(numpy.arange(1000)), shared.region:
    try:
        ray.put(refused)
    except TypeError as error:
        assert "Could not serialize" in str(error)
    else:
        raise AssertionError(refused)
with zinc.by_reference():
    message = ray.put(shared)
ray.get(fill.remote(message))
print(shared.sum())
"""


def test_tasks_get_values_and_references_from_who_asks_for_them() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "70\n", done.stderr
