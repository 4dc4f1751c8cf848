"""Arrays whose memory is a region; what zinc knows of numpy beyond `as_numpy`."""

from __future__ import annotations

import errno
import functools
import math
import os
import types
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, final

from . import _description, _picklers, _reference, _region, _zinc
from ._description import ARRAY
from ._mode import with_octal_mode
from ._numpy import numpy
from ._reference import region_of as region_of
from ._region import NotARegionError, SharedRegion

if TYPE_CHECKING:
    from ._region import _Shape


if TYPE_CHECKING:
    _Array = numpy.ndarray[Any, Any]
else:
    _Array = _zinc.array_type(numpy.ndarray)


class _Documented(type):
    """The class of a class whose dir() are the members that it adds, and not numpy's too.

    pydoc goes by that: or help(zinc) would be the manual of numpy's arrays for nine tenths. An
    array's own dir() has all of them.
    """

    def __dir__(cls) -> list[str]:
        return [name for name, member in vars(cls).items() if not hasattr(member, "__wrapped__")]


@final
class SharedArray(_Array, metaclass=_Documented):
    """An array whose memory is a region's: a `numpy.ndarray` that other processes see.

    Made by `array`, `open_array` and `share`. It holds its region, which is closed when
    the last array on it goes. Slices and other views are SharedArrays of the same
    memory; whatever has memory of its own, such as results of arithmetic, is none: a plain
    array, or a subclass that adds nothing where numpy keeps subclasses, as ``numpy.array``
    does with ``subok=True``. Fields of records are attributes, too, as those of a
    ``numpy.recarray``. Can't be subclassed.

    Under multiprocessing and joblib one goes to other processes as a reference to its
    memory; every other pickle, of pickle.dump or torch.save say, has the data.

    >>> import zinc
    >>> weights = zinc.array("docs-weights", (2, 3), "f4")
    >>> weights[:] = 1, 2, 3
    >>> zinc.open_array("docs-weights")[:, 1]
    SharedArray([2., 2.], dtype=float32)
    >>> weights * 2
    array([[2., 4., 6.],
           [2., 4., 6.]], dtype=float32)
    """

    __module__ = "zinc"
    __slots__ = ()

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Refuse; arrays that share memory come from zinc.array and zinc.open_array."""
        raise TypeError("use zinc.array(name, shape, dtype) or zinc.open_array(name)")

    def __init_subclass__(cls) -> None:
        """Refuse: what has memory of its own could not leave such a class."""
        raise TypeError("SharedArray can't be subclassed; hold one instead")

    @property
    def region(self) -> SharedRegion:
        """The region that the array is in."""
        region = region_of(self)
        assert region is not None  # or it were of another class
        return region

    def _settle(self) -> None:
        """Leave this class, if the array is in no region.

        numpy makes new arrays of an old one's class and tells the class alone, by
        ``__array_finalize__``, when each is there: so that it can't be missed, whoever made the
        array. Views come here only if they are not views of a SharedArray.
        """
        if self.base is None or region_of(self) is None:
            self.__class__ = PrivateArray  # type: ignore[assignment]

    def __array_wrap__(
        self, array: numpy.ndarray[Any, Any], context: object = None, return_scalar: bool = False
    ) -> Any:
        """Give results of calculations as plain arrays and scalars, and views as views."""
        if array is self:
            return array
        if region_of(array) is not None:
            return array.view(SharedArray)
        return array[()] if array.ndim == 0 else _plain(array)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Give views as SharedArrays also where a function of numpy's forgets the class."""
        return _sorted(numpy.ndarray.__array_function__(self, func, types, args, kwargs))

    def __getattr__(self, name: str) -> Any:
        """Give a field of records, as numpy.recarray does."""
        if self._has_field(name):
            return self[name]
        raise AttributeError(f"'SharedArray' object has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field of records, as numpy.recarray does."""
        if self._has_field(name) and not hasattr(SharedArray, name):
            self[name] = value
        else:
            super().__setattr__(name, value)

    def _has_field(self, name: str) -> bool:
        dtype = self.dtype
        return issubclass(dtype.type, numpy.record) and name in (dtype.names or ())

    def __setstate__(self, state: object, /) -> None:
        """Refuse: it would give the array memory of its own."""
        raise TypeError("a SharedArray takes no state: it is where it is")

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle the data, as of a plain array; a reference to it within `by_reference`."""
        if _reference.is_asked_for() and (shared := _reference.reduce_shared(self)):
            return shared
        return self.view(numpy.ndarray).__reduce_ex__(protocol)


_picklers.register(SharedArray, _reference.reduce_array)


class PrivateArray(_Array):
    """An array that numpy made as a SharedArray, and that has memory of its own.

    A `numpy.ndarray` in all but its class: Python does not let an object become one, only
    something that is laid out as the class that it leaves.
    """

    __slots__ = ()
    __array_finalize__ = numpy.ndarray.__array_finalize__
    __getitem__ = numpy.ndarray.__getitem__

    def __array_wrap__(
        self, array: numpy.ndarray[Any, Any], context: object = None, return_scalar: bool = False
    ) -> Any:
        """Give results of calculations as plain arrays and scalars."""
        return array[()] if array.ndim == 0 else _plain(array)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle as a plain array."""
        return self.view(numpy.ndarray).__reduce_ex__(protocol)


def _plain(result: Any) -> Any:
    return result.view(numpy.ndarray) if result.__class__ is PrivateArray else result


def _sorted(result: Any) -> Any:
    """Give each array its class: what is in a region, and what is not."""
    kind: Any = result.__class__
    if kind is numpy.ndarray:
        return result if region_of(result) is None else result.view(SharedArray)
    make: Any = kind if kind in (tuple, list) else getattr(kind, "_make", None)  # of namedtuples
    return _plain(result) if make is None else make(map(_sorted, result))


def _wrap(name: str, method: Any) -> None:
    @functools.wraps(method)
    def call(self: SharedArray, /, *args: Any, **kwargs: Any) -> Any:
        return _plain(method(self, *args, **kwargs))

    setattr(SharedArray, name, call)


# Not numpy's hooks, __array_ufunc__ and the like: it goes another way where those are not its own.
for _name, _method in vars(numpy.ndarray).items():
    is_own = _name in vars(SharedArray) or _name.startswith("__array_")
    if isinstance(_method, types.MethodDescriptorType) and not is_own:
        _wrap(_name, _method)


@with_octal_mode
def array(
    name: str | None,
    shape: _Shape,
    dtype: numpy.typing.DTypeLike | None = float,
    *,
    order: Literal["C", "F"] = "C",
    mode: int = 0o600,
    group: str | int | None = None,
    persistent: bool = False,
    reserve: bool = True,
    exist: Literal["error", "open", "replace"] = "error",
    hugepages: bool = False,
    prefault: bool = False,
) -> SharedArray:
    """Create a region for an array of zeros, which `open_array` of the name attaches to.

    `shape` and `dtype` as for ``numpy.zeros``, structured dtypes too; `order` is C (rows
    first) or F. A name of None stands for one that nobody else has, or no
    name at all where /dev/shm has no room, unless there is a `group`. The rest as for
    `SharedRegion.create`.

    If a living region has the name already, that is an error; with ``exist="open"`` it is
    attached to, and keeps what is in it and its order (``.region.created`` tells); with
    ``exist="replace"`` it loses the name once the new one is complete, and who is attached
    goes on with what they have. So a service can restart while its consumers stay. Of several
    processes that open or create at once one creates.

    Raises ValueError for a shape, an order or a dtype that can't be shared (one of Python
    objects, of no bytes, or that takes more than 2048 characters to describe), and if there is
    another array than is to be opened; and what `SharedRegion.create` raises.

    >>> points = array("docs-points", 1000, [("x", "f4"), ("y", "f4")])
    >>> points["x"] = 1
    >>> points.region.capacity
    8000
    """
    sizes, kind = _sizes(shape), numpy.dtype(dtype)
    flags = _region._flags(persistent, reserve, "error" if exist == "open" else exist)
    flags |= _region._page_flags(hugepages, prefault)
    number = _region.group_number(group)
    if exist == "open" and name is not None:
        made = _opened_or_made(name, sizes, kind, order, flags, mode, number)
    else:
        made = _made(name, sizes, kind, order, flags, mode, number)
    if hugepages or prefault:
        _region._warned(made.region, flags)
    return made


def _made(
    name: str | None,
    sizes: tuple[int, ...],
    kind: numpy.dtype[Any],
    order: Literal["C", "F"],
    flags: int,
    mode: int,
    group: int | None,
    contents: numpy.ndarray[Any, Any] | None = None,
) -> SharedArray:
    """Create the region of an array, with these bytes in it or zeros."""
    capacity, description = _planned(sizes, kind, order)
    region = _region_for_array(name, capacity, flags, mode, group, description, contents)
    try:
        return _view(SharedArray, region, sizes, kind, order=order)
    except BaseException:
        _region.discard(region)
        raise


def _planned(
    sizes: tuple[int, ...], kind: numpy.dtype[Any], order: Literal["C", "F"]
) -> tuple[int, bytes]:
    """Return the capacity and the description of an array's region, or refuse the array."""
    _check_shape(sizes, kind)
    description = _description.write(sizes, kind, order)
    return max(1, kind.itemsize * math.prod(sizes)), description


def _region_for_array(
    name: str | None,
    capacity: int,
    flags: int,
    mode: int,
    group: int | None,
    description: bytes,
    contents: numpy.ndarray[Any, Any] | None,
) -> SharedRegion:
    """Create a region of this name, or one that nobody else has: by name it can be kept.

    Where /dev/shm has no room for that one, as containers may have little, it is anonymous.
    """
    if name is not None:
        facts = capacity, flags, mode, False, description, ARRAY, contents, group
        return _region.made_by(SharedRegion, _zinc.create, name, *facts)
    try:
        own = f"array-{os.urandom(8).hex()}"
        return _region_for_array(own, capacity, flags, mode, group, description, contents)
    except OSError:
        if group is not None:  # which what is anonymous can't have
            raise
        flags &= _zinc.SPARSE | _zinc.HUGEPAGES | _zinc.PREFAULT
        return _zinc.anonymous(SharedRegion, capacity, flags, description, ARRAY, contents)


def _opened_or_made(
    name: str,
    sizes: tuple[int, ...],
    kind: numpy.dtype[Any],
    order: Literal["C", "F"],
    flags: int,
    mode: int,
    group: int | None,
) -> SharedArray:
    """Attach to an array, and create it if there is none."""
    capacity, description = _planned(sizes, kind, order)
    try:
        region = _zinc.create(
            SharedRegion, name, capacity, flags, mode, True, description, ARRAY, None, group
        )
    except FileExistsError as error:  # of another capacity
        try:
            return open_array(name, sizes, kind)
        except FileNotFoundError:  # dead, and not this user's to remove
            raise error from None
    return _open_or_close(region, sizes, kind)


def open_array(
    source: str | SharedRegion,
    shape: _Shape | None = None,
    dtype: numpy.typing.DTypeLike | None = None,
    *,
    readonly: bool = False,
    any_user: bool = False,
    timeout_ms: float | None = 0,
    hugepages: bool = False,
    prefault: bool = False,
) -> SharedArray:
    """Attach to the array of this name, which has the shape, dtype and order of its creator.

    `source` may also be a region in hand (which keeps its own `readonly`), such as an
    anonymous one whose descriptor came from elsewhere. `shape` and `dtype`, if given, are
    what is expected. The rest, such as `timeout_ms` to wait for it, as for
    `SharedRegion.open`.

    Raises ValueError if the array has another shape or dtype than expected, or the region
    was not made for an array; `NotARegionError` if its description is damaged; and what
    `SharedRegion.open` raises.

    >>> points = array("docs-points", (2, 3), "f4")
    >>> open_array("docs-points", dtype="f8")
    Traceback (most recent call last):
    ValueError: open_array of region 'docs-points': its shape is (2, 3) and its dtype float32, ...
    """
    if isinstance(source, SharedRegion):
        return _open(source, shape, dtype)
    flags = _region._open_flags(readonly, any_user) | _region._page_flags(hugepages, prefault)
    region = _region._warned(_zinc.open(SharedRegion, source, flags, timeout_ms), flags)
    return _open_or_close(region, shape, dtype)


def _open_or_close(
    region: SharedRegion, shape: _Shape | None, dtype: numpy.typing.DTypeLike | None
) -> SharedArray:
    return _region.or_close(region, lambda opened: _open(opened, shape, dtype))


def _open(
    region: SharedRegion, shape: _Shape | None, dtype: numpy.typing.DTypeLike | None
) -> SharedArray:
    title = f"open_array of {region._title}"
    if region.kind != ARRAY:
        hint = "open the region and use as_numpy(dtype, shape)"
        raise ValueError(f"{title}: it was not made for an array; {hint}")
    array = _described(title, region)
    wanted_shape = array.shape if shape is None else _sizes(shape)
    wanted_dtype = array.dtype if dtype is None else numpy.dtype(dtype)
    if (wanted_shape, wanted_dtype) != (array.shape, array.dtype):
        raise ValueError(
            f"{title}: its shape is {array.shape} and its dtype {array.dtype}, "
            f"and {wanted_shape} and {wanted_dtype} were expected"
        )
    return array


@with_octal_mode
def share(
    array: numpy.typing.ArrayLike,
    name: str | None = None,
    *,
    mode: int = 0o600,
    group: str | int | None = None,
    persistent: bool = False,
    exist: Literal["error", "replace"] = "error",
) -> SharedArray:
    """Copy an array into a region of its own and return it there.

    Its shape, dtype and order (C or F) are kept; `name` and the rest as for `array`.
    There is no such name before the copy is complete, and there never is one if that fails or
    is killed; the region's first notification ends this call. An array that is not contiguous
    is copied once more on its way, and needs that memory meanwhile. With ``exist="replace"`` a
    living region that has the name loses it when the copy is complete.

    Raises what `array` raises, and TypeError for a masked array, whose mask would be lost.

    >>> import numpy, zinc
    >>> shared = zinc.share(numpy.arange(3), "docs-numbers")
    >>> zinc.open_array("docs-numbers").sum()
    np.int64(3)
    """
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError("share: a masked array's mask would be lost; share .data and .mask")
    source = numpy.asarray(array)
    order: Literal["C", "F"] = "F" if source.flags.fnc else "C"
    flags = _region._flags(persistent, True, exist)
    number = _region.group_number(group)
    shared = _made(name, source.shape, source.dtype, order, flags, mode, number, _bytes(source))
    try:
        shared.region.notify()
    except BaseException:  # an interrupt
        _region.discard(shared.region)
        raise
    return shared


def _bytes(source: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any] | None:
    """Return the bytes of an array in the order in which they lie, None for none."""
    if not source.size or _description.refusal(source.dtype):
        return None
    if not source.flags.forc:
        whole = numpy.zeros(source.shape, source.dtype)  # zeros where elements have gaps
        whole[...] = source
        source = whole
    # As bytes: numpy has no buffer of dates, for one.
    return (source.T if source.flags.fnc else source).reshape(-1).view(numpy.uint8)


# ---- descriptions ----


def _sizes(shape: _Shape) -> tuple[int, ...]:
    sizes = tuple(_region.sizes_of(shape))
    if min(sizes, default=0) < 0:
        raise ValueError(f"an array's dimensions can't be negative, as in {sizes}")
    return sizes


def _check_shape(sizes: tuple[int, ...], dtype: numpy.dtype[Any]) -> None:
    """Refuse a shape that numpy refuses, before there is a region for it."""
    element = numpy.ndarray((), dtype, bytes(dtype.itemsize))
    try:
        numpy.broadcast_to(element, sizes)
    except ValueError as error:
        size = dtype.itemsize * math.prod(sizes)
        what = f"an array of {dtype!r} and shape {sizes}, a capacity of {size} bytes"
        raise ValueError(f"{what}, can't be: {error}") from None


def _described(title: str, region: SharedRegion) -> SharedArray:
    """Return the array that its creator described, or that somebody scribbled."""
    try:
        found = _description.read(region.metadata)
        return _view(SharedArray, region, found.shape, found.dtype(), order=found.order)
    except Exception as error:  # of whatever kind numpy has
        message = f"{title}: its description of the array is damaged: {error}"
        raise NotARegionError(errno.EBADMSG, message) from error


# ---- views ----


def _view(
    cls: type[SharedArray],
    region: SharedRegion,
    shape: tuple[int, ...],
    dtype: numpy.dtype[Any],
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    order: Literal["C", "F"] = "C",
) -> SharedArray:
    _reference.remember(region)
    # A memoryview gives numpy its buffer again when the region is closed.
    return numpy.ndarray.__new__(cls, shape, dtype, memoryview(region), offset, strides, order)
