"""Locks between processes as Python has them, with the loop around them."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import zinc

from . import method
from .locks import told_of_two
from .method import Settings
from .native import Guarded
from .results import Result

# A context that ends what it has made, and whose value gives each process its object for `with`.
Maker = contextlib.AbstractContextManager[Callable[[], Any]]


@contextlib.contextmanager
def zinc_lock() -> Generator[Callable[[], Any]]:
    """Make a lock without a name of one's own."""
    with contextlib.closing(zinc.Lock()) as lock:
        yield lambda: lock


@contextlib.contextmanager
def of_multiprocessing() -> Generator[Callable[[], Any]]:
    """Make what Python itself has."""
    lock = multiprocessing.get_context("fork").Lock()
    yield lambda: lock


@contextlib.contextmanager
def file_lock() -> Generator[Callable[[], Any]]:
    """Make a lock of the library of this name, on a file."""
    import filelock

    with tempfile.TemporaryDirectory(prefix=f"zinc-bench-{os.getpid()}") as folder:
        yield lambda: filelock.FileLock(f"{folder}/lock")


PYTHON: dict[str, Callable[[], Maker]] = {
    "zinc": zinc_lock,
    "multiprocessing.Lock": of_multiprocessing,
    "filelock": file_lock,
}


def present(point: str, contenders: Sequence[str], quantity: str) -> tuple[list[str], list[Result]]:
    """Return who of the Python locks is there, and results that say who is not."""
    absent = "filelock" if importlib.util.find_spec("filelock") is None else None
    skipped = [
        Result("locks", point, name, quantity, skipped=f"not installed: {name}")
        for name in contenders
        if name == absent
    ]
    return [name for name in contenders if name != absent], skipped


def use(lock: Any, calls: int) -> None:
    """Acquire and release."""
    for _ in itertools.repeat(None, calls):
        with lock:
            pass


def measure_alone(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure Python's locks that nobody else wants, in turns."""
    there, skipped = present(point, contenders, "with")
    yield from skipped
    found: dict[str, list[float]] = {name: [] for name in there}
    calls = {name: 1_000 if name == "filelock" else 100_000 for name in there}
    for name in method.in_turns(there, settings.samples):
        method.say(name)
        with PYTHON[name]() as give:
            lock = give()
            use(lock, method.warm_up(calls[name]))
            action = functools.partial(use, lock, calls[name])
            found[name].append(method.least(action, 3) / calls[name])
    for name, samples in found.items():
        yield Result("locks", point, name, "with", samples=samples, operations=calls[name])


def measure_together(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure Python's locks that two processes want all the time, in turns."""
    there, skipped = present(point, contenders, "acquire and release")
    yield from skipped
    planned: dict[str, int] = {}
    for name in there:
        method.say(name)
        taken, _ = contend(PYTHON[name], 100)
        planned[name] = settings.operations(max(taken, 200), most=200_000)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in there}
    for name in method.in_turns(there, settings.samples):
        method.say(name)
        found[name].append(contend(PYTHON[name], planned[name]))
    for name, samples in found.items():
        yield from told_of_two(point, name, samples, planned[name])


def contend(make: Callable[[], Maker], most: int) -> tuple[float, float]:
    """Let two processes use a lock `most` times; return the time of each, and of each hand-over."""
    first, second = method.processors()
    state = Guarded.from_buffer(method.shared(8))
    with make() as give:

        def take_part(me: int, processor: int) -> None:
            method.pin(processor)
            lock = give()
            while True:
                with lock:
                    if state.began and state.taken >= most:
                        state.ended = state.ended or time.perf_counter_ns()
                        return
                    state.taken += 1
                    if state.last != me:
                        state.changed += 1
                        state.last = me
                    if not state.began and state.changed >= 10:  # both are there by now
                        state.taken = state.changed = 0
                        state.began = time.perf_counter_ns()
                    has_begun = state.began
                if not has_begun:  # or one that does not wait for a turn would keep the other out
                    time.sleep(0.0001)

        with method.process(take_part, 2, second):
            take_part(1, first)
            method.unpin()
    took = state.ended - state.began
    return took / most, took / max(1, state.changed)
