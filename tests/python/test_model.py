"""The notification protocol, searched by spin: it holds, and with anything weaker it does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT

MODEL = ROOT / "tests/model/notification.pml"

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")


def holds(folder: Path, *definitions: str) -> bool:
    """Search the model with these definitions in full: is no assertion violated?"""
    spin = ["spin", "-a", *(f"-D{one}" for one in definitions), str(MODEL)]
    subprocess.run(spin, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    compiler = ["cc", "-O1", "-w", "-DSAFETY", "-DMEMLIM=8000", "-o", "pan", "pan.c"]
    subprocess.run(compiler, cwd=folder, check=True)
    search = [str(folder / "pan"), "-E", "-m100000"]
    result = subprocess.run(search, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "Search not completed" not in result or "assertion violated" in result, result
    assert "max search depth too small" not in result
    return "errors: 0" in result


ONE_OF_EACH = ("NOTIFIERS=1", "WAITERS=1", "DATA=1", "ROUNDS=3")
TWO_ROUNDS = ("NOTIFIERS=2", "WAITERS=1", "ROUNDS=2")


@pytest.mark.parametrize(
    "configuration",
    [
        ONE_OF_EACH,
        TWO_ROUNDS,
        ("NOTIFIERS=1", "WAITERS=2", "ROUNDS=2"),
        ("NOTIFIERS=1", "WAITERS=1", "ROUNDS=2", "DATA=1", "KILLS=1"),
        ("NOTIFIERS=2", "WAITERS=2", "KILLS=1"),
    ],
    ids=" ".join,
)
def test_protocol_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, *configuration)


@pytest.mark.parametrize(
    "weaker",
    [
        "N2_ORDER=1",
        "N3_ORDER=1",
        "N5_ORDER=0",
        "W1_ORDER=0",
        "W2_ORDER=1",
        "W3_ORDER=1",
        "ANSWER_WHAT_CAME_AFTER",
        "SWAP_N2_N3",
        "SWAP_N4_N5",
        "SWAP_W2_W3",
    ],
)
def test_nothing_weaker_holds(tmp_path: Path, weaker: str) -> None:
    assert not all(holds(tmp_path, weaker, *which) for which in (ONE_OF_EACH, TWO_ROUNDS))
