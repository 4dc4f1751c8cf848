"""What the commands do about signals."""

from __future__ import annotations

import signal
import sys


def end_in_order() -> set[int]:
    """Let every signal that would end this process at once end it as an exception does.

    Returns which. Those that somebody has told to be ignored, as nohup does, stay ignored. The
    first one ends it, and none after it disturbs the end: often they come in pairs.
    """
    spared = {
        *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
        *(signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH),
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),  # of faults
    }
    defaults = signal.SIG_DFL, signal.default_int_handler
    ending = {n for n in signal.valid_signals() - spared if signal.getsignal(n) in defaults}

    is_ending = False

    def end(number: int, _: object) -> None:
        nonlocal is_ending
        if not is_ending:
            is_ending = True
            # At its very end the interpreter takes handlers away, but masks stay.
            signal.pthread_sigmask(signal.SIG_BLOCK, ending)
            sys.exit(128 + number)

    for number in ending:
        signal.signal(number, end)
    return {int(number) for number in ending}
