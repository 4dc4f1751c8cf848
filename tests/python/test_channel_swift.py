"""Channels between Swift and Python: each reads what the other sends, and survives it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

import zinc

ROOT = Path(__file__).parents[2]
Start = Callable[[str], Any]

USE = """
import Zinc

func use(
  _ channel: borrowing SharedChannel, _ reader: borrowing SharedChannel.Reader
) throws -> Int {
  var loan = try channel.loan()
  guard let message = try reader.receive() else { return 0 }
  BODY
}
"""
MISUSES = {
    "try loan.publish(); return loan.length": "'loan' used after consume",
    "loan.discard(); return try Int(loan.publish())": "'loan' consumed more than once",
    "let bytes = loan.mutableBytes; try loan.publish(); return bytes.byteCount": "to 'loan'",
    "let other = loan; return other.length + loan.length": "'loan' used after consume",
    "message.release(); return Int(message.tag)": "'message' used after consume",
    "let bytes = message.bytes; message.release(); return bytes.byteCount": "'message' cannot be",
}


def test_python_sends_and_swift_reads(name: str, peer: Start) -> None:
    with zinc.Channel.create(name, slots=2, slot_size=20) as channel:
        assert channel.send(b"before", tag=1) == 1
        reader = peer(f"reader {name} 1")
        assert reader.place == 1
        assert reader.ask("receive 0") == {"number": 1, "tag": 1, "text": "before"}
        assert reader.ask("receive 0") is None
        for number in range(2, 7):
            channel.send(b"after", tag=number)
        assert reader.ask("receive 1000") == {"number": 6, "tag": 6, "text": "after"}
        assert reader.ask("lost") == 4


def test_swift_sends_and_python_reads(name: str, peer: Start) -> None:
    with zinc.Channel.create(name, slots=2, slot_size=20, full="wait") as channel:
        reader = channel.reader()
        writer = peer(f"channel {name}")
        assert writer.place == 2
        assert writer.ask("loan later") == 5
        assert writer.ask("send 3 first") == 1
        assert writer.ask("publish") == 2
        assert writer.ask("send 3 full") == -1
        messages = reader.recv_many(3)
        assert [(m.number, m.tag, bytes(m.data)) for m in messages] == [
            (1, 3, b"first"),
            (2, 7, b"later"),
        ]
        assert messages[0].time <= messages[1].time
        assert writer.ask("send 4 more") == 3


@pytest.mark.parametrize("full", ["overwrite", "wait"])
def test_killed_swift_reader_holds_nobody_up(
    name: str, peer: Start, full: Literal["overwrite", "wait"]
) -> None:
    with zinc.Channel.create(name, slots=2, slot_size=20, full=full, readers=1) as channel:
        for _ in range(5):
            reader = peer(f"reader {name} 0")
            number = channel.send(b"held", timeout_ms=10_000)
            assert reader.ask("receive 10000")["number"] == number
            reader.process.kill()
            reader.process.wait()
            for _ in range(10):
                channel.send(b"others", timeout_ms=10_000)


def test_killed_swift_writer_takes_no_slot_along(name: str, peer: Start) -> None:
    with zinc.Channel.create(name, slots=2, slot_size=20, writers=2, readers=1) as channel:
        reader = channel.reader()
        for number in range(1, 31):
            writer = peer(f"channel {name}")
            assert writer.ask("loan unpublished") == 11
            writer.process.kill()
            writer.process.wait()
            assert channel.send(b"others") == number
            assert bytes(reader.recv(timeout_ms=0).data) == b"others"


def compiled(
    folder: Path, programs: Path, body: str, use: str = USE
) -> subprocess.CompletedProcess[str]:
    source = folder / "use.swift"
    source.write_text(use.replace("BODY", body))
    modules = ["-I", str(programs / "Modules"), "-I", str(ROOT / "Sources/CZinc/include")]
    command = ["swiftc", "-parse-as-library", "-emit-sil", "-o", "/dev/null", str(source), *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("body", MISUSES)
def test_misuse_does_not_compile(tmp_path: Path, programs: Path, body: str) -> None:
    done = compiled(tmp_path, programs, body)
    assert done.returncode != 0
    assert MISUSES[body] in done.stderr


def test_use_compiles(tmp_path: Path, programs: Path) -> None:
    body = """
      do { var bytes = loan.mutableBytes; bytes.storeBytes(of: 1, as: UInt8.self) }
      try loan.publish()
      return message.bytes.byteCount
    """
    done = compiled(tmp_path, programs, body)
    assert (done.returncode, done.stderr) == (0, "")
