"""Arrays whose memory is a region; what zinc knows of numpy beyond `as_numpy`."""

from __future__ import annotations

import errno
import functools
import math
import weakref
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex

from . import _description, _region, _zinc
from ._description import ARRAY
from ._numpy import numpy
from ._region import NotARegionError, SharedRegion

if TYPE_CHECKING:
    from ._region import _Shape


class SharedArray(numpy.ndarray[Any, Any]):
    """An array whose memory is a region's: a `numpy.ndarray` that other processes see.

    Made by `array`, `open_array` and `share`. It holds its region, which is closed when
    the last array on it goes. Slices and other views are SharedArrays of the same
    memory; whatever has memory of its own, such as results of arithmetic, is a plain
    array. A pickle of one is a reference to the region and the place in it, not the data.

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

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle a reference to the memory; by value where it is private."""
        region = region_of(self)
        if region is None:
            return self.view(numpy.ndarray).__reduce_ex__(protocol)
        _, place, _ = region.__reduce__()
        offset = self.__array_interface__["data"][0] - region.address
        view = self.shape, self.dtype, offset, self.strides, self.flags.writeable
        return _attach_view, (type(self), place, *view)


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
    holder = array
    while isinstance(holder, (numpy.ndarray, memoryview)):
        holder = holder.obj if isinstance(holder, memoryview) else holder.base
        if not isinstance(holder, (numpy.ndarray, memoryview, SharedRegion)):
            holder = getattr(holder, "base", None)  # as_strided puts an object in between
    return holder if isinstance(holder, SharedRegion) else None


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
    first) or F. A name of None makes an anonymous region. The rest as for
    `SharedRegion.create`.

    Raises ValueError for a shape, an order or a dtype that can't be shared (one of Python
    objects, of no bytes, or that takes more than 2048 characters to describe), and what
    `SharedRegion.create` raises.

    >>> points = array("docs-points", 1000, [("x", "f4"), ("y", "f4")])
    >>> points["x"] = 1
    >>> points.region.capacity
    8000
    """
    sizes = _sizes(shape)
    kind = numpy.dtype(dtype)
    _check_shape(sizes, kind)
    description = _description.write(sizes, kind, order)
    capacity = max(1, kind.itemsize * math.prod(sizes))
    flags = _region._flags(persistent, reserve)
    if name is None:
        region = _zinc.anonymous(SharedRegion, capacity, flags, description, ARRAY)
    else:
        region = _region.created(
            SharedRegion, name, capacity, flags, mode, False, description, ARRAY
        )
    try:
        return _view(SharedArray, region, sizes, kind, order=order)
    except BaseException:
        _region.discard(region)
        raise


_create = array


def open_array(
    source: str | SharedRegion,
    shape: _Shape | None = None,
    dtype: numpy.typing.DTypeLike | None = None,
    *,
    readonly: bool = False,
    any_user: bool = False,
) -> SharedArray:
    """Attach to the array of this name, which has the shape, dtype and order of its creator.

    `source` may also be a region in hand (which keeps its own `readonly`), such as an
    anonymous one whose descriptor came from elsewhere. `shape` and `dtype`, if given, are
    what is expected. `readonly` and `any_user` as for `SharedRegion.open`.

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
    region = SharedRegion.open(source, readonly=readonly, any_user=any_user)
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

    Its shape, dtype and order (C or F) are kept; without a name the region is anonymous.
    An opener may see the name before the copy is complete; complete it is from the
    region's first notification on, which ends this call.

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
    shared = _create(
        name, source.shape, source.dtype, order=order, mode=mode, persistent=persistent
    )
    region = shared.region
    try:
        numpy.copyto(shared, source)
        region.notify()
    except BaseException:  # an interrupt, of a copy that may take long
        _region.discard(region)
        raise
    return shared


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

# For pickles: tasks of a pool that get parts of one array need no handle each. One that
# may only read is not the same. A forked child goes on with those of its parent, which are
# its own handles too, and may be the last ways to a region that has no name.
_attached: weakref.WeakValueDictionary[tuple[int, bool], SharedRegion] = (
    weakref.WeakValueDictionary()
)


def _view(
    cls: type[SharedArray],
    region: SharedRegion,
    shape: tuple[int, ...],
    dtype: numpy.dtype[Any],
    offset: int = 0,
    strides: tuple[int, ...] | None = None,
    order: Literal["C", "F"] = "C",
) -> SharedArray:
    _attached.setdefault((region.id, region.readonly), region)
    # A memoryview gives numpy its buffer again when the region is closed.
    return numpy.ndarray.__new__(cls, shape, dtype, memoryview(region), offset, strides, order)


def _attach_view(
    cls: type[SharedArray],
    place: tuple[Any, ...],
    shape: tuple[int, ...],
    dtype: numpy.dtype[Any],
    offset: int,
    strides: tuple[int, ...],
    is_writeable: bool,
) -> SharedArray:
    """Load a pickle."""
    *_, identity, readonly = place
    region = _attached.get((identity, readonly))
    if region is None or region.closed:
        region = _attached[identity, readonly] = _region.attach(*place)
    view = _view(cls, region, shape, dtype, offset, strides)
    view.flags.writeable = is_writeable
    return view
