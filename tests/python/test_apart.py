"""The tests' own /dev/shm: what others have in the machine's is not in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import ROOT, may_unshare

APART = str(ROOT / "tests/apart.py")
NOBODY = str(ROOT / "tests/unprivileged")
SIZE = 8 << 20

LOOK = """
import os, zinc
size, status = os.statvfs("/dev/shm"), os.stat("/dev/shm")
zinc.create("mine", 5000).close()
print(os.geteuid(), os.listdir("/dev/shm"), size.f_blocks * size.f_frsize, oct(status.st_mode))
"""


def look(*prefix: str) -> tuple[str, str]:
    """Run LOOK apart, on what is a machine with a stranger's file; return what it prints."""
    mount = f"mount -t tmpfs -o size={SIZE} machine /dev/shm && touch /dev/shm/zinc_stranger"
    inside = ("sh", "-c", f'{mount} && exec "$@"', "sh")
    done = subprocess.run(
        ["unshare", "--mount", *inside, *prefix, sys.executable, APART, sys.executable, "-c", LOOK],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@may_unshare
def test_names_of_others_are_not_seen() -> None:
    assert look() == (f"0 [] {SIZE} 0o41777\n", "")


@may_unshare
def test_names_of_others_are_not_seen_by_an_ordinary_user() -> None:
    seen, told = look(NOBODY)
    if told:  # not every system lets him have a user namespace
        pytest.skip(told)
    assert seen == f"65534 [] {SIZE} 0o41777\n"


@may_unshare
def test_who_may_not_is_told_and_goes_on() -> None:
    seen, told = look("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    assert seen == f"0 ['zinc_stranger'] {SIZE} 0o41777\n"
    assert told.startswith("no /dev/shm of its own, so in the machine's: ")
