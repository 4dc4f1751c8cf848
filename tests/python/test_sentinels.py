"""wait_any of regions and descriptors, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import zinc
from zinc import _zinc

from .test_async import _each_kind_of_loop, _thread_ends, asleep, run
from .test_lifecycle import Child
from .test_presence import opened

__all__ = ["_each_kind_of_loop", "_thread_ends"]  # fixtures
spawn = multiprocessing.get_context("spawn")


class Pidfd:
    """The sentinel of a process that was started in another way."""

    def __init__(self, pid: int) -> None:
        self.descriptor = os.pidfd_open(pid)

    def fileno(self) -> int:
        return self.descriptor


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return two sockets that are connected."""
    a, b = socket.socketpair()
    with a, b:
        yield a, b


@pytest.fixture(params=[False, True], ids=["thread", "coroutine"])
def wait(request: pytest.FixtureRequest) -> Any:
    """Return wait_any, or the same by a coroutine."""
    if not request.param:
        return zinc.wait_any

    def wait_in_loop(*arguments: Any, **named: Any) -> Any:
        async def main() -> None:
            result.append(await zinc.wait_any_async(*arguments, **named))

        result: list[Any] = []
        run(main())
        return result[0]

    return wait_in_loop


def test_those_that_are_ready_are_returned(wait: Any, pair: Any, name: str) -> None:
    a, b = pair
    with zinc.create(name, 8) as region, zinc.SharedRegion.anonymous(8) as other:
        assert wait([region, other], 0, sentinels=[a]) == []
        assert wait([region], 1.5, sentinels=[a]) == []
        b.send(b"x")
        assert wait([region, other], None, sentinels=[b, a.fileno(), a]) == [a.fileno(), a]
        other.notify()
        assert wait([region, other], None, sentinels=[a]) == [other, a]
        assert wait([region, other], None, sentinels=[a]) == [a]
        assert wait([], None, sentinels=[a]) == [a]
        a.recv(1)
        region.notify()
        assert wait([other, region], None, sentinels=iter([a])) == [region]


def test_sentinel_wakes_a_sleeper(wait: Any, pair: Any, name: str) -> None:
    a, b = pair
    with zinc.create(name, 8) as region:
        timer = threading.Timer(0.03, b.send, [b"x"])
        timer.start()
        assert wait([region], None, sentinels=[a]) == [a]
        timer.join()
        a.recv(1)
        timer = threading.Timer(0.03, region.notify)
        timer.start()
        assert wait([region], None, sentinels=[a]) == [region]
        timer.join()


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_what_a_process_said_before_its_end_is_there_with_it(
    wait: Any, name: str, end: str
) -> None:
    with zinc.create(name, 8) as region:
        for _ in range(5):
            child = Child(opened(name))
            pidfd = Pidfd(child.process.pid)
            assert child.process.stdin
            child.process.stdin.write(f"r.notify(); {end}\n")
            child.process.stdin.flush()
            found = wait([region], None, sentinels=[pidfd])
            assert region in found or not region.try_wait()
            if pidfd not in found:
                assert wait([region], None, sentinels=[pidfd]) == [pidfd]
            child.kill()
            os.close(pidfd.fileno())


def test_sentinel_of_multiprocessing(wait: Any, name: str) -> None:
    process = spawn.Process(target=os.getpid)
    process.start()
    with zinc.create(name, 8) as region:
        assert wait([region], None, sentinels=[process.sentinel]) == [process.sentinel]
    process.join()
    process.close()


def test_what_can_not_be_waited_for(wait: Any, name: str) -> None:
    with zinc.create(name, 8) as region:
        region.notify()
        a, b = socket.socketpair()
        with pytest.raises(ValueError, match="no region to wait for"):
            wait([], 0, sentinels=iter([]))
        for bad in (-1, float("nan")):
            with pytest.raises(ValueError, match="timeout_ms"):
                wait([region], bad, sentinels=[a])
        with pytest.raises((TypeError, AttributeError)):
            wait([region], None, sentinels=["a"])
        number = 900  # which the loop does not take meanwhile
        with pytest.raises(OSError, match=f"the sentinel {number} is closed") as told:
            wait([region], None, sentinels=[number])
        assert told.value.errno == errno.EBADF
        a.close()
        b.close()
        assert region.try_wait()  # nothing has been seen


def test_close_ends_it(wait: Any, pair: Any, name: str) -> None:
    region = zinc.create(name, 8)
    timer = threading.Timer(0.03, region.close)
    timer.start()
    with pytest.raises(ValueError, match="closed"):
        wait([region], None, sentinels=[pair[0]])
    timer.join()


def test_nothing_is_left_behind(wait: Any, pair: Any, name: str) -> None:
    def descriptors() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"))

    with zinc.create(name, 8) as region:
        before = descriptors()
        for _ in range(3):
            assert wait([region], 2, sentinels=pair) == []
        assert descriptors() == before
        assert not [t for t in threading.enumerate() if t.name == "zinc-sentinels"]


def test_interrupt_ends_it(name: str) -> None:
    code = f"""
import os, zinc
r, w = os.pipe()
with zinc.create({name!r}, 8) as region:
    print(flush=True)
    zinc.wait_any([region], None, sentinels=[r])
"""
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1].endswith("KeyboardInterrupt\n")


def test_cancelled_wait_has_seen_nothing(pair: Any, name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 8) as region:
            task = asyncio.create_task(zinc.wait_any_async([region], None, sentinels=pair))
            await asleep(task)
            task.cancel()
            region.notify()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert region.try_wait()

    run(main())


def test_loop_and_others_watch_the_same_descriptor(pair: Any, name: str) -> None:
    a, b = pair

    async def main() -> None:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(a, heard.set)
        with zinc.create(name, 8) as region:
            waits = [zinc.wait_any_async([region], None, sentinels=[a]) for _ in range(2)]
            tasks = [asyncio.create_task(wait) for wait in waits]
            await asleep(tasks[0])
            b.send(b"x")
            assert await asyncio.gather(*tasks) == [[a], [a]]
            await heard.wait()
            asyncio.get_running_loop().remove_reader(a)
            assert await region.wait_async(1) is False

    run(main())


def test_other_tasks_run_meanwhile(name: str) -> None:
    async def main() -> None:
        with zinc.create(name, 8) as region, zinc.open(name) as other:
            region.notify()
            turns: list[int] = []
            asyncio.get_running_loop().call_soon(turns.append, 1)
            assert await zinc.wait_any_async([region, other], None) == [region, other]
            assert turns == [1]
            begin = time.monotonic()
            assert await zinc.wait_any_async([region, other], 20) == []
            assert time.monotonic() - begin >= 0.02

    run(main())


def test_sentinel_that_another_thread_has_read_is_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And not asked for without end."""
    reading, writing = os.pipe()
    threading.Timer(0.01, os.write, (writing, b"x")).start()
    calls = 0
    wait_many = _zinc.wait_many

    def wait_and_lose(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        result = wait_many(*arguments)
        if calls == 2:  # after the first look
            os.read(reading, 1)  # as another thread may, just now
            threading.Timer(0.05, os.write, (writing, b"y")).start()
        return result

    monkeypatch.setattr(_zinc, "wait_many", wait_and_lose)
    with zinc.SharedRegion.anonymous(1) as region:
        assert zinc.wait_any([region], 60_000, sentinels=[reading]) == [reading]
    assert calls < 10
    os.close(reading)
    os.close(writing)
