"""Locks between processes: where nobody contends, where two do, and what proves a holder alive."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator, Sequence

from . import method, native
from .method import Settings
from .native import Guarded, Handle, address_of
from .results import Result

SITTERS = 64

# A kind of native lock and its place, as a context that ends it.
Place = contextlib.AbstractContextManager[tuple[int, int]]


@contextlib.contextmanager
def region_lock() -> Generator[tuple[int, int]]:
    """Make a region, whose own lock it is."""
    region = Handle(1)
    yield native.ZINC_LOCK, region.place
    region.close()


@contextlib.contextmanager
def line(kind: int, make: Callable[[int], object] | None = None) -> Generator[tuple[int, int]]:
    """Make a lock of a line of shared memory."""
    memory = method.shared(8)
    if make:
        make(address_of(memory))
    yield kind, address_of(memory)


def mutex(is_robust: bool) -> Place:
    """Make a mutex of pthread between processes."""
    return line(native.MUTEX, lambda place: native.library().zincbench_mutex(place, is_robust))


def semaphore() -> Place:
    """Make what multiprocessing.Lock is made of."""
    return line(native.SEMAPHORE_LOCK, native.library().zincbench_binary_semaphore)


ALONE: dict[str, Callable[[], Place]] = {
    "zinc": region_lock,
    "pthread robust mutex": functools.partial(mutex, True),
    "pthread mutex": functools.partial(mutex, False),
    "POSIX semaphore": semaphore,
    "two atomic instructions": functools.partial(line, native.WORD),
}
TOGETHER: dict[str, Callable[[], Place]] = {
    "zinc": region_lock,
    "pthread robust mutex": functools.partial(mutex, True),
    "pthread mutex": functools.partial(mutex, False),
    "POSIX semaphore": semaphore,
    "bare futex": functools.partial(line, native.FUTEX_LOCK),
}


def measure_alone(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure native locks that nobody else wants, in turns."""
    calls = 100_000 if settings.quick else 1_000_000
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        with ALONE[name]() as (kind, place):
            use = functools.partial(native.library().zincbench_lock, kind, place)
            use(method.warm_up(calls))
            found[name].append(method.least(functools.partial(use, calls), 3) / calls)
    for name, samples in found.items():
        quantity = "acquire and release"
        yield Result("locks", point, name, quantity, samples=samples, operations=calls)


def measure_together(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure native locks that two processes want all the time, in turns."""
    planned: dict[str, int] = {}
    for name in contenders:
        method.say(name)
        taken, _ = contend(TOGETHER[name], 2_000)
        planned[name] = settings.operations(max(taken, 20), most=2_000_000)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for name in method.in_turns(contenders, settings.samples):
        method.say(name)
        found[name].append(contend(TOGETHER[name], planned[name]))
    for name, samples in found.items():
        yield from told_of_two(point, name, samples, planned[name])


def told_of_two(
    point: str, name: str, samples: Sequence[tuple[float, float]], operations: int
) -> Iterator[Result]:
    """Return what two who contend were told: see `contend`."""
    for quantity, which in ("acquire and release", 0), ("until the other has it", 1):
        own = [sample[which] for sample in samples]
        yield Result("locks", point, name, quantity, samples=own, operations=operations)


def contend(make: Callable[[], Place], most: int) -> tuple[float, float]:
    """Let two processes use a lock `most` times; return the time of each, and of each hand-over."""
    first, second = method.processors()
    guarded = method.shared(8)
    state = Guarded.from_buffer(guarded)
    state.most = most
    with make() as (kind, place):

        def take_part(me: int, processor: int) -> None:
            method.pin(processor)
            wrong = native.library().zincbench_contend(kind, place, address_of(guarded), me)
            if wrong or state.check < most:
                raise RuntimeError(f"{wrong} times somebody was not excluded")

        with method.process(take_part, 2, second):
            take_part(1, first)
            method.unpin()
    taken = state.ended - state.began
    return taken / most, taken / max(1, state.changed)


# ---- seats ----


KERNEL, LOOK = "bare F_OFD_GETLK", "zinc_lock_examine"
OPENED, SAT = "open and close", "open, sit and close"
SEATS = (LOOK, KERNEL, OPENED, SAT)


def measure_seats(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure what it costs to prove that a holder lives among many, and to sit and leave."""
    calls = 10_000 if settings.quick else 100_000
    library = native.library()
    with contextlib.ExitStack() as stack:
        region = Handle(1)
        sitters = [region, *(region.open_again() for _ in range(SITTERS - 1))]
        for one in sitters:
            stack.callback(one.close)
            library.zincbench_lock(native.ZINC_LOCK, one.place, 1)
        sitters[-1].acquire()
        empty = Handle(1)  # in which nobody sits
        stack.callback(empty.close)
        actions: dict[str, Callable[[int], object]] = {
            LOOK: functools.partial(library.zincbench_look, region.place),
            KERNEL: functools.partial(
                library.zincbench_kernel_look, region.descriptor, 1024 + SITTERS - 1
            ),
            OPENED: functools.partial(library.zincbench_sit, empty.descriptor, 0),
            SAT: functools.partial(library.zincbench_sit, empty.descriptor, 1),
        }
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for name in method.in_turns(contenders, settings.samples):
            method.say(name)
            many = calls if name in (LOOK, KERNEL) else calls // 10
            found[name].append(method.least(functools.partial(actions[name], many), 3) / many)
    for name, samples in found.items():
        quantity = "a look" if name in (LOOK, KERNEL) else "a handle"
        yield Result("locks", point, name, quantity, samples=samples, operations=calls)
