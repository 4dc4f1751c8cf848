"""What can be told of regions by their names alone: nothing here attaches to one."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from . import _seats, _users, _zinc
from ._mode import Mode
from ._seats import LockInfo, Seat
from ._users import ChannelInfo, QueueInfo

STATES: tuple[Literal["attached", "unattached", "dead"], ...] = ("attached", "unattached", "dead")


@dataclasses.dataclass(frozen=True)
class RegionInfo:
    """What a region looks like from outside; `zinc.examine` gives it.

    Of a region of another layout version only the name, `state`, `layout`, `memory`,
    `persistent`, `owner`, `mode`, `device` and `inode` are known; the rest is 0, None or empty.
    """

    name: str
    """The name that was asked for."""
    state: Literal["attached", "unattached", "dead"]
    """Whether somebody uses it (attached), nobody does and it stays all the same, since it is
    persistent or kept (unattached), or its last user was killed, and the next call that meets it
    removes it (dead)."""
    layout: int
    """The version of its layout; ``build_info()["layout"]`` is the one that can be opened."""
    capacity: int
    """Bytes of data."""
    memory: int
    """Bytes of memory that it really has, its header page among them."""
    persistent: bool
    """Whether it lasts until it is unlinked."""
    wakes_always: bool
    """Whether each notification is a system call, since some of its users may only read."""
    kind: int
    """What the data is, as `create` was told: 0 bytes, 1 an array, 2 a channel or queue, 3 to 8 a
    lock and its family, 9 an object."""
    metadata: bytes
    """What `create` was given to keep. Who may write the region can change it: check it."""
    sequence: int
    """Notifications so far, modulo 2**32."""
    parked: int
    """How often a waiter has gone to sleep, modulo 2**32."""
    woken: int
    """How many of these had been answered when somebody last looked, modulo 2**32."""
    id: int
    """The random number that tells two regions of one name apart."""
    created_at: float
    """When it was created, in seconds since 1970."""
    creator_pid: int
    """Which process created it, in the view of that process."""
    owner: int
    """The number of the user that it belongs to."""
    mode: int
    """Its permissions, as of a file; prints as ``0o600``."""
    device: int
    """The device of its file, ``/dev/shm/zinc_NAME``, as `os.stat` has it."""
    inode: int
    """The number of its file there."""
    data_offset: int
    """Bytes of the file before the data."""
    seats: list[Seat]
    """Who sits in it, to use its locks, or did when it was killed."""
    lock: LockInfo | None
    """How its own lock is."""
    channel: ChannelInfo | None
    """What is going on in it, if it is a channel, and no queue."""
    queue: QueueInfo | None
    """What is going on in it, if it is a queue."""


def regions() -> list[str]:
    """Return the names of all that is called like a region on this machine, sorted.

    Living and dead ones of every user, and what has the place of one and is none: `examine`
    tells which. Any of them may be gone by then. Anonymous regions have no name. Takes no lock,
    and their users do not notice.

    >>> import zinc
    >>> with zinc.create("docs-seen", 8):
    ...     "docs-seen" in zinc.regions()
    True
    """
    return sorted(_zinc.names())


def examine(name: str) -> RegionInfo:
    """Tell all that can be told of a region without attaching to it.

    Nothing is locked, changed or removed, and its users do not notice; a dead region stays. It
    may belong to anybody, if this user may read it. The result is no single moment: what it says
    of notifications, seats and the lock may be newer than what it says of users.

    Raises FileNotFoundError if there is none, `NotARegionError` if what has its place is no
    region, or a damaged one, ValueError for a name that can't be, PermissionError if this user
    may not read it, and other OSErrors as the system says.

    >>> import zinc
    >>> with zinc.create("docs-seen", 8, metadata=b"of 2026") as region:
    ...     region.notify()
    ...     seen = zinc.examine("docs-seen")
    1
    >>> seen.state, seen.capacity, seen.metadata, seen.sequence
    ('attached', 8, b'of 2026', 1)
    """
    while True:
        told: dict[str, Any] = _zinc.examine(name)
        told["seats"], told["lock"], told["channel"], told["queue"] = [], None, None, None
        if told["layout"] != _zinc.VERSION >> 16:
            break
        told["seats"], told["lock"] = _seats.examine(name)
        if told["kind"] == _zinc.CHANNEL:
            found = _users.examine(name)
            told["queue" if isinstance(found, QueueInfo) else "channel"] = found
        if _zinc.examine(name)["id"] == told["id"]:
            break  # else another has taken the name meanwhile, and theirs would be told as its own
    flags = told.pop("flags")
    told["state"] = STATES[told["state"]]
    told["created_at"] /= 1e9
    told["mode"] = Mode(told["mode"])
    return RegionInfo(
        name,
        persistent=bool(flags & _zinc.PERSISTENT),
        wakes_always=bool(flags & _zinc.WAKES_ALWAYS),
        **told,
    )
