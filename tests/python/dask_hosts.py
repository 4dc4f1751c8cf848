"""A cluster of Dask over several machines, for tests and measurements."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .machines import Machine

PORT = 8786


class Cluster:
    """A scheduler on the first machine, and workers whose names begin with the machine's."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.machines, self.folder = machines, folder
        self.address = f"tcp://{machines[0].address}:{PORT}"
        self.workers: dict[str, subprocess.Popen[Any]] = {}
        options = ("--host", machines[0].address, "--port", str(PORT), "--no-dashboard")
        self.scheduler = self._start(machines[0], "scheduler", "scheduler", *options)

    def _start(self, machine: Machine, name: str, role: str, *options: str) -> Any:
        log = (self.folder / f"{name}.log").open("a")
        command = [sys.executable, "-m", "dask", role, *options, "--preload", "zinc.dask"]
        with log:
            return machine.start(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def worker(self, machine: Machine, number: int, *options: str) -> None:
        """Start a worker, without a nanny: who is killed is gone."""
        name = f"{machine.name}-{number}"
        local = ("--local-directory", str(self.folder / name), "--name", name, "--no-dashboard")
        limits = ("--nthreads", "1", "--memory-limit", "0", "--no-nanny", *options)
        (self.folder / name).mkdir(exist_ok=True)
        self.workers[name] = self._start(machine, name, "worker", self.address, *local, *limits)

    def client(self, machine: Machine, code: str, *arguments: str) -> subprocess.Popen[Any]:
        """Start a client: `client` in its code is one, and `wait(n)` waits for so many workers."""
        options: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        program = self.folder / f"client-{len(list(self.folder.iterdir()))}.py"
        program.write_text(PREAMBLE.format(address=self.address) + code)
        return machine.start([sys.executable, program, *arguments], **options)

    def close(self) -> None:
        """End all of it."""
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()

    def logs(self) -> str:
        """Return what scheduler and workers have said."""
        return "\n".join(path.read_text()[-4000:] for path in sorted(self.folder.glob("*.log")))


PREAMBLE = """
import os, pickle, sys, time
import numpy, zinc, zinc.dask
from distributed import Client, get_worker, wait
client = Client({address!r}, timeout=60)
"""


@contextlib.contextmanager
def cluster(machines: list[Machine], folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Make one, with so many workers on each machine."""
    made = Cluster(machines, folder)
    try:
        for machine in machines:
            for number in range(workers):
                made.worker(machine, number)
        yield made
    finally:
        made.close()
