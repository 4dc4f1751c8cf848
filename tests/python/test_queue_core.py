"""Queues as the core has them, from C."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

TIMES = pytest.mark.parametrize("times", ["least", "most"])


def test_queues_with_kills(name: str, compile_c: Callable[..., Path]) -> None:
    subprocess.run([str(compile_c("queues", "-pthread")), name], check=True)


@TIMES
@pytest.mark.parametrize("sizes", ["4 8", "16 4096"])
def test_storm_of_kills_loses_doubles_and_blocks_nothing(
    name: str, compile_c: Callable[[str], Path], times: str, sizes: str
) -> None:
    storm = [str(compile_c("queue_storm")), name, "2", *sizes.split(), times, "2", "3"]
    subprocess.run(storm, check=True)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
@TIMES
def test_others_go_on_wherever_one_is_killed_or_stopped(
    compile_c: Callable[..., Path], times: str
) -> None:
    program = [str(compile_c("queue_steps")), times]
    environment = {**os.environ, "LD_BIND_NOW": "1"}
    result = subprocess.run(program, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    places = [int(line.split()[1]) for line in result.stdout.splitlines()]
    assert len(places) == 10
    assert min(places) > 20
