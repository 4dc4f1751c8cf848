"""Mirrors: regions, arrays, channels and queues of this machine on others, over Zenoh.

Machine A offers a thing, others follow it, and have a copy of the same name in their own shared
memory, which their programs use as if it were made there::

    with zinc.mirror.offer("frames", "tcp/0.0.0.0:7447"):     # on A
        ...
    mirror = zinc.mirror.follow("frames", "tcp/a:7447")       # on B
    zinc.open_array("frames")                                 # in any program of B

The mirror is the only one that writes to a region's or channel's copy. Of a region the newest state
comes, of a channel each message, of a queue each item to one worker on any machine. It needs
``pip install 'zinc-shm[mirror]'``. `zinc.mirror._wire` tells what goes over the link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._array import SharedArray
from .._channel import Channel
from .._mode import with_octal_mode
from .._queue import Queue
from .._region import SharedRegion
from . import _link
from ._follow import Mirror
from ._offer import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    import zenoh

__all__ = ["Mirror", "Offer", "follow", "offer"]


def offer(
    things: str | SharedRegion | SharedArray | Channel | Queue | Iterable[object],
    where: str | zenoh.Session | None = None,
    *,
    lock: bool = False,
    lease_ms: float = _link.LEASE_MS,
    config: str | PathLike[str] | None = None,
) -> Offer:
    """Offer things to other machines until the result is closed; it has a thread for each.

    `things` are one or several names, regions, arrays, channels or queues that have names. `where`
    is an endpoint of Zenoh's to listen at, ``"tcp/0.0.0.0:7447"``, or a session that is open.
    `config` is a file of Zenoh's configuration, for routers, TLS and access control; nothing that
    it says of those is changed. Who is silent for `lease_ms` milliseconds is taken for gone, by
    both sides: give followers the same.

    A region is copied while others may write it: with `lock` only under its own lock
    (`SharedRegion.lock`), which whoever writes takes, too, and the copy is written under its lock.

    Raises FileNotFoundError and what else `SharedRegion.open` raises; ValueError for what has no
    name or no mirror, such as a lock, and for settings that can't be; ConnectionError if Zenoh
    can't listen there.
    """
    several = isinstance(things, (str, SharedRegion, SharedArray, Channel, Queue))
    names = [_name(thing) for thing in ([things] if several else things)]  # type: ignore[union-attr]
    session, owns = _session(where, None, lease_ms, config)
    try:
        return Offer(session, owns, names, lease_ms, lock)
    except BaseException:
        if owns:
            _link.end(session)
        raise


@with_octal_mode
def follow(
    name: str,
    where: str | zenoh.Session | None = None,
    *,
    copy: str | None = None,
    timeout_ms: float | None = 10_000,
    lease_ms: float = _link.LEASE_MS,
    config: str | PathLike[str] | None = None,
    mode: int = 0o600,
    prefetch: int = 2,
) -> Mirror:
    """Follow what another machine offers under a name, and return when the copy is there and new.

    The copy is called `copy`, or as the original; one that is there, of a mirror that was killed
    say, is used on. `where` is an endpoint of Zenoh's to connect to, ``"tcp/a:7447"``, or a session
    that is open; `lease_ms` and `config` are as for `offer`, `mode` as for `SharedRegion.create`.
    Of a queue `prefetch` items come for each worker here: more hide the way, fewer leave more to
    others.

    A connection that breaks is made again for as long as the mirror lives, and what was missed
    comes then: the newest state of a region, what a channel still has.

    Raises TimeoutError if nothing came within `timeout_ms` milliseconds (None waits for ever);
    FileExistsError if something else has the copy's name; ValueError for settings that can't be;
    OSError (ENOSPC) if /dev/shm has no room; ConnectionError if Zenoh can't begin.
    """
    if prefetch < 1:
        raise ValueError(f"prefetch is at least 1 item for each worker, not {prefetch}")
    session, owns = _session(None, where, lease_ms, config)
    mirror = None
    try:
        local = name if copy is None else copy
        mirror = Mirror(session, owns, name, local, lease_ms, mode, prefetch)
        mirror.wait(timeout_ms)
    except BaseException:
        if mirror is not None:
            mirror.close()
        elif owns:
            _link.end(session)
        raise
    return mirror


def _name(thing: object) -> str:
    if isinstance(thing, str):
        return thing
    if isinstance(thing, SharedArray):
        thing = thing.region
    name = getattr(thing, "name", None)
    if not isinstance(name, str):
        raise ValueError(f"mirror {thing!r}: others can follow only what has a name")
    return name


def _session(
    listen: str | zenoh.Session | None,
    connect: str | zenoh.Session | None,
    lease_ms: float,
    config: str | PathLike[str] | None,
) -> tuple[zenoh.Session, bool]:
    """Return a session, and whether it is the mirror's own."""
    where = listen or connect
    if where is None and config is None:
        raise ValueError(
            "say where: an endpoint such as tcp/0.0.0.0:7447, or Zenoh's configuration"
        )
    if where is not None and not isinstance(where, str):
        return where, False
    made = _link.configuration(
        listen if isinstance(listen, str) else None,
        connect if isinstance(connect, str) else None,
        lease_ms,
        config,
    )
    return _link.opened(made, where or str(config)), True
