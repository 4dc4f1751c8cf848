"""What can be seen of the regions of this machine from outside, without attaching to any."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
import time
from typing import Any, Literal

from .. import _description, _outside, _zinc
from .._description import ARRAY, Description
from .._holders import Holder, Inode, holders, locks, user_name
from .._region import SharedRegion
from .._seats import LockInfo, Seat
from .._users import ChannelInfo, QueueInfo, ReaderInfo, WriterInfo

FOLDER = "/dev/shm"
LAYOUT = _zinc.VERSION >> 16
# Those of zinc.h, and which of them are held by who has their own lock.
KINDS = {
    _zinc.CHANNEL: "channel",
    3: "lock",
    4: "rwlock",
    5: "condition",
    6: "semaphore",
    7: "event",
    8: "barrier",
    9: "object",
    _zinc.STORE: "store",
}
LOCKS = range(3, 6)
# The queues that callers make for what a service answers.
REPLIES = re.compile("reply-[0-9a-f]{16}")
# What the name of a store's object has behind the store's and a dash.
OBJECT_NUMBER = re.compile("[0-9a-f]{16}")
STUCK = 1  # second that a writer waits, and it is no back-pressure any more
State = Literal["attached", "unattached", "dead", "unreadable"]


@dataclasses.dataclass
class Region:
    """A region as it is seen from outside; `problem` is why it can't be, and the rest is empty.

    One of another layout has a problem, too; its state, owner, mode and memory are known.
    """

    name: str
    state: State = "unreadable"
    problem: str | None = None
    layout: int | None = None  # version, where it is known
    capacity: int = 0
    memory: int = 0  # bytes that it really has
    persistent: bool = False
    wakes_always: bool = False  # on each notification: some users may only read
    sequence: int = 0
    rate: float | None = None  # notifications a second, if it was looked at twice
    message_rate: float | None = None  # messages a second, of a channel or queue
    kind: int = 0
    metadata: bytes = b""
    created_at: float = 0  # seconds since 1970
    creator_pid: int = 0
    owner: str = ""
    mode: int = 0
    id: int = 0
    data_offset: int = 0
    parked: int = 0
    woken: int = 0
    seats: list[Seat] = dataclasses.field(default_factory=list[Seat])
    lock: LockInfo | None = None  # its own
    channel: ChannelInfo | None = None  # what is going on in it, if it is one
    queue: QueueInfo | None = None  # and if it is this
    store: str | None = None  # whose object it is
    objects: int | None = None  # of a store, and what they take
    objects_memory: int = 0
    inode: Inode = (0, 0)
    handles: int = 0  # attached, by whomever
    holders: list[Holder] = dataclasses.field(default_factory=list[Holder])  # who may be seen

    @property
    def path(self) -> str:
        """Where the region's file is."""
        return f"{FOLDER}/zinc_{self.name}"

    @property
    def age(self) -> float:
        """How long ago it was created, in seconds."""
        return max(0.0, time.time() - self.created_at)

    @property
    def has_hidden_holders(self) -> bool:
        """Whether somebody is attached whom this user may not see."""
        return self.state == "attached" and self.handles > 0 and not self.holders

    @property
    def description(self) -> Description | None:
        """What an array's metadata says of it, if it can be read."""
        try:
            return _description.read(self.metadata) if self.kind == ARRAY else None
        except ValueError:
            return None

    @property
    def contents(self) -> str:
        """What it is, in words: ``array <f4 (3, 5)``, ``queue 100 bytes``, ``kind 1000``."""
        if self.queue is not None:
            what = "queue of replies," if REPLIES.fullmatch(self.name) else "queue"
            return f"{what} {self.queue.slot_size:,} bytes"
        if self.kind == ARRAY or (self.kind == _zinc.CHANNEL and self.metadata):
            return f"{'array' if self.kind == ARRAY else 'channel'}{array_text(self.metadata)}"
        if self.channel is not None:
            return f"channel {self.channel.slot_size:,} bytes"
        if self.objects is not None:
            count = f"{self.objects:,} object{'' if self.objects == 1 else 's'}"
            return f"store, {count} of {self.objects_memory:,} bytes"
        return KINDS.get(self.kind, f"kind {self.kind}") if self.kind else "bytes"

    @property
    def per_second(self) -> float | None:
        """What its rate is told as: if it has messages theirs, else its notifications'."""
        return self.rate if self.message_rate is None else self.message_rate

    @property
    def traffic(self) -> ChannelInfo | QueueInfo | None:
        """What is going on in it, if it has messages."""
        return self.channel or self.queue

    @property
    def waiting(self) -> list[WriterInfo]:
        """Who writes to a channel or queue, and waits for room, the longest first."""
        writers = self.traffic.writers if self.traffic else []
        found = [writer for writer in writers if writer.alive and writer.waiting_since]
        return sorted(found, key=lambda writer: writer.waiting_since or 0)

    @property
    def holding_up(self) -> list[ReaderInfo]:
        """Who reads a channel, and whom its writers wait for, the furthest behind first."""
        if self.channel is None or self.channel.full != "wait":
            return []
        slots, readers = self.channel.slots, self.channel.readers
        found = [one for one in readers if one.alive and not one.evicted and one.lag >= slots]
        return sorted(found, key=lambda reader: -reader.lag)

    @property
    def is_stuck(self) -> bool:
        """Whether somebody has waited for room for messages for longer than a moment."""
        return any(time.time() - (one.waiting_since or 0) >= STUCK for one in self.waiting)

    @property
    def needs_recovery(self) -> bool:
        """Whether its lock is one that nobody gets without more ado."""
        return self.lock is not None and self.lock.state in ("abandoned", "damaged")

    def program_of(self, pid: int) -> str:
        """Return a process's number, and what it runs if it is attached and may be seen."""
        holders = (holder for holder in self.holders if holder.pid == pid)
        found = (f" {holder.program}{stopped_text(holder)}" for holder in holders)
        return f"{pid}{next(found, '')}"

    def as_json(self) -> dict[str, Any]:
        """Return all of it as what JSON knows."""
        fields = dataclasses.asdict(self)
        fields["metadata"] = self.metadata.decode("latin-1")
        fields["mode"] = f"{self.mode:04o}"
        fields["id"] = f"{self.id:016x}"  # as a number, many a reader of JSON would round it
        return {**fields, "path": self.path, "contents": self.contents, "age": self.age}


def stopped_text(holder: Holder) -> str:
    """Return what is to be said of a process that does nothing."""
    return ", STOPPED" if holder.stopped else ""


def array_text(metadata: bytes) -> str:
    """Return what an array is that is described so: `` <f4 (3, 5)``."""
    try:
        found = _description.read(metadata)
    except ValueError:
        return ", damaged description"
    descr = found.descr if isinstance(found.descr, str) else "of records"
    return f" {descr} {found.shape}{', Fortran order' if found.order == 'F' else ''}"


def examine(name: str) -> Region:
    """Look at one region, but not at who holds it. FileNotFoundError if there is none.

    One that can't be read, or is of another layout, has a `problem`, and what else may be seen:
    how large its file is, and whose.
    """
    try:
        info = _outside.examine(name)
    except FileNotFoundError:
        raise
    except OSError as error:
        return unreadable(name, error.strerror or str(error))
    told = dict(vars(info))
    told["owner"] = user_name(info.owner)
    told["inode"] = told.pop("device"), info.inode
    region = Region(**told)
    if region.layout != LAYOUT:
        region.problem = (
            f"made by a zinc of layout version {region.layout}, and this reads {LAYOUT}"
        )
    return region


def unreadable(name: str, problem: str) -> Region:
    """Return what may be seen of a file that can't be read."""
    region = Region(name, problem=problem)
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(region.path)
        region.memory = status.st_blocks * 512  # stat(2)
        region.owner, region.mode = user_name(status.st_uid), stat.S_IMODE(status.st_mode)
        region.inode = status.st_dev, status.st_ino
    return region


def regions(interval: float = 0) -> list[Region]:
    """Look at all regions, by name, and at who holds them.

    With an interval, in seconds, looks twice, and knows the rates. One that goes away
    meanwhile is left out; one that can't be read has a `problem`.
    """
    first = look()
    start = time.monotonic()
    if interval > 0 and first:
        time.sleep(interval)
        before, first = first, look()
        set_rates(before, first, time.monotonic() - start)
    tell_holders(first)
    return sorted(first.values(), key=lambda region: region.name)


def examine_twice(name: str, interval: float) -> Region:
    """As `examine`; where messages go it looks twice, in seconds, and knows the rates."""
    start, before = time.monotonic(), examine(name)
    if before.traffic is None:
        return before
    time.sleep(interval)
    after = examine(name)
    set_rates({name: before}, {name: after}, time.monotonic() - start)
    return after


def room() -> tuple[int, int]:
    """Return how many bytes of memory regions may take, and how many of these are left."""
    found = os.statvfs(FOLDER)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def look() -> dict[str, Region]:
    """Look at all regions."""
    found: dict[str, Region] = {}
    for name in _outside.regions():
        try:
            found[name] = examine(name)
        except FileNotFoundError:
            continue
        except ValueError as error:  # not a region's name
            found[name] = unreadable(name, str(error))
    group(found)
    return found


def group(found: dict[str, Region]) -> None:
    """Tell each object whose it is, and each store what it has."""
    stores = {name: region for name, region in found.items() if region.kind == _zinc.STORE}
    for region in stores.values():
        region.objects = 0
    for name, region in found.items():
        owner, _, number = name.rpartition("-")
        if owner in stores and OBJECT_NUMBER.fullmatch(number):
            region.store = owner
            stores[owner].objects = (stores[owner].objects or 0) + 1
            stores[owner].objects_memory += region.memory


def set_rates(before: dict[str, Region], after: dict[str, Region], seconds: float) -> None:
    """Give the regions that were there before their notifications and messages a second."""
    for name, region in after.items():
        was = before.get(name)
        if was and not region.problem and was.id == region.id:
            region.rate = (region.sequence - was.sequence & 0xFFFFFFFF) / seconds
            if region.traffic and was.traffic:
                region.message_rate = (region.traffic.newest - was.traffic.newest) / seconds


def tell_holders(found: dict[str, Region]) -> None:
    """Give each region who is attached, from what the kernel says of locks."""
    locked = locks()
    by_inode = holders() if locked else {}
    for region in found.values():
        region.handles = locked.get(region.inode, 0)
        region.holders = by_inode.get(region.inode, [])


def is_queue(name: str) -> bool:
    """Whether what has this name is a queue, as far as that can be seen."""
    try:
        return examine(name).queue is not None
    except (OSError, ValueError):
        return False


def is_left_alone(region: SharedRegion) -> bool:
    """Whether nobody but this handle is attached to a region, and nobody new will come."""
    assert region.name
    try:
        found = examine(region.name)
    except FileNotFoundError:
        return True  # unlinked
    if found.id != region.id:
        return True  # unlinked, and another has the name now
    return not found.persistent and locks().get(found.inode, 2) < 2


def head(region: Region, count: int) -> bytes:
    """Return the first bytes of a region's data."""
    descriptor = os.open(region.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, min(count, region.capacity), region.data_offset)
    finally:
        os.close(descriptor)
