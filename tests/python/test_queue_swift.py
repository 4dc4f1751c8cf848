"""Queues in Swift: processes that share work, and are killed at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zinc

from .test_channel_swift import compiled

Start = Callable[[str], Any]

USE = """
import Zinc

func use(_ worker: borrowing SharedQueue.Worker) throws -> Int {
  guard let task = try worker.take() else { return 0 }
  BODY
}
"""
MISUSES = {
    "task.giveBack(); try task.done(); return 0": "'task' used after consume",
    "task.giveBack(); task.giveBack(); return 0": "'task' consumed more than once",
    "let other = task; return Int(other.tag + task.tag)": "'task' used after consume",
    "let bytes = task.bytes; task.giveBack(); return bytes.byteCount": "'task' cannot be",
}


def test_each_message_is_done_by_one_of_the_workers(name: str, peer: Start) -> None:
    queue = peer(f"queue {name} 3")
    assert queue.place == 3
    assert [queue.ask(f"put {tag} text") for tag in (7, 8, 9, 10)] == [1, 2, 3, -1]
    one, other = peer(f"worker {name}"), peer(f"worker {name}")
    first = {"number": 1, "tag": 7, "text": "text", "redelivered": 0}
    assert one.ask("take 1000") == first
    assert other.ask("take 1000")["number"] == 2
    assert (one.ask("back"), other.ask("done")) == (1, 1)
    assert other.ask("take 1000") == first | {"redelivered": 1}
    assert other.ask("back") == 1
    assert one.ask("take 1000")["number"] in {1, 3}
    assert one.ask("done") == 1
    assert one.ask("take 1000")["number"] in {1, 3}
    assert (one.ask("done"), one.ask("take 0")) == (1, None)
    assert (queue.ask("close"), queue.ask("join")) == (1, 1)
    assert (one.ask("take 10000"), other.ask("take 10000")) == (None, None)


def test_killed_swift_workers_messages_go_to_others(name: str, peer: Start) -> None:
    queue, other = peer(f"queue {name} 4"), peer(f"worker {name}")
    for number in range(1, 8):
        worker = peer(f"worker {name}")
        assert queue.ask(f"put {number} text") == number
        assert worker.ask("take 10000")["redelivered"] == 0
        worker.process.kill()
        worker.process.wait()
        message = other.ask("take 10000")
        assert (message["number"], message["redelivered"]) == (number, 1)
        assert other.ask("done") == 1
    assert queue.ask("join") == 1


@pytest.mark.parametrize("body", MISUSES)
def test_misuse_of_a_task_does_not_compile(tmp_path: Path, programs: Path, body: str) -> None:
    done = compiled(tmp_path, programs, body, USE)
    assert done.returncode != 0
    assert MISUSES[body] in done.stderr


def test_use_of_a_task_compiles(tmp_path: Path, programs: Path) -> None:
    body = "let bytes = task.bytes; try task.done(); return bytes.byteCount"
    done = compiled(tmp_path, programs, body, USE)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_and_swift_share_work(name: str, peer: Start) -> None:
    queue = peer(f"queue {name} 3")
    worker = peer(f"worker {name}")
    with zinc.Queue.open(name) as other:
        assert other.maxsize == 3
        other.send(b"python", tag=1)
        assert worker.ask("take 10000") == {
            "number": 1,
            "tag": 1,
            "text": "python",
            "redelivered": 0,
        }
        assert worker.ask("done") == 1
        assert queue.ask("put 2 swift") == 2
        with other.recv(timeout_ms=10_000) as message:
            assert (message.number, message.tag, bytes(message.data)) == (2, 2, b"swift")
        assert queue.ask("put 3 again") == 3
        assert worker.ask("take 10000")["number"] == 3
        worker.process.kill()
        worker.process.wait()
        with other.recv(timeout_ms=10_000) as message:
            assert (bytes(message.data), message.redelivered) == (b"again", 1)
        assert queue.ask("join") == 1
