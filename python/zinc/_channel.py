"""Channels: messages that are handed over in place, between any number of processes."""

from __future__ import annotations

import errno
import functools
import math
import operator
import time
from typing import TYPE_CHECKING

from . import _async, _description, _named, _objects, _polling, _region, _users, _zinc
from ._mode import with_octal_mode
from ._zinc import Loan, Message, ViewLimitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Buffer, Callable, Sequence
    from typing import Any, Literal, Never, Self, SupportsIndex

    import numpy

    from ._region import SharedRegion, _Shape

__all__ = ["Channel", "ChannelReader", "Loan", "Message", "ViewLimitError"]

# Milliseconds between two looks of a coroutine for writers that are killed.
_NAP = 20.0


class Channel(_zinc.Channel, _named.Named, _named.Closing):
    """A channel of messages, and who writes to it.

    Made by `create`, `open` and `open_or_create`; a context manager that closes it. Messages are
    written into slots of shared memory in place (`loan`) or with one copy (`send`), and each
    `reader` reads each of them where it is. Any number of processes and threads may write, and any
    number read, each through a reader of its own.

    A channel keeps its newest messages, `slots` of them. When it is full, ``full="overwrite"`` lets
    go of the oldest, whoever has not read it: its readers are told how many they have `lost`.
    ``full="wait"`` lets the writer wait for the slowest reader. What a reader holds stays as it is
    in any case. Whoever is killed, at whatever moment, tears no message, loses none and holds
    nobody up.

    Under multiprocessing and joblib one goes to other processes as a reference. A forked child goes
    on with it as its own. It takes a seat with the first loan or message that it sends, one of the
    120 that writers and readers have together.

    >>> import zinc
    >>> channel = zinc.Channel.create("docs-camera", slots=4, shape=(2, 3), dtype="u1")
    >>> reader = zinc.Channel.open("docs-camera").reader()
    >>> with channel.loan() as frame:
    ...     frame.array[:] = 7
    >>> message = reader.recv(timeout_ms=1000)
    >>> message.number, message.array.tolist()
    (1, [[7, 7, 7], [7, 7, 7]])
    """

    __module__ = "zinc"
    __slots__ = (
        "__weakref__",
        "_dtype",
        "_evict_after_ms",
        "_form",
        "_full",
        "_sent",
        "_shape",
        "_slot_size",
        "_slots",
        "_views",
    )

    _form: Callable[[Buffer], Any]
    _dtype: numpy.dtype[Any] | None
    _evict_after_ms: float | None
    _shape: tuple[int, ...] | None
    _full: Literal["overwrite", "wait"]
    _sent: _objects.Sent
    _slot_size: int
    _slots: int
    _views: int

    @classmethod
    @with_octal_mode
    def create(
        cls,
        name: str | None,
        slots: int = 8,
        *,
        slot_size: int | None = None,
        shape: _Shape | None = None,
        dtype: numpy.typing.DTypeLike | None = None,
        full: Literal["overwrite", "wait"] = "overwrite",
        writers: int = 4,
        readers: int = 8,
        views: int = 8,
        mode: int = 0o600,
        group: str | int | None = None,
        persistent: bool = False,
        exist: Literal["error", "replace"] = "error",
        evict_after_ms: float | None = None,
    ) -> Self:
        """Create a channel that keeps `slots` messages, rounded up to a power of two.

        A message is an array of `shape` and `dtype`, structured dtypes too, or up to `slot_size`
        bytes. None for a name makes one without, which lasts as long as somebody has it and travels
        by fork and pickle. `writers`, `readers` and `views`, the messages that a reader may hold at
        once (at most 16), say how much memory there is: with more of them a writer may find no
        slot, with fewer it always does. The rest as for `SharedRegion.create`.

        Where writers wait, a reader that holds up one of this object's messages for
        `evict_after_ms` milliseconds is evicted: writers wait for it no more until it goes on, and
        it is told then how many it has `lost`. None waits for it as long as it lives.

        Raises ValueError for sizes that can't be, and for a dtype that can't be shared, TypeError
        without a size, and what `SharedRegion.create` raises.
        """
        payload, description = _planned(slot_size, shape, dtype)
        waits = 0 if _full(full) == "overwrite" else _zinc.CHANNEL_WAIT
        if name is None and (group is not None or persistent or exist != "error"):
            raise ValueError("a channel without a name has no group, and ends with who has it")
        flags = _region._flags(persistent, True, exist)
        how = description, payload, slots, waits, writers, readers, views
        number = _region.group_number(group)
        region = _region.made_by(
            _region.SharedRegion, _zinc.create_channel, name, flags, mode, number, *how
        )
        try:
            return cls._at(region, evict_after_ms)
        except BaseException:
            _region.discard(region)
            raise

    @classmethod
    def open(
        cls,
        name: str,
        *,
        shape: _Shape | None = None,
        dtype: numpy.typing.DTypeLike | None = None,
        timeout_ms: float | None = 0,
        any_user: bool = False,
        evict_after_ms: float | None = None,
    ) -> Self:
        """Attach to the channel of this name, and wait for it `timeout_ms` as `SharedRegion.open`.

        It has the shape and dtype of its creator; `shape` and `dtype`, if given, are what is
        expected. `evict_after_ms` is of what this object writes, as of `create`.

        Raises ValueError if they are others, or what has the name is no channel; NotARegionError if
        it is damaged; PermissionError where this user may only read, since readers write where
        they are; and what `SharedRegion.open` raises.
        """
        flags = _zinc.ANY_USER if any_user else 0
        region = _zinc.open(_region.SharedRegion, name, flags, timeout_ms)
        try:
            channel = cls._at(region, evict_after_ms)
            channel._expect(shape, dtype)
        except BaseException:
            region.close()  # the traceback may keep it for long
            raise
        return channel

    @classmethod
    @with_octal_mode
    def open_or_create(
        cls,
        name: str,
        slots: int = 8,
        *,
        slot_size: int | None = None,
        shape: _Shape | None = None,
        dtype: numpy.typing.DTypeLike | None = None,
        full: Literal["overwrite", "wait"] = "overwrite",
        writers: int = 4,
        readers: int = 8,
        views: int = 8,
        mode: int = 0o600,
        group: str | int | None = None,
        persistent: bool = False,
        any_user: bool = False,
        evict_after_ms: float | None = None,
    ) -> Self:
        """Attach to the channel of this name, and create it if there is none.

        Of several processes that do this at once one creates, the others open. The arguments are
        those of `create` and `open`; what exists keeps its own numbers of writers, readers and
        views, its mode and group.

        Raises ValueError if it exists with another size of its messages, shape, dtype, number of
        slots or `full`, and what `create` and `open` raise.
        """
        payload, _ = _planned(slot_size, shape, dtype)
        _full(full)
        while True:
            try:
                channel = cls.open(name, any_user=any_user, evict_after_ms=evict_after_ms)
            except FileNotFoundError:
                pass
            else:
                break
            try:
                return cls.create(
                    name,
                    slots,
                    slot_size=slot_size,
                    shape=shape,
                    dtype=dtype,
                    full=full,
                    writers=writers,
                    readers=readers,
                    views=views,
                    mode=mode,
                    group=group,
                    persistent=persistent,
                    evict_after_ms=evict_after_ms,
                )
            except FileExistsError:  # somebody was faster
                continue
        try:
            channel._expect(shape, dtype)
            places = max(2, 1 << (operator.index(slots) - 1).bit_length())
            wanted = {"slots": places, "slot_size": payload, "full": full}
            found = {key: getattr(channel, key) for key in wanted}
            if found != wanted:
                raise ValueError(f"{channel._title} exists with {found}, and {wanted} is wanted")
        except BaseException:
            channel.close()
            raise
        return channel

    @classmethod
    def _at(cls, region: SharedRegion, evict_after_ms: float | None = None) -> Self:
        seconds = _async.in_seconds(evict_after_ms)
        forever = (1 << 64) - 1
        evict_after = forever if seconds is None else min(round(seconds * 1e9), forever)
        if region.kind != _zinc.CHANNEL:
            raise ValueError(f"{region._title} is no channel: its kind is {region.kind}")
        payload, slots, _, views, how, _ = _zinc.examine_channel(region)
        if how & _zinc.QUEUE:
            raise ValueError(f"{region._title} is no channel, but a queue: see zinc.Queue.open")
        described = _described(region, payload)
        form: Callable[[Buffer], Any] = bytes_of
        fill: Callable[[memoryview, Any], None] | None = None
        if described is not None:
            from ._numpy import numpy

            make: Any = numpy.ndarray
            form = functools.partial(make, *described)
            fill = functools.partial(_fill, *described)
        channel = cls.__new__(cls, region, form, fill, evict_after)
        channel._evict_after_ms = evict_after_ms
        channel._form = form
        channel._sent = _objects.Sent()
        channel._shape, channel._dtype = described or (None, None)
        channel._full = _users.policy(how)
        channel._slot_size, channel._slots, channel._views = payload, slots, views
        return channel

    def reader(self, history: int = 0, until_gone: bool = False) -> ChannelReader:
        """Return a reader of the messages from here on, and of `history` before, if they are kept.

        It has a handle and a seat of its own, and lasts when this object is closed. With
        `until_gone` iterating over it ends, and `recv` raises EOFError, once somebody has written
        to the channel, all who have are closed or killed, and nothing is left to receive: within
        50 ms. `wait_any` knows of messages alone.

        Raises ValueError if this is closed, FileNotFoundError if the channel has lost its name and
        so can't be opened once more, and OSError (EUSERS) if all seats are taken.
        """
        if history < 0:
            raise ValueError(f"history is a number of messages from 0, not {history}")
        if self.closed:
            raise ValueError(f"read {self._title}: it is closed")
        region = once_more(self.region)
        try:
            return ChannelReader(region, self._form, min(history, (1 << 64) - 1), until_gone)
        except BaseException:
            region.close()
            raise

    def send_object(self, obj: object, tag: int = 0, timeout_ms: float | None = None) -> int:
        """Send any object that can be pickled; its readers get it by `Message.object`.

        It is pickled into a slot: arrays of numpy, pandas, pyarrow and polars and tensors of torch
        are copied once, and where they are read they are not copied any more (tensors are, since
        torch knows no read-only ones). An object that does not fit into a slot gets a region of its
        own, which is kept until the message is displaced and nobody holds it, and for 10 minutes if
        this process ends before; the next such objects use its memory. Regions, `SharedArray`,
        locks, channels and all else of zinc's in an object go as references, kept for as long.

        Where writers wait, it waits `timeout_ms` milliseconds as `send` does. Raises what `send`
        raises, ValueError for a channel of arrays and for a closed region in the object, OSError
        (ENOSPC) if /dev/shm has no room for a region, and what pickle raises of an object that it
        can't pickle: nothing is sent then.

        >>> import numpy, zinc
        >>> channel = zinc.Channel.create("docs-results", slot_size=4096)
        >>> reader = channel.reader()
        >>> channel.send_object({"loss": 0.5, "weights": numpy.ones(3)})
        1
        >>> reader.recv(timeout_ms=1000).object()
        {'loss': 0.5, 'weights': array([1., 1., 1.])}
        """
        self._expect_bytes()
        return send_object(self, obj, tag, timeout_ms)

    async def send_object_async(
        self, obj: object, tag: int = 0, timeout_ms: float | None = None
    ) -> int:
        """As `send_object`, for a coroutine: other tasks of its loop run meanwhile.

        It waits for room as `send_async` does, and one that is cancelled has sent nothing. Raises
        what `send_object` raises; only to be awaited in a task of asyncio or trio.
        """
        self._expect_bytes()
        return await send_object_async(self, obj, tag, timeout_ms)

    def _expect_bytes(self) -> None:
        if self._dtype is not None:
            raise ValueError(f"send an object to {self._title}: its messages are arrays")

    def _keep(self, number: int, parts: _objects.Parts | _objects.Moved) -> None:
        """Keep the regions of an object, with their tickets, until nobody can load it any more."""
        if parts.tickets is not None:
            self._sent.add(number, parts)
        if self._sent:
            self._sent.sweep(_objects.gone_from(self.region))

    def close(self) -> None:
        """Be done with it. Never raises; a second time does nothing.

        Its readers go on, and so do their messages; the name goes with the last who has the
        channel open. Loans can't be published any more. Sends of other threads that wait get
        ValueError. Objects in regions of their own are kept for 10 minutes from then on.
        """
        super().close()
        self._sent.close()

    def send_many(self, many: Sequence[Any], tag: int = 0, timeout_ms: float | None = None) -> int:
        """Send each of `many` as `send` does, and return how many were sent.

        Where writers wait, that is fewer if the channel was full when the time was over; those left
        are ``many[sent:]``. Raises what `send` raises of one of them, those before it being sent,
        but no TimeoutError.
        """
        seconds = _async.in_seconds(timeout_ms)
        end = math.inf if seconds is None else time.monotonic() + seconds
        for sent, data in enumerate(many):
            left = None if seconds is None else max(0, (end - time.monotonic()) * 1000)
            try:
                self.send(data, tag, left)
            except _zinc.FullError:
                return sent
        return len(many)

    async def send_async(self, data: Any, tag: int = 0, timeout_ms: float | None = None) -> int:
        """As `send`, for a coroutine: other tasks of its loop run meanwhile.

        While the channel is full it looks for room after half a millisecond, and then less and less
        often, up to 20 ms. A send that is cancelled has sent nothing. Raises what `send` raises;
        only to be awaited in a task of asyncio or trio.
        """
        loan = self._filled(data, tag)
        try:
            return await _polling.until_room(self.region, lambda: loan.publish(0), timeout_ms)
        finally:
            loan.discard()

    @property
    def slots(self) -> int:
        """How many messages it keeps: a power of two."""
        return self._slots

    @property
    def slot_size(self) -> int:
        """Bytes of a message, at most."""
        return self._slot_size

    @property
    def views(self) -> int:
        """How many messages a reader may hold at once."""
        return self._views

    @property
    def full(self) -> Literal["overwrite", "wait"]:
        """What happens when it is full."""
        return self._full

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of its messages; None if they are bytes."""
        return self._shape

    @property
    def dtype(self) -> numpy.dtype[Any] | None:
        """The dtype of its messages; None if they are bytes."""
        return self._dtype

    @property
    def _title(self) -> str:
        return "an anonymous channel" if self.name is None else f"channel {self.name!r}"

    def _expect(self, shape: _Shape | None, dtype: numpy.typing.DTypeLike | None) -> None:
        if shape is None and dtype is None:
            return
        if self._dtype is None:
            raise ValueError(f"{self._title}: its messages are bytes, of no shape and dtype")
        from ._numpy import numpy

        wanted_shape = self._shape if shape is None else tuple(_region.sizes_of(shape))
        wanted_dtype = self._dtype if dtype is None else numpy.dtype(dtype)
        if (wanted_shape, wanted_dtype) != (self._shape, self._dtype):
            raise ValueError(
                f"{self._title}: the shape of its messages is {self._shape} and their dtype "
                f"{self._dtype}, and {wanted_shape} and {wanted_dtype} were expected"
            )

    @property
    def newest(self) -> int:
        """The number of the newest message; 0 if there is none."""
        return _zinc.examine_channel(self.region)[-1]

    @property
    def readers(self) -> list[_users.ReaderInfo]:
        """Who reads it, and how far each has come; who was killed, too."""
        return self._look()[1]

    @property
    def writers(self) -> list[_users.WriterInfo]:
        """Who writes to it, and who of them waits for readers; who was killed, too."""
        return self._look()[0]

    def _look(self) -> tuple[list[_users.WriterInfo], list[_users.ReaderInfo]]:
        return _users.of_channel(self.newest, _zinc.channel_users(self.region))

    def _whom_it_waits_for(self) -> str:
        """Say who reads, and has not come to the oldest message."""
        slow = [one for one in self.readers if one.alive and one.lag >= self.slots]
        if not slow:
            return "who has held it up is gone, or goes on now"
        first = max(slow, key=lambda one: one.lag)
        more = f", and {len(slow) - 1} more" if len(slow) > 1 else ""
        behind = f"{first.lag} messages behind"
        return f"a reader holds it up: of process {first.pid}, {behind}{more}"

    def _place(self) -> tuple[Any, ...]:
        return self.region, self._evict_after_ms

    def __repr__(self) -> str:
        """Show what it is."""
        what = f"{self._slot_size} bytes" if self._dtype is None else f"{self._dtype}{self._shape}"
        state = ", closed" if self.closed else ""
        return f"<zinc.Channel {self.name!r}, {self._slots} messages of {what}{state}>"


class ChannelReader(_zinc.ChannelReader, _named.Closing):
    """Who reads a channel, from a message on: `Channel.reader` makes it.

    Iterating over it receives message after message, and ends when it is closed. A context manager
    that closes it. One thread receives at a time; messages may go to any. It can't be pickled: who
    reads elsewhere sends the channel there, and makes a reader of it. A forked child goes on from
    where its parent was, with a seat of its own.
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    async def recv_async(self, timeout_ms: float | None = None) -> Message:
        """As `recv`, for a coroutine: other tasks of its loop run meanwhile.

        Always lets them run once. A wait that is cancelled has received nothing. Raises what `recv`
        raises; only to be awaited in a task of asyncio or trio.
        """
        seconds = _async.in_seconds(timeout_ms)
        end = None if seconds is None else time.monotonic() + seconds
        await self._wait(0, 0)
        while True:
            before = 0 if self.closed else self._region.sequence
            if (message := self.try_recv()) is not None:
                return message
            left = None if end is None else (end - time.monotonic()) * 1000
            if self._until_gone:  # nobody tells of a writer that is killed
                left = _NAP if left is None else min(left, _NAP)
            if left is not None and left <= 0:
                where = f"receive from channel {self.name!r}"
                raise TimeoutError(f"{where}: no message came within {timeout_ms} ms")
            await self._wait(left, before)

    async def _wait(self, timeout_ms: float | None, before: int) -> None:
        try:
            await _async.wait(self._region, timeout_ms, before)
        except ValueError:
            if not self.closed:
                raise

    def __aiter__(self) -> AsyncIterator[Message]:
        """Iterate over what comes, until the reader is closed, or its writers are gone."""
        return self

    async def __anext__(self) -> Message:
        """Receive the next message."""
        try:
            return await self.recv_async()
        except EOFError:
            raise StopAsyncIteration from None
        except ValueError:
            if self.closed:
                raise StopAsyncIteration from None
            raise

    def __reduce_ex__(self, protocol: SupportsIndex) -> Never:
        """Refuse, with the reason."""
        raise TypeError(
            f"pickle {self!r}: where it has come to is its own; pickle the channel, and make "
            "a reader of it there"
        )

    def __repr__(self) -> str:
        """Show what it is."""
        return f"<zinc.ChannelReader {self.name!r}{', closed' if self.closed else ''}>"


def _full(full: str) -> str:
    if full not in ("overwrite", "wait"):
        raise ValueError(f"full is 'overwrite' or 'wait', not {full!r}")
    return full


def _planned(
    slot_size: int | None, shape: _Shape | None, dtype: numpy.typing.DTypeLike | None
) -> tuple[int, bytes]:
    """Return the bytes of a message, and the description of the array that it is."""
    if (slot_size is None) == (shape is None and dtype is None):
        raise TypeError("say how large a message is: slot_size=bytes, or shape= and dtype=")
    if slot_size is not None:
        return slot_size, b""
    from ._numpy import numpy

    kind = numpy.dtype(dtype)
    sizes = tuple(_region.sizes_of(() if shape is None else shape))
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape has no negative dimensions: {sizes}")
    description = _description.write(sizes, kind, "C")
    return max(1, kind.itemsize * math.prod(sizes)), description


def _described(
    region: SharedRegion, payload: int
) -> tuple[tuple[int, ...], numpy.dtype[Any]] | None:
    """Return the shape and dtype of messages, None for bytes. NotARegionError if damaged."""
    metadata = region.metadata
    if not metadata:
        return None
    try:
        description = _description.read(metadata)
        dtype = description.dtype()
        if dtype.itemsize * math.prod(description.shape) > payload:
            raise ValueError(f"it does not fit into {payload} bytes")
    except ValueError as error:
        message = f"{region._title}: what its messages are is damaged: {error}"
        raise _region.NotARegionError(errno.EBADMSG, message) from None
    return description.shape, dtype


def bytes_of(slot: Buffer) -> numpy.ndarray[Any, Any]:
    """Make an array of a message that has no dtype."""
    from ._numpy import numpy

    return numpy.ndarray(len(memoryview(slot)), "u1", slot)


def _fill(shape: tuple[int, ...], dtype: numpy.dtype[Any], view: memoryview, data: Any) -> None:
    """Put what numpy makes an array of this shape of into a slot."""
    from ._numpy import numpy

    # numpy looks at each number that is no array's yet; of arrays it looks at the dtype.
    array: Any = data
    if not isinstance(data, numpy.ndarray):
        array = numpy.asarray(data, dtype)
    if array.shape != shape:
        raise ValueError(f"a message of shape {shape} is needed, and this is of {array.shape}")
    numpy.copyto(numpy.ndarray(shape, dtype, view), array, casting="same_kind")


def pickled(obj: object, to: Any, room: int) -> _objects.Parts | _objects.Moved:
    """Pickle an object, into a region of its own if it takes more than `room` bytes.

    Who does not send it drops it.
    """
    try:
        parts = _objects.dump(obj)
    except Exception as error:
        error.add_note(f"send an object to {to._title}")
        raise
    if parts.size <= room:
        return parts
    try:
        return parts.moved(to.region, to._sent)
    except BaseException:
        parts.drop()
        raise


def send_object(writer: Any, obj: object, tag: int, timeout_ms: float | None) -> int:
    """Send an object into a channel or a queue, and return its number. FullError after so long."""
    parts = pickled(obj, writer, writer._slot_size)
    sent: list[int] = []
    try:
        parts.send(writer, tag, timeout_ms, sent)
    except BaseException:
        if not sent:  # else Ctrl-C came just after
            parts.drop()
        raise
    writer._keep(sent[0], parts)
    return sent[0]


async def send_object_async(writer: Any, obj: object, tag: int, timeout_ms: float | None) -> int:
    """As `send_object`, for a coroutine."""
    parts = pickled(obj, writer, writer._slot_size)
    sent: list[int] = []
    try:
        await _polling.until_room(
            writer.region, lambda: parts.send(writer, tag, 0, sent), timeout_ms
        )
    except BaseException:
        if not sent:
            parts.drop()
        raise
    writer._keep(sent[0], parts)
    return sent[0]


def once_more(region: SharedRegion) -> SharedRegion:
    """Attach to the same region by another handle."""
    kind = _region.SharedRegion
    if region.name is None:
        return kind.from_fd(region.descriptor())
    again = kind.open(region.name, any_user=True)
    if again.id != region.id:
        again.close()
        message = f"read {region._title}: it has lost its name, which another has now"
        raise FileNotFoundError(errno.ENOENT, message)
    return again
