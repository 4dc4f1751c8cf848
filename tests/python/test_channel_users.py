"""Who writes to a channel and who reads it: told, waited for, evicted, and missed when they are gone."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import zinc

from .test_channel_processes import kill, start

READ = """
import sys, zinc
reader = zinc.Channel.open(sys.argv[1]).reader()
print("reads", flush=True)
for line in sys.stdin:
    message = reader.recv(timeout_ms=10_000)
    print(message.number, reader.lost, flush=True)
"""

WRITE = """
import sys, zinc
channel = zinc.Channel.open(sys.argv[1])
channel.send(b"first")
print("wrote", flush=True)
sys.stdin.readline()
channel.send(b"last")
"""

FULL = """
import sys, zinc
channel = zinc.Channel.open(sys.argv[1])
while True:
    channel.send(b"x")
    print("sent", flush=True)
"""


def begin(code: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def ask(child: subprocess.Popen[str]) -> str:
    assert child.stdin
    child.stdin.write("\n")
    child.stdin.flush()
    return line(child)


def stop(child: subprocess.Popen[str]) -> None:
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.fixture
def waiting(name: str) -> Iterator[zinc.Channel]:
    with zinc.Channel.create(name, 4, slot_size=8, full="wait") as channel:
        yield channel


# ---- who is there


def test_who_reads_how_far_and_what_it_holds(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel:
        assert (channel.readers, channel.writers, channel.newest) == ([], [], 0)
        before = time.time()
        reader = channel.reader()
        held = [reader.recv() for _ in range(2) if channel.send(b"x")]
        for _ in range(3):
            channel.send(b"x")
        (one,) = channel.readers
        assert (one.pid, one.alive, one.lag, one.lost, one.views, one.evicted) == (
            *(os.getpid(), True),
            *(3, 0, 2, False),
        )
        assert before <= one.since <= time.time()
        assert channel.newest == 5
        (writer,) = channel.writers
        assert (writer.pid, writer.alive, writer.waiting_since) == (os.getpid(), True, None)
        del held
        latest = reader.latest()
        assert latest is not None
        latest.release()
        (one,) = channel.readers
        assert (one.lag, one.lost, one.views) == (0, 2, 0)
        info = zinc.examine(name).channel
        assert info == zinc.ChannelInfo(
            *(4, 8, "overwrite", 8, 5), channel.writers, channel.readers
        )
        reader.close()
        assert channel.readers == []


def test_overtaken_reader_has_a_lag_of_all_that_came(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel, channel.reader() as reader:
        for _ in range(100):
            channel.send(b"x")
        assert channel.readers[0].lag == reader.lag == 100


def test_killed_ones_are_told_as_such(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel:
        reader = begin(READ, name)
        assert line(reader) == "reads"
        writer = begin(WRITE, name)
        assert line(writer) == "wrote"
        assert channel.readers[0].alive
        assert channel.writers[0].alive
        kill(reader)
        kill(writer)
        assert [(one.pid, one.alive) for one in channel.readers] == [(reader.pid, False)]
        assert [(one.pid, one.alive) for one in channel.writers] == [(writer.pid, False)]


def test_what_is_no_channel_has_no_users(name: str) -> None:
    with zinc.create(name, 8):
        assert zinc.examine(name).channel is None


def test_damaged_channel_is_told_as_one_from_outside(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8):
        with open(f"/dev/shm/zinc_{name}", "r+b") as file:
            file.seek(zinc.examine(name).data_offset)
            file.write(b"\xff" * 24)
        with pytest.raises(zinc.NotARegionError, match="damaged"):
            zinc.examine(name)


# ---- waiting for readers


def test_writer_waits_for_readers(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel:
        with pytest.raises(TimeoutError, match=r"fewer than 1 have come within 0 ms"):
            channel.wait_for_readers(timeout_ms=0)
        children = [begin(READ, name) for _ in range(2)]
        channel.wait_for_readers(2, timeout_ms=60_000)
        channel.send(b"x")
        assert [line(child) for child in children] == ["reads", "reads"]
        assert [ask(child) for child in children] == ["1 0", "1 0"]
        kill(children[0])
        channel.wait_for_readers(1)
        with pytest.raises(TimeoutError, match=r"fewer than 2 have come within 30 ms"):
            channel.wait_for_readers(2, timeout_ms=30)
        kill(children[1])


def test_wait_for_readers_ends_with_the_channel_and_with_a_signal(name: str) -> None:
    channel = zinc.Channel.create(name, 4, slot_size=8)
    threading.Timer(0.05, channel.close).start()
    with pytest.raises(ValueError, match="closed"):
        channel.wait_for_readers()
    with pytest.raises(ValueError, match="is closed"):
        channel.wait_for_readers()
    code = (
        "import signal, sys, zinc; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "zinc.Channel.create(sys.argv[1], 4, slot_size=8).wait_for_readers()"
    )
    child = start(code, name)
    while name not in zinc.regions() or "S" not in state(child.pid):
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "x"])
def test_wait_for_readers_takes_a_count(name: str, wrong: object) -> None:
    channel = zinc.Channel.create(name, 4, slot_size=8)
    with channel, pytest.raises((ValueError, TypeError)):
        channel.wait_for_readers(wrong, timeout_ms=0)  # type: ignore[arg-type]


# ---- who holds it up


def test_full_channel_names_who_holds_it_up(name: str, waiting: zinc.Channel) -> None:
    reader = waiting.reader()
    child = begin(FULL, name)
    for _ in range(4):
        assert line(child) == "sent"
    while not any(one.waiting_since for one in waiting.writers):
        time.sleep(0.001)
    (writer,) = waiting.writers
    assert writer.pid == child.pid
    assert writer.waiting_since is not None
    assert 0 <= time.time() - writer.waiting_since < 60
    info = zinc.examine(name).channel
    assert info is not None
    assert info.writers == [writer]
    assert [one.lag for one in info.readers] == [4]
    with pytest.raises(TimeoutError, match=rf"of process {os.getpid()}, 4 messages behind$"):
        waiting.send(b"mine", timeout_ms=1)
    other = waiting.reader(history=3)
    reader.recv().release()
    assert line(child) == "sent"
    with pytest.raises(TimeoutError, match=r"4 messages behind, and 1 more$"):
        waiting.send(b"mine", timeout_ms=50)
    kill(child)
    other.close()


def test_writer_that_has_sent_waits_no_more(name: str, waiting: zinc.Channel) -> None:
    reader = waiting.reader()
    for _ in range(4):
        waiting.send(b"x")
    with pytest.raises(TimeoutError):
        waiting.send(b"x", timeout_ms=0)
    assert waiting.writers[0].waiting_since is None  # it has given up
    reader.recv().release()
    assert waiting.send(b"x", timeout_ms=0) == 5
    assert waiting.writers[0].waiting_since is None


# ---- eviction


def test_stopped_reader_is_evicted_and_learns_what_it_lost(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8, full="wait", evict_after_ms=50) as channel:
        child = begin(READ, name)
        assert line(child) == "reads"
        quick = channel.reader()
        channel.send(b"x")
        assert ask(child) == "1 0"
        quick.recv().release()
        stop(child)
        for number in range(2, 101):
            assert channel.send(b"x", timeout_ms=60_000) == number
            assert quick.recv(0).number == number
        slow = next(one for one in channel.readers if one.pid == child.pid)
        assert (slow.evicted, slow.lag) == (True, 99)
        assert quick.lost == 0
        child.send_signal(signal.SIGCONT)
        # It goes on with the oldest that is safe from the next one, and is waited for again.
        assert ask(child) == "98 96"
        slow = next(one for one in channel.readers if one.pid == child.pid)
        assert (slow.evicted, slow.lost) == (False, 96)
        assert ask(child) == "99 96"
        kill(child)


def test_reader_that_goes_on_is_not_evicted(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait", evict_after_ms=300) as channel:
        reader = channel.reader()
        numbers: list[int] = []

        def read_slowly() -> None:
            while len(numbers) < 20:
                time.sleep(0.02)
                numbers.append(reader.recv().number)

        thread = threading.Thread(target=read_slowly)
        thread.start()
        for _ in range(20):
            channel.send(b"x")
        thread.join()
        assert numbers == list(range(1, 21))
        assert reader.lost == 0


def test_without_eviction_writers_wait(name: str, waiting: zinc.Channel) -> None:
    reader = waiting.reader()
    for _ in range(4):
        waiting.send(b"x")
    with pytest.raises(TimeoutError):
        waiting.send(b"x", timeout_ms=200)
    assert not waiting.readers[0].evicted
    # Another writer's choice.
    with zinc.Channel.open(name, evict_after_ms=10) as other:
        assert other.send(b"x") == 5
    assert waiting.readers[0].evicted
    assert reader.recv().number == 3
    assert reader.lost == 2


def test_coroutine_that_sends_evicts_too(name: str) -> None:
    async def send() -> None:
        channel = zinc.Channel.create(name, 2, slot_size=8, full="wait", evict_after_ms=30)
        with channel, channel.reader() as reader:
            for number in range(1, 4):
                assert await channel.send_async(b"x") == number
            assert channel.readers[0].evicted
            assert (reader.recv().number, reader.lost) == (3, 2)

    asyncio.run(send())


def test_how_long_readers_are_waited_for_is_checked_and_pickled(name: str) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        zinc.Channel.create(name, 2, slot_size=8, full="wait", evict_after_ms=-1)
    assert name not in zinc.regions()
    with zinc.Channel.create(name, 2, slot_size=8, full="wait", evict_after_ms=30) as channel:
        channel.reader()
        with zinc.by_reference():
            text = pickle.dumps(channel)
        with pickle.loads(text) as copy, copy.reader():
            for number in range(1, 6):
                assert copy.send(b"x") == number


# ---- the end


def test_reader_that_is_told_ends_with_its_writers(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel:
        reader = channel.reader(until_gone=True)
        with pytest.raises(TimeoutError):
            reader.recv(timeout_ms=30)  # nobody has written yet
        child = begin(WRITE, name)
        assert bytes(reader.recv().data) == b"first"
        assert reader.try_recv() is None
        child.communicate("\n")
        assert [bytes(message.data) for message in reader] == [b"last"]
        with pytest.raises(EOFError, match="who has written to it is gone"):
            reader.recv()
        with pytest.raises(EOFError):
            reader.try_recv()
        # Another one comes.
        channel.send(b"more")
        assert bytes(reader.recv(0).data) == b"more"


def test_reader_that_is_told_ends_with_a_killed_writer(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8) as channel:
        reader, patient = channel.reader(until_gone=True), channel.reader()
        child = begin(WRITE, name)
        assert reader.recv().number == patient.recv().number == 1
        threading.Timer(0.05, child.kill).start()
        with pytest.raises(EOFError):
            reader.recv(timeout_ms=60_000)
        with pytest.raises(TimeoutError):
            patient.recv(timeout_ms=30)
        child.communicate()


def test_coroutines_are_told_of_the_end(name: str) -> None:
    async def read() -> list[int]:
        with zinc.Channel.create(name, 4, slot_size=8) as channel:
            reader = channel.reader(until_gone=True)
            child = begin(WRITE, name)
            first = await reader.recv_async()
            child.kill()
            rest = [message.number async for message in reader]
            child.communicate()
            with pytest.raises(EOFError):
                await reader.recv_async(timeout_ms=60_000)
            return [first.number, *rest]

    assert asyncio.run(read()) == [1]
