"""Several machines in one: each has its own network, processes and /dev/shm.

    with machines(3) as (first, second, third):
        server = first.start([sys.executable, "-c", SERVER])
        third.cut()  # its link to the others, as if a cable were pulled
        third.join()

They share the kernel, so the boot id, and the files on disk. All that they have goes with the
processes that keep them, which die with this one: nothing is left after a failure or a kill.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("ip", "unshare", "nsenter", "setpriv")

# Keeps namespaces until its input ends; --kill-child takes all that is in them along.
KEEP = ("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", "--pid")
NETWORK = (*KEEP, "--net", "sh", "-c", "echo ready; exec cat")
MACHINE = (
    *(*KEEP, "--net", "--uts", "--ipc", "--mount", "--propagation", "private", "--mount-proc"),
    *(
        "sh",
        "-c",
        'hostname "$0" && mount -t tmpfs -o mode=1777 "$0" /dev/shm && echo ready; exec cat',
    ),
)


class _Keeper:
    """A process that keeps namespaces."""

    def __init__(self, *command: str) -> None:
        self.pid, self.told = 0, ""
        pipes: Any = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        self.process = subprocess.Popen(command, text=True, **pipes)
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            self.close()
            pytest.skip(f"no machines here: {self.told}")
        self.pid = child_of(self.process)

    def close(self) -> None:
        """End all that is in the namespaces, and return when it is gone."""
        if self.process.poll() is None and self.pid:
            os.kill(self.pid, signal.SIGKILL)
        if self.process.stdout and not self.process.stdout.closed:
            self.told = self.process.communicate()[1].strip()


class Machine:
    """One of `machines`."""

    def __init__(self, number: int, keeper: _Keeper, switch: _Keeper) -> None:
        self.name, self.address = f"machine-{number}", f"10.77.0.{number}"
        self._port, self._keeper, self._switch = f"port{number}", keeper, switch
        peer = ("peer", "name", "eth0", "netns", str(keeper.pid))
        _ip(switch.pid, "link", "add", self._port, "type", "veth", *peer)
        _ip(switch.pid, "link", "set", self._port, "master", "switch", "up")
        _ip(self._keeper.pid, "link", "set", "lo", "up")
        _ip(self._keeper.pid, "address", "add", f"{self.address}/24", "dev", "eth0")
        _ip(self._keeper.pid, "link", "set", "eth0", "up")
        _ip(self._keeper.pid, "route", "add", "default", "dev", "eth0")  # multicast, too

    def start(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a command there, with the options of Popen.

        Killing what this returns kills the command. Any other signal has to go to `child_of` it.
        """
        return subprocess.Popen(self.inside(command), **options)

    def run(
        self, command: Sequence[str | Path], **options: Any
    ) -> subprocess.CompletedProcess[Any]:
        """Run a command there, with the options of subprocess.run."""
        return subprocess.run(self.inside(command), check=False, **options)

    def inside(self, command: Sequence[str | Path]) -> list[str | Path]:
        enter = ("nsenter", "--target", str(self._keeper.pid), "--net", "--uts", "--ipc", "--mount")
        return [
            *enter,
            "--pid",
            f"--wdns={os.getcwd()}",
            "setpriv",
            "--pdeathsig",
            "KILL",
            *command,
        ]

    def shared_memory(self) -> set[str]:
        """Return the names in its /dev/shm."""
        return set(os.listdir(f"/proc/{self._keeper.pid}/root/dev/shm"))

    def cut(self) -> None:
        """Cut its link to the others: what either side sends is lost, and no connection is told."""
        _ip(self._switch.pid, "link", "set", self._port, "down")

    def join(self) -> None:
        """Join its link again."""
        _ip(self._switch.pid, "link", "set", self._port, "up")

    def close(self) -> None:
        """End it at once, with all its processes, as if its power failed: nobody is told."""
        if self._keeper.process.poll() is None:
            self.cut()
        self._keeper.close()


def child_of(process: subprocess.Popen[Any]) -> int:
    """Return the process that unshare or nsenter has started in the namespaces, as seen from here."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (pids := children.read_text().split()):
        assert process.poll() is None, process.args
    return int(pids[0])


def _ip(pid: int, *arguments: str) -> None:
    subprocess.run(["nsenter", "--target", str(pid), "--net", "ip", *arguments], check=True)


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Make so many machines with a network between them; skip the test where that can't be."""
    if os.geteuid() != 0:
        pytest.skip("no machines here: that needs root")
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"no machines here: there is no {', '.join(missing)}")
    with contextlib.ExitStack() as stack:
        switch = _Keeper(*NETWORK)
        stack.callback(switch.close)
        _ip(switch.pid, "link", "add", "switch", "type", "bridge", "mcast_snooping", "0")
        _ip(switch.pid, "link", "set", "switch", "up")
        made = []
        for number in range(1, count + 1):
            keeper = _Keeper(*MACHINE, f"machine-{number}")
            stack.callback(keeper.close)
            made.append(Machine(number, keeper, switch))
        yield made
