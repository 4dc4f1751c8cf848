"""The machines that tests make have nothing in common that two real ones have not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .machines import Machine, child_of, machines

HOLD = "import zinc; region = zinc.create('here', 1); print(zinc.regions(), flush=True); input()"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 7000), 0.5).recv(1)"
SERVE = """
import socket
with socket.create_server(("", 7000)) as server:
    print(flush=True)
    while True:
        server.accept()[0].sendall(b"x")
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def line(process: subprocess.Popen[Any]) -> Any:
    assert process.stdout
    return process.stdout.readline()


def reaches(machine: Machine, other: Machine) -> bool:
    done = machine.run(python(CONNECT, other.address), capture_output=True, text=True)
    assert done.returncode == 0 or "TimeoutError" in done.stderr or "No route" in done.stderr
    return done.returncode == 0


def test_each_has_its_memory_and_its_processes() -> None:
    with machines(2) as both:
        before = os.stat("/dev/shm").st_dev
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        holders = [machine.start(python(HOLD), **pipes) for machine in both]
        assert [line(holder) for holder in holders] == ["['here']\n"] * 2
        assert [machine.shared_memory() for machine in both] == [{"zinc_here"}] * 2
        stat = ("stat", "-c", "%d", "/dev/shm")
        devices = {int(machine.run(stat, capture_output=True).stdout) for machine in both}
        assert len(devices | {before}) == 3
        ends = [
            machine.run(["sh", "-c", "ls -d /proc/[0-9]*"], capture_output=True) for machine in both
        ]
        assert all(len(end.stdout.split()) < 10 for end in ends)
        os.kill(child_of(holders[0]), signal.SIGTERM)
        holders[1].kill()
        for holder in holders:
            holder.communicate()
        names = [machine.run(["hostname"], capture_output=True).stdout for machine in both]
        assert names == [b"machine-1\n", b"machine-2\n"]


def test_a_link_is_cut_and_joined() -> None:
    with machines(3) as (first, second, third):
        server = first.start(python(SERVE), stdout=subprocess.PIPE)
        assert line(server) == b"\n"
        assert reaches(second, first)
        third.cut()
        assert not reaches(third, first)
        assert reaches(second, first)
        third.join()
        while not reaches(third, first):
            pass
        first.close()
        server.communicate()
        assert server.returncode != 0
        assert not reaches(second, first)


def test_nothing_is_left() -> None:
    with machines(1) as (machine,):
        process = machine.start(["sleep", "1000"])
        inside = child_of(process)
    assert process.wait() != 0
    assert not Path(f"/proc/{inside}").exists()
