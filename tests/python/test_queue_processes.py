"""Queues between processes that are forked, spawned, killed while they wait, work and write, and end."""

from __future__ import annotations

import concurrent.futures
import io
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import zinc
from zinc import _zinc

from .test_channel_processes import kill, start

TRIES = 12

METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])

WAIT = """
import sys, zinc
jobs = zinc.Queue(name=sys.argv[1])
print("waits", flush=True)
while True:
    print(jobs.get(), flush=True)
"""

WORK = """
import sys, zinc
jobs = zinc.Queue(name=sys.argv[1])
print(jobs.get(), flush=True)
sys.stdin.read()
"""

WRITE = """
import itertools, sys, zinc
jobs = zinc.Queue(name=sys.argv[1])
for number in itertools.count():
    jobs.put([number] * 100)
"""


def work(code: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def until_asleep(child: subprocess.Popen[str], jobs: zinc.Queue) -> None:
    """Return once it sits, and sleeps."""
    while not any(one.pid == child.pid and one.alive for one in jobs.workers):
        time.sleep(0.001)
    while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)


# ---- kills ----


def test_killed_idle_worker_holds_nobody_up(name: str) -> None:
    with zinc.Queue(4, name=name) as jobs:
        for number in range(TRIES):
            idle, other = start(WAIT, name), start(WAIT, name)
            assert line(idle) == line(other) == "waits"
            until_asleep(idle, jobs)
            kill(idle)
            for item in range(6):
                jobs.put((number, item))
                assert line(other) == f"({number}, {item})"
            until_asleep(other, jobs)  # in its next get
            kill(other)
            jobs.join(timeout_ms=60_000)
            assert jobs.empty()


def test_what_a_killed_worker_was_at_work_on_comes_to_another(name: str) -> None:
    with zinc.Queue(4, name=name) as jobs:
        for number in range(TRIES):
            busy = work(WORK, name)
            jobs.put(number)
            assert line(busy) == str(number)
            with pytest.raises(queue.Empty):
                jobs.get_nowait()
            kill(busy)
            assert jobs.qsize() == 1
            with jobs.recv(timeout_ms=60_000) as message:
                assert (message.object(), message.redelivered) == (number, 1)
        jobs.join(timeout_ms=60_000)


def test_what_a_killed_worker_had_comes_to_one_who_always_has_more(name: str) -> None:
    """It need not wait until there is nothing else to do."""
    with zinc.Queue(1000, name=name) as jobs:
        busy = work(WORK, name)
        jobs.put(0)
        assert line(busy) == "0"
        for number in range(1, 1000):
            jobs.send(b"", tag=number)
        kill(busy)
        while True:
            with jobs.recv(timeout_ms=60_000) as message:
                if message.redelivered:
                    break
            time.sleep(0.001)
        assert jobs.qsize() > 0


def test_what_is_given_once_at_most_is_gone_with_who_had_it(name: str) -> None:
    with zinc.Queue(4, name=name, redeliver=False) as jobs:
        for number in range(TRIES):
            busy = work(WORK, name)
            jobs.put(number)
            assert line(busy) == str(number)
            kill(busy)
            jobs.join(timeout_ms=60_000)
            assert jobs.empty()


def test_killed_writers_tear_and_lose_nothing(name: str) -> None:
    with zinc.Queue(4, name=name) as jobs:
        for turn in range(TRIES):
            writer = start(WRITE, name)
            for number in range(20 + turn):
                assert jobs.get(timeout=60) == [number] * 100
            kill(writer)
            for late in range(number + 1, number + 8):
                try:
                    assert jobs.get_nowait() == [late] * 100
                except queue.Empty:
                    break
            jobs.put("mine", timeout=60)
            assert jobs.get(timeout=60) == "mine"
        for _ in range(20):
            for item in range(4):
                jobs.put(item, timeout=60)
            assert [jobs.get_nowait() for _ in range(4)] == [0, 1, 2, 3]


# ---- ends ----


def get_one(jobs: zinc.Queue) -> None:
    jobs.get(timeout=60)


def get_one_and_exit(jobs: zinc.Queue) -> None:
    jobs.get(timeout=60)
    sys.exit(3)


def divide(jobs: zinc.Queue) -> None:
    sys.stderr = io.StringIO()  # where the exception is told
    1 / jobs.get(timeout=60)


def get_one_in_a_thread(jobs: zinc.Queue) -> None:
    thread = threading.Thread(target=get_one, args=(jobs,))
    thread.start()
    thread.join()


@METHODS
@pytest.mark.parametrize("target", [get_one, get_one_and_exit, get_one_in_a_thread])
def test_child_that_ends_has_done_what_it_got(name: str, method: Any, target: Any) -> None:
    context = multiprocessing.get_context(method)
    with zinc.Queue(4, name=name) as jobs:
        jobs.put("here")
        jobs.get()  # which is the parent's, and stays so
        jobs.put("there")
        child = context.Process(target=target, args=(jobs,))
        child.start()
        child.join()
        assert _zinc.examine_queue(jobs.region)[1:3] == (1, 0)
        jobs.task_done()
        jobs.join(timeout_ms=60_000)


@METHODS
def test_child_that_ends_has_not_done_what_only_it_may_say(name: str, method: Any) -> None:
    context = multiprocessing.get_context(method)
    with zinc.JoinableQueue(4, name=name) as jobs:
        jobs.put("job")
        child = context.Process(target=get_one, args=(jobs,))
        child.start()
        child.join()
        with jobs.recv(timeout_ms=60_000) as message:
            assert (message.object(), message.redelivered) == ("job", 1)


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise SystemExit"])
def test_program_that_ends_has_done_what_it_got(name: str, end: str) -> None:
    code = f"import sys, zinc\njobs = zinc.Queue(name=sys.argv[1])\njobs.get()\n{end}"
    with zinc.Queue(4, name=name) as jobs:
        jobs.put("job")
        program = [sys.executable, "-c", code, name]
        subprocess.run(program, check=False, stderr=subprocess.DEVNULL, timeout=60)
        jobs.join(timeout_ms=60_000)


@METHODS
def test_what_ends_a_process_by_an_exception_comes_to_another(name: str, method: Any) -> None:
    context = multiprocessing.get_context(method)
    code = "import sys, zinc\njobs = zinc.Queue(name=sys.argv[1])\njobs.get()\n1 / 0"
    with zinc.Queue(4, name=name) as jobs:
        jobs.put(0)
        subprocess.run([sys.executable, "-c", code, name], stderr=subprocess.DEVNULL, timeout=60)
        child = context.Process(target=divide, args=(jobs,))
        child.start()
        child.join()
        with jobs.recv(timeout_ms=60_000) as message:
            assert (message.object(), message.redelivered) == (0, 2)


def test_thread_that_ends_has_done_what_it_got(name: str) -> None:
    with zinc.Queue(4, name=name) as jobs:
        jobs.put("job")
        thread = threading.Thread(target=jobs.get)
        thread.start()
        thread.join()
        jobs.join(timeout_ms=60_000)
        jobs.task_done()
        with pytest.raises(ValueError, match="more often"):
            jobs.task_done()


# ---- how a queue gets to others ----


def double(jobs: zinc.Queue, results: zinc.Queue) -> None:
    while (item := jobs.get()) is not None:
        results.put(item * 2)


@METHODS
@pytest.mark.parametrize("kind", [zinc.Queue, zinc.JoinableQueue])
def test_queues_go_to_processes_as_arguments(method: Any, kind: Any) -> None:
    context = multiprocessing.get_context(method)
    with kind() as jobs, kind() as results:
        children = [context.Process(target=double, args=(jobs, results)) for _ in range(2)]
        for child in children:
            child.start()
        for number in range(50):
            jobs.put(np.full(8, number))
        assert sorted(int(results.get(timeout=60)[0]) for _ in range(50)) == list(range(0, 100, 2))
        for _ in children:
            jobs.put(None)
        for child in children:
            child.join()
            assert child.exitcode == 0


inherited: Any = None


def put_into_inherited() -> None:
    inherited.put(("child", inherited.get(timeout=60)))


def test_forked_child_goes_on_with_a_global_one_as_its_own(name: str) -> None:
    global inherited
    context: Any = multiprocessing.get_context("fork")
    with zinc.Queue(4, name=name) as inherited:
        inherited.put("first")
        assert inherited.get() == "first"
        inherited.put("second")
        child = context.Process(target=put_into_inherited)
        child.start()
        child.join()
        assert inherited.get(timeout=60) == ("child", "second")
        inherited.task_done()
        inherited.task_done()
        inherited.join(timeout_ms=60_000)
        with pytest.raises(ValueError, match="more often"):
            inherited.task_done()


def test_forked_child_can_say_of_nothing_of_its_parents_that_it_is_done(name: str) -> None:
    with zinc.Queue(4, name=name) as jobs:
        jobs.put("mine")
        jobs.get()
        child = os.fork()
        if child == 0:
            try:
                jobs.task_done()
            except ValueError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(TimeoutError):
            jobs.join(timeout_ms=50)
        jobs.task_done()
        jobs.join(timeout_ms=60_000)


def test_child_that_is_forked_while_other_threads_get_goes_on(name: str) -> None:
    with zinc.Queue(64, name=name) as jobs, zinc.Queue(64) as results:
        threads = [threading.Thread(target=double, args=(jobs, results)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            jobs.put(number)
            child = os.fork()
            if child == 0:
                results.put(1000)
                jobs.put(2000)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        found = sorted(results.get(timeout=60) for _ in range(60))
        assert found == sorted([*range(0, 40, 2), *[1000] * 20, *[4000] * 20])
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            thread.join()


pooled: Any = None


def take_in(given: zinc.Queue) -> None:
    global pooled
    pooled = given


def put_pooled(number: int) -> None:
    pooled.put(number)


@METHODS
def test_pool_takes_a_queue_in(method: Any) -> None:
    context = multiprocessing.get_context(method)
    with (
        zinc.Queue() as results,
        concurrent.futures.ProcessPoolExecutor(2, context, take_in, (results,)) as pool,
    ):
        list(pool.map(put_pooled, range(20)))
        assert sorted(results.get(timeout=60) for _ in range(20)) == list(range(20))


def put_given(given: zinc.Queue, number: int) -> None:
    given.put(number)


def test_joblib_sends_queues(tmp_path: Path) -> None:
    from joblib.externals.loky import get_reusable_executor

    with zinc.Queue() as results:
        try:
            run = joblib.Parallel(n_jobs=2, temp_folder=tmp_path)
            run(joblib.delayed(put_given)(results, number) for number in range(10))
            assert sorted(results.get(timeout=60) for _ in range(10)) == list(range(10))
        finally:
            get_reusable_executor().shutdown()


# ---- signals ----


def test_ctrl_c_ends_a_wait_and_takes_nothing(name: str) -> None:
    code = """
import signal, sys, zinc
jobs = zinc.Queue(name=sys.argv[1])
print("waits", flush=True)
try:
    jobs.get()
except KeyboardInterrupt:
    print("interrupted", jobs.qsize(), flush=True)
    print(jobs.get(), flush=True)
"""
    with zinc.Queue(4, name=name) as jobs:
        child = start(code, name)
        assert line(child) == "waits"
        until_asleep(child, jobs)
        child.send_signal(signal.SIGINT)
        assert line(child) == "interrupted 0"
        jobs.put("after")
        assert line(child) == "after"
        child.wait(60)
        child.communicate()
