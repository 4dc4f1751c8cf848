"""References to objects in shared memory: `put` and `build` make them, any process reads them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from . import _named, _objects, _reducers, _region, _zinc

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    import numpy
    import numpy.typing

    from ._region import SharedRegion, _Shape

# Bytes up to which an object goes with its reference: a region takes a page, and a file.
_SMALL = 4096


class Ref(_named.Named):
    """A reference to an object in shared memory: `put` and `build` make it.

    Under multiprocessing and joblib, in messages of channels and items of queues it goes to other
    processes of this machine, small whatever the object is, and each loads the object from the same
    memory. That lasts as long as a reference or an array of the object lives anywhere, and for 10
    minutes while a reference is on its way; no process is in charge of it.

    >>> import numpy, zinc
    >>> ref = zinc.put({"weights": numpy.ones(1000)})
    >>> int(ref.get()["weights"].sum())
    1000
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "_bytes", "_kept", "_region")

    _bytes: bytes | None
    _region: SharedRegion | None
    # The regions that the object refers to.
    _kept: list[SharedRegion]

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Refuse; put makes references."""
        raise TypeError("use zinc.put(obj)")

    @classmethod
    def _at(cls, data: bytes | None, region: SharedRegion | None) -> Self:
        self = object.__new__(cls)
        self._bytes, self._region, self._kept = data, region, []
        return self

    def get(self) -> Any:
        """Load the object, anew each time.

        Its arrays are where it is, read-only, and hold the memory as long as they live. To load a
        pickle runs what it says. Raises ValueError if the memory is damaged, and what unpickling
        the object's classes raises.
        """
        return _objects.load(self._bytes if self._region is None else memoryview(self._region))

    @property
    def size(self) -> int:
        """Bytes that the object takes."""
        return len(self._bytes or b"") if self._region is None else self._region.capacity

    @property
    def name(self) -> str | None:
        """The name of the region that the object is in; None of a small one, which is in none."""
        return None if self._region is None else self._region.name

    def _place(self) -> tuple[Any, ...]:
        return self._bytes, self._region

    def __getstate__(self) -> None:
        """Return nothing: what it has is where it is."""

    def __repr__(self) -> str:
        """Show where it is."""
        where = "small" if self.name is None else repr(self.name)
        return f"<zinc.Ref {where}, {self.size} bytes>"


def put(obj: object) -> Ref:
    """Put an object into shared memory, and return a reference to it.

    Any object that can be pickled; arrays of numpy, pandas, pyarrow and polars and tensors of torch
    are copied once. What takes less than 4 KiB is in the reference itself. Regions that the object
    refers to are kept as long as this very reference, and for 10 minutes.

    Raises OSError (ENOSPC) if /dev/shm has no room, ValueError for a closed region in the object,
    and what pickling it raises.

    >>> import zinc
    >>> zinc.put([1, 2]).get()
    [1, 2]
    """
    parts = _objects.dump(obj)
    try:
        if parts.size < _SMALL:
            memory = bytearray(parts.size)
            parts.write_into(memory)
            ref = Ref._at(bytes(memory), None)
        else:
            ref = Ref._at(None, _sealed(_objects.region_of(parts)))
    except BaseException:
        parts.drop()
        raise
    ref._kept = parts.regions
    return ref


def _sealed(region: SharedRegion) -> SharedRegion:
    """Attach anew to a region that was written, so that nothing here can write to it any more."""
    with region:
        return _zinc.open(_region.SharedRegion, str(region.name), _zinc.READONLY, 0)


def build(shape: _Shape, dtype: numpy.typing.DTypeLike | None = float) -> Building:
    """Build an array in shared memory in place: ``with zinc.build(shape, dtype) as array:``.

    `shape` and `dtype` as for ``numpy.zeros``. The array is zeros at first. At the end of the
    `with` it can't be written any more, and `ref` of what this returns is a reference to it; after
    an exception it is gone. Views that were taken before are the caller's to leave alone.

    Raises ValueError for a dtype of Python objects, and what `SharedRegion.create` raises.

    >>> import zinc
    >>> building = zinc.build((2, 3), "f4")
    >>> with building as array:
    ...     array[:] = 7
    >>> building.ref.get()
    array([[7., 7., 7.],
           [7., 7., 7.]], dtype=float32)
    """
    from ._numpy import numpy

    sizes, kind = tuple(_region.sizes_of(shape)), numpy.dtype(dtype)
    if min(sizes, default=0) < 0:
        raise ValueError(f"build: a shape has no negative dimensions: {sizes}")
    if kind.hasobject:
        raise ValueError(f"build: {kind} has addresses of Python objects: use zinc.put")
    return Building(sizes, kind)


class Building:
    """What `build` returns, to be used by `with` once."""

    __module__ = "zinc"
    __slots__ = ("_array", "_dtype", "_ref", "_region", "_shape")

    _region: SharedRegion | None
    _ref: Ref | None

    def __init__(self, shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._array: numpy.ndarray[Any, Any] | None = None
        self._region = self._ref = None

    @property
    def ref(self) -> Ref:
        """The reference to the array, once its `with` has ended. ValueError before, and if not."""
        if self._ref is None:
            raise ValueError("build: the array is not built; its reference is there after the with")
        return self._ref

    def __enter__(self) -> numpy.ndarray[Any, Any]:
        """Return the array, of zeros."""
        from ._numpy import numpy

        if self._array is not None:
            raise ValueError("build: it was built already")
        nbytes = self._dtype.itemsize * math.prod(self._shape)
        parts = _objects.dump(_reducers.Place(numpy.ndarray, self._shape, self._dtype, nbytes))
        self._region = _objects.region_of(parts)
        array: numpy.ndarray[Any, Any] = numpy.ndarray(
            self._shape, self._dtype, memoryview(self._region), operator.index(parts.size - nbytes)
        )
        self._array = array
        return array

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Seal it; after an exception leave nothing."""
        assert self._region is not None
        assert self._array is not None
        self._array.setflags(write=False)
        if kind is not None:
            _region.discard(self._region)
            return
        self._ref = Ref._at(None, _sealed(self._region))
