"""Pickles of a region: references that attach when they are loaded."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from typing import Any

import pytest

import zinc

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
        zinc.SharedRegion.from_fd(unnamed.fileno(), readonly=True) as unnamed_reader,
    ):
        region.rate = 30
        region.notify()
        assert region.try_wait()
        for one in region, reader, unnamed, unnamed_reader:
            loaded = pickle.loads(pickle.dumps(one, protocol))
            assert loaded is not one
            assert attributes(loaded) == attributes(one)
            assert loaded.sequence == one.sequence
            assert loaded.seen == 0
            loaded.close()
            assert not one.closed
        assert pickle.loads(pickle.dumps(region, protocol)).rate == 30


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_a_subclass_has_of_its_own_is_kept(name: str, protocol: int) -> None:
    with Slotted.create(name, 8) as region, Bare.anonymous(8) as bare, Stated.anonymous(8) as own:
        region.rate, region.depth = 30, 5
        bare.depth = own.depth = 7
        own.secret = "s"
        with pickle.loads(pickle.dumps(region, protocol)) as loaded:
            assert (loaded.rate, loaded.depth, loaded.id) == (30, 5, region.id)
            assert not hasattr(loaded, "empty")
        with pickle.loads(pickle.dumps(bare, protocol)) as loaded:
            assert loaded.depth == 7
        with pickle.loads(pickle.dumps(own, protocol)) as loaded:
            assert loaded.depth == 14
            assert not hasattr(loaded, "secret")


def test_pickle_of_what_is_gone(name: str) -> None:
    region, unnamed = zinc.create(name, 8), zinc.SharedRegion.anonymous(8)
    pickles = pickle.dumps(region), pickle.dumps(unnamed)
    descriptor = unnamed.fileno()
    for one in region, unnamed:
        one.close()
        with pytest.raises(ValueError, match="closed"):
            pickle.dumps(one)
    with pytest.raises(FileNotFoundError, match=name):
        pickle.loads(pickles[0])
    with zinc.create(name, 8), pytest.raises(FileNotFoundError, match=f"{name}.*another"):
        pickle.loads(pickles[0])

    # Whatever the descriptor leads to by now: nothing is opened, nothing waits.
    with pytest.raises(FileNotFoundError, match=f"process {os.getpid()} has closed it"):
        pickle.loads(pickles[1])
    reading, writing = os.pipe()
    for other in reading, os.open("/dev/null", os.O_RDWR), os.open("/dev/shm", os.O_RDONLY):
        os.dup2(other, descriptor)
        with pytest.raises(FileNotFoundError, match="has closed it"):
            pickle.loads(pickles[1])
        os.close(descriptor)
        if other != descriptor:
            os.close(other)
    os.close(writing)
    with zinc.SharedRegion.anonymous(8) as another:
        os.dup2(another.fileno(), descriptor)
        with pytest.raises(FileNotFoundError, match="another"):
            pickle.loads(pickles[1])
        if another.fileno() != descriptor:
            os.close(descriptor)


def test_pickle_of_a_process_that_ended() -> None:
    code = "import pickle, sys, zinc; r = zinc.SharedRegion.anonymous(8);"
    code += "sys.stdout.buffer.write(pickle.dumps(r))"
    pickled = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    with pytest.raises(FileNotFoundError, match="or ended"):
        pickle.loads(pickled.stdout)


def test_copy_says_no_with_a_reason(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.SharedRegion.anonymous(8) as unnamed:
        for function in copy.copy, copy.deepcopy:
            with pytest.raises(TypeError, match=f"{name}.*same memory.*open it once more"):
                function(region)
            with pytest.raises(TypeError, match=r"anonymous.*same memory"):
                function([unnamed] if function is copy.deepcopy else unnamed)
