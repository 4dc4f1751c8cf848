"""Many, again and again, too large, and as other users: what must not add up or break."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import zinc

from .conftest import ROOT, SHM, may_unshare, only_linux, run_mounted

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_storm_of_operations_and_kills() -> None:
    storm = [sys.executable, str(ROOT / "tests/storm.py"), "5"]
    result = subprocess.run(storm, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    print(result.stdout)


def usage() -> tuple[int, int, int]:
    """Return this process's descriptors, mappings and resident pages."""
    statm = Path("/proc/self/statm").read_text().split()
    maps = Path("/proc/self/maps").read_text().count("\n")
    return len(os.listdir("/proc/self/fd")), maps, int(statm[1])


@pytest.mark.parametrize("what", ["create", "open", "open_or_create", "anonymous", "refused"])
def test_ten_thousand_cycles_leave_nothing(name: str, what: str) -> None:
    def refused() -> None:
        for call, argument in ((zinc.open, f"{name}-none"), (zinc.open, "a/b")):
            try:
                call(argument)
            except (FileNotFoundError, ValueError):
                continue
            raise AssertionError

    with zinc.create(name, 5000):
        cycles: dict[str, Callable[[], object]] = {
            "create": lambda: zinc.create(f"{name}-2", 5000).close(),
            "open": lambda: zinc.open(name).close(),
            "open_or_create": lambda: zinc.open_or_create(f"{name}-2", 5000).close(),
            "anonymous": lambda: zinc.SharedRegion.anonymous(5000).as_buffer()[0],
            "refused": refused,
        }
        cycle = cycles[what]
        for _ in range(500):
            cycle()
        before = usage()
        for _ in range(10_000):
            cycle()
        after = usage()
    assert after[0] == before[0]
    assert after[1] <= before[1] + 2  # the allocator's own
    assert after[2] <= before[2] + 64


def test_a_thousand_regions_at_once(name: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        regions = [zinc.create(f"{name}-{i}", 100) for i in range(1000)]
        for i, region in enumerate(regions):
            region.as_buffer()[:4] = i.to_bytes(4, "little")
        for i in range(1000):
            with zinc.open(f"{name}-{i}") as other:
                assert int.from_bytes(other.as_buffer()[:4], "little") == i
        for region in regions:
            region.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_left(name: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    region = zinc.create(name, 1)
    used = max(int(fd) for fd in os.listdir("/proc/self/fd") if fd.isdigit())
    for limit in range(used, used + 4):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            calls: list[Callable[[], zinc.SharedRegion]] = [
                lambda: zinc.create(f"{name}-2", 1),
                lambda: zinc.open(name),
            ]
            for call in calls:
                try:
                    call().close()
                except OSError as error:
                    assert error.errno == errno.EMFILE
                    assert "ulimit -n" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    region.close()
    assert not (SHM / f"zinc_{name}").exists()
    assert not (SHM / f"zinc_{name}-2").exists()


# ---- too little memory

SMALL = """
import errno, mmap, os, subprocess, sys, zinc
MIB = 1 << 20
def refused(size, **options):
    try:
        zinc.create("big", size, **options)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert str(size + mmap.PAGESIZE) in str(error) and "/dev/shm has" in str(error), error
        assert "free" in str(error) and "remount,size" in str(error), error
        assert not os.listdir("/dev/shm"), os.listdir("/dev/shm")
        return
    raise AssertionError("it fits")
refused(65 * MIB)
refused(64 * MIB)      # with its header it does not fit
for _ in range(20):    # nothing is lost on the way
    refused(200 * MIB)
with zinc.create("most", 63 * MIB) as region:
    region.as_numpy()[:] = 1
    try:
        zinc.create("rest", 2 * MIB)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    else:
        raise AssertionError("it fits")
    with zinc.create("sparse", 500 * MIB, reserve=False) as sparse:
        sparse.as_buffer()[400 * MIB] = 1
    with zinc.SharedRegion.anonymous(100 * MIB) as region:
        region.as_numpy()[:] = 1   # not bound by /dev/shm
    array = zinc.array(None, 100 * MIB, "u1")
    assert array.region.name is None
    array[:] = 1
killed = "import os, zinc; r = zinc.create('dead', 50 << 20); os.kill(os.getpid(), 9)"
subprocess.run([sys.executable, "-c", killed])
assert os.listdir("/dev/shm") == ["zinc_dead"]
zinc.create("new", 40 * MIB).close()   # the dead one made room
assert os.listdir("/dev/shm") == []
"""


SMALL_FOR_A_QUEUE = """
import errno, zinc
MIB = 1 << 20
queue = zinc.Queue(name="jobs", slot_size=MIB)   # 1,168 MiB, if it took them
assert queue.region.used < MIB
items = [bytes([number]) * MIB for number in range(70)]
def put(number):
    with memoryview(items[number])[:MIB - 4096] as most:
        return queue.send(most, tag=number, timeout_ms=0)
sent = 0
try:
    while True:
        put(sent)
        sent += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
    assert "jobs" in str(error) and "/dev/shm has" in str(error), error
assert 60 <= sent <= 64, sent
for _ in range(2000):   # no slot is lost on the way
    try:
        put(sent)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("it fits")
assert queue.qsize() == sent
for number in range(sent):
    with queue.recv(0) as message:
        assert message.tag == number and bytes(message.data) == items[number][:MIB - 4096]
for number in range(sent):   # in the slots that have memory
    put(number)
assert queue.region.used < 64 * MIB
queue.close()
"""


@may_unshare
@only_linux("anonymous regions that are in no folder")
def test_small_shared_memory_folder() -> None:
    run_mounted("mount -t tmpfs -o size=64m tmpfs /dev/shm", SMALL)


@may_unshare
def test_queue_in_a_small_shared_memory_folder() -> None:
    run_mounted("mount -t tmpfs -o size=64m tmpfs /dev/shm", SMALL_FOR_A_QUEUE)


@may_unshare
@only_linux("anonymous regions that are in no folder")
@pytest.mark.parametrize(
    ("mount", "number", "message"),
    [
        ("mount -t mqueue none /dev/shm", errno.EOPNOTSUPP, "mount a tmpfs there"),
        ("mount -t tmpfs -o ro none /dev/shm", errno.EROFS, "Read-only file system"),
        ("mount -t tmpfs none /dev", errno.ENOENT, "are /dev/shm and /proc mounted?"),
    ],
)
def test_folder_that_can_not_hold_regions(mount: str, number: int, message: str) -> None:
    code = f"""
import os, zinc
for call in zinc.create, zinc.open_or_create:
    try: call("a", 5000)
    except OSError as error: assert error.errno == {number} and {message!r} in str(error), error
    else: raise AssertionError(call)
for call in zinc.open, zinc.unlink:
    try: call("a")
    except FileNotFoundError: continue
    raise AssertionError(call)
assert zinc.reclaim() == {{}}
with zinc.SharedRegion.anonymous(5000) as region:   # needs no folder
    assert zinc.SharedRegion.from_fd(region.descriptor()).capacity == 5000
assert not os.path.isdir("/dev/shm") or os.listdir("/dev/shm") == []
"""
    if " mqueue " in mount and "\tmqueue\n" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no mqueue")
    run_mounted(mount, code)


@may_unshare
def test_folder_on_the_disk(tmp_path: Path) -> None:
    """An ordinary folder in the place of the tmpfs: it works, as the documentation says."""
    code = """
import os, signal, subprocess, sys, zinc
killed = "import os, zinc; r = zinc.create('dead', 5000); os.kill(os.getpid(), 9)"
with zinc.create("a", 1 << 20) as region, zinc.open("a", readonly=True) as other:
    region.as_buffer()[-1] = 7
    region.notify()
    assert other.wait(0) and other.as_buffer()[-1] == 7
    assert region.used >= 1 << 20   # reserved
    assert not region.alone
    subprocess.run([sys.executable, "-c", killed])
    assert list(zinc.reclaim()) == ["dead"]
assert os.listdir("/dev/shm") == []
"""
    kind = subprocess.check_output(["stat", "-f", "-c", "%T", tmp_path], text=True).strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs", "overlayfs"):
        pytest.skip(f"temporary files are on {kind} here")
    run_mounted(f"mount --bind '{tmp_path}' /dev/shm", code)


@may_unshare
def test_folder_that_can_not_reserve() -> None:
    code = """
import errno, os, zinc
try: zinc.create("a", 5000)
except OSError as error: assert error.errno == errno.EOPNOTSUPP, error
else: raise AssertionError("reserved")
zinc.create("a", 5000, reserve=False).close()
assert os.listdir("/dev/shm") == []
"""
    run_mounted("mount -t ramfs none /dev/shm", code)


@may_unshare
def test_without_proc() -> None:
    code = """
import os, signal, zinc
region = zinc.create("a", 5000)
view = region.as_buffer()
region.close()
assert os.listdir("/dev/shm") == [], "the view keeps the name"
view[4999] = 1
region = zinc.create("a", 5000)
try: zinc.create("a", 5000)
except FileExistsError: pass
if os.fork() == 0:
    try: region.close()
    finally: os._exit(os.listdir("/dev/shm") != ["zinc_a"])
assert os.wait()[1] == 0
if os.fork() == 0:
    zinc.create("dead", 5000)
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
zinc.create("dead", 5000).close()
region.close()
assert os.listdir("/dev/shm") == []
"""
    run_mounted("mount -t tmpfs none /dev/shm && umount --lazy /proc", code)


@as_root
def test_memory_cgroup_refuses_before_it_kills(name: str) -> None:
    """As in a container: more than the group's limit is an error, not a SIGKILL."""
    memory = Path("/sys/fs/cgroup/memory")
    if not memory.is_dir():
        pytest.skip("no memory cgroup, version 1, here")
    group = memory / f"zinc-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(96 << 20))
        code = (
            "import os, sys, zinc, errno\n"
            f"open('{group}/cgroup.procs', 'w').write(str(os.getpid()))\n"
            "for make in (lambda: zinc.create(sys.argv[1], 200 << 20),\n"
            "             lambda: zinc.SharedRegion.anonymous(200 << 20)):\n"
            "    try: make()\n"
            "    except OSError as error: assert error.errno == errno.ENOSPC, error; print(error)\n"
            "zinc.create(sys.argv[1], 32 << 20).close()\n"
        )
        result = subprocess.run(
            [sys.executable, "-c", code, name], capture_output=True, text=True, check=False
        )
    finally:
        group.rmdir()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("this machine or container has") == 2


def test_interrupted_reservation_shrinks_its_pieces(compile_c: Callable[..., Path]) -> None:
    """While signals come and come, who asks for the same piece again is never done."""
    program = [str(compile_c("refusals")), "fallocate"]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    assert int(output) > 8


# ---- other users


NOBODY = str(ROOT / "tests/unprivileged")


@may_unshare
@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_two_users_share_a_region(name: str, mode: int) -> None:
    with zinc.create(name, 100, mode=mode) as region:
        assert (SHM / f"zinc_{name}").stat().st_mode & 0o777 == mode
        region.as_buffer()[0] = 8
        region.notify()
        code = f"""
try: zinc.open("{name}"); raise SystemExit("no any_user")
except PermissionError: pass
r = zinc.open("{name}", readonly=True, any_user=True)
assert r.as_buffer()[0] == 8 and r.readonly and r.wait(0) and not r.wait(20)
try: w = zinc.open("{name}", any_user=True)
except PermissionError: assert {mode} == 0o644
else:
    assert {mode} == 0o666
    w.as_buffer()[1] = 9
    w.notify()
try: zinc.create("{name}", 1); raise SystemExit("created")
except FileExistsError: pass
try: zinc.unlink("{name}"); raise SystemExit("unlinked")
except PermissionError: pass
assert "{name}" not in zinc.reclaim()
"""
        result = subprocess.run(
            [NOBODY, sys.executable, "-c", f"import zinc\n{code}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        assert region.as_buffer()[1] == (9 if mode == 0o666 else 0)
        zinc.open(name).close()


@may_unshare
def test_reader_of_another_user_is_woken(name: str) -> None:
    with zinc.create(name, 1, mode=0o644) as region:
        code = f"""
r = zinc.open("{name}", readonly=True, any_user=True)
print("ready", flush=True)
assert r.wait(None)
try: r.notify(); raise SystemExit("notified")
except PermissionError: pass
"""
        with subprocess.Popen(
            [NOBODY, sys.executable, "-c", f"import zinc\n{code}"],
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
            region.notify()
        assert reader.returncode == 0


@may_unshare
def test_reader_that_is_last_leaves_the_name_to_its_owner(name: str) -> None:
    region = zinc.create(name, 1, mode=0o644)
    code = f"import sys, zinc; r = zinc.open('{name}', readonly=True, any_user=True); print('ready', flush=True); sys.stdin.read(); r.close()"
    with subprocess.Popen(
        [NOBODY, sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        region.close()
        with pytest.raises(FileExistsError):
            zinc.create(name, 1)  # the reader keeps it
    assert reader.returncode == 0
    with pytest.raises(FileNotFoundError):
        zinc.open(name)
    assert not (SHM / f"zinc_{name}").exists()
