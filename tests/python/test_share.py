"""What is copied into a region has a name when it is complete, and not before."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

from .conftest import SHM
from .test_array import DTYPES

FORK: Any = multiprocessing.get_context("fork")
SIZE = 16 << 20


def see(name: str, events: Any) -> None:
    """Look at an array as soon as there is one, and tell how it was then."""
    events.put("looking")
    while True:
        with contextlib.suppress(FileNotFoundError):
            array = zinc.open_array(name)
            break
    events.put((array.size, int(array.min()), int(array.max())))


@pytest.mark.parametrize("step", [1, 2])
def test_name_leads_to_all_that_was_shared(name: str, step: int) -> None:
    source = numpy.ones(SIZE * step, "u1")[::step]
    events = FORK.Queue()
    for _ in range(4):
        child = FORK.Process(target=see, args=(name, events), daemon=True)
        child.start()
        assert events.get(timeout=60) == "looking"
        shared = zinc.share(source, name)
        assert events.get(timeout=60) == (SIZE, 1, 1)
        child.join(60)
        del shared


def share_for_ever(name: str, started: Any) -> None:
    source = numpy.ones(SIZE, "u1")
    started.send("sharing")
    while True:
        zinc.share(source, name, persistent=True)
        zinc.unlink(name)


def test_killed_amid_a_copy_leaves_no_part_of_it(name: str) -> None:
    """Persistent, so that what is left is to be seen; test_crash.py kills at each system call."""
    for moment in range(10):
        started, start = FORK.Pipe(duplex=False)
        child = FORK.Process(target=share_for_ever, args=(name, start), daemon=True)
        child.start()
        assert started.recv() == "sharing"
        started.close()
        start.close()
        numpy.ones(SIZE // 4 * (1 + moment), "u1")  # as good a way as any to let some time pass
        os.kill(child.pid, signal.SIGKILL)
        child.join(60)
        with contextlib.suppress(FileNotFoundError):
            left = zinc.open_array(name)
            assert left.size == SIZE
            assert left.min() == 1
            zinc.unlink(name)
            del left
        assert not (SHM / f"zinc_{name}").exists()


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 4, 5)], ids=str)
def test_share_of_every_kind(name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    source = numpy.zeros(shape, dtype)
    raw = source.reshape(-1).view("u1")
    raw[...] = numpy.arange(raw.size) % 2
    frozen = source.copy()
    frozen.flags.writeable = False
    turned = source.T
    for array in source, turned, frozen, numpy.repeat(source[None], 2, 0)[::-1], source[..., None]:
        shared = zinc.share(array, name)
        assert shared.dtype == array.dtype
        assert shared.shape == array.shape
        assert shared.flags.fnc == array.flags.fnc
        for field in shared.dtype.names or (...,):  # and not the gaps between them
            assert shared[field].tobytes() == array[field].tobytes()
        assert shared.region.sequence == 1
        assert shared.flags.writeable
        del shared


def test_gaps_of_what_is_not_contiguous_are_zeros(name: str) -> None:
    """What else this process had in its memory is nobody's business."""
    dtype = numpy.dtype({"names": ["a"], "formats": ["u1"], "offsets": [4], "itemsize": 64})
    rubbish = [b"\xff" * (64 * 50) for _ in range(100)]
    del rubbish
    source = numpy.zeros(100, dtype)[::2]
    source["a"] = 1
    shared = zinc.share(source, name)
    assert bytes(shared.region.as_buffer()) == (bytes(4) + b"\x01" + bytes(59)) * 50


def test_share_that_does_not_fit_leaves_nothing(name: str) -> None:
    """A limit of the process stands for a full folder: both are met while the file is made."""
    import resource

    source = numpy.ones(SIZE, "u1")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, before[1]))
    try:
        with pytest.raises(OSError, match="ulimit -f"):
            zinc.share(source, name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (SHM / f"zinc_{name}").exists()
    zinc.array(name, SIZE, "u1")


def test_taken_name_keeps_what_it_has(name: str) -> None:
    first = zinc.share(numpy.ones(3), name)
    with pytest.raises(FileExistsError, match=name):
        zinc.share(numpy.zeros(3), name)
    assert first.tolist() == [1, 1, 1]
    assert Path(f"/dev/shm/zinc_{name}").exists()
