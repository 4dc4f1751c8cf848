"""Runs the command ``zinc`` in children of a process that has imported what it takes.

That is the most of what a short command costs, and hundreds are run. They are forked from a process
that has begun nothing else, each with standard streams, an environment and a folder of its own, and end
as programs do.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys


@functools.cache
def server() -> socket.socket:
    """Start the process; it ends before this one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, __file__, str(its.fileno())]
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # who forks should have no threads
        process = subprocess.Popen(command, pass_fds=[its.fileno()], env=alone)
    atexit.register(process.wait)
    atexit.register(ours.close)  # goes first
    return ours


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command, as `subprocess.run` would that captures the text that it prints."""
    readers, writers = zip(*(os.pipe() for _ in range(3)), strict=True)
    order = json.dumps([arguments, dict(os.environ), os.getcwd()]).encode()
    try:
        socket.send_fds(server(), [order], [0, *writers])
    finally:
        for descriptor in writers:
            os.close(descriptor)
    found: dict[int, bytes] = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for descriptor in readers:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                piece = os.read(key.fd, 1 << 16)
                found[key.fd] += piece
                if not piece:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    out, error = (io.TextIOWrapper(io.BytesIO(found[one])).read() for one in readers[:2])
    return subprocess.CompletedProcess(arguments, int(found[readers[2]]), out, error)


def serve(orders: socket.socket) -> None:
    """Fork a child for each order, which returns from here to run the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits for them, ends by itself
    while True:
        order, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 4)
        if not order:
            sys.exit()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            pid = os.fork()
            if pid == 0:
                be_started(descriptors, *json.loads(order))
                return
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(descriptors[3], str(status).encode())
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def be_started(
    descriptors: list[int], arguments: list[str], environment: dict[str, str], folder: str
) -> None:
    """Have what a program has that was just started."""
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [__main__.__file__, *arguments]
    sys.modules["__main__"] = __main__  # as whose it is shown how to use it


if __name__ == "__main__":
    import numpy

    from zinc import __main__
    from zinc.command import main

    assert numpy
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main.app(["--version"])  # which imports what comes late
    gc.freeze()  # whose pages the children then share to their end
    serve(socket.socket(fileno=int(sys.argv[1])))
    __main__.main()
