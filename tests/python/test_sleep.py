"""How a wait looks and sleeps, which its caller never sees: it must not burn, nor sleep on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zinc

from .conftest import only_linux

Compile = Callable[..., Path]


@only_linux("futex_waitv")
@pytest.mark.parametrize("which", [0, 150, 299])
def test_all_threads_of_a_wait_for_many_are_woken(compile_c: Compile, which: int) -> None:
    """Also: none of them handles signals, which are the program's own threads' to handle."""
    subprocess.run([str(compile_c("many", "-pthread")), str(which)], check=True)


@pytest.mark.parametrize("call", ["futex", pytest.param("waitv", marks=only_linux("futex_waitv"))])
@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS])
def test_refused_sleep_is_a_nap(compile_c: Compile, call: str, refusal: int) -> None:
    """Filters of system calls may say anything: then waits look once in a millisecond."""
    program = [str(compile_c("refusals")), call, str(refusal)]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    asked, milliseconds = map(int, output.split())
    assert 1 < asked <= milliseconds + 2


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="nobody spins on one processor")
def test_waits_spin_until_it_does_not_pay(compile_c: Compile) -> None:
    """Pinned to one processor before it attached, since affinity is not the machine."""
    output = subprocess.run(
        [str(compile_c("spins"))], check=True, capture_output=True, text=True
    ).stdout
    looks = [int(one) for one in output.split()]
    attempts = [15, 31, 63]
    assert all(looks[i] > 1 for i in [*range(16), *attempts])
    assert all(looks[i] == 1 for i in range(16, 64) if i not in attempts)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_nobody_spins_where_a_container_has_one_processor(compile_c: Compile) -> None:
    cpusets = Path("/sys/fs/cgroup/cpuset")
    if not cpusets.is_dir():
        pytest.skip("no cpuset of control groups, version 1, here")
    group = cpusets / f"zinc-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpuset.mems").write_text((cpusets / "cpuset.mems").read_text())
        (group / "cpuset.cpus").write_text("0")
        inside = f"echo $$ > {group}/cgroup.procs && exec {compile_c('spins')}"
        output = subprocess.run(
            ["sh", "-c", inside], check=True, capture_output=True, text=True
        ).stdout
    finally:
        group.rmdir()
    assert {int(one) for one in output.split()} == {1}


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("wait", "call"),
    [
        ("reader.wait(900)", "futex"),
        pytest.param(
            "zinc.wait_any([reader], 900)", "futex_waitv", marks=only_linux("futex_waitv")
        ),
    ],
)
def test_reader_that_nobody_knows_of_looks_often(tmp_path: Path, wait: str, call: str) -> None:
    """Who may not write can't say that it sleeps. What it can do is to sleep for a moment only."""
    code = f"""
import os, zinc
region = zinc.SharedRegion.anonymous(1)
descriptor = os.open(f"/proc/self/fd/{{region.descriptor()}}", os.O_RDONLY)
reader = zinc.SharedRegion.from_fd(descriptor)
os.getppid()
assert not {wait}
"""
    log = tmp_path / "log"
    trace = ["strace", "-qq", "-o", str(log), "-e", f"trace=getppid,{call}"]
    subprocess.run([*trace, sys.executable, "-c", code], check=True)
    sleeps = log.read_text().partition("getppid")[2].count(f"\n{call}(")
    assert sleeps > 1  # a nap of a second would be one


@pytest.mark.needs("strace")
@pytest.mark.parametrize(("mode", "wakes"), [(0o644, 1), (0o666, 0), (0o600, 0)])
def test_notification_wakes_whom_it_can_not_know_of(
    tmp_path: Path, name: str, mode: int, wakes: int
) -> None:
    """Who may only read can't say that it sleeps, so where there may be such, all are woken."""
    code = f"import os, zinc\nregion = zinc.create({name!r}, 1, mode={mode})\nos.getppid()\nregion.notify()"
    log = tmp_path / "log"
    trace = ["strace", "-qq", "-o", str(log), "-e", "trace=getppid,futex"]
    subprocess.run([*trace, sys.executable, "-c", code], check=True)
    assert log.read_text().partition("getppid")[2].count("FUTEX_WAKE,") == wakes


@pytest.mark.parametrize("many", [False, True])
def test_sleeper_looks_up_though_the_notifier_was_killed(name: str, many: bool) -> None:
    """Just after it had counted, so that it woke nobody; and there is no next one."""
    with zinc.create(name, 1) as region:
        wait = "zinc.wait_any([region, region])" if many else "region.wait(None)"
        sleeper = subprocess.Popen(
            [sys.executable, "-c", f"import zinc\nregion = zinc.open({name!r})\nassert {wait}"]
        )
        with Path(f"/dev/shm/zinc_{name}").open("r+b", buffering=0) as file:
            while os.pread(file.fileno(), 4, 24) == bytes(4):  # it has no ticket yet
                assert sleeper.poll() is None
                time.sleep(0.001)
            while not is_asleep(sleeper.pid):
                time.sleep(0.001)
            os.pwrite(file.fileno(), (1).to_bytes(4, sys.byteorder), 12)
        try:
            assert sleeper.wait(30) == 0  # the watchdog: it takes a second
        finally:
            sleeper.kill()
        assert region.sequence == 1


def is_asleep(pid: int) -> bool:
    """Is it in a system call? It makes no other one than to sleep, by then."""
    return not Path(f"/proc/{pid}/syscall").read_text().startswith("running")
