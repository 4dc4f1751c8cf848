"""Is this machine one that zinc works well on? Each check tells what it means and what to do."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import resource
import stat
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from .._holders import read
from .inspection import FOLDER
from .lines import size_text

Status = Literal["ok", "note", "bad"]


class Check(NamedTuple):
    """What was found, and what follows for zinc."""

    name: str
    status: Status
    found: str
    meaning: str = ""


def checks() -> Iterator[Check]:
    """Look at everything."""
    for look in (
        *(folder, room, permissions, unnamed_files, locks, process_folder, anonymous),
        *(waiting, removal, memory_limit, huge_pages, anonymous_huge_pages, descriptors),
        *(mappings,),
    ):
        try:
            yield look()
        except OSError as error:
            name = look.__name__.replace("_", " ")
            yield Check(name, "bad", f"can't be looked at: {error.strerror}")


TMPFS = 0x01021994  # statfs(2)


def file_system(path: str) -> int:
    """Return the type of the file system that a path is on, which takes no /proc."""
    libc = ctypes.CDLL(None, use_errno=True)
    found = (ctypes.c_long * 64)()  # of which it is the first word, and the whole is less
    if libc.statfs(os.fsencode(path), found):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found[0] & 0xFFFFFFFF


def folder() -> Check:
    """Is /dev/shm a tmpfs?"""
    if not os.path.isdir(FOLDER):
        todo = f"regions with a name need it: mount -t tmpfs -o mode=1777 tmpfs {FOLDER}"
        return Check(FOLDER, "bad", "it is not there", todo)
    kind = file_system(FOLDER)
    if kind != TMPFS:
        mounts = [line.split() for line in read("/proc/mounts").splitlines()]
        kinds = [words[2] for words in mounts if words[1] == FOLDER]
        found = kinds[-1] if kinds else f"a file system of type {kind:#x}"
        todo = f"regions would lie on a disk: mount -t tmpfs -o mode=1777 tmpfs {FOLDER}"
        return Check(FOLDER, "bad", found, todo)
    return Check(FOLDER, "ok", "a tmpfs")


def room() -> Check:
    """How large is it, and how full?"""
    found = os.statvfs(FOLDER)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    told = f"{size_text(free)} free of {size_text(size)}"
    if size <= 64 << 20:
        todo = (
            "that is what containers get unless they ask: docker run --shm-size=2g, an emptyDir "
            "with medium: Memory in Kubernetes; or anonymous regions, which it does not bound"
        )
        return Check("room", "note", told, todo)
    if free < size // 10:
        return Check(
            "room", "note", told, "zinc gc frees what dead regions have; zinc ls shows the rest"
        )
    return Check("room", "ok", told)


def permissions() -> Check:
    """May everybody create files there, and nobody remove others'?"""
    mode = stat.S_IMODE(os.stat(FOLDER).st_mode)
    told = f"{mode:04o}"
    if not os.access(FOLDER, os.W_OK | os.X_OK):
        return Check(
            "permissions", "bad", told, f"this user can't create regions: chmod 1777 {FOLDER}"
        )
    if mode & 0o002 and not mode & stat.S_ISVTX:
        todo = f"any user may remove any region: chmod 1777 {FOLDER}"
        return Check("permissions", "bad", told, todo)
    return Check("permissions", "ok", told)


def unnamed_files() -> Check:
    """Can a file be made without a name?"""
    try:
        os.close(os.open(FOLDER, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        todo = "create needs it, so that no one sees half a region: a tmpfs and Linux 3.11 have it"
        return Check("O_TMPFILE", "bad", str(error.strerror), todo)
    return Check("O_TMPFILE", "ok", "works")


def locks() -> Check:
    """Are there locks that belong to descriptions, and end with them?"""
    description = os.open(FOLDER, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        lock = struct.pack("hhqqixxxx", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)
        fcntl.fcntl(description, fcntl.F_OFD_SETLK, lock)
    except OSError as error:
        todo = "zinc knows by them who is attached: Linux 3.15 has them"
        return Check("locks", "bad", str(error.strerror), todo)
    finally:
        os.close(description)
    return Check("locks", "ok", "open file description locks work")


def process_folder() -> Check:
    """Is /proc there?"""
    if not os.path.exists("/proc/self/fd"):
        todo = "create then needs Linux 6.10 or privileges, and pools get no anonymous regions"
        return Check("/proc", "note", "it is not there", todo)
    return Check("/proc", "ok", "mounted")


def anonymous() -> Check:
    """Is there memfd_create?"""
    os.close(os.memfd_create("zinc-doctor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    return Check("anonymous regions", "ok", "memfd_create works")


def waiting() -> Check:
    """Is there futex_waitv (449 everywhere)?"""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(449, None, 0, 0, None, 0)  # no waiters: EINVAL
    if ctypes.get_errno() == errno.EINVAL:
        return Check("futex_waitv", "ok", "works")
    todo = (
        "wait_any, wait_all and asyncio look a thousand times a second instead: Linux 5.16 has it"
    )
    return Check("futex_waitv", "note", os.strerror(ctypes.get_errno()), todo)


def removal() -> Check:
    """Does logind remove what users leave in /dev/shm?"""
    if not os.path.exists("/run/systemd/system"):
        return Check("RemoveIPC", "ok", "systemd does not run here")
    chosen = "yes"  # logind.conf(5)
    folders = [f"{place}/systemd/logind.conf" for place in ("/usr/lib", "/etc", "/run")]
    for path in folders:
        files = [path]
        if os.path.isdir(f"{path}.d"):
            files += [f"{path}.d/{name}" for name in sorted(os.listdir(f"{path}.d"))]
        for file in files:
            for value in re.findall(r"^\s*RemoveIPC\s*=\s*(\S+)", read(file), re.MULTILINE):
                chosen = value.lower()
    if chosen in ("no", "false", "0", "off"):
        return Check("RemoveIPC", "ok", "off")
    todo = (
        "logind removes the regions of ordinary users when their last session ends; for "
        "services: RemoveIPC=no in /etc/systemd/logind.conf, or run them as system users"
    )
    return Check("RemoveIPC", "note", "on", todo)


def memory_limit() -> Check:
    """What memory may this process's control group have?"""
    groups = read("/proc/self/cgroup").splitlines()
    if not groups:
        return Check("memory limit", "note", "can't be told without /proc", "")
    path = next((line[3:] for line in groups if line.startswith("0::")), "")
    least: int | None = None
    while path:
        text = read(f"/sys/fs/cgroup{path}/memory.max").strip()
        if text.isdigit():
            least = min(int(text), least or int(text))
        path = path.rpartition("/")[0]
    if least is None:
        return Check("memory limit", "ok", "none of a control group")
    todo = "regions count against it; create refuses what does not fit"
    return Check("memory limit", "note", size_text(least), todo)


SHARED_PAGES = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
# What each setting means, of a mount's huge= (tmpfs(5)) and of the file (admin-guide/mm/transhuge).
ALWAYS = ("always", "within_size", "force")
NO_HUGE_PAGES = Check("", "note", "this system has none", "nothing to be done")


def huge_pages() -> Check:
    """Do regions with a name get huge pages? Their mount says so."""
    name = "huge pages"
    general = shared_pages()
    if general is None:
        return NO_HUGE_PAGES._replace(name=name)
    mounts = [line.split() for line in read("/proc/mounts").splitlines()]
    options = [words[3] for words in mounts if words[1] == FOLDER]
    found = re.search(r"\bhuge=(\w+)", options[-1] if options else "")
    chosen = general if general in ("force", "deny") else found[1] if found else "never"
    remedy = f"mount -o remount,huge=within_size {FOLDER}"
    return page_check(name, chosen, remedy)._replace(found=f"{chosen}, in {FOLDER}")


def anonymous_huge_pages() -> Check:
    """Do regions without a name get huge pages? The system's own mount of them says so."""
    name = "anonymous huge pages"
    chosen = shared_pages()
    if chosen is None:
        return NO_HUGE_PAGES._replace(name=name)
    return page_check(name, chosen, f"echo within_size > {SHARED_PAGES}")


def shared_pages() -> str | None:
    """Return the setting for memory that is in no mount of its own; None if there is none."""
    found = re.search(r"\[(\w+)\]", read(SHARED_PAGES))
    return found[1] if found else None


def page_check(name: str, chosen: str, remedy: str) -> Check:
    """Return what follows from a setting."""
    if chosen in ALWAYS:
        return Check(name, "ok", chosen)
    if chosen == "deny":
        todo = f"not even hugepages=True gets any; as root: echo never > {SHARED_PAGES}"
        return Check(name, "note", chosen, todo)
    todo = (
        "large regions take long to create and to touch first, unless with hugepages=True, which "
        f"takes Linux 6.1; as root, for all: {remedy}"
    )
    return Check(name, "ok" if chosen == "advise" else "note", chosen, todo)


def descriptors() -> Check:
    """How many descriptors may a process have?"""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = f"{limit} of at most {most}"
    if limit < 4096:
        todo = (
            f"a region takes one: ulimit -n {min(most, 65536) if most > 0 else 65536} for thousands"
        )
        return Check("descriptors", "note", told, todo)
    return Check("descriptors", "ok", told)


def mappings() -> Check:
    """How many mappings may a process have?"""
    text = read("/proc/sys/vm/max_map_count").strip()
    if not text.isdigit():
        return Check("mappings", "note", "vm.max_map_count can't be read", "")
    if int(text) < 65530:
        todo = "a region takes one or two: sysctl vm.max_map_count=262144 for many"
        return Check("mappings", "note", text, todo)
    return Check("mappings", "ok", text)
