"""The command and queues, and what `zinc.examine` tells of them: nothing is taken from any."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zinc
from zinc import _zinc

from .conftest import whole_folder

pytest.importorskip("typer", reason="the command's libraries are not here")

from zinc.command import inspection, lines

from .test_cli import COMMAND, Terminal, answer, listed, run
from .test_cli_channels import line_in_ls, line_of, python, row_of, row_of_info

# Takes an item for each line that it reads, and is at work on all of them.
WORKER = (
    "import sys, zinc; q = zinc.Queue.open(sys.argv[1]); held = []\n"
    "for line in sys.stdin: held.append(q.recv()); print(held[-1].number, flush=True)"
)
WRITER = (
    "import sys, time, zinc; q = zinc.Queue.open(sys.argv[1])\n"
    "while 1: q.put(None); time.sleep(float(sys.argv[2]))"
)
WORKS_ON = "import sys, zinc\nfor _ in zinc.Queue.open(sys.argv[1]): pass"


def take(worker: subprocess.Popen[str], count: int = 1) -> None:
    """Let a worker take so many items."""
    assert worker.stdin
    worker.stdin.write("\n" * count)
    worker.stdin.flush()
    for _ in range(count):
        assert line_of(worker)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end


def seen(name: str) -> zinc.QueueInfo:
    found = zinc.examine(name)
    assert found.channel is None
    assert found.queue
    return found.queue


def counts(name: str) -> tuple[int, int, int]:
    found = seen(name)
    return found.waiting, found.at_work, found.left


# ---- examine


@pytest.mark.parametrize("redeliver", [True, False])
def test_examine_tells_of_a_queue_and_of_who_was_killed(name: str, redeliver: bool) -> None:
    """Before anybody has come upon the dead, and when somebody has."""
    with zinc.Queue(5, name=name, slot_size=100, redeliver=redeliver) as queue:
        found = seen(name)
        assert (found.maxsize, found.slot_size, found.redeliver) == (5, 100, redeliver)
        assert (found.newest, found.is_shutdown) == (0, False)
        assert (found.writers, found.workers, counts(name)) == ([], [], (0, 0, 0))
        for number in range(5):
            queue.put(number)
        with python(WORKER, name) as one, python(WORKER, name) as other:
            take(one, 2)
            take(other)
            found = seen(name)
            assert (found.newest, counts(name)) == (5, (2, 3, 0))
            (writer,) = found.writers
            assert (writer.pid, writer.alive, writer.waiting_since) == (os.getpid(), True, None)
            by_pid = {worker.pid: worker for worker in found.workers}
            told = {pid: (worker.at_work, worker.first) for pid, worker in by_pid.items()}
            assert told == {one.pid: (2, 1), other.pid: (1, 3)}
            assert all(0 < time.time() - worker.since < 60 for worker in found.workers)
            kill(one)
            assert counts(name) == (2, 1, 2)
            (dead,) = (worker for worker in seen(name).workers if not worker.alive)
            assert (dead.pid, dead.at_work, dead.first) == (one.pid, 2, 1)
            assert counts(name) == (2, 1, 2)  # nobody was moved
            assert seen(name).workers == queue.workers
            with pytest.raises(TimeoutError):
                queue.join(timeout_ms=0)  # who waits comes upon the dead
            assert counts(name) == (2, 1, 2 if redeliver else 0)
            message = queue.recv()
            assert message.redelivered == redeliver
            assert counts(name) == ((2, 2, 1) if redeliver else (1, 2, 0))
            message.give_back()
            assert counts(name) == ((2, 1, 2) if redeliver else (1, 1, 0))
            queue.shutdown()
            assert seen(name).is_shutdown


def test_examine_attaches_to_no_queue(name: str) -> None:
    queue = zinc.Queue(5, name=name)
    queue.put(1)
    before = inspection.examine(name)
    for _ in range(10):
        assert counts(name) == (1, 0, 0)
    after = inspection.examine(name)
    assert (after.sequence, after.seats, after.queue) == (
        *(before.sequence, before.seats, before.queue),
    )
    child = os.fork()
    if child == 0:
        seen(name)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    queue.close()
    with pytest.raises(FileNotFoundError):
        zinc.examine(name)


def test_examine_while_a_queue_is_worked_on(name: str) -> None:
    """Each look tells what can be, and those that are killed meanwhile are among it."""
    with (
        zinc.Queue(8, name=name, slot_size=64) as queue,
        python(WRITER, name, "0"),
        python(WORKS_ON, name) as one,
        python(WORKS_ON, name) as other,
    ):
        until(lambda: seen(name).newest > 100)
        for look in range(300):
            if look == 150:
                kill(one)
            found = seen(name)
            # A look is of no single moment: what moves meanwhile may be told twice.
            assert 0 <= found.waiting <= 2 * queue.maxsize
            assert 0 <= found.at_work <= 4
            assert 0 <= found.left <= 4
            assert found.newest >= queue.maxsize
            assert {worker.pid for worker in found.workers} <= {one.pid, other.pid}


def test_channels_and_regions_are_no_queues(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8):
        found = zinc.examine(name)
        assert found.queue is None
        assert found.channel
        with pytest.raises(zinc.NotARegionError, match="not a queue"):
            _zinc.examine_queue_name(name)
    with zinc.create(name, 8):
        assert zinc.examine(name).queue is None
        with pytest.raises(zinc.NotARegionError):
            _zinc.examine_queue_name(name)
    with pytest.raises(FileNotFoundError):
        _zinc.examine_queue_name(name)


# ---- ls, info and top


def test_ls_and_info_tell_what_is_going_on_in_a_queue(name: str) -> None:
    with zinc.Queue(5, name=name, slot_size=100) as queue:
        assert " queue 100 bytes, 0 of 5 wait, nobody works " in line_in_ls(name)
        text = run("info", name).stdout
        assert row_of(text, "writers") == ["nobody writes"]
        assert row_of(text, "workers") == ["nobody works"]
        for number in range(5):
            queue.put(number)
        with python(WORKER, name) as one, python(WORKER, name) as other:
            take(one, 2)
            take(other)
            told = listed(name)
            assert (told["contents"], told["channel"]) == ("queue 100 bytes", None)
            found = told["queue"]
            assert [one["pid"] for one in found.pop("writers")] == [os.getpid()]
            (busy,) = (user for user in found.pop("workers") if user["pid"] == one.pid)
            assert busy.pop("since") <= time.time()
            assert busy == {"pid": one.pid, "alive": True, "at_work": 2, "first": 1}
            assert found == {
                **{"maxsize": 5, "slot_size": 100, "redeliver": True, "newest": 5},
                **{"waiting": 2, "at_work": 3, "left": 0, "is_shutdown": False},
            }
            assert " queue 100 bytes, 2 of 5 wait, 3 at work " in line_in_ls(name)
            text = run("info", name).stdout
            assert row_of(text, "queue") == [
                "5 items, at most, in slots of 100 bytes; those of a killed worker go to others"
            ]
            assert row_of(text, "items") == ["5, 0 per s; 2 of 5 wait, 3 at work"]
            (writer,) = row_of(text, "writers")
            assert re.fullmatch(rf"{os.getpid()} .*, since 20\d\d-.*", writer)
            workers = row_of(text, "workers")
            for process, at_work in (one, "2, from item 1 on"), (other, "1, from item 3 on"):
                (line,) = (line for line in workers if line.startswith(f"{process.pid} "))
                assert re.fullmatch(
                    rf"\d+ python\S* -c, since 20\d\d-.*: at work on {at_work}", line
                )
            kill(one)
            assert " 2 of 5 wait, 2 LEFT, 1 at work " in line_in_ls(name)
            (line,) = (x for x in row_of_info(name, "workers") if x.startswith(f"{one.pid},"))
            assert re.fullmatch(
                r"\d+, was killed, since .*: was at work on 2, from item 1 on", line
            )
            kill(other)
            queue.shutdown()
            assert " 2 of 5 wait, 3 LEFT, nobody works, shut down " in line_in_ls(name)


def test_items_that_nobody_gets_any_more_are_told_as_lost(name: str) -> None:
    with zinc.Queue(5, name=name, slot_size=8, redeliver=False) as queue:
        queue.send(b"x")
        with python(WORKER, name) as worker:
            take(worker)
            kill(worker)
        assert " queue 8 bytes, 0 of 5 wait, 1 LOST, nobody works " in line_in_ls(name)
        (told,) = row_of_info(name, "queue")
        assert told.endswith("; those of a killed worker are lost")
        with pytest.raises(TimeoutError):
            queue.recv(0)
        assert " queue 8 bytes, 0 of 5 wait, 0 at work " in line_in_ls(name)


def test_who_waits_for_room_strikes_the_eye(name: str) -> None:
    with (
        zinc.Queue(2, name=name, slot_size=100) as queue,
        python(WORKER, name) as worker,
        python(WRITER, name, "0") as writer,
    ):
        take(worker)
        until(lambda: inspection.examine(name).is_stuck)
        assert lines.style(inspection.examine(name)) == "bold yellow"
        (found,) = seen(name).writers
        assert found.pid == writer.pid
        assert found.waiting_since
        assert found.since <= found.waiting_since <= time.time()
        told = rf"{writer.pid} python\S* -c WAITS \d+s"
        assert re.search(rf" queue 100 bytes, {told}, 2 of 2 wait, 1 at work ", line_in_ls(name))
        (line,) = row_of_info(name, "writers")
        assert re.fullmatch(told, line)
        # And not when somebody works.
        thread = threading.Thread(target=lambda: [None for _ in queue])
        thread.start()
        until(lambda: not inspection.examine(name).is_stuck)
        queue.shutdown()
        kill(worker)
        thread.join()


def test_rate_of_a_queue_is_items_a_second(name: str) -> None:
    with (
        zinc.Queue(1000, name=name, slot_size=64),
        python(WORKS_ON, name),
        python(WRITER, name, "0.001"),
    ):
        until(lambda: seen(name).newest)
        assert 0 < listed(name)["message_rate"] < 1001 * 1.5
        assert 0 < answer("info", name, "--json")["message_rate"] < 1001 * 1.5
        (line,) = row_of_info(name, "items")
        assert re.match(r"[\d,]+, [1-9]\d* per s; [\d,]+ of 1,000 wait, [01] at work", line)


@whole_folder
def test_top_tells_what_is_going_on_in_a_queue(name: str) -> None:
    with zinc.Queue(8, name=name, slot_size=8) as queue, python(WORKER, name) as worker:
        queue.send(b"x")
        take(worker)

        def fill() -> None:
            if not queue.full():
                queue.send(b"x")

        terminal = Terminal(24, 200, {})
        terminal.until(f"{name} ", "queue 8 bytes, 8 of 8 wait, 1 at work", meanwhile=fill)
        kill(worker)
        terminal.until("8 of 8 wait, 1 LEFT, nobody works", meanwhile=lambda: None)
        terminal.quit("q")


def test_ls_says_what_calls_and_large_objects_leave_beside(name: str) -> None:
    server = "import sys, zinc\nzinc.serve(sys.argv[1], lambda: sys.stdin.readline())"
    with python(server, name) as process, zinc.connect(name, timeout_ms=60_000) as client:
        thread = threading.Thread(target=client.call)
        thread.start()
        until(lambda: counts(name)[1])
        (replies,) = (
            found
            for found in answer("ls", "reply-*", "--json")
            if found["creator_pid"] == os.getpid()
        )
        assert replies["contents"].startswith("queue of replies, ")
        assert " 0 of 64 wait, 1 at work " in line_in_ls(name)
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        thread.join()
        client.shutdown()
        assert process.wait(timeout=60) == 0
    with zinc.Queue(8, name=name, slot_size=100) as queue:
        queue.put(bytes(300_000))
        (beside,) = (
            found
            for found in answer("ls", "object-*", "--json")
            if found["creator_pid"] == os.getpid()
        )
        assert (beside["kind"], beside["contents"]) == (9, "object")
        assert queue.get() == bytes(300_000)


# ---- what would take items, or write over them


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("watch", "{name}"), "to read an item would take it from who works; zinc info {name}"),
        (("record", "{name}", "file"), "to read an item would take it from who works; zinc info"),
        (("replay", "recording", "{name}"), "is no channel, but a queue"),
        (("put", "{name}", "as-large"), "is of kind queue: zinc put would overwrite"),
        (("put", "{name}", "recording"), "is of kind queue: zinc put would overwrite"),
    ],
)
def test_commands_leave_items_where_they_are(
    name: str, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel:
        words = [*COMMAND, "record", name, str(tmp_path / "recording"), "-n", "1"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as recorder:
            assert line_of(recorder)
            channel.send(b"x")
            recorder.communicate(timeout=60)
    with zinc.Queue(5, name=name) as queue:
        queue.put("item")
        (tmp_path / "as-large").write_bytes(bytes(zinc.examine(name).capacity))
        done = run(*(word.format(name=name) for word in arguments), cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert told.format(name=name) in done.stderr
        assert not (tmp_path / "file").exists()
        assert counts(name) == (1, 0, 0)
        assert seen(name).workers == []
        assert queue.get() == "item"


def test_put_leaves_locks_and_channels_as_they_are(name: str, tmp_path: Path) -> None:
    kinds: list[tuple[str, Callable[[], Any]]] = [
        ("lock", lambda: zinc.Lock(name)),
        ("channel", lambda: zinc.Channel.create(name, slot_size=8)),
    ]
    for kind, create in kinds:
        kept = create()
        (tmp_path / "file").write_bytes(bytes(zinc.examine(name).capacity))
        done = run("put", name, tmp_path / "file")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert f"is of kind {kind}: zinc put would overwrite" in done.stderr
        kept.close()
