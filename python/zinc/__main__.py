"""The command ``zinc``, also ``python -m zinc``."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

STREAMS = {0: "standard input", 1: "standard output", 2: "standard error"}


def main() -> None:
    """Run the command, which ends in one line on standard error if it fails."""
    closed = hold_closed_streams()
    try:
        try:
            run()
        finally:
            sys.stdout.flush()  # when the interpreter does it, nobody can tell of a failure
    except KeyboardInterrupt:
        end(130)
    except BrokenPipeError:  # whoever reads has had enough
        end(1)
    except ModuleNotFoundError as error:  # numpy, where there are arrays
        end(f"zinc: {error}")
    except MemoryError:
        end("zinc: there is not enough memory")
    except OSError as error:
        told = error.strerror or str(error)  # ours are whole sentences
        if error.errno == errno.EBADF and closed:
            told = f"{' and '.join(closed)} {'are' if len(closed) > 1 else 'is'} closed"
        end(f"zinc: {error.filename}: {told}" if error.filename else f"zinc: {told}")
    except (ValueError, OverflowError) as error:
        end(f"zinc: {error}")


def run() -> None:
    """Run the command; its libraries are extras that ``import zinc`` needs nothing of."""
    is_bench = sys.argv[1:2] == ["bench"]
    try:
        from .command.main import app

        if is_bench:  # which asks for some of its libraries only when it measures
            app()
    except ModuleNotFoundError as error:
        extra = "bench" if is_bench else "cli"
        sys.exit(f"zinc: {error}; this command takes: pip install 'zinc-shm[{extra}]'")
    if not is_bench:
        app()


def hold_closed_streams() -> list[str]:
    """Put what fails when it is used where a standard stream is closed; return which are.

    Else their numbers would go to files of ours. A terminal that has not all characters gets
    their numbers instead.
    """
    closed: list[str] = []
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        if stream is None:  # pyright: ignore[reportUnnecessaryComparison]
            closed.append(STREAMS[number])
            # What may only be written fails to be read, and the other way round; of standard
            # error nobody could be told.
            access = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)[number]
            descriptor = os.open(os.devnull, access)
            replace(number, os.fdopen(descriptor, "r" if number == 0 else "w", closefd=False))
    for output in sys.stdout, sys.stderr:
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")
    return closed


def replace(number: int, stream: TextIO) -> None:
    """Put another standard stream in the place of one."""
    if number == 0:
        sys.stdin = stream
    elif number == 1:
        sys.stdout = stream
    else:
        sys.stderr = stream


def end(status: int | str) -> None:
    """End, though what is left to write can't be."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, to the end of the process
    sys.exit(status)


if __name__ == "__main__":
    main()
