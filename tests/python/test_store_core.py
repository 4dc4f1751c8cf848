"""Stores as the core has them, from C."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import may_unshare


def test_stores_with_kills(name: str, compile_c: Callable[..., Path]) -> None:
    subprocess.run([str(compile_c("stores", "-pthread")), name], check=True)


@may_unshare
def test_full_folder_is_an_error(name: str, compile_c: Callable[..., Path]) -> None:
    mount = 'mount -t tmpfs -o size=4m none /dev/shm && exec "$0" "$1" full'
    inside = ["unshare", "--mount", "sh", "-c", mount, str(compile_c("stores", "-pthread")), name]
    subprocess.run(inside, check=True)


@pytest.mark.parametrize(
    "how",
    [
        "4 100000 128 evict attended",
        "100 30000 256 wait attended",
        "3 1048576 1024 error attended",
        "100 1 64 evict alone",
    ],
)
def test_storm_of_kills_tears_loses_and_leaves_nothing(
    name: str, compile_c: Callable[..., Path], how: str
) -> None:
    storm = [str(compile_c("store_storm", "-pthread")), name, "2", *how.split(), "5"]
    subprocess.run(storm, check=True)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
def test_others_go_on_wherever_one_is_killed_or_stopped(compile_c: Callable[..., Path]) -> None:
    program = [str(compile_c("store_steps")), "0"]
    environment = {**os.environ, "LD_BIND_NOW": "1"}
    result = subprocess.run(program, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    places = [int(line.split()[1]) for line in result.stdout.splitlines()]
    assert len(places) == 17
    assert min(places) >= 10
