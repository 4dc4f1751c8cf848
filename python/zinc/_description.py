"""What the metadata of an array's region say of it, and how to read what a stranger wrote.

As in the header of a .npy file (numpy's NEP 1), a literal of Python with the keys descr,
fortran_order and shape; and record for a dtype whose elements are numpy.record. Whoever may
write a region may have written anything there: `read` gives what this module could have
written, or raises ValueError, and nothing else.
"""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy

# The kind of a region that has such metadata.
ARRAY = 1

MOST_DIMENSIONS = 64  # numpy's
MOST_NESTED = 32  # brackets; a structure in a structure takes two
LARGEST = (1 << 63) - 1

# Containers, strings, whole numbers and truths: all that is in a description. What Python would
# warn of, or calculate, is not.
_ESCAPE = r"""\\(?:[\\'"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"""
_TOKEN = re.compile(
    r"(?P<open>[\[({])|(?P<close>[\])}])|[,: ]|(?:True|False|0|[1-9]\d{0,18})(?!\w)"
    rf"""|'(?:[^'\\\n\r\0]|{_ESCAPE})*'|"(?:[^"\\\n\r\0]|{_ESCAPE})*\"""",
    re.ASCII,
)
_FORMAT = re.compile(r"[<>|=]?[biufcmMSUV]\d{0,10}(\[\d{0,10}[A-Za-z]{1,2}\])?", re.ASCII)


class Description(NamedTuple):
    """An array as its region describes it: numpy's descr, its order and its shape."""

    descr: Any
    order: Literal["C", "F"]
    shape: tuple[int, ...]
    is_record: bool

    def dtype(self) -> numpy.dtype[Any]:
        """Return the dtype. Raises ValueError if numpy has none, or one that can't be shared."""
        from ._numpy import numpy

        try:
            dtype = numpy.lib.format.descr_to_dtype(self.descr)
            if self.is_record:
                dtype = numpy.dtype((numpy.record, dtype))
        except Exception as error:  # of whatever kind numpy has
            raise ValueError(f"numpy has no dtype {self.descr!r}: {error}") from error
        if why := refusal(dtype):
            raise ValueError(f"{dtype!r} can't be shared: {why}")
        return dtype


def refusal(dtype: numpy.dtype[Any]) -> str | None:
    """Return why elements of this dtype can't be shared."""
    if dtype.hasobject:
        return "addresses of Python objects mean nothing to other processes"
    if not dtype.itemsize:
        return "its elements have no bytes"
    return None


def write(shape: tuple[int, ...], dtype: numpy.dtype[Any], order: str) -> bytes:
    """Describe an array. Raises ValueError for what can't be shared."""
    from ._numpy import numpy

    if order not in ("C", "F"):
        raise ValueError(f"an array's order is 'C' or 'F', not {order!r}")
    if why := refusal(dtype):
        raise ValueError(f"an array of {dtype!r} can't be shared: {why}")
    descr = numpy.lib.format.dtype_to_descr(dtype)
    is_record = issubclass(dtype.type, numpy.record)
    fields: dict[str, Any] = {"descr": descr, "fortran_order": order == "F", "shape": shape}
    if is_record:
        fields["record"] = True
    text = repr(fields).encode()
    try:
        found = read(text)
        is_same = found.shape == shape and found.dtype() == dtype
    except ValueError:
        is_same = False
    if not is_same:
        why = "it has no description that others understand; share it as bytes and view it"
        raise ValueError(f"an array of {dtype!r} can't be shared: {why}")
    return text


def read(metadata: bytes) -> Description:
    """Return what a region's metadata describe. Raises ValueError if it is no array."""
    return _parsed(metadata)


# Whoever gets arrays of one kind again and again waits for Python's parser once.
@functools.lru_cache(maxsize=256)
def _parsed(metadata: bytes) -> Description:
    try:
        text = metadata.decode()
        check(text)
        fields: Any = ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"it is no literal of Python: {error}") from None
    if not _is(fields, dict):
        raise ValueError("it is no dictionary")
    descr, shape, is_fortran = (fields.get(key) for key in ("descr", "shape", "fortran_order"))
    is_record = fields.get("record", False)
    check_dtype(descr)
    check_shape(shape)
    if not _is(is_fortran, bool) or not _is(is_record, bool):
        raise ValueError("its order is not told")
    return Description(descr, "F" if is_fortran else "C", shape, is_record)


def check(text: str) -> None:
    """Refuse what Python's parser should not be asked, ValueError."""
    position = depth = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(f"no literal of Python begins at {position}")
        depth += (token["open"] is not None) - (token["close"] is not None)
        if depth > MOST_NESTED:
            raise ValueError("its brackets are too deep")
        position = token.end()


def _is(value: Any, kind: type) -> bool:
    """Say whether a value is of this kind, and a bool is no int."""
    return type(value) is kind


def check_shape(shape: Any) -> None:
    """Refuse what is no tuple of whole numbers that are not negative, ValueError."""
    if not _is(shape, tuple) or len(shape) > MOST_DIMENSIONS:
        raise ValueError("its shape is no tuple of dimensions")
    if not all(_is(size, int) and 0 <= size <= LARGEST for size in shape):
        raise ValueError("its shape has what is no dimension")


def check_dtype(descr: Any) -> None:
    """Refuse what is no format, and no list of fields with a name, a dtype and maybe a shape."""
    if _is(descr, str) and _FORMAT.fullmatch(descr):
        return
    if not _is(descr, list):
        raise ValueError("its dtype is neither a format nor a list of fields")
    for field in descr:
        if not _is(field, tuple) or len(field) not in (2, 3):
            raise ValueError("its dtype has what is no field")
        titles = field[0] if _is(field[0], tuple) and len(field[0]) == 2 else field[:1]
        if not all(_is(title, str) for title in titles):
            raise ValueError("its dtype has a field without a name")
        check_dtype(field[1])
        if len(field) == 3:
            check_shape(field[2])
