"""event_fd: readable exactly while there is news that the object has not seen."""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import zinc

FOREVER = 60_000  # a watchdog, in milliseconds

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def is_readable(descriptor: int, timeout_ms: int = 0) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    events = poll.poll(timeout_ms)
    assert events in ([], [(descriptor, select.POLLIN)])
    return bool(events)


def becomes_readable(descriptor: int) -> bool:
    return is_readable(descriptor, FOREVER)


def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        threading.Event().wait(0.001)


def test_readable_while_there_is_news(name: str) -> None:
    with zinc.create(name, 1) as region:
        descriptor = region.event_fd()
        assert not is_readable(descriptor)
        for _ in range(200):
            region.notify()
            assert becomes_readable(descriptor)
            region.notify()
            assert is_readable(descriptor)
            assert region.try_wait()
            assert not is_readable(descriptor)
            assert not region.try_wait()
            assert not is_readable(descriptor)


def test_every_way_to_see_makes_it_unreadable(name: str) -> None:
    with zinc.create(name, 1) as region:
        descriptor = region.event_fd()
        ways: list[Callable[[], object]] = [
            region.try_wait,
            lambda: region.wait(0),
            lambda: region.wait(None),
            lambda: region.wait(None, until_alone=True),
            lambda: zinc.wait_any([region]),
            lambda: zinc.wait_all([region]),
            lambda: asyncio.run(region.wait_async()),
        ]
        for see in ways:
            region.notify()
            assert becomes_readable(descriptor)
            assert see()
            assert not is_readable(descriptor)
        region.notify()
        assert region.wait(0, after=region.seen)  # sees nothing
        assert becomes_readable(descriptor)


def test_wait_that_slept_leaves_it_unreadable(name: str) -> None:
    with zinc.create(name, 1) as region:
        descriptor = region.event_fd()
        timer = threading.Timer(0.02, region.notify)
        timer.start()
        assert region.wait(None)
        assert not is_readable(descriptor)
        timer.join()


def test_tells_of_what_was_there_before(name: str) -> None:
    with zinc.create(name, 1) as writer, zinc.open(name) as reader:
        writer.notify()
        assert is_readable(reader.event_fd())  # at once
        assert reader.try_wait()
        assert not is_readable(reader.event_fd())


def test_is_one_for_each_object(name: str) -> None:
    with zinc.create(name, 1) as one, zinc.open(name) as other:
        assert one.event_fd() == one.event_fd() != other.event_fd()
        one.notify()
        assert becomes_readable(one.event_fd())
        assert becomes_readable(other.event_fd())
        assert one.try_wait()
        assert not is_readable(one.event_fd())
        assert is_readable(other.event_fd())


def test_who_reads_it_breaks_nothing(name: str) -> None:
    with zinc.create(name, 1) as region:
        for _ in range(3):
            region.notify()
            assert becomes_readable(region.event_fd())
            os.read(region.event_fd(), 8)
            assert region.try_wait()
            assert not is_readable(region.event_fd())


@pytest.mark.parametrize("kind", ["readonly", "anonymous"])
def test_kinds_of_handles(name: str, kind: str) -> None:
    with zinc.create(name, 1) if kind == "readonly" else zinc.SharedRegion.anonymous(1) as writer:
        if kind == "readonly":
            reader = zinc.open(name, readonly=True)
        else:
            reader = zinc.SharedRegion.from_fd(writer.descriptor())
        with reader:
            descriptor = reader.event_fd()
            for _ in range(3):
                assert not is_readable(descriptor)
                writer.notify()
                assert becomes_readable(descriptor)
                assert reader.try_wait()


def test_read_only_descriptor() -> None:
    """Of who can't even take a ticket, the thread looks on its own."""
    with zinc.SharedRegion.anonymous(1) as writer:
        number = os.open(f"/proc/self/fd/{writer.descriptor()}", os.O_RDONLY)
        with zinc.SharedRegion.from_fd(number) as reader:
            os.close(number)
            with pytest.raises(PermissionError):
                reader.notify()
            for _ in range(3):
                assert not is_readable(reader.event_fd())
                writer.notify()
                assert becomes_readable(reader.event_fd())
                assert reader.try_wait()


CLOSES = """
import os, sys, time, zinc
def threads(): return len(os.listdir("/proc/self/task"))
region, other = zinc.create(sys.argv[1], 1), zinc.open(sys.argv[1])
before = threads()  # none for who does not ask
descriptors = [region.event_fd(), other.event_fd()]
assert threads() == before + 1
view = memoryview(region)
for one in region, other:
    one.close()
    try: one.event_fd()
    except ValueError as error: assert "closed" in str(error)
    else: raise AssertionError
for descriptor in descriptors:
    try: os.fstat(descriptor)
    except OSError as error: assert "Bad file descriptor" in str(error)
    else: raise AssertionError
view.release()
while threads() != before: time.sleep(0.001)
"""


def test_close_closes_it_and_ends_the_thread(name: str, python: Python) -> None:
    """In a process that has had none: one that is just ending would go on."""
    done = python(CLOSES, name)
    assert (done.returncode, done.stderr) == (0, "")


def test_close_wakes_who_waits_for_a_copy(name: str) -> None:
    region = zinc.create(name, 1)
    copy = os.dup(region.event_fd())
    timer = threading.Timer(0.02, region.close)
    timer.start()
    assert becomes_readable(copy)
    timer.join()
    assert region.closed
    os.close(copy)


def test_more_than_one_system_call_can_sleep_on(name: str) -> None:
    with zinc.create(name, 1) as writer:
        readers = [zinc.open(name) for _ in range(130)]
        last = zinc.SharedRegion.anonymous(1)
        descriptors = [region.event_fd() for region in [last, *readers]]
        last.notify()
        assert becomes_readable(descriptors[0])
        assert not any(map(is_readable, descriptors[1:]))
        writer.notify()
        assert all(map(becomes_readable, descriptors))
        for region in [last, *readers]:
            assert region.try_wait()
        assert not any(map(is_readable, descriptors))
        for region in [last, *readers]:
            region.close()


def test_another_process_notifies_a_selector(name: str) -> None:
    code = f"""
import sys, zinc
with zinc.open({name!r}) as region:
    for line in sys.stdin:
        region.notify()
"""
    with zinc.create(name, 1) as region, selectors.DefaultSelector() as selector:
        selector.register(region.event_fd(), selectors.EVENT_READ)
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as writer:
            assert writer.stdin
            for _ in range(50):
                assert selector.select(0) == []
                writer.stdin.write(b"\n")
                writer.stdin.flush()
                assert len(selector.select(60)) == 1
                assert region.try_wait()
            writer.stdin.close()
        assert writer.returncode == 0
        assert region.seen == 50


def test_no_notification_is_lost_to_a_busy_notifier(name: str) -> None:
    """What was said last is seen, however it meets with the sleep of the thread."""
    code = f"""
import zinc
with zinc.open({name!r}) as region:
    for _ in range(100_000):
        region.notify()
"""
    with zinc.create(name, 1) as region, subprocess.Popen([sys.executable, "-c", code]) as writer:
        while region.seen != 100_000:
            assert becomes_readable(region.event_fd())
            region.try_wait()
        assert not is_readable(region.event_fd())
    assert writer.returncode == 0


def test_threads_that_see_leave_it_right(name: str) -> None:
    with zinc.create(name, 1) as region:
        descriptor = region.event_fd()
        is_over = threading.Event()

        def see() -> None:
            while not is_over.is_set():
                region.try_wait()

        seers = [threading.Thread(target=see) for _ in range(3)]
        for seer in seers:
            seer.start()
        for _ in range(2000):
            region.notify()
        is_over.set()
        for seer in seers:
            seer.join()
        region.try_wait()
        assert not is_readable(descriptor)
        region.notify()
        assert becomes_readable(descriptor)


def fork() -> int:
    with warnings.catch_warnings():  # newer versions warn of any thread, which ours is
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_child(act: Callable[[], object]) -> None:
    child = fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("is_readable_before", [False, True])
def test_forked_child_has_its_own(name: str, is_readable_before: bool) -> None:
    with zinc.create(name, 1) as region, zinc.open(name) as other:
        descriptor = region.event_fd()
        if is_readable_before:
            region.notify()
            assert becomes_readable(descriptor)

        def act() -> None:
            assert region.event_fd() == descriptor
            assert is_readable(descriptor) == is_readable_before
            assert region.try_wait() == is_readable_before
            assert not is_readable(descriptor)
            other.notify()
            assert becomes_readable(descriptor)
            assert region.try_wait()
            assert not is_readable(descriptor)
            in_child(act_again)  # of a child
            region.close()

        def act_again() -> None:
            assert not is_readable(descriptor)
            other.notify()
            assert becomes_readable(descriptor)

        in_child(act)
        # What the child saw the parent has not.
        assert becomes_readable(descriptor)
        assert region.seen == 0
        assert region.try_wait()
        assert not is_readable(descriptor)
        other.notify()
        assert becomes_readable(descriptor)


def test_child_that_can_have_no_more_descriptors(name: str) -> None:
    code = f"""
import os, resource, zinc
with zinc.create({name!r}, 1) as region:
    event_fd = region.event_fd()
    resource.setrlimit(resource.RLIMIT_NOFILE, (event_fd + 1, event_fd + 1))
    others = []
    try:
        while True:
            others.append(os.dup(1))
    except OSError:
        pass
    child = os.fork()
    if child == 0:
        os._exit(0 if os.readlink(f"/proc/self/fd/{{event_fd}}") == "anon_inode:[eventfd]" else 1)
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_no_descriptor_left(name: str) -> None:
    code = f"""
import os, resource, zinc
with zinc.create({name!r}, 1) as region:
    others = [os.dup(1)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (others[0] + 1,) * 2)
    try:
        region.event_fd()
    except OSError as error:
        print(error)
    os.close(others[0])
    region.notify()
    region.event_fd()
    print(region.try_wait())
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "no descriptor left" in done.stdout
    assert name in done.stdout
    assert done.stdout.endswith("True\n")


def test_program_does_not_inherit_it(name: str) -> None:
    with zinc.create(name, 1) as region:
        assert not os.get_inheritable(region.event_fd())
        code = "import os, sys; os.fstat(int(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(region.event_fd())]
        done = subprocess.run(command, close_fds=False, stderr=subprocess.PIPE)
        assert b"Bad file descriptor" in done.stderr


def test_notifier_pays_nothing_for_who_lags(name: str) -> None:
    """Nobody sleeps on what is readable, so its notifiers have nobody to wake."""

    def tickets() -> tuple[int, int]:  # taken and answered; docs/reference/layout.md
        header = Path(f"/dev/shm/zinc_{name}").read_bytes()
        return int.from_bytes(header[24:28], "little"), int.from_bytes(header[56:60], "little")

    with zinc.create(name, 1) as region, zinc.SharedRegion.anonymous(1) as other:
        region.event_fd()
        region.notify()
        assert becomes_readable(region.event_fd())
        for _ in range(2):  # answers what the first came too early for
            region.notify()
        taken, answered = tickets()
        assert taken == answered
        for _ in range(20):  # turns of the thread
            other.notify()
            assert becomes_readable(other.event_fd())
            assert other.try_wait()
            region.notify()
        assert tickets() == (taken, answered)
        assert region.try_wait()
        until(lambda: tickets()[0] > taken)
