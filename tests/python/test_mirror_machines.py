"""Mirrors between machines: cuts, kills, sources that fall silent, and who is slow."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .machines import Machine, machines

pytest.importorskip("zenoh")

# Answers lines of Python with what they are, as JSON: `things` has what earlier ones have made.
SERVER = """
import hashlib, json, sys, time
import numpy, zinc, zinc.mirror
things = {}
def digest(data): return hashlib.sha256(data).hexdigest()
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    try: answer = eval(json.loads(line), {**globals(), **things})
    except Exception as error: answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=repr), flush=True)
"""

started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for process in started:
        process.kill()
        process.communicate()
    started.clear()


def start(machine: Machine, *command: str) -> subprocess.Popen[str]:
    """Start a Python there that is talked to, until the end of the test."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started.append(machine.start([sys.executable, *command], **pipes))
    return started[-1]


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def go_on(process: subprocess.Popen[str], told: str = "") -> None:
    assert process.stdin
    process.stdin.write(f"{told}\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


class Python:
    """A Python of a machine that is asked things."""

    def __init__(self, machine: Machine) -> None:
        self.process = start(machine, "-c", SERVER)
        assert self.receive() == "ready"

    def send(self, expression: str) -> None:
        go_on(self.process, json.dumps(expression))

    def receive(self) -> Any:
        told = line(self.process)
        assert told, "it has ended"
        answer = json.loads(told)
        if isinstance(answer, dict) and set(answer) == {"error"}:
            pytest.fail(answer["error"])
        return answer

    def ask(self, expression: str) -> Any:
        self.send(expression)
        return self.receive()

    def follow(self, source: Machine, name: str, lease_ms: int = 10_000, port: int = 7447) -> None:
        where = f"{name!r}, 'tcp/{source.address}:{port}', timeout_ms=60_000, lease_ms={lease_ms}"
        self.ask(f"things.update(m=zinc.mirror.follow({where}))")

    def offer(self, name: str, lease_ms: int = 10_000, port: int = 7447) -> None:
        where = f"{name!r}, 'tcp/0.0.0.0:{port}', lease_ms={lease_ms}"
        self.ask(f"things.update(o{port}=zinc.mirror.offer({where}))")


def until(what: Callable[[], Any]) -> None:
    """Ask until it is so; the watchdog of the test says when that takes too long."""
    while not what():
        time.sleep(0.02)


def offer(machine: Machine, name: str, lease: float, *options: str) -> subprocess.Popen[str]:
    where = "--listen", "tcp/0.0.0.0:7447", "--lease", str(lease)
    process = start(machine, "-m", "zinc", "mirror", name, *where, *options)
    assert line(process) == f"{name}: offered\n"
    return process


def follow(machine: Machine, source: Machine, name: str, lease: float) -> subprocess.Popen[str]:
    where = "--from", f"tcp/{source.address}:7447", "--lease", str(lease)
    process = start(machine, "-m", "zinc", "mirror", name, *where)
    assert line(process) == f"{name}: followed\n"
    return process


def test_the_newest_is_there_after_each_cut_though_its_source_fell_silent() -> None:
    """After cuts that the connection outlasts, that are longer than a lease, and long."""
    with machines(4) as (source, short, long, longest):
        a = Python(source)
        a.ask("things.update(a=zinc.array('state', (64, 1024), 'i8'))")
        a.offer("state")
        a.offer("state", 1_000, 7448)
        others = [Python(one) for one in (short, long, longest)]
        for one, port, lease in zip(
            others, (7447, 7448, 7447), (10_000, 1_000, 10_000), strict=True
        ):
            one.follow(source, "state", lease, port)
            one.ask("things.update(b=zinc.open_array('state'))")
        for n in range(1, 20):
            a.ask(f"[a.fill({n}), a.region.notify()]")
        for one in others:
            until(functools.partial(one.ask, "bool(b[-1, -1] == 19)"))
        began = time.monotonic()
        for machine in (short, long, longest):
            machine.cut()
        for n in range(20, 60):
            a.ask(f"[a.fill({n}), a.region.notify()]")
            time.sleep(0.05)
        # From here on the source is silent.
        until(lambda: not others[1].ask("m.connected"))
        until(lambda: time.monotonic() > began + 3)
        assert others[0].ask("m.connected")
        for one in others:
            assert one.ask("int(b.max())") < 59
        for machine, one in ((short, others[0]), (long, others[1])):
            machine.join()
            until(functools.partial(one.ask, "bool(b.min() == b.max() == 59)"))
            until(functools.partial(one.ask, "m.connected"))
        until(lambda: time.monotonic() > began + 25)
        assert not others[2].ask("m.connected")
        assert others[2].ask("m.age") > 20
        longest.join()
        joined = time.monotonic()
        until(lambda: others[2].ask("bool(b.min() == b.max() == 59)"))
        print(f"there {time.monotonic() - joined:.1f} s after the link")
        until(lambda: others[2].ask("m.connected and m.age < 2"))
        assert others[2].ask("m.problem") is None
        found = {one.ask("digest(b.tobytes())") for one in others}
        assert found == {a.ask("digest(a.tobytes())")}


WRITE_ARRAY = """
import sys, time, zinc
array = zinc.array("shared", (512, 512), "u4")
print("ready", flush=True)
lock = array.region.lock(repair=lambda lock: None)  # a mirror that was killed has changed nothing
sys.stdin.readline()
for n in range(1, int(sys.argv[1]) + 1):
    with lock:
        array.fill(n)
        array.region.notify()
    time.sleep(0.001)
print("done", flush=True)
sys.stdin.read()
"""

READ_ARRAY = """
import sys, zinc
array = zinc.open_array("shared", timeout_ms=None)
lock, last, looks = array.region.lock(), 0, 0
print("ready", flush=True)
while last != int(sys.argv[1]):
    array.region.wait(100)
    try:
        with lock:
            least, most = int(array.min()), int(array.max())
    except zinc.OwnerDiedError:  # a mirror was killed as it wrote: the next one writes it anew
        continue
    assert least == most >= last, (least, most, last)
    looks += most != last
    last = most
print(looks, flush=True)
"""


def test_nothing_is_torn_under_locks_while_mirrors_are_killed() -> None:
    """One publishes to two; each of the three mirrors is killed again and again."""
    dice = random.Random(25)
    last = "3000"
    with machines(3) as (source, *others):
        writer = start(source, "-c", WRITE_ARRAY, last)
        assert line(writer) == "ready\n"
        offered = offer(source, "shared", 1, "--lock")
        mirrors = [follow(one, source, "shared", 1) for one in others]
        readers = [start(one, "-c", READ_ARRAY, last) for one in others]
        for reader in readers:
            assert line(reader) == "ready\n"
        go_on(writer)
        for kills in range(6):
            time.sleep(dice.random() * 0.4)
            number = kills % 3
            if number == 2:
                kill(offered)
                offered = offer(source, "shared", 1, "--lock")
            else:
                kill(mirrors[number])
                mirrors[number] = follow(others[number], source, "shared", 1)
        assert line(writer) == "done\n"
        for reader in readers:
            looks = int(line(reader))
            assert looks > 1
            print(f"{looks} states seen of {last}")


# What is sent last has this bit in its tag.
LAST = 1 << 40

CHANNEL = f"""
import json, random, sys, threading, time, zinc
dice, LAST = random.Random(7), {LAST}
sizes = [dice.choice([10, 1000, 99_000]) for _ in range(512)]
def data(n): return n.to_bytes(8, "little") + bytes([n % 251]) * sizes[n % 512]
"""

WRITE_CHANNEL = f"""{CHANNEL}
channel = zinc.Channel.open_or_create("messages", 64, slot_size=100_000, full=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
told = threading.Thread(target=sys.stdin.readline)
told.start()
n = channel.newest + 1  # another one was killed
while told.is_alive() if sys.argv[2] == "until told" else n < int(sys.argv[2]):
    assert channel.send(data(n), n) == n
    time.sleep(0.001)
    n += 1
channel.send(data(n), n | LAST)
print(n, flush=True)
sys.stdin.read()
"""

READ_CHANNEL = f"""{CHANNEL}
reader = zinc.Channel.open("messages").reader()
print("ready", flush=True)
got, tag, nap = [], 0, float(sys.argv[1])
while not tag & LAST:
    with reader.recv() as message:
        tag = message.tag
        n = tag & ~LAST
        assert bytes(message.data) == data(n), n
    assert not got or n > got[-1], (n, got[-1])
    got.append(n)
    if nap: time.sleep(nap)
print(json.dumps([len(got), got[0], reader.lost]), flush=True)
sys.stdin.read()
"""


def test_losses_of_a_channel_are_counted_exactly_though_all_are_killed_and_cut() -> None:
    dice = random.Random(5)
    with machines(2) as (source, other):
        writer = start(source, "-c", WRITE_CHANNEL, "overwrite", "until told")
        assert line(writer) == "ready\n"
        offered = offer(source, "messages", 1)
        mirror = Python(other)
        mirror.follow(source, "messages", 1_000)
        reader = start(other, "-c", READ_CHANNEL, "0")
        assert line(reader) == "ready\n"
        go_on(writer)
        for turn in range(8):
            time.sleep(dice.random() * 0.4)
            if turn % 4 == 0:
                kill(offered)
                offered = offer(source, "messages", 1)
            elif turn % 4 == 1:
                kill(mirror.process)
                mirror = Python(other)
                mirror.follow(source, "messages", 1_000)
            elif turn % 4 == 2:
                kill(writer)
                writer = start(source, "-c", WRITE_CHANNEL, "overwrite", "until told")
                assert line(writer) == "ready\n"
                go_on(writer)
            else:
                other.cut()
                time.sleep(1.5)
                other.join()
        go_on(writer)
        count = int(line(writer))
        received, first, lost = json.loads(line(reader))
        missed = mirror.ask("m.missed")
        print(f"{received} of {count} received, {missed} missed, {lost} lost by the reader")
        assert first == 1
        assert received + missed + lost == count
        assert missed > 0


def test_a_slow_consumer_holds_up_writers_that_wait_and_loses_nothing() -> None:
    count = 1000
    with machines(2) as (source, other):
        writer = start(source, "-c", WRITE_CHANNEL, "wait", str(count))
        assert line(writer) == "ready\n"
        offer(source, "messages", 10)
        mirror = Python(other)
        mirror.follow(source, "messages")
        reader = start(other, "-c", READ_CHANNEL, "0.003")
        assert line(reader) == "ready\n"
        go_on(writer, "\n")
        assert json.loads(line(reader)) == [count, 1, 0]
        assert mirror.ask("[m.missed, m.problem]") == [0, None]


WORK = """
import os, sys, time, zinc
jobs = zinc.Queue.open("jobs", timeout_ms=None)
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for item in jobs:
    time.sleep(float(sys.argv[2]))
    os.write(log, f"{item['n']}\\n".encode())
"""


def test_no_item_of_a_queue_is_lost_though_mirrors_and_a_machine_are_killed(
    tmp_path: Path,
) -> None:
    dice = random.Random(3)
    count = 400
    done = tmp_path / "done"
    with machines(3) as (source, second, third):
        a = Python(source)
        a.ask("things.update(q=zinc.Queue(name='jobs', views=64))")
        offered = offer(source, "jobs", 1)
        mirror = follow(second, source, "jobs", 1)
        follow(third, source, "jobs", 1)
        worker, *_ = [
            start(machine, "-c", WORK, str(done), "0.01") for machine in (second, third, third)
        ]
        a.ask(f"[q.put({{'n': n, 'data': numpy.zeros(1000)}}) for n in range({count})] and None")
        for turn in range(6):
            time.sleep(0.2 + dice.random() * 0.3)
            if turn == 1:
                third.close()  # its power fails, with what it was at work on
            elif turn % 3 == 2:
                kill(worker)
                worker = start(second, "-c", WORK, str(done), "0.01")
            elif turn % 3:
                kill(mirror)
                mirror = follow(second, source, "jobs", 1)
            else:
                kill(offered)
                offered = offer(source, "jobs", 1)
        a.ask("q.join()")
        found = [int(told) for told in done.read_text().split()]
        assert set(found) == set(range(count))
        print(f"{len(found) - count} of {count} were done twice")
        # What was shut down at its origin is so everywhere.
        a.ask("q.shutdown()")
        b = Python(second)
        until(lambda: b.ask("zinc.Queue.open('jobs').is_shutdown"))


def test_an_item_is_done_at_its_origin_once_its_worker_elsewhere_is() -> None:
    with machines(3) as (source, second, third):
        a, b, c = Python(source), Python(second), Python(third)
        a.ask("things.update(q=zinc.Queue(name='jobs'))")
        a.offer("jobs", 1_000)
        for one in (b, c):
            one.follow(source, "jobs", 1_000)
        b.ask("things.update(w=zinc.Queue.open('jobs'))")
        b.send("[things.update(x=w.recv()), bytes(things['x'].data)]")
        a.ask("q.send(b'work', 7)")
        assert b.receive() == [None, repr(b"work")]
        assert b.ask("[x.tag, x.redelivered]") == [7, 0]
        for _ in range(20):  # some beats
            assert a.ask("[q.unfinished_tasks, q.qsize()]") == [1, 0]
            time.sleep(0.02)
        # Whoever has it is cut off: it is another's once the lease is over.
        second.cut()
        c.ask("things.update(w=zinc.Queue.open('jobs'))")
        c.ask("things.update(x=w.recv())")
        assert c.ask("x.tag") == 7
        assert a.ask("q.unfinished_tasks") == 1
        # The first one is done with it all the same, and its word counts no more.
        b.ask("x.release()")
        second.join()
        until(lambda: b.ask("m.connected"))
        for _ in range(20):
            assert a.ask("q.unfinished_tasks") == 1
            time.sleep(0.02)
        c.ask("x.release()")
        until(lambda: a.ask("q.unfinished_tasks") == 0)


def test_an_item_whose_machine_is_lost_says_that_it_is_redelivered() -> None:
    with machines(2) as (source, other):
        a, b = Python(source), Python(other)
        a.ask("things.update(q=zinc.Queue(name='jobs'))")
        a.offer("jobs", 1_000)
        b.follow(source, "jobs", 1_000)
        b.ask("things.update(w=zinc.Queue.open('jobs'))")
        b.send("things.update(x=w.recv())")
        a.ask("q.send(b'work')")
        b.receive()
        other.close()
        assert a.ask("q.recv().redelivered") == 1
