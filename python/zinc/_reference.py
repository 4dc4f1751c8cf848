"""References: how regions and their arrays go to other processes of this machine.

A reference says where memory is, and keeps it there until it is loaded.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import weakref
from typing import cast

from . import _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, TypeVar

    import numpy

    from ._region import SharedRegion

    _Region = TypeVar("_Region", bound="_zinc.SharedRegion")
    _Keep = Callable[[SharedRegion], Any]
    # Whether it was, or the mark of the ticket; or, where others give the ticket back, a list for
    # what was loaded or nothing.
    _IsKept = bool | list[tuple[str, int]] | bytes | None

# Seconds that a region stays for a reference to it that nobody has loaded yet.
LEASE = 600.0

_is_asked_for = contextvars.ContextVar("zinc.by_reference", default=False)

# The tickets that `marked` tells of: the mark of each, and its region.
_marks: contextvars.ContextVar[list[tuple[bytes, SharedRegion]] | None] = contextvars.ContextVar(
    "zinc.marks", default=None
)


@contextlib.contextmanager
def by_reference() -> Generator[None]:
    """Let every pickler of this thread or task send references meanwhile.

    For engines that hand pickles of their own to processes of this machine, each to be loaded
    once, within 10 minutes: regions and `SharedArray` go as references then, as they do under
    multiprocessing and joblib. Written to a file or sent elsewhere, such a pickle is lost data.

    >>> import pickle, zinc
    >>> weights = zinc.array("docs-weights", 1000)
    >>> with zinc.by_reference():
    ...     message = pickle.dumps(weights)
    >>> len(message) < 500, len(pickle.dumps(weights)) > 8000
    (True, True)
    >>> pickle.loads(message).region.name
    'docs-weights'
    """
    token = _is_asked_for.set(True)
    try:
        yield
    finally:
        _is_asked_for.reset(token)


def is_asked_for() -> bool:
    """Say whether this is within `by_reference`."""
    return _is_asked_for.get()


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
    if region.name is None:
        return False
    try:
        region.keep(LEASE)
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
    return place, region.id, region.readonly, keep(region)


def load_region(
    cls: type[_Region],
    place: str | tuple[int, int],
    identity: int,
    readonly: bool,
    is_kept: _IsKept,
) -> _Region:
    """Attach to what was pickled. pickle.UnpicklingError if that can't be, whatever the reason:
    a pool takes an OSError for the end of its pipe, and waits for ever.
    """  # noqa: D205
    try:
        if isinstance(place, str):
            flags = _zinc.ANY_USER | (_zinc.READONLY if readonly else 0)
            region = _zinc.open(cls, place, flags, 0)
        else:
            region = _attach_unnamed(cls, place, readonly)
        if region.id != identity:
            region.close()
            raise FileNotFoundError(errno.ENOENT, "it is gone, and another has taken its place")
    except OSError as error:
        from pickle import UnpicklingError

        what = f"region {place!r}" if isinstance(place, str) else "an anonymous region"
        raise UnpicklingError(f"unpickle a reference to {what}: {error}") from error
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
    _, _, identity, readonly, is_kept = place
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
    if region is None or region.closed:
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
