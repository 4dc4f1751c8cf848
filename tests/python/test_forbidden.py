"""Systems that forbid a call, as hardened services, sandboxes and old kernels do."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from zinc import _zinc

from .conftest import SHM, only_linux

pytestmark = pytest.mark.needs("strace")


def run_without(
    tmp_path: Path, fault: str, code: str, *arguments: str, strace: Sequence[str] = ()
) -> str:
    """Run Python where a call fails as strace's `inject` says; return what it prints."""
    injecting = ["-f", "-qq", "-o", str(tmp_path / "log"), "-e", f"inject={fault}", *strace]
    done = subprocess.run(
        ["strace", *injecting, sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


WAIT = """
import asyncio, sys, zinc

async def main():
    with zinc.create(sys.argv[1], 8) as region, zinc.open(sys.argv[1]) as other:
        asyncio.get_running_loop().call_later(0.01, other.notify)
        print(await region.wait_async(60_000), await region.wait_async(1))

asyncio.run(main())
"""


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_wait_async_needs_no_memfd(name: str, tmp_path: Path, error: str) -> None:
    assert run_without(tmp_path, f"memfd_create:error={error}", WAIT, name) == "True False\n"


CREATE = "zinc.create(sys.argv[1], 8)"
# The umask takes away what the mode asks for.
CREATE_FOR_ALL = "__import__('os').umask(0o77); zinc.create(sys.argv[1], 8, mode=0o666)"
ANONYMOUS = "print(len(zinc.SharedRegion.anonymous(8)))"
FAIL = """
import sys, zinc

try:
    exec(sys.argv[2])
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("fault", "call"),
    [
        pytest.param("memfd_create:error=EPERM", ANONYMOUS, marks=only_linux("memfd_create")),
        pytest.param("memfd_create:error=ENOSYS", ANONYMOUS, marks=only_linux("memfd_create")),
        ("fchmod:error=EPERM", CREATE_FOR_ALL),
    ],
)
def test_error_names_the_call_that_was_forbidden(
    name: str, tmp_path: Path, fault: str, call: str
) -> None:
    told = run_without(tmp_path, fault, FAIL, name, call)
    assert "the system forbids this process the call" in told
    assert f"({fault.partition(':')[0]}: " in told
    assert "owner" not in told


@pytest.mark.parametrize("fault", ["mmap:error=ENOMEM", "openat:error=EMFILE:when=1"])
def test_region_that_can_not_be_mapped_leaves_no_name(
    name: str, tmp_path: Path, fault: str
) -> None:
    path = ["-P", f"{SHM}/zinc_{name}"]  # when it has its name already
    told = run_without(tmp_path, fault, FAIL, name, CREATE, strace=path)
    assert f"({fault.partition(':')[0].replace('at', '')}: " in told
    assert not (SHM / f"zinc_{name}").exists()


@only_linux("files without a name")
@pytest.mark.parametrize("error", ["EOPNOTSUPP", "EISDIR"])
def test_system_without_unnamed_files_says_what_is_missing(
    name: str, tmp_path: Path, error: str
) -> None:
    folder = ["-P", "/dev/shm"]
    told = run_without(tmp_path, f"openat:error={error}", FAIL, name, CREATE, strace=folder)
    assert f"[Errno {errno.EOPNOTSUPP}] " in told
    assert "(O_TMPFILE)" in told
    assert "anonymous regions work" in told
    alone = run_without(tmp_path, f"openat:error={error}", FAIL, name, ANONYMOUS, strace=folder)
    assert alone == "8\n"


def test_local_region_has_no_descriptor() -> None:
    region = _zinc.anonymous(_zinc.SharedRegion, 5, _zinc.LOCAL, b"", 0)
    assert bytes(region) == bytes(5)
    assert (region.notify(), region.try_wait(), region.metadata) == (1, True, b"")
    with pytest.raises(ValueError, match="no descriptor"):
        region.descriptor()
    region.close()
    with pytest.raises(ValueError, match="takes no metadata"):
        _zinc.anonymous(_zinc.SharedRegion, 5, _zinc.LOCAL, b"x", 0)
