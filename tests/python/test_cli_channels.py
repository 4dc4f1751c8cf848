"""The command and channels: what it shows of them, and how it records them and plays them back."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy
import pytest

import zinc

from .conftest import SHM, whole_folder

pytest.importorskip("typer", reason="the command's libraries are not here")

from zinc.command import inspection, lines, messages, recording

from .test_cli import COMMAND, Terminal, answer, conforms, listed, run


@contextlib.contextmanager
def started(*arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The command, as it goes on; killed at the end if it still does."""
    pipe = subprocess.PIPE
    words = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def until_attached(name: str, count: int) -> None:
    """Wait until so many read a channel."""
    end = time.monotonic() + 60
    while sum(seat.role == "reads" and seat.alive for seat in zinc.examine(name).seats) < count:
        assert time.monotonic() < end


@contextlib.contextmanager
def recorder(name: str, file: Path, *more: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A recorder that reads already."""
    with started("record", name, file, *more, **options) as process:
        assert line_of(process) == f"recording {name}\n"
        yield process


def ended(process: subprocess.Popen[str], how: signal.Signals | None = None) -> str:
    """End it by a signal, or wait for its end; return what it printed."""
    if how is not None:
        process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return out


def record_of(number: int, data: bytes, at: int = 0, tag: int = 0) -> bytes:
    """Return a message as docs/reference/command.md says that it is recorded."""
    head = b"".join(part.to_bytes(8, "little") for part in (number, at, tag, len(data)))
    head += crc32(data).to_bytes(4, "little")
    return head + crc32(head).to_bytes(4, "little") + data


def head_of(size: int, slots: int = 8, views: int = 8, flags: int = 0, about: bytes = b"") -> bytes:
    head = b"zincrec1" + size.to_bytes(8, "little")
    head += b"".join(part.to_bytes(4, "little") for part in (slots, views, flags, len(about)))
    return head + about + crc32(head + about).to_bytes(4, "little")


def played(file: Path, name: str, *more: str, count: int = 0) -> list[zinc.Message]:
    """Play a recording into a channel of this process, which takes `count` messages at most."""
    with zinc.Channel.open(name) as channel, channel.reader() as reader:
        done = run("replay", file, name, "--speed", "max", *more)
        assert (done.returncode, done.stderr) == (0, "")
        return reader.recv_many(count or 16, timeout_ms=0)


def all_of(reader: zinc.ChannelReader) -> Iterator[zinc.Message]:
    """Return the messages that are there."""
    while (message := reader.try_recv()) is not None:
        yield message


# ---- watch


def test_watch_prints_each_message_of_a_channel(name: str) -> None:
    with (
        zinc.Channel.create(name, slot_size=100) as channel,
        started("watch", name, "-n", "3") as watcher,
    ):
        until_attached(name, 1)
        channel.send(b"hello\x1b[2J", tag=7)
        channel.send(bytes(100))
        channel.send(b"")
        lines = ended(watcher).splitlines()
    clock = r"\d\d:\d\d:\d\d\.\d{6}"
    assert re.fullmatch(rf"{clock} +1 +9 bytes  tag 7  b'hello\\x1b\[2J'", lines[0])
    assert re.fullmatch(rf"{clock} +2 +100 bytes  tag 0  b'(\\x00){{16}}' \.\.\.", lines[1])
    assert re.fullmatch(rf"{clock} +3 +0 bytes  tag 0  b''", lines[2])
    assert len(lines) == 3


def test_watch_shows_how_arrays_begin(name: str) -> None:
    records = numpy.dtype([("a", "i4"), ("b", "S3")])
    for suffix, shape, dtype, value, told in (
        (
            "a",
            (3, 5),
            "f4",
            numpy.arange(15).reshape(3, 5),
            "[0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 ...]",
        ),
        ("b", (2,), records, numpy.array([(1, b"x"), (2, b"y")], records), "[(1, b'x') (2, b'y')]"),
        ("c", (), "i8", 5, "[5]"),
        ("d", (0,), "i8", [], "[]"),
        ("e", (1,), "U3", ["\x1b[2"], r"[\x1b[2]"),
    ):
        with (
            zinc.Channel.create(f"{name}-{suffix}", shape=shape, dtype=dtype) as channel,
            channel.reader() as reader,
        ):
            channel.send(value)
            assert messages.head_text(channel, reader.recv(0)) == told
    with (
        zinc.Channel.create(name, shape=3, dtype="f4") as channel,
        started("watch", name, "--count", "1") as watcher,
    ):
        until_attached(name, 1)
        channel.send([1, 2, 3])
        assert ended(watcher).endswith("  12 bytes  tag 0  [1.0 2.0 3.0]\n")


def test_watch_says_how_many_were_lost(name: str) -> None:
    """A watcher that is stopped while the channel goes round."""
    with zinc.Channel.create(name, slots=4, slot_size=8) as channel:
        for more in (), ("--json",):
            with started("watch", name, "-n", "2", *more) as watcher:
                until_attached(name, 1)
                watcher.send_signal(signal.SIGSTOP)
                until_stopped(watcher.pid)
                numbers = [channel.send(str(n).encode(), tag=n) for n in range(10)]
                watcher.send_signal(signal.SIGCONT)
                lines = ended(watcher).splitlines()
            if not more:
                assert re.fullmatch(r" +7  lost", lines[0])
                assert f" {numbers[7]} " in lines[1]
                continue
            first, second = (conforms("message", line) for line in lines)
            at = datetime.datetime.fromisoformat(first.pop("time"))
            assert abs(time.time() - at.timestamp()) < 60
            assert first == {
                **{"number": numbers[7], "size": 1, "tag": 7, "lost": 7, "head": b"7".hex()}
            }
            assert (second["number"], second["lost"]) == (numbers[8], 0)


def until_stopped(pid: int) -> None:
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        pass


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_watch_ends_in_order_by_a_signal(name: str, ending: signal.Signals) -> None:
    """It says nothing, and leaves no seat behind."""
    with zinc.Channel.create(name, slot_size=8), started("watch", name) as watcher:
        until_attached(name, 1)
        watcher.send_signal(ending)
        assert watcher.communicate(timeout=60) == ("", "")
        assert watcher.returncode == 128 + ending
        assert zinc.examine(name).seats == []


def test_watch_ends_in_order_where_nobody_reads_its_lines(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel, started("watch", name) as watcher:
        until_attached(name, 1)
        assert watcher.stdout
        watcher.stdout.close()
        channel.send(b"x")
        assert watcher.wait(timeout=60) == 1
        assert watcher.stderr
        assert watcher.stderr.read() == ""
        assert [seat.role for seat in zinc.examine(name).seats] == ["writes"]


def test_watch_ends_when_the_others_have_gone(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel, started("watch", name) as watcher:
        until_attached(name, 1)
        channel.send(b"last")
        channel.close()
        assert "b'last'" in ended(watcher)
    assert not (SHM / f"zinc_{name}").exists()


# ---- what is going on

READER = (
    "import sys, zinc; r = zinc.Channel.open(sys.argv[1]).reader(); print(flush=True)\n"
    "for line in sys.stdin: print(r.recv().number, flush=True)"
)
SENDER = (
    "import sys, time, zinc; c = zinc.Channel.open(sys.argv[1], evict_after_ms=eval(sys.argv[2]))\n"
    "while 1: c.send(b'x'); time.sleep(0.001)"
)


@contextlib.contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process, which is killed at the end."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_in_ls(name: str) -> str:
    (line,) = (line for line in run("ls").stdout.splitlines() if line.startswith(f"{name} "))
    return line


def row_of_info(name: str, which: str) -> list[str]:
    """Return the lines of one row of `zinc info`."""
    return row_of(run("info", name).stdout, which)


def row_of(text: str, which: str) -> list[str]:
    found = re.search(rf"^{which} +(.*(?:\n +.*)*)", text, re.MULTILINE)
    assert found, text
    return [line.strip() for line in found[1].splitlines()]


def test_ls_and_info_tell_what_is_going_on_in_a_channel(name: str) -> None:
    with zinc.Channel.create(name, slots=4, shape=(3, 5), dtype="f4") as channel:
        assert " channel <f4 (3, 5), nobody reads " in line_in_ls(name)
        assert row_of_info(name, "writers") == ["nobody writes"]
        with python(READER, name) as process, channel.reader() as reader:
            line_of(process)
            for number in range(10):
                channel.send(numpy.full((3, 5), number))
                if number < 3:
                    reader.recv(0).release()
            held = reader.recv(0)
            assert (held.number, reader.lost) == (8, 4)
            told = listed(name)
            assert (told["contents"], told["message_rate"]) == ("channel <f4 (3, 5)", 0)
            found = told["channel"]
            readers = {one.pop("pid"): one for one in found.pop("readers")}
            (writer,) = found.pop("writers")
            assert found == {
                **{"slots": 4, "slot_size": 60, "full": "overwrite", "views": 8, "newest": 10},
            }
            assert (writer["pid"], writer["waiting_since"]) == (os.getpid(), None)
            for pid, lag, lost, views in (os.getpid(), 2, 4, 1), (process.pid, 10, 0, 0):
                assert readers[pid].pop("since") <= time.time()
                assert readers[pid] == {
                    **{"lag": lag, "lost": lost, "views": views},
                    **{"alive": True, "evicted": False},
                }
            assert " channel <f4 (3, 5), 4 of 4 unread, 4 lost " in line_in_ls(name)
            assert row_of_info(name, "channel") == [
                "4 messages of 60 bytes, at most; when it is full, the oldest makes room"
            ]
            assert row_of_info(name, "messages") == ["10, 0 per s; 4 of 4 unread, 4 lost"]
            (one,) = row_of_info(name, "writers")
            assert re.fullmatch(rf"{os.getpid()} .*, since 20\d\d-.*", one)
            one, other = sorted(row_of_info(name, "readers"), key=lambda line: "1 held" in line)
            assert re.fullmatch(
                rf"{process.pid} python\S* -c, since .*: 10 behind, 0 lost, 0 held", one
            )
            assert re.fullmatch(rf"{os.getpid()} .*: 2 behind, 4 lost, 1 held", other)
            process.kill()
            process.wait()
            killed, _ = sorted(row_of_info(name, "readers"), key=lambda line: "1 held" in line)
            assert re.match(rf"{process.pid}, was killed, since ", killed)
            assert " 2 of 4 unread, " in line_in_ls(name)
            del held


def test_who_holds_up_whom_strikes_the_eye(name: str) -> None:
    with (
        zinc.Channel.create(name, slots=2, slot_size=100, full="wait") as channel,
        python(READER, name) as slow,
        channel.reader() as reader,
    ):
        line_of(slow)
        with python(SENDER, name, "None") as writer:
            reader.recv(60_000)
            reader.recv(60_000)
            end = time.monotonic() + 60
            while not inspection.examine(name).is_stuck:
                assert time.monotonic() < end
            assert lines.style(inspection.examine(name)) == "bold yellow"
            found = listed(name)["channel"]
            assert found["full"] == "wait"
            (seen,) = found["writers"]
            assert seen["pid"] == writer.pid
            assert seen["since"] <= seen["waiting_since"] <= time.time()
            assert {one["pid"]: one["lag"] for one in found["readers"]} == {
                **{slow.pid: 2, os.getpid(): 0}
            }
            told = rf"{writer.pid} python\S* -c WAITS \d+s for {slow.pid} python\S* -c \(2 behind\)"
            assert re.search(f" channel 100 bytes, {told} ", line_in_ls(name))
            (line,) = row_of_info(name, "writers")
            assert re.fullmatch(told, line)
            # And not when it goes on.
            assert slow.stdin
            slow.stdin.write("\n" * 1000)
            slow.stdin.flush()
            while inspection.examine(name).is_stuck:
                assert time.monotonic() < end


def test_ls_and_info_tell_who_was_evicted(name: str) -> None:
    with (
        zinc.Channel.create(name, slots=2, slot_size=8, full="wait") as channel,
        channel.reader(),
        python(SENDER, name, "1"),
    ):
        end = time.monotonic() + 60
        while not channel.readers[0].evicted:
            assert time.monotonic() < end
        assert re.search(r" 2 of 2 unread(, [\d,]+ lost)?, 1 EVICTED ", line_in_ls(name))
        (told,) = row_of_info(name, "readers")
        assert told.endswith(", 0 held, EVICTED")


def test_rate_of_a_channel_is_messages_a_second(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel, python(SENDER, name, "None"):
        end = time.monotonic() + 60
        while not channel.newest:
            assert time.monotonic() < end
        assert 0 < listed(name)["message_rate"] < 1001 * 1.5
        assert 0 < answer("info", name, "--json")["message_rate"] < 1001 * 1.5
        (line,) = row_of_info(name, "messages")
        assert re.match(r"[\d,]+, [1-9]\d* per s; nobody reads", line)


@whole_folder
def test_top_tells_what_is_going_on_in_a_channel(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel, channel.reader():
        terminal = Terminal(24, 200, {})
        told = f"{name} ", "channel 8 bytes, 8 of 8 unread", "█"
        terminal.until(*told, meanwhile=lambda: channel.send(b"x"))
        terminal.quit("q")


# ---- record and replay


@pytest.mark.parametrize("full", ["overwrite", "wait"])
def test_what_was_recorded_is_played(name: str, tmp_path: Path, full: Any) -> None:
    file, sent = tmp_path / "file", [os.urandom(n) for n in (0, 1, 63, 64, 100)]
    with (
        zinc.Channel.create(name, slots=8, slot_size=100, full=full, views=1) as channel,
        recorder(name, file, "-n", "5") as process,
    ):
        before = time.time_ns()
        for number, data in enumerate(sent):
            channel.send(data, tag=number + (1 << 63))
        told = ended(process)
    size = len(file.read_bytes())
    assert told == f"recorded 5 messages, {size} bytes; 0 lost\n"
    # What is in the file is what is documented.
    data = file.read_bytes()
    flags = 1 if full == "wait" else 0
    head = head_of(100, views=1, flags=flags)
    assert data.startswith(head)
    at = len(head)
    for number, one in enumerate(sent):
        when = int.from_bytes(data[at + 8 : at + 16], "little")
        assert before <= when <= time.time_ns()
        whole = record_of(number + 1, one, when, number + (1 << 63))
        assert data[at:].startswith(whole)
        at += len(whole)
    assert at == size
    # And that is played, into a new channel and into one that is there.
    with started("replay", file, name, "--speed", "max", "--loop") as player:
        with zinc.Channel.open(name, timeout_ms=60_000) as channel:
            assert (channel.slots, channel.slot_size, channel.views) == (8, 100, 1)
            assert (channel.full, channel.dtype) == (full, None)
            with channel.reader() as reader:
                message = reader.recv(60_000)
                assert bytes(message.data) == sent[message.tag - (1 << 63)]
                del message  # which would keep the channel
        player.send_signal(signal.SIGINT)
        out, err = player.communicate(timeout=60)
        assert (player.returncode, err) == (0, "")
        assert re.fullmatch(r"played [\d,]+ messages?\n", out)
    with zinc.Channel.create(name, slots=16, slot_size=101):
        found = played(file, name)
        assert [bytes(message.data) for message in found] == sent
        assert [message.tag for message in found] == [n + (1 << 63) for n in range(5)]


def test_arrays_are_recorded_and_played(name: str, tmp_path: Path) -> None:
    file, dtype = tmp_path / "file", numpy.dtype([("x", "<f8"), ("y", "<i2", (3,))])
    values = numpy.zeros((2, 5), dtype)
    with (
        zinc.Channel.create(name, slots=8, shape=(5,), dtype=dtype) as channel,
        recorder(name, file, "-n", "2") as process,
    ):
        for number, value in enumerate(values):
            value["x"], value["y"] = number + 0.5, number
            channel.send(value)
        ended(process)
    with started("replay", file, name, "--speed", "max", "--loop") as player:
        with (
            zinc.Channel.open(name, shape=(5,), dtype=dtype, timeout_ms=60_000) as channel,
            channel.reader() as reader,
            reader.recv(60_000) as message,
        ):
            assert bytes(message.data) in [value.tobytes() for value in values]
            assert message.array.dtype == dtype
        player.kill()
    with zinc.Channel.create(name, slots=2, shape=(5,), dtype=dtype):
        found = played(file, name)
        assert (found[-1].array == values[1]).all()
        del found


def test_intervals_are_those_of_the_recording(name: str, tmp_path: Path) -> None:
    """They are never shorter; times that go back have none."""
    file, unit = tmp_path / "file", 100_000_000
    times = [50 * unit, 52 * unit, 40 * unit, 55 * unit]
    file.write_bytes(head_of(8) + b"".join(record_of(n + 1, b"", at) for n, at in enumerate(times)))
    with zinc.Channel.create(name, slot_size=8) as channel, channel.reader() as reader:
        for speed in 1.0, 2.5, 0.5:
            with file.open("rb") as source:
                player, before = recording.Player(source, "file", speed), time.time_ns()
                player.play(channel, 6, loop=True)
            since = [(message.time - before) * speed / unit for message in all_of(reader)]
            # A loop's first comes as long after the last as those between on average.
            for late, least in zip(since, (0, 2, 2, 5, 5 * 4 / 3, 5 * 4 / 3 + 2), strict=True):
                assert late >= least - 0.01


@pytest.mark.parametrize("speed", ["max", "0", "1e15", "inf"])
def test_thirty_years_are_played_at_once(name: str, tmp_path: Path, speed: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(head_of(8) + record_of(1, b"") + record_of(2, b"", 10**18))
    with zinc.Channel.create(name, slot_size=8), file.open("rb") as source:
        done = run("replay", "-", name, "--speed", speed, stdin=source)
    assert (done.returncode, done.stdout) == (0, "played 2 messages\n")


def test_losses_are_told_and_their_numbers_missing(name: str, tmp_path: Path) -> None:
    """A recorder that is slower than the writer: stopped, while the channel goes round."""
    file = tmp_path / "file"
    with zinc.Channel.create(name, slots=4, slot_size=8) as channel:
        with recorder(name, file) as process:
            channel.send(b"first")
            while file.stat().st_size == len(head_of(8)):
                pass
            process.send_signal(signal.SIGSTOP)
            until_stopped(process.pid)
            for _ in range(10):
                channel.send(b"next")
            process.send_signal(signal.SIGCONT)
            whole = len(head_of(8)) + len(record_of(1, b"first")) + 3 * len(record_of(1, b"next"))
            while file.stat().st_size < whole:
                pass
            assert ended(process, signal.SIGINT).startswith("recorded 4 messages, ")
        with channel.reader():
            done = run("replay", file, name, "--speed", "max")
        assert done.stdout == "played 4 messages; 7 lost when it was recorded\n"


def test_recorder_of_a_waiting_channel_loses_none(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with (
        zinc.Channel.create(name, slots=2, slot_size=8, full="wait") as channel,
        recorder(name, file, "-n", "2000") as process,
    ):
        for number in range(2000):
            channel.send(number.to_bytes(8, "little"))
        assert ended(process).endswith("; 0 lost\n")
    data = file.read_bytes()[len(head_of(8)) :]
    size = len(record_of(1, bytes(8)))
    numbers = [
        int.from_bytes(data[at - 8 : at], "little") for at in range(size, len(data) + 1, size)
    ]
    assert numbers == [*range(2000)]


WRITER = (
    "import sys, zinc; c = zinc.Channel.open(sys.argv[1]); d = bytes(range(256)) * 400\n"
    "while 1: c.send(d)"
)


def test_recorder_that_is_killed_leaves_what_can_be_played(name: str, tmp_path: Path) -> None:
    """By SIGKILL amid its writes: all whole messages are played, and the last may be none."""
    file, size = tmp_path / "file", 256 * 400
    for wanted in range(1, 5):
        with zinc.Channel.create(name, slots=4, slot_size=size) as channel:
            with recorder(name, file) as process:
                writer = subprocess.Popen([sys.executable, "-c", WRITER, name])
                while file.stat().st_size < wanted * size * 7 // 3:
                    assert process.poll() is None
                process.kill()
                process.wait()
                writer.kill()
                writer.wait()
            whole, rest = divmod(file.stat().st_size - len(head_of(size)), size + 40)
            with channel.reader() as reader:
                done = run("replay", file, name, "--speed", "max")
                assert done.returncode == 0
                assert re.match(rf"played {whole} messages?[;\n]", done.stdout)
                assert (done.stderr != "") == (rest != 0)
                message = reader.latest()
                assert message is not None
                assert bytes(message.data) == bytes(range(256)) * 400
                del message


@pytest.mark.parametrize(
    "ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name
)
def test_recorder_that_is_interrupted_leaves_whole_messages(
    name: str, tmp_path: Path, ending: signal.Signals
) -> None:
    file, size = tmp_path / "file", 256 * 400
    with zinc.Channel.create(name, slots=4, slot_size=size):
        with recorder(name, file) as process:
            writer = subprocess.Popen([sys.executable, "-c", WRITER, name])
            while file.stat().st_size < 5 * size:
                assert process.poll() is None
            process.send_signal(ending)
            process.send_signal(signal.SIGTERM)  # they come in pairs
            told = ended(process)
            writer.kill()
            writer.wait()
        whole, rest = divmod(file.stat().st_size - len(head_of(size)), size + 40)
        assert rest == 0
        assert told.startswith(f"recorded {whole} messages, ")


def test_recorder_ends_when_the_others_have_gone(name: str, tmp_path: Path) -> None:
    with (
        zinc.Channel.create(name, slot_size=8) as channel,
        recorder(name, tmp_path / "file") as process,
    ):
        channel.send(b"last")
        channel.close()
        assert ended(process).startswith("recorded 1 message, ")
    assert not (SHM / f"zinc_{name}").exists()


def test_recorder_ends_when_another_channel_has_the_name(name: str, tmp_path: Path) -> None:
    with (
        zinc.Channel.create(name, slot_size=8) as channel,
        recorder(name, tmp_path / "file") as process,
    ):
        channel.send(b"last")
        zinc.unlink(name, force=True)
        with zinc.Channel.create(name, slot_size=8) as other, other.reader():
            assert ended(process).startswith("recorded 1 message, ")


def test_player_that_is_killed_leaves_readers_what_it_sent(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(head_of(8) + record_of(1, b"one") + record_of(2, b"two", 1 << 60))
    with (
        started("replay", file, name) as player,
        zinc.Channel.open(name, timeout_ms=60_000) as channel,
        channel.reader(history=1) as reader,
    ):
        assert bytes(reader.recv(60_000).data) == b"one"
        player.kill()
        player.wait()
        channel.send(b"mine")  # its loan and its seat hold nobody up
        assert bytes(reader.recv(0).data) == b"mine"
    assert not (SHM / f"zinc_{name}").exists()


def test_player_begins_when_there_are_readers(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(head_of(8) + record_of(1, b"one"))
    with (
        zinc.Channel.create(name, slot_size=8) as channel,
        channel.reader() as first,
        started("replay", file, name, "--readers", "2") as player,
    ):
        while listed(name)["handles"] < 3:
            assert player.poll() is None
        assert first.try_recv() is None
        with channel.reader() as second:
            for reader in first, second:
                assert bytes(reader.recv(60_000).data) == b"one"
            assert ended(player) == "played 1 message\n"


def test_player_that_is_interrupted_ends_in_order(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(head_of(8) + record_of(1, b"one") + record_of(2, b"two", 1 << 60))
    with zinc.Channel.create(name, slot_size=8) as channel, channel.reader() as reader:
        with started("replay", file, name) as player:
            reader.recv(60_000)
            player.send_signal(signal.SIGTERM)
            assert player.communicate(timeout=60) == ("", "")
            assert player.returncode == 128 + signal.SIGTERM
        assert [seat.role for seat in zinc.examine(name).seats] == ["reads"]


def test_recording_by_way_of_pipes(name: str) -> None:
    """From standard output into standard input, while both go on."""
    with (
        zinc.Channel.create(name, slot_size=8) as channel,
        zinc.Channel.create(f"{name}-copy", slot_size=8) as copy,
        copy.reader() as reader,
    ):
        words = " ".join(COMMAND)
        shell = f"{words} record {name} - -n 3 | {words} replay - {name}-copy"
        with subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", shell],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            until_attached(name, 1)
            for data in b"one", b"two", b"three":
                channel.send(data)
                assert bytes(reader.recv(60_000).data) == data
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "played 3 messages\n")
    assert re.fullmatch(rf"recording {name}\nrecorded 3 messages, \d+ bytes; 0 lost\n", err)
    looped = run("replay", "-", name, "--loop", input="")
    assert looped.returncode == 1


def limit_files_to(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_recorder_whose_disk_is_full_says_so_and_keeps_what_is_whole(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    with zinc.Channel.create(name, slots=64, slot_size=1000) as channel:
        with recorder(name, file, preexec_fn=limit_files_to(5000)) as process:
            for _ in range(10):
                channel.send(bytes(1000))
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err == f"zinc: {file}: File too large; 4 messages were recorded before\n"
        assert file.stat().st_size == len(head_of(1000)) + 4 * 1040
        with started("record", name, "/dev/full") as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        assert err == "zinc: /dev/full: No space left on device\n"
        with channel.reader():
            assert run("replay", file, name, "--speed", "0").stdout == "played 4 messages\n"


GOOD = head_of(8) + record_of(1, b"one") + record_of(2, b"two")
ARRAY = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "it is no recording"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "it is no recording"),
        (b"zincrec2" + GOOD[8:], "it is a recording of another version"),
        (GOOD[:20], "it is no whole recording: it ends in its head"),
        (GOOD[:34], "it is no whole recording: it ends in its head"),
        (GOOD[:9] + b"\1" + GOOD[10:], "it is a damaged recording: the sum of its head is another"),
        (GOOD[:28] + b"\xff" * 4 + GOOD[32:], "it is a damaged recording: no channel has so"),
        (GOOD[:40] + b"\xff" + GOOD[41:], "it is damaged behind its first 0 messages"),
        (head_of(8) + record_of(1, b"x" * 9), "it is damaged behind its first 0 messages"),
        (GOOD[:-1] + b"X", "it is damaged: the sum of message 2 is another"),
        (GOOD + bytes(100), "it is damaged behind its first 2 messages"),
        (head_of(8, about=b"odd"), "it is no recording of a channel"),
        (head_of(8, slots=1 << 31) + bytes(9), "create"),
        (head_of(1 << 62) + bytes(9), "create"),
        (head_of(0), "create"),
    ],
)
def test_files_that_are_no_good_are_refused(
    name: str, tmp_path: Path, data: bytes, told: str
) -> None:
    with pytest.raises((SystemExit, OSError, ValueError), match=re.escape(told)):
        play(data, name, tmp_path)
    assert not (SHM / f"zinc_{name}").exists()


def play(data: bytes, name: str, folder: Path) -> None:
    """Play a file in this process."""
    (folder / "file").write_bytes(data)
    with (folder / "file").open("rb") as source:
        player = recording.Player(source, "file", 0)
        with recording.destined(name, player.head) as channel:
            player.play(channel, None, False)


def test_every_byte_of_a_recording_is_looked_at(name: str, tmp_path: Path) -> None:
    """Whichever changes, no message is sent that was not recorded."""
    with zinc.Channel.create(name, slot_size=8) as channel, channel.reader() as reader:
        for at in range(len(GOOD)):
            damaged = GOOD[:at] + bytes([GOOD[at] ^ 0x10]) + GOOD[at + 1 :]
            with pytest.raises(SystemExit):
                play(damaged, name, tmp_path)
            found = [bytes(message.data) for message in all_of(reader)]
            assert found == [b"one", b"two"][: len(found)]
            assert len(found) < 2


def test_recording_is_played_up_to_its_last_whole_message(name: str, tmp_path: Path) -> None:
    """Wherever it ends."""
    file, ends = tmp_path / "file", [len(head_of(8)), len(head_of(8)) + 43, len(GOOD)]
    with zinc.Channel.create(name, slot_size=8) as channel, channel.reader() as reader:
        for size in range(ends[0], len(GOOD) + 1):
            file.write_bytes(GOOD[:size])
            with file.open("rb") as source:
                player = recording.Player(source, "file", 0)
                player.play(channel, None, False)
            assert player.messages == len([*all_of(reader)]) == sum(e <= size for e in ends[1:])
        file.write_bytes(GOOD[:-1])
        done = run("replay", file, name)
        assert (done.returncode, done.stdout) == (0, "played 1 message\n")
        told = f"{file}: it ends within a message, behind 1 message: its recorder was killed"
        assert done.stderr == f"zinc: {told}\n"
        looped = run("replay", file, name, "--loop", "-n", "3", "--speed", "max")
        assert (looped.returncode, looped.stdout) == (0, "played 3 messages\n")
        assert looped.stderr == done.stderr
        file.write_bytes(GOOD[: ends[0]])
        looped = run("replay", file, name, "--loop")
        assert looped.returncode == 1
        assert "without a message, which can't be played in a loop" in looped.stderr


def test_recording_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    for head, form, told in (
        (head_of(8), {"slot_size": 7}, "takes up to 7 bytes, and the recording has up to 8 bytes"),
        (
            head_of(8),
            {"shape": 2, "dtype": "f4"},
            "takes float32 arrays of (2,), and the recording",
        ),
        (head_of(8, about=ARRAY), {"slot_size": 8}, "has float32 arrays of (2,)"),
        (head_of(8, about=ARRAY), {"shape": 2, "dtype": "i4"}, "takes int32 arrays of (2,), and"),
    ):
        with zinc.Channel.create(name, **form) as channel, channel.reader() as reader:
            with pytest.raises(SystemExit, match=re.escape(told)) as raised:
                play(head + record_of(1, bytes(8)), name, tmp_path)
            assert str(raised.value).startswith(f'zinc: channel "{name}" takes ')
            assert reader.try_recv() is None
    file = tmp_path / "file"
    with zinc.create(name, 8):
        for words in ("replay", file, name), ("record", name, tmp_path / "none"):
            done = run(*words)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1)
            assert f"region {name!r} is no channel" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("record", "nobody-has-this", "x"), 1, 'zinc: open "nobody-has-this": not found'),
        (("replay", "/nowhere/at-all", "x"), 1, "zinc: /nowhere/at-all: No such file"),
        (("replay", "/", "x"), 1, "zinc: /: Is a directory"),
        (("replay", "/dev/null", "x"), 1, "zinc: /dev/null: it is no recording"),
        (("replay", "x", "y", "--speed", "nan"), 2, "--speed"),
        (("replay", "x", "y", "--speed", "-1"), 2, "--speed"),
        (("replay", "x", "y", "--speed", "fast"), 2, "a number from 0, or max"),
        (("replay", "x", "y", "-n", "0"), 2, "--count"),
        (("record", "x"), 2, "FILE"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, arguments: tuple[str, ...], status: int, told: str
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == status
    assert told in done.stderr
    assert status == 2 or done.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_arrays_without_numpy_are_told_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    (tmp_path / "file").write_bytes(head_of(8, about=ARRAY))
    with zinc.Channel.create(name, shape=2, dtype="f4"):
        for words in ("watch", name), ("record", name, "-"), ("replay", tmp_path / "file", name):
            done = run(*words, env={**os.environ, "PYTHONPATH": path})
            assert (done.returncode, done.stderr.count("\n")) == (1, 1)
            assert "no numpy here; arrays take: pip install 'zinc-shm[numpy]'" in done.stderr


def test_standard_streams_that_are_closed_or_full_are_told(name: str) -> None:
    words = " ".join(COMMAND)
    with zinc.Channel.create(name, slot_size=8):
        for line, told in (
            (f"{words} record {name} - >&-", "zinc: standard output is closed\n"),
            (f"{words} record {name} - > /dev/full", "zinc: No space left on device\n"),
            (f"{words} replay - {name} <&-", "zinc: standard input is closed\n"),
        ):
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (1, told)
