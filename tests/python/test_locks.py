"""Locks: what they have of threading's and multiprocessing's, and what of their own."""

from __future__ import annotations

import concurrent.futures
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import joblib
import pytest

import zinc

from .conftest import ROOT, may_unshare, sent
from .test_lifecycle import Child

CONTEXTS = [multiprocessing.get_context(kind) for kind in ("fork", "spawn", "forkserver")]
KINDS: dict[str, Callable[[], Any]] = {
    "threading": threading.Lock,
    "multiprocessing": multiprocessing.Lock,
    "zinc": zinc.Lock,
}
REENTRANT: dict[str, Callable[[], Any]] = {
    "threading": threading.RLock,
    "multiprocessing": multiprocessing.RLock,
    "zinc": zinc.RLock,
}
both = pytest.mark.parametrize("kind", KINDS)


def in_thread(function: Callable[[], object]) -> Any:
    """Run it in a thread to its end, and return what it returned or raised."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert results
    return results[0]


# ---- as threading and multiprocessing have it


@both
def test_is_acquired_and_released(kind: str) -> None:
    lock = KINDS[kind]()
    assert lock.acquire() is True
    assert lock.acquire(False) is False
    lock.release()
    assert lock.acquire(False) is True
    lock.release()
    with lock as entered:
        assert entered is True
        assert not lock.acquire(False)
    assert lock.acquire(True, 1)
    lock.release()


@both
def test_timeout_is_in_seconds(kind: str) -> None:
    lock = KINDS[kind]()
    with lock:
        began = time.monotonic()
        assert lock.acquire(timeout=0.05) is False
        assert time.monotonic() - began >= 0.05
        assert lock.acquire(True, 0.01) is False
        assert lock.acquire(timeout=0) is False
    assert lock.acquire(timeout=0)
    lock.release()


@both
def test_is_released_by_another_thread(kind: str) -> None:
    lock = KINDS[kind]()
    lock.acquire()
    assert in_thread(lock.release) is None
    assert lock.acquire(False)
    lock.release()


@both
def test_waits_for_another_thread(kind: str) -> None:
    lock = KINDS[kind]()
    lock.acquire()
    order: list[str] = []

    def take() -> None:
        with lock:
            order.append("second")

    thread = threading.Thread(target=take)
    thread.start()
    order.append("first")
    lock.release()
    thread.join(60)
    assert order == ["first", "second"]


@both
def test_exception_releases(kind: str) -> None:
    lock = KINDS[kind]()
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert lock.acquire(False)
    lock.release()


@both
def test_threads_exclude_each_other(kind: str) -> None:
    lock = KINDS[kind]()
    value = [0]

    def count() -> None:
        for _ in range(2000):
            with lock:
                before = value[0]
                if before % 50 == 0:
                    time.sleep(0)  # lets others run, were they not excluded
                value[0] = before + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert value == [8000]


@pytest.mark.parametrize("kind", REENTRANT)
def test_reentrant_one_counts(kind: str) -> None:
    lock = REENTRANT[kind]()
    with lock, lock:
        assert lock.acquire(False)
        lock.release()
        assert in_thread(lambda: lock.acquire(False)) is False
    assert in_thread(lambda: lock.acquire(False) and lock.release()) is None
    with pytest.raises((RuntimeError, AssertionError)):
        lock.release()


@pytest.mark.parametrize("kind", REENTRANT)
def test_reentrant_one_is_released_by_its_thread_alone(kind: str) -> None:
    lock = REENTRANT[kind]()
    with lock:
        assert isinstance(in_thread(lock.release), (RuntimeError, AssertionError))
    with pytest.raises((RuntimeError, AssertionError)):
        lock.release()


@pytest.mark.parametrize("kind", ["threading", "zinc"])
def test_threading_refuses_what_can_not_be(kind: str) -> None:
    lock = KINDS[kind]()
    for arguments in (False, 1), (True, -2), (False, 0):
        with pytest.raises(ValueError, match="timeout"):
            lock.acquire(*arguments)
    with pytest.raises(TypeError):
        lock.acquire(timeout="1")
    with pytest.raises(TypeError):
        lock.acquire(1, 2, 3)
    with pytest.raises(TypeError):
        lock.acquire(wrong=1)
    with pytest.raises(TypeError):
        lock.acquire(True, blocking=True)
    with pytest.raises(RuntimeError):
        lock.release()
    assert lock.acquire(blocking=True, timeout=-1)
    lock.release()


@pytest.mark.parametrize("kind", ["multiprocessing", "zinc"])
def test_multiprocessing_says_block(kind: str) -> None:
    lock = KINDS[kind]()
    assert lock.acquire(block=True, timeout=None)
    assert lock.acquire(block=False) is False
    lock.release()


@pytest.mark.parametrize("kind", ["threading", "zinc"])
def test_is_a_conditions_lock(kind: str) -> None:
    condition = threading.Condition(KINDS[kind]())
    told = []

    def tell() -> None:
        with condition:
            told.append(1)
            condition.notify()

    with condition:
        thread = threading.Thread(target=tell)
        thread.start()
        assert condition.wait_for(lambda: told)
    thread.join()


def add(lock: Any, place: Any, times: int) -> None:
    array = place.as_numpy("u8") if isinstance(place, zinc.SharedRegion) else place
    for _ in range(times):
        with lock:
            array[0] += 1


@pytest.mark.parametrize("kind", ["multiprocessing", "zinc"])
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_processes_exclude_each_other(name: str, context: Any, kind: str) -> None:
    lock = context.Lock() if kind == "multiprocessing" else zinc.Lock()
    with zinc.create(name, 8) as region:
        children = [context.Process(target=add, args=(lock, region, 3000)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0, 0, 0]
        assert region.as_numpy("u8")[0] == 9000


# ---- of its own


def test_of_one_name_exclude_each_other(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    with lock:
        assert not other.acquire(False)
        with pytest.raises(RuntimeError, match=f"does not hold it, process {os.getpid()} does"):
            other.release()
    with other:
        assert not lock.acquire(timeout_ms=2)


def test_of_one_place_in_a_region_exclude_each_other(name: str) -> None:
    with zinc.create(name, 64) as region, zinc.open(name) as other:
        locks = [region.lock(), region.lock(), other.lock()]
        for held in locks:
            with held:
                assert [lock.acquire(False) for lock in locks] == [False] * 3
                for lock in locks:
                    if lock is not held:
                        with pytest.raises(RuntimeError, match="release lock of region"):
                            lock.release()
        with region.lock(8), region.lock(24), other.lock(48), region.lock():
            assert not other.lock(8).acquire(False)
        assert bytes(region.as_buffer())[:8] == bytes(8)


def test_holder_is_told(name: str) -> None:
    before = time.time() - 1
    with zinc.Lock(name) as _:
        pass
    lock = zinc.Lock(name)
    assert lock.holder is None
    assert not lock.locked()
    child = Child(f"lock = zinc.Lock({name!r}); lock.acquire()")
    holder = lock.holder
    assert isinstance(holder, zinc.LockHolder)
    assert (holder.pid, holder.alive, holder.repairing) == (child.process.pid, True, False)
    assert before < holder.since < time.time() + 1
    assert lock.locked()
    assert f"held by process {child.process.pid}" in repr(lock)
    with pytest.raises(RuntimeError, match=f"process {child.process.pid} does"):
        lock.release()
    child.do("lock.release()")
    assert lock.holder is None
    assert repr(lock) == f"<zinc.Lock: lock {name!r}, free>"
    with pytest.raises(RuntimeError, match="nobody holds it"):
        lock.release()
    child.end()


def test_has_a_name_and_a_region(name: str) -> None:
    lock = zinc.Lock(name)
    assert (lock.name, lock.region.name, lock.offset, lock.closed) == (name, name, None, False)
    assert isinstance(lock.region, zinc.SharedRegion)
    assert zinc.examine(name).kind == 3
    with pytest.raises(FileExistsError):
        zinc.create(name, 8)
    lock.close()
    lock.close()
    assert lock.closed
    assert lock.region.closed
    for call in (lock.acquire, lock.release, lock.locked, lambda: lock.holder, lock.__enter__):
        with pytest.raises(ValueError, match=f"lock '{name}' is closed"):
            call()
    assert "closed" in repr(lock)
    with pytest.raises(FileNotFoundError):
        zinc.open(name)
    with zinc.create(name, 8), pytest.raises(FileExistsError, match="something else"):
        zinc.Lock(name)
    for bad in ("", "a/b", "x" * 251):
        with pytest.raises(ValueError, match="name"):
            zinc.Lock(bad)


def test_mode_is_as_of_a_file(name: str) -> None:
    lock = zinc.Lock(name, mode=0o660, group=os.getgid())
    assert zinc.examine(name).mode == 0o660
    lock.close()


def test_without_a_name_each_is_its_own() -> None:
    lock, other = zinc.Lock(), zinc.Lock()
    assert lock.name != other.name
    with lock, other:
        pass


def test_closing_a_lock_of_a_region_leaves_the_region(name: str) -> None:
    with zinc.create(name, 64) as region:
        lock = region.lock(16)
        assert (lock.region, lock.offset, lock.name) == (region, 16, name)
        lock.close()
        assert lock.closed
        assert not region.closed
        with pytest.raises(ValueError, match=r"lock at byte 16 of region .* is closed"):
            lock.acquire()
        other = region.lock()
    assert other.closed
    with pytest.raises(ValueError, match="closed"):
        other.acquire()
    with pytest.raises(ValueError, match="closed"):
        region.lock()


def test_closing_ends_the_waits_of_other_threads(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    results: list[object] = []

    def wait() -> None:
        try:
            results.append(lock.acquire())
        except ValueError as error:
            results.append(str(error))

    with other:
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        while not is_asleep(os.getpid(), 3):
            time.sleep(0.001)
        lock.close()
        for thread in threads:
            thread.join(60)
    assert results == [f"region '{name}' was closed during the wait"] * 3


def is_asleep(pid: int, threads: int = 1) -> bool:
    """Do so many threads of a process sleep on a futex for a word of shared memory, at least?

    Python's own waits have an operation of the private kind, 128 and more (futex(2)). Its number is 202
    on x86-64, also below what is emulated there, and 98 on aarch64.
    """
    asleep = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "syscall").read_text().split()
        asleep += words[0] in ("202", "98") and not int(words[2], 16) & 128
    return asleep >= threads


def test_one_that_is_collected_is_not_held_for_ever(name: str) -> None:
    with zinc.create(name, 64) as region:
        lock = region.lock(8)
        lock.acquire()
        del lock
        with pytest.raises(zinc.OwnerDiedError) as died:
            region.lock(8).acquire()
        assert died.value.pid == os.getpid()


def test_closing_a_held_one_tells_the_next(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    lock.acquire()
    lock.close()
    with pytest.raises(zinc.OwnerDiedError):
        other.acquire()
    with other.recover() as is_broken:
        assert is_broken
    with other:
        pass


def test_descriptors_are_that_of_the_seat_too(name: str) -> None:
    lock = zinc.Lock(name)
    assert len(lock.region.descriptors()) == 1
    with lock:
        first, second = lock.region.descriptors()
    assert os.path.samestat(os.fstat(first), os.fstat(second))
    assert lock.region.descriptors() == [first, second]


def test_daemon_that_spares_them_holds_on(name: str) -> None:
    child = Child(
        f"lock = zinc.Lock({name!r}); lock.acquire()",
        "kept = sorted({0, 1, 2, *lock.region.descriptors()})",
        "[os.closerange(a + 1, b) for a, b in zip(kept, [*kept[1:], 1024])]",
    )
    lock = zinc.Lock(name)
    assert not lock.acquire(timeout_ms=100)
    child.do("lock.release()")
    assert lock.acquire(timeout_ms=60_000)
    lock.release()
    child.end()


# ---- other processes


def hold(lock: Any, pipe: Connection) -> None:
    with lock:
        pipe.send((lock.name, lock.offset, lock.reentrant, lock.repair))
        pipe.recv()


def mend(lock: zinc.Lock) -> None:
    lock.region.notify()


@pytest.mark.parametrize("where", ["named", "unnamed", "own", "offset", "anonymous"])
@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_goes_to_a_child(name: str, context: Any, where: str) -> None:
    region = zinc.create(f"{name}-2", 64)
    anonymous = zinc.SharedRegion.anonymous(64)
    lock = {
        "named": lambda: zinc.Lock(name, mend),
        "unnamed": lambda: zinc.RLock(None, mend),
        "own": lambda: region.lock(None, mend),
        "offset": lambda: region.lock(16, mend, reentrant=True),
        "anonymous": lambda: anonymous.lock(32, mend),
    }[where]()
    pipe, theirs = context.Pipe()
    child = context.Process(target=hold, args=(lock, theirs))
    child.start()
    assert pipe.recv() == (lock.name, lock.offset, lock.reentrant, mend)
    assert not lock.acquire(False)
    assert lock.holder
    assert lock.holder.pid == child.pid
    pipe.send(None)
    child.join(60)
    assert child.exitcode == 0
    assert lock.acquire(False)
    lock.release()
    region.close()
    anonymous.close()


def count_in(lock: zinc.Lock, array: Any) -> None:
    with lock:
        array[0] += 1


def test_goes_to_loky(tmp_path: Path) -> None:
    from joblib.externals.loky import get_reusable_executor

    array = zinc.array(None, 1, "u8")
    lock = zinc.Lock()
    try:
        run = joblib.Parallel(n_jobs=2, temp_folder=tmp_path)
        run(joblib.delayed(count_in)(lock, array) for _ in range(20))
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert array[0] == 20


pooled: list[zinc.Lock] = []


def keep(lock: zinc.Lock) -> None:
    pooled.append(lock)


def count_pooled(array: Any) -> None:
    count_in(pooled[0], array)


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: c.get_start_method())
def test_goes_to_pools(context: Any) -> None:
    """Once to each worker, and with each task."""
    array = zinc.array(None, 1, "u8")
    lock = zinc.Lock()
    with context.Pool(2, keep, (lock,)) as pool:
        pool.map(count_pooled, [array] * 30)
        pool.close()
        pool.join()
    with concurrent.futures.ProcessPoolExecutor(2, context) as executor:
        list(executor.map(count_in, [lock] * 30, [array] * 30))
    assert array[0] == 60
    assert not lock.locked()


def test_region_and_lock_arrive_together(name: str) -> None:
    with zinc.create(name, 64) as region:
        lock = region.lock(8)
        region_there, lock_there, again = pickle.loads(sent((region, lock, lock)))
        assert lock_there.region is region_there
        assert again is lock_there
        with lock:
            assert not lock_there.acquire(False)
        with lock_there:
            assert not lock.acquire(False)
        region_there.close()


class Noted(zinc.Lock):
    """With something of its own."""

    note: str


def test_subclass_keeps_what_it_has(name: str) -> None:
    lock = Noted(name)
    lock.note = "x"
    there = pickle.loads(sent(lock))
    assert (type(there), there.note) == (Noted, "x")


def test_other_picklers_refuse(name: str) -> None:
    lock = zinc.Lock(name)
    with pytest.raises(TypeError, match="by_reference"):
        pickle.dumps(lock)
    with zinc.by_reference():
        there = pickle.loads(pickle.dumps(lock))
    with there:
        assert not lock.acquire(False)
    import copy

    for make in copy.copy, copy.deepcopy:
        with pytest.raises(TypeError, match="the same one"):
            make(lock)
    lock.close()
    with pytest.raises(ValueError, match="closed"):
        sent(lock)
    message = sent(zinc.Lock(name))
    zinc.unlink(name)
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(message)


# ---- what can't be


@pytest.mark.parametrize("offset", [1, 4, 12, 56, 64, 2**63, 2**64 - 1, 2**70])
def test_offset_has_to_be_a_place_for_it(name: str, offset: int) -> None:
    with zinc.create(name, 64) as region:
        with pytest.raises(ValueError, match=r"aligned|inside"):
            region.lock(offset)
        region.lock(48)
        with pytest.raises(ValueError, match="from 0"):
            region.lock(-8)
        with pytest.raises(TypeError):
            region.lock("8")  # type: ignore[arg-type]


def test_arguments_that_can_not_be(name: str) -> None:
    lock = zinc.Lock(name)
    with pytest.raises(ValueError, match="give one of them"):
        lock.acquire(timeout=1, timeout_ms=1)
    for timeout in (-1, float("nan")):
        with pytest.raises(ValueError, match="timeout_ms"):
            lock.acquire(timeout_ms=timeout)
        with pytest.raises(ValueError, match="timeout_ms"):
            lock.recover(timeout)
    with pytest.raises(ValueError, match="non-blocking"):
        lock.acquire(False, timeout_ms=1)
    with pytest.raises(TypeError, match="a name is a str, not 3"):
        zinc.Lock(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="repair"):
        zinc.Lock(name, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        lock.acquire(True, block=True)
    with pytest.raises(TypeError):
        lock.recover(1, 2)  # type: ignore[call-arg]
    assert not lock.locked()
    assert lock.acquire(timeout=1e300)
    lock.release()


@pytest.mark.parametrize("word", [0x3FFFFFFF, 200 | 5 << 10, 1 | 99 << 10, 0x7FFFFFFF, 1023])
def test_scribbled_word_is_an_error(name: str, word: int) -> None:
    with zinc.create(name, 64) as region:
        lock = region.lock(16)
        region.as_numpy("u4")[4] = word
        enter = lock.recover().__enter__
        ways: list[Callable[[], bool]] = [lock.acquire, lambda: lock.acquire(False), enter]
        for acquire in ways:
            with pytest.raises(OSError, match="damaged") as damaged:
                acquire()
            assert damaged.value.errno == errno.EBADMSG
            assert not isinstance(damaged.value, zinc.NotARegionError)
        with pytest.raises(OSError, match="something else wrote"):
            _ = lock.holder
        with pytest.raises(RuntimeError, match="something else wrote"):
            lock.release()
        assert "damaged" in repr(lock)


def test_held_word_that_is_overwritten_is_not_released(name: str) -> None:
    with zinc.create(name, 64) as region:
        lock = region.lock(16)
        lock.acquire()
        region.as_numpy("u4")[4] = 0
        with pytest.raises(RuntimeError, match="nobody holds it"):
            lock.release()
        with lock:
            pass


def test_more_users_than_seats(name: str) -> None:
    locks = [zinc.Lock(name) for _ in range(121)]
    for lock in locks[:120]:
        with lock:
            pass
    with pytest.raises(OSError, match=f"first by process {os.getpid()}") as full:
        locks[120].acquire()
    assert full.value.errno == errno.EUSERS
    locks[7].close()
    with locks[120]:
        pass
    for lock in locks:
        lock.close()


def test_lock_of_a_read_only_region(name: str) -> None:
    with zinc.create(name, 64), zinc.open(name, readonly=True) as reader:
        with pytest.raises(PermissionError):
            reader.lock(8)
        with reader.lock():  # which lies beside the data, and this user may write the file
            pass


@may_unshare
def test_who_may_only_read_is_told(name: str) -> None:
    with zinc.create(name, 64, mode=0o644) as region:
        other = Child(
            f"r = zinc.open({name!r}, readonly=True, any_user=True)",
            prefix=(str(ROOT / "tests/unprivileged"),),
        )
        other.do("import pytest")
        other.do("with pytest.raises(PermissionError, match='may only read'): r.lock().acquire()")
        with region.lock():
            pass
        other.end()


def test_region_is_closed_while_its_locks_are_in_use(name: str) -> None:
    """One is held, and another waited for."""
    with zinc.create(name, 64) as region:
        other = zinc.open(name)
        held, waited = other.lock(8), other.lock(24)
        results: list[object] = []
        with region.lock(24):
            held.acquire()
            thread = threading.Thread(target=lambda: results.append(in_thread(waited.acquire)))
            thread.start()
            while not is_asleep(os.getpid()):
                time.sleep(0.001)
            other.close()
            thread.join(60)
        assert isinstance(results[0], ValueError)
        with pytest.raises(ValueError, match="closed"):
            held.release()
        with pytest.raises(zinc.OwnerDiedError):
            region.lock(8).acquire()
        with region.lock(24):
            pass


CALLS = """
import os, sys, zinc
region = zinc.create(sys.argv[1], 64)
locks = [zinc.Lock(), zinc.RLock(), region.lock(), region.lock(8)]
for lock in locks:
    with lock:
        pass
    os.getppid()
    for _ in range(10_000):
        with lock:
            pass
        lock.acquire()
        lock.release()
    os.getppid()
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        with lock:
            pass
    assert sys.getallocatedblocks() - before < 5
"""


@pytest.mark.needs("strace")
def test_lock_that_is_free_costs_no_system_call_and_keeps_no_memory(
    name: str, tmp_path: Path
) -> None:
    log = tmp_path / "trace"
    strace = ["strace", "-qq", "-o", str(log), sys.executable, "-c", CALLS, name]
    subprocess.run(strace, check=True)
    calls = [line.split("(")[0] for line in log.read_text().splitlines()]
    marks = [i for i, call in enumerate(calls) if call == "getppid"]
    assert len(marks) == 8
    for begin, end in zip(marks[::2], marks[1::2], strict=True):
        assert calls[begin + 1 : end] == []


# ---- signals


@pytest.mark.parametrize("how", ["acquire()", "__enter__()", "recover().__enter__()"])
def test_ctrl_c_ends_a_wait(name: str, how: str) -> None:
    code = f"import zinc\nlock = zinc.Lock({name!r})\ntry: lock.{how}\nexcept KeyboardInterrupt: print(lock.holder.pid)"
    lock = zinc.Lock(name)
    with lock:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        while not is_asleep(child.pid):
            time.sleep(0.001)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=60)[0] == f"{os.getpid()}\n"
        assert child.returncode == 0


def test_wait_goes_on_after_a_handler_that_returns(name: str) -> None:
    lock, other = zinc.Lock(name), zinc.Lock(name)
    main = threading.get_ident()
    calls: list[int] = []

    def handle(*_: object) -> None:
        calls.append(1)
        if len(calls) == 5:
            other.release()
        else:
            signal.pthread_kill(main, signal.SIGUSR1)

    old = signal.signal(signal.SIGUSR1, handle)
    try:
        other.acquire()
        timer = threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGUSR1))
        timer.start()
        assert lock.acquire()
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(calls) == 5
    lock.release()


STORM = """
import signal, sys, zinc
lock, other = zinc.Lock(sys.argv[1]), zinc.Lock(sys.argv[1])
caught = 0
class Stop(Exception): pass
def handle(*_): raise Stop
signal.signal(signal.SIGALRM, handle)
while caught < 300:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002)
        while True:
            with lock:
                pass
    except Stop:
        caught += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert not lock.locked(), caught
"""


def test_what_a_handler_raises_loses_no_lock(
    name: str, python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = python(STORM, name)
    assert (done.returncode, done.stderr) == (0, "")
