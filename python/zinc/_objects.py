"""Objects in shared memory: pickles whose buffers are written once, and read where they are.

The extension lays them out and reads them (object.h says how they look); here is what becomes of
those that are too large for where they are wanted, and of the regions that they refer to.
"""

from __future__ import annotations

import collections
import contextlib
import os
import stat
import struct
import threading
import weakref
from typing import TYPE_CHECKING, Any

from . import _reference, _region, _zinc

if TYPE_CHECKING:
    from collections.abc import Buffer, Callable, Iterable

    from ._region import SharedRegion

    # A region's name and id: what a ticket is for.
    _Ticket = tuple[str, int]
    # Of a message: its number, its tickets, its regions.
    _Kept = tuple[int, list[_Ticket], list[SharedRegion]]

# The kind of a region that is an object.
OBJECT = 9

# So many handles a sender keeps, at most, of objects in regions of their own.
_HANDLES = 64

# So many of them it looks at, at each message.
_LOOKS = 16


class Parts(_zinc.Parts):
    """A pickled object that waits to be written into shared memory: what `dump` returns.

    The regions that it refers to are kept for 10 minutes from then on (`tickets`), and `regions`
    has them. Who does not send it drops it.
    """

    __slots__ = ()

    tickets: list[_Ticket] | None

    @property
    def record(self) -> Parts:
        """What is sent: itself."""
        return self

    def drop(self) -> None:
        """Give back what it has taken: it is not sent."""
        tickets, self.tickets = self.tickets, None
        if tickets:
            give_back(tickets)

    def moved(self, like: SharedRegion) -> Moved:
        """Write it into a region of its own, and return what stands for it, which is small.

        The region is for whom `like` is, and the tickets are that one's then. Raises OSError
        (ENOSPC) if there is no room, and what else `SharedRegion.create` raises.
        """
        return Moved(self, like)


class Moved:
    """What stands for an object that is in a region of its own.

    As `Parts`; `region` is a handle that keeps it beside the ticket.
    """

    __slots__ = ("_record", "region", "regions", "size", "tickets")

    def __init__(self, parts: Parts, like: SharedRegion) -> None:
        mode, group = rights(like)
        region = region_of(parts, mode, group)
        try:
            region.keep(_reference.LEASE)
        except BaseException:
            _region.discard(region)
            raise
        self.region = region
        self.regions = [region, *parts.regions]
        self.tickets: list[_Ticket] | None = [(str(region.name), region.id), *(parts.tickets or ())]
        parts.tickets = None
        self._record = struct.pack("<8sQQ", b"\xf5zincref", region.id, parts.size)
        self._record += str(region.name).encode()
        self.size = len(self._record)

    @property
    def record(self) -> bytes:
        """The bytes that stand for it."""
        return self._record

    def write_into(self, view: Buffer, /) -> None:
        """Write what stands for it into writable memory of `size` bytes."""
        memoryview(view)[: self.size] = self._record

    def drop(self) -> None:
        """Give back what it has taken, the region too: it is not sent."""
        tickets, self.tickets = self.tickets, None
        if tickets:
            give_back(tickets)
        self.region.close()


def rights(of: SharedRegion) -> tuple[int, int | None]:
    """Return the mode and the group of what is for whom this region is."""
    status = os.fstat(of.descriptors()[0])
    mode = stat.S_IMODE(status.st_mode) & 0o777 if of.name is not None else 0o600
    return mode, status.st_gid if mode & 0o070 else None


def region_of(
    parts: Parts, mode: int = 0o600, group: int | None = None, *, readonly: bool = True
) -> SharedRegion:
    """Create a region that has an object, and nothing else. Raises what creating one raises."""
    facts = f"object-{os.urandom(8).hex()}", parts, mode, group, OBJECT, readonly
    return _region.made_by(_region.SharedRegion, _zinc.create_object, *facts)


def dump(obj: object) -> Parts:
    """Pickle an object for shared memory.

    Raises what pickle and the object's own ways raise, and ValueError if a region in it is closed.
    """
    parts = _zinc.dump(Parts, obj)
    if parts.has_regions:
        taken: list[_Ticket] = []
        try:
            for region in parts.regions:
                if _reference.keep(region):
                    taken.append((str(region.name), region.id))
        except BaseException:
            give_back(taken)
            raise
        parts.tickets = taken
    return parts


def load(
    slot: Any, *, copy: bool = False, writable: bool = False, taken: list[_Ticket] | None = None
) -> Any:
    """Load an object from where it was written: from anything with a buffer of bytes.

    Its arrays are read-only and where it is, and each holds `slot`. With `copy` they have memory of
    their own instead, read-only too, and with `writable` such that can be written; but not those of
    an object in a region of its own, which it is read from in any case. `taken` gets the tickets
    that are to be given back (`give_back`) when nobody may load it again; the object's arrays do
    not need them.

    Raises ValueError if the bytes are no object, or a damaged one, pickle.UnpicklingError if what
    it refers to is gone, and whatever an unpickled object raises.
    """
    return _zinc.load(slot, _zinc.PRIVATE if writable else int(copy), taken)


def attached(name: bytes, identity: int, size: int, taken: list[_Ticket] | None) -> memoryview:
    """Attach to the region of an object, for the extension."""
    place = name.decode("ascii", "replace")
    try:
        region = _reference.load_region(_region.SharedRegion, place, identity, True, taken)
    except ValueError as error:  # no name
        raise ValueError(f"an object that is damaged: {error}") from None
    if region.kind != OBJECT or region.capacity != size:
        region.close()
        raise ValueError(f"an object that is damaged: region {place!r} is another")
    return memoryview(region)  # which has the handle as long as something is in use


def give_back(tickets: Iterable[_Ticket]) -> None:
    """Give tickets back: the regions that nobody has go then."""
    for name, identity in tickets:
        # Gone, or another's by now.
        with contextlib.suppress(OSError, ValueError):
            region = _zinc.open(_region.SharedRegion, name, _zinc.ANY_USER, 0)
            if region.id == identity:
                region.give_back()
            region.close()


class Sent:
    """The regions of what a sender has sent, by number, as long as somebody may still load it.

    It has a handle of each, so that they last as long as the sender, and the tickets for who loads
    them after it. Any number of threads may use it. A forked child has none of its parent's.
    """

    __slots__ = ("__weakref__", "_lock", "_messages", "_with_handles")

    def __init__(self) -> None:
        self._begin()
        _senders.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal handler or a finalizer may send, too
        self._messages: collections.deque[_Kept] = collections.deque()
        # The last that have handles, the newest last; some may be gone.
        self._with_handles: collections.deque[_Kept] = collections.deque()

    def __len__(self) -> int:
        """Return of how many messages it has something."""
        return len(self._messages)

    def add(self, number: int, parts: Parts | Moved) -> None:
        """Keep what belongs to this message."""
        with self._lock:
            kept = number, parts.tickets or [], [*parts.regions]
            self._messages.append(kept)
            self._with_handles.append(kept)
            while len(self._with_handles) > _HANDLES:
                self._with_handles.popleft()[2].clear()

    def sweep(self, is_gone: Callable[[int], bool]) -> None:
        """Let go of those of whose number `is_gone` says that nobody can load it any more.

        Looks at the next few at each call, so that it takes the same time however many there are.
        """
        gone: list[_Ticket] = []
        with self._lock:
            messages = self._messages
            for _ in range(min(len(messages), _LOOKS)):
                if not messages:  # a finalizer has looked, too
                    break
                message = messages.popleft()
                if is_gone(message[0]):
                    gone += message[1]
                    message[2].clear()
                else:
                    messages.append(message)
        give_back(gone)

    def close(self) -> None:
        """Let go of the handles: what is not loaded within 10 minutes goes."""
        with self._lock:
            for _, _, regions in self._messages:
                for region in regions:
                    with contextlib.suppress(OSError, ValueError):
                        _reference.renew(region)
            self._messages.clear()
            self._with_handles.clear()

    def __reduce__(self) -> tuple[type[Sent], tuple[()]]:
        """Give who gets the sender one of its own."""
        return Sent, ()


def gone_from(channel: SharedRegion) -> Callable[[int], bool]:
    """Return what says of a message of a channel that nobody can load it any more."""

    def is_gone(number: int) -> bool:
        try:
            return not _zinc.channel_keeps(channel, number)
        except ValueError:  # closed by another thread
            return False

    return is_gone


_senders: weakref.WeakSet[Sent] = weakref.WeakSet()


def _begin_in_child() -> None:
    """Let go of the parent's, and of locks that its other threads may have held."""
    for one in list(_senders):
        one._begin()


os.register_at_fork(after_in_child=_begin_in_child)
