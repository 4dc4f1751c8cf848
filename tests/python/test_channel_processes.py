"""Channels between processes that come, are killed and are stopped, in many threads, and at the end."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zinc

WRITE = """
import sys, struct, zinc
channel = zinc.Channel.open(sys.argv[1])
number = 0
while True:
    number += 1
    with channel.loan() as loan:
        loan.data[:] = struct.pack("q", number) * (len(loan.data) // 8)
"""

READ = """
import sys, zinc
reader = zinc.Channel.open(sys.argv[1]).reader()
held = [reader.recv() for _ in range(3)]
arrays = [message.array for message in held]
print("has", flush=True)
for message in reader:
    pass
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )


def whole(message: zinc.Message) -> bool:
    """Is it as one writer has written it?"""
    words = struct.unpack(f"{len(message) // 8}q", message.data)
    return len(set(words)) == 1


def kill(child: subprocess.Popen[Any]) -> None:
    child.kill()
    child.communicate()


@pytest.mark.parametrize("full", ["overwrite", "wait"])
def test_killed_writers_tear_and_lose_nothing(name: str, full: Any) -> None:
    with zinc.Channel.create(name, 4, slot_size=65536, full=full) as channel:
        reader = channel.reader()
        last = 0
        for turn in range(6):
            child = start(WRITE, name)
            for _ in range(20 + turn):
                message = reader.recv()
                assert whole(message)
                assert message.number > last
                last = message.number
            kill(child)
        while (rest := reader.try_recv()) is not None:
            assert whole(rest)
            last = rest.number
        del message, rest
        assert channel.send(b"mine", timeout_ms=10_000) == last + 1
        assert bytes(reader.recv(0).data) == b"mine"
        if full == "wait":
            assert reader.lost == 0
        # No slot went with the dead: as many loans as ever.
        loans = [channel.loan() for _ in range(8)]
        for loan in loans:
            loan.discard()


def test_killed_reader_holds_nobody_up(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8, full="wait") as channel:
        for _ in range(3):
            child = start(READ, name)
            assert child.stdout
            while len(channel.region.seats) < 2:
                channel.send(b"x")
            for _ in range(3):
                channel.send(b"x", timeout_ms=10_000)
            assert child.stdout.readline() == "has\n"
            os.kill(child.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            fill_it = iter(lambda: channel.send(b"x", timeout_ms=0), 0)
            with pytest.raises(
                TimeoutError, match=f"a reader holds it up: of process {child.pid}, 4 messages"
            ):
                list(fill_it)
            kill(child)
            for _ in range(100):
                channel.send(b"x", timeout_ms=10_000)


def test_writer_that_is_started_again_goes_on(name: str, python: Callable[..., Any]) -> None:
    code = (
        "import sys, zinc; c = zinc.Channel.open_or_create(sys.argv[1], slot_size=8); c.send(b'x')"
    )
    with zinc.Channel.create(name, slot_size=8) as channel:
        reader = channel.reader()
        for number in 1, 2, 3:
            assert python(code, name).returncode == 0
            assert reader.recv(0).number == number


def test_forked_child_goes_on_with_both_as_its_own(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8, views=2) as channel:
        reader = channel.reader()
        channel.send(b"1")
        message, loan = reader.recv(0), channel.loan()
        channel.send(b"2")
        child = os.fork()
        if child == 0:
            is_right = reader.recv(0).number == 2
            try:
                loan.publish()
            except ValueError as error:
                is_right = is_right and "parent process's" in str(error)
            held = [channel.send(b"3") and reader.recv(0) for _ in range(2)]
            message.release()  # the parent's, which holds nothing of the child's
            try:
                channel.send(b"4")
                reader.recv(0)
                is_right = False
            except zinc.ViewLimitError:
                is_right = is_right and len(held) == 2
            os._exit(0 if is_right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for _ in range(100):
            channel.send(b"more")
        assert bytes(message.data) == b"1"
        assert loan.publish() == 106
        reader.close()


def send_some(channel: zinc.Channel) -> None:
    for _ in range(3):
        channel.send([1, 2])


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_multiprocessing_sends_a_channel(name: str, method: str, is_named: bool) -> None:
    with zinc.Channel.create(name if is_named else None, shape=2, dtype="u2") as channel:
        reader = channel.reader()
        context: Any = multiprocessing.get_context(method)
        process = context.Process(target=send_some, args=(channel,))
        process.start()
        assert [reader.recv().array.tolist() for _ in range(3)] == [[1, 2]] * 3
        process.join()
        assert process.exitcode == 0
        process.close()


@pytest.mark.parametrize("how", ["returns", "exits", "is in a thread"])
def test_views_at_the_end_of_the_interpreter(
    name: str, python: Callable[..., Any], how: str
) -> None:
    code = """
import os, sys, threading, zinc
channel = zinc.Channel.create(sys.argv[1], slot_size=8, full="wait")
reader = channel.reader()
channel.send(b"kept")
message = reader.recv()
array, view, loan = message.array, message.data, channel.loan()
taken = loan.array
class Last:
    view, write = message.data, os.write
    def __del__(self):
        Last.write(1, Last.view)
last = Last()
if "exits" in sys.argv:
    sys.exit()
if "is in a thread" in sys.argv:
    threading.Thread(target=reader.recv, daemon=True).start()
"""
    done = python(code, name, how)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "kept"
    assert not Path(f"/dev/shm/zinc_{name}").exists()


def test_many_threads_share_a_writer_and_readers(name: str) -> None:
    with zinc.Channel.create(name, 64, slot_size=64, full="wait", views=16) as channel:
        reader = channel.reader()
        numbers: list[int] = []
        counts = [0] * 4

        def write(which: int) -> None:
            for _ in range(300):
                with channel.loan() as loan:
                    loan.data[:] = struct.pack("q", which) * 8

        def read() -> None:
            for message in reader:
                assert whole(message)
                numbers.append(message.number)
                counts[message.data[0]] += 1
                if message.number == 1200:
                    reader.close()

        threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
        threads += [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(numbers) == list(range(1, 1201))


def test_one_message_in_many_threads(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, views=1) as channel:
        reader = channel.reader()
        for _ in range(200):
            channel.send(b"12345678")
            message = reader.recv(0)
            barrier = threading.Barrier(3)

            def use(message: zinc.Message = message, barrier: Any = barrier) -> None:
                barrier.wait()
                with contextlib.suppress(ValueError):
                    assert bytes(message.data) == b"12345678"
                message.release()

            threads = [threading.Thread(target=use) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        reader.close()
