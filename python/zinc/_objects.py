"""Objects in shared memory: pickles whose buffers are written once, and read where they are.

    head     magic, bytes of the pickle's stream, number of buffers
    u64      bytes of each buffer; 1 << 63 of one that is a region's ticket
    bytes    the stream
    bytes    each buffer, at the next multiple of 64

What does not fit where it is wanted has a region of its own, of this layout, and a record is left
in its place.

    record   magic, id of the region, bytes of it, its name
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
from typing import TYPE_CHECKING, Any

from . import _reducers, _reference, _region, _zinc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._region import SharedRegion

# The kind of a region that is an object.
OBJECT = 9

# No text begins so, in UTF-8 or ASCII.
_MAGIC, _RECORD_MAGIC = b"\xf5zincobj", b"\xf5zincref"
_HEAD = struct.Struct("<8sQQ")
_TICKET = 1 << 63
_ALIGNMENT = 64


class Parts:
    """A pickled object that waits to be written into shared memory: what `dump` returns.

    Regions that are in it as references are kept for 10 minutes from then on, unless it was
    dropped: `tickets` says which, for `give_back`.
    """

    __slots__ = ("_buffers", "_chunks", "_sizes", "_stream", "size", "tickets")

    def __init__(self, chunks: list[Any], buffers: list[pickle.PickleBuffer]) -> None:
        self._chunks = chunks
        self._stream = sum(map(len, chunks))
        self._buffers: list[memoryview | _reducers.Later | None] = []
        self._sizes: list[int] = []
        self.tickets: list[tuple[str, int]] = []
        end = _HEAD.size + 8 * len(buffers) + self._stream
        try:
            for buffer in buffers:
                raw = buffer.raw()
                what: Any = raw.obj
                if type(what) is _reducers.Ticket:
                    if _reference.keep(what.region):
                        self.tickets.append((what.region.name or "", what.region.id))
                    self._buffers.append(None)
                    self._sizes.append(_TICKET)
                    continue
                is_later = type(what) is _reducers.Later
                size = what.nbytes if is_later else raw.nbytes
                self._buffers.append(what if is_later else raw)
                self._sizes.append(size)
                end = -(-end // _ALIGNMENT) * _ALIGNMENT + size
        except BaseException:
            self.drop()
            raise
        self.size: int = end
        """Bytes that it takes."""

    def write_into(self, view: memoryview) -> None:
        """Write it into writable memory of `size` bytes, which begins at a multiple of 64."""
        _HEAD.pack_into(view, 0, _MAGIC, self._stream, len(self._sizes))
        struct.pack_into(f"<{len(self._sizes)}Q", view, _HEAD.size, *self._sizes)
        end = _HEAD.size + 8 * len(self._sizes)
        for chunk in self._chunks:
            view[end : end + len(chunk)] = chunk
            end += len(chunk)
        for buffer, size in zip(self._buffers, self._sizes, strict=True):
            if buffer is None:
                continue
            end = -(-end // _ALIGNMENT) * _ALIGNMENT
            if isinstance(buffer, memoryview):
                view[end : end + size] = buffer
            elif size:
                buffer.write(view[end : end + size])
            end += size

    def drop(self) -> None:
        """Give back what it has taken: it is not sent."""
        tickets, self.tickets = self.tickets, []
        give_back(tickets)

    def moved(self, mode: int = 0o600, group: int | None = None) -> Parts:
        """Write it into a region of its own, and return what stands for it, much smaller.

        The region is kept as those that it refers to. Raises OSError (ENOSPC) if there is no room.
        """
        name = f"object-{os.urandom(8).hex()}"
        region = _region.made_by(
            _region.SharedRegion,
            _zinc.create,
            name,
            self.size,
            0,
            mode,
            False,
            b"",
            OBJECT,
            None,
            group,
        )
        try:
            self.write_into(memoryview(region))
            region.keep(_reference.LEASE)
            record = Parts([_HEAD.pack(_RECORD_MAGIC, region.id, self.size) + name.encode()], [])
        except BaseException:
            _region.discard(region)
            raise
        return _Record(record, self.tickets, region)


class _Record(Parts):
    """What stands for an object in a region of its own."""

    __slots__ = ("region",)

    def __init__(self, record: Parts, tickets: list[tuple[str, int]], region: SharedRegion) -> None:
        self._chunks = record._chunks
        self.size = len(self._chunks[0])
        self.tickets = [*tickets, (str(region.name), region.id)]
        self.region = region

    def write_into(self, view: memoryview) -> None:
        view[: self.size] = self._chunks[0]

    def drop(self) -> None:
        super().drop()
        self.region.close()


def dump(obj: object) -> Parts:
    """Pickle an object, for shared memory. Raises what pickle and the object's own ways raise."""
    chunks = _Chunks()
    buffers: list[pickle.PickleBuffer] = []
    pickler = pickle.Pickler(chunks, 5, buffer_callback=buffers.append)
    pickler.dispatch_table = _reducers.table()
    pickler.dump(obj)
    return Parts(chunks, buffers)


class _Chunks(list[Any]):
    write: Any = vars(list)["append"]


def load(slot: Any, *, copy: bool = False, taken: list[tuple[str, int]] | None = None) -> Any:
    """Load an object from where it was written: from anything with a buffer.

    Its arrays are read-only and where it is, and each holds `slot`; with `copy` they have memory of
    their own instead, read-only too, but for those of an object in a region of its own, which is
    read there in any case. `taken` gets what is to be given back when nobody may load it again
    (`give_back`).

    Raises ValueError if the bytes are no object, or a damaged one, pickle.UnpicklingError if what
    it refers to is gone, and whatever an unpickled object raises.
    """
    view = memoryview(slot).toreadonly().cast("B")
    if len(view) < _HEAD.size:
        raise ValueError(f"{len(view)} bytes that are no object: use .data")
    magic, stream, count = _HEAD.unpack_from(view)
    if magic == _RECORD_MAGIC:
        view = _attached(bytes(view[_HEAD.size :]), stream, count, taken)
        copy = False
        magic, stream, count = _HEAD.unpack_from(view)
    if magic != _MAGIC:
        raise ValueError(f"{len(view)} bytes that are no object: use .data")
    start = _HEAD.size + 8 * count
    end = start + stream
    if end > len(view):
        raise ValueError("an object that is damaged: its sizes are more than its bytes")
    buffers: list[Any] = []
    for size in struct.unpack_from(f"<{count}Q", view, _HEAD.size):
        if size == _TICKET:
            buffers.append(bytearray() if taken is None else taken)
            continue
        begin = -(-end // _ALIGNMENT) * _ALIGNMENT
        end = begin + size
        if end > len(view):
            raise ValueError("an object that is damaged: its sizes are more than its bytes")
        part = view[begin:end]
        buffers.append(bytes(part) if copy else part)
    return pickle.loads(view[start : start + stream], buffers=buffers)


def _attached(
    name: bytes, identity: int, size: int, taken: list[tuple[str, int]] | None
) -> memoryview:
    """Attach to the region of an object."""
    place = name.decode("ascii", "replace")
    try:
        region = _reference.load_region(
            _region.SharedRegion, place, identity, True, None if taken is None else taken
        )
    except ValueError as error:  # no name
        raise ValueError(f"an object that is damaged: {error}") from None
    if region.kind != OBJECT or region.capacity != size or size < _HEAD.size:
        region.close()
        raise ValueError(f"an object that is damaged: region {place!r} is another")
    view = memoryview(region)
    region.close()  # what is in use of it holds it
    return view


def give_back(tickets: Iterable[tuple[str, int]]) -> None:
    """Give tickets back that were taken, by regions' names and ids: what nobody has goes then."""
    for name, identity in tickets:
        # Gone, or of another user, or what it was is no region any more.
        with contextlib.suppress(OSError, ValueError):
            region = _zinc.open(_region.SharedRegion, name, _zinc.ANY_USER, 0)
            if region.id == identity:
                region.give_back()
            region.close()


__all__ = ["OBJECT", "Parts", "dump", "give_back", "load"]
