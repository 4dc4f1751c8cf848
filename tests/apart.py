"""A /dev/shm that no other program on this machine sees, for this process and its children.

    python tests/apart.py COMMAND ARGUMENT...    run a command in one

Regions are known to the whole machine by their names. So a test that counts names, or reclaims
what is dead, sees what strangers do at the same time, and they see it. The tests stand apart: in
a mount namespace of their own, with a fresh tmpfs in the place of /dev/shm, as large as that of
the machine. It goes with the last process that has it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

FOLDER = "/dev/shm"
SOURCE = "zinc-tests"  # what the mount calls itself, and is known by

# From linux/sched.h, sys/mount.h and linux/capability.h.
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 1 << 14, 1 << 18
CAPABILITY_VERSION = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)
libc.mount.argtypes = [*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p]


def call(function: str, *arguments: object) -> None:
    """Call a function of libc; OSError if it fails."""
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def is_apart() -> bool:
    """Return whether this process or one before it has entered a /dev/shm of its own."""
    # 71 34 0:50 / /dev/shm rw,relatime shared:3 - tmpfs zinc-tests rw,size=…
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    here = [mount for mount in mounts if mount.split()[4] == FOLDER]
    return bool(here) and here[-1].split(" - ")[1].split()[1] == SOURCE  # the last covers the rest


def leave() -> None:
    """Leave the machine's /dev/shm; OSError if this system or user may not."""
    user, group, size = os.geteuid(), os.getegid(), os.statvfs(FOLDER)
    if user == 0:
        call("unshare", CLONE_NEWNS)
    else:
        # Who may not mount may in a user namespace, where he goes on being who he is.
        call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)  # what is mounted here stays here
    options = f"mode=1777,size={size.f_blocks * size.f_frsize}".encode()
    call("mount", SOURCE.encode(), FOLDER.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options)
    if user != 0:  # a new user namespace gives every capability, also to read what is closed
        none = (ctypes.c_uint32 * 6)()
        call("capset", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), none)


def enter() -> str | None:
    """Give this process a /dev/shm of its own, unless it has one; return why it can't have one.

    To be called while the process has a single thread: the others would stay behind.
    """
    try:
        if is_apart():
            return None
        if len(os.listdir("/proc/self/task")) > 1:
            return "this process has threads already"
        # Some systems allow the first step and not the second. So a child goes first.
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                leave()
            except OSError as error:
                os.write(writer, str(error).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            refusal = answer.read()
        os.waitpid(child, 0)
        if refusal:
            return refusal
        leave()
    except OSError as error:
        return str(error)
    return None


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    refusal = enter()
    if refusal:
        print(f"no {FOLDER} of its own, so in the machine's: {refusal}", file=sys.stderr)
    os.execvp(sys.argv[1], sys.argv[1:])
