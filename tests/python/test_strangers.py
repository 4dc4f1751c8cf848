"""What other users can do to a region, with files, locks and links: nothing that matters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zinc

from .conftest import ROOT, SHM, may_unshare
from .test_lifecycle import Child

pytestmark = may_unshare

NOBODY = str(ROOT / "tests/unprivileged")

# What nobody runs to lock bytes of a file without zinc: lock(path, kind, first, count).
LOCK = """
import fcntl, os, struct
kept = []
def lock(path, kind, first, count):
    fd = os.open(path, os.O_RDONLY if kind == fcntl.F_RDLCK else os.O_RDWR)
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi", kind, os.SEEK_SET, first, count, 0))
    kept.append(fd)
"""


def stranger(*lines: str) -> Child:
    """Return a process of another user, without zinc's rules."""
    return Child(f"exec({LOCK!r})", *lines, prefix=(NOBODY,))


def place(name: str) -> Path:
    return SHM / f"zinc_{name}"


def test_locks_of_who_may_only_read_keep_the_owner_from_nothing(name: str) -> None:
    owner = zinc.create(name, 8, mode=0o644)
    other = stranger(f"lock('{place(name)}', fcntl.F_RDLCK, 0, 2000)")
    zinc.open(name).close()
    owner.close()
    with pytest.raises(FileExistsError):  # as if the stranger were attached, which he may
        zinc.create(name, 8)
    zinc.open_or_create(name, 8).close()
    zinc.unlink(name)
    with zinc.create(name, 8) as region:
        assert region.sequence == 0
    other.kill()


@pytest.mark.needs("strace")
def test_junk_of_others_is_left_alone_and_waited_for_by_nobody(name: str, tmp_path: Path) -> None:
    other = stranger()
    for i in range(10):
        junk = f"{place(name)}-{i}"
        other.do(f"os.close(os.open('{junk}', os.O_CREAT | os.O_RDWR, 0o666))")
        other.do(f"os.chmod('{junk}', 0o666); lock('{junk}', fcntl.F_WRLCK, 0, 2000)")
    code = (
        "import zinc\n"
        "zinc.reclaim()\n"
        "try: zinc.create('too-large', 1 << 50)\n"
        "except OSError: pass\n"
        "else: raise SystemExit('it fits')\n"
    )
    log = tmp_path / "log"
    sleeps = "trace=nanosleep,clock_nanosleep"
    command = ["strace", "-f", "-o", str(log), "-e", sleeps, sys.executable, "-c", code]
    subprocess.run(command, check=True)
    assert "nanosleep" not in log.read_text()
    for i in range(10):
        assert Path(f"{place(name)}-{i}").exists()
        other.do(f"os.unlink('{place(name)}-{i}')")
    other.kill()


@pytest.mark.needs("strace")
def test_second_link_to_a_dead_file_misleads_nobody(name: str, tmp_path: Path) -> None:
    """Of two that create over it the slower one must not take the faster one's name."""
    dead = "import os, sys, zinc; r = zinc.create(sys.argv[1], 8, mode=0o666); os._exit(0)"
    subprocess.run([sys.executable, "-c", dead, name], check=True)
    link = SHM / f"link-{name}"
    other = stranger(f"os.link('{place(name)}', '{link}')")
    # The slower one, which has opened the dead file and only then goes on to lock it.
    create = "import sys, zinc\ntry: zinc.create(sys.argv[1], 24)\nexcept FileExistsError: print('exists')"
    slow = ["strace", "-qq", "-o", str(tmp_path / "log"), "-e", "inject=pread64:delay_exit=1s"]
    process = subprocess.Popen(
        [*slow, sys.executable, "-c", create, name], stdout=subprocess.PIPE, text=True
    )
    try:
        while not is_open_in(process.pid, place(name)):
            assert process.poll() is None
        with zinc.create(name, 16) as region:
            assert process.communicate()[0] == "exists\n"
            with zinc.open(name) as same:
                assert same.id == region.id
    finally:
        process.wait()
        link.unlink()
        other.kill()


def is_open_in(tracer: int, path: Path) -> bool:
    """Does the process that is traced have the file open?"""
    for pid in Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split():
        try:
            found = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        if str(path) in found:
            return True
    return False


def test_region_goes_though_its_header_was_scribbled_on(name: str) -> None:
    region = zinc.create(name, 8, mode=0o666)
    other = stranger(f"os.pwrite(os.open('{place(name)}', os.O_RDWR), b'x' * 4096, 0)")
    region.close()
    assert not place(name).exists()
    other.kill()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_dead_region_of_another_user_is_not_found(name: str, mode: int) -> None:
    other = Child(f"r = zinc.create('{name}', 8, mode={mode})", prefix=(NOBODY,))
    other.kill()
    # Root may remove it, so somebody else has to meet it: as a user in a group of his own.
    code = f"""
import zinc
readable = {mode} != 0o600
for readonly in False, True:
    try: zinc.open('{name}', any_user=True, readonly=readonly)
    except FileNotFoundError as error:
        assert readable and 'is dead' in str(error) and 'user 65534' in str(error), error
    except PermissionError: assert not readable
    else: raise SystemExit('opened')
for make in zinc.create, zinc.open_or_create:
    try: make('{name}', 8)
    except FileExistsError as error:
        assert not readable or 'only its owner or root' in str(error), error
    except PermissionError: assert not readable and make is zinc.open_or_create
    else: raise SystemExit('created')
try: zinc.unlink('{name}')
except PermissionError: pass
else: raise SystemExit('unlinked')
assert '{name}' not in zinc.reclaim()
"""
    inside = as_user(65533, code)
    assert (inside.returncode, inside.stderr) == (0, "")
    assert place(name).exists()
    assert zinc.reclaim()[name] == 8192
    with pytest.raises(FileNotFoundError):
        zinc.open(name)


@pytest.mark.parametrize("user", [1 << 31, (1 << 32) - 6])
def test_users_of_large_numbers_open_their_own(name: str, user: int) -> None:
    code = f"""
import zinc
with zinc.create('{name}', 8) as region, zinc.open('{name}') as same:
    assert same.id == region.id
    zinc.open_or_create('{name}', 8).close()
"""
    result = as_user(user, code)
    assert (result.returncode, result.stderr) == (0, "")


def as_user(number: int, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python as another user than nobody."""
    return subprocess.run(
        [NOBODY, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AS_USER": str(number)},
    )


def test_folder_that_may_only_be_read_can_be_read(name: str) -> None:
    with zinc.create(name, 8, mode=0o644) as region:
        region.as_buffer()[0] = 7
        region.notify()
        code = f"""
import zinc
with zinc.open('{name}', readonly=True) as region:
    assert region.as_buffer()[0] == 7 and region.try_wait()
assert zinc._zinc.examine('{name}')['sequence'] == 1
try: zinc.open('{name}')
except PermissionError as error: assert 'read-only' in str(error), error
else: raise SystemExit('opened for writing')
assert zinc.reclaim() == {{}}
"""
        mount = 'mount -o bind,remount,ro /dev/shm && exec "$0" -c "$1"'
        subprocess.run(["unshare", "--mount", "sh", "-c", mount, sys.executable, code], check=True)
