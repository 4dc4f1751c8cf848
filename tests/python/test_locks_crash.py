"""Locks whose users are killed and stopped wherever they are."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
@pytest.mark.parametrize("how", ["naps", "no naps"])
def test_lock_survives_a_kill_and_a_stop_at_each_instruction(
    compile_c: Callable[..., Path], how: str
) -> None:
    environment = {**os.environ, "LD_BIND_NOW": "1"}
    if how == "no naps":  # what need not be made good by one
        environment["LD_PRELOAD"] = str(compile_c("no_naps", "-shared", "-fPIC"))
    program = [str(compile_c("lock_steps")), how]
    result = subprocess.run(program, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    places = [int(line.split()[1]) for line in result.stdout.splitlines()]
    assert len(places) == (7 if how == "naps" else 5)
    assert min(places) > 5


def test_storm_of_kills_on_one_lock(compile_c: Callable[..., Path]) -> None:
    storm = [str(compile_c("lock_storm")), "3"]
    result = subprocess.run(storm, check=False, capture_output=True, text=True)
    print(result.stdout)
    assert result.returncode == 0, result.stdout
    assert not re.search(r"\b0 (uses|kills|stops|forks|repairs)", result.stdout)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
def test_barrier_lets_all_go_wherever_one_is_stopped(compile_c: Callable[..., Path]) -> None:
    environment = {**os.environ, "LD_BIND_NOW": "1"}
    program = [str(compile_c("barrier_steps"))]
    result = subprocess.run(program, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    steps, there = map(int, result.stdout.split())
    assert 20 < there < steps
