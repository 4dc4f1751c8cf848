"""A number and two balances that many change, one of whom is killed at it: counter.py [TIMES]."""

import multiprocessing
import os
import signal
import sys

import zinc

# Two balances, whose sum never changes; how they were; whether they are being changed; moves.
ledger = zinc.array("ledger", 6, "i8")
balances, before, is_moving = ledger[:2], ledger[2:4], ledger[4:5]
moves = ledger.region.atomic(5 * 8)  # a number of which no change is lost needs no lock


def repair(lock: zinc.Lock) -> None:
    """Undo what is half done. Called with the lock held, if its holder was killed."""
    if is_moving[0]:
        balances[:] = before
        is_moving[0] = 0


lock = ledger.region.lock(repair=repair)  # each region has one beside its data


def move(times: int, dies: bool) -> None:
    for _ in range(times):
        with lock:
            before[:] = balances
            is_moving[0] = 1  # from here on, what is written down counts
            balances[0] -= 1
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)  # as when memory is short
            balances[1] += 1
            is_moving[0] = 0
        moves.add(1)


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    movers = [
        multiprocessing.get_context("fork").Process(target=move, args=(times, dies))
        for dies in (False, False, True)
    ]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    with lock:
        print(f"{moves.load()} moves, balances {balances.tolist()}")
