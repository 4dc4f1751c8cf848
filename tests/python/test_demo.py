"""``zinc demo``: that it shows what it says, and leaves nothing, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

import zinc

from .conftest import SHM
from .test_cli import Terminal

pytest.importorskip("rich")
pytest.importorskip("typer")

# Its story, at such a pace.
SHORT = "import sys, zinc.command.demo as it; it.STEP = 0.3; it.demo(*map(float, sys.argv[1:]))"


def left(pid: int) -> list[str]:
    return [file.name for file in SHM.glob(f"zinc_demo-*-{pid}")]


def test_demo_tells_its_story_and_leaves_nothing() -> None:
    shown = subprocess.Popen([sys.executable, "-c", SHORT, "9"], stdout=subprocess.PIPE, text=True)
    output, _ = shown.communicate()
    assert shown.returncode == 0
    assert "nothing is copied" in output
    assert "was killed" in output
    job = re.search(r"Worker 1 was killed as it was at job (\d+)\.", output)
    assert job is None or f"Job {job[1]} went to worker 2" in output
    end = re.search(r"([\d,]+) frames, (\d+) seen torn; ([\d,]+) jobs, (\d+) lost; (\d+)", output)
    assert end
    assert end[1] != "0" != end[3]
    assert (end[2], end[4]) == ("0", "0")
    assert int(end[5]) >= 1
    assert left(shown.pid) == []


# Ctrl-C comes as it begins a process again.
EARLY = """
import signal
from multiprocessing.context import SpawnProcess
begun, begin = [], SpawnProcess.start
def start(process):
    begun.append(process)
    if len(begun) == 7:
        signal.raise_signal(signal.SIGINT)
    begin(process)
SpawnProcess.start = start
"""


def test_demo_that_a_signal_ends_as_it_begins_a_process() -> None:
    code = f"{EARLY}\n{SHORT}"
    shown = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    output, _ = shown.communicate()
    assert shown.returncode == 0
    assert " seen torn; " in output
    assert left(shown.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_demo_that_a_signal_ends_leaves_nothing(number: signal.Signals) -> None:
    shown = subprocess.Popen([sys.executable, "-c", SHORT], stdout=subprocess.PIPE, text=True)
    assert shown.stdout
    while "killed" not in shown.stdout.readline():
        assert shown.poll() is None
    children = psutil.Process(shown.pid).children(recursive=True)
    assert len(left(shown.pid)) == 3
    os.kill(shown.pid, number)
    output, _ = shown.communicate()
    killed = number == signal.SIGKILL
    status = {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}
    assert shown.returncode == status[number]
    assert (" seen torn; " in output) == (number == signal.SIGINT)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    if killed:
        zinc.reclaim()
    assert left(shown.pid) == []


def test_demo_in_a_terminal() -> None:
    terminal = Terminal(30, 80, {}, ("demo",))
    lines = terminal.until("camera", "fast viewer", "slow viewer", "worker 2", "zinc top shows")
    assert re.match(r"process +pid +a second +in all +missed +torn +after +killed", lines[0])
    terminal.until("was killed")
    terminal.quit("\x03")
    assert left(terminal.child.pid) == []
