"""Seats, locks and their family as the core has them, from C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path


def test_locks_and_their_family_with_kills(name: str, compile_c: Callable[[str], Path]) -> None:
    subprocess.run([str(compile_c("primitives")), name], check=True)
