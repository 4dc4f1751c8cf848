"""Stores as the core has them, from C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path


def test_stores_with_kills(name: str, compile_c: Callable[..., Path]) -> None:
    subprocess.run([str(compile_c("stores")), name], check=True, timeout=60)
