"""Reading and writing memory: a region's, a mapped file's, and a process's own."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy

import zinc

from . import method, native
from .method import Settings
from .native import address_of
from .results import Result

# A maker of memory that nobody has touched, as a context that ends it.
Memory = Callable[[int], contextlib.AbstractContextManager[Any]]


@contextlib.contextmanager
def region(size: int, reserve: bool = True) -> Generator[Any]:
    """Make a region whose memory is taken at once, which is how they are."""
    with zinc.create(f"zinc-bench-{os.getpid()}", size, reserve=reserve) as made:
        yield made.as_numpy()


@contextlib.contextmanager
def sparse_region(size: int) -> Generator[Any]:
    """Make a region whose memory is taken page by page."""
    with region(size, reserve=False) as array:
        yield array


@contextlib.contextmanager
def mapped_file(size: int) -> Generator[Any]:
    """Make what shm_open, ftruncate and mmap make."""
    path = f"/dev/shm/zinc-bench-{os.getpid()}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(file, size)
        yield numpy.frombuffer(mmap.mmap(file, size), numpy.uint8)
    finally:
        os.close(file)
        os.unlink(path)


@contextlib.contextmanager
def private(size: int) -> Generator[Any]:
    """Make memory of this process alone."""
    yield method.private(size)


CONTENDERS: dict[str, Memory] = {
    "zinc": region,
    "zinc, reserve=False": sparse_region,
    "shm_open and mmap": mapped_file,
    "private memory": private,
}

# What the memory itself can do, by which each of the others is judged.
OWN = "memory itself"
JUDGED_BY = {
    "sequential write": "memset",
    "sequential read": "streaming read",
    "first touch, write": "memset",
    "first touch, read": "streaming read",
}


def measure(
    point: str, size: int, contenders: Sequence[str], settings: Settings
) -> Iterator[Result]:
    """Measure some kinds of memory in turns, and the memory's own bandwidth in between."""
    library = native.library()
    found: dict[tuple[str, str], list[float]] = {}
    pages = size // 4096

    def keep(name: str, quantity: str, action: Callable[..., object], *arguments: int) -> None:
        taken = method.timed(functools.partial(action, *arguments))
        found.setdefault((name, quantity), []).append(taken)

    other = numpy.ones(size, numpy.uint8)
    for name in method.in_turns([*contenders, OWN], settings.samples):
        method.say(name)
        with CONTENDERS.get(name, private)(size) as array:
            address = address_of(array)
            if name == OWN:
                ctypes.memset(address, 1, size)
                keep(name, "memset", ctypes.memset, address, 2, size)
                keep(name, "memcpy", ctypes.memmove, address, address_of(other), size)
                keep(name, "streaming read", library.zincbench_read, address, size)
                continue
            keep(name, "first touch, write", library.zincbench_write, address, size, 1)
            # Writes once more, since there are page tables only now: the tenth that warms up.
            library.zincbench_write(address, size // 10 // 64 * 64, 2)
            keep(name, "sequential write", library.zincbench_write, address, size, 3)
            keep(name, "sequential read", library.zincbench_read, address, size)
            keep(name, "random read", library.zincbench_read_pages, address, size)
            del array
        with CONTENDERS[name](size) as array:
            address = address_of(array)
            keep(name, "first touch, read", library.zincbench_read, address, size)
            del array
    for (name, quantity), samples in found.items():
        result = Result("access", point, name, quantity, samples=samples, size=size, operations=1)
        if quantity == "random read":
            result.samples = [time / pages for time in samples]
            result.size, result.operations = 0, pages
        if judge := JUDGED_BY.get(quantity):
            result.memory = min(found[OWN, judge])
        yield result
