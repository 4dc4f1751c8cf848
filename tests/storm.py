"""Several processes at random operations on a few names, while a killer shoots at them.

    python tests/storm.py SECONDS [SEED]

What must hold: as long as a worker is attached to a region, its name leads to it, nobody
can create it anew, and its bytes stay what their creator wrote; every operation ends;
and when all is over none of the names is left in /dev/shm. Prints operations, kills and what was
lost, and exits with 1 if anything was.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import zinc

WORKERS = 4
NAMES = [f"storm-{os.getpid()}-{i}" for i in range(3)]
CAPACITIES = [1, 4096, 10_000]
SLOWEST = 60.0  # seconds without an operation are a hang: a watchdog


def place(name: str) -> Path:
    return Path(f"/dev/shm/zinc_{name}")


class BrokenRuleError(Exception):
    """A rule did not hold."""


class Worker:
    """One process of the storm; `counts` are its operations, in memory that outlives it."""

    def __init__(self, seed: int, counts: np.ndarray) -> None:
        self.random = random.Random(seed)
        self.counts = counts
        self.held: dict[str, zinc.SharedRegion] = {}

    def run(self) -> None:
        """Do one after the other until somebody ends this process."""
        operations = [self.attach, self.attach, self.close, self.check, self.check, self.notify]
        while True:
            self.random.choice(
                [*operations, self.fork] if self.counts[0] % 50 == 0 else operations
            )()
            self.counts[0] += 1

    def attach(self) -> None:
        name = self.random.choice(NAMES)
        capacity = CAPACITIES[NAMES.index(name)]
        if name in self.held:
            try:
                zinc.create(name, capacity)
            except FileExistsError:
                return
            raise BrokenRuleError(f"{name} was created a second time")
        how = self.random.randrange(3)
        try:
            if how == 0:
                region = zinc.create(name, capacity)
                if bytes(region.as_buffer()) != bytes(capacity):
                    raise BrokenRuleError(f"{name} was not zeroed")
                self.fill(region)
            elif how == 1:
                region = zinc.open(name)
            else:
                region = zinc.open_or_create(name, capacity)
        except (FileExistsError, FileNotFoundError):
            return
        self.held[name] = region

    def fill(self, region: zinc.SharedRegion) -> None:
        array = region.as_numpy()
        stamp = self.random.randrange(1, 256)
        array[1:] = stamp
        array[0] = stamp  # says that the rest is there

    def some_held(self) -> Iterator[tuple[str, zinc.SharedRegion]]:
        if self.held:
            name = self.random.choice(list(self.held))
            yield name, self.held[name]

    def check(self) -> None:
        for name, region in self.some_held():
            array = region.as_numpy()
            stamp = array[0]  # 0 until its creator is ready, at any moment
            if stamp and not (array == stamp).all():
                raise BrokenRuleError(f"{name} has other bytes than its creator wrote")
            with zinc.open(name) as found:
                if stamp and found.as_numpy()[0] != stamp:
                    raise BrokenRuleError(f"{name} leads to another region")

    def notify(self) -> None:
        for _, region in self.some_held():
            region.notify()
            region.wait(0)

    def close(self) -> None:
        for name, _ in self.some_held():
            self.held.pop(name).close()

    def fork(self) -> None:
        """Fork a child that inherits all, uses it, and closes it or just ends."""
        if os.fork() == 0:
            try:
                self.check()
                if self.random.random() < 0.5:
                    self.close()
            except BaseException:
                self.counts[1] += 1
                os._exit(1)
            os._exit(0)
        os.wait()


def start(seed: int, counts: np.ndarray) -> int:
    """Start a worker; it inherits nothing that is locked."""
    pid = os.fork()
    if pid == 0:
        try:
            Worker(seed, counts).run()
        except BaseException as error:
            counts[1] += 1
            print(f"storm, seed {seed}: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    return pid


def storm(seconds: float, seed: int) -> bool:
    """Run it; return whether all held."""
    generator = random.Random(seed)
    board = zinc.SharedRegion.anonymous(WORKERS * 16)
    counts = board.as_numpy("i8", (WORKERS, 2))
    pids = [start(generator.randrange(1 << 30), counts[i]) for i in range(WORKERS)]
    progress = [(time.monotonic(), 0)] * WORKERS
    kills = hangs = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and not counts[:, 1].any() and not hangs:
        time.sleep(generator.expovariate(1 / 0.005))
        victim = generator.randrange(WORKERS)
        os.kill(pids[victim], signal.SIGKILL)
        os.waitpid(pids[victim], 0)
        kills += 1
        pids[victim] = start(generator.randrange(1 << 30), counts[victim])
        now = time.monotonic()
        for i, (since, done) in enumerate(progress):
            if counts[i, 0] != done:
                progress[i] = (now, int(counts[i, 0]))
            hangs += now - since > SLOWEST
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    end = time.monotonic() + SLOWEST
    while True:  # orphaned children of theirs close and end by themselves
        zinc.reclaim()
        left = [name for name in NAMES if place(name).exists()]
        if not left or time.monotonic() > end:
            break
    lost = int(counts[:, 1].sum()) + hangs + len(left)
    print(
        f"{int(counts[:, 0].sum()):,} operations, {kills:,} kills, seed {seed}: "
        f"{int(counts[:, 1].sum())} rules broken, {hangs} hangs, {len(left)} names left"
    )
    return lost == 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    held = storm(float(arguments[0]), int(arguments[1]) if arguments[1:] else time.time_ns())
    sys.exit(0 if held else 1)
