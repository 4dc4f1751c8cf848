"""What offers things to other machines: a thread for each, and what it hears of followers."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import zenoh

from .. import _objects, _queue, _region, _zinc
from .._channel import Channel, ChannelReader
from .._queue import Queue
from .._region import SharedRegion
from . import _link, _wire
from ._wire import Facts, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from .._zinc import Message

# Followers of one thing.
MOST_FOLLOWERS = 1024
# What was heard and not looked at yet.
MOST_HEARD = 1 << 16


class _Heard(NamedTuple):
    """What a follower has said, or, with no kind, that it is gone."""

    kind: int | None
    follower: int
    number: int = 0
    report: _wire.Report | None = None


class _Source:
    """A thing that is offered; its thread calls `serve`."""

    def __init__(self, line: _Line) -> None:
        self.line = line
        # Of each follower what it wants next.
        self.followers: dict[int, int] = {}

    def facts(self) -> Facts:
        raise NotImplementedError

    def hear(self, heard: _Heard) -> None:
        if heard.kind == _wire.ASK:
            self.asked(heard.number)
        self.followers[heard.follower] = heard.number

    def asked(self, number: int) -> None:
        raise NotImplementedError

    def left(self, follower: int) -> None:
        self.followers.pop(follower, None)

    def beat(self) -> None:
        pass

    def serve(self) -> None:
        """Send what there is, and wait until the next beat at most."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _RegionSource(_Source):
    def __init__(self, line: _Line, region: SharedRegion, is_locked: bool) -> None:
        super().__init__(line)
        self.region, self.view = region, memoryview(region)
        self.lock = region.lock() if is_locked else None
        self.copy = bytearray(len(region)) if is_locked else None
        self.is_wanted = False

    def facts(self) -> Facts:
        region, is_locked = self.region, self.lock is not None
        what = _wire.REGION, region.id, region.sequence, region.capacity
        return Facts(*what, kind=region.kind, is_locked=is_locked, metadata=region.metadata)

    def asked(self, number: int) -> None:
        self.is_wanted = True

    def serve(self) -> None:
        # What is new is seen before it is read, so that what comes meanwhile is new again.
        if self.region in self.line.wait(self.region):
            self.is_wanted = True
        if not self.is_wanted or not self.followers:
            return
        source, sequence = self.view, self.region.sequence
        if self.lock is not None and self.copy is not None:
            if not self.lock.acquire(timeout_ms=self.line.left() * 1000):
                return
            try:
                sequence = self.region.sequence
                self.copy[:] = self.view
            finally:
                self.lock.release()
            source = memoryview(self.copy)
        self.is_wanted = False
        head, size, put = self.line.head(_wire.STATE), len(source), self.line.put
        for offset, part in _wire.chunks(source, _wire.PART):
            put(b"".join((head, _wire.STATE_HEAD.pack(sequence, size, offset), part)))

    def close(self) -> None:
        if self.lock is not None:
            self.lock.close()
        self.view.release()
        self.region.close()


def _payload(message: Message) -> memoryview:
    """Return the bytes of a message; of an object in a region of its own those of the region."""
    data = message.data
    if (reference := _objects.reference_in(data)) is None:
        return data
    name, identity, size = reference
    region = SharedRegion.open(name, readonly=True, any_user=True)
    if (region.id, region.kind, region.capacity) != (identity, _objects.OBJECT, size):
        region.close()
        raise FileNotFoundError(f"its object, region {name!r}, is gone")
    view = memoryview(region)
    region.close()  # the view keeps the memory
    return view


def _give_ticket_back(message: Message) -> None:
    """Let go of the region of an object that is done: nobody here will load it any more."""
    if (reference := _objects.reference_in(message.data)) is not None:
        name, identity, _ = reference
        with contextlib.suppress(OSError, ValueError):
            _objects.give_back([(name, identity)])


class _ChannelSource(_Source):
    def __init__(self, line: _Line, channel: Channel) -> None:
        super().__init__(line)
        self.channel, self.reader = channel, None
        self.waits = channel.full == "wait"
        self.sent = 0
        self.wanted: int | None = None

    reader: ChannelReader | None

    def facts(self) -> Facts:
        payload, slots, _, views, how, newest = _zinc.examine_channel(self.channel.region)
        region = self.channel.region
        sizes = payload, slots, views, how
        return Facts(_wire.CHANNEL, region.id, newest, *sizes, metadata=region.metadata)

    def asked(self, number: int) -> None:
        self.wanted = number if self.wanted is None else min(number, self.wanted)

    def serve(self) -> None:
        if not self.followers and self.reader is not None:
            # Writers that wait need not wait for who is not there.
            self.reader.close()
            self.reader = self.wanted = None
        elif self.followers and self.reader is None and self.wanted is None:
            # They follow on after another who offered it, and say where they are.
            self.wanted = min(self.followers.values())
        if self.wanted is not None:
            self._begin(self.wanted)
        room = self._room()
        if self.reader is None or room < 1:
            self.line.wait()
            return
        try:
            messages = self.reader.recv_many(min(self.channel.views, room), 0)
        except TimeoutError:
            self.line.wait(self.reader)
            return
        self._send(messages)

    def _begin(self, wanted: int) -> None:
        """Go on from a message that a follower lacks, as far as the channel has it."""
        self.wanted = None
        newest = self.channel.newest
        wanted = max(1, min(wanted, newest + 1))
        if self.reader is not None:
            if wanted == self.sent + 1:
                return
            self.reader.close()
        self.reader = self.channel.reader(self.channel.slots)
        self.sent = wanted - 1

    def _room(self) -> int:
        """Return how many messages may go before the slowest follower has had some."""
        if not self.waits:
            return self.channel.views
        return min(self.followers.values(), default=0) + self.channel.slots - 1 - self.sent

    def _send(self, messages: list[Message]) -> None:
        line, begin, wanted = self.line, self.line.head(_wire.MESSAGES), self.sent + 1
        collected: list[bytes] = []
        room, is_sent = _wire.MESSAGE_ROOM, False
        while messages:
            for message in messages:
                if message.number < wanted:
                    continue
                try:
                    data = _payload(message)
                except (OSError, ValueError) as error:
                    line.note(f"message {message.number} is not sent: {error}")
                    continue
                number, size = message.number, len(data)
                if size + _wire.RECORD.size > room and collected:
                    line.put(b"".join(collected))
                    collected, room, is_sent = [], _wire.MESSAGE_ROOM, True
                before = _wire.MESSAGES_HEAD.pack(self.sent)
                if size > _wire.MESSAGE_PART:
                    for offset, part in _wire.chunks(data, _wire.MESSAGE_PART):
                        record = _wire.RECORD.pack(number, message.tag, size, offset, len(part), 0)
                        line.put(b"".join((begin, before, record, part)))
                    is_sent = True
                else:
                    record = _wire.RECORD.pack(number, message.tag, size, 0, size, 0)
                    collected += () if collected else (begin, before)
                    collected += record, bytes(data)  # so that the slot is free
                    room -= size + _wire.RECORD.size
                self.sent = number
            for message in messages:
                message.release()
            messages = [] if is_sent else self._more()
        if collected:
            line.put(b"".join(collected))

    def _more(self) -> list[Message]:
        """Receive more for the same batch, if they are there."""
        room = min(self.channel.views, self._room())
        if room < 1 or self.reader is None:
            return []
        try:
            return self.reader.recv_many(room, 0)
        except TimeoutError:
            return []

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.channel.close()


class _Stream:
    """What one follower has been sent of a queue, and not said to be done."""

    def __init__(self, publisher: zenoh.Publisher) -> None:
        self.id = int.from_bytes(os.urandom(8), "little") | 1
        self.publisher = publisher
        self.sent = self.limit = self.heard = 0
        self.outstanding: dict[int, Message] = {}


class _QueueSource(_Source):
    def __init__(self, line: _Line, queue: Queue) -> None:
        super().__init__(line)
        self.queue = queue
        self.streams: dict[int, _Stream] = {}
        self.is_over = False

    def facts(self) -> Facts:
        region = self.queue.region
        payload, maxsize, _, _, how, newest = _zinc.examine_channel(region)
        if not self.is_over and self.queue.is_shutdown:
            self.is_over = self.queue.unfinished_tasks == 0
        sizes = payload, maxsize, self.queue.views, how
        what, metadata = (_wire.QUEUE, region.id, newest), region.metadata
        return Facts(*what, *sizes, is_over=self.is_over, metadata=metadata)

    def hear(self, heard: _Heard) -> None:
        stream = self.streams.get(heard.follower)
        if stream is None:
            key = f"to/{heard.follower:016x}"
            stream = self.streams[heard.follower] = _Stream(self.line.publisher(key))
            self.followers[heard.follower] = 0
            self._tell(stream)
            return
        if heard.kind == _wire.ASK:
            self._send_again(stream, heard.number)
        if (report := heard.report) is None:
            return
        if report.stream != stream.id:  # of one that has ended: what it says means nothing now
            self._tell(stream)
            return
        for delivery in report.done:
            if (message := stream.outstanding.pop(delivery, None)) is not None:
                _give_ticket_back(message)
                message.release()  # f2
        for delivery in report.back:
            if (message := stream.outstanding.pop(delivery, None)) is not None:
                message.give_back()
        stream.limit = report.limit
        if report.number > stream.heard:
            stream.heard = report.number

    def left(self, follower: int) -> None:
        super().left(follower)
        stream = self.streams.pop(follower, None)
        if stream is not None:
            for message in stream.outstanding.values():
                message.give_back()
            stream.outstanding.clear()
            _link.end(stream.publisher)

    def beat(self) -> None:
        for stream in self.streams.values():
            self._tell(stream)

    def _tell(self, stream: _Stream) -> None:
        self._put(stream, stream.sent)

    def _put(self, stream: _Stream, before: int, *bodies: bytes | memoryview) -> None:
        head = _wire.ITEMS_HEAD.pack(stream.id, before, stream.heard)
        payload = b"".join((self.line.head(_wire.ITEMS), head, *bodies))
        with contextlib.suppress(zenoh.ZError):  # it is gone, and will be told to be
            stream.publisher.put(payload)

    def serve(self) -> None:
        ready = [one for one in self.streams.values() if one.sent < one.limit]
        if not ready:
            self.line.wait()
            return
        stream = max(ready, key=lambda one: one.limit - one.sent)
        try:
            message = self.queue.try_recv()
        except (_zinc.ViewLimitError, _queue.ShutDown):
            self.line.wait()
            return
        if message is None:
            self.line.wait(self.queue)
            return
        stream.sent += 1
        stream.outstanding[stream.sent] = message
        self._deliver(stream, stream.sent)

    def _send_again(self, stream: _Stream, wanted: int) -> None:
        for delivery in range(max(1, wanted), stream.sent + 1):
            if delivery in stream.outstanding:
                self._deliver(stream, delivery)

    def _deliver(self, stream: _Stream, delivery: int) -> None:
        message = stream.outstanding[delivery]
        try:
            data = _payload(message)
        except (OSError, ValueError) as error:
            self.line.note(f"item {message.number} is sent without its object: {error}")
            data = message.data
        size, again = len(data), message.redelivered
        for offset, part in _wire.chunks(data, _wire.MESSAGE_PART):
            record = _wire.RECORD.pack(delivery, message.tag, size, offset, len(part), again)
            self._put(stream, delivery - 1, record, part)

    def close(self) -> None:
        for follower in list(self.streams):
            self.left(follower)
        self.queue.close()


def source_of(line: _Line, region: SharedRegion, is_locked: bool) -> _Source:
    """Return what offers what this region is; the handle is its own."""
    if region.kind == _zinc.CHANNEL:
        is_queue = _zinc.examine_channel(region)[4] & _zinc.QUEUE
        if is_queue:
            return _QueueSource(line, Queue._at(region))
        return _ChannelSource(line, Channel._at(region))
    if region.kind not in (0, 1) and region.kind < 1000:
        raise ValueError(f"mirror {region._title}: its kind is {region.kind}, which has no mirror")
    return _RegionSource(line, region, is_locked)


class _Line:
    """What one thing sends and hears, and the thread that does so."""

    def __init__(
        self,
        session: zenoh.Session,
        region: SharedRegion,
        lease_ms: float,
        is_locked: bool,
        sender: int,
    ) -> None:
        assert region.name
        self.name, self.region, self.sender = region.name, region, sender
        self.problem: str | None = None
        self._session, self._is_locked = session, is_locked
        self._lease, self._beat = lease_ms / 1000, _link.beat(lease_ms)
        self._next = 0.0
        self._is_closed = False
        self._heard: collections.deque[_Heard] = collections.deque()
        self._last: dict[int, float] = {}
        self._wake = SharedRegion.anonymous(1)
        self._source = source_of(self, region, is_locked)
        self._publisher = self.publisher("data")
        key = f"zinc/{self.name}"
        self._declared = [
            session.declare_subscriber(f"{key}/ask", _link.direct(self._received)),
            session.liveliness().declare_subscriber(
                f"{key}/follower/*", _link.direct(self._changed)
            ),
            session.liveliness().declare_token(f"{key}/offer/{sender:016x}"),
        ]
        self._thread = threading.Thread(target=self._run, name=f"mirror {self.name}", daemon=True)
        self._thread.start()

    @property
    def followers(self) -> int:
        return len(self._source.followers)

    def publisher(self, key: str) -> zenoh.Publisher:
        return self._session.declare_publisher(
            f"zinc/{self.name}/{key}", congestion_control=zenoh.CongestionControl.BLOCK
        )

    def head(self, kind: int) -> bytes:
        return _wire.head(kind, self.sender)

    def put(self, payload: bytes) -> None:
        self._publisher.put(payload)

    def note(self, text: str) -> None:
        if text != self.problem:
            _link.log.warning("mirror of %r: %s", self.name, text)
        self.problem = text

    def left(self) -> float:
        """Return the seconds until the next beat."""
        return max(0.001, min(self._beat, self._next - time.monotonic()))

    def wait(self, *others: SharedRegion | ChannelReader | Queue) -> Sequence[object]:
        """Wait until one of these has something new, a follower has said something, or a beat."""
        if self._heard:
            return _region.wait_any((*others, self._wake), 0)
        return _region.wait_any((*others, self._wake), self.left() * 1000)

    def _wake_up(self) -> None:
        with contextlib.suppress(ValueError):  # closed
            self._wake.notify()

    # ---- in threads of Zenoh's ----

    def _received(self, sample: zenoh.Sample) -> None:
        try:
            payload = _wire.read(sample.payload.to_bytes())
            if payload.kind == _wire.REPORT:
                report = _wire.read_report(payload.body)
                heard = _Heard(payload.kind, payload.sender, report=report)
            elif payload.kind in (_wire.ASK, _wire.HAVE):
                if len(payload.body) != _wire.NUMBER.size:
                    raise RefusedError("a question is cut short")
                heard = _Heard(payload.kind, payload.sender, *_wire.NUMBER.unpack(payload.body))
            else:
                raise RefusedError(f"a follower does not send payloads of kind {payload.kind}")
        except RefusedError as error:
            self.note(f"refused what came as a follower's word: {error}")
            return
        if len(self._heard) < MOST_HEARD:
            self._heard.append(heard)
        self._wake_up()

    def _changed(self, sample: zenoh.Sample) -> None:
        if sample.kind == zenoh.SampleKind.DELETE:
            with contextlib.suppress(ValueError):
                follower = int(str(sample.key_expr).rpartition("/")[2], 16)
                self._heard.append(_Heard(None, follower))
        self._wake_up()

    # ---- in its own ----

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._turn()
            except Exception as error:
                if self._is_closed:
                    break
                self.note(f"{type(error).__name__}: {error}")
                time.sleep(self._beat)
        with _link.told():
            self._source.close()

    def _turn(self) -> None:
        source, now = self._source, time.monotonic()
        is_asked = False
        while self._heard:
            heard = self._heard.popleft()
            if heard.kind is None:
                self._forget(heard.follower)
            elif heard.follower in self._last or len(self._last) < MOST_FOLLOWERS:
                self._last[heard.follower] = now
                is_asked = is_asked or heard.kind == _wire.ASK
                source.hear(heard)
        if is_asked or now >= self._next:
            self.put(_wire.write_facts(source.facts(), self.sender))
        if now >= self._next:
            self._next = now + self._beat
            for follower in [one for one, at in self._last.items() if now - at > 2 * self._lease]:
                self._forget(follower)
            source.beat()
            if not self.region.linked and self._replaced():
                return
        source.serve()

    def _forget(self, follower: int) -> None:
        self._last.pop(follower, None)
        self._source.left(follower)

    def _replaced(self) -> bool:
        """Go on with what has the name now, if something has."""
        try:
            region = opened(self.name)
        except FileNotFoundError:
            return False
        try:
            source = source_of(self, region, self._is_locked)
        except BaseException:
            region.close()
            raise
        before, self._source, self.region = self._source, source, region
        self._last.clear()  # they ask again, once they hear of it
        before.close()
        return True

    def close(self) -> None:
        self._is_closed = True
        self._wake_up()
        self._thread.join()
        self._wake.close()
        _link.end(*self._declared, self._publisher)


def opened(name: str) -> SharedRegion:
    """Open what is to be offered: to write, too, where that may be: it costs others less."""
    try:
        return SharedRegion.open(name, any_user=True)
    except PermissionError:
        return SharedRegion.open(name, any_user=True, readonly=True)


class Offer:
    """What `offer` returns: a context manager that ends the offer."""

    def __init__(
        self,
        session: zenoh.Session,
        owns_session: bool,
        names: Sequence[str],
        lease_ms: float,
        lock: bool,
    ) -> None:
        self._session, self._owns_session = session, owns_session
        self._lines: list[_Line] = []
        sender = int.from_bytes(os.urandom(8), "little")
        try:
            for name in names:
                region = opened(name)
                try:
                    self._lines.append(_Line(session, region, lease_ms, lock, sender))
                except BaseException:
                    region.close()
                    raise
        except BaseException:
            self.close()
            raise

    @property
    def followers(self) -> dict[str, int]:
        """How many follow each thing, by name."""
        return {line.name: line.followers for line in self._lines}

    @property
    def problems(self) -> dict[str, str]:
        """What went wrong last, by the thing's name: what was refused, or could not be sent."""
        return {line.name: line.problem for line in self._lines if line.problem is not None}

    def close(self) -> None:
        """End it: copies stay as they are, and a queue's items that are not done go to others."""
        for line in self._lines:
            line.close()
        self._lines.clear()
        if self._owns_session:
            self._owns_session = False
            _link.end(self._session)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()
