"""How what holds much memory is pickled: as a few words, and a buffer that is copied once.

None of the libraries is imported here, and nothing is registered with `copyreg`: a table of its own
grows with what others import.
"""

from __future__ import annotations

import array
import copyreg
import pickle
import sys

from . import _picklers, _reference, _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._region import SharedRegion

    _Reducer = Callable[[Any], Any]


# ---- what stands in a pickle for a buffer ----


def _later(nbytes: int, write: Callable[[memoryview], object]) -> pickle.PickleBuffer:
    """Return what stands for so many bytes that `write` writes once their memory is there."""
    return pickle.PickleBuffer(_zinc.Later(nbytes, write))


def _ticket(region: SharedRegion) -> pickle.PickleBuffer:
    """Return what stands for a ticket, which whoever sends the pickle takes."""
    return pickle.PickleBuffer(_zinc.Later(-1, region))


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


def table() -> dict[type, _Reducer]:
    """Return how objects of which types are reduced: as `copyreg` says, and as is known here.

    It is asked for again when more is registered or imported.
    """
    made: dict[type, _Reducer] = {**copyreg.dispatch_table, array.array: _reduce_array_array}
    for kind, reducer in list(_picklers._reducers.items()):
        made[kind] = _reduce_region if issubclass(kind, _zinc.SharedRegion) else reducer
    for name, teach in _TEACHERS.items():
        if (module := sys.modules.get(name)) is not None:
            teach(made, module)
    return made
