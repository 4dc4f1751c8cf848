"""References to objects in shared memory: `put` and `build` make them, any process reads them."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from . import _named, _objects, _reducers, _reference, _region, _zinc

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, SupportsIndex

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
    minutes while a reference is on its way; no process is in charge of it. Any number of threads
    may use one reference, and a forked child has one of its own.

    A context manager that releases it.

    >>> import numpy, zinc
    >>> with zinc.put({"weights": numpy.ones(1000)}) as ref:
    ...     int(ref.get()["weights"].sum())
    1000
    """

    __module__ = "zinc"
    __slots__ = ("__weakref__", "_data", "_kept", "_nbytes")

    # Where the object is; None of a small one that was released.
    _data: bytes | SharedRegion | None
    _nbytes: int
    # The regions that the object refers to.
    _kept: list[SharedRegion]

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Refuse; put makes references."""
        raise TypeError("use zinc.put(obj)")

    @classmethod
    def _at(cls, data: bytes | SharedRegion) -> Self:
        self = object.__new__(cls)
        self._data, self._nbytes, self._kept = data, len(data), []
        return self

    def get(self, *, copy: bool = False) -> Any:
        """Load the object, anew each time.

        Its arrays are where it is, read-only, and hold the memory as long as they live. With `copy`
        they have memory of their own, which can be written; those that were in a region before, as
        `zinc.array` makes them, are there still. To load a pickle runs what it says.

        Raises ValueError if this was released or the memory is damaged, and what unpickling the
        object's classes raises.
        """
        data = self._held("get")
        try:
            where = memoryview(data)
        except ValueError:  # released by another thread
            where = memoryview(self._held("get"))
        return _objects.load(where, writable=copy)

    def release(self) -> None:
        """Let go of the object now, and not when this is collected; a second time does nothing.

        Arrays that were loaded keep the object as long as they live, but go to other processes as
        copies from then on; other references go on, too. With the last one the object goes.
        """
        data, self._kept = self._data, []
        if isinstance(data, _region.SharedRegion):
            data.close()
        else:
            self._data = None

    @property
    def nbytes(self) -> int:
        """Bytes that the object takes."""
        return self._nbytes

    @property
    def name(self) -> str | None:
        """The name of the region that the object is in; None of a small one, which is in none."""
        return self._data.name if isinstance(self._data, _region.SharedRegion) else None

    def _held(self, call: str) -> bytes | SharedRegion:
        """Return where the object is. ValueError if it was released."""
        data = self._data
        if data is None or (isinstance(data, _region.SharedRegion) and data.closed):
            raise ValueError(f"{call} {self!r}: it was released")
        return data

    def _place(self) -> tuple[Any, ...]:
        return (self._held("pickle"),)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle as `by_reference` says: itself, or the object for where it can't be reached."""
        data = self._held("pickle")
        if isinstance(data, _region.SharedRegion) and _reference.has_to_be_copied(data):
            return _put_there, (self.get(),)
        return super().__reduce_ex__(protocol)

    def __getstate__(self) -> None:
        """Return nothing: what it has is where it is."""

    def __enter__(self) -> Self:
        """Return the reference itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Release it."""
        self.release()

    def __repr__(self) -> str:
        """Show where it is."""
        where = "small" if self.name is None else repr(self.name)
        return f"<zinc.Ref {where}, {self.nbytes} bytes>"


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
            ref = Ref._at(bytes(memory))
        else:
            ref = Ref._at(_objects.region_of(parts))
    except BaseException:
        parts.drop()
        raise
    ref._kept = parts.regions
    return ref


def _put_there(obj: object) -> Ref:
    with _reference.unpickling("unpickle the object of a reference"):
        return put(obj)


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
    __slots__ = ("_array", "_dtype", "_is_begun", "_ref", "_region", "_shape")

    # While it is built.
    _array: numpy.ndarray[Any, Any] | None
    _region: SharedRegion | None
    _ref: Ref | None

    def __init__(self, shape: tuple[int, ...], dtype: numpy.dtype[Any]) -> None:
        self._shape, self._dtype, self._is_begun = shape, dtype, False
        self._array = self._region = self._ref = None

    @property
    def ref(self) -> Ref:
        """The reference to the array, once its `with` has ended. ValueError before, and if not."""
        if self._ref is None:
            raise ValueError("build: the array is not built; its reference is there after the with")
        return self._ref

    def __enter__(self) -> numpy.ndarray[Any, Any]:
        """Return the array, of zeros."""
        from ._numpy import numpy

        if self._is_begun:
            raise ValueError("build: it was built already")
        nbytes = self._dtype.itemsize * math.prod(self._shape)
        parts = _objects.dump(_reducers.Place(numpy.ndarray, self._shape, self._dtype, nbytes))
        self._region = _objects.region_of(parts, readonly=False)
        array: numpy.ndarray[Any, Any] = numpy.ndarray(
            self._shape, self._dtype, memoryview(self._region), operator.index(parts.size - nbytes)
        )
        self._array, self._is_begun = array, True
        return array

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Seal it; after an exception leave nothing."""
        array, region = self._array, self._region
        self._array = self._region = None
        assert region is not None
        assert array is not None
        array.setflags(write=False)
        if kind is not None:
            _region.discard(region)
            return
        # Views of the array may live on: so another handle, and not this one made read-only.
        with region:
            sealed = _zinc.open(_region.SharedRegion, str(region.name), _zinc.READONLY, 0)
        self._ref = Ref._at(sealed)
