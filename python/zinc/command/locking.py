"""``zinc lock``: a command that runs while a lock is held."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from typing import Annotated

import typer

from .. import Lock, OwnerDiedError
from .console import error_text
from .signals import end_in_order

ABANDONED = 125  # as timeout(1) and env(1) end where they fail themselves
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as a shell does
SI_KERNEL = 0x80  # sigaction(2)


class NotRepairedError(Exception):
    """The command failed that was to repair what a dead holder left."""


def lock(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The lock's name.")],
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Wait at most so many seconds; 0 only looks.")
    ] = None,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="Take the lock from a holder that died, too."),
    ] = False,
    conflict_exit_code: Annotated[
        int,
        typer.Option("--conflict-exit-code", "-E", min=0, max=255, help="For a lock not got."),
    ] = 1,
) -> None:
    """Run a command while it holds a lock, which is opened or created; end with its status.

    As flock(1), and excludes all who use zinc.Lock(NAME). The lock is free again when the command
    has ended, however it did; 128 + n is the status if signal n killed it, 127 if there is no such
    command, 126 if it can't be run. 1, or what -E says, if the lock was not to be had in time.

    125 if the lock's last holder was killed with it: what the lock guards may be half done. With
    --recover the command is what repairs that. If it fails then, the lock stays as it was.

    Signals go to the command. If zinc lock is killed all the same, the command goes on, and nobody
    has the lock until it has ended; then the next one is told that its holder died.
    """
    if timeout is not None and math.isnan(timeout):
        raise typer.BadParameter("nan is no time", param_hint="--timeout")
    milliseconds = None if timeout is None else timeout * 1000
    how = run_recovering if recover else run_held
    with contextlib.closing(Lock(name, any_user=True)) as held:
        try:
            status = how(command, held, milliseconds, end_in_order())
        except TimeoutError:
            holder = held.holder
            whose = f", process {holder.pid} has it" if holder and holder.alive else ""
            print(f'zinc: lock "{name}" was not free in time{whose}', file=sys.stderr)
            status = conflict_exit_code
        except OwnerDiedError as error:
            print(f"zinc: {error_text(error)}, by zinc lock --recover", file=sys.stderr)
            status = ABANDONED
    sys.exit(status)


def run_held(command: list[str], held: Lock, milliseconds: float | None, signals: set[int]) -> int:
    """Run a command while the lock is held. TimeoutError if it is not to be had."""
    try:
        if not held.acquire(timeout_ms=milliseconds):
            raise TimeoutError
        return run(command, held, signals)
    finally:  # a signal may end this at any place
        with contextlib.suppress(RuntimeError):  # not held
            held.release()


def run_recovering(
    command: list[str], held: Lock, milliseconds: float | None, signals: set[int]
) -> int:
    """Do the same, though the lock's last holder died: then it is the command that repairs."""
    status = 0
    with contextlib.suppress(NotRepairedError), held.recover(milliseconds) as is_broken:
        status = run(command, held, signals)
        if is_broken and status != 0:
            told = f"ended with status {status}; what it was to repair counts as not repaired"
            print(f"zinc: {command[0]} {told}, and the next one is told", file=sys.stderr)
            raise NotRepairedError
    return status


def run(command: list[str], held: Lock, signals: set[int]) -> int:
    """Run a command to its end, and return its status as a shell tells it.

    It has a descriptor by which the lock's holder is alive. So nobody takes the lock while the
    command runs, though this process was killed.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it hears of no end
    watched = {*signals, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    seat = os.dup(held.region.descriptors()[1])
    os.set_inheritable(seat, True)
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            setsigmask=before,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores
        )
    except OSError as error:
        print(f"zinc: {command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    finally:
        os.close(seat)
    while True:
        news = signal.sigwaitinfo(watched)
        if news.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif news.si_code != SI_KERNEL:  # else it is a terminal's, and the command has it as well
            os.kill(child, news.si_signo)
