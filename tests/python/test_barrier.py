"""Barriers that are reset, broken and released while somebody does not look."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

import zinc

# Stopped at the barrier, for what happens meanwhile.
PARTY = """
import sys, threading, zinc
barrier = zinc.Barrier(sys.argv[1], 2)
try:
    print("passed", barrier.wait())
except threading.BrokenBarrierError:
    print("broken")
"""

MEANWHILE: dict[str, tuple[list[Callable[[zinc.Barrier], object]], str]] = {
    "reset": ([zinc.Barrier.reset], "broken"),
    "reset twice": ([zinc.Barrier.reset] * 2, "broken"),
    "broken and reset twice": ([zinc.Barrier.abort, *[zinc.Barrier.reset] * 2], "broken"),
    "reset often": ([zinc.Barrier.reset] * 100, "broken"),
    "met and reset": ([zinc.Barrier.wait, zinc.Barrier.reset], "passed 0"),
    "met, and broken": ([zinc.Barrier.wait, zinc.Barrier.abort], "passed 0"),
    "met, and reset often": ([zinc.Barrier.wait, *[zinc.Barrier.reset] * 30], "passed 0"),
}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_stopped_one_learns_how_its_own_phase_ended(name: str, meanwhile: str) -> None:
    barrier = zinc.Barrier(name, 2)
    steps, outcome = MEANWHILE[meanwhile]
    party = subprocess.Popen([sys.executable, "-c", PARTY, name], stdout=subprocess.PIPE, text=True)
    while barrier.n_waiting < 1:
        time.sleep(0.001)
    party.send_signal(signal.SIGSTOP)
    for step in steps:
        step(barrier)
    party.send_signal(signal.SIGCONT)
    assert party.communicate(timeout=60)[0].strip() == outcome
    assert party.returncode == 0


def test_action_that_fails_breaks_no_later_phase(name: str) -> None:
    def action() -> None:
        barrier.reset()
        raise ZeroDivisionError

    barrier = zinc.Barrier(name, 1, action)
    with pytest.raises(ZeroDivisionError):
        barrier.wait()
    assert not barrier.broken
