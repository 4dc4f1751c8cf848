"""Calls every function and method of numpy with a SharedArray and looks at what comes back.

The rule: an array that shares the region's memory is a SharedArray, and no other is. A program
of its own, so that a numpy in another place can be asked too. Prints as JSON what was called
and what broke the rule.
"""

from __future__ import annotations

import functools
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy
from numpy.lib.stride_tricks import as_strided

import zinc

# Their point is a plain array, unless they are told to pass subclasses through.
PLAIN = {"asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "frombuffer"}
PLAIN |= {"array", "from_dlpack", "__array__", "asmatrix", "matrix", "mat", "bmat", "asfarray"}
PLAIN |= {"as_strided", "narray", "asnarray"}
# They read or write files, start tests or change how numpy goes on.
SKIPPED = {"tofile", "dump", "save", "savez", "savez_compressed", "savetxt", "fromfile", "test"}
SKIPPED |= {"load", "loadtxt", "genfromtxt", "memmap", "DataSource", "seterr", "seterrcall"}
SKIPPED |= {"setbufsize", "seterrobj", "set_printoptions", "set_string_function", "info", "source"}
SKIPPED |= {"set_numeric_ops", "bench", "lookfor", "show_config", "show_runtime", "fromregex"}
SKIPPED |= {"_set_promotion_state", "deprecate", "__array_finalize__", "__array_prepare__"}
# Of objects, or of the class, and not of the memory.
SKIPPED |= {"__class__", "__new__", "__init__", "__init_subclass__", "__subclasshook__"}
SKIPPED |= {"__getattribute__", "__getattr__", "__setattr__", "__delattr__", "__reduce_ex__"}
SKIPPED |= {"__setstate__", "base", "__reduce__", "__class_getitem__", "__dir__"}
SKIPPED |= {"__array_function__", "__array_ufunc__", "region"}

KINDS: dict[str, tuple[tuple[int, ...], Any]] = {
    "floats": ((2, 3), "f8"),
    "complex": ((3, 3), "c16"),
    "integers": ((4,), "i8"),
    "booleans": ((2, 1, 3), "?"),
    "one": ((1, 1), "f4"),
    "scalar": ((), "f8"),
    "fields": ((3,), [("x", "f8"), ("y", "i4")]),
    "records": ((3,), numpy.dtype((numpy.record, [("x", "f8"), ("y", "i4")]))),
}


def recipes(a: numpy.ndarray[Any, Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments, after the array itself: what one function or another takes."""
    yield (), {}
    for keywords in ({"axis": 0}, {"axis": -1, "keepdims": True}, {"subok": True}, {"copy": False}):
        yield (), keywords
    yield (), {"subok": True, "copy": True}
    for argument in (0, 1, -1, "x", "f8", "u1", (3, 2), -1.5, [0], slice(0, 1), ..., None, a):
        yield (argument,), {}
    yield (slice(0, 2), slice(None)), {}
    yield ((slice(0, 1),),), {}
    yield (0, 0), {}
    yield (0, 1), {}
    yield (a, a), {}
    yield ("f8", 0), {}
    yield ([0], 0), {}
    yield ("C",), {}


def arrays_in(result: Any, depth: int = 0) -> Iterator[numpy.ndarray[Any, Any]]:
    if isinstance(result, numpy.ndarray):
        yield result
    elif isinstance(result, dict):
        yield from arrays_in(list(result.values()), depth)
    elif isinstance(result, (list, tuple)) and depth < 4:
        for part in result[:50]:
            yield from arrays_in(part, depth + 1)
    elif isinstance(result, numpy.flatiter):
        yield from arrays_in([result[0:3], result[[0, 1]], result.copy(), result.base], depth)


def is_in(region: zinc.SharedRegion, array: numpy.ndarray[Any, Any]) -> bool:
    start: int = array.__array_interface__["data"][0]
    return region.address <= start < region.address + region.capacity


def attribute(name: str, array: Any, *args: Any, **keywords: Any) -> Any:
    found = getattr(array, name)
    return found(*args, **keywords) if callable(found) else found


def calls() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function of numpy's, and every method and attribute of its arrays."""
    for name in sorted(set(dir(numpy.ndarray)) - SKIPPED - PLAIN):
        yield f"ndarray.{name}", functools.partial(attribute, name)
    for place in (numpy, numpy.linalg, numpy.fft, numpy.lib.stride_tricks, numpy.char):
        for name in sorted(set(dir(place)) - SKIPPED - PLAIN):
            function = getattr(place, name)
            if callable(function) and not name.startswith("_") and not isinstance(function, type):
                yield f"{place.__name__}.{name}", function
    # Of random numbers only some: others crash if they are given what they do not expect.
    for name in ("permutation", "permuted", "shuffle", "choice"):
        yield f"numpy.random.{name}", getattr(numpy.random.default_rng(1), name)
    yield "numpy.array with subok", lambda a, **rest: numpy.array(a, subok=True, **rest)
    yield "as_strided with subok", functools.partial(as_strided, subok=True)
    yield "numpy.require with needs", lambda a, needs: numpy.require(a, None, needs)
    yield "numpy.einsum of a view", lambda a: numpy.einsum("ij->ji", a)
    yield "numpy.broadcast_arrays of two", lambda a: numpy.broadcast_arrays(a, numpy.ones(3))


def main() -> None:
    warnings.simplefilter("ignore")
    numpy.seterr(all="ignore")
    called: dict[str, int] = {}
    broken: list[str] = []
    for kind, (shape, dtype) in KINDS.items():
        region = zinc.array(None, shape, dtype).region
        content = numpy.ones(shape, "u1").cumsum().reshape(shape).astype(dtype)
        for name, call in calls():
            for args, keywords in recipes(numpy.ones(shape).astype(dtype)):
                array = zinc.open_array(region)  # anew: some change its shape or flags
                array.view(numpy.ndarray)[...] = content
                try:
                    found = [*arrays_in(call(array, *args, **keywords))]
                except Exception:  # most functions take few of these
                    continue
                called[name] = called.get(name, 0) + 1
                for part in found:
                    if part.size and is_in(region, part) != (type(part) is zinc.SharedArray):
                        where = "in" if is_in(region, part) else "outside"
                        what = f"a {type(part).__name__} {where} the region"
                        broken.append(f"{name}{args!r:.60} {keywords} of {kind}: {what}")
    json.dump({"numpy": numpy.__version__, "called": called, "broken": broken}, sys.stdout)


if __name__ == "__main__":
    main()
