"""How what holds much memory is pickled: as a few words, and a buffer that is copied once.

None of the libraries is imported here, and nothing is registered with `copyreg`: a table of its own
grows with what others import.
"""

from __future__ import annotations

import array
import copyreg
import pickle
import sys

from . import _picklers, _reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._region import SharedRegion

    _Reducer = Callable[[Any], Any]


# ---- what stands in a pickle for a buffer ----


class Later(bytearray):
    """Stands for a buffer that is written when its memory is there."""

    __slots__ = ("nbytes", "write")

    nbytes: int
    write: Callable[[memoryview], object]


class Ticket(bytearray):
    """Stands for a region that has to be kept until the pickle is loaded."""

    __slots__ = ("region",)

    region: SharedRegion


def _later(nbytes: int, write: Callable[[memoryview], object]) -> pickle.PickleBuffer:
    stand_in = Later()
    stand_in.nbytes, stand_in.write = nbytes, write
    return pickle.PickleBuffer(stand_in)


def _ticket(region: SharedRegion) -> pickle.PickleBuffer:
    stand_in = Ticket()
    stand_in.region = region
    return pickle.PickleBuffer(stand_in)


# ---- zinc and the standard library ----


def _reduce_region(region: SharedRegion) -> Any:
    return _reference.reduce_region(region, _ticket)


def _reduce_array_array(value: array.array[Any]) -> Any:
    if not value or value.typecode == "u":
        return value.__reduce_ex__(5)
    return _load_array_array, (value.typecode, pickle.PickleBuffer(value))


def _load_array_array(typecode: str, data: memoryview) -> array.array[Any]:
    result: array.array[Any] = array.array(typecode)
    result.frombytes(data)
    return result


# ---- numpy ----


def _teach_numpy(table: dict[type, _Reducer], numpy: Any) -> None:
    make, copy, buffer = numpy.ndarray, numpy.copyto, pickle.PickleBuffer

    def reduce(value: Any) -> Any:
        if value.base is not None and (shared := _reference.reduce_shared(value, _ticket)):
            return shared
        dtype, shape = value.dtype, value.shape
        if dtype.hasobject or not dtype.itemsize:
            return value.__reduce_ex__(5)
        told = dtype.char if dtype.isbuiltin == 1 else dtype
        flags = value.flags
        if flags.forc:
            raw = value.view("i8") if dtype.kind in "mM" else value
            try:
                data = buffer(raw)
            except (BufferError, TypeError, ValueError):  # a dtype that buffers do not know
                pass
            else:
                if flags.c_contiguous:
                    return make, (shape, told, data)
                return make, (shape, told, data, 0, None, "F")
        data = _later(value.nbytes, lambda view: copy(make(shape, dtype, view), value))
        return make, (shape, told, data)

    table[numpy.ndarray] = reduce


# ---- the table ----

_TEACHERS: dict[str, Callable[[dict[type, _Reducer], Any], None]] = {"numpy": _teach_numpy}

_table: dict[type, _Reducer] = {}
_known: tuple[Any, ...] = ()


def table() -> dict[type, _Reducer]:
    """Return how objects of which types are reduced: `copyreg`'s ways, and those of here."""
    global _known, _table
    known = len(sys.modules), len(_picklers._reducers), copyreg.dispatch_table
    if known != _known:
        made: dict[type, Any] = {**copyreg.dispatch_table, array.array: _reduce_array_array}
        for kind, reducer in list(_picklers._reducers.items()):
            made[kind] = _reduce_region if _is_region(kind) else reducer
        for name, teach in _TEACHERS.items():
            if (module := sys.modules.get(name)) is not None:
                teach(made, module)
        _table, _known = made, (*known[:2], dict(copyreg.dispatch_table))
    return _table


def _is_region(kind: type) -> bool:
    from . import _zinc

    return issubclass(kind, _zinc.SharedRegion)
