"""Semaphores, readers, writers, conditions and barriers whose users are killed or forked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import zinc

from .test_lifecycle import Child
from .test_locks import is_asleep
from .test_locks_recovery import forked, status_of


def wait_until_asleep(pid: int) -> None:
    while not is_asleep(pid):
        time.sleep(0.001)


# ---- semaphores


def test_permits_of_the_dead_come_back(name: str) -> None:
    semaphore = zinc.Semaphore(name, 3)
    for _ in range(3):
        child = Child(f"s = zinc.Semaphore({name!r}, 3); s.acquire(), s.acquire()")
        assert semaphore.acquire(False)
        assert not semaphore.acquire(timeout_ms=50)
        child.kill()
        assert semaphore.acquire()
        assert semaphore.acquire()
        assert not semaphore.acquire(False)
        semaphore.release(3)
        assert semaphore.get_value() == 3


SEMAPHORE_STORM = """
import sys, zinc
semaphore = zinc.Semaphore(sys.argv[1] + "-2", 2)
region = zinc.open(sys.argv[1])
words = region.as_numpy("u8")
while True:
    with semaphore:
        assert semaphore.get_value() <= 1
        words[0] += 1
"""


def test_storm_of_kills_leaves_all_permits(name: str) -> None:
    with zinc.create(name, 8) as region:
        words = region.as_numpy("u8")
        semaphore = zinc.Semaphore(f"{name}-2", 2)
        run = [sys.executable, "-c", SEMAPHORE_STORM, name]
        processes = [subprocess.Popen(run, stderr=subprocess.PIPE) for _ in range(3)]
        try:
            for turn in range(15):
                before = int(words[0])
                end = time.monotonic() + 60
                while words[0] < before + 50 and time.monotonic() < end:
                    time.sleep(0.001)
                assert words[0] != before
                one = processes[turn % 3]
                assert one.poll() is None, one.communicate()
                one.kill()
                one.communicate()
                processes[turn % 3] = subprocess.Popen(run, stderr=subprocess.PIPE)
        finally:
            for one in processes:
                one.kill()
                one.communicate()
        assert semaphore.acquire()
        assert semaphore.acquire()
        assert not semaphore.acquire(False)
        semaphore.release(2)


def test_childs_permits_are_not_its_parents(name: str) -> None:
    semaphore = zinc.Semaphore(name, 2)

    def child() -> None:
        with pytest.raises(ValueError, match="no permit"):
            semaphore.release()
        assert semaphore.acquire(False)
        assert not semaphore.acquire(False)

    with semaphore:
        assert status_of(forked(child)) == 0
        assert semaphore.acquire()  # the child's
        semaphore.release()
    assert semaphore.get_value() == 2


def test_stopped_one_keeps_its_permit(name: str) -> None:
    semaphore = zinc.Semaphore(name)
    child = Child(f"s = zinc.Semaphore({name!r}); s.acquire()")
    os.kill(child.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.process.pid, os.WSTOPPED)
    assert not semaphore.acquire(timeout_ms=200)
    os.kill(child.process.pid, signal.SIGCONT)
    child.do("s.release()")
    assert semaphore.acquire()
    semaphore.release()
    child.end()


# ---- readers and writers


def test_dead_reader_reads_no_more(name: str) -> None:
    lock = zinc.RWLock(name)
    child = Child(f"lock = zinc.RWLock({name!r}); lock.read.acquire(), lock.read.acquire()")
    assert lock.readers == 2
    assert not lock.write.acquire(timeout_ms=50)
    child.kill()
    assert lock.write.acquire()
    lock.write.release()
    assert lock.readers == 0


def test_dead_writer_is_told_to_all_until_it_is_repaired(name: str) -> None:
    lock, other = zinc.RWLock(name), zinc.RWLock(name)
    child = Child(f"lock = zinc.RWLock({name!r}); lock.write.acquire()")
    assert not lock.read.acquire(timeout_ms=50)
    child.kill()
    for one in (lock, other):
        for half in (one.read, one.write):
            for acquire in (half.acquire, half.__enter__, lambda half=half: half.acquire(False)):
                with pytest.raises(
                    zinc.OwnerDiedError, match=f"process {child.process.pid}"
                ) as died:
                    acquire()
                assert died.value.pid == child.process.pid
    with other.write.recover() as is_broken:
        assert is_broken
        assert not lock.read.acquire(False)
    with lock.read, other.read:
        pass


def test_writer_repairs_for_readers(name: str) -> None:
    calls: list[zinc.Lock] = []
    lock = zinc.RWLock(name, calls.append)
    Child(f"lock = zinc.RWLock({name!r}); lock.write.acquire()").kill()
    with pytest.raises(zinc.OwnerDiedError):
        lock.read.acquire()
    with lock.write:
        assert calls == [lock.write]
    with lock.read:
        pass


def test_last_writer_is_killed_and_a_later_process_is_told(name: str) -> None:
    Child(f"lock = zinc.RWLock({name!r}); lock.write.acquire()").kill()
    zinc.reclaim()
    lock = zinc.RWLock(name)
    with pytest.raises(zinc.OwnerDiedError):
        lock.read.acquire()
    with lock.write.recover() as is_broken:
        assert is_broken


def test_child_reads_not_for_its_parent(name: str) -> None:
    lock = zinc.RWLock(name)

    def child() -> None:
        with pytest.raises(RuntimeError, match="does not read"):
            lock.read.release()
        with lock.read:
            assert lock.readers == 2
        assert not lock.write.acquire(False)

    with lock.read:
        assert status_of(forked(child)) == 0
        assert lock.readers == 1
    with lock.write:
        pass


# ---- conditions


def test_notification_of_a_dead_one_goes_to_another(name: str) -> None:
    """It was notified, and killed before it had the lock again."""
    condition = zinc.Condition(name)
    child = Child("import threading", f"c = zinc.Condition({name!r})")
    assert child.process.stdin
    child.process.stdin.write("c.acquire(); c.wait()\n")
    child.process.stdin.flush()
    wait_until_asleep(child.process.pid)
    results: list[bool] = []

    waiter = zinc.Condition(name)

    def wait() -> None:
        with waiter:
            results.append(waiter.wait())

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until_asleep(os.getpid())
    with condition:
        condition.notify()  # the child's, who came first
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()
    thread.join(60)
    assert results == [True]
    child.process.communicate()


def test_waiter_that_is_killed_takes_no_notification(name: str) -> None:
    condition, waiter = zinc.Condition(name), zinc.Condition(name)
    child = Child(f"c = zinc.Condition({name!r})")
    assert child.process.stdin
    child.process.stdin.write("c.acquire(); c.wait()\n")
    child.process.stdin.flush()
    wait_until_asleep(child.process.pid)
    child.kill()
    results: list[bool] = []

    def wait() -> None:
        with waiter:
            results.append(waiter.wait())

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until_asleep(os.getpid())
    with condition:
        condition.notify()
    thread.join(60)
    assert results == [True]


def test_lock_of_a_condition_is_told_of_a_death_amid_a_wait(name: str) -> None:
    condition = zinc.Condition(name)
    results: list[object] = []

    def wait() -> None:
        try:
            with condition:
                condition.wait()
        except zinc.OwnerDiedError as error:
            results.append(error.pid)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until_asleep(os.getpid())
    child = Child(f"c = zinc.Condition({name!r}); c.acquire(); c.notify()")
    child.kill()
    thread.join(60)
    assert results == [child.process.pid]
    with condition.lock.recover() as is_broken:
        assert is_broken


def test_wait_repairs_what_it_gets_back_broken(name: str) -> None:
    calls: list[int] = []
    condition = zinc.Condition(name, lambda _: calls.append(1))
    results: list[bool] = []

    def wait() -> None:
        with condition:
            results.append(condition.wait())

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until_asleep(os.getpid())
    Child(f"c = zinc.Condition({name!r}); c.acquire(); c.notify()").kill()
    thread.join(60)
    assert results == [True]
    assert calls == [1]
    with condition:
        pass


# ---- barriers


@pytest.mark.parametrize("waits", [True, False])
def test_barrier_breaks_when_one_dies(name: str, waits: bool) -> None:
    """One who waits, or who has used it and is not yet there again."""
    barrier = zinc.Barrier(name, 3)
    child = Child(f"b = zinc.Barrier({name!r}, 3)")
    assert child.process.stdin
    phases = 1 if waits else 2
    child.process.stdin.write("b.wait()\n" + ("" if waits else "import time; time.sleep(600)\n"))
    child.process.stdin.flush()
    others = [zinc.Barrier(name, 3) for _ in range(2)]
    results: list[Any] = []
    passed: list[int] = []

    def wait(one: zinc.Barrier, times: int) -> None:
        try:
            for _ in range(times):
                passed.append(one.wait())
        except threading.BrokenBarrierError:
            results.append("broken")

    threads = [
        threading.Thread(target=wait, args=(one, phases)) for one in others[: 1 if waits else 2]
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    # Two of the first phase are not those who wait for the one that has been there.
    while len(passed) < 2 * (phases - 1) or barrier.n_waiting < 2:
        assert time.monotonic() < end
        time.sleep(0.001)
    child.kill()
    for thread in threads:
        thread.join(60)
    assert results == ["broken"] * len(threads)
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    barrier.reset()
    assert not barrier.broken


# ---- events


def test_event_that_a_dead_one_has_set_is_set(name: str) -> None:
    event = zinc.Event(name)
    Child(f"e = zinc.Event({name!r}); e.set()").kill()
    assert event.wait()
