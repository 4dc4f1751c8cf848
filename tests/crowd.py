"""Notifiers and waiters, killed anywhere, and whether each waiter hears the last word.

    LD_PRELOAD=… python tests/crowd.py ROUNDS [SEED]

To be run with no_naps.c preloaded: no sleep ends by itself, so a wake-up that is lost makes
this hang. In each round the notifiers are killed in the midst of it; then single notifications
have to reach every waiter. Prints notifications and kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

import zinc

NOTIFIERS, WAITERS, NOTIFICATIONS, WORDS = 3, 4, 100, 10


def main(rounds: int, seed: int) -> None:
    generator = random.Random(seed)
    region = zinc.SharedRegion.anonymous(1)
    heard = zinc.SharedRegion.anonymous(4 * WAITERS).as_buffer().cast("I")

    def wait(which: int) -> None:
        sequence = heard[which]
        while region.wait(None, after=sequence):
            heard[which] = sequence = region.sequence

    def notify(which: int) -> None:
        while region.notify():
            for _ in range(which * generator.randrange(1000)):  # one of them never pauses
                pass

    def start(what: Callable[[int], None], which: int) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                what(which)
            finally:
                os._exit(1)
        return pid

    def end(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status), "somebody ended by himself"

    waiting = [start(wait, i) for i in range(WAITERS)]
    kills = 0
    for _ in range(rounds):
        speaking = [start(notify, i) for i in range(NOTIFIERS)]
        goal = region.sequence + generator.randrange(NOTIFICATIONS)
        while (region.sequence - goal) % (1 << 32) >= 1 << 31:
            time.sleep(0)
        for pid in speaking:
            end(pid)
        if generator.random() < 0.2:
            which = generator.randrange(WAITERS)
            end(waiting[which])
            waiting[which] = start(wait, which)
            kills += 1
        for _ in range(WORDS):
            last = region.notify()
            while any(one != last for one in heard):
                time.sleep(0)
        kills += NOTIFIERS
    for pid in waiting:
        end(pid)
    print(f"{region.sequence:,} notifications, {kills:,} kills, seed {seed}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else time.time_ns())
