"""References beside Ray: its objects are for whoever asks, so they have values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .machines import machines

pytest.importorskip("ray")

PROGRAM = """
import sys
import numpy, ray, zinc

ray.init(address="auto", log_to_driver=False)

class Image:
    def __init__(self, pixels):
        self.pixels = pixels

@ray.remote(num_cpus=1)
def total(thing):
    array = getattr(thing, "pixels", thing)
    return int(array.sum()), zinc.region_of(array) is None, zinc.place()

@ray.remote(num_cpus=1)
def make():
    return zinc.share(numpy.arange(1000)), Image(zinc.share(numpy.arange(1000)))

places = set()
for resource in "first", "second":
    for thing in zinc.share(numpy.arange(1000)), Image(zinc.share(numpy.arange(1000))):
        *told, place = ray.get(total.options(resources={resource: 1}).remote(thing))
        assert told == [499500, True], told
        places.add(place)
    for thing in ray.get(make.options(resources={resource: 1}).remote()):
        assert getattr(thing, "pixels", thing).sum() == 499500
assert len(places) == 2
ref, channel = zinc.put(numpy.arange(1000)), zinc.Channel.create("channel", slots=2, slot_size=10)
for thing in ref, channel, [zinc.create("region", 10)]:
    try:
        ray.put(thing)
    except TypeError as error:
        assert "processes of this machine" in str(error), error
    else:
        raise AssertionError(thing)
assert ray.get(total.remote(ref.get()))[0] == 499500
print("done")
"""

UNTIL_IT_LISTENS = """
import socket, sys, time
while socket.socket().connect_ex((sys.argv[1], 6379)):
    time.sleep(0.2)
"""


def test_tasks_on_every_node_get_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with machines(2) as (first, second):
        ray: list[Any] = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            "--num-cpus",
            "2",
        ]
        ray += [
            "--object-store-memory",
            str(100 << 20),
            "--disable-usage-stats",
            "--include-dashboard",
            "false",
        ]
        head = [*ray, "--head", "--port", "6379", "--resources", '{"first": 9}']
        head += ["--node-ip-address", first.address, "--temp-dir", tmp_path / "head"]
        other = [*ray, "--address", f"{first.address}:6379", "--resources", '{"second": 9}']
        other += ["--node-ip-address", second.address]
        with (tmp_path / "log").open("w") as log:
            first.start(head, stdout=log, stderr=log)
            first.run([sys.executable, "-c", UNTIL_IT_LISTENS, first.address])
            second.start(other, stdout=log, stderr=log)
            done = first.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert done.stdout == "done\n", done.stderr + (tmp_path / "log").read_text()[-3000:]


def test_one_node_takes_references_from_who_asks_for_them(tmp_path: Path) -> None:
    code = """
import numpy, ray, zinc
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
@ray.remote
def fill(array):
    array[:] = 7
shared = zinc.share(numpy.arange(10))
with zinc.by_reference():
    message = ray.put(shared)
ray.get(fill.remote(message))
print(shared.sum())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "70\n", done.stderr
