"""Who is attached to which file, from what the kernel says of locks."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pwd

from . import _zinc

Inode = tuple[int, int]  # device and number of a file


@dataclasses.dataclass(frozen=True)
class Holder:
    """A process that is attached to a region; `SharedRegion.holders` gives them."""

    pid: int
    """Its number, in the view of this process."""
    command: str
    """Its command line, or its name where it has none."""
    program: str
    """What it runs, in short: the script or module of a Python, else the program."""
    user: str
    """The name of its user, or the number where there is none."""
    since: float
    """When the process began, in seconds since 1970: tells two of one number apart."""
    stopped: bool = False
    """True while a signal or a debugger has stopped it (Ctrl-Z, SIGSTOP): it has what it has, and
    does nothing, until ``kill -CONT`` or the debugger lets it go on."""


@dataclasses.dataclass(frozen=True)
class LockHolder:
    """Who has a lock; `Lock.holder` gives it."""

    pid: int
    """Its process, as that one saw itself."""
    since: float
    """Since when it has it, in seconds since 1970, to some milliseconds; 0 if that is not known."""
    alive: bool
    """False if it died with the lock, and nobody has it since."""
    repairing: bool
    """True if it has not yet repaired what a dead holder left."""


def lock_holder(lock: _zinc.Lock) -> LockHolder | None:
    """Do what `Lock.holder` says."""
    state, pid, since, _ = lock._look()
    if state == _zinc.LOCK_FREE:
        return None
    if state == _zinc.LOCK_DAMAGED:
        raise OSError(errno.EBADMSG, f"look at {lock!r}: something else wrote where the lock is")
    is_alive = state != _zinc.LOCK_ABANDONED
    return LockHolder(pid, since / 1e9, is_alive, state == _zinc.LOCK_REPAIRING)


def locks() -> dict[Inode, int]:
    """Return how many handles hold the attach lock of each file, whoever they belong to."""
    found: dict[Inode, int] = {}
    for line in read("/proc/locks").splitlines():
        if inode := attach_lock(line):
            found[inode] = found.get(inode, 0) + 1
    return found


def attach_lock(line: str) -> Inode | None:
    """Return the file of a line of /proc/locks (proc_locks(5)) if it is an attach lock."""
    words = line.split()
    if len(words) != 8 or words[1] != "OFDLCK" or words[3] != "READ" or words[6] != "0":
        return None
    major, minor, number = words[5].split(":")
    return os.makedev(int(major, 16), int(minor, 16)), int(number)


def holders() -> dict[Inode, list[Holder]]:
    """Return which processes hold attach locks of which files, as far as they may be seen."""
    found: dict[Inode, list[Holder]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        # It may end at any time, and others' may not be looked into.
        with contextlib.suppress(OSError):
            inodes = attached_files(entry)
            if inodes:
                user = user_name(os.stat(f"/proc/{entry}").st_uid)
                words = command(entry)
                told = status(entry)
                began, stopped = beginning(told), told[:1] in (["T"], ["t"])
                holder = Holder(int(entry), " ".join(words), program(words), user, began, stopped)
                for inode in inodes:
                    found.setdefault(inode, []).append(holder)
    return found


def attached_files(process: str) -> set[Inode]:
    """Return the files that a process is attached to (proc_pid_fdinfo(5))."""
    found = set[Inode]()
    for descriptor in os.listdir(f"/proc/{process}/fd"):
        with contextlib.suppress(OSError):
            # A creator's was opened before it had its name.
            target = os.readlink(f"/proc/{process}/fd/{descriptor}")
            if "/zinc_" in target or "/#" in target:
                for line in read(f"/proc/{process}/fdinfo/{descriptor}").splitlines():
                    lock = line.removeprefix("lock:")
                    if lock != line and (inode := attach_lock(lock)):
                        found.add(inode)
    return found


def command(process: str) -> list[str]:
    """Return the words of a process's command line, or its name where it has none."""
    text = read(f"/proc/{process}/cmdline").rstrip("\0")
    return text.split("\0") if text else [read(f"/proc/{process}/comm").strip()]


def program(words: list[str]) -> str:
    """Return what a command line runs, in a word or two: `python -u x/train.py` is train.py."""
    name = os.path.basename(words[0])
    if not name.startswith(("python", "pypy")):
        return name
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith("-") or word == "-":
            return name if word == "-" else os.path.basename(word.rstrip("/"))
        if word.startswith("--"):
            if word == "--check-hash-based-pycs":
                next(rest, "")
            continue
        # Letters may stand together; the first one that takes a value ends them.
        letter = next((at for at, c in enumerate(word) if c in "cmXW"), None)
        if letter is not None:
            value = word[letter + 1 :] or next(rest, "")
            if word[letter] in "cm":
                return (value or name) if word[letter] == "m" else f"{name} -c"
    return name


def status(process: str) -> list[str]:
    """Return what proc_pid_stat(5) tells of a process behind its name; nothing if it has ended."""
    # The name, in parentheses, may have any.
    return read(f"/proc/{process}/stat").rpartition(")")[2].split()


def beginning(fields: list[str]) -> float:
    """Return when a process of this status began, in seconds since 1970; 0 if it has ended."""
    if len(fields) < 20:
        return 0
    _, _, boot = read("/proc/stat").partition("\nbtime ")
    return int(boot.split()[0]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def user_name(number: int) -> str:
    """Return a user's name, or the number where there is none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def read(path: str) -> str:
    """Return what a file says, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
