"""The command and locks: who holds them, who died with them, and commands that run under them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

import zinc

from .bare_lock import RECOVER, BareLock, holding

pytest.importorskip("typer", reason="the command's libraries are not here")

from zinc.command import inspection, lines

from .test_cli import COMMAND, answer, listed, run


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
        readers = zinc.RWLock(f"{name}-rw")
        with readers.read:
            assert " rwlock, nobody writes " in line_of(f"{name}-rw")
        with readers.write:
            assert f" rwlock, held by {os.getpid()} " in line_of(f"{name}-rw")
        readers.close()
        lock.release()
        lock.close()


# ---- commands that run while a lock is held

Start = Callable[..., subprocess.Popen[str]]
# Says that it runs, and its number, and ends with its input.
READER = ("sh", "-c", "echo $$; read line")


@pytest.fixture
def start(name: str) -> Iterator[Start]:
    """Return a function that starts zinc lock with options and a command."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*options: str, command: tuple[str, ...] = READER) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        run = [*COMMAND, "lock", name, *options, "--", *command]
        started.append(
            subprocess.Popen(run, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1)
        )
        return started[-1]

    yield start_one
    for process in started:
        with process:  # which closes the pipes
            process.kill()


def child_of(process: subprocess.Popen[str]) -> int:
    """Wait until the command of READER runs, and return its number."""
    assert process.stdout
    return int(process.stdout.readline())


def is_free(name: str) -> bool:
    """Tell whether a lock can be had at once."""
    with contextlib.closing(zinc.Lock(name)) as lock:
        if not lock.acquire(timeout_ms=0):
            return False
        lock.release()
        return True


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("kill -KILL $$", 128 + signal.SIGKILL),
        ("kill -TERM $$", 128 + signal.SIGTERM),
    ],
)
def test_a_command_runs_under_the_lock_and_gives_its_status(
    name: str, command: str, status: int
) -> None:
    look = f"{sys.executable} -m zinc info {name}; {command}"
    # Started as it is elsewhere, since it is told who holds the lock.
    done = run("lock", name, "--", "sh", "-c", look, stdin=subprocess.DEVNULL)
    assert done.returncode == status
    assert re.search(r"^lock +held by \d+ .*zinc", done.stdout, re.MULTILINE)
    assert done.stderr == ""
    assert is_free(name)


@pytest.mark.parametrize(
    ("command", "status"), [("/nowhere/none", 127), ("no-such-command", 127), ("/dev/null", 126)]
)
def test_a_command_that_cannot_be_run(name: str, command: str, status: int) -> None:
    done = run("lock", name, "--", command)
    assert done.returncode == status
    assert done.stderr.startswith(f"zinc: {command}: ")
    assert is_free(name)


def test_a_lock_that_is_not_free_in_time(name: str, start: Start) -> None:
    with holding(name) as process:
        done = run("lock", name, "--timeout", "0.01", "--", "echo", "ran")
        assert (done.returncode, done.stdout) == (1, "")
        told = f'zinc: lock "{name}" was not free in time, process {process.pid} has it\n'
        assert done.stderr == told
        assert run("lock", name, "--timeout", "0", "-E", "9", "--", "echo").returncode == 9
        assert run("lock", name, "--timeout", "0", "--recover", "--", "echo").returncode == 1
        waiting = start("--timeout", "60")
        process.communicate("")
        assert child_of(waiting) > 0
        waiting.communicate("\n")
        assert waiting.returncode == 0


def test_while_it_waits_signals_end_it_and_nothing_runs(name: str, start: Start) -> None:
    with holding(name) as process:
        waiting = start()
        while len(zinc.examine(name).seats) < 2:
            assert waiting.poll() is None
        waiting.send_signal(signal.SIGTERM)
        out, err = waiting.communicate()
        assert (waiting.returncode, out, err) == (128 + signal.SIGTERM, "", "")
        process.communicate("")


def test_a_signal_goes_to_the_command(name: str, start: Start) -> None:
    process = start()
    child_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert is_free(name)
    traps = ("sh", "-c", "trap 'exit 5' INT; echo $$; while true; do read line; done")
    process = start(command=traps)
    child_of(process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 5


def test_a_terminals_signal_reaches_the_command_once(name: str) -> None:
    pexpect = pytest.importorskip("pexpect")
    code = (
        "import signal\n"
        "numbers = {signal.SIGINT, signal.SIGUSR1}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, numbers)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    print(f'<{signal.sigwait(numbers).name}>', flush=True)\n"
    )
    arguments = ["-m", "zinc", "lock", name, "--", sys.executable, "-c", code]
    terminal = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=30)
    terminal.expect("ready")
    os.kill(terminal.pid, signal.SIGSTOP)  # two of one number would be one if they came at once
    terminal.sendintr()
    terminal.expect("<SIGINT>")
    os.kill(terminal.pid, signal.SIGCONT)
    os.kill(terminal.pid, signal.SIGUSR1)  # which goes to the command, after what came before
    terminal.expect("<SIG[A-Z0-9]*>")
    assert terminal.after == "<SIGUSR1>"
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 128 + signal.SIGTERM


def test_when_it_is_killed_the_command_keeps_the_lock_to_its_end(name: str, start: Start) -> None:
    process = start()
    child = child_of(process)
    process.kill()
    process.wait()
    os.kill(child, 0)  # it lives
    lock = zinc.Lock(name)
    assert not lock.acquire(timeout_ms=100)  # five naps, in which a dead holder is noticed
    assert process.stdin
    process.stdin.close()
    with pytest.raises(zinc.OwnerDiedError):
        lock.acquire(timeout_ms=30_000)
    lock.close()
    done = run("lock", name, "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert f"process {process.pid}, died with it" in done.stderr
    assert done.stderr.endswith("by zinc lock --recover\n")
    assert run("rm", name).returncode == 0
    assert run("lock", name, "--", "true").returncode == 0  # a new one


def test_recover_repairs_if_the_command_does(name: str) -> None:
    with holding(name) as process:
        process.kill()
    done = run("lock", name, "--recover", "--", "sh", "-c", "exit 4")
    assert done.returncode == 4
    assert "sh ended with status 4; what it was to repair counts as not repaired" in done.stderr
    assert run("lock", name, "--", "true").returncode == 125
    done = run("lock", name, "--recover", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    done = run("lock", name, "--recover", "--", "sh", "-c", "exit 4")
    assert (done.returncode, done.stderr) == (4, "")  # there was nothing to repair
    assert run("lock", name, "--", "true").returncode == 0


def test_what_it_leaves_behind_holds_nothing(name: str) -> None:
    left = "sleep 60 >&- 2>&- & echo $!"
    done = run("lock", name, "--", "sh", "-c", left)
    try:
        assert is_free(name)
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_the_command_has_the_signals_of_who_called(name: str) -> None:
    code = (
        "import signal\n"
        "print(*sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))), sep=',')\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    bare = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run("lock", name, "--", sys.executable, "-c", code).stdout == bare.stdout
    shell = ("sh", "-c", "kill -PIPE $$; echo ignored")  # Python ignores that one for itself
    assert run("lock", name, "--", *shell).returncode == 128 + signal.SIGPIPE
