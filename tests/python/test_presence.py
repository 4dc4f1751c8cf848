"""Who is there: alone, holders, and waits that end with the last other user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import zinc

from .conftest import Peer, may_unshare
from .test_interleavings import Stopped, stop
from .test_lifecycle import Child, create

__all__ = ["stop"]  # a fixture


def opened(name: str) -> str:
    return f"r = zinc.open({name!r})"


def until_alone(region: zinc.SharedRegion) -> None:
    """Wait, with the watchdog of pytest alone, until nobody else is attached."""
    assert not region.wait(None, until_alone=True)
    assert region.alone


def test_alone_is_who_has_the_only_handle(name: str) -> None:
    with zinc.create(name, 8) as region:
        assert region.alone
        with zinc.open(name, readonly=True) as other:
            assert (region.alone, other.alone) == (False, False)
        assert region.alone
        child = Child(opened(name))
        assert not region.alone
        assert child.do("print(r.alone)") == "False"
        child.do("r.close()")
        assert region.alone
        child.end()
        region.unlink()
        assert region.alone  # names have nothing to do with it


def test_one_who_is_killed_is_gone(name: str) -> None:
    with zinc.create(name, 8) as region:
        child = Child(opened(name))
        assert not region.alone
        child.kill()
        assert region.alone


@pytest.mark.parametrize("ask_first", [False, True])
def test_forked_child_counts_for_both(name: str, ask_first: bool) -> None:
    """Parent and child share what the kernel knows of them, until one of them asks."""
    parent = Child(create(name), "import signal")
    if ask_first:
        assert parent.do("print(r.alone)") == "True"
    for _ in range(3):
        parent.do("ours, theirs = os.pipe()")
        parent.do(
            "pid = os.fork()\n".replace("\n", "; ")
            + "pid or (os.write(theirs, b'%d' % r.alone), signal.pause())"
        )
        assert parent.do("print(os.read(ours, 9))") == "b'0'"
        assert parent.do("print(r.alone)") == "False"
        assert parent.do("print(r.alone)") == "False"
        parent.do("os.kill(pid, 9); os.waitpid(pid, 0); os.close(ours); os.close(theirs)")
        assert parent.do("print(r.alone)") == "True"
    with zinc.open(name):
        assert parent.do("print(r.alone)") == "False"
    parent.end()


def test_child_that_asks_leaves_the_region_to_its_parent(name: str) -> None:
    """Neither the name nor the region's life may suffer from the descriptor that it takes anew."""
    parent = Child(create(name))
    number = parent.do("print(r.descriptors())")
    parent.do("pid = os.fork(); pid or (r.alone, r.close(), os._exit(0)); os.waitpid(pid, 0)")
    assert parent.do("print(r.alone, r.descriptors())") == f"True {number}"
    with zinc.open(name) as region:
        assert not region.alone
        parent.do("pid = os.fork(); pid or os._exit(r.alone)")
        assert parent.do("print(os.waitpid(pid, 0)[1])") == "0"
        assert not region.alone
        parent.end()
        assert region.alone


def test_asking_again_and_again_keeps_no_descriptor(name: str) -> None:
    with zinc.create(name, 8) as region:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
            assert region.alone
        assert len(os.listdir("/proc/self/fd")) == before


def test_threads_ask_while_others_fork(name: str) -> None:
    """A description that one of them takes is nobody else to another."""
    with zinc.create(name, 8) as region:
        answers: list[bool] = []

        def ask() -> None:
            answers.extend(region.alone for _ in range(500))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)  # this one, and not what another test has left
        for thread in threads:
            thread.join()
        assert region.alone
        assert len(answers) == 1500


def test_region_that_has_no_record_of_its_users(name: str) -> None:
    with zinc.SharedRegion.anonymous(8) as region:
        region.notify()
        for ask in (
            lambda: region.alone,
            region.holders,
            lambda: region.wait(0, until_alone=True),
            lambda: region.wait(None, 0, until_alone=True),
        ):
            with pytest.raises(ValueError, match="record of who uses it"):
                ask()
    region = zinc.create(name, 8)
    region.close()
    for ask in (lambda: region.alone, region.holders, lambda: region.wait(0, until_alone=True)):
        with pytest.raises(ValueError, match="closed"):
            ask()


def test_descriptor_that_was_closed_behind_is_no_answer(name: str) -> None:
    code = f"""
import os, zinc
r = zinc.create({name!r}, 8)
os.fork() or os._exit(0)
number, = r.descriptors()
os.dup2(os.open("/dev/null", os.O_RDONLY), number)
for ask in (lambda: r.alone, lambda: r.wait(None, until_alone=True)):
    try: ask()
    except OSError as error: print(error.errno)
print(os.readlink(f"/proc/self/fd/{{number}}"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("9\n9\n/dev/null\n", "")
    zinc.reclaim()


# ---- waits


@pytest.mark.parametrize("end", ["r.close()", "os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_wait_ends_with_the_last_other_user(name: str, end: str) -> None:
    with zinc.create(name, 8) as region:
        children = [Child(opened(name)), Child(opened(name))]
        children[0].kill()
        assert not region.wait(60, until_alone=True)  # there is one left
        assert not region.alone
        assert children[1].process.stdin
        children[1].process.stdin.write(f"{end}\n")
        children[1].process.stdin.flush()
        until_alone(region)
        children[1].kill()


def test_wait_ends_with_a_forked_child(name: str) -> None:
    with zinc.create(name, 8) as region:
        ours, theirs = os.pipe()
        pid = os.fork()
        if not pid:
            os.read(ours, 1)
            os.kill(os.getpid(), signal.SIGKILL)
        assert not region.wait(40, until_alone=True)
        assert not region.alone
        os.write(theirs, b"x")
        until_alone(region)
        os.waitpid(pid, 0)
        os.close(ours)
        os.close(theirs)


def test_news_of_who_has_gone_come_first(name: str) -> None:
    with zinc.create(name, 8) as region:
        Child(opened(name), "r.notify()").kill()
        assert region.wait(None, until_alone=True)
        assert not region.wait(None, until_alone=True)
        assert region.wait(None, 0, True)
        assert not region.wait(None, after=1, until_alone=True)


@pytest.mark.needs("strace")
def test_news_between_the_look_and_the_end(name: str, stop: Callable[..., Stopped]) -> None:
    """Who finds nobody left looks once more: they may have spoken before they went."""
    zinc.create(name, 8, persistent=True).close()
    code = "r = zinc.open(name)\nprint(*(r.wait(None, until_alone=True) for _ in range(2)))"
    waiter = stop(code, "fcntl", 2)  # it has locked, and found nobody else
    assert "F_OFD_GETLK, {l_type=F_UNLCK" in waiter.log.read_text()
    with zinc.open(name) as region:
        region.notify()
    assert waiter.end() == "True False"
    zinc.unlink(name)


def test_news_and_time_end_it_as_any_wait(name: str) -> None:
    with zinc.create(name, 8) as region, zinc.open(name) as other:
        begin = time.monotonic()
        assert not region.wait(70, until_alone=True)
        assert time.monotonic() - begin >= 0.07
        assert not region.wait(0, until_alone=True)
        thread = threading.Timer(0.03, other.notify)
        thread.start()
        assert region.wait(None, until_alone=True)
        thread.join()
        thread = threading.Timer(0.03, region.close)
        thread.start()
        with pytest.raises(ValueError, match="closed"):
            region.wait(None, until_alone=True)
        thread.join()


def test_interrupt_ends_it(name: str) -> None:
    with zinc.create(name, 8):
        child = Child(opened(name))
        assert child.process.stdin
        child.process.stdin.write("print('now', flush=True); r.wait(None, until_alone=True)\n")
        child.process.stdin.flush()
        assert child.process.stdout
        assert child.process.stdout.readline() == "now\n"
        child.process.send_signal(signal.SIGINT)
        assert child.process.communicate()[1].endswith("KeyboardInterrupt\n")


def test_arguments_of_wait(name: str) -> None:
    with zinc.create(name, 8) as region:
        for arguments, named in (((1, 2, 3, 4), {}), ((1, 2, False), {"until_alone": True})):
            with pytest.raises(TypeError):
                region.wait(*arguments, **named)


def test_swift_knows_when_it_is_alone(name: str, peer: Callable[[str], Peer]) -> None:
    with zinc.create(name, 8) as region:
        other = peer(f"open {name}")
        assert not region.alone
        other.end()
        until_alone(region)


# ---- holders


def test_holders_are_processes_with_command_and_time(name: str) -> None:
    before = time.time()
    with zinc.create(name, 8) as region:
        (own,) = region.holders()
        assert own.pid == os.getpid()
        child = Child(opened(name))
        found = {holder.pid: holder for holder in region.holders()}
        assert set(found) == {os.getpid(), child.process.pid}
        other = found[child.process.pid]
        assert other.command.startswith(sys.executable)
        assert other.since > own.since
        assert abs(other.since - before) < 100  # the clock may have been set since boot
        region.unlink()
        assert len(region.holders()) == 2  # a file, and not a name
        with zinc.create(name, 8) as another:
            assert len(another.holders()) == 1
        child.kill()
        assert region.holders() == [own]


def test_forked_child_is_a_holder(name: str) -> None:
    with zinc.create(name, 8) as region:
        pid = os.fork()
        if not pid:
            signal.pause()
        assert {holder.pid for holder in region.holders()} == {os.getpid(), pid}
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert [holder.pid for holder in region.holders()] == [os.getpid()]


@may_unshare
def test_who_can_not_be_seen_is_no_holder_but_there(name: str) -> None:
    hide = "import zinc._holders; os.setuid(65534)"
    with zinc.create(name, 8, mode=0o666) as region:
        child = Child(hide, f"r = zinc.open({name!r}, any_user=True)")
        look = "print(os.getppid() in [h.pid for h in r.holders()], r.alone)"
        assert child.do(look) == "False False"
        assert len(region.holders()) == 2
        child.kill()
