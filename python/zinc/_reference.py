"""References: how regions and their arrays go to other processes of this machine.

A reference says where memory is, and keeps it there until it is loaded.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import weakref
from typing import NamedTuple, cast

from . import _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Never, TypeVar

    import numpy

    from ._region import SharedRegion

    _Region = TypeVar("_Region", bound="_zinc.SharedRegion")
    _Keep = Callable[[SharedRegion], Any]
    # Whether it was, or the mark of the ticket; or, where others give the ticket back, a list for
    # what was loaded or nothing.
    _IsKept = bool | list[tuple[str, int]] | bytes | None

# Seconds that a region stays for a reference to it that nobody has loaded yet.
LEASE = 600.0


class Asked(NamedTuple):
    """What is asked for within `by_reference`."""

    # Whether regions with a name go as references, and those without one.
    named: bool
    unnamed: bool
    # Seconds that a region stays for a reference; 0 where its sender has it until it is loaded.
    lease: float = LEASE
    # What can't be loaded there is no error when it is loaded, but when it is used.
    is_lenient: bool = False


_asked: contextvars.ContextVar[Asked | None] = contextvars.ContextVar(
    "zinc.by_reference", default=None
)

# The tickets that `marked` tells of: the mark of each, and its region.
_marks: contextvars.ContextVar[list[tuple[bytes, SharedRegion]] | None] = contextvars.ContextVar(
    "zinc.marks", default=None
)


# ---- places ----


def place() -> str:
    """Return where this process is: its references can be loaded wherever this is the same.

    It names the machine since it was started, its `/dev/shm`, and which processes see each other:
    a container may have its own. `by_reference` takes that of another process. Any thread may call
    it.

    Raises OSError where the system does not tell, as without ``/proc``.

    >>> place() == place(), len(place()) < 60
    (True, True)
    """
    return ".".join(f"{number:x}" for number in _zinc.place())


def _reach(place: str, other: str) -> tuple[bool, bool]:
    """Say of regions with a name, and of those without, whether either place has the other's."""
    machine, memory, processes = place.split(".")
    other_machine, other_memory, other_processes = other.split(".")
    is_same = machine == other_machine
    return is_same and memory == other_memory, is_same and processes == other_processes


# The process that it is of, and its place and host; nothing where the system does not tell.
_origin: tuple[int, str] = 0, ""


def here() -> str:
    """Return the place and the host of this process, as references have it."""
    global _origin
    pid, told = _origin
    if pid != os.getpid():
        try:
            told = f"{place()} {os.uname().nodename}"
        except OSError:
            told = ""
        _origin = os.getpid(), told
    return told


def _check_origin(what: str, origin: str, has_name: bool) -> None:
    """Refuse what was made where no name or number of a process leads to it from here."""
    if not origin or not here():
        return
    if not _reach(origin.split(" ")[0], here().split(" ")[0])[not has_name]:
        raise elsewhere(f"a reference to {what}", origin, "/dev/shm" if has_name else "container")


def elsewhere(what: str, origin: str, apart: str) -> Exception:
    """Return the error that says where it was made, and what to do."""
    from pickle import UnpicklingError

    (there, host), (at, own) = origin.split(" "), (here() or "? ?").split(" ")
    if there.split(".")[0] != at.split(".")[0]:
        where = f"on another machine, {host}, or before it was restarted"
    else:
        where = f"in another {apart} of this machine, {host}"
    return UnpicklingError(
        f"unpickle {what}: it was made {where} (place {there}; {own} is at {at}), "
        "and leads nowhere from here; send what is in it, as pickles do outside of "
        "zinc.by_reference, or a plain copy: numpy.array(shared), ref.get(copy=True)"
    )


@contextlib.contextmanager
def by_reference(place: str | None = None) -> Generator[None]:
    """Let every pickler of this thread or task send references meanwhile.

    For engines that hand pickles of their own to processes of this machine, each to be loaded
    once, within 10 minutes: regions and `SharedArray` go as references then, as they do under
    multiprocessing and joblib. Written to a file or sent elsewhere, such a pickle is lost data.

    With `place`, what `zinc.place` returned where the pickle will be loaded, only what can be
    reached from there goes as a reference. Else the values go: of an array, which is a plain one
    there, of an object, which is put into memory there, and of a region, which has another name
    there. A channel, a queue or a lock has no value: its reference says what is wrong when it is
    loaded.

    Raises ValueError for a place that is none.

    >>> import pickle, zinc
    >>> weights = zinc.array("docs-weights", 1000)
    >>> with zinc.by_reference():
    ...     message = pickle.dumps(weights)
    >>> len(message) < 500, len(pickle.dumps(weights)) > 8000
    (True, True)
    >>> pickle.loads(message).region.name
    'docs-weights'
    """
    with asking(Asked(True, True) if place is None else Asked(*reach_of(place))):
        yield


@contextlib.contextmanager
def asking(asked: Asked) -> Generator[None]:
    """Let every pickler of this thread or task do so meanwhile."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def reach_of(other: str) -> tuple[bool, bool]:
    """Say of regions here with a name, and of those without, whether another place has them."""
    try:
        return _reach(place(), other)
    except ValueError:
        raise ValueError(f"by_reference: {other!r} is no place; zinc.place() returns one") from None
    except OSError:  # nobody can know
        return False, False


def asked() -> Asked | None:
    """Return what is asked for; None outside of `by_reference`."""
    return _asked.get()


def is_asked_for() -> bool:
    """Say whether this is within `by_reference`."""
    return _asked.get() is not None


def has_to_be_copied(region: _zinc.SharedRegion) -> bool:
    """Say whether this is within a `by_reference` for where nothing leads to a region."""
    asked = _asked.get()
    return asked is not None and not (asked.unnamed if region.name is None else asked.named)


@contextlib.contextmanager
def marked() -> Generator[list[tuple[bytes, SharedRegion]]]:
    """Tell of all tickets that this thread or task takes meanwhile, each with its mark.

    For who may pickle something several times and send one of these pickles: a mark stands in that
    which its reference stands in.
    """
    marks: list[tuple[bytes, SharedRegion]] = []
    token = _marks.set(marks)
    try:
        yield marks
    finally:
        _marks.reset(token)


# ---- regions ----


def keep(region: SharedRegion) -> bool | bytes:
    """Keep a region until its reference is loaded, and say whether it is, or by which mark."""
    asked = _asked.get()
    lease = LEASE if asked is None else asked.lease
    if region.name is None or not lease:
        return False
    try:
        region.keep(lease)
    except PermissionError:  # who may only read it has to stay until it is loaded
        return False
    if (marks := _marks.get()) is None:
        return True
    mark = os.urandom(8)
    marks.append((mark, region))
    return mark


def renew(region: SharedRegion) -> None:
    """Let the tickets that there are last for as long from now on."""
    if keep(region):
        region.give_back()


def reduce_region(region: SharedRegion, keep: _Keep = keep) -> Any:
    """Pickle a reference, and keep the region until it is loaded. ValueError if it is closed."""
    # What a subclass has of its own, in its __dict__, its __slots__ or as it says itself.
    return load_region, (type(region), *place_of(region, keep)), region.__getstate__()


def place_of(region: SharedRegion, keep: _Keep = keep) -> tuple[Any, ...]:
    """Say where a region is, for `load_region`, and keep it until that is asked."""
    if region.closed:
        raise ValueError(f"pickle {region._title}: it is closed, and can't be attached to")
    place = (os.getpid(), region.descriptor()) if region.name is None else region.name
    origin = here()  # before it is kept: a kill in between would leave it
    return place, region.id, region.readonly, keep(region), origin


# What a region's bytes are by themselves; locks and channels are for who is attached to the same.
_RAW, _ARRAY, _OBJECT, _OTHERS = 0, 1, 9, 1000


def reduce_anywhere(region: SharedRegion, protocol: int) -> Any:
    """Pickle a reference, within a `by_reference` for where it leads nowhere a copy."""
    if not has_to_be_copied(region) or region.closed:
        return reduce_region(region)
    kind = region.kind
    if kind not in (_RAW, _ARRAY, _OBJECT) and kind < _OTHERS:
        return reduce_region(region)
    from pickle import PickleBuffer

    data = PickleBuffer(memoryview(region)) if protocol >= 5 else bytes(region)
    return load_copy, (type(region), data, region.metadata, kind), region.__getstate__()


def load_copy(cls: type[_Region], data: bytes, metadata: bytes, kind: int) -> _Region:
    """Make a region of what another one had: under a name of its own, or anonymous without room."""
    name = f"copy-{os.urandom(8).hex()}"
    with unpickling("unpickle the copy of a region"):
        try:
            return _zinc.create(cls, name, len(data), 0, 0o600, False, metadata, kind, data)
        except OSError:
            return _zinc.anonymous(cls, len(data), 0, metadata, kind, data)


@contextlib.contextmanager
def unpickling(what: str) -> Generator[None]:
    """Let what the system refuses end in an error that no engine takes for one of its network."""
    try:
        yield
    except OSError as error:
        from pickle import UnpicklingError

        raise UnpicklingError(f"{what}: {error}") from error


class Bound:
    """Is pickled as a reference to a region, and never as a copy, which others have no part in."""

    def __init__(self, region: _zinc.SharedRegion) -> None:
        self._region = cast("SharedRegion", region)

    def __reduce__(self) -> Any:
        """Pickle the reference."""
        return reduce_region(self._region)


class Unreachable:
    """Stands for what was sent to where nothing leads to it: whoever uses it gets the error."""

    def __init__(self, told: str) -> None:
        self.__dict__["_told"] = told

    def _refuse(self, *_: object) -> Never:
        from pickle import UnpicklingError

        raise UnpicklingError(self.__dict__["_told"])

    def __getattr__(self, name: str) -> Never:
        """Raise the error. AttributeError of what Python itself looks for."""
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __array__ = __call__ = __enter__ = __exit__ = __getitem__ = __iter__ = __len__ = _refuse

    def __reduce__(self) -> Any:
        """Pickle the error."""
        return Unreachable, (self.__dict__["_told"],)

    def __repr__(self) -> str:
        """Show the error."""
        return f"<{self.__dict__['_told']}>"


def load_unreachable(what: str, origin: str) -> Unreachable:
    """Return what stands for something that was made elsewhere."""
    return Unreachable(str(elsewhere(what, origin, "/dev/shm")))


def load_region(
    cls: type[_Region],
    place: str | tuple[int, int],
    identity: int,
    readonly: bool,
    is_kept: _IsKept,
    origin: str = "",
) -> _Region:
    """Attach to what was pickled. pickle.UnpicklingError if that can't be, whatever the reason:
    a pool takes an OSError for the end of its pipe, and an engine for a network that will recover,
    and both wait for ever.
    """  # noqa: D205
    what = f"region {place!r}" if isinstance(place, str) else "an anonymous region"
    if origin != here():
        _check_origin(what, origin, isinstance(place, str))
    with unpickling(f"unpickle a reference to {what}"):
        if isinstance(place, str):
            flags = _zinc.ANY_USER | (_zinc.READONLY if readonly else 0)
            region = _zinc.open(cls, place, flags, 0)
        else:
            region = _attach_unnamed(cls, place, readonly)
        if region.id != identity:
            region.close()
            raise FileNotFoundError(errno.ENOENT, "it is gone, and another has taken its place")
    _arrived(region, is_kept)
    return region


def _arrived(region: _zinc.SharedRegion, is_kept: _IsKept) -> None:
    """Give back what `place_of` took: whoever loads a reference is attached by itself.

    Of objects in messages, which may be loaded more than once, somebody else does, who may want to
    know what was loaded.
    """
    if is_kept is True or (isinstance(is_kept, bytes) and is_kept):
        with contextlib.suppress(ValueError, PermissionError):  # closed meanwhile; made read-only
            region.give_back()
    elif isinstance(is_kept, list) and region.name is not None:
        is_kept.append((region.name, region.id))


def _attach_unnamed(cls: type[_Region], place: tuple[int, int], readonly: bool) -> _Region:
    """Attach through the descriptor of the process that has sent it."""
    path = f"/proc/{place[0]}/fd/{place[1]}"
    try:
        # What else may be there by now is not to be opened: it might wait, or act.
        is_memory = os.readlink(path).startswith(("/memfd:", "/dev/shm/.zinc_new_"))
        access = os.O_RDONLY if readonly else os.O_RDWR
        descriptor = os.open(path if is_memory else "", access | os.O_NONBLOCK)
    except FileNotFoundError as error:
        message = f"process {place[0]} has closed it, or ended"
        raise FileNotFoundError(errno.ENOENT, message) from error
    try:
        return _zinc.from_fd(cls, descriptor, _zinc.READONLY if readonly else 0)
    finally:
        os.close(descriptor)


# ---- arrays ----

# The regions of arrays: tasks of a pool that get parts of one array need no handle each. One
# that may only read is not the same. A forked child goes on with those of its parent, which are
# its own handles too, and may be the last ways to a region that has no name.
_attached: weakref.WeakValueDictionary[tuple[int, bool], _zinc.SharedRegion] = (
    weakref.WeakValueDictionary()
)


def remember(region: _zinc.SharedRegion) -> None:
    """Let references to arrays in this region be loaded with this object."""
    _attached.setdefault((region.id, region.readonly), region)


def region_from(place: tuple[Any, ...]) -> SharedRegion:
    """Attach to where `place_of` says, or go on with what is attached here already."""
    _, _, identity, readonly, is_kept, _ = place
    region = _attached.get((identity, readonly))
    if region is None or region.closed:
        region = _attached[identity, readonly] = load_region(*place)
    else:
        _arrived(region, is_kept)
    return cast("SharedRegion", region)


def region_at(address: int) -> SharedRegion | None:
    """Return the region that arrays or tensors are in here and that this address is in."""
    for region in list(_attached.values()):
        if not region.closed and 0 <= address - region.address < region.capacity:
            return cast("SharedRegion", region)
    return None


def region_of(array: object) -> SharedRegion | None:
    """Return the region that an array is in, whatever kind of view it is; None for none.

    It may be closed: the memory stays as long as the array. Works for any array that
    numpy made of the region or of a view of it, `as_numpy` and ``numpy.frombuffer`` too.

    >>> import numpy, zinc
    >>> weights = zinc.array("docs-weights", 6)
    >>> zinc.region_of(numpy.asarray(weights)[2:].reshape(2, 2).T).name
    'docs-weights'
    >>> zinc.region_of(weights + 1) is None
    True
    """
    import numpy

    holder = array
    while isinstance(holder, (numpy.ndarray, memoryview)):
        holder = holder.obj if isinstance(holder, memoryview) else holder.base
        if not isinstance(holder, (numpy.ndarray, memoryview, _zinc.SharedRegion)):
            holder = getattr(holder, "base", None)  # as_strided puts an object in between
    return cast("SharedRegion", holder) if isinstance(holder, _zinc.SharedRegion) else None


def reduce_array(array: numpy.ndarray[Any, Any], protocol: int = 4) -> Any:
    """Pickle a reference to an array's memory, whatever kind of array it is; by value where it
    is in no region, or in one that is closed here.
    """  # noqa: D205
    return reduce_shared(array) or array.__reduce_ex__(protocol)


def reduce_shared(array: numpy.ndarray[Any, Any], keep: _Keep = keep) -> Any:
    """Pickle a reference to an array's memory; None if it has to go by value."""
    if array.base is None:
        return None
    address = array.__array_interface__["data"][0]
    region = region_of(array) or region_at(address)
    if region is None or region.closed or has_to_be_copied(region):
        return None
    view = array.shape, array.dtype, address - region.address, array.strides
    place = type(region), *place_of(region, keep)
    return load_array, (type(array), place, *view, array.flags.writeable)


def load_array(
    cls: type[numpy.ndarray[Any, Any]],
    place: tuple[Any, ...],
    shape: tuple[int, ...],
    dtype: numpy.dtype[Any],
    offset: int,
    strides: tuple[int, ...],
    is_writeable: bool,
) -> numpy.ndarray[Any, Any]:
    """Attach to the region of an array that was pickled, and return it there."""
    import numpy

    region = region_from(place)
    array = numpy.ndarray.__new__(cls, shape, dtype, memoryview(region), offset, strides)
    array.flags.writeable = is_writeable
    return array
