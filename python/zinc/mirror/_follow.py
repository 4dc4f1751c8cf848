"""What follows a thing of another machine: the copy here, and what keeps it new."""

from __future__ import annotations

import collections
import contextlib
import math
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import zenoh

from .. import _objects, _region, _zinc
from .._channel import Channel
from .._queue import Queue
from .._region import SharedRegion
from . import _link, _wire
from ._wire import Facts, Part, RefusedError

if TYPE_CHECKING:
    from typing import Self

    from .._zinc import Message

_Kind = TypeVar("_Kind", bound="_Copy")
_OBJECT = b"\xf5zincobj"
# Seconds that a queue's copy keeps items for workers that have all gone.
_PATIENCE = 1.0
# The longest sleep of a queue's copy that has items at work, and the first, in seconds.
_NAP, _FIRST_NAP = 0.02, 0.0005


class _Copy:
    """The copy of a thing; all calls hold the mirror's lock, and only `turn` may wait."""

    is_quick = True
    """Whether `received` does all, in the thread that receives."""

    def __init__(self, mirror: Mirror, facts: Facts) -> None:
        self.mirror, self.facts = mirror, facts
        self.missed = 0

    def received(self, kind: int, body: memoryview) -> bool:
        """Take what came. False if something is missing, and has to be asked for."""
        raise NotImplementedError

    def told(self, facts: Facts) -> None:
        self.facts = facts

    @property
    def wanted(self) -> int:
        """The number that is asked for."""
        return 0

    @property
    def is_newest(self) -> bool:
        raise NotImplementedError

    def turn(self) -> float:
        """Do what is left to do, and return how many seconds the next turn may be off."""
        return math.inf

    def beat(self) -> bytes:
        return _wire.head(_wire.HAVE, self.mirror.id) + _wire.NUMBER.pack(self.wanted)

    def close(self) -> None:
        raise NotImplementedError


class _RegionCopy(_Copy):
    def __init__(self, mirror: Mirror, facts: Facts, region: SharedRegion) -> None:
        super().__init__(mirror, facts)
        self.region, self.view = region, memoryview(region)
        self.sequence: int | None = None
        self._source = 0
        self._under_way, self._expected = -1, 0
        # Under its lock the copy changes at once: what comes is collected beside it, and what is
        # whole waits in another place, since more comes meanwhile.
        self.is_quick = not facts.is_locked
        self._target, self._lock = self.view, None
        self._whole: int | None = None
        if facts.is_locked:
            self._target, self._waiting = (memoryview(bytearray(len(region))) for _ in range(2))
            # Whoever died while it wrote has left half a state, which this one replaces.
            self._lock = region.lock(repair=lambda _: None)

    def received(self, kind: int, body: memoryview) -> bool:
        if kind != _wire.STATE or len(body) < _wire.STATE_HEAD.size:
            raise RefusedError("what came is no part of a region")
        sequence, size, offset = _wire.STATE_HEAD.unpack_from(body)
        data = body[_wire.STATE_HEAD.size :]
        end = offset + len(data)
        if size != len(self.view) or end > size or sequence >> 32:
            raise RefusedError(f"a part at {offset} of {size} bytes is none of this region's")
        if offset == 0:
            self._under_way, self._expected = sequence, 0
        elif (sequence, offset) != (self._under_way, self._expected):
            return False
        self._target[offset:end] = data
        self._expected = end
        if end == size:
            self._under_way = -1
            if self.is_quick:
                self._arrived(sequence)
            else:
                self._target, self._waiting = self._waiting, self._target
                self._whole = sequence
        return True

    def _arrived(self, sequence: int) -> None:
        is_new = True
        if self.sequence is not None and self._source == self.facts.source:
            count = (sequence - self.sequence) & 0xFFFFFFFF
            is_new = count > 0  # else it was sent again, to be sure
            self.missed += max(0, count - 1)
        self.sequence, self._source = sequence, self.facts.source
        if is_new:
            self.region.notify()
        self.mirror.is_fresh()

    def turn(self) -> float:
        if self._whole is not None and self._lock is not None:
            if not self._lock.acquire(timeout_ms=20):
                return 0
            try:
                self.view[:] = self._waiting
            finally:
                self._lock.release()
            sequence, self._whole = self._whole, None
            self._arrived(sequence)
        return math.inf

    @property
    def is_newest(self) -> bool:
        return self._source == self.facts.source and self.sequence == self.facts.newest

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
        self.view.release()
        self.region.close()


class _Received(_objects.Moved):
    """An object of another machine in a region of its own here, for `Sent`."""

    __slots__ = ()

    def __init__(self, region: SharedRegion) -> None:
        self.tickets, self.region, self.regions = [], region, []
        self._record = _objects.reference_to(region)


class _Arrival:
    """A message of which parts have come: its slot, or the region that its object gets."""

    def __init__(self, writer: Any, part: Part, room: int) -> None:
        self.number, self.tag, self.total, self.filled = part.number, part.tag, part.total, 0
        self.region: SharedRegion | None = None
        self.loan: Any = None
        if part.total > room:
            if bytes(part.data[:8]) != _OBJECT:
                raise RefusedError(f"a message has {part.total} bytes, and {room} fit")
            mode, group = _objects.rights(writer.region)
            facts = _objects.new_name(), part.total, 0, mode, False, b"", _objects.OBJECT
            self.region = _zinc.create(SharedRegion, *facts, None, group)
            self.view = memoryview(self.region)
        else:
            self.view = memoryview(bytearray(part.total))

    def add(self, part: Part) -> None:
        self.view[part.offset : part.offset + len(part.data)] = part.data
        self.filled += len(part.data)

    def send(self, writer: Any, timeout_ms: float) -> int:
        """Send it. FullError if there is no room for so long."""
        numbers: list[int] = []
        if self.region is None:
            writer._send_parts(self.view, self.tag, timeout_ms, numbers)
            return numbers[0]
        received = _Received(self.region)
        received.send(writer, self.tag, timeout_ms, numbers)
        writer._keep(numbers[0], received)
        return numbers[0]

    def drop(self) -> None:
        self.view.release()
        if self.region is not None:
            _region.discard(self.region)


class _MessagesCopy(_Copy):
    """What a channel's and a queue's copy have in common: messages that come in order."""

    def __init__(self, mirror: Mirror, facts: Facts, writer: Any) -> None:
        super().__init__(mirror, facts)
        self.writer = writer
        self.next = 1
        self._arrival: _Arrival | None = None
        self._whole = facts.capacity if facts.metadata and facts.what == _wire.CHANNEL else None
        self._most = _wire.LARGEST if self._whole is None else self._whole

    def _parts(self, body: memoryview, before: int) -> bool:
        """Take messages. False if one before them, or a part, is missing."""
        for part in _wire.parts(body, self._most, before):
            if part.number < self.next:
                continue
            if part.before >= self.next:
                return False
            if self._whole is not None and part.total != self._whole:
                raise RefusedError(
                    f"message {part.number} has {part.total} bytes, and is no array of this shape"
                )
            arrival = self._arrival
            if part.offset == 0:
                if arrival is not None:
                    arrival.drop()
                arrival = self._arrival = None
                if len(part.data) == part.total <= self.facts.capacity:
                    self._take(part.number, part.tag, part.data)
                    continue
                arrival = self._arrival = _Arrival(self.writer, part, self.facts.capacity)
            elif arrival is None or (arrival.number, arrival.filled) != (part.number, part.offset):
                return False
            elif (arrival.total, arrival.tag) != (part.total, part.tag):
                raise RefusedError(f"message {part.number} changes its size")
            arrival.add(part)
            if arrival.filled == arrival.total:
                self._arrival = None
                self._take(part.number, part.tag, arrival)
        return True

    def _take(self, number: int, tag: int, data: memoryview | _Arrival) -> None:
        raise NotImplementedError

    def _put(self, tag: int, data: memoryview | bytes | _Arrival, timeout_ms: float) -> int:
        if isinstance(data, _Arrival):
            return data.send(self.writer, timeout_ms)
        numbers: list[int] = []
        self.writer._send_parts(data, tag, timeout_ms, numbers)
        if self.writer._sent:  # objects in regions of their own, that nobody can load any more
            self.writer._sent.sweep(_objects.gone_from(self.writer.region))
        return numbers[0]

    @property
    def wanted(self) -> int:
        return self.next

    def close(self) -> None:
        if self._arrival is not None:
            self._arrival.drop()
            self._arrival = None
        self.writer.close()


class _Position:
    """How far a channel's copy is, for who follows after a kill: beside the copy, as long as it.

    The copy's own count of messages is what is published together with them. What is kept here is
    how many the source has had more: that changes only where some are lost, by one store.
    """

    _LAYOUT = struct.Struct("<QQqqQ")
    _DELTA = struct.Struct("<q")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._region = SharedRegion.open_or_create(
            f"mirror-{channel.name}", self._LAYOUT.size, persistent=True
        )
        self._view = memoryview(self._region)
        found: tuple[int, ...] = self._LAYOUT.unpack_from(self._view)
        if found[0] != channel.region.id:
            found = (0,) * 5
        _, self.source, self._delta, self._first, self._before = found

    @property
    def missed(self) -> int:
        return self._before + self._delta - self._first

    @property
    def next(self) -> int:
        return self._channel.newest + self._delta + 1

    def begin(self, source: int, number: int) -> None:
        """Begin with this message of a source: what was before it is not missed."""
        self._before = self.missed
        self._delta = self._first = number - 1 - self._channel.newest
        copy = self._channel.region.id
        # A kill in between leaves a source that nobody has, and the next begins anew.
        self._LAYOUT.pack_into(self._view, 0, copy, 0, self._delta, self._first, self._before)
        self._LAYOUT.pack_into(self._view, 0, copy, source, self._delta, self._first, self._before)
        self.source = source

    def lose(self, count: int) -> None:
        """Count messages that the copy will never have."""
        self._delta += count
        self._DELTA.pack_into(self._view, 16, self._delta)  # p1

    def close(self) -> None:
        self._view.release()
        if self._channel.region.alone:  # else who follows again goes on from here
            _region.discard(self._region)
        self._region.close()


class _ChannelCopy(_MessagesCopy):
    def __init__(self, mirror: Mirror, facts: Facts, channel: Channel) -> None:
        super().__init__(mirror, facts, channel)
        self.channel = channel
        # Where writers wait, so does the copy, in the mirror's own thread.
        self.is_quick = channel.full == "overwrite"
        self._pending: collections.deque[tuple[int, int, bytes | _Arrival]] = collections.deque()
        self._position = _Position(channel)
        self._begin()

    def _begin(self) -> None:
        self._is_begun = self._position.source == self.facts.source
        self.next = self._position.next if self._is_begun else 1
        self.missed = self._position.missed

    def told(self, facts: Facts) -> None:
        is_other = facts.source != self.facts.source
        super().told(facts)
        if is_other:
            self._pending.clear()
            self._begin()

    def received(self, kind: int, body: memoryview) -> bool:
        if kind != _wire.MESSAGES or len(body) < _wire.MESSAGES_HEAD.size:
            raise RefusedError("what came are no messages of a channel")
        (before,) = _wire.MESSAGES_HEAD.unpack_from(body)
        has_all = self._parts(body[_wire.MESSAGES_HEAD.size :], before)
        if has_all and self.is_newest:
            self.mirror.is_fresh()
        return has_all

    def _take(self, number: int, tag: int, data: memoryview | _Arrival) -> None:
        self._lose(number)
        if self.is_quick:
            self._publish(tag, data, 0)
        elif len(self._pending) <= self.facts.slots:
            kept = data if isinstance(data, _Arrival) else bytes(data)
            self._pending.append((number, tag, kept))
        else:
            raise RefusedError("more messages came than were asked for")
        self.next = number + 1

    def _lose(self, number: int) -> None:
        """Count those between the last one and this one, which its source has lost."""
        if not self._is_begun:
            if not self._pending:
                self._position.begin(self.facts.source, number)
            self._is_begun = True
        elif number > self.next and not self._pending:
            self._position.lose(number - self.next)
        self.missed = self._position.missed

    def _publish(self, tag: int, data: memoryview | bytes | _Arrival, timeout_ms: float) -> bool:
        try:
            self._put(tag, data, timeout_ms)
        except _zinc.FullError:
            if not self.is_quick:
                return False
            self._position.lose(1)  # readers here hold all slots
            self.missed = self._position.missed
        return True

    def turn(self) -> float:
        while self._pending:
            number, tag, data = self._pending[0]
            if (gap := number - self._position.next) > 0:
                self._position.lose(gap)
                self.missed = self._position.missed
            if not self._publish(tag, data, 20):
                return 0
            self._pending.popleft()
            if not self._pending or len(self._pending) % 16 == 0:
                self.mirror.say(self.beat())
        return math.inf

    @property
    def is_newest(self) -> bool:
        return self.next > self.facts.newest

    def beat(self) -> bytes:
        has = self._pending[0][0] if self._pending else self.next
        return _wire.head(_wire.HAVE, self.mirror.id) + _wire.NUMBER.pack(has)

    def close(self) -> None:
        self._position.close()
        super().close()


class _QueueCopy(_MessagesCopy):
    is_quick = False

    def __init__(self, mirror: Mirror, facts: Facts, queue: Queue) -> None:
        super().__init__(mirror, facts, queue)
        self.queue = queue
        self.stream = 0
        self._pending: collections.deque[tuple[int, int, bytes | _Arrival]] = collections.deque()
        # Of each item here the delivery that it came by, by its number in the copy.
        self._items: dict[int, int] = {}
        # Of each that ended: whether it is done, and the first report that says so.
        self._ended: dict[int, tuple[bool, int]] = {}
        self._reports = 0
        self._limit = 0
        self._idle_since = time.monotonic()
        self._nap = _FIRST_NAP
        self._sent_limit = -1
        self._is_shut = False

    def received(self, kind: int, body: memoryview) -> bool:
        if kind == _wire.MESSAGES or kind == _wire.STATE:
            raise RefusedError("what came are no items of a queue")
        if len(body) < _wire.ITEMS_HEAD.size:
            raise RefusedError("what came is cut short")
        numbers: tuple[int, int, int] = _wire.ITEMS_HEAD.unpack_from(body)
        stream, before, heard = numbers
        if stream != self.stream:
            self._begin(stream)
        for delivery in [one for one, (_, report) in self._ended.items() if report <= heard]:
            del self._ended[delivery]
        body = body[_wire.ITEMS_HEAD.size :]
        if not body:
            return before < self.next
        return self._parts(body, before)

    def _begin(self, stream: int) -> None:
        """Begin a stream: what the last one had is others' again, and what waits here is none."""
        self.stream, self.next = stream, 1
        self._pending.clear()
        self._take_back()
        self._items.clear()
        self._ended.clear()
        self._reports, self._sent_limit = 0, -1

    def _take(self, number: int, tag: int, data: memoryview | _Arrival) -> None:
        if len(self._pending) > _wire.MOST_DONE:
            raise RefusedError("more items came than were asked for")
        kept = data if isinstance(data, _Arrival) else bytes(data)
        self._pending.append((number, tag, kept))
        self.next = number + 1

    def _take_back(self) -> list[int]:
        """Take those out of the copy that nobody is at work on; return their deliveries."""
        back: list[int] = []
        others: list[Message] = []
        with contextlib.suppress(_zinc.ViewLimitError, _zinc.FullError):
            for _ in range(self.queue.qsize() if self._items else 0):
                message = self.queue.try_recv()
                if message is None:
                    break
                delivery = self._items.pop(message.number, None)
                if delivery is None:
                    others.append(message)
                    continue
                message.release()
                back.append(delivery)
        for message in others:
            message.give_back()
        return back

    def turn(self) -> float:
        is_news = self._send_pending()
        region = self.queue.region
        for number in [n for n in self._items if not _zinc.find_message(region, n)]:
            self._ended[self._items.pop(number)] = True, self._reports + 1  # f1
            is_news = True
        now, workers = time.monotonic(), self._workers()
        if workers:
            self._idle_since = now
        elif now - self._idle_since > _PATIENCE:
            for delivery in [*self._take_back(), *(one for one, _, _ in self._pending)]:
                self._ended[delivery] = False, self._reports + 1
                is_news = True
            self._pending.clear()
        room = min(workers * self.mirror.prefetch, self.facts.slots)
        in_hand = len(self._items) + len(self._pending)
        room = min(room - in_hand, _wire.MOST_DONE - len(self._ended))
        self._limit = self.next - 1 + max(0, room)
        if self.facts.is_over and not self._is_shut and not in_hand:
            self._is_shut = True
            _zinc.close_queue(region)
        if self.stream and (is_news or self._limit != self._sent_limit):
            self._sent_limit = self._limit
            self.mirror.say(self.beat())
        self._nap = _FIRST_NAP if is_news else min(self._nap * 2, _NAP)
        return self._nap if in_hand or not workers else _NAP

    def _send_pending(self) -> bool:
        is_news = False
        while self._pending:
            delivery, tag, data = self._pending[0]
            try:
                self._items[self._put(tag, data, 0)] = delivery
            except _zinc.FullError:
                break
            self._pending.popleft()
            is_news = True
        return is_news

    def _workers(self) -> int:
        """Return how many work on the copy, but for this mirror, which only takes items back."""
        alive = sum(one.alive for one in self.queue.workers)
        return alive - (self.queue._at_desk is not None)

    @property
    def is_newest(self) -> bool:
        return True

    def beat(self) -> bytes:
        self._reports += 1
        done = [one for one, (is_done, _) in self._ended.items() if is_done]
        back = [one for one, (is_done, _) in self._ended.items() if not is_done]
        facts = self.stream, self._reports, self.next, max(0, self._limit)
        return _wire.write_report(_wire.Report(*facts, tuple(done), tuple(back)), self.mirror.id)

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._take_back()
        super().close()


class Mirror:
    """A copy of what another machine offers: what `follow` returns. A context manager that ends it.

    It has threads of its own. A forked child has none of them, and follows anew.
    """

    def __init__(
        self,
        session: zenoh.Session,
        owns_session: bool,
        name: str,
        local: str,
        lease_ms: float,
        mode: int,
        prefetch: int,
    ) -> None:
        self.id = int.from_bytes(os.urandom(8), "little")
        self.prefetch = prefetch
        self.is_over = False
        self._name, self._local, self._mode = name, local, mode
        self._session, self._owns_session = session, owns_session
        self._lease, self._beat = lease_ms / 1000, _link.beat(lease_ms)
        self._lock = threading.RLock()
        self._wake = SharedRegion.anonymous(1)
        self._ready = threading.Event()
        self._facts: Facts | None = None
        self._copy: _Copy | None = None
        self._error: Exception | None = None
        self._problem: str | None = None
        self._source: int | None = None
        self._alive: set[int] = set()
        self._heard = self._fresh = -math.inf
        self._is_missing = self._has_come = self._is_asked = False
        key = f"zinc/{name}"
        self._ask = session.declare_publisher(
            f"{key}/ask", congestion_control=zenoh.CongestionControl.BLOCK, express=True
        )
        live = session.liveliness()
        # What is offered comes after the subscribers are there, and the token says so.
        self._declared = [
            session.declare_subscriber(f"{key}/data", _link.direct(self._received)),
            session.declare_subscriber(f"{key}/to/{self.id:016x}", _link.direct(self._received)),
            live.declare_subscriber(f"{key}/offer/*", _link.direct(self._changed), history=True),
            live.declare_token(f"{key}/follower/{self.id:016x}"),
        ]
        self._thread = threading.Thread(target=self._run, name=f"follow {name}", daemon=True)
        self._thread.start()

    # ---- what users ask ----

    @property
    def name(self) -> str:
        """The name of the copy here."""
        return self._local

    @property
    def region(self) -> SharedRegion:
        """The copy, if it is of a region or an array; read it, since the mirror writes it.

        Raises TypeError if it is something else.
        """
        return self._as(_RegionCopy, "region").region

    @property
    def channel(self) -> Channel:
        """The copy, if it is of a channel; `Channel.reader` reads it. TypeError if it is none."""
        return self._as(_ChannelCopy, "channel").channel

    @property
    def queue(self) -> Queue:
        """The copy, if it is of a queue; workers open it by name. TypeError if it is none."""
        return self._as(_QueueCopy, "queue").queue

    def _as(self, kind: type[_Kind], what: str) -> _Kind:
        copy = self._copy
        if not isinstance(copy, kind):
            facts = self._facts
            is_what = "nothing yet, and so" if copy is None or facts is None else f"{facts}, and"
            raise TypeError(f"mirror of {self._name!r}: it is {is_what} no {what}")
        return copy

    @property
    def connected(self) -> bool:
        """Whether who offers it is there; a cut is noticed when the lease is over."""
        return self._source in self._alive

    @property
    def age(self) -> float:
        """Seconds since the copy was last known to be what its source has; inf if it never was."""
        return time.monotonic() - self._fresh

    @property
    def missed(self) -> int:
        """How many messages of a channel the copy will never have.

        Of a region how many notifications it has had no state for. A queue misses nothing.
        """
        return 0 if self._copy is None else self._copy.missed

    @property
    def problem(self) -> str | None:
        """What went wrong last, such as what was refused; None if nothing has."""
        return self._problem

    def wait(self, timeout_ms: float | None = None) -> None:
        """Wait until there is the copy, with what the source has.

        Raises TimeoutError if that took longer, with the last problem; ValueError or OSError if
        there can be no copy: FileExistsError if something else has its name.
        """
        end = math.inf if timeout_ms is None else time.monotonic() + timeout_ms / 1000
        while not self._ready.wait(max(0.0, min(0.1, end - time.monotonic()))):
            if self._error is not None:
                raise self._error
            if time.monotonic() >= end:
                why = self._problem or "nobody who can be reached offers it"
                raise TimeoutError(f"mirror of {self._name!r}: {why}, for {timeout_ms} ms")

    # ---- in threads of Zenoh's ----

    def _received(self, sample: zenoh.Sample) -> None:
        try:
            payload = _wire.read(sample.payload.to_bytes())
            with self._lock:
                if self.is_over:
                    return
                if payload.kind == _wire.FACTS:
                    self._told(payload.sender, _wire.read_facts(payload.body))
                elif payload.sender == self._source and self._copy is not None:
                    copy = self._copy
                    self._has_come = True
                    if not copy.received(payload.kind, payload.body):
                        self._miss()
                    if not copy.is_quick:
                        self._wake_up()
                elif payload.kind not in (_wire.STATE, _wire.MESSAGES, _wire.ITEMS):
                    raise RefusedError(f"no source sends payloads of kind {payload.kind}")
        except (RefusedError, OSError) as error:
            self.note(str(error))

    def _wake_up(self) -> None:
        with contextlib.suppress(ValueError):  # closed
            self._wake.notify()

    def _miss(self) -> None:
        """Ask for what is missing, once between two beats."""
        if not self._is_missing:
            self._is_missing = True
            self._wake_up()

    def _told(self, sender: int, facts: Facts) -> None:
        now = time.monotonic()
        if sender != self._source:
            is_there = self._source in self._alive and now - self._heard < self._lease
            if self._source is not None and (is_there or now - self._heard < 3 * self._beat):
                return  # there are two, and this one is followed
            self._source = sender
        self._heard = now
        copy = self._copy
        if copy is None:
            self._facts = facts
            self._wake_up()
            return
        if facts.place != copy.facts.place:
            self.note(f"it is {facts} now, and the copy is of {copy.facts}: follow it anew")
            self._source = None
            return
        self._facts = facts
        copy.told(facts)
        if copy.is_newest:
            self.is_fresh()

    def _changed(self, sample: zenoh.Sample) -> None:
        with contextlib.suppress(ValueError):
            sender = int(str(sample.key_expr).rpartition("/")[2], 16)
            with self._lock:
                if sample.kind == zenoh.SampleKind.PUT and len(self._alive) < 1024:
                    self._alive.add(sender)
                    self._miss()
                else:
                    self._alive.discard(sender)

    # ---- what copies call ----

    def is_fresh(self) -> None:
        """Note that the copy is what its source has."""
        self._fresh = time.monotonic()
        self._ready.set()

    def note(self, text: str) -> None:
        """Keep what went wrong, and log it where it is new."""
        if text != self._problem:
            _link.log.warning("mirror of %r: %s", self._name, text)
        self._problem = text

    def say(self, payload: bytes) -> None:
        """Send something to who offers it."""
        with contextlib.suppress(zenoh.ZError):
            self._ask.put(payload)

    # ---- in its own thread ----

    def _run(self) -> None:
        next_beat = 0.0
        while not self.is_over:
            try:
                now = time.monotonic()
                is_beat = now >= next_beat
                if is_beat:
                    next_beat = now + self._beat
                left = self._turn(is_beat)
            except Exception as error:
                if self.is_over:
                    return
                self.note(f"{type(error).__name__}: {error}")
                left = self._beat
            left = min(left, next_beat - time.monotonic())
            if left > 0:
                with contextlib.suppress(ValueError):  # closed
                    self._wake.wait(left * 1000)

    def _turn(self, is_beat: bool) -> float:
        with self._lock:
            if self.is_over:
                return 0
            if self._copy is None and self._facts is not None:
                self._make(self._facts)
                self._is_missing = True
            copy, left = self._copy, math.inf
            if copy is not None:
                left = copy.turn()
            is_asking = self._is_missing and not self._is_asked
            if is_beat:
                is_behind = copy is None or not copy.is_newest or self._is_missing
                is_asking = is_behind and not self._has_come
                self._is_missing = self._has_come = self._is_asked = False
            said = b"" if copy is None else copy.beat() if is_beat else b""
            wanted = 0 if copy is None else copy.wanted
        if is_asking:
            self._is_asked = True
            self.say(_wire.head(_wire.ASK, self.id) + _wire.NUMBER.pack(wanted))
        if said:
            self.say(said)
        return left

    def _make(self, facts: Facts) -> None:
        try:
            self._copy = _copy_of(self, facts, self._local, self._mode)
        except (OSError, ValueError) as error:
            self._error, self._facts = error, None
            raise
        self._error = None

    def close(self) -> None:
        """End it. The copy lasts for who has it open; nothing new comes."""
        with self._lock:
            if self.is_over:
                return
            self.is_over = True
        self._wake_up()
        self._thread.join()
        self._wake.close()
        with self._lock:
            if self._copy is not None:
                self._copy.close()
        _link.end(*self._declared, self._ask)
        if self._owns_session:
            _link.end(self._session)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()


def _copy_of(mirror: Mirror, facts: Facts, name: str, mode: int) -> _Copy:
    """Open the copy, or create it. FileExistsError if something else has its name."""
    while True:
        try:
            region = SharedRegion.open(name)
        except FileNotFoundError:
            pass
        else:
            break
        try:
            region = _created(facts, name, mode)
        except FileExistsError:  # somebody was faster
            continue
        break
    try:
        if region.id == facts.source:
            raise ValueError(
                f"mirror of {name!r}: on the machine that offers it the copy needs another name"
            )
        found = _facts_of(region)
        if found.place != facts.place:
            raise FileExistsError(
                f"mirror of {name!r}: it is {facts}, and here {name!r} is {found}; remove that, "
                "or give the copy another name"
            )
        if facts.what == _wire.REGION:
            return _RegionCopy(mirror, facts, region)
        if facts.what == _wire.CHANNEL:
            return _ChannelCopy(mirror, facts, Channel._at(region))
        return _QueueCopy(mirror, facts, Queue._at(region))
    except BaseException:
        _region.discard(region) if region.created else region.close()
        raise


def _created(facts: Facts, name: str, mode: int) -> SharedRegion:
    metadata, kind = facts.metadata, SharedRegion
    if facts.what == _wire.REGION:
        return _zinc.create(kind, name, facts.capacity, 0, mode, False, metadata, facts.kind)
    is_queue = facts.what == _wire.QUEUE
    if bool(facts.how & _zinc.QUEUE) != is_queue:
        raise RefusedError("it is both a channel and a queue")
    views = max(1, min(facts.views, 16))
    flags = _zinc.SPARSE if is_queue else 0
    sizes = facts.capacity, facts.slots, facts.how, 8, 8, views + is_queue
    return _zinc.create_channel(kind, name, flags, mode, None, metadata, *sizes)


def _facts_of(region: SharedRegion) -> Facts:
    metadata = region.metadata
    if region.kind != _zinc.CHANNEL:
        sizes = region.sequence, region.capacity
        return Facts(_wire.REGION, region.id, *sizes, kind=region.kind, metadata=metadata)
    payload, slots, _, views, how, newest = _zinc.examine_channel(region)
    what = _wire.QUEUE if how & _zinc.QUEUE else _wire.CHANNEL
    return Facts(what, region.id, newest, payload, slots, views, how, metadata=metadata)
