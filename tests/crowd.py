"""Notifiers and waiters, killed anywhere, and whether each waiter hears the last word.

    LD_PRELOAD=… python tests/crowd.py ROUNDS [SEED]

Some wait for one region, some for news from either of two, and some for news from both. To be
run with no_naps.c preloaded: no sleep ends by itself, so a wake-up that is lost makes this hang.
In each round the notifiers are killed in the midst of it; then single notifications have to reach
every waiter. Prints notifications and kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

import zinc

NOTIFIERS, NOTIFICATIONS, WORDS = 3, 100, 10
WAITERS = "one", "one", "any", "any", "all", "all"


def main(rounds: int, seed: int) -> None:
    generator = random.Random(seed)
    regions = [zinc.SharedRegion.anonymous(1) for _ in range(2)]
    region, other = regions
    # What each waiter has found in the two, the last time that it was woken.
    heard = zinc.SharedRegion.anonymous(8 * len(WAITERS)).as_buffer().cast("I")

    def wait(which: int) -> None:
        # Of its own, and with nothing seen.
        own = [zinc.SharedRegion.from_fd(one.descriptor()) for one in regions]
        sequence = 0
        while (
            own[0].wait(None, after=sequence)
            if WAITERS[which] == "one"
            else zinc.wait_any(own, None)
            if WAITERS[which] == "any"
            else zinc.wait_all(own, None)
        ):
            heard[2 * which] = sequence = own[0].sequence
            heard[2 * which + 1] = own[1].sequence

    def has_heard(which: int) -> bool:
        news = [heard[2 * which + i] != regions[i].sequence for i in range(2)]
        # Who waits for both may have been told of the first while the second was still to come.
        return not {"one": news[0], "any": any(news), "all": all(news)}[WAITERS[which]]

    def notify(which: int) -> None:
        while region.notify() and other.notify():
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

    waiting = [start(wait, i) for i in range(len(WAITERS))]
    kills = 0
    for _ in range(rounds):
        speaking = [start(notify, i) for i in range(NOTIFIERS)]
        goal = region.sequence + generator.randrange(NOTIFICATIONS)
        while (region.sequence - goal) % (1 << 32) >= 1 << 31:
            time.sleep(0)
        for pid in speaking:
            end(pid)
        if generator.random() < 0.2:
            which = generator.randrange(len(WAITERS))
            end(waiting[which])
            waiting[which] = start(wait, which)
            kills += 1
        for _ in range(WORDS):
            for one in regions:
                one.notify()
            while not all(map(has_heard, range(len(WAITERS)))):
                time.sleep(0)
        kills += NOTIFIERS
    for pid in waiting:
        end(pid)
    print(f"{region.sequence + other.sequence:,} notifications, {kills:,} kills, seed {seed}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else time.time_ns())
