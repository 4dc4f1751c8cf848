"""Sessions of Zenoh: what mirrors ask of it, and what users may say of it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

try:
    import zenoh
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "no zenoh here; mirrors take: pip install 'zinc-shm[mirror]'", name="zenoh"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

log = logging.getLogger("zinc.mirror")

LEASE_MS = 10_000
_of_thread = threading.local()


def beat(lease_ms: float) -> float:
    """Return the seconds between two signs of life."""
    return min(1.0, lease_ms / 10_000)


def configuration(
    listen: str | None,
    connect: str | list[str] | None,
    lease_ms: float,
    config: str | os.PathLike[str] | None,
) -> zenoh.Config:
    """Return what a session is opened with; what the user's file says of the rest stays.

    Raises ValueError for an endpoint or a file that Zenoh does not understand.
    """
    if not 100 <= lease_ms <= 3_600_000:
        raise ValueError(f"a lease is 100 to 3600000 milliseconds, not {lease_ms}")
    made = zenoh.Config()
    lease = int(lease_ms)
    settings: dict[str, object] = {
        # Each side tells the other its own.
        "transport/link/tx/lease": lease,
        # A batch that waits for longer ends the connection: who is stopped must not stop others.
        "transport/link/tx/queue/congestion_control/block/wait_before_close": lease * 1000,
        # With the 2 that it has otherwise, each batch costs both sides a sleep.
        "transport/link/tx/queue/size/data": 16,
        "transport/shared_memory/enabled": False,
    }
    if config is not None:
        try:
            made = zenoh.Config.from_file(os.fspath(config))
        except Exception as error:
            raise ValueError(f"Zenoh's configuration {str(config)!r}: {error}") from None
    else:
        settings |= {
            "mode": "peer",
            "scouting/multicast/enabled": False,
            "scouting/gossip/enabled": False,
            # Whoever is away for a minute is found again at once, not after a minute more.
            "connect/retry": {"period_init_ms": 200, "period_max_ms": 1000},
            "connect/exit_on_failure": False,
            "connect/timeout_ms": -1,
            "listen/exit_on_failure": True,
            "listen/endpoints": [],
        }
    if listen is not None:
        settings["listen/endpoints"] = [listen]
    if connect is not None:
        settings["connect/endpoints"] = [connect] if isinstance(connect, str) else connect
    for key, value in settings.items():
        try:
            made.insert_json5(key, json.dumps(value))
        except Exception as error:
            raise ValueError(f"Zenoh does not take {value!r} for {key}: {error}") from None
    return made


def opened(made: zenoh.Config, where: str) -> zenoh.Session:
    """Open a session. Raises ConnectionError if Zenoh can't, as where an address is taken."""
    try:
        return zenoh.open(made)
    except Exception as error:
        raise ConnectionError(f"mirror at {where}: {error}") from None


def end(*declared: Any) -> None:
    """Undeclare what a session has, or close a session; one that is gone already is, too."""
    for one in declared:
        with contextlib.suppress(zenoh.ZError):
            getattr(one, "close" if isinstance(one, zenoh.Session) else "undeclare")()


@contextlib.contextmanager
def told() -> Generator[None]:
    """Let no error out into a thread of Zenoh's, which would print it and go on."""
    try:
        yield
    except Exception:
        log.exception("a mirror's own mistake")


def direct(call: Callable[[zenoh.Sample], None]) -> zenoh.handlers.Callback[zenoh.Sample]:
    """Call in the thread that receives: with another one what comes would pile up before it."""

    def received(sample: zenoh.Sample) -> None:
        if not hasattr(_of_thread, "state"):
            # Zenoh's threads are none of Python's, which would make a state of the thread for each
            # call, and map and unmap memory for it. This one is never let go.
            _of_thread.state = ctypes.pythonapi.PyGILState_Ensure()
        with told():
            call(sample)

    return zenoh.handlers.Callback(received, indirect=False)
