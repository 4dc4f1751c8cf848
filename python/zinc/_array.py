"""Arrays whose memory is a region; what zinc knows of numpy beyond `as_numpy`."""

from __future__ import annotations

import errno
import functools
import math
import operator
import os
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex

from . import _description, _picklers, _reference, _region, _zinc
from ._description import ARRAY
from ._numpy import numpy
from ._reference import region_of as region_of
from ._region import NotARegionError, SharedRegion

if TYPE_CHECKING:
    from ._region import _Shape


class SharedArray(numpy.ndarray[Any, Any]):
    """An array whose memory is a region's: a `numpy.ndarray` that other processes see.

    Made by `array`, `open_array` and `share`. It holds its region, which is closed when
    the last array on it goes. Slices and other views are SharedArrays of the same
    memory; whatever has memory of its own, such as results of arithmetic, is a plain
    array. Under multiprocessing and joblib one goes to other processes as a reference to its
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

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Refuse; arrays that share memory come from zinc.array and zinc.open_array."""
        raise TypeError("use zinc.array(name, shape, dtype) or zinc.open_array(name)")

    @property
    def region(self) -> SharedRegion:
        """The region that the array is in. Raises ValueError for a private copy."""
        region = region_of(self)
        if region is None:
            raise ValueError("this array has memory of its own: it is a copy, in no region")
        return region

    def __array_wrap__(
        self, array: numpy.ndarray[Any, Any], context: object = None, return_scalar: bool = False
    ) -> Any:
        """Give results of calculations as they are, plain arrays and scalars."""
        return array[()] if array.ndim == 0 and array is not self else array

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Give what numpy's functions allocate, such as zeros_like, as plain arrays."""
        result: Any = super().__array_function__(func, types, args, kwargs)
        if result.__class__ is tuple:
            return tuple(map(_plain_unless_shared, result))
        return _plain_unless_shared(result)

    def __init_subclass__(cls) -> None:
        _picklers.register(cls, _reference.reduce_array)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle the data, as of a plain array; a reference to it within `by_reference`."""
        if _reference.is_asked_for():
            return _reference.reduce_array(self, operator.index(protocol))
        return self.view(numpy.ndarray).__reduce_ex__(protocol)


_picklers.register(SharedArray, _reference.reduce_array)


def _plain_unless_shared(result: Any) -> Any:
    if isinstance(result, SharedArray) and region_of(result) is None:
        return result.view(numpy.ndarray)
    return result


def _wrap(name: str) -> None:
    method = getattr(numpy.ndarray, name)

    @functools.wraps(method)
    def call(self: SharedArray, *args: Any, **kwargs: Any) -> Any:
        return _plain_unless_shared(method(self, *args, **kwargs))

    setattr(SharedArray, name, call)


for _name in (
    *("__copy__", "__deepcopy__", "__getitem__", "argpartition", "argsort", "astype", "byteswap"),
    *("choose", "compress", "conj", "conjugate", "copy", "diagonal", "dot", "flatten"),
    *("ravel", "repeat", "reshape", "round", "searchsorted", "take"),
):
    _wrap(_name)


def array(
    name: str | None,
    shape: _Shape,
    dtype: numpy.typing.DTypeLike | None = float,
    *,
    order: Literal["C", "F"] = "C",
    mode: int = 0o600,
    persistent: bool = False,
    reserve: bool = True,
) -> SharedArray:
    """Create a region for an array of zeros, which `open_array` of the name attaches to.

    `shape` and `dtype` as for ``numpy.zeros``, structured dtypes too; `order` is C (rows
    first) or F. A name of None stands for one that nobody else has, or no
    name at all where /dev/shm has no room. The rest as for `SharedRegion.create`.

    Raises ValueError for a shape, an order or a dtype that can't be shared (one of Python
    objects, of no bytes, or that takes more than 2048 characters to describe), and what
    `SharedRegion.create` raises.

    >>> points = array("docs-points", 1000, [("x", "f4"), ("y", "f4")])
    >>> points["x"] = 1
    >>> points.region.capacity
    8000
    """
    flags = _region._flags(persistent, reserve)
    return _made(name, _sizes(shape), numpy.dtype(dtype), order, flags, mode)


def _made(
    name: str | None,
    sizes: tuple[int, ...],
    kind: numpy.dtype[Any],
    order: Literal["C", "F"],
    flags: int,
    mode: int,
    contents: numpy.ndarray[Any, Any] | None = None,
) -> SharedArray:
    """Create the region of an array, with these bytes in it or zeros."""
    _check_shape(sizes, kind)
    description = _description.write(sizes, kind, order)
    capacity = max(1, kind.itemsize * math.prod(sizes))
    region = _region_for_array(name, capacity, flags, mode, description, contents)
    try:
        return _view(SharedArray, region, sizes, kind, order=order)
    except BaseException:
        _region.discard(region)
        raise


def _region_for_array(
    name: str | None,
    capacity: int,
    flags: int,
    mode: int,
    description: bytes,
    contents: numpy.ndarray[Any, Any] | None,
) -> SharedRegion:
    """Create a region of this name, or one that nobody else has: by name it can be kept.

    Where /dev/shm has no room for that one, as containers may have little, it is anonymous.
    """
    if name is not None:
        return _region.created(
            SharedRegion, name, capacity, flags, mode, False, description, ARRAY, contents
        )
    try:
        own = f"array-{os.urandom(8).hex()}"
        return _region_for_array(own, capacity, flags, mode, description, contents)
    except OSError:
        flags &= ~_zinc.PERSISTENT
        return _zinc.anonymous(SharedRegion, capacity, flags, description, ARRAY, contents)


def open_array(
    source: str | SharedRegion,
    shape: _Shape | None = None,
    dtype: numpy.typing.DTypeLike | None = None,
    *,
    readonly: bool = False,
    any_user: bool = False,
    timeout_ms: float | None = 0,
) -> SharedArray:
    """Attach to the array of this name, which has the shape, dtype and order of its creator.

    `source` may also be a region in hand (which keeps its own `readonly`), such as an
    anonymous one whose descriptor came from elsewhere. `shape` and `dtype`, if given, are
    what is expected. `readonly`, `any_user` and `timeout_ms`, to wait for it, as for
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
    region = SharedRegion.open(source, readonly=readonly, any_user=any_user, timeout_ms=timeout_ms)
    try:
        return _open(region, shape, dtype)
    except BaseException:
        region.close()  # the traceback may keep it for long
        raise


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


def share(
    array: numpy.typing.ArrayLike,
    name: str | None = None,
    *,
    mode: int = 0o600,
    persistent: bool = False,
) -> SharedArray:
    """Copy an array into a region of its own and return it there.

    Its shape, dtype and order (C or F) are kept; `name` as for `array`.
    There is no such name before the copy is complete, and there never is one if that fails or
    is killed; the region's first notification ends this call. An array that is not contiguous
    is copied once more on its way, and needs that memory meanwhile.

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
    flags = _region._flags(persistent, True)
    shared = _made(name, source.shape, source.dtype, order, flags, mode, _bytes(source))
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
