"""Stores: objects by key, for all processes of a machine, without a server."""

from __future__ import annotations

import dataclasses
import errno
import math
import operator
import os
import sys
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Literal

from . import _async, _holders, _named, _objects, _polling, _region, _zinc
from ._description import ARRAY
from ._mode import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    import numpy
    import numpy.typing

    from ._holders import Holder
    from ._region import SharedRegion, _Shape

__all__ = ["Store", "StoreEvent", "StoreInfo", "StoredObject"]

_FULL: tuple[Literal["evict", "wait", "error"], ...] = ("evict", "wait", "error")
_CHANGES: tuple[Literal["put", "deleted", "evicted"], ...] = ("put", "deleted", "evicted")
_MISSING = object()


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """What `Store.objects` tells of an object."""

    key: str
    nbytes: int
    """Bytes that it takes by itself."""
    memory: int
    """Bytes that it takes of the store's capacity: whole pages, and one for its region's header."""
    created: float
    """When it was put, in seconds since 1970."""
    pinned: bool
    present: bool
    """False of one that was deleted, replaced or evicted, and that somebody still has."""
    name: str
    """The name of its region."""


@dataclasses.dataclass(frozen=True)
class StoreInfo:
    """What `Store.info` tells."""

    capacity: int
    used: int
    """Bytes of the capacity, with those of objects that are being made, and of those that were
    deleted and that somebody still has."""
    objects: int
    puts: int
    hits: int
    """How often `get` has found the key."""
    misses: int
    """How often it has not, at once."""
    evictions: int
    deletions: int
    full: Literal["evict", "wait", "error"]


@dataclasses.dataclass(frozen=True)
class StoreEvent:
    """What has happened to an object: `Store.subscribe` tells."""

    change: Literal["put", "deleted", "evicted"]
    key: str
    nbytes: int
    time: float
    """In seconds since 1970."""


class Store(MutableMapping[str, Any], _named.Named, _named.Closing):
    """Objects by key, which any process of this machine puts, gets and waits for.

    ``Store("results", capacity=1 << 30)`` opens the store of this name, or creates it; it is a
    mapping, as a dict is, and ends with its last user, unless it is `persistent`. No process is in
    charge of it, and whoever is killed leaves it right. Under multiprocessing and joblib it goes to
    other processes as a reference. At most 120 processes have one open and use it at a time.

    `store[key] = value` copies the value once, into memory of its own; `store[key]` gives it as it
    lies there: arrays are read-only, not copied, and right for as long as they live, whatever
    becomes of the key. An array of numpy comes back as a `SharedArray`; any other object that can
    be pickled comes back as an equal one, whose arrays (numpy's, pandas', pyarrow's, polars') are
    where it lies. References to shared memory outside of the store can't be in an object.

    `capacity` is in bytes; by default it is half of /dev/shm. `full` says what is done with what
    finds no room: "evict" takes what was used longest ago, but nothing that is pinned or that
    somebody has; "wait" waits until somebody deletes something; "error" is an error at once.
    `mode` and `group` as for `SharedRegion.create`, and for the objects as well.

    A key is a str of at most 176 bytes of UTF-8.

    Raises FileExistsError if the name is something else's; ValueError if the store exists with
    another capacity or `full`, and for what can't be; and what `SharedRegion.create` raises.

    >>> import numpy, zinc
    >>> store = zinc.Store("docs-results", capacity=1 << 20)
    >>> store["weights"] = numpy.arange(4.0)
    >>> zinc.Store("docs-results")["weights"].sum()  # in another process, as a rule
    np.float64(6.0)
    >>> del store["weights"]
    >>> store.get("weights", timeout_ms=10) is None
    True
    >>> store.close()
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "_region")

    _region: SharedRegion

    def __new__(
        cls,
        name: str | None = None,
        capacity: int | None = None,
        *,
        full: Literal["evict", "wait", "error"] | None = None,
        persistent: bool = False,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the store of this name, or create it."""
        wanted = None if capacity is None else operator.index(capacity)
        if full is not None and full not in _FULL:
            raise ValueError(f"full must be 'evict', 'wait' or 'error', not {full!r}")
        if wanted is not None and not 0 < wanted < 1 << 63:
            raise ValueError(f"the capacity of a store must be 1 to 2**63 - 1 bytes, not {wanted}")
        while True:
            if name is not None:
                try:
                    opened = cls.open(name, any_user=any_user)
                except FileNotFoundError:
                    pass
                else:
                    opened._expect(wanted, full)
                    return opened
            facts = (
                f"store-{os.urandom(8).hex()}" if name is None else name,
                _half_of_memory() if wanted is None else wanted,
                _FULL.index(full or "evict"),
                False,
                _zinc.PERSISTENT if persistent else 0,
                mode,
                _region.group_number(group),
            )
            try:
                kind = _region.SharedRegion
                return cls._at(_region.made_by(kind, _zinc.store_create, *facts))
            except FileExistsError:  # somebody was faster, or it is no store
                if name is None or not _is_store(name, any_user):
                    raise

    @classmethod
    def open(cls, name: str, *, timeout_ms: float | None = 0, any_user: bool = False) -> Self:
        """Open the store of this name, and wait for it `timeout_ms` as `SharedRegion.open`.

        FileExistsError if what has the name is no store, and what `SharedRegion.open` raises.
        """
        flags = _zinc.ANY_USER if any_user else 0
        return _region.or_close(_zinc.open(_region.SharedRegion, name, flags, timeout_ms), cls._at)

    @classmethod
    def _at(cls, region: SharedRegion) -> Self:
        if region.kind != _zinc.STORE:
            message = f"{region._title} is no store: its kind is {region.kind}"
            raise FileExistsError(errno.EEXIST, message)
        self = object.__new__(cls)
        self._region = region
        return self

    def _expect(self, capacity: int | None, full: str | None) -> None:
        info = self.info()
        for key, want, has in ("capacity", capacity, info.capacity), ("full", full, info.full):
            if want is not None and want != has:
                title = self._title
                self.close()
                raise ValueError(f"{title} exists with {key}={has!r}, and {want!r} is wanted")

    def _place(self) -> tuple[Any, ...]:
        return (self._region,)

    def __getstate__(self) -> None:
        """Return nothing: what it has is where it is."""

    @property
    def _title(self) -> str:
        return f"store {self.name!r}"

    # ---- what a mapping has ----

    def __getitem__(self, key: str) -> Any:
        """Return the object of the key, read-only and where it is. KeyError if there is none."""
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: object) -> None:
        """Put an object; what had the key makes way. As `put`."""
        self.put(key, value, replace=True)

    def __delitem__(self, key: str) -> None:
        """Take the key from its object; who has the object keeps it. KeyError if there is none."""
        if not _zinc.store_remove(self._region, _bytes_of(key)):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Say whether something has the key. That does not count as a use."""
        return isinstance(key, str) and _zinc.store_find(self._region, _bytes_of(key)) is not None

    def __len__(self) -> int:
        """Return how many objects there are."""
        return self.info().objects

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys that there are now, what was used longest ago first."""
        return iter([one.key for one in self.objects() if one.present])

    def __eq__(self, other: object) -> bool:
        """Say whether it is the same store, here or opened once more."""
        return isinstance(other, Store) and self._region.id == other._region.id

    def __hash__(self) -> int:
        """Return a number that is the same for the same store."""
        return hash(self._region.id)

    def pop(self, key: str, default: Any = _MISSING, /) -> Any:
        """Return the object of the key and delete it: of several who do so at once, one has it.

        Without it, returns `default`, or raises KeyError.
        """
        region = _zinc.store_get(_region.SharedRegion, self._region, _bytes_of(key), True, 0)
        if region is not None:
            return _loaded(region, False)
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Return and delete what was used longest ago. KeyError if the store is empty."""
        for key in self:
            value = self.pop(key, _MISSING)
            if value is not _MISSING:
                return key, value
        raise KeyError(f"popitem(): {self._title} is empty")

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        """Return the object of the key; put `default` if there is none, once, whoever else does."""
        while True:
            value = self.get(key, _MISSING)
            if value is not _MISSING:
                return value
            try:
                self.put(key, default)
            except FileExistsError:
                continue

    # ---- put ----

    def put(
        self, key: str, value: object, *, replace: bool = False, timeout_ms: float | None = None
    ) -> None:
        """Put an object by a key that nothing has, or with `replace` whatever has it.

        Others find it once it is complete, and never if this process is killed before. Of several
        that put by one key at once, one wins. Where the store waits for room, it waits
        `timeout_ms` milliseconds (0 only looks, None waits for ever).

        Raises FileExistsError if something has the key; OSError (ENOSPC) if there is no room, with
        those who have what there is, or if /dev/shm is full; ValueError for a key that can't be and
        for a value with references to memory that is not the store's; and what pickling it raises.
        """
        with self._making(key, replace, timeout_ms, *_placed(value)) as region:
            _fill(region, value)

    async def put_async(
        self, key: str, value: object, *, replace: bool = False, timeout_ms: float | None = None
    ) -> None:
        """As `put`, for a coroutine: other tasks of its loop run while it waits for room."""
        seconds = _async.in_seconds(timeout_ms)
        end = math.inf if seconds is None else time.monotonic() + seconds
        waits = self.info().full == "wait"
        while True:
            before = self._region.sequence
            left = (end - time.monotonic()) * 1000
            try:
                self.put(key, value, replace=replace, timeout_ms=0)
            except OSError as error:
                if error.errno != errno.ENOSPC or not waits or left <= 0:
                    raise
            else:
                await _async.wait(self._region, 0, before)  # lets others run
                return
            await _async.wait(self._region, min(left, _polling.NAP), before)

    def create(
        self, key: str, nbytes: int, *, replace: bool = False, timeout_ms: float | None = None
    ) -> AbstractContextManager[memoryview]:
        """Make an object of bytes in place: ``with store.create(key, n) as memory:``.

        Of zeros at first. At the end of the `with` it is in the store, and never after an
        exception. As `put`; what `get` returns is a read-only memoryview. In C and Swift such an
        object is a region of kind 0.
        """
        return Making(self, memoryview, key, replace, timeout_ms, operator.index(nbytes), 0, b"")

    def build(
        self,
        key: str,
        shape: _Shape,
        dtype: numpy.typing.DTypeLike | None = float,
        *,
        replace: bool = False,
        timeout_ms: float | None = None,
    ) -> AbstractContextManager[numpy.ndarray[Any, Any]]:
        """Make an array in place: ``with store.build(key, shape, dtype) as array:``.

        As `create`; `shape` and `dtype` as for ``numpy.zeros``.
        """
        from . import _array
        from ._numpy import numpy

        planned = _array._planned(_array._sizes(shape), numpy.dtype(dtype), "C")
        capacity, description = planned
        return Making(
            self, _array.open_array, key, replace, timeout_ms, capacity, ARRAY, description
        )

    def _making(
        self,
        key: str,
        replace: bool,
        timeout_ms: float | None,
        capacity: int,
        kind: int,
        metadata: bytes,
        contents: Any = None,
    ) -> Making:
        return Making(self, _itself, key, replace, timeout_ms, capacity, kind, metadata, contents)

    # ---- get ----

    def get(
        self,
        key: str,
        default: Any = None,
        *,
        timeout_ms: float | None = 0,
        copy: bool = False,
    ) -> Any:
        """Return the object of the key, or `default` if there is none.

        Waits `timeout_ms` milliseconds for it to be there (0 only looks, None waits for ever). Its
        arrays are read-only and where it is, and hold the memory as long as they live; with `copy`
        they have memory of their own, which can be written. To load a pickle runs what it says:
        take objects from those alone whom you would let run code.

        Raises ValueError for a key or a timeout that can't be, and if the store is closed, and what
        unpickling the object's classes raises.
        """
        region = _zinc.store_get(
            _region.SharedRegion, self._region, _bytes_of(key), False, timeout_ms
        )
        return default if region is None else _loaded(region, copy)

    async def get_async(
        self,
        key: str,
        default: Any = None,
        *,
        timeout_ms: float | None = None,
        copy: bool = False,
    ) -> Any:
        """As `get`, for a coroutine: other tasks of its loop run while it waits."""
        found = await self.wait_any_async([key], timeout_ms)
        return self.get(key, default, copy=copy) if found else default

    # ---- wait ----

    def wait_any(self, keys: Iterable[str], timeout_ms: float | None = None) -> list[str]:
        """Wait until at least one of the keys is there, and return those that are.

        Empty if none came within `timeout_ms` milliseconds (0 only looks, None waits for ever).
        """
        return self._wait(list(keys), timeout_ms, 1)

    def wait_all(self, keys: Iterable[str], timeout_ms: float | None = None) -> bool:
        """Wait until all of the keys are there at once; False if that did not come in time."""
        wanted = list(keys)
        return len(self._wait(wanted, timeout_ms, len(wanted))) == len(wanted)

    def _wait(self, keys: list[str], timeout_ms: float | None, count: int) -> list[str]:
        seconds = _async.in_seconds(timeout_ms)
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            before = self._region.sequence
            found = [key for key in keys if key in self]
            left = None if end is None else max(0.0, end - time.monotonic()) * 1000
            if len(found) >= count or not keys:
                return found
            if not self._region.wait(left, after=before) and left is not None:
                return found

    async def wait_any_async(
        self, keys: Iterable[str], timeout_ms: float | None = None
    ) -> list[str]:
        """As `wait_any`, for a coroutine: other tasks of its loop run meanwhile."""
        return await self._wait_async(list(keys), timeout_ms, 1)

    async def wait_all_async(self, keys: Iterable[str], timeout_ms: float | None = None) -> bool:
        """As `wait_all`, for a coroutine: other tasks of its loop run meanwhile."""
        wanted = list(keys)
        return len(await self._wait_async(wanted, timeout_ms, len(wanted))) == len(wanted)

    async def _wait_async(self, keys: list[str], timeout_ms: float | None, count: int) -> list[str]:
        found: list[str] = []

        def attempt() -> bool:
            found[:] = [key for key in keys if key in self]
            return len(found) >= count or not keys

        seconds = _async.in_seconds(timeout_ms)
        end = None if seconds is None else time.monotonic() + seconds
        while True:
            before = self._region.sequence
            is_done = attempt()
            left = None if end is None else max(0.0, end - time.monotonic()) * 1000
            await _async.wait(self._region, 0 if is_done else left, before)
            if is_done or left == 0:
                return found

    def subscribe(self, timeout_ms: float | None = None) -> Events:
        """Return an iterator of what happens in the store from now on: `StoreEvent`.

        For ``for`` and ``async for``; it ends when nothing happens for `timeout_ms` milliseconds
        (None is never). The store keeps the last 512 events: how many were missed is its `lost`.
        """
        return Events(self, timeout_ms)

    # ---- room ----

    @property
    def name(self) -> str:
        """The name of the store."""
        return str(self._region.name)

    @property
    def capacity(self) -> int:
        """Bytes that all objects together may take."""
        return self.info().capacity

    @property
    def used(self) -> int:
        """Bytes of the capacity that are in use."""
        return self.info().used

    def pin(self, key: str, pinned: bool = True) -> None:
        """Keep an object from being evicted, or, with False, do not any more. KeyError if none."""
        if not _zinc.store_pin(self._region, _bytes_of(key), pinned):
            raise KeyError(key)

    def evict(self, nbytes: int | None = None) -> int:
        """Free at least so many bytes, by default all, and return how many.

        Of what was used longest ago first; nothing that is pinned, or that somebody has.
        """
        wanted = (1 << 64) - 1 if nbytes is None else operator.index(nbytes)
        if wanted < 0:
            raise ValueError(f"evict: {wanted} bytes can't be freed")
        return _zinc.store_evict(self._region, min(wanted, (1 << 64) - 1))

    # ---- looks ----

    def info(self) -> StoreInfo:
        """Return the store's sizes and counts."""
        capacity, used, objects, _, puts, hits, misses, evictions, deletions, full = (
            _zinc.store_examine(self._region)
        )
        counts = puts, hits, misses, evictions, deletions
        return StoreInfo(capacity, used, objects, *counts, _FULL[min(full, 2)])

    def objects(self) -> list[StoredObject]:
        """Return what is in the store, what was used longest ago first, and then what has left it.

        That is what was deleted, replaced or evicted while somebody has it: its memory is in use
        until they let go of it.
        """
        return [
            StoredObject(
                *(_text_of(key), nbytes, memory, created / 1e9, pinned),
                *(state == _zinc.OBJECT_PRESENT, name),
            )
            for key, nbytes, memory, created, state, _, pinned, name in _zinc.store_list(
                self._region
            )
            if created
        ]

    def holders(self) -> dict[str, list[Holder]]:
        """Return who has which object, by the name of its region (see `StoredObject.name`).

        As `SharedRegion.holders`; objects that nobody has are not there.
        """
        held = _holders.holders()
        found = {one.name: held.get(_inode(one.name), []) for one in self.objects()}
        return {name: holders for name, holders in found.items() if holders}

    def unlink(self) -> None:
        """End the store at once, for all: its name is gone, and objects that nobody has, too."""
        self._region.unlink()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._region.closed

    def close(self) -> None:
        """Be done with it. What was got stays right. The last one ends a store."""
        self._region.close()

    def __repr__(self) -> str:
        """Show its name and how full it is."""
        if self.closed:
            return f"<zinc.Store {self.name!r}, closed>"
        info = self.info()
        used = f"{info.used} of {info.capacity} bytes"
        return f"<zinc.Store {self.name!r}, {info.objects} objects, {used}>"


class Making:
    """What `Store.create` and `Store.build` return, to be used by `with` once."""

    __module__ = "zinc"
    __slots__ = ("_facts", "_flags", "_made", "_opened", "_region", "_store", "_timeout_ms")

    def __init__(
        self,
        store: Store,
        opened: Any,
        key: str,
        replace: bool,
        timeout_ms: float | None,
        *facts: Any,
    ) -> None:
        """Begin nothing yet."""
        self._store, self._opened, self._timeout_ms = store, opened, timeout_ms
        capacity, kind, metadata, *contents = facts
        self._flags = _zinc.STORE_REPLACE if replace else 0
        self._facts = _bytes_of(key), capacity, self._flags, kind, metadata, *(contents or [None])
        self._region: SharedRegion | None = None
        self._made: Any = None

    def __enter__(self) -> Any:
        """Make the object, for others to find at the end."""
        if self._region is not None:
            raise ValueError("it was made already")
        own = self._store._region
        facts = own, *self._facts, self._timeout_ms
        try:
            self._region = _region.made_by(_region.SharedRegion, _zinc.store_begin, *facts)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise OSError(errno.ENOSPC, f"{error.strerror}{self._held()}") from None
            raise
        try:
            self._made = self._opened(self._region)
        except BaseException:
            self._give_up()
            raise
        return self._made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Put it into the store; after an exception leave nothing."""
        region, made = self._region, self._made
        assert region is not None
        self._made = None
        if kind is not None:
            self._give_up()
            return
        try:
            if made is not region and not isinstance(made, memoryview):
                made.setflags(write=False)
            _zinc.store_seal(self._store._region, region, self._flags, False)
        except BaseException:
            self._give_up()
            raise
        region.close()

    def _give_up(self) -> None:
        """Leave nothing of it."""
        assert self._region is not None
        if not self._store.closed:
            _zinc.store_seal(self._store._region, self._region, 0, True)
        self._region.close()

    def _held(self) -> str:
        """Say who has how much of the store."""
        sizes: dict[str, int] = {}
        memory = {one.name: one.memory for one in self._store.objects()}
        for name, holders in self._store.holders().items():
            for holder in holders:
                who = f"process {holder.pid} ({holder.program})"
                sizes[who] = sizes.get(who, 0) + memory.get(name, 0)
        if not sizes:
            return ""
        most = sorted(sizes.items(), key=lambda item: -item[1])[:5]
        return "; in use by " + ", ".join(f"{who}: {size} bytes" for who, size in most)


class Events:
    """What happens in a store, in order: what `Store.subscribe` returns."""

    __module__ = "zinc"
    __slots__ = ("_next", "_ready", "_store", "_timeout_ms", "lost")

    lost: int
    """How many events came too fast, and are not told."""

    def __init__(self, store: Store, timeout_ms: float | None) -> None:
        """Begin with what happens next."""
        _async.in_seconds(timeout_ms)
        self._store, self._timeout_ms = store, timeout_ms
        self._next = _zinc.store_examine(store._region)[3]
        self._ready: list[StoreEvent] = []
        self.lost = 0

    def _look(self) -> bool:
        if not self._ready:
            found, self._next, lost = _zinc.store_events(self._store._region, self._next)
            self.lost += lost
            self._ready = [
                StoreEvent(_CHANGES[(change - 1) % 3], _text_of(key), nbytes, at / 1e9)
                for change, key, nbytes, at in reversed(found)
            ]
        return bool(self._ready)

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> StoreEvent:
        """Wait for the next one."""
        while True:
            before = self._store._region.sequence
            if self._look():
                return self._ready.pop()
            if not self._store._region.wait(self._timeout_ms, after=before):
                raise StopIteration

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> StoreEvent:
        """Wait for the next one, while other tasks run."""
        while True:
            before = self._store._region.sequence
            if self._look():
                return self._ready.pop()
            if not await _async.wait(self._store._region, self._timeout_ms, before):
                raise StopAsyncIteration


def _bytes_of(key: object) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"a key of a store is a str, not {key!r}")
    return key.encode("utf-8", "surrogateescape")


def _text_of(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _placed(value: Any) -> tuple[Any, ...]:
    """Say how an object lies in a region: its capacity, kind, metadata and contents."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        from . import _array, _description

        if type(value) in (numpy.ndarray, _array.SharedArray) and not _description.refusal(
            value.dtype
        ):
            order: Literal["C", "F"] = "F" if value.flags.fnc else "C"
            capacity, description = _array._planned(value.shape, value.dtype, order)
            contents = _array._bytes(value) if value.flags.forc else None
            return capacity, ARRAY, description, contents
    parts = _objects.dump(value)
    if parts.has_regions:
        parts.drop()
        raise ValueError(
            "put: the object refers to shared memory that is not the store's: put what is in "
            "that, such as numpy.array(shared) or ref.get()"
        )
    return parts.size, _objects.OBJECT, b"", parts


def _fill(region: SharedRegion, value: Any) -> None:
    """Write what was not written when the region was made: an array that lies here and there."""
    if region.kind == ARRAY and not value.flags.forc:
        from . import _array

        _array.open_array(region)[...] = value


def _itself(region: SharedRegion) -> SharedRegion:
    return region


def _loaded(region: SharedRegion, copy: bool) -> Any:
    if region.kind == _objects.OBJECT:
        return _objects.load(memoryview(region), writable=copy)
    if region.kind == ARRAY:
        from . import _array
        from ._numpy import numpy

        array = _array._described(f"get from {region._title}", region)
        return numpy.array(array, subok=False) if copy else array
    memory = memoryview(region)
    return memoryview(bytearray(memory)) if copy else memory


def _half_of_memory() -> int:
    status = os.statvfs("/dev/shm")
    return max(1, status.f_blocks * status.f_frsize // 2)


def _is_store(name: str, any_user: bool) -> bool:
    try:
        Store.open(name, any_user=any_user).close()
    except FileNotFoundError:
        return True  # it has gone meanwhile
    except OSError:
        return False
    return True


def _inode(name: str) -> tuple[int, int]:
    try:
        status = os.stat(f"/dev/shm/zinc_{name}")
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino
