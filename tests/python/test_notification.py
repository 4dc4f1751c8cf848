"""notify and wait, between threads and processes. Only watchdogs, no longest times."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import zinc

from .conftest import IS_PORTABLE, ROOT, Peer


def test_handle_sees_each_notification_once(name: str) -> None:
    with zinc.create(name, 1) as region:
        assert not region.try_wait()
        assert not region.wait(0)
        assert [region.notify(), region.notify()] == [1, 2]
        assert region.sequence == 2
        assert region.try_wait()
        assert not region.try_wait()
        region.notify()
        assert region.wait(None)
        assert not region.wait(0.5)


def test_late_opener_learns_of_what_was_said(name: str) -> None:
    with zinc.create(name, 1) as region:
        region.notify()
        with zinc.open(name) as late:
            assert late.wait(0)
            assert not late.wait(0)


def test_wait_after_leaves_the_handle_alone(name: str) -> None:
    with zinc.create(name, 1) as region:
        sequence = region.notify()
        assert region.wait(after=sequence - 1)
        assert not region.wait(1, after=sequence)
        assert region.wait(timeout_ms=1, after=(1 << 32) - 1)
        assert region.try_wait()


def test_timeout_is_at_least_what_was_asked(name: str) -> None:
    with zinc.create(name, 1) as region:
        for timeout in (0.1, 5, 30.5):
            start = time.monotonic()
            assert not region.wait(timeout)
            assert time.monotonic() - start >= timeout / 1000


def test_wait_lets_other_threads_run(name: str) -> None:
    with zinc.create(name, 1) as region:
        results: list[bool] = []
        threads = [
            threading.Thread(target=lambda: results.append(region.wait(None, after=0)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while not results:  # this loop would not run if the waits held the GIL
            time.sleep(0.01)
            region.notify()
        for thread in threads:
            thread.join()
        assert results == [True] * 4


def test_close_ends_the_waits_of_other_threads(name: str) -> None:
    region = zinc.create(name, 1)
    started = threading.Barrier(5)
    errors: list[str] = []

    def wait() -> None:
        started.wait()
        try:
            region.wait(None)
        except ValueError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.05)  # most of them sleep by now; right whether they do or not
    region.close()
    for thread in threads:
        thread.join()
    assert len(errors) == 4
    assert all(name in error and "closed" in error for error in errors)


def test_signal_handler_runs_and_the_wait_goes_on(name: str) -> None:
    calls = []
    before = signal.signal(signal.SIGALRM, lambda *_: calls.append(len(calls)))
    try:
        with zinc.create(name, 1) as region:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            start = time.monotonic()
            assert not region.wait(200)
            assert time.monotonic() - start >= 0.2
            assert len(calls) > 1
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """As in a terminal; what a shell starts in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
def test_interrupt_ends_the_wait(name: str) -> None:
    main = threading.main_thread().ident
    assert main
    with zinc.create(name, 1) as region:
        timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            region.wait(None)
        timer.join()
        assert region.notify() == 1


def test_handler_that_closes_the_region_ends_the_wait(name: str) -> None:
    region = zinc.create(name, 1)
    before = signal.signal(signal.SIGALRM, lambda *_: region.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(ValueError, match="closed"):
            region.wait(None)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_forked_child_and_parent_talk_both_ways(name: str) -> None:
    rounds = 1000
    with zinc.create(name, 8) as region:
        child = os.fork()
        if child == 0:
            sequence = 0
            for _ in range(rounds):
                region.wait(None, after=sequence)
                sequence = region.notify()
            os._exit(0 if sequence == 2 * rounds else 1)
        for _ in range(rounds):
            assert region.wait(None, after=region.notify())
        assert os.waitpid(child, 0)[1] == 0
        assert region.sequence == 2 * rounds


def test_swift_and_python_wake_each_other(name: str, peer: Callable[[str], Peer]) -> None:
    with zinc.create(name, 1) as region:
        swift = peer(f"open {name}")
        assert swift.ask("wait 0") == 0
        region.notify()
        assert swift.ask("wait 60000") == 1
        assert swift.ask("notify") == 2
        assert region.wait(None, after=1)


# ---- many regions


@pytest.fixture
def regions(name: str) -> Iterator[list[zinc.SharedRegion]]:
    """Three regions, for tests that wait on many."""
    made = [zinc.create(f"{name}-{i}", 1) for i in range(3)]
    yield made
    for region in made:
        region.close()


Regions = list[zinc.SharedRegion]


def test_wait_any_returns_those_with_news(regions: Regions) -> None:
    a, b, c = regions
    assert zinc.wait_any(regions, 0) == []
    assert zinc.wait_any(regions, 2.5) == []
    b.notify()
    assert zinc.wait_any(regions) == [b]
    assert zinc.wait_any(iter(regions), 0) == []
    c.notify()
    a.notify()
    assert zinc.wait_any(regions, None) == [a, c]
    assert not any(region.try_wait() for region in regions)
    a.notify()
    assert zinc.wait_any([a, b, a]) == [a, a]


def test_wait_all_sees_all_or_nothing(regions: Regions) -> None:
    a, b, c = regions
    a.notify()
    b.notify()
    assert not zinc.wait_all(regions, 0)
    assert not zinc.wait_all(regions, 2.5)
    c.notify()
    assert zinc.wait_all(regions, None)
    assert not any(region.try_wait() for region in regions)


@pytest.mark.parametrize("count", [1, 2, 127, 128, 300])
def test_wait_for_many_sleeps_until_one_speaks(name: str, count: int) -> None:
    many = [zinc.create(f"{name}-{i}", 1) for i in range(count)]
    threads = set(os.listdir("/proc/self/task"))
    for which in {0, count // 2, count - 1}:
        speaker = subprocess.Popen(
            [sys.executable, "-c", f"import time, zinc; r = zinc.open('{name}-{which}')\n"
             "time.sleep(0.2); r.notify()"]
        )  # fmt: skip
        assert zinc.wait_any(many, None) == [many[which]]
        assert speaker.wait() == 0
    assert threads.issuperset(os.listdir("/proc/self/task"))

    def speak() -> None:
        for region in many:
            time.sleep(0.001)
            region.notify()

    several = threading.Thread(target=speak)
    several.start()
    assert zinc.wait_all(many, None)
    several.join()
    for region in many:
        region.close()


@pytest.mark.parametrize("wait", [zinc.wait_any, zinc.wait_all])
@pytest.mark.parametrize("which", [0, 2])
def test_closing_one_of_many_ends_the_wait(
    regions: Regions, wait: Callable[[Regions, None], object], which: int
) -> None:
    regions[0].notify()  # for wait_all: one that needs no sleep any more
    if wait is zinc.wait_any:
        regions[0].try_wait()
    closer = threading.Timer(0.1, regions[which].close)
    closer.start()
    with pytest.raises(ValueError, match="closed during the wait"):
        wait(regions, None)
    closer.join()
    with pytest.raises(ValueError, match="is closed"):
        wait(regions, None)


@pytest.mark.usefixtures("hears_interrupts")
def test_ctrl_c_ends_a_wait_for_many(regions: Regions) -> None:
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        zinc.wait_any(regions, None)
    timer.join()


def test_many_refuses_what_can_not_be(regions: Regions) -> None:
    for wait in (zinc.wait_any, zinc.wait_all):
        with pytest.raises(ValueError, match="no region"):
            wait([])
        for timeout in (-1, float("nan")):
            with pytest.raises(ValueError, match="timeout_ms"):
                wait(regions, timeout)
        with pytest.raises(TypeError, match="SharedRegion"):
            wait([*regions, 3])  # type: ignore[list-item, type-var]
        with pytest.raises(TypeError):
            wait(5)  # type: ignore[arg-type]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_wait_any_where_the_system_has_no_futex_waitv(name: str, error: str) -> None:
    code = f"""
import threading, zinc
regions = [zinc.create(f"{name}-{{i}}", 1) for i in range(2)]
assert zinc.wait_any(regions, 20) == []
threading.Timer(0.1, regions[1].notify).start()
assert zinc.wait_any(regions, None) == [regions[1]]
"""
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject=futex_waitv:error={error}"]
    subprocess.run([*strace, sys.executable, "-c", code], check=True)


def parts(trace: Path) -> list[int]:
    """Return how many system calls there were between one mark of counts.c and the next."""
    found: list[int] = []
    for line in trace.read_text().splitlines():
        if line.startswith("getppid"):
            found.append(0)
        elif found and not line.startswith(("---", "+++")):
            found[-1] += 1
    return found


@pytest.mark.needs("strace")
def test_notify_and_wait_cost_no_allocation_and_no_system_call(
    tmp_path: Path, compile_c: Callable[..., Path]
) -> None:
    strace = ["strace", "-qq", "-ff", "-o", str(tmp_path / "trace")]
    counter = Path(zinc.get_library()).with_name("libzincbench.so")
    program = [str(compile_c("counts", str(counter))), "1000000", "100000"]
    output = subprocess.run([*strace, *program], check=True, capture_output=True, text=True).stdout
    counted, alone, together, child = map(int, output.split())
    assert counted > 0  # by what the regions took: the counter counts
    assert (alone, together, child) == (0, 0, 0)
    parent, child_trace = sorted(tmp_path.glob("trace.*"), key=lambda p: int(p.suffix[1:]))
    first, *batches = parts(parent)
    assert first == 0
    # Whoever is kept from running makes the other sleep, so not all batches need be silent.
    for batch in (batches, parts(child_trace)):
        assert len(batch) > 900
        assert min(batch) == 0


@pytest.fixture
def no_naps(compile_c: Callable[..., Path]) -> dict[str, str]:
    """An environment in which a wake-up that is lost stays lost."""
    library = str(compile_c("no_naps", "-shared", "-fPIC"))
    return {**os.environ, "LD_PRELOAD": library, "LD_BIND_NOW": "1"}


def test_notify_and_wait_survive_a_stop_at_each_instruction(
    compile_c: Callable[..., Path], no_naps: dict[str, str]
) -> None:
    program = [str(compile_c("steps")), *(["one"] if IS_PORTABLE else [])]
    output = subprocess.run(program, env=no_naps, check=True, capture_output=True, text=True).stdout
    places = [int(line.split()[1]) for line in output.splitlines()]
    assert len(places) == (5 if IS_PORTABLE else 10)
    assert min(places) > 5


def test_nobody_sleeps_through_the_last_notification(no_naps: dict[str, str]) -> None:
    crowd = [sys.executable, str(ROOT / "tests/crowd.py"), "300"]
    print(subprocess.run(crowd, env=no_naps, check=True, capture_output=True, text=True).stdout)
