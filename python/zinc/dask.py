"""References in `dask.distributed`: ``import zinc.dask`` before the cluster is made.

From then on a `zinc.Ref`, and an array of `zinc.array` or `zinc.share`, goes to tasks, comes back
as their results and is scattered as a reference, inside of other objects too, between processes of
one machine. The workers of a cluster that this process makes afterwards import this module as well;
others are started with ``--preload zinc.dask``.

On another machine a reference can't be loaded, and pickle.UnpicklingError says so. What a worker
spills to its disk has the data of arrays, and no references: those stay in memory.
"""

from __future__ import annotations

import contextlib
import contextvars
from importlib import import_module
from typing import Any, Never

from . import _reference
from ._array import SharedArray
from ._ref import Ref

# They say little of their types.
_config: Any = import_module("dask.config")
_tokenize: Any = import_module("dask.tokenize")
_pickle: Any = import_module("distributed.protocol.pickle")
_serialize: Any = import_module("distributed.protocol.serialize")
_spill: Any = import_module("distributed.spill")

__all__: list[str] = []

_dumps_as_before, _spill_as_before = _pickle.dumps, _spill.serialize_bytelist
_is_spilling = contextvars.ContextVar("zinc.dask.spilling", default=False)


class _NoWayError(NotImplementedError, TypeError):
    """Says to distributed that something has no way of its own, in both ways that it knows."""


def _refuse(array: SharedArray) -> Never:
    """Leave arrays to pickle: distributed has a way for those of numpy, which sends their data."""
    raise _NoWayError


def _dumps(value: object, **options: Any) -> Any:
    """Pickle as distributed does, which tries one way after the other, with references."""
    if _is_spilling.get():
        return _dumps_as_before(value, **options)
    pickled = b""
    with _reference.marked() as marks:
        try:
            with _reference.by_reference():
                pickled = _dumps_as_before(value, **options)
            return pickled
        finally:
            for mark, region in marks:
                if mark not in pickled:  # of a way that it has not taken
                    with contextlib.suppress(ValueError, OSError):  # closed meanwhile
                        region.give_back()


def _serialize_for_disk(*args: Any, **options: Any) -> Any:
    token = _is_spilling.set(True)
    try:
        return _spill_as_before(*args, **options)
    finally:
        _is_spilling.reset(token)


def _identity(ref: Ref) -> tuple[str, bytes | int]:
    """Tell references apart: what each is to never changes."""
    data = ref._held("tokenize")
    return "zinc.Ref", data if isinstance(data, bytes) else data.id


_pickle.dumps = _dumps
_spill.serialize_bytelist = _serialize_for_disk
_serialize.dask_serialize.register(SharedArray, _refuse)
_tokenize.normalize_token.register(Ref, _identity)

# Workers that this process starts get its configuration.
_preload: list[str] = [*_config.get("distributed.worker.preload")]
if __name__ not in _preload:
    _config.set({"distributed.worker.preload": [*_preload, __name__]})
