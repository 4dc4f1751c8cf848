"""The family of the lock, as threading and multiprocessing have it, by one test for all."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import zinc

from .conftest import sent
from .test_locks import CONTEXTS, in_thread, is_asleep

LIBRARIES: dict[str, Any] = {
    "threading": threading,
    "multiprocessing": multiprocessing,
    "zinc": zinc,
}
library = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
# Barriers of multiprocessing take memory that the process keeps, which other tests would see.
without_memory = pytest.mark.parametrize("library", [threading, zinc], ids=lambda m: m.__name__)


def together(count: int, function: Callable[[int], object]) -> list[Any]:
    """Run it in so many threads at once; what each returned or raised."""
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            results[number] = function(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


# ---- semaphores


@library
def test_semaphore_counts(library: Any) -> None:
    semaphore = library.Semaphore(3)
    assert [semaphore.acquire() for _ in range(3)] == [True] * 3
    assert semaphore.acquire(False) is False
    assert semaphore.acquire(timeout=0.01) is False
    assert in_thread(lambda: semaphore.acquire(False)) is False
    semaphore.release()
    with semaphore as entered:
        assert entered is True
        assert not semaphore.acquire(False)
    assert in_thread(semaphore.acquire) is True
    for _ in range(3):
        semaphore.release()


@library
def test_bounded_semaphore_refuses_one_too_many(library: Any) -> None:
    semaphore = library.BoundedSemaphore(2)
    semaphore.acquire()
    semaphore.release()
    with pytest.raises(ValueError, match=r"too many times|no permit"):
        semaphore.release()
    with semaphore, semaphore:
        assert not semaphore.acquire(False)


@without_memory
def test_semaphore_gives_several_back(library: Any) -> None:
    semaphore = library.BoundedSemaphore(value=3)
    for _ in range(3):
        semaphore.acquire()
    semaphore.release(2)
    semaphore.release(n=1)
    with pytest.raises(ValueError, match="one or more"):
        semaphore.release(0)
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    semaphore.release(3)


@library
def test_semaphore_lets_so_many_in(library: Any) -> None:
    semaphore = library.Semaphore(2)
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        for _ in range(100):
            with semaphore:
                inside.append(number)
                most.append(len(inside))
                time.sleep(0)
                inside.remove(number)

    assert together(5, enter) == [None] * 5
    assert max(most) <= 2


def test_semaphore_of_one_name(name: str) -> None:
    semaphore, other = zinc.Semaphore(name, 2), zinc.Semaphore(name, value=2)
    with semaphore, other:
        assert semaphore.get_value() == 0
        assert not other.acquire(False)
    assert other.get_value() == 2
    semaphore.acquire()
    with pytest.raises(ValueError, match="no permit"):
        other.release()
    semaphore.close()  # its permit comes back
    assert other.acquire()
    assert other.acquire()
    with pytest.raises(FileExistsError):
        zinc.Semaphore(name, 3)
    with pytest.raises(FileExistsError):
        zinc.Lock(name)
    for value in (0, -1, 1 << 21, 1 << 70):
        with pytest.raises(ValueError, match="1 to"):
            zinc.Semaphore(f"{name}-2", value)
    for call in (semaphore.acquire, semaphore.release, semaphore.get_value):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert "closed" in repr(semaphore)
    assert repr(other) == f"<zinc.Semaphore '{name}', 0 free>"


# ---- events


@library
def test_event_is_set_and_cleared(library: Any) -> None:
    event = library.Event()
    assert not event.is_set()
    assert event.wait(0) is False
    assert event.wait(timeout=0.01) is False
    event.set()
    event.set()
    assert event.is_set()
    assert event.wait() is True
    assert event.wait(0) is True
    event.clear()
    assert not event.is_set()
    assert event.wait(0.01) is False


@library
def test_event_wakes_all(library: Any) -> None:
    event = library.Event()
    timer = threading.Timer(0.02, event.set)
    timer.start()
    assert together(5, lambda _: event.wait()) == [True] * 5
    timer.join()


def test_event_of_one_name(name: str) -> None:
    event, other = zinc.Event(name), zinc.Event(name)
    other.set()
    assert event.wait()
    assert repr(event) == f"<zinc.Event '{name}', set>"
    event.clear()
    assert repr(other) == f"<zinc.Event '{name}', not set>"
    with pytest.raises(ValueError, match="give one of them"):
        event.wait(1, timeout_ms=1)
    assert not event.wait(timeout_ms=2)
    event.close()
    with pytest.raises(ValueError, match="closed"):
        event.wait(0)


def test_event_that_is_cleared_at_once_wakes_who_waits(name: str) -> None:
    event = zinc.Event(name)
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(event.wait()))
    thread.start()
    while not is_asleep(os.getpid()):
        time.sleep(0.001)
    event.set()
    event.clear()
    thread.join(60)
    assert results == [True]


# ---- conditions


@library
def test_condition_hands_over(library: Any) -> None:
    condition = library.Condition()
    items: list[int] = []
    got: list[int] = []

    def consume(number: int) -> None:
        for _ in range(20):
            with condition:
                while not items:
                    assert condition.wait()
                got.append(items.pop())

    def produce(number: int) -> None:
        for i in range(20):
            with condition:
                items.append(number * 100 + i)
                condition.notify()

    def either(number: int) -> None:
        (consume if number % 2 else produce)(number)

    assert together(6, either) == [None] * 6
    assert sorted(got) == [n * 100 + i for n in (0, 2, 4) for i in range(20)]


@library
def test_condition_times_out_and_waits_for(library: Any) -> None:
    condition = library.Condition()
    with condition:
        assert condition.wait(0.01) is False
        assert condition.wait_for(lambda: 0, 0.01) == 0
        assert condition.wait_for(lambda: "yes") == "yes"
        assert in_thread(lambda: condition.acquire(False)) is False
    assert in_thread(lambda: condition.acquire(False) and condition.release()) is None


@library
def test_condition_without_its_lock_is_refused(library: Any) -> None:
    condition = library.Condition()
    for call in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises((RuntimeError, AssertionError)):
            call()


@library
def test_condition_with_a_lock_of_ones_own(library: Any) -> None:
    lock = library.Lock()
    first, second = library.Condition(lock), library.Condition(lock=lock)
    with first:
        assert not lock.acquire(False)
        assert second.wait(0.01) is False
        assert not lock.acquire(False)
        second.notify_all()
    with lock:
        pass


@library
def test_condition_is_reentrant_and_gives_up_all(library: Any) -> None:
    condition = library.Condition()
    entered = threading.Event()

    def enter() -> None:
        with condition:
            entered.set()
            condition.notify()

    with condition, condition:
        thread = threading.Thread(target=enter)
        thread.start()
        assert condition.wait()
        assert entered.is_set()
        condition.release()
        assert in_thread(lambda: condition.acquire(False)) is False
        condition.acquire()
    thread.join()


@library
def test_condition_notifies_as_many_as_are_asked_for(library: Any) -> None:
    condition = library.Condition()
    woken: list[int] = []
    waiting: list[int] = []

    def wait(number: int) -> None:
        with condition:
            waiting.append(number)
            if condition.wait():
                woken.append(number)

    threads = [threading.Thread(target=wait, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    while True:
        with condition:
            if len(waiting) == 6:
                break
        time.sleep(0.001)
    for notify, more in ((condition.notify, 1), (lambda: condition.notify(2), 3)):
        with condition:
            notify()
        end = time.monotonic() + 60
        while len(woken) < more and time.monotonic() < end:
            time.sleep(0.001)
        with condition:
            assert len(woken) == more
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join(60)
    assert sorted(woken) == [0, 1, 2, 3, 4, 5]


def test_condition_of_one_name(name: str) -> None:
    condition, other = zinc.Condition(name), zinc.Condition(name)
    with condition:
        assert not other.acquire(False)
        assert not other.acquire(timeout=0.01)
        assert not other.acquire(timeout_ms=1)
        with pytest.raises(RuntimeError, match="not acquired"):
            other.notify()
        with pytest.raises(ValueError, match="give one of them"):
            condition.wait(1, timeout_ms=1)
        with pytest.raises(ValueError, match="give one of them"):
            condition.wait_for(lambda: True, 1, timeout_ms=1)
        assert condition.lock.holder
    with pytest.raises(ValueError, match="repair"):
        zinc.Condition(zinc.Lock(), lambda lock: None)
    assert repr(condition).startswith(f"<zinc.Condition '{name}' with <zinc.Lock")
    assert condition.lock.name == name
    condition.close()
    with pytest.raises(ValueError, match="closed"):
        condition.acquire()


def test_condition_closed_amid_a_wait(name: str) -> None:
    condition, other = zinc.Condition(name), zinc.Condition(name)

    def wait() -> None:
        with condition:
            condition.wait()

    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(in_thread(wait)))
    thread.start()
    while not is_asleep(os.getpid()):
        time.sleep(0.001)
    condition.close()
    thread.join(60)
    assert isinstance(results[0], ValueError)
    with other:
        other.notify_all()


@library
def test_time_that_is_over_is_no_fault(library: Any) -> None:
    """Programs give what is left of one."""
    semaphore, event, condition = library.Semaphore(1), library.Event(), library.Condition()
    for timeout in (-1, -0.001):
        assert event.wait(timeout) is False
        with semaphore:
            assert semaphore.acquire(timeout=timeout) is False
        with condition:
            assert condition.wait(timeout) is False
            assert condition.wait_for(lambda: 0, timeout) == 0


def test_timeout_that_can_not_be_is_none() -> None:
    for call in (zinc.Semaphore().acquire, zinc.RWLock().read.acquire):
        with pytest.raises(ValueError, match="timeout must be seconds"):
            call(timeout=float("nan"))
        with pytest.raises(ValueError, match="timeout_ms"):
            call(timeout_ms=-1)
    for wait in (zinc.Event().wait, zinc.Barrier(2).wait):
        with pytest.raises(ValueError, match="timeout must be seconds"):
            wait(float("nan"))
        with pytest.raises(TypeError):
            wait("1")  # type: ignore[arg-type]


# ---- barriers


@without_memory
def test_barrier_lets_all_go_together(library: Any) -> None:
    barrier = library.Barrier(4)
    phases = [0] * 4

    def run(number: int) -> list[int]:
        places = []
        for phase in range(50):
            phases[number] = phase
            places.append(barrier.wait())
            assert min(phases) == phase
            barrier.wait()
        return places

    results = together(4, run)
    for phase in range(50):
        assert sorted(result[phase] for result in results) == [0, 1, 2, 3]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (4, 0, False)


@without_memory
def test_barrier_calls_its_action_once_a_phase(library: Any) -> None:
    calls: list[int] = []
    barrier = library.Barrier(3, lambda: calls.append(1), timeout=60)

    def run(_: int) -> None:
        for phase in range(5):
            barrier.wait()
            assert len(calls) > phase

    assert together(3, run) == [None] * 3
    assert len(calls) == 5


def is_broken(result: object) -> bool:
    return isinstance(result, threading.BrokenBarrierError)


@without_memory
def test_barrier_breaks_when_one_gives_up(library: Any) -> None:
    barrier = library.Barrier(3)
    results = together(2, lambda number: barrier.wait(0.05 if number else 60))
    assert all(map(is_broken, results))
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert not barrier.broken
    assert sorted(together(3, lambda _: barrier.wait())) == [0, 1, 2]


@without_memory
def test_barrier_is_aborted_and_reset(library: Any) -> None:
    barrier = library.Barrier(2)
    for end in (barrier.abort, barrier.reset):

        def run(number: int, end: Callable[[], object] = end) -> None:
            if number:
                while not barrier.n_waiting:
                    time.sleep(0.001)
                end()
            else:
                barrier.wait()

        results = together(2, run)
        assert is_broken(results[0])
        assert results[1] is None
        barrier.reset()


@without_memory
def test_barrier_breaks_by_its_action(library: Any) -> None:
    def act() -> None:
        raise KeyError

    barrier = library.Barrier(2, act)
    results = together(2, lambda _: barrier.wait())
    assert {type(result) for result in results} == {KeyError, threading.BrokenBarrierError}
    assert barrier.broken


def test_barrier_of_one_name(name: str) -> None:
    first = zinc.Barrier(name, 2, timeout=60)
    second = zinc.Barrier(name, parties=2)
    results = together(2, lambda number: (second if number else first).wait())
    assert sorted(results) == [0, 1]
    with pytest.raises(FileExistsError):
        zinc.Barrier(name, 3)
    with pytest.raises(TypeError, match="parties"):
        zinc.Barrier(name)
    with pytest.raises(TypeError, match="action"):
        zinc.Barrier(name, 2, 5)
    for parties in (0, -1, 1 << 21):
        with pytest.raises(ValueError, match="1 to"):
            zinc.Barrier(f"{name}-2", parties)
    assert repr(first) == f"<zinc.Barrier '{name}', 0 of 2 there>"
    first.close()
    with pytest.raises(ValueError, match="closed"):
        first.wait()


# ---- locks for readers and writers


def test_rwlock_lets_readers_in_together_and_writers_alone(name: str) -> None:
    lock, other = zinc.RWLock(name), zinc.RWLock(name)
    with lock.read as entered:
        assert entered is True
        assert other.read.acquire(False)
        assert lock.readers == 2
        assert not other.write.acquire(timeout_ms=5)
        other.read.release()
        assert not other.write.acquire(False)
    with lock.write as entered:
        assert entered is True
        assert lock.write.holder
        assert lock.write.holder.pid == os.getpid()
        assert not other.read.acquire(False)
        assert not other.read.acquire(timeout=0.01)
        assert not other.write.acquire(False)
        with pytest.raises(RuntimeError, match="does not hold it"):
            other.write.release()
    for one in (lock, other):
        with pytest.raises(RuntimeError, match="does not read"):
            one.read.release()
        with pytest.raises(RuntimeError, match="nobody holds it"):
            one.write.release()
    other.read.acquire()
    other.close()  # reads no more
    assert lock.write.acquire()
    lock.write.release()
    assert other.closed
    assert "closed" in repr(other)
    for call in (other.read.acquire, other.write.acquire, other.read.release):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_rwlock_writers_and_readers_agree(name: str) -> None:
    lock = zinc.RWLock(name)
    words = [0, 0]

    def run(number: int) -> None:
        one = zinc.RWLock(name)
        for _ in range(200):
            if number < 2:
                with one.write:
                    words[0] += 1
                    time.sleep(0)
                    words[1] += 1
            else:
                with one.read:
                    before = words[0]
                    time.sleep(0)
                    assert words[1] == before

    assert together(5, run) == [None] * 5
    assert words == [400, 400]
    assert lock.readers == 0


@pytest.mark.parametrize("how", ["thread", "task", "cancelled task"])
def test_rwlock_writer_keeps_its_turn_while_it_waits(name: str, how: str) -> None:
    lock, first, second = (zinc.RWLock(name) for _ in range(3))
    is_cancelled = how == "cancelled task"
    results: list[bool] = []

    async def acquire() -> bool:
        try:
            async with asyncio.timeout(0.4 if is_cancelled else None):
                return await lock.write.acquire_async()
        except TimeoutError:
            return False

    def write() -> None:
        results.append(lock.write.acquire() if how == "thread" else asyncio.run(acquire()))

    first.read.acquire()
    writer = threading.Thread(target=write)
    writer.start()
    while second.read.acquire(False):  # until it wants to
        second.read.release()
    # Each of its naps is at an end many times.
    assert second.read.acquire(timeout_ms=60_000 if is_cancelled else 300) is is_cancelled
    first.read.release()
    writer.join(60)
    assert results == [not is_cancelled]
    if is_cancelled:
        second.read.release()
        lock.write.acquire()
    lock.write.release()
    assert second.read.acquire(timeout_ms=60_000)
    second.read.release()


# ---- other processes


def work(things: dict[str, Any], number: int) -> None:
    """Use all of them, in a child."""
    with things["semaphore"]:
        pass
    assert things["event"].wait()
    with things["rwlock"].write:
        things["region"].as_numpy("u8")[0] += 1
    with things["condition"]:
        things["region"].as_numpy("u8")[1] += 1
        things["condition"].notify_all()
    things["barrier"].wait()


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_all_go_to_children(name: str, context: Any) -> None:
    things: dict[str, Any] = {
        "semaphore": zinc.Semaphore(2),
        "event": zinc.Event(),
        "condition": zinc.Condition(),
        "rwlock": zinc.RWLock(),
        "barrier": zinc.Barrier(4),
        "region": zinc.create(name, 16),
    }
    children = [context.Process(target=work, args=(things, i)) for i in range(3)]
    for child in children:
        child.start()
    words = things["region"].as_numpy("u8")
    things["event"].set()
    with things["condition"]:
        assert things["condition"].wait_for(lambda: words[1] == 3)
    things["barrier"].wait()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with things["rwlock"].read:
        assert words.tolist() == [3, 3]
    things["region"].close()


def answer(condition: zinc.Condition, region: zinc.SharedRegion) -> None:
    words = region.as_numpy("u8")
    with condition:
        words[0] = 1
        condition.notify()
        assert condition.wait_for(lambda: words[0] == 2)
        words[0] = 3
        condition.notify()


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_condition_goes_to_a_child_with_its_lock(name: str, context: Any) -> None:
    with zinc.create(name, 64) as region:
        words = region.as_numpy("u8")
        for condition in (zinc.Condition(region.lock(32)), zinc.Condition(zinc.Lock())):
            child = context.Process(target=answer, args=(condition, region))
            with condition:
                child.start()
                assert condition.wait_for(lambda: words[0] == 1)
                words[0] = 2
                condition.notify()
                assert condition.wait_for(lambda: words[0] == 3)
            child.join(60)
            assert child.exitcode == 0


class Noted(zinc.Semaphore):
    """With something of its own."""

    note: str


@pytest.mark.parametrize(
    "make",
    [
        lambda name: zinc.Semaphore(name),
        lambda name: zinc.Event(name),
        lambda name: zinc.Condition(name),
        lambda name: zinc.Condition(zinc.Lock(name)),
        lambda name: zinc.RWLock(name),
        lambda name: zinc.Barrier(name, 1),
    ],
)
def test_pickles_as_a_reference_alone(name: str, make: Callable[[str], Any]) -> None:
    thing = make(name)
    with pytest.raises(TypeError, match="by_reference"):
        pickle.dumps(thing)
    there = pickle.loads(sent(thing))
    assert type(there) is type(thing)
    assert there.name == thing.name
    assert there.region is not thing.region
    if isinstance(thing, zinc.Condition):
        assert there.lock.name == thing.lock.name
        assert (there.lock.region is there.region) == (thing.lock.region is thing.region)
        with thing:
            assert not there.acquire(False)


def test_subclass_keeps_what_it_has(name: str) -> None:
    semaphore = Noted(name)
    semaphore.note = "x"
    there = pickle.loads(sent(semaphore))
    assert (type(there), there.note) == (Noted, "x")


WAITS = {
    "semaphore": ("zinc.Semaphore({0!r})", "acquire()", "zinc.Semaphore({0!r})", "acquire"),
    "event": ("zinc.Event({0!r})", "wait()", "zinc.Event({0!r})", "clear"),
    "reader": ("zinc.RWLock({0!r}).read", "acquire()", "zinc.RWLock({0!r}).write", "acquire"),
    "writer": ("zinc.RWLock({0!r}).write", "acquire()", "zinc.RWLock({0!r}).read", "acquire"),
    "barrier": ("zinc.Barrier({0!r}, 2)", "wait()", "zinc.Barrier({0!r}, 2)", "reset"),
    "condition": (
        "zinc.Condition({0!r})",
        "acquire() and it.wait()",
        "zinc.Event({0!r} + '-2')",
        "clear",
    ),
}


@pytest.mark.parametrize("kind", WAITS)
def test_ctrl_c_ends_a_wait(name: str, kind: str) -> None:
    made, waits, mine, hinders = WAITS[kind]
    code = f"import zinc\nit = {made.format(name)}\ntry: it.{waits}\nexcept KeyboardInterrupt: print('ended')"
    other = eval(mine.format(name))
    getattr(other, hinders)()
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while not is_asleep(child.pid):
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0] == "ended\n"
    assert child.returncode == 0
    if kind == "barrier":
        assert other.broken
    if kind == "reader":
        other.release()
    if kind == "condition":  # the child ended with the lock, which it had again
        with zinc.Condition(name).lock.recover():
            pass


def test_who_may_have_no_seat_is_told(name: str) -> None:
    semaphores = [zinc.Semaphore(name, 200) for _ in range(121)]
    for semaphore in semaphores[:120]:
        semaphore.acquire()
    with pytest.raises(OSError, match="first by process") as full:
        semaphores[120].acquire()
    assert full.value.errno == errno.EUSERS
    for semaphore in semaphores:
        semaphore.close()
