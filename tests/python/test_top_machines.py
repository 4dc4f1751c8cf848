"""``zinc top`` of other machines."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from typing import Any

import pytest

import zinc

from .machines import machines
from .test_cli import COMMAND, Terminal

pytest.importorskip("typer")
pytest.importorskip("zenoh")

from zinc.command.machines import Here, read, written

HOLD = """
import sys, threading, zinc
region = zinc.create(sys.argv[1], 1 << 20)
print(flush=True)
while True:
    region.notify()
    threading.Event().wait(0.01)
"""


def test_top_shows_what_other_machines_have() -> None:
    with machines(3) as (first, second, third), contextlib.ExitStack() as stack:
        ends: list[str] = []
        for machine, name in (first, "of-first"), (second, "of-second"):
            told = subprocess.PIPE
            command = [sys.executable, "-c", HOLD, name]
            hold = machine.start(command, stdout=told, text=True)
            tell = [*COMMAND, "top", "--listen", "tcp/0.0.0.0:7448"]
            teller = machine.start(tell, stdout=told, text=True)
            for process in hold, teller:
                stack.callback(process.communicate)
                stack.callback(process.kill)  # goes first
            assert hold.stdout
            assert teller.stdout
            hold.stdout.readline()
            assert teller.stdout.readline() == "told at tcp/0.0.0.0:7448\n"
            ends += "--connect", f"tcp/{machine.address}:7448"
        look = "top", "--interval", "0.2", *ends
        terminal = Terminal(24, 160, {}, look, third.inside(COMMAND))

        def is_live(lines: list[str]) -> bool:
            both = [line for line in lines if "of-first" in line or "of-second" in line]
            return len(both) == 2 and all("\u2588" in line and "1.0 MiB" in line for line in both)

        terminal.until("machine", "of-first", "of-second", "2 regions, ", when=is_live)
        first.cut()
        terminal.until("1 regions, ")
        first.join()
        terminal.until("2 regions, ", when=is_live)
        terminal.quit("q")


def test_what_anybody_may_have_sent_is_a_machine_or_refused(name: str) -> None:
    with zinc.create(name, 8):
        (here,) = Here()()
    data = written(here)
    assert read(data) == here
    line = list(here.lines[0])
    wrongs: list[Any] = [
        None,
        7,
        [],
        ["host"],
        ["host", *range(5), [[]]],
        ["host", *range(5), [line[1:]]],
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError):  # noqa: PT011
            read(json.dumps(wrong).encode())
    line[2] = ["\x1b[2J"] * 8
    (shown,) = read(json.dumps(["\x1b", *range(5), [line]]).encode()).lines
    assert "\x1b" not in "".join(shown.cells)
    chance = random.Random(1)
    for _ in range(2000):
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            read(bytes(broken))
        except ValueError:
            continue
