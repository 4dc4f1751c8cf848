"""Locks by zinc.h alone, for tests of what others see of them; also a process that holds one.

``python bare_lock.py NAME`` acquires the lock of that name, says so in a line, and releases it
when its input ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import subprocess
import sys
from collections.abc import Generator

import zinc

OWN = ctypes.c_size_t(-1)
RECOVER = 16
library = ctypes.CDLL(zinc.get_library())


class WaitOptions(ctypes.Structure):
    """ZincWaitOptions."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("deadline_ns", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("after", ctypes.c_uint32),
    )


class BareLock:
    """A handle on the lock of a name, which it opens or creates, or on a region's own lock."""

    def __init__(self, name: str, *, of_region: bool = False) -> None:
        self.handle = ctypes.c_void_p()
        out = ctypes.byref(self.handle)
        if of_region:
            opened = library.zinc_open(name.encode(), out)
        else:
            opened = library.zinc_lock_open(name.encode(), None, out)
        assert opened == 0, opened

    def acquire(self, flags: int = 0) -> int:
        wait = WaitOptions(ctypes.sizeof(WaitOptions), 2**64 - 1, flags)
        return int(library.zinc_lock_acquire(self.handle, OWN, ctypes.byref(wait)))

    def release(self) -> int:
        return int(library.zinc_lock_release(self.handle, OWN))

    def close(self) -> None:
        library.zinc_close(self.handle)


@contextlib.contextmanager
def holding(name: str) -> Generator[subprocess.Popen[str]]:
    """Let another process hold a lock."""
    command = [sys.executable, __file__, name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process


def main() -> None:
    lock = BareLock(sys.argv[1])
    assert lock.acquire() == 0
    print("held", flush=True)
    sys.stdin.read()
    assert lock.release() == 0
    lock.close()


if __name__ == "__main__":
    main()
