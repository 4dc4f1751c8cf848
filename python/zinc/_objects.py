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
    from collections.abc import Callable, Iterable

    from ._region import SharedRegion

    # A region's name and id: what a ticket is for.
    _Ticket = tuple[str, int]

# The kind of a region that is an object.
OBJECT = 9

# What a message begins with that stands for an object in a region of its own: this, the region's id
# and its capacity; its name follows.
_REFERENCE = struct.Struct("<8sQQ")
_IS_REFERENCE = b"\xf5zincref"

# So many handles a sender keeps, at most, of objects in regions of their own.
_HANDLES = 64

# So many of them it looks at, at each message.
_LOOKS = 16

# So many regions it keeps for the next objects, at most; of so many bytes, or two of the largest;
# and for so many messages.
_SPARES = 8
_SPARE_BYTES = 8 << 20
_SPARE_FOR = 16


class Parts(_zinc.Parts):
    """A pickled object that waits to be written into shared memory: what `dump` returns.

    The regions that it refers to are kept for 10 minutes from then on (`tickets`), and `regions`
    has them. Who does not send it drops it.
    """

    __slots__ = ()

    tickets: list[_Ticket] | None

    def send(
        self,
        writer: _zinc.Writer,
        tag: int,
        timeout_ms: float | None,
        numbers: list[int],
        first: bytes = b"",
    ) -> int:
        """Send it as a message after `first`; its number goes into `numbers`, too."""
        return writer._send_parts(self, tag, timeout_ms, numbers, first)

    def drop(self) -> None:
        """Give back what it has taken: it is not sent."""
        tickets, self.tickets = self.tickets, None
        if tickets:
            give_back(tickets)

    def moved(self, like: SharedRegion, sent: Sent) -> Moved:
        """Write it into a region of its own, and return what stands for it, which is small.

        The region is for whom `like` is, and the tickets are that one's then. It is one that `sent`
        keeps for it, if there is one. Raises OSError (ENOSPC) if there is no room, and what else
        `SharedRegion.create` raises.
        """
        return Moved(self, like, sent)


def reference_to(region: SharedRegion) -> bytes:
    """Return the message that stands for an object in a region of its own."""
    return _REFERENCE.pack(_IS_REFERENCE, region.id, region.capacity) + str(region.name).encode()


def reference_in(data: memoryview) -> tuple[str, int, int] | None:
    """Return the name, id and capacity of the region whose object a message stands for, if any."""
    if len(data) <= _REFERENCE.size or bytes(data[:8]) != _IS_REFERENCE:
        return None
    _, identity, size = _REFERENCE.unpack_from(data)
    return bytes(data[_REFERENCE.size :]).decode("ascii", "replace"), identity, size


class Moved:
    """What stands for an object that is in a region of its own.

    As `Parts`; `region` is a handle that keeps it beside the ticket. That is taken by `send`: no
    earlier than needed, since it outlives a sender that is killed.
    """

    __slots__ = ("_record", "_sent", "region", "regions", "tickets")

    def __init__(self, parts: Parts, like: SharedRegion, sent: Sent) -> None:
        facts = rights(like)
        region = sent.reused(parts, facts)
        if region is None:
            region = region_of(parts, *facts, readonly=False)
        self.tickets: list[_Ticket] | None = [*(parts.tickets or ())]
        self._sent, self.region, self.regions = sent, region, parts.regions
        parts.tickets = None
        self._record = reference_to(region)

    def send(
        self,
        writer: _zinc.Writer,
        tag: int,
        timeout_ms: float | None,
        numbers: list[int],
        first: bytes = b"",
    ) -> int:
        """Take the ticket, and send what stands for it; see `Parts.send`."""
        kept = self.region, _reference.LEASE
        return writer._send_parts(self._record, tag, timeout_ms, numbers, first, *kept)

    def drop(self) -> None:
        """Give back what it has taken, the region too: it is not sent."""
        tickets, self.tickets = self.tickets, None
        if tickets:
            give_back(tickets)
        self._sent.leave(self.region)


def rights(of: SharedRegion) -> tuple[int, int | None]:
    """Return the mode and the group of what is for whom this region is."""
    status = os.fstat(of.descriptors()[0])
    mode = stat.S_IMODE(status.st_mode) & 0o777 if of.name is not None else 0o600
    return mode, status.st_gid if mode & 0o070 else None


def region_of(
    parts: Parts, mode: int = 0o600, group: int | None = None, *, readonly: bool = True
) -> SharedRegion:
    """Create a region that has an object, and nothing else. Raises what creating one raises."""
    facts = new_name(), parts, mode, group, OBJECT, readonly
    return _region.made_by(_region.SharedRegion, _zinc.create_object, *facts)


def new_name() -> str:
    """Return a name for a region that is an object."""
    return f"object-{os.urandom(8).hex()}"


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
    _loaded[str(region.name), identity] = region
    return memoryview(region)  # which has the handle as long as something is in use


# The regions of objects that are in use here: to give a ticket back through one of them takes no
# system call.
_loaded: weakref.WeakValueDictionary[_Ticket, SharedRegion] = weakref.WeakValueDictionary()


def give_back(tickets: Iterable[_Ticket]) -> None:
    """Give tickets back: the regions that nobody has go then."""
    for name, identity in tickets:
        if (loaded := _loaded.get((name, identity))) is not None:
            with contextlib.suppress(OSError, ValueError):  # closed, say
                loaded.give_back()
                continue
        # Gone, or another's by now.
        with contextlib.suppress(OSError, ValueError):
            region = _zinc.open(_region.SharedRegion, name, _zinc.ANY_USER, 0)
            if region.id == identity:
                region.give_back()
            region.close()


class _Kept:
    """What a sender has of a message, as long as somebody may still load it."""

    __slots__ = ("has_ticket", "number", "region", "regions", "tickets")

    def __init__(self, number: int, parts: Parts | Moved, *, has_tickets: bool) -> None:
        self.number = number
        self.tickets = [*(parts.tickets or ())] if has_tickets else []
        # Of the object itself; what else is in it.
        self.region = parts.region if isinstance(parts, Moved) else None
        self.has_ticket = has_tickets
        self.regions = [*parts.regions]

    def drop_handles(self) -> None:
        """Let it be kept by its tickets alone."""
        region, self.region = self.region, None
        if region is not None and self.has_ticket:
            self.tickets.append((str(region.name), region.id))
        self.regions.clear()


class Sent:
    """The regions of what a sender has sent, by number, as long as somebody may still load it.

    It has a handle of each, so that they last as long as the sender, and the tickets for who loads
    them after it. Some whose object nobody can load any more it keeps for the next objects, which
    take no new memory then: few, and none that the last messages had no use for. Any number of
    threads may use it. A forked child has none of its parent's.
    """

    __slots__ = (
        "__weakref__",
        "_lock",
        "_messages",
        "_next",
        "_spares",
        "_sweeps",
        "_with_handles",
    )

    def __init__(self) -> None:
        self._begin()
        _senders.add(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a signal handler or a finalizer may send, too
        self._messages: list[_Kept] = []
        # The last that have handles, the newest last; some may be gone.
        self._with_handles: collections.deque[_Kept] = collections.deque()
        # Each with the sweep that it is there since, the oldest first.
        self._spares: list[tuple[int, SharedRegion]] = []
        self._sweeps = self._next = 0

    def __len__(self) -> int:
        """Return of how many messages it has something, or has had."""
        return len(self._messages) + len(self._spares)

    def add(self, number: int, parts: Parts | Moved, *, has_tickets: bool = True) -> None:
        """Keep what belongs to this message; its tickets unless who loads it gives them back."""
        with self._lock:
            kept = _Kept(number, parts, has_tickets=has_tickets)
            self._messages.append(kept)
            self._with_handles.append(kept)
            while len(self._with_handles) > _HANDLES:
                self._with_handles.popleft().drop_handles()

    def sweep(self, is_gone: Callable[[int], bool]) -> None:
        """Let go of those of whose number `is_gone` says that nobody can load it any more.

        Looks at the oldest, which end first as a rule, and at the next few of the others, so that
        it takes the same time however many there are.
        """
        gone: list[_Ticket] = []
        with self._lock:
            self._sweeps += 1
            messages, half = self._messages, _LOOKS // 2
            start = self._next if self._next < len(messages) else half
            self._next = start + half
            for message in messages[:half] + messages[start : start + half]:
                # A finalizer has looked, too?
                if not is_gone(message.number) or message not in messages:
                    continue
                messages.remove(message)
                if (region := message.region) is not None:
                    if message.has_ticket:
                        with contextlib.suppress(OSError, ValueError):
                            region.give_back()
                    self._spares.append((self._sweeps, region))
                    message.region = None
                gone += message.tickets
                message.regions.clear()
            left = self._trim()
        give_back(gone)
        left.clear()

    def leave(self, region: SharedRegion) -> None:
        """Keep a region for the next objects that nobody has been told of."""
        with self._lock:
            self._spares.append((self._sweeps, region))
            left = self._trim()
        left.clear()

    def _trim(self) -> list[SharedRegion]:
        """Return those that are too many, for the caller to free: it may take long."""
        left: list[SharedRegion] = []
        spares = self._spares
        while spares:
            sizes = [region.capacity for _, region in spares]
            most = max(_SPARE_BYTES, 2 * max(sizes))
            is_old = spares[0][0] < self._sweeps - _SPARE_FOR
            if not is_old and len(spares) <= _SPARES and sum(sizes) <= most:
                break
            left.append(spares.pop(0)[1])
        return left

    def reused(self, parts: Parts, facts: tuple[int, int | None]) -> SharedRegion | None:
        """Return a region that has this object now, and had another one that nobody has any more.

        It has another name then: whoever comes late for what it had finds nothing.
        """
        with self._lock:
            for _, region in list(self._spares):
                if not parts.size <= region.capacity <= 2 * parts.size:
                    continue
                try:
                    is_ours = rights(region) == facts and _zinc.rename(region, new_name())
                except (OSError, ValueError):  # it has lost its name, say: its time will come
                    continue
                if is_ours:
                    self._spares = [one for one in self._spares if one[1] is not region]
                    break
            else:
                return None
        with memoryview(region) as view:
            parts.write_into(view)
        return region

    def close(self) -> None:
        """Let go of the handles: what is not loaded within 10 minutes goes."""
        with self._lock:
            for message in self._messages:
                for region in (message.region, *message.regions):
                    if region is not None:
                        with contextlib.suppress(OSError, ValueError):
                            _reference.renew(region)
            self._messages.clear()
            self._with_handles.clear()
            self._spares.clear()

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
