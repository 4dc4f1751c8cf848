"""What is not copied when an object is loaded: the guide's table, by the addresses of memory."""

from __future__ import annotations

import array
import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

from .conftest import ROOT

GUIDE = ROOT / "docs/guides/objects.md"
COUNT = 5000

# Where the bytes of an object are: addresses, and how many from there on.
Places = Iterator[tuple[int, int]]

Make = Callable[..., Any]
# What is imported for it, what makes it of that, and where it then is.
CASES: dict[str, tuple[str, Make, Callable[[Any], Places]]] = {}


def case(row: str, module: str, make: Make, places: Callable[[Any], Places]) -> None:
    CASES[row] = module, make, places


# ---- where memory is


def of_numpy(value: Any) -> Places:
    yield value.ctypes.data, value.nbytes


def of_masked(value: Any) -> Places:
    yield from of_numpy(value.data)
    yield from of_numpy(value.mask)


def of_buffer(value: Any) -> Places:
    yield from of_numpy(numpy.frombuffer(value, "u1"))


def of_text(value: str) -> Places:
    yield id(value), len(value)  # where the object is, its text is


def of_arrow(value: Any) -> Places:
    pyarrow = importlib.import_module("pyarrow")
    for chunk in getattr(value, "chunks", [value]):
        for buffer in chunk.buffers():
            if buffer is not None and buffer.size:
                yield buffer.address, buffer.size
        if isinstance(chunk.type, pyarrow.DictionaryType):
            yield from of_arrow(chunk.dictionary)


def of_table(value: Any) -> Places:
    for column in value.columns:
        yield from of_arrow(column)


def of_series(value: Any) -> Places:
    own = getattr(value, "array", value)
    if hasattr(own, "_pa_array"):
        yield from of_arrow(own._pa_array)
    elif hasattr(own, "_codes"):  # categories
        yield from of_numpy(own._codes)
        yield from of_series(own.categories)
    elif hasattr(own, "_mask"):  # those that know missing values
        yield from of_numpy(own._data)
        yield from of_numpy(own._mask)
    elif hasattr(own, "sp_values"):
        yield from of_numpy(own.sp_values)
        yield from of_numpy(own.sp_index.indices)
    else:
        yield from of_numpy(own._ndarray)


def of_frame(value: Any) -> Places:
    for name in value:
        yield from of_series(value[name])


def of_polars(value: Any) -> Places:
    polars = importlib.import_module("polars")
    yield from of_table(value.to_arrow(compat_level=polars.CompatLevel.newest()))


def of_sparse(value: Any) -> Places:
    yield from of_numpy(value.data)
    for name in "indices", "indptr", "offsets":
        if hasattr(value, name):
            yield from of_numpy(getattr(value, name))
    for one in getattr(value, "coords", ()) if value.format == "coo" else ():
        yield from of_numpy(one)


def of_tensor(value: Any) -> Places:
    yield value.data_ptr(), value.nbytes


def of_parts(value: Any) -> Places:
    yield from of_numpy(value["list"][0])
    yield from of_numpy(value["tuple"][1])
    yield from of_numpy(value["object"].points)


# ---- the rows


@dataclasses.dataclass
class Cloud:
    """Something with an array."""

    name: str
    points: Any


def texts() -> list[str]:
    return [f"text {number}, and some more of it" for number in range(COUNT)]


def matrix(sparse: Any) -> Any:
    return sparse.diags_array(numpy.ones((9, COUNT)), offsets=range(9), shape=(COUNT, COUNT))


case(
    "arrays of numbers, bools, times or records, in any order, with gaps too",
    "numpy",
    lambda numpy: numpy.ones((COUNT, 4), order="F")[::2],
    of_numpy,
)
case(
    "masked arrays",
    "numpy",
    lambda numpy: numpy.ma.masked_less(numpy.arange(COUNT), 9),
    of_masked,
)
case("arrays of Python objects", "numpy", lambda numpy: numpy.array(texts(), object), of_numpy)
case(
    "arrays in dicts, lists, tuples, dataclasses and other objects",
    "numpy",
    lambda numpy: {
        "list": [numpy.arange(COUNT)],
        "tuple": ("x", numpy.ones(COUNT)),
        "object": Cloud("a", numpy.zeros((COUNT, 3))),
    },
    of_parts,
)
case("`array.array`", "array", lambda array: array.array("d", range(COUNT)), of_buffer)
case("`bytes`", "array", lambda _: b"x" * COUNT, of_buffer)
case("`bytearray`", "array", lambda _: bytearray(COUNT), of_buffer)
case("`str`", "array", lambda _: "x" * COUNT, of_text)
case(
    "`csr`, `csc`, `coo`, `bsr`, `dia`",
    "scipy.sparse",
    lambda sparse: [matrix(sparse).asformat(kind) for kind in ("csr", "csc", "coo", "bsr", "dia")],
    lambda value: (place for one in value for place in of_sparse(one)),
)
case(
    "`lil`, `dok`",
    "scipy.sparse",
    lambda sparse: matrix(sparse).asformat("lil"),
    lambda value: of_numpy(value.data),
)
case(
    "columns of numbers, bools, times, periods, categories, and sparse ones",
    "pandas",
    lambda pandas: pandas.DataFrame(
        {
            "number": numpy.arange(COUNT),
            "bool": numpy.arange(COUNT) % 3 == 0,
            "time": pandas.date_range("2020", periods=COUNT),
            "zone": pandas.date_range("2020", periods=COUNT, tz="UTC"),
            "period": pandas.period_range("2020", periods=COUNT, freq="D"),
            "category": pandas.Categorical.from_codes(numpy.arange(COUNT) % 9, 2 * numpy.arange(9)),
            "sparse": pandas.arrays.SparseArray(numpy.arange(COUNT) % 7),
        }
    ),
    of_frame,
)
case(
    "columns that know missing values: `Int64`, `boolean`, …",
    "pandas",
    lambda pandas: pandas.DataFrame({"a": pandas.array([None, *range(COUNT)], dtype="Int64")}),
    of_frame,
)
case(
    "strings of `string[pyarrow]` and, with pyarrow, of pandas 3; all other columns of arrow's",
    "pandas",
    lambda pandas: pandas.DataFrame(
        {
            "text": pandas.Series(texts(), dtype="string[pyarrow]"),
            "number": pandas.Series(range(COUNT), dtype="int64[pyarrow]"),
        }
    ),
    of_frame,
)
case(
    "strings as Python objects: of `object`, and of `string[python]`",
    "pandas",
    lambda pandas: pandas.DataFrame(
        {
            "object": pandas.Series(texts(), dtype=object),
            "text": pandas.array(texts(), dtype="string[python]"),
        }
    ),
    of_frame,
)
case(
    "tables, batches and arrays, strings, lists and dictionaries too",
    "pyarrow",
    lambda pyarrow: pyarrow.table(
        {
            "number": numpy.arange(COUNT),
            "text": texts(),
            "list": [[number] for number in range(COUNT)],
            "dictionary": pyarrow.array(["left", "right"] * (COUNT // 2)).dictionary_encode(),
        }
    ),
    of_table,
)
case(
    "numbers, bools, times and strings",
    "polars",
    lambda polars: polars.DataFrame(
        {
            "number": numpy.arange(COUNT),
            "bool": numpy.arange(COUNT) % 3 == 0,
            "time": numpy.arange(COUNT).astype("M8[us]"),
            "text": texts(),
        }
    ),
    of_polars,
)
case(
    "categories",
    "polars",
    lambda polars: polars.DataFrame(
        {"a": polars.Series(["left", "right"] * COUNT, dtype=polars.Categorical)}
    ),
    of_polars,
)
case("tensors", "torch", lambda torch: torch.ones(COUNT), of_tensor)


def rows() -> dict[str, str]:
    """Return the guide's table: of each kind of object, where its bytes are."""
    table = re.search(r"\n\| of \| .*?\n((?:\|.*\n)+)", GUIDE.read_text())
    assert table
    lines = [line.strip("|\n").split(" | ") for line in table[1].splitlines()[1:]]
    return {line[1].strip(): line[2].strip() for line in lines}


def mapped(region: str) -> list[tuple[int, int]]:
    """Return the parts of this process's memory that are a region's."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(f"/zinc_{region}"):
            start, end = line.split()[0].split("-")
            found.append((int(start, 16), int(end, 16)))
    return found


def test_table_has_all_rows() -> None:
    assert list(rows()) == list(CASES)


@pytest.mark.parametrize("row", CASES)
def test_table_is_true(row: str) -> None:
    name, make, places = CASES[row]
    module = pytest.importorskip(name)
    value = make(array if name == "array" else module)
    with zinc.put(value) as ref:
        assert ref.name
        loaded, copied = ref.get(), ref.get(copy=True)
        mappings = mapped(ref.name)
        insides = [
            any(start <= address and address + size <= end for start, end in mappings)
            for address, size in places(loaded)
        ]
        assert insides
        assert set(insides) == {rows()[row] == "in place"}
        assert not any(
            start <= address < end for address, _ in places(copied) for start, end in mappings
        )
        del loaded, copied
