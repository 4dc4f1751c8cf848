"""How what holds much memory is pickled: as a few words, and a buffer that is copied once.

None of the libraries is imported here, and nothing is registered with `copyreg`: a table of its own
grows with what others import.
"""

from __future__ import annotations

import array
import copyreg
import pickle
import sys
from importlib import import_module

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
    return pickle.PickleBuffer(_zinc.Later(_zinc.LATER_REGION, region))


class Place:
    """Is pickled as an array whose bytes, the last of all, somebody else writes."""

    def __init__(self, kind: type, shape: tuple[int, ...], dtype: Any, nbytes: int) -> None:
        self._array = kind, shape, dtype, nbytes

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it as the array."""
        kind, shape, dtype, nbytes = self._array
        return kind, (shape, dtype, _later(nbytes, _nothing))


def _nothing(view: memoryview) -> None:
    """Leave zeros."""


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
        dtype, shape, flags = value.dtype, value.shape, value.flags
        if dtype.hasobject or not dtype.itemsize:
            return value.__reduce_ex__(5)
        told = dtype.char if dtype.isbuiltin == 1 and dtype.metadata is None else dtype
        strides = None
        whole = value
        if not flags.forc and value.size:
            order = sorted(range(value.ndim), key=value.strides.__getitem__, reverse=True)
            whole, strides = value.transpose(order), value.strides
        if whole.flags.forc:
            try:
                # Of times, which buffers do not know, the numbers.
                data = buffer(whole.view("i8") if dtype.kind in "mM" else whole)
                if not flags.writeable:  # but a copy can be written
                    data = buffer(_zinc.Later(_zinc.LATER_BYTES, data))
            except (BufferError, TypeError, ValueError):  # nor other dtypes
                pass
            else:
                if strides is not None:
                    return make, (shape, told, data, 0, strides)
                if flags.c_contiguous:
                    return make, (shape, told, data)
                return make, (shape, told, data, 0, None, "F")
        data = _later(value.nbytes, lambda view: copy(make(shape, dtype, view), value))
        return make, (shape, told, data)

    for kind, reducer in table.items():
        if reducer is _reference.reduce_array:  # those that may be in a region
            table[kind] = reduce
    table[numpy.ndarray] = reduce


def _teach_masked(table: dict[type, _Reducer], ma: Any) -> None:
    numpy: Any = import_module("numpy")

    def reduce(value: Any) -> Any:
        if value._baseclass is not numpy.ndarray:
            return value.__reduce_ex__(5)
        mask = None if value._mask is ma.nomask else value._mask
        data = value._data
        return _load_masked, (data, mask, value._fill_value, value._hardmask)

    table[ma.MaskedArray] = reduce


def _load_masked(data: Any, mask: Any, fill_value: Any, is_hard: bool) -> Any:
    ma: Any = import_module("numpy.ma")
    hidden = ma.nomask if mask is None else mask
    result: Any = ma.MaskedArray(data, hidden, hard_mask=is_hard, copy=False)
    result._fill_value = fill_value
    return result


# ---- pyarrow, and polars through it: the format of its streams, which has what is to be seen ----


def _write_stream(arrow: Any, value: Any, sink: Any) -> None:
    with arrow.ipc.new_stream(sink, value.schema) as writer:
        writer.write(value)


def _stream_size(arrow: Any, value: Any) -> int:
    measure = arrow.MockOutputStream()
    _write_stream(arrow, value, measure)
    return int(measure.size())


def _stream(arrow: Any, value: Any) -> pickle.PickleBuffer:
    """Return what stands for the stream of a table or a batch."""

    def write(view: memoryview) -> None:
        _write_stream(arrow, value, arrow.FixedSizeBufferWriter(arrow.py_buffer(view)))

    return _later(_stream_size(arrow, value), write)


def _load_table(data: memoryview) -> Any:
    pyarrow: Any = import_module("pyarrow")
    return pyarrow.ipc.open_stream(pyarrow.py_buffer(data)).read_all()


def _load_batch(data: memoryview) -> Any:
    pyarrow: Any = import_module("pyarrow")
    return pyarrow.ipc.open_stream(pyarrow.py_buffer(data)).read_next_batch()


def _load_column(data: memoryview) -> Any:
    return _load_batch(data).column(0)


def _load_chunks(data: memoryview) -> Any:
    return _load_table(data).column(0)


def _teach_arrow(table: dict[type, _Reducer], lib: Any) -> None:
    arrow: Any = import_module("pyarrow")

    def reducer(load: Callable[[memoryview], Any], shape: Callable[[Any], Any]) -> _Reducer:
        def reduce(value: Any) -> Any:
            try:
                return load, (_stream(arrow, shape(value)),)
            except arrow.ArrowException:  # a type that the format does not have
                return value.__reduce_ex__(5)

        return reduce

    table[lib.Table] = reducer(_load_table, lambda value: value)
    table[lib.RecordBatch] = reducer(_load_batch, lambda value: value)
    table[lib.ChunkedArray] = reducer(_load_chunks, lambda value: arrow.table([value], [""]))
    column = reducer(_load_column, lambda value: arrow.record_batch([value], [""]))
    for kind in lib.__dict__.values():
        if isinstance(kind, type) and issubclass(kind, lib.Array):
            table[kind] = column


def _teach_polars(table: dict[type, _Reducer], polars: Any) -> None:
    def reduce_frame(value: Any) -> Any:
        return _reduce_frame(polars, value) or value.__reduce_ex__(5)

    def reduce_series(value: Any) -> Any:
        reduced = _reduce_frame(polars, value.to_frame())
        return (_load_series, reduced[1]) if reduced else value.__reduce_ex__(5)

    table[polars.DataFrame] = reduce_frame
    table[polars.Series] = reduce_series


def _reduce_frame(polars: Any, value: Any) -> Any:
    """Reduce a frame; None where pyarrow is not installed, or does not know one of its types."""
    try:
        pyarrow: Any = import_module("pyarrow")
        level = polars.CompatLevel
        told = value.to_arrow(compat_level=level.newest())
        if polars.from_arrow(told.schema.empty_table()).schema != value.schema:
            return None
        seen = value.estimated_size()
        if _stream_size(pyarrow, told) > 2 * seen + 4096:
            # Views of strings, of which a slice has all that its parent has.
            told = value.to_arrow(compat_level=level.oldest())
        return _load_frame, (_stream(pyarrow, told),)
    except Exception:
        return None


def _load_frame(data: memoryview) -> Any:
    polars: Any = import_module("polars")
    return polars.from_arrow(_load_table(data))


def _load_series(data: memoryview) -> Any:
    return _load_frame(data).to_series()


# ---- torch ----


def _teach_torch(table: dict[type, _Reducer], torch: Any) -> None:
    # _torch's, for those that are in a region.
    before: Callable[..., Any] | None = _picklers._reducers.get(torch.Tensor)

    def reduce(value: Any) -> Any:
        is_plain = (
            value.layout == torch.strided
            and value.device.type == "cpu"
            and not (value.requires_grad or value.is_quantized or value.is_neg() or value.is_conj())
            and not value.__dict__
        )
        if not is_plain:
            return value.__reduce_ex__(5)
        if before is not None and _reference.region_at(value.data_ptr()) is not None:
            return before(value, keep=_ticket)
        size, strides = tuple(value.shape), value.stride()
        count = value.numel()
        order = sorted(range(value.ndim), key=strides.__getitem__, reverse=True)
        whole = value.permute(order)
        if not count:
            data = pickle.PickleBuffer(b"")
        elif whole.is_contiguous():
            data = _buffer_of(torch, whole)
        else:
            strides = None
            data = _later(
                count * value.element_size(),
                lambda view: torch.frombuffer(view, dtype=value.dtype).view(size).copy_(value),
            )
        return _load_tensor, (data, value.dtype, size, strides)

    table[torch.Tensor] = reduce


def _buffer_of(torch: Any, whole: Any) -> pickle.PickleBuffer:
    nbytes = whole.numel() * whole.element_size()

    def write(view: memoryview) -> None:
        torch.frombuffer(view, dtype=torch.uint8).copy_(whole.reshape(-1).view(torch.uint8))

    return _later(nbytes, write)


def _load_tensor(
    data: memoryview, dtype: Any, size: tuple[int, ...], strides: tuple[int, ...] | None
) -> Any:
    """Make a tensor, with memory of its own where `data` may only be read: torch knows no such."""
    torch: Any = import_module("torch")
    if not len(data):
        return torch.empty(size, dtype=dtype)
    own = bytearray(data) if memoryview(data).readonly else data
    flat: Any = torch.frombuffer(own, dtype=dtype)
    return flat.view(size) if strides is None else flat.as_strided(size, strides)


# ---- the table ----

_TEACHERS: dict[str, Callable[[dict[type, _Reducer], Any], None]] = {
    "numpy": _teach_numpy,
    "numpy.ma": _teach_masked,
    "pyarrow.lib": _teach_arrow,
    "polars": _teach_polars,
    "torch": _teach_torch,
}


def table() -> dict[type, _Reducer]:
    """Return how objects of which types are reduced: as `copyreg` says, and as is known here.

    It is asked for again when more is registered or imported.
    """
    made: dict[type, _Reducer] = {**copyreg.dispatch_table, array.array: _reduce_array_array}
    for kind, reducer in list(_picklers._reducers.items()):
        made[kind] = _reduce_region if issubclass(kind, _zinc.SharedRegion) else reducer
    for name, teach in _TEACHERS.items():
        if name in sys.modules:
            teach(made, import_module(name))  # whole, if another thread is just importing it
    return made
