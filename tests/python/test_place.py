"""Where references can be loaded, and what is said elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

from .conftest import IS_PORTABLE, may_unshare, sent
from .machines import Machine, machines

# Writes what it is told to a file, as a pickle of multiprocessing or within by_reference(PLACE), and
# has it until its input ends.
MAKE = """
import pickle, sys
from multiprocessing.reduction import ForkingPickler
import numpy, zinc

class Frames(zinc.SharedRegion):
    pass

class Image:
    def __init__(self):
        self.pixels, self.title = zinc.share(numpy.arange(3000)), "image"

region = Frames.create("frames", 5000, metadata=b"told", kind=1000)
region.as_buffer()[:3] = b"abc"
things = {
    "array": zinc.share(numpy.arange(3000.0)),
    "slice": zinc.share(numpy.arange(3000.0))[::2],
    "region": region,
    "anonymous": zinc.SharedRegion.anonymous(5000),
    "ref": zinc.put({"numbers": numpy.arange(3000), "shared": zinc.share(numpy.arange(3000))}),
    "small ref": zinc.put(7),
    "image": Image(),
    "channel": zinc.Channel.create("channel", slots=2, slot_size=10),
    "queue": zinc.Queue(2, name="queue"),
    "store": zinc.Store("store", capacity=1 << 16),
    "lock": zinc.Lock("lock"),
    "lock in a region": region.lock(64),
    "number": region.atomic(128),
    "condition": zinc.Condition("condition"),
    "event": zinc.Event("event"),
    "barrier": zinc.Barrier("barrier", 2),
}
pickles = {}
for name, thing in things.items():
    if len(sys.argv) == 2:
        pickles[name] = bytes(ForkingPickler.dumps(thing))
    else:
        with zinc.by_reference(sys.argv[2]):
            pickles[name] = pickle.dumps(thing)
with open(sys.argv[1], "wb") as file:
    pickle.dump(pickles, file)
print(zinc.place(), flush=True)
sys.stdin.read()
"""

# Says of each what loading it comes to.
LOAD = """
import pickle, sys
import numpy, zinc

class Frames(zinc.SharedRegion):
    pass

class Image:
    pass

def told(value):
    if isinstance(value, zinc.Ref):
        return "ref", told(value.get())
    if isinstance(value, zinc.SharedRegion):
        return type(value).__name__, value.name, value.capacity, bytes(value)[:3], value.metadata, value.kind
    if isinstance(value, numpy.ndarray):
        return type(value).__name__, value.tolist()
    if isinstance(value, dict):
        return {key: told(one) for key, one in value.items()}
    return told(value.pixels) if isinstance(value, Image) else value if value == 7 else type(value).__name__

results = {}
for name, pickled in pickle.load(open(sys.argv[1], "rb")).items():
    try:
        results[name] = told(pickle.loads(pickled))
    except Exception as error:
        results[name] = type(error).__name__, isinstance(error, OSError), str(error)
sys.stdout.buffer.write(pickle.dumps((zinc.place(), results)))
"""

NUMBERS, LINE = list(range(3000)), [float(number) for number in range(3000)]
COPIES = {
    "array": ("ndarray", LINE),
    "slice": ("ndarray", LINE[::2]),
    "ref": ("ref", {"numbers": ("ndarray", NUMBERS), "shared": ("ndarray", NUMBERS)}),
    "small ref": ("ref", 7),
    "image": ("ndarray", NUMBERS),
}


def begin(machine: Machine, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    maker = machine.start([sys.executable, "-c", MAKE, *arguments], **pipes)
    assert maker.stdout
    return maker, maker.stdout.readline().strip()


def loaded(machine: Machine, file: Path) -> Any:
    done = machine.run([sys.executable, "-c", LOAD, file], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def kind_of(told: Any) -> Any:
    return told[0] if isinstance(told, tuple) else told


def test_a_reference_is_loaded_where_it_was_made_and_an_error_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "pickles"
    with machines(2) as (here, there):
        maker, place = begin(here, str(file))
        other, results = loaded(there, file)
        assert other != place
        assert results.pop("small ref") == ("ref", 7)  # which has its value
        for name, told in results.items():
            assert told[:2] == ("UnpicklingError", False), (name, told)
            # The machines of tests share a kernel, and its boot id.
            assert "in another " in told[2]
            assert "of this machine, machine-1" in told[2]
            assert f"(place {place}; machine-2 is at {other})" in told[2]
        same, results = loaded(here, file)
        assert same == place
        assert [name for name, told in results.items() if kind_of(told) == "UnpicklingError"] == []
        assert results["region"] == ("Frames", "frames", 5000, b"abc", b"told", 1000)
        assert results["slice"] == ("SharedArray", LINE[::2])
        maker.communicate()
        assert there.shared_memory() == set()


def test_what_is_pickled_for_another_place_has_values(tmp_path: Path) -> None:
    file = tmp_path / "pickles"
    with machines(2) as (here, there):
        other = loaded(there, _nothing(tmp_path))[0]
        maker, _ = begin(here, str(file), other)
        _, results = loaded(there, file)
        for name, value in COPIES.items():
            assert results.pop(name) == value, name
        made, name, *rest = results.pop("region")
        assert (made, rest) == ("Frames", [5000, b"abc", b"told", 1000])
        assert name.startswith("copy-")
        assert results.pop("anonymous")[2:] == (5000, bytes(3), b"", 0)
        assert {told[:2] for told in results.values()} == {("UnpicklingError", False)}, results
        assert {"lock in a region", "number", "channel", "queue", "store"} <= set(results)
        maker.communicate()
        assert there.shared_memory() == set()
        maker, _ = begin(there, str(file), other)
        results = loaded(there, file)[1]
        assert results["region"][1] == "frames"
        assert results["array"] == ("SharedArray", LINE)
        maker.communicate()


def _nothing(folder: Path) -> Path:
    (folder / "nothing").write_bytes(pickle.dumps({}))
    return folder / "nothing"


SEND = """
import multiprocessing.connection, sys
import numpy, zinc
with multiprocessing.connection.Listener(("", 7001), authkey=b"key") as listener:
    print(flush=True)
    with listener.accept() as connection:
        connection.send(zinc.share(numpy.arange(10)))
        connection.send("next")
        connection.recv()
"""
RECEIVE = """
import multiprocessing.connection, pickle, sys
with multiprocessing.connection.Client((sys.argv[1], 7001), authkey=b"key") as connection:
    try:
        connection.recv()
    except pickle.UnpicklingError as error:
        print(connection.recv(), error)
    connection.send(1)
"""


def test_a_connection_to_another_machine_goes_on_after_the_error() -> None:
    with machines(2) as (here, there):
        sender = here.start([sys.executable, "-c", SEND], stdout=subprocess.PIPE)
        assert sender.stdout
        sender.stdout.readline()
        command = [sys.executable, "-c", RECEIVE, here.address]
        done = there.run(command, capture_output=True, text=True)
        sender.communicate()
        assert done.stdout.startswith("next unpickle a reference to region 'array-"), done.stderr


@may_unshare
@pytest.mark.parametrize("is_anonymous", [False, True])
def test_a_container_with_the_same_memory_has_what_has_a_name(
    name: str, is_anonymous: bool
) -> None:
    region = zinc.SharedRegion.anonymous(10) if is_anonymous else zinc.create(name, 10)
    with region:
        code = f"import pickle, zinc; print(zinc.place(), pickle.loads({sent(region)!r}).capacity)"
        inside = [
            "unshare",
            "--pid",
            "--fork",
            "--mount",
            "--mount-proc",
            sys.executable,
            "-c",
            code,
        ]
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        if is_anonymous:
            assert "UnpicklingError: unpickle a reference to an anonymous region" in done.stderr
            assert "it was made in another container of this machine" in done.stderr
        else:
            place, capacity = done.stdout.split()
            assert capacity == "10"
            assert place.split(".")[:2] == zinc.place().split(".")[:2]
            assert place != zinc.place()
            with zinc.by_reference(place), pickle.loads(pickle.dumps(region)) as loaded:
                assert loaded.name == name
        with zinc.by_reference("1.2.3"):
            assert b"load_copy" in pickle.dumps(region)


def elsewhere(pickled: bytes) -> bytes:
    """Return a pickle as if it came from a machine that was started at another time."""
    machine = zinc.place().split(".")[0].encode()
    assert machine in pickled
    return pickled.replace(machine, machine[::-1])


def test_a_pool_is_told_and_goes_on() -> None:
    with zinc.share(numpy.arange(10)).region as region, multiprocessing.Pool(1) as pool:
        pickled = sent(region)
        for _ in range(2):
            with pytest.raises(pickle.UnpicklingError, match="made on another machine, "):
                pool.apply(pickle.loads, (elsewhere(pickled),))
        assert pool.apply(os.getpid) != os.getpid()
        pickle.loads(pickled).close()


def test_a_place_is_that_of_each_process_of_this_machine() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(zinc.place) == zinc.place()


@pytest.mark.parametrize("place", ["", "1", "1.2", "a.b.c.d", "here"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with (
        pytest.raises(ValueError, match=r"no place; zinc\.place\(\) returns one"),
        zinc.by_reference(place),
    ):
        pass


def test_a_closed_array_goes_as_its_values() -> None:
    array = zinc.share(numpy.arange(10))
    array.region.close()
    with zinc.by_reference():
        assert type(pickle.loads(pickle.dumps(array))) is numpy.ndarray


NO_ROOM = """
import pickle, sys
for pickled in pickle.load(open(sys.argv[1], "rb")):
    try:
        print(pickle.loads(pickled).name)
    except pickle.UnpicklingError as error:
        print(error)
"""


@may_unshare
def test_a_copy_that_has_no_room_is_anonymous_or_an_error_that_says_so(
    name: str, tmp_path: Path
) -> None:
    ref = zinc.put(numpy.arange(100_000))
    with ref, zinc.create(name, 100_000) as region, zinc.by_reference("1.2.3"):
        (tmp_path / "pickles").write_bytes(
            pickle.dumps([pickle.dumps(one) for one in (region, ref)])
        )
    mount = "mount -t tmpfs -o size=64k none /dev/shm"
    inside = (
        "sh",
        "-c",
        f'{mount} && exec "$@"',
        "sh",
        sys.executable,
        "-c",
        NO_ROOM,
        tmp_path / "pickles",
    )
    done = subprocess.run(
        ["unshare", "--mount", *inside], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    # Only Linux has anonymous memory that is in no folder.
    expected = "unpickle the copy of a region: " if IS_PORTABLE else "None"
    assert lines[0].startswith(expected), done.stderr
    assert lines[1].startswith("unpickle the object of a reference: ")
