"""Regions for the members of a group: who may open one, and who may make one."""

from __future__ import annotations

import grp
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

import zinc

from .conftest import ROOT, SHM, may_unshare

GROUP = 61234
MEMBER = 65532
OTHER = 65531


def as_user(number: int, groups: tuple[int, ...], code: str) -> None:
    """Run Python as another user, who is of these groups."""
    result = subprocess.run(
        [str(ROOT / "tests/unprivileged"), sys.executable, "-c", f"import zinc\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AS_USER": str(number), "AS_GROUPS": ",".join(map(str, groups))},
    )
    assert (result.returncode, result.stderr) == (0, "")


def facts(name: str) -> tuple[int, int]:
    """Return the group and the permissions of a region's file."""
    status = (SHM / f"zinc_{name}").stat()
    return status.st_gid, status.st_mode & 0o7777


MAKERS: dict[str, Callable[[str, int, int | str], object]] = {
    "create": lambda name, mode, group: zinc.create(name, 8, mode=mode, group=group),
    "replace": lambda name, mode, group: zinc.create(
        name, 8, mode=mode, group=group, exist="replace"
    ),
    "open_or_create": lambda name, mode, group: zinc.open_or_create(
        name, 8, mode=mode, group=group
    ),
    "array": lambda name, mode, group: zinc.array(name, 8, "u1", mode=mode, group=group),
    "array that may exist": lambda name, mode, group: zinc.array(
        name, 8, "u1", mode=mode, group=group, exist="open"
    ),
    "share": lambda name, mode, group: zinc.share(
        numpy.zeros(8, "u1"), name, mode=mode, group=group
    ),
}


@may_unshare
@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("maker", MAKERS)
def test_members_may_and_others_may_not(name: str, maker: str, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = MAKERS[maker](name, 0o660, GROUP)
    finally:
        os.umask(before)
    assert facts(name) == (GROUP, 0o660)
    member = f"""
try: zinc.open("{name}"); raise SystemExit("no any_user")
except PermissionError: pass
with zinc.open("{name}", any_user=True) as region:
    region.as_buffer()[0] = 7
    region.notify()
"""
    as_user(MEMBER, (GROUP,), member)
    other = f"""
for readonly in False, True:
    try: zinc.open("{name}", any_user=True, readonly=readonly); raise SystemExit("opened")
    except PermissionError: pass
"""
    as_user(OTHER, (), other)
    with zinc.open(name) as region:
        assert region.as_buffer()[0] == 7
    del made


@may_unshare
def test_members_that_may_only_read_do_not_write(name: str) -> None:
    with zinc.create(name, 8, mode=0o640, group=GROUP) as region:
        region.as_buffer()[0] = 7
        code = f"""
try: zinc.open("{name}", any_user=True); raise SystemExit("opened for writing")
except PermissionError: pass
with zinc.open("{name}", any_user=True, readonly=True) as region:
    assert region.as_buffer()[0] == 7
"""
        as_user(MEMBER, (GROUP,), code)


@may_unshare
def test_only_a_member_makes_a_region_for_a_group(name: str) -> None:
    code = f"""
import os, stat
with zinc.create("{name}", 8, mode=0o660, group={GROUP}):
    found = os.stat("/dev/shm/zinc_{name}")
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == ({GROUP}, 0o660)
"""
    as_user(MEMBER, (GROUP,), code)
    code = f"""
import os
for make in zinc.create, zinc.open_or_create:
    try: make("{name}", 8, mode=0o660, group={GROUP})
    except PermissionError as error: assert "not of group {GROUP}" in str(error), error
    else: raise SystemExit("created")
    assert not os.path.exists("/dev/shm/zinc_{name}")
    assert not [f for f in os.listdir("/proc/self/fd") if "zinc" in os.path.realpath(f"/proc/self/fd/{{f}}")]
try: zinc.array(None, 8, mode=0o660, group={GROUP}); raise SystemExit("made")
except PermissionError: pass
"""
    as_user(OTHER, (), code)


@may_unshare
def test_group_that_a_user_namespace_does_not_know(name: str) -> None:
    code = f"import zinc; zinc.create({name!r}, 8, mode=0o660, group={GROUP})"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ValueError")
    assert f"group {GROUP} has no number in this user namespace" in last
    assert not (SHM / f"zinc_{name}").exists()


def test_own_group_by_name_and_by_number(name: str) -> None:
    own = grp.getgrgid(os.getegid())
    for group in own.gr_name, own.gr_gid:
        with zinc.create(name, 8, mode=0o660, group=group):
            assert facts(name) == (own.gr_gid, 0o660)


def test_what_exists_keeps_its_group(name: str) -> None:
    with zinc.create(name, 8) as region:
        before = facts(name)
        with zinc.open_or_create(name, 8, mode=0o660, group=os.getegid()) as same:
            assert same.id == region.id
            assert facts(name) == before


@pytest.mark.parametrize("maker", MAKERS)
def test_group_that_gets_nothing_is_refused(name: str, maker: str) -> None:
    for mode in 0o600, 0o606:
        with pytest.raises(ValueError, match="gives the group nothing: use 0660"):
            MAKERS[maker](name, mode, os.getegid())
    assert not (SHM / f"zinc_{name}").exists()


@pytest.mark.parametrize("maker", MAKERS)
def test_group_that_the_system_does_not_have(name: str, maker: str) -> None:
    with pytest.raises(ValueError, match="no group 'nobody-is-called-so'"):
        MAKERS[maker](name, 0o660, "nobody-is-called-so")


@pytest.mark.parametrize("bad", [-1, (1 << 32) - 1, 1 << 32, 1 << 70])
def test_impossible_numbers_of_groups(name: str, bad: int) -> None:
    with pytest.raises(ValueError, match="group"):
        zinc.create(name, 8, mode=0o660, group=bad)
    with pytest.raises(TypeError):
        zinc.create(name, 8, mode=0o660, group=1.5)  # type: ignore[arg-type]
    assert not Path(SHM / f"zinc_{name}").exists()


def test_names_of_groups_cost_nothing_who_has_none(name: str) -> None:
    code = f"import sys, zinc; zinc.create({name!r}, 8, mode=0o660, group=__import__('os').getegid()); assert 'grp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
