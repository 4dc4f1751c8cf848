"""SharedRegion: what reads better in Python than in C."""

from __future__ import annotations

import operator
import os

from . import _picklers, _zinc
from ._mode import with_octal_mode
from ._zinc import NotARegionError

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing and numpy cost more to import than all of zinc
    from collections.abc import AsyncIterator, Buffer, Callable, Iterable
    from typing import Any, Literal, Never, Self, SupportsIndex, TypeVar

    import numpy
    import numpy.typing
    from _typeshed import FileDescriptorLike

    from ._atomic import Atomic
    from ._channel import ChannelReader
    from ._holders import Holder
    from ._lock import Lock
    from ._queue import Queue
    from ._seats import Seat

    _Shape = SupportsIndex | tuple[SupportsIndex, ...] | list[SupportsIndex]
    _Made = TypeVar("_Made")
    _Region = TypeVar("_Region", bound="SharedRegion")
    _Waited = TypeVar("_Waited", bound="SharedRegion | ChannelReader | Queue")
    _Sentinel = TypeVar("_Sentinel", bound=FileDescriptorLike)

__all__ = [
    "NotARegionError",
    "SharedRegion",
    "reclaim",
    "unlink",
    "wait_all",
    "wait_any",
    "wait_any_async",
]


class SharedRegion(_zinc.SharedRegion):
    """A region of memory that this process shares with others.

    Made by `create` and `open`; a context manager that closes it. Supports the buffer
    protocol: ``memoryview(region)``, ``numpy.frombuffer(region)`` and the like see the
    bytes themselves, ``len(region)`` of them. Any number of threads may use one object.
    Under multiprocessing and joblib one goes to other processes as a reference, which attaches
    anew where it is loaded; other picklers refuse it.

    >>> with SharedRegion.create("docs-region", 4096) as region:
    ...     region.as_numpy("f4")[:3] = 1, 2, 3
    ...     SharedRegion.open("docs-region").as_numpy("f4")[:3].tolist()
    [1.0, 2.0, 3.0]
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__",)

    @classmethod
    @with_octal_mode
    def create(
        cls,
        name: str,
        capacity: int,
        *,
        mode: int = 0o600,
        group: str | int | None = None,
        persistent: bool = False,
        reserve: bool = True,
        metadata: Buffer = b"",
        kind: int = 0,
        exist: Literal["error", "replace"] = "error",
        hugepages: bool = False,
        prefault: bool = False,
    ) -> Self:
        """Create a region of `capacity` zeroed bytes and attach to it.

        The name, 1 to 250 characters out of A-Z, a-z, 0-9, _ and -, and the memory go
        when the last process that is attached closes the region, exits or dies; those
        of a `persistent` one when it is unlinked. The memory is taken at once; with
        ``reserve=False`` page by page when it is touched, which is a bus error where
        there is none left. `mode` are the permissions, as of a file, and `group` is the group that
        they mean, by name or number: one of this user's, for whom ``mode=0o660`` lets its members
        read and write. `metadata`, at most 2048 bytes, is kept beside the data for all who attach,
        and so is `kind`, what the data is: 0 bytes, 1 an array whose description is the metadata,
        yours from 1000.

        A living region that has the name is an error; with ``exist="replace"`` it loses the
        name, as by `unlink`, once the new one is complete: who is attached goes on with what
        they have.

        With `hugepages` the region has huge pages, and with `prefault` its pages are touched
        in this call, so that no loop pays for the first touch. Both are for who attaches, too:
        each process maps for itself. Where the system can't do one of them, a RuntimeWarning
        says why and what to do, and the region is as good.

        Raises FileExistsError if a living region has the name, ValueError for a name,
        capacity, mode, metadata or kind that can't be, for a group that the system does not have
        or that `mode` gives nothing, OSError (ENOSPC) if the memory is not there, PermissionError
        for a group that this user is not of, and it and other OSErrors as the system says.
        """
        flags = _flags(persistent, reserve, exist) | _page_flags(hugepages, prefault)
        group = group_number(group)
        # Called without need it would be a place for an interrupt to lose the region.
        region = made_by(
            cls, _zinc.create, name, capacity, flags, mode, False, metadata, kind, None, group
        )
        return _warned(region, flags) if hugepages or prefault else region

    @classmethod
    @with_octal_mode
    def open_or_create(
        cls,
        name: str,
        capacity: int,
        *,
        mode: int = 0o600,
        group: str | int | None = None,
        persistent: bool = False,
        reserve: bool = True,
        metadata: Buffer = b"",
        kind: int = 0,
        any_user: bool = False,
        hugepages: bool = False,
        prefault: bool = False,
    ) -> Self:
        """Attach to the region of this name, and create it if there is none.

        Of several processes that do this at once one creates, the others open; `created`
        tells which it was. The arguments are those of `create` and `open`; what exists keeps
        its own metadata, kind, mode and group.

        Raises FileExistsError if the region exists with another capacity, and what
        `create` and `open` raise.
        """
        flags = _flags(persistent, reserve) | (_zinc.ANY_USER if any_user else 0)
        flags |= _page_flags(hugepages, prefault)
        group = group_number(group)
        # An interrupt leaves what the next call opens, and what another may have opened already.
        region = _zinc.create(cls, name, capacity, flags, mode, True, metadata, kind, None, group)
        return _warned(region, flags)

    @classmethod
    def anonymous(
        cls,
        capacity: int,
        *,
        reserve: bool = True,
        metadata: Buffer = b"",
        kind: int = 0,
        hugepages: bool = False,
        prefault: bool = False,
    ) -> Self:
        """Create a region of `capacity` zeroed bytes that has no name.

        It has no entry in /dev/shm and is not bound by its size; nobody can shrink it;
        it is gone with its last descriptor and mapping. It travels as its `descriptor()`,
        through a fork, ``pass_fds`` or a Unix socket, and `from_fd` attaches to it.
        `hugepages` and `prefault` are as in `create`.

        Raises ValueError for a capacity, metadata or kind that can't be, OSError (ENOSPC) if
        the memory is not there, and as the system says.

        >>> with SharedRegion.anonymous(8) as region:
        ...     with SharedRegion.from_fd(region.descriptor()) as other:
        ...         region.as_buffer()[0] = 7
        ...         other.as_buffer()[0]
        7
        """
        flags = _flags(False, reserve) | _page_flags(hugepages, prefault)
        return _warned(_zinc.anonymous(cls, capacity, flags, metadata, kind), flags)

    @classmethod
    def from_fd(
        cls,
        fd: FileDescriptorLike,
        *,
        readonly: bool = False,
        hugepages: bool = False,
        prefault: bool = False,
    ) -> Self:
        """Attach to an anonymous region by a descriptor, which stays the caller's.

        Read-only, too, if the descriptor is; `hugepages` and `prefault` are as in `open`.
        Raises `NotARegionError` if it leads to something else, OSError as the system says.
        """
        flags = (_zinc.READONLY if readonly else 0) | _page_flags(hugepages, prefault)
        return _warned(_zinc.from_fd(cls, fd, flags), flags)

    @classmethod
    def open(
        cls,
        name: str,
        *,
        readonly: bool = False,
        any_user: bool = False,
        timeout_ms: float | None = 0,
        hugepages: bool = False,
        prefault: bool = False,
    ) -> Self:
        """Attach to the living region of this name.

        With `readonly` the data can't be written through this object. A region of
        another user is refused unless `any_user`. If there is no such region yet, waits
        `timeout_ms` milliseconds for somebody to create it (0 only looks, None waits for
        ever). Other threads run meanwhile, and signal handlers, too: Ctrl-C ends the wait.
        `hugepages` and `prefault` are as in `create`, for this process; to touch all pages of a
        region that was created with ``reserve=False`` takes all its memory.

        Raises FileNotFoundError if no living region has the name, after a wait too: code
        that copes with a missing one copes with a late one. What is there and can't be opened
        is an error at once: `NotARegionError` if something else has its place or it is
        damaged, PermissionError and other OSErrors as the system says. ValueError for a name
        or a timeout that can't be.

        >>> SharedRegion.open("docs-late", timeout_ms=20)
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] wait for "docs-late": not found; nobody who lives ...
        """
        flags = _open_flags(readonly, any_user) | _page_flags(hugepages, prefault)
        return _warned(_zinc.open(cls, name, flags, timeout_ms), flags)

    def as_numpy(
        self,
        dtype: numpy.typing.DTypeLike | None = None,
        shape: _Shape | None = None,
        offset: SupportsIndex = 0,
    ) -> numpy.ndarray[Any, Any]:
        """Return a numpy array of the data itself, no copy; it stays valid after close.

        C-ordered, from byte `offset` on, read-only if the region is. `dtype` defaults to
        uint8. One dimension of `shape` may be -1, and is then as long as whole elements
        fit; that is also what no shape means.

        Raises ValueError, with the bytes that there are and that it takes, if they do not
        suffice; for a shape, an offset and a dtype that can't be (one of Python objects,
        or of no bytes); and if the region is closed. Imports numpy.

        >>> with SharedRegion.create("docs-frames", 24) as region:
        ...     region.as_numpy("u2", (-1, 3)).shape
        (4, 3)
        """
        from . import _reference
        from ._numpy import numpy

        kind = numpy.dtype(numpy.uint8 if dtype is None else dtype)
        why = None
        if kind.hasobject:
            why = "addresses of Python objects mean nothing to other processes"
        elif not kind.itemsize:
            why = "its elements have no bytes"
        start = operator.index(offset)
        sizes = self._fit("as_numpy", kind, kind.itemsize, shape, start, why)
        _reference.remember(self)
        return numpy.ndarray(sizes, kind, memoryview(self), start)

    def as_torch(
        self, dtype: Any = None, shape: _Shape | None = None, offset: SupportsIndex = 0
    ) -> Any:
        """Return a `torch.Tensor` of the data itself, no copy; it stays valid after close.

        `dtype` is one of torch's, ``torch.uint8`` by default; `shape` and `offset` as for
        `as_numpy`. Under multiprocessing (``torch.multiprocessing`` and data loaders, too) it
        and its views go to other processes as references to the region, where torch alone
        would copy them to memory of its own. One that requires a gradient goes torch's way.

        Raises ValueError for what as_numpy refuses, and if the region is read-only here: torch
        knows no such tensors, and a write would be a segmentation fault. Imports torch.
        """
        from . import _torch

        kind = _torch.torch.uint8 if dtype is None else dtype
        start = operator.index(offset)
        why = None
        if self.readonly:
            why = "torch has no read-only tensors; open it for writing, or use as_numpy"
        sizes = self._fit("as_torch", kind, kind.itemsize, shape, start, why)
        return _torch.tensor(self, kind, sizes, start)

    def _fit(
        self,
        call: str,
        kind: object,
        itemsize: int,
        shape: _Shape | None,
        start: int,
        why: str | None,
    ) -> list[int]:
        """Return the dimensions, with a size for the one that is -1. ValueError, or for `why`."""
        sizes = [-1] if shape is None else sizes_of(shape)
        room = self.capacity - start
        needed = itemsize
        for size in sizes:
            if size != -1:
                needed *= size
        if why is not None:
            pass
        elif start < 0 or min(sizes, default=0) < -1 or sizes.count(-1) > (needed > 0):
            why = "nothing may be negative, but for one dimension of -1 that others leave bytes for"
        elif needed > room:
            why = f"that takes {needed} bytes, and there are {max(room, 0)}"
        else:
            if -1 in sizes:
                sizes[sizes.index(-1)] = room // needed
            return sizes
        where = f"{self._title}, {call} from byte {start} on"
        raise ValueError(f"{where}, {kind!r} of shape {tuple(sizes)}: {why}")

    def holders(self) -> list[Holder]:
        """Return the processes that are attached, this one too, as far as they may be seen.

        Forked children that go on using the region are among them. Those of other users can be
        seen by root alone, and those of other pid namespaces by none; `alone` knows of them all.
        Looks at every process of the machine, which takes some milliseconds.

        Raises ValueError for an anonymous region, of whose users there is no record, and if it
        is closed; OSError (EBADF) if other code of this process has closed its descriptor.

        >>> with SharedRegion.create("docs-held", 8) as region:
        ...     len(region.holders())
        1
        """
        if self.name is None:
            raise ValueError("holders of an anonymous region: it has no record of who uses it")
        from . import _holders

        status = os.fstat(self.descriptors()[0])
        return _holders.holders().get((status.st_dev, status.st_ino), [])

    @property
    def seats(self) -> list[Seat]:
        """Who sits in the region, to use its locks, or did when it was killed; by number.

        Each object that uses a lock has one of 120 seats, from its first use to its close. Whom
        a seat belongs to makes no difference. Takes about a microsecond for each that is taken.

        Raises ValueError if the region is closed, OSError (EBADF) if other code of this process
        has closed its descriptor.

        >>> with SharedRegion.create("docs-seats", 8) as region:
        ...     region.seats
        []
        """
        from . import _seats

        return _seats.seats(_zinc.seats(self))

    async def wait_async(
        self, timeout_ms: float | None = 1000, after: SupportsIndex | None = None
    ) -> bool:
        """As `wait`, for a coroutine: other tasks of its loop run meanwhile.

        Always lets them run once, even if there is something new already. A wait that
        is cancelled ends at once and has seen nothing, so that the next one finds what
        it would have found. One thread sleeps for all the waits of a loop; it ends when
        there has been none for a tenth of a second. Under trio it is that of `event_fd`,
        which lasts as long as the region, and a wait with `after` has one of trio's.

        Raises what `wait` raises, and RuntimeError if the system has no thread left
        (under trio what `event_fd` raises); only to be awaited in a task of asyncio or trio.

        >>> import asyncio
        >>> async def main():
        ...     with SharedRegion.anonymous(1) as region:
        ...         asyncio.get_running_loop().call_later(0.01, region.notify)
        ...         return await region.wait_async()
        >>> asyncio.run(main())
        True
        """
        from . import _async

        return await _async.wait(self, timeout_ms, after)

    async def notifications(self) -> AsyncIterator[int]:
        """Iterate over what is new: ``async for _ in region.notifications()``.

        Each turn awaits a notification that this object has not seen, and gives the
        sequence that it has seen then; several may be seen as one. Ends when the region
        is closed. Only to be used in a task of asyncio or trio.

        >>> import asyncio
        >>> async def main():
        ...     with SharedRegion.anonymous(1) as region:
        ...         region.notify()
        ...         async for sequence in region.notifications():
        ...             return sequence
        >>> asyncio.run(main())
        1
        """
        while not self.closed:
            try:
                await self.wait_async(None)
                sequence = self.seen
            except ValueError:
                if self.closed:
                    return
                raise
            yield sequence

    def lock(
        self,
        offset: SupportsIndex | None = None,
        repair: Callable[[Lock], object] | None = None,
        *,
        reentrant: bool = False,
    ) -> Lock:
        """Return a lock within the region: its own, or the one at byte `offset` of its data.

        Each region has one of its own beside its data. Others are 16 bytes of the data each, at a
        multiple of 8, which nobody else writes: zeros are a free lock. `repair` and `reentrant`
        are as in `zinc.Lock`. All locks of one region that this object gives are held in its
        name: closed or collected, it leaves those that are held as one that dies with them.

        Raises ValueError for an offset that is not aligned or not inside, and if the region is
        closed; PermissionError where it is read-only.

        >>> with SharedRegion.create("docs-accounts", 4096) as region:
        ...     with region.lock():
        ...         region.as_numpy("i8")[:2] += -5, 5
        """
        from . import _lock

        return _lock.Lock._at(self, offset, repair, reentrant)

    def atomic(self, offset: SupportsIndex, kind: Literal["u32", "u64", "i64"] = "u64") -> Atomic:
        """Return a number at byte `offset` of the data, of which no change is lost.

        `kind` says how many bits it has and whether it has a sign; it begins at a multiple of its
        size. See `zinc.Atomic`. Where the region is read-only it can be read and waited for.

        Raises ValueError for an offset that is not aligned or not inside, another kind, and if the
        region is closed.

        >>> with SharedRegion.create("docs-counter", 8) as region:
        ...     region.atomic(4, "u32").exchange(7), region.atomic(4, "u32").load()
        (0, 7)
        """
        from . import _atomic

        return _atomic.Atomic(self, offset, kind)

    @property
    def _title(self) -> str:
        return "an anonymous region" if self.name is None else f"region {self.name!r}"

    def __init_subclass__(cls) -> None:
        _picklers.register(cls, _send)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle a reference within `by_reference`; else refuse, with the reason."""
        from . import _reference

        if not _reference.is_asked_for():
            raise TypeError(
                f"pickle {self._title}: as a reference, which multiprocessing and joblib send to "
                "processes of this machine, it would be lost in a file or elsewhere; pickle its "
                "bytes or an array, or say `with zinc.by_reference():`"
            )
        return _reference.reduce_anywhere(self, operator.index(protocol))

    def __copy__(self) -> Never:
        """Refuse, with the reason."""
        raise TypeError(
            f"a copy of {self._title} would be the same memory: open it once more for another "
            "handle, or copy its bytes into a new region"
        )

    def __deepcopy__(self, memo: object) -> Never:
        """Refuse, with the reason."""
        self.__copy__()


def _send(region: SharedRegion, protocol: int = 4) -> Any:
    from . import _reference

    return _reference.reduce_region(region)


_picklers.register(SharedRegion, _send)


def made_by(cls: type[_Region], make: Callable[..., _Region], *arguments: Any) -> _Region:
    """Call what makes a region, and leave nothing behind if that is interrupted.

    Its caller returns the result at once: each frame in between is a place to lose it.
    """
    made: list[_Region] = []
    try:
        # An interrupt during the call is raised when it returns, before anything in Python has
        # its result: so it goes into the list without a step of Python's own.
        made.extend(map(make, *zip((cls, *arguments), strict=False)))
        return made[0]
    except BaseException:
        for region in made:
            discard(region)
        raise


def open_kind(
    kind: int, count: int, name: str | None, mode: int, group: str | int | None, any_user: bool
) -> SharedRegion:
    """Open the region of a lock, or of another of its family, or create it."""
    flags = _zinc.ANY_USER if any_user else 0
    if name is None:
        name = f"lock-{os.urandom(8).hex()}"
        flags |= _zinc.TRANSIENT
    return _zinc.open_kind(SharedRegion, kind, count, name, flags, mode, group_number(group))


def or_close(region: SharedRegion, make: Callable[[SharedRegion], _Made]) -> _Made:
    """Return what `make` makes of a region that was opened for it; close that if it fails."""
    try:
        return make(region)
    except BaseException:
        region.close()  # the traceback may keep it for long
        raise


def discard(region: SharedRegion) -> None:
    """Take back a region that this process has created: whoever asked for it never had it."""
    if region.name is not None and not region.closed:
        try:  # noqa: SIM105, contextlib takes half as long to import as all of zinc
            region.unlink()
        except OSError:  # somebody was faster
            pass
    region.close()


def sizes_of(shape: _Shape) -> list[int]:
    """Return a shape's dimensions. Raises TypeError if they are not whole numbers."""
    return [operator.index(s) for s in (shape if isinstance(shape, (tuple, list)) else (shape,))]


def group_number(group: str | int | None) -> int | None:
    """Return a group's number. Raises ValueError if the system has none of this name."""
    if not isinstance(group, str):
        return group
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f"the system has no group {group!r}; `getent group` shows them") from None


def _flags(persistent: bool, reserve: bool, exist: str = "error") -> int:
    if exist not in ("error", "replace"):
        raise ValueError(f"exist is 'error', 'replace' or, for zinc.array, 'open', not {exist!r}")
    flags = (_zinc.PERSISTENT if persistent else 0) | (0 if reserve else _zinc.SPARSE)
    return flags | (_zinc.REPLACE if exist == "replace" else 0)


def _open_flags(readonly: bool, any_user: bool) -> int:
    return (_zinc.READONLY if readonly else 0) | (_zinc.ANY_USER if any_user else 0)


def _page_flags(hugepages: bool, prefault: bool) -> int:
    return (_zinc.HUGEPAGES if hugepages else 0) | (_zinc.PREFAULT if prefault else 0)


def _warned(region: _Region, flags: int) -> _Region:
    """Warn the caller's caller of what the system could not do of these flags; give the region."""
    for name, flag in ("hugepages", _zinc.HUGEPAGES), ("prefault", _zinc.PREFAULT):
        if flags & flag and (why := _zinc.shortfall(region, flag)):
            import warnings

            try:
                message = f"{region._title}, {name}: {why}"
                warnings.warn(message, RuntimeWarning, stacklevel=3)
            except BaseException:
                discard(region) if region.created else region.close()
                raise
    return region


def unlink(name: str, *, force: bool = False, if_unused: bool = False) -> None:
    """Remove a region's name at once, whoever is attached; they go on with what they have.

    They are told: it is one notification, after which their `SharedRegion.linked` is False.
    With `force` also what has the region's place but is none, or a damaged one. With
    `if_unused` only if nobody is attached, and nobody can attach in between.

    Raises FileNotFoundError if there is nothing, `NotARegionError` if it is no region,
    OSError (EBUSY) with `if_unused` if somebody is attached, ValueError for both at once,
    PermissionError and other OSErrors as the system says.

    >>> region = SharedRegion.create("docs-kept", 8, persistent=True)
    >>> region.close()
    >>> unlink("docs-kept")
    """
    flags = (_zinc.FORCE if force else 0) | (_zinc.IF_UNUSED if if_unused else 0)
    _zinc.unlink(name, flags)


def reclaim() -> dict[str, int]:
    """Remove every dead region that this user may remove; return what each one freed.

    Dead are those whose last user was killed before it could close them; they go by
    themselves when somebody next uses their name, when memory is short, and when a process
    first creates or opens a region, which looks at some dozens of names. Living and
    persistent regions stay, and so do files that are no regions. The result has their
    names and the bytes of memory that they had.
    """
    return _zinc.reclaim()


def wait_any(
    regions: Iterable[_Waited],
    timeout_ms: float | None = 1000,
    *,
    sentinels: Iterable[_Sentinel] = (),
) -> list[_Waited | _Sentinel]:
    """Wait until at least one of the regions has something new; return those that do.

    As `SharedRegion.wait` for any number of regions: those that are returned have been
    seen. Empty if nothing came within `timeout_ms` milliseconds (0 only looks, None
    waits for ever). Sleeps in the kernel on 127 regions a thread: beyond that, each
    sleep starts further threads.

    Among them may be readers of channels: one is returned as long as it has not received all
    messages, and nothing is received by that. And queues: one is returned as long as there is an
    item for who comes first, and once it is over, when `get` raises ShutDown. Another worker may
    be faster, so ``get_nowait`` may find none. Who waits for a queue is one of its workers.

    `sentinels` are descriptors, or have a `fileno()`; those that can be read are returned,
    too, as by ``multiprocessing.connection.wait``: ``process.sentinel`` for its end, a
    socket or a pipe. What a process said before it ended is returned no later than its
    sentinel. A sleep with sentinels starts a further thread.

    Raises ValueError for nothing to wait for, a timeout that can't be, and if one of the
    regions, readers or queues is closed, meanwhile too; TypeError for what is none of them; OSError
    (EBADF) for a sentinel that is closed. Nothing is seen then.

    >>> left, right = SharedRegion.anonymous(1), SharedRegion.anonymous(1)
    >>> right.notify()
    1
    >>> wait_any([left, right]) == [right]
    True
    """
    if sentinels == ():
        return [*_zinc.wait_many(regions, timeout_ms, False, ())]
    from . import _sentinels

    return _sentinels.wait_any(regions, timeout_ms, sentinels)


async def wait_any_async(
    regions: Iterable[_Waited],
    timeout_ms: float | None = 1000,
    *,
    sentinels: Iterable[_Sentinel] = (),
) -> list[_Waited | _Sentinel]:
    """As `wait_any`, for a coroutine: other tasks of its loop run meanwhile.

    Always lets them run once. A wait that is cancelled has seen nothing. One thread sleeps
    for all the waits of a loop, as for `SharedRegion.wait_async`; the sentinels are for the
    loop to watch.

    Raises what `wait_any` raises, and RuntimeError if the system has no thread left (under
    trio what `event_fd` raises); only to be awaited in a task of asyncio or trio.

    >>> import asyncio
    >>> left, right = SharedRegion.anonymous(1), SharedRegion.anonymous(1)
    >>> async def main():
    ...     asyncio.get_running_loop().call_later(0.01, right.notify)
    ...     return await wait_any_async([left, right]) == [right]
    >>> asyncio.run(main())
    True
    """
    from . import _async

    return await _async.wait_any(regions, timeout_ms, sentinels)


def wait_all(regions: Iterable[SharedRegion], timeout_ms: float | None = 1000) -> bool:
    """Wait until every one of the regions has something new, and see it.

    False if that did not come within `timeout_ms` milliseconds (0 only looks, None
    waits for ever): then nothing has been seen, and the next wait starts from there.

    Raises what `wait_any` raises.
    """
    return bool(_zinc.wait_many(regions, timeout_ms, True, ()))
