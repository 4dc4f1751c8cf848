"""What the library does where a file that is being made has a name: see czinc/portable.h."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import zinc

from .conftest import IS_PORTABLE, NEW, SHM, whole_folder

pytestmark = pytest.mark.skipif(not IS_PORTABLE, reason="for `make test-portable`")

# Too much for the limit of a file: it fails after it has begun.
FAIL = "import sys, zinc; zinc.create(sys.argv[1], 1 << 20)"


def new() -> list[str]:
    return [name for name in os.listdir(SHM) if name.startswith(NEW)]


def leave(name: str) -> None:
    """Have a file begun whose maker is killed as it would give it its name."""
    inject = "inject=renameat2:signal=SIGKILL"
    command = [sys.executable, "-c", FAIL, name]
    done = subprocess.run(["strace", "-qq", "-o", os.devnull, "-e", inject, *command], check=False)
    assert done.returncode == -signal.SIGKILL


def test_library_asks_for_nothing_that_linux_alone_has() -> None:
    symbols = subprocess.run(
        ["nm", "--dynamic", zinc.get_library()], check=True, capture_output=True, text=True
    ).stdout
    assert " U ftruncate@" in symbols
    assert "linkat" not in symbols


@whole_folder
@pytest.mark.needs("strace")
@pytest.mark.parametrize("call", ["zinc.create('NAME', 8).close()", "zinc.reclaim()"])
def test_what_a_killed_maker_left_is_removed(name: str, call: str) -> None:
    leave(name)
    assert len(new()) == 1
    code = f"import zinc; {call.replace('NAME', name)}"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert new() == []
    assert not (SHM / f"zinc_{name}").exists()


@whole_folder
@pytest.mark.needs("strace")
def test_what_is_being_made_stays(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    inject = ["-e", "trace=renameat2", "-e", "inject=renameat2:delay_enter=1s"]
    command = [sys.executable, "-c", FAIL + "; print(1)", name]
    maker = subprocess.Popen(
        ["strace", "-qq", "-o", str(log), *inject, *command], stdout=subprocess.PIPE
    )
    while not new():
        assert maker.poll() is None
    while maker.poll() is None and new():
        zinc.reclaim()
    assert maker.communicate()[0] == b"1\n"


@whole_folder
def test_create_that_fails_leaves_nothing(name: str) -> None:
    limited = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (4096, 4096)); "
    done = subprocess.run(
        [sys.executable, "-c", limited + FAIL, name], capture_output=True, text=True, check=False
    )
    assert "do not fit" in done.stderr
    with zinc.create(name, 8), pytest.raises(FileExistsError):
        zinc.create(name, 8)
    assert new() == []
