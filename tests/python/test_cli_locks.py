"""The command and locks: who holds them, who died with them, and commands that run under them."""

from __future__ import annotations

import os
import re
import time

import pytest

import zinc

from .bare_lock import RECOVER, BareLock, holding

pytest.importorskip("typer", reason="the command's libraries are not here")

from zinc.command import inspection, lines

from .test_cli import answer, listed, run


def line_of(name: str) -> str:
    (line,) = (line for line in run("ls").stdout.splitlines() if line.startswith(f"{name} "))
    return line


def test_ls_and_info_tell_who_holds_a_lock(name: str) -> None:
    before = time.time()
    with holding(name) as process:
        told = listed(name)
        assert (told["kind"], told["contents"]) == (3, "lock")
        assert told["lock"] == {"state": "held", "pid": process.pid, "since": told["lock"]["since"]}
        assert before - 0.1 <= told["lock"]["since"] <= time.time()
        (seat,) = told["seats"]
        assert seat == {
            **{"number": 0, "role": "locks", "pid": process.pid, "alive": True},
            "since": seat["since"],
        }
        assert answer("info", name, "--json")["seats"] == [seat]
        who = f"{process.pid} bare_lock.py"
        assert re.search(rf" lock, held by {who}, \d+s ", line_of(name))
        text = run("info", name).stdout
        assert re.search(rf"^lock +held by {who}, \d+s$", text, re.MULTILINE)
        assert re.search(rf"^seats +0: locks, {who}, since 20\d\d-", text, re.MULTILINE)
        process.communicate("")
    lock = BareLock(name)
    assert " lock, free " in line_of(name)
    text = run("info", name).stdout
    assert re.search(r"^lock +free$", text, re.MULTILINE)
    assert re.search(r"^seats +nobody sits there$", text, re.MULTILINE)
    lock.close()


def test_a_lock_whose_holder_died_strikes_the_eye(name: str) -> None:
    with holding(name) as process:
        lock = BareLock(name)
        process.kill()
    text = run("info", name).stdout
    assert f" lock, ABANDONED: {process.pid} died with it, " in line_of(name)
    assert f"0: locks, {process.pid}, was killed, since" in text
    region = inspection.examine(name)
    assert "red" in lines.style(region)
    assert lock.acquire(RECOVER) == 1
    assert f" lock, being repaired by {os.getpid()} " in line_of(name)
    lock.release()
    assert lines.style(inspection.examine(name)) == ""
    lock.close()


def test_a_region_tells_of_its_lock_once_somebody_has_it(name: str) -> None:
    with zinc.create(name, 8), zinc.create(f"{name}-s", 8, kind=6):
        lock = BareLock(name, of_region=True)
        assert "lock" not in line_of(name)
        lock.acquire()
        assert f" bytes, lock held by {os.getpid()} " in line_of(name)
        assert " semaphore  " in line_of(f"{name}-s")
        lock.release()
        lock.close()
