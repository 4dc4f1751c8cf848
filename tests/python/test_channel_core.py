"""Channels as the core has them, from C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def test_channels_with_kills(name: str, compile_c: Callable[[str], Path]) -> None:
    subprocess.run([str(compile_c("channels")), name], check=True, timeout=60)


@pytest.mark.parametrize("sizes", ["4 8", "16 4096"])
@pytest.mark.parametrize("policy", ["overwrites", "waits"])
def test_storm_of_kills_tears_loses_and_miscounts_nothing(
    name: str, compile_c: Callable[[str], Path], policy: str, sizes: str
) -> None:
    storm = [str(compile_c("channel_storm")), name, "2", *sizes.split(), policy, "2", "2"]
    subprocess.run(storm, check=True, timeout=60)
