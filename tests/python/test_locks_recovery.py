"""Holders that are killed, stopped or forked, and what becomes of their locks."""

from __future__ import annotations

import contextlib
import errno
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

from .conftest import may_unshare
from .test_group import GROUP, MEMBER, as_user
from .test_lifecycle import Child
from .test_locks import is_asleep

WHERE: dict[str, tuple[str, str]] = {
    "named": ("", "zinc.Lock({name!r}, *repair)"),
    "own": ("region = zinc.open_or_create({name!r}, 64)", "region.lock(None, *repair)"),
    "offset": ("region = zinc.open_or_create({name!r}, 64)", "region.lock(16, *repair)"),
    "reentrant": ("", "zinc.RLock({name!r}, *repair)"),
}
everywhere = pytest.mark.parametrize("where", WHERE)


def make(where: str, name: str, *repair: Any) -> zinc.Lock:
    values: dict[str, Any] = {"zinc": zinc, "repair": repair}
    before, lock = (text.format(name=name) for text in WHERE[where])
    exec(before, values)
    made: zinc.Lock = eval(lock, values)
    return made


def holder(where: str, name: str, *more: str) -> Child:
    """Return a child that has the lock."""
    before, lock = (text.format(name=name) for text in WHERE[where])
    return Child("repair = ()", before or "pass", f"lock = {lock}; lock.acquire()", *more)


def not_held(lock: zinc.Lock) -> bool:
    return lock.holder is None or lock.holder.pid != os.getpid() or not lock.holder.alive


# ---- killed


@everywhere
def test_repair_runs_once_and_holds_the_lock(name: str, where: str) -> None:
    seen: list[object] = []

    def repair(lock: zinc.Lock) -> None:
        assert lock.holder
        seen.append((lock is locks[0], lock.holder.pid, lock.holder.repairing, lock.locked()))
        assert not locks[1].acquire(False)
        assert not locks[1].acquire(timeout_ms=30)

    locks = [make(where, name, repair), make(where, name, repair)]
    child = holder(where, name)
    assert not locks[0].acquire(timeout_ms=50)
    child.kill()
    with locks[0]:
        assert seen == [(True, os.getpid(), True, True)]
        assert locks[0].holder
        assert not locks[0].holder.repairing
    with locks[1]:
        pass
    assert len(seen) == 1


@everywhere
def test_raising_repair_leaves_it_to_the_next(name: str, where: str) -> None:
    calls: list[int] = []

    def repair(lock: zinc.Lock) -> None:
        calls.append(1)
        if len(calls) < 4:
            raise KeyError(len(calls))

    lock = make(where, name, repair)
    holder(where, name).kill()
    for acquire in (lock.acquire, lock.__enter__, lambda: lock.acquire(False)):
        with pytest.raises(KeyError):
            acquire()
        assert not_held(lock)
        assert lock.holder
        assert not lock.holder.alive
        with pytest.raises(RuntimeError, match="died with it"):
            lock.release()
    with lock:
        assert len(calls) == 4


@everywhere
def test_without_a_repair_everybody_is_told_until_it_is_recovered(name: str, where: str) -> None:
    lock, other = make(where, name), make(where, name)
    before = time.time() - 1
    child = holder(where, name)
    child.kill()
    for one in (lock, other, lock, other):
        for acquire in (one.acquire, one.__enter__, lambda: one.acquire(False)):
            with pytest.raises(zinc.OwnerDiedError, match=f"process {child.process.pid}") as died:
                acquire()
            error = died.value
            assert error.errno == errno.EOWNERDEAD
            assert error.pid == child.process.pid
            assert before < error.since < time.time()
            assert not_held(one)
    assert lock.locked()
    assert f"abandoned by process {child.process.pid}" in repr(lock)
    with contextlib.suppress(KeyError), lock.recover() as is_broken:
        assert is_broken
        assert lock.holder
        assert lock.holder.repairing
        raise KeyError
    with pytest.raises(zinc.OwnerDiedError):
        other.acquire()
    with other.recover() as is_broken:
        assert is_broken
    with lock.recover() as is_broken:
        assert not is_broken
    with lock, pytest.raises(TimeoutError) as late:
        other.recover(timeout_ms=30).__enter__()
    assert late.value.errno == errno.ETIMEDOUT
    with other:
        pass


def test_recovery_that_finds_nothing_ends_as_a_with_does(name: str) -> None:
    lock = zinc.Lock(name)
    with contextlib.suppress(KeyError), lock.recover(100) as is_broken:
        assert not is_broken
        raise KeyError
    with lock:
        pass
    recovery = lock.recover(timeout_ms=0)
    with recovery:
        pass
    with recovery:  # again
        pass
    with pytest.raises(RuntimeError, match="nobody holds it"):
        recovery.__exit__(None, None, None)


def test_error_travels(name: str) -> None:
    lock = zinc.Lock(name)
    holder("named", name).kill()
    with pytest.raises(zinc.OwnerDiedError) as died:
        lock.acquire()
    again = pickle.loads(pickle.dumps(died.value))
    assert type(again) is zinc.OwnerDiedError
    assert (again.pid, again.since, str(again)) == (
        died.value.pid,
        died.value.since,
        str(died.value),
    )
    with lock.recover():
        pass


def test_nothing_to_repair_ever(name: str) -> None:
    lock = zinc.Lock(name, repair=lambda lock: None)
    for _ in range(3):
        holder("named", name).kill()
        with lock:
            pass


@everywhere
def test_repairer_that_is_killed_leaves_it_to_the_next(name: str, where: str) -> None:
    calls: list[int] = []
    lock = make(where, name, lambda _: calls.append(1))
    holder(where, name).kill()
    before, text = (text.format(name=name) for text in WHERE[where])
    killer = (
        "import os, signal, zinc\n"
        f"repair = (lambda lock: os.kill(os.getpid(), signal.SIGKILL),)\n{before}\n{text}.acquire()"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", killer], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not calls
    with lock:
        assert calls == [1]


def test_waiters_are_woken_by_the_death(name: str) -> None:
    results: list[object] = []

    def wait() -> None:
        try:
            with zinc.Lock(name):
                results.append("held")
        except zinc.OwnerDiedError as error:
            results.append(error.pid)

    child = holder("named", name)
    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not is_asleep(os.getpid(), 3):
        time.sleep(0.001)
    child.kill()
    for thread in threads:
        thread.join(60)
    assert results == [child.process.pid] * 3
    with zinc.Lock(name).recover():
        pass


@pytest.mark.parametrize("made", ["zinc.Lock", "zinc.RLock"])
def test_last_user_is_killed_and_a_later_process_is_told(name: str, made: str) -> None:
    child = Child(f"lock = {made}({name!r}); lock.acquire()")
    child.kill()
    zinc.reclaim()
    later = Child(f"lock = {made}({name!r})", "import pytest")
    later.do("with pytest.raises(zinc.OwnerDiedError) as died: lock.acquire()")
    assert later.do("print(died.value.pid)") == str(child.process.pid)
    later.end()  # and it is still not repaired
    lock = zinc.Lock(name)
    with lock.recover() as is_broken:
        assert is_broken
    lock.close()
    with zinc.create(name, 8):  # free, it went with its last user
        pass


def test_program_that_ends_with_the_lock_has_died_with_it(name: str) -> None:
    lock = zinc.Lock(name)
    child = holder("named", name)
    child.end()
    with pytest.raises(zinc.OwnerDiedError):
        lock.acquire()
    with lock.recover():
        pass


def test_repair_that_gives_the_lock_away_is_told(name: str) -> None:
    lock = zinc.Lock(name, lambda lock: lock.release())
    holder("named", name).kill()
    with pytest.raises(RuntimeError, match="its caller's to do"):
        lock.acquire()
    assert lock.holder is None


def test_reentrant_repair_may_enter_it(name: str) -> None:
    def repair(lock: zinc.Lock) -> None:
        with lock:
            pass

    lock = zinc.RLock(name, repair)
    holder("named", name).kill()
    with lock:
        assert zinc.Lock(name).acquire(False) is False
    assert lock.holder is None


def test_ctrl_c_amid_a_repair_leaves_it_to_the_next(name: str) -> None:
    def repair(lock: zinc.Lock) -> None:
        signal.raise_signal(signal.SIGINT)

    lock = zinc.Lock(name, repair)
    holder("named", name).kill()
    with pytest.raises(KeyboardInterrupt):
        lock.acquire()
    with lock.recover() as is_broken:
        assert is_broken


STORM = """
import sys, zinc
region = zinc.open(sys.argv[1])
words = region.as_numpy("u8")
def repair(lock):
    words[2] = words[1]
lock = region.lock(32, repair)
while True:
    with lock:
        words[1] += 1
        words[2] += 1
        assert words[1] == words[2]
        words[0] += 1
"""


def test_storm_of_kills_keeps_an_invariant(name: str) -> None:
    with zinc.create(name, 64) as region:
        words = region.as_numpy("u8")
        run = [sys.executable, "-c", STORM, name]
        processes = [subprocess.Popen(run, stderr=subprocess.PIPE) for _ in range(3)]
        try:
            for turn in range(24):
                before = int(words[0])
                end = time.monotonic() + 60
                while words[0] < before + 100 and time.monotonic() < end:
                    time.sleep(0.001)
                assert words[0] > before
                one = processes[turn % 3]
                assert one.poll() is None, one.communicate()
                one.kill()
                one.communicate()
                processes[turn % 3] = subprocess.Popen(run, stderr=subprocess.PIPE)
        finally:
            for one in processes:
                one.kill()
                one.communicate()
        with region.lock(32, lambda lock: words.__setitem__(2, words[1])):
            assert words[1] == words[2]


# ---- stopped


def test_stopped_holder_delays_and_nobody_takes_its_lock(name: str) -> None:
    calls: list[int] = []
    lock = zinc.Lock(name, lambda _: calls.append(1))
    child = holder("named", name)
    os.kill(child.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.process.pid, os.WSTOPPED)
    assert not lock.acquire(timeout=1)
    with pytest.raises(TimeoutError):
        lock.recover(50).__enter__()
    os.kill(child.process.pid, signal.SIGCONT)
    child.do("lock.release()")
    assert lock.acquire()
    lock.release()
    assert not calls
    child.end()


# ---- forked


def forked(function: Callable[[], object]) -> int:
    """Run it in a forked child; return the child's pid once it began."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writer, b"x")
            function()
            status = 0
        finally:
            os._exit(status)
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    return pid


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@everywhere
def test_child_holds_nothing_of_its_parents(name: str, where: str) -> None:
    lock = make(where, name)
    parent = os.getpid()

    def child() -> None:
        assert not lock.acquire(False)
        with pytest.raises(RuntimeError, match=f"process {parent} does"):
            lock.release()
        assert lock.holder
        assert lock.holder.pid == parent

    with lock:
        assert status_of(forked(child)) == 0
        assert lock.holder
        assert lock.holder.pid == parent

    def use() -> None:
        with lock:
            assert lock.holder
            assert lock.holder.pid == os.getpid()

    assert status_of(forked(use)) == 0
    with lock:
        pass


def test_child_waits_for_its_parent_and_takes_turns(name: str) -> None:
    lock = zinc.Lock(name)
    with zinc.create(f"{name}-2", 8) as region:
        words = region.as_numpy("u8")

        def count() -> None:
            for _ in range(2000):
                with lock:
                    words[0] += 1

        lock.acquire()
        children = [forked(count) for _ in range(3)]
        assert words[0] == 0
        lock.release()
        count()
        assert [status_of(child) for child in children] == [0, 0, 0]
        assert words[0] == 8000


def test_child_that_ends_holding_it_has_died_with_it(name: str) -> None:
    lock = zinc.Lock(name)
    child = forked(lock.acquire)
    assert status_of(child) == 0
    with pytest.raises(zinc.OwnerDiedError) as died:
        lock.acquire()
    assert died.value.pid == child
    with lock.recover():
        pass


@pytest.mark.parametrize("uses", [False, True])
def test_parent_is_killed_while_its_child_lives(name: str, uses: bool) -> None:
    child = holder("named", name, *(["lock.release()"] if uses else []))
    child.do("import time")
    use = "lock.acquire(), lock.release()" if uses else "()"
    pid = int(child.do(f"pid = os.fork(); pid or ({use}, time.sleep(600)); print(pid)"))
    try:
        if uses:
            child.do("lock.acquire()")
        lock = zinc.Lock(name)
        assert not lock.acquire(timeout_ms=50)
        os.kill(child.process.pid, signal.SIGKILL)
        with pytest.raises(zinc.OwnerDiedError) as died:
            lock.acquire()
        assert died.value.pid == child.process.pid
        with lock.recover():
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        child.kill()


def test_fork_while_another_thread_holds_it(name: str) -> None:
    lock = zinc.Lock(name)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)

    reader, writer = os.pipe()

    def child() -> None:
        is_taken = lock.acquire(False)
        os.write(writer, b"x")
        assert not is_taken
        assert lock.acquire()
        lock.release()

    pid = forked(child)
    os.read(reader, 1)
    go_on.set()
    thread.join()
    assert status_of(pid) == 0
    os.close(reader)
    os.close(writer)


def test_fork_of_a_reentrant_holder_is_no_holder(name: str) -> None:
    """The thread that forked has the same identity in the child."""
    lock = zinc.RLock(name)

    def child() -> None:
        assert not lock.acquire(False)
        assert not lock.acquire(timeout_ms=30)

    with lock:
        assert status_of(forked(child)) == 0


@may_unshare
def test_equal_pids_in_two_namespaces(name: str) -> None:
    prefix = ("unshare", "--pid", "--fork", "--kill-child")
    first, second = (Child(f"lock = zinc.Lock({name!r})", prefix=prefix) for _ in range(2))
    pids = {one.do("print(os.getpid())") for one in (first, second)}
    assert pids == {"1"}
    first.do("lock.acquire()")
    assert second.do("print(lock.acquire(timeout_ms=60), lock.holder.pid)") == "False 1"
    first.kill()
    second.do("import pytest")
    second.do("with pytest.raises(zinc.OwnerDiedError): lock.acquire()")
    second.do("with lock.recover() as broken: print(broken)")
    second.end()


@pytest.mark.parametrize(
    ("made", "acquire"),
    [
        ("zinc.Lock()", "it.acquire()"),
        ("zinc.RWLock()", "it.write.acquire()"),
        ("zinc.Condition()", "it.acquire()"),
    ],
)
def test_without_a_name_it_goes_with_its_last_user_whoever_holds_it(
    made: str, acquire: str
) -> None:
    """Nobody could come back to it."""
    child = Child(f"it = {made}", acquire)
    name = child.do("print(it.name)")
    assert zinc.examine(name).state == "attached"
    child.kill()
    zinc.reclaim()
    with pytest.raises(FileNotFoundError):
        zinc.examine(name)


def test_users_of_one_without_a_name_are_told_all_the_same() -> None:
    lock = zinc.Lock()
    child = forked(lock.acquire)
    assert status_of(child) == 0
    with pytest.raises(zinc.OwnerDiedError):
        lock.acquire()
    zinc.reclaim()
    with lock.recover() as is_broken:
        assert is_broken


# ---- users


@may_unshare
@pytest.mark.parametrize(("mode", "group"), [(0o666, None), (0o660, GROUP)])
def test_users_share_a_lock_and_its_recovery(name: str, mode: int, group: int | None) -> None:
    lock = zinc.Lock(name, mode=mode, group=group)
    lock.acquire()
    as_user(MEMBER, (GROUP,), f"assert not zinc.Lock({name!r}, any_user=True).acquire(False)")
    lock.release()
    dies = f"""
import os, signal
lock = zinc.Lock({name!r}, any_user=True)
with lock:
    assert len(lock.region.seats) == 2
if os.fork() == 0:
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
"""
    as_user(MEMBER, (GROUP,), dies)
    with pytest.raises(zinc.OwnerDiedError):
        lock.acquire()
    as_user(MEMBER, (GROUP,), f"with zinc.Lock({name!r}, any_user=True).recover() as is_broken: assert is_broken")  # fmt: skip
    with lock:
        pass
    lock.close()


@may_unshare
def test_who_may_only_read_has_no_lock(name: str) -> None:
    lock = zinc.Lock(name, mode=0o640, group=GROUP)
    refused = f"""
try:
    zinc.Lock({name!r}, any_user=True)
except PermissionError:
    pass
else:
    raise AssertionError
"""
    as_user(MEMBER, (GROUP,), refused)
    lock.close()
