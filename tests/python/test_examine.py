"""Regions as they look from outside: their names, and what each is, to whoever may read it."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

import zinc
from zinc import _zinc

from .conftest import SHM

UNCHANGED_BY_LAYOUT = {
    *("name", "state", "layout", "memory", "persistent"),
    *("owner", "mode", "device", "inode"),
}


def test_examine_tells_what_a_region_is(name: str) -> None:
    before = time.time()
    with zinc.create(name, 5000, mode=0o640, metadata=b"mine", kind=1000) as region:
        region.notify()
        region.notify()
        info = zinc.examine(name)
        status = os.stat(SHM / f"zinc_{name}")
        assert before - 1 <= info.created_at <= time.time() + 1
        assert info == zinc.RegionInfo(
            name=name,
            state="attached",
            layout=int(zinc.build_info()["layout"]),
            capacity=5000,
            memory=region.used,
            persistent=False,
            wakes_always=True,  # the group may only read
            kind=1000,
            metadata=b"mine",
            sequence=2,
            parked=0,
            woken=0,
            id=region.id,
            created_at=info.created_at,
            creator_pid=os.getpid(),
            owner=os.geteuid(),
            mode=0o640,
            device=status.st_dev,
            inode=status.st_ino,
            data_offset=mmap.PAGESIZE,
            seats=[],
            lock=zinc.LockInfo("free", 0, 0),
            channel=None,
            queue=None,
        )
        assert region.try_wait()  # nothing has been taken from who waits
        with pytest.raises(dataclasses.FrozenInstanceError):
            info.capacity = 1  # type: ignore[misc]
    with pytest.raises(FileNotFoundError, match=f'examine "{name}"'):
        zinc.examine(name)


def test_examine_tells_who_lives_and_leaves_the_dead(name: str) -> None:
    with zinc.create(name, 8, persistent=True):
        info = zinc.examine(name)
        assert (info.state, info.persistent, info.wakes_always) == ("attached", True, False)
    assert zinc.examine(name).state == "unattached"
    zinc.unlink(name)
    code = f"import os, zinc; r = zinc.create({name!r}, 8); os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert zinc.examine(name).state == "dead"
    assert zinc.examine(name).state == "dead"  # the look has removed nothing
    assert name in zinc.regions()
    with pytest.raises(FileNotFoundError):
        zinc.open(name)  # which does
    assert name not in zinc.regions()


def test_examine_tells_of_another_layout_what_all_have_in_common(name: str) -> None:
    zinc.create(name, 5000, persistent=True, metadata=b"m", kind=7).close()
    path = SHM / f"zinc_{name}"
    with path.open("r+b") as file:
        file.seek(8)
        file.write((zinc.examine(name).layout + 1).to_bytes(2, "little"))
    info = dataclasses.asdict(zinc.examine(name))
    common = {field: info.pop(field) for field in UNCHANGED_BY_LAYOUT}
    assert common["layout"] == int(zinc.build_info()["layout"]) + 1
    assert (common["state"], common["persistent"], common["mode"]) == ("unattached", True, 0o600)
    assert common["memory"] == 3 * mmap.PAGESIZE
    assert not any(info.values())
    path.unlink()


def test_regions_are_all_that_is_called_like_one(name: str) -> None:
    junk = SHM / f"zinc_{name}-b"
    with zinc.create(f"{name}-c", 8), zinc.create(f"{name}-a", 8), zinc.SharedRegion.anonymous(8):
        junk.write_bytes(b"no region")
        found = [other for other in zinc.regions() if other.startswith(name)]
        assert found == [f"{name}-a", f"{name}-b", f"{name}-c"]
        with pytest.raises(zinc.NotARegionError, match=f'examine "{name}-b"'):
            zinc.examine(f"{name}-b")
        junk.unlink()
    assert not [other for other in zinc.regions() if other.startswith(name)]


def test_names_that_cannot_be() -> None:
    wrong: Any
    for wrong in "", "a/b", "a\0b", "n" * 251:
        with pytest.raises(ValueError, match="name"):
            zinc.examine(wrong)
    for wrong in None, b"bytes", 7:
        with pytest.raises(TypeError):
            zinc.examine(wrong)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_read_a_region_is_told(name: str) -> None:
    with zinc.create(name, 8):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                assert name in zinc.regions()
                with pytest.raises(PermissionError, match=f'examine "{name}"'):
                    zinc.examine(name)
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_import_of_zinc_does_not_import_what_examines() -> None:
    code = "import sys, zinc; assert not {'zinc._outside', 'zinc._seats', 'dataclasses'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"regions", "examine", "RegionInfo"} <= {*dir(zinc)}
    assert zinc.regions() == sorted(_zinc.names())
