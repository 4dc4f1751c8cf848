"""Runs points in processes of their own, and outlives whatever they do."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fnmatch
import functools
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import zinc

from . import machine
from .method import Settings
from .results import Result, Run
from .suites import SUITES

# Longer than any point takes: against hangs.
WATCHDOG = 1200


@dataclasses.dataclass(frozen=True)
class Job:
    """A point of a suite, and who contends."""

    suite: str
    point: str
    contenders: tuple[str, ...]


def jobs(suites: Sequence[str], rows: Sequence[str], settings: Settings) -> Iterator[Job]:
    """Return what is to be run: of these suites, the rows that one of the patterns fits.

    A row is ``suite/point/contender``. With it run the contenders whose name begins with
    zinc, which it is compared with.
    """
    for name in suites:
        for point in SUITES[name].points(settings.quick):
            chosen = [
                contender
                for contender in point.contenders
                if not rows
                or any(fnmatch.fnmatch(f"{name}/{point.name}/{contender}", row) for row in rows)
            ]
            if chosen:
                ours = [c for c in point.contenders if c.startswith("zinc") and c not in chosen]
                with_ours = {*chosen, *ours}
                contenders = tuple(c for c in point.contenders if c in with_ours)
                yield Job(name, point.name, contenders)


def run(chosen: Sequence[Job], settings: Settings, tell: Callable[[Job, str], None]) -> Run:
    """Run jobs one after the other. `tell` learns what is measured now."""
    results = []
    for job in chosen:
        tell(job, "")
        results += run_one(job, settings, functools.partial(tell, job))
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Run(date, machine.facts(), dataclasses.asdict(settings), results)


def run_one(job: Job, settings: Settings, tell: Callable[[str], None]) -> list[Result]:
    """Run a job; a contender that has no result gets one that says why."""
    order = {**dataclasses.asdict(job), "settings": dataclasses.asdict(settings)}
    environment = {
        **os.environ,
        "GRPC_VERBOSITY": "NONE",
        "OPENBLAS_NUM_THREADS": "1",  # whose threads a fork would lose
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "zinc.bench.worker", json.dumps(order)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # it has children
    ) as worker:
        watchdog = threading.Timer(WATCHDOG, kill, [worker])
        watchdog.start()
        said: list[str] = []
        listener = threading.Thread(target=listen, args=(worker.stderr, tell, said))
        listener.start()
        try:
            assert worker.stdout
            results = [Result(**json.loads(line)) for line in worker.stdout]
            worker.wait()
        finally:
            is_late = not watchdog.is_alive()
            watchdog.cancel()
            kill(worker)
            worker.wait()
            listener.join()
            clear_away(worker.pid)
    if worker.returncode != 0:
        last = said[-1] if said else f"exit status {worker.returncode}"
        why = f"took longer than {WATCHDOG} s" if is_late else f"failed: {last}"
        told = {result.contender for result in results}
        results += [
            Result(job.suite, job.point, name, "", skipped=why)
            for name in job.contenders
            if name not in told
        ]
    return results


def listen(stream: Any, tell: Callable[[str], None], said: list[str]) -> None:
    """Pass on what a worker says that it does; keep the rest."""
    for line in stream:
        if line.startswith("now "):
            tell(line[4:].strip())
        elif line.strip():
            said.append(line.strip())


def kill(worker: subprocess.Popen[str]) -> None:
    """End a worker and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


def clear_away(pid: int) -> None:
    """Remove what a worker that failed, or that leaves things behind, has left."""
    for path in glob.glob(f"/dev/shm/*zinc-bench-{pid}*") + glob.glob(
        f"{tempfile.gettempdir()}/zinc-bench-{pid}*"
    ):
        name = os.path.basename(path)
        with contextlib.suppress(OSError):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            elif name.startswith("zinc_"):
                zinc.unlink(name.removeprefix("zinc_"), force=True)
            else:
                os.unlink(path)
