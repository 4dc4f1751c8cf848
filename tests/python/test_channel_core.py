"""Channels as the core has them, from C."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def test_channels_with_kills(name: str, compile_c: Callable[..., Path]) -> None:
    subprocess.run([str(compile_c("channels", "-pthread")), name], check=True)


@pytest.mark.parametrize("count", [100_000, 100_000_000])
def test_held_message_stays_while_others_pass(
    name: str, compile_c: Callable[..., Path], count: int
) -> None:
    program = compile_c("channels", "-pthread")
    subprocess.run([str(program), name, str(count)], check=True)


def test_end_comes_after_the_last_message(name: str, compile_c: Callable[[str], Path]) -> None:
    subprocess.run([str(compile_c("last_message")), name], check=True)


@pytest.mark.parametrize("sizes", ["4 8", "16 4096"])
@pytest.mark.parametrize("policy", ["overwrites", "waits"])
def test_storm_of_kills_tears_loses_and_miscounts_nothing(
    name: str, compile_c: Callable[[str], Path], policy: str, sizes: str
) -> None:
    storm = [str(compile_c("channel_storm")), name, "2", *sizes.split(), policy, "2", "2"]
    subprocess.run(storm, check=True)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
@pytest.mark.parametrize("policy", ["overwrites", "waits"])
def test_others_go_on_wherever_one_is_killed_or_stopped(
    compile_c: Callable[..., Path], policy: str
) -> None:
    program = [str(compile_c("channel_steps")), policy]
    environment = {**os.environ, "LD_BIND_NOW": "1"}
    result = subprocess.run(program, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    places = [int(line.split()[1]) for line in result.stdout.splitlines()]
    assert len(places) == (7 if policy == "overwrites" else 9)
    assert min(places) > 50
