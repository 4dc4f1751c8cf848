"""SharedRegion: what reads better in Python than in C."""

from __future__ import annotations

from . import _zinc
from ._zinc import NotARegionError

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing and numpy cost more to import than all of zinc
    from typing import Any, Self

    import numpy
    import numpy.typing

__all__ = ["NotARegionError", "SharedRegion"]


class SharedRegion(_zinc.SharedRegion):
    """A region of memory that this process shares with others.

    Made by `create` and `open`; a context manager that closes it. Supports the buffer
    protocol: ``memoryview(region)``, ``numpy.frombuffer(region)`` and the like see the
    bytes themselves, ``len(region)`` of them. Any number of threads may use one object.

    >>> with SharedRegion.create("docs-region", 4096) as region:
    ...     region.as_numpy("f4")[:3] = 1, 2, 3
    ...     SharedRegion.open("docs-region").as_numpy("f4")[:3].tolist()
    [1.0, 2.0, 3.0]
    """

    __slots__ = ("__weakref__",)

    @classmethod
    def create(
        cls,
        name: str,
        capacity: int,
        *,
        mode: int = 0o600,
        persistent: bool = False,
        reserve: bool = True,
    ) -> Self:
        """Create a region of `capacity` zeroed bytes and attach to it.

        The name, 1 to 250 characters out of A-Z, a-z, 0-9, _ and -, and the memory go
        when the last process that is attached closes the region, exits or dies; those
        of a `persistent` one when it is unlinked. The memory is taken at once; with
        ``reserve=False`` page by page when it is touched, which is a bus error where
        there is none left. `mode` are the permissions, as of a file.

        Raises FileExistsError if a living region has the name, ValueError for a name,
        capacity or mode that can't be, OSError (ENOSPC) if the memory is not there,
        PermissionError and other OSErrors as the system says.
        """
        flags = (_zinc.PERSISTENT if persistent else 0) | (0 if reserve else _zinc.SPARSE)
        return _zinc.create(cls, name, capacity, flags, mode)

    @classmethod
    def open(cls, name: str, *, readonly: bool = False, any_user: bool = False) -> Self:
        """Attach to the living region of this name.

        With `readonly` the data can't be written through this object. A region of
        another user is refused unless `any_user`.

        Raises FileNotFoundError if no living region has the name, ValueError for a name
        that can't be, `NotARegionError` if something else has its place or it is
        damaged, PermissionError and other OSErrors as the system says.
        """
        flags = (_zinc.READONLY if readonly else 0) | (_zinc.ANY_USER if any_user else 0)
        return _zinc.open(cls, name, flags)

    def as_numpy(
        self,
        dtype: numpy.typing.DTypeLike | None = None,
        shape: int | tuple[int, ...] | None = None,
    ) -> numpy.ndarray[Any, Any]:
        """Return a numpy array of the data itself, no copy; it stays valid after close.

        `dtype` defaults to uint8, `shape` to as many whole elements as fit. The array
        is C-ordered and starts with the region's first byte; read-only if the region
        is. Raises ValueError if the region is too small for that, or closed.
        """
        import numpy

        if shape is None:
            kind = numpy.dtype(dtype or numpy.uint8)
            return numpy.frombuffer(self, kind, len(self) // kind.itemsize)
        return numpy.ndarray(shape, dtype or numpy.uint8, memoryview(self))
