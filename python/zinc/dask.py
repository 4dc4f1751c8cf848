"""References in `dask.distributed`: ``import zinc.dask`` before the cluster is made.

From then on a `zinc.Ref`, a region, and an array of `zinc.array` or `zinc.share`, goes from one
process to another as a reference where both have the same memory, and as its values elsewhere: to
tasks, between them, as their results, scattered and gathered, and inside of other objects. Client,
scheduler and all workers have to import this module. Scheduler and workers of a cluster that this
process makes afterwards do; others are started with ``--preload zinc.dask``.

What goes through the scheduler, as `scatter` and `gather` do unless they are `direct`, has
references where that one serves its own machine alone (a `LocalCluster`), and values elsewhere:
nobody knows who will get it. A channel, a queue or a lock has no value: a task or client on
another machine gets what raises pickle.UnpicklingError as soon as it is used.

What a worker spills to its disk has the data of arrays. References stay in its memory.
"""

from __future__ import annotations

import contextlib
import ipaddress
import pickle
import warnings
import weakref
from importlib import import_module
from typing import Any, Never

from . import _reference
from ._array import SharedArray
from ._ref import Ref
from ._reference import Asked

# They say little of their types.
_config: Any = import_module("dask.config")
_expression: Any = import_module("dask._expr")
_tokenize: Any = import_module("dask.tokenize")
_distributed: Any = import_module("distributed")
_registry: Any = import_module("distributed.comm.registry")
_serialize: Any = import_module("distributed.protocol.serialize")

__all__: list[str] = []

# What processes tell each other when they connect: the place where what is sent is loaded, if that
# is known, and of a scheduler the place where graphs are.
_LOADS, _GRAPHS = "zinc.loads", "zinc.graphs"

# Seconds that a region stays for a reference whose sender has it, too: in case that one is killed.
_BRIEF = 20.0

_comms: weakref.WeakSet[Any] = weakref.WeakSet()
_listeners: weakref.WeakSet[Any] = weakref.WeakSet()


# ---- connections ----


def _place() -> str | None:
    try:
        return _reference.place()
    except OSError:
        return None


def _ask_for(place: str | None, lease: float, *, is_lenient: bool = False) -> Asked:
    """Ask for references to what a place has, and for values of the rest."""
    reach = (False, False) if place is None else _reference.reach_of(place)
    return Asked(*reach, lease, is_lenient)


def _is_local(listener: Any) -> bool:
    try:
        return ipaddress.ip_address(listener.ip).is_loopback
    except ValueError:  # a name, or all addresses
        return bool(listener.ip == "localhost")


def _passes_on_here() -> bool:
    """Say whether what goes through the schedulers of this process stays on this machine."""
    schedulers = [one for one in _listeners if not one.deserialize and one.tcp_server is not None]
    return bool(schedulers) and all(map(_is_local, schedulers))


class _Comm:
    """What a connection does more than its kind: tell where it ends, and send accordingly."""

    deserialize: bool
    remote_info: dict[str, Any]
    # What to ask for, once the other end has told.
    _asked: Asked | None = None

    def handshake_info(self) -> dict[str, Any]:
        _comms.add(self)
        here = _place()
        loads = here if self.deserialize or _passes_on_here() else None
        facts = {_LOADS: loads, _GRAPHS: None if self.deserialize else here}
        return {**super().handshake_info(), **facts}  # type: ignore[misc]

    async def write(self, msg: Any, serializers: Any = None, on_error: str = "message") -> Any:
        asked = self._asked
        if asked is None:
            asked = _ask_for(self.remote_info.get(_LOADS), 0, is_lenient=True)
            if self.remote_info:
                self._asked = asked
        # No ticket for what distributed pickles by itself: that is a scheduler's, which has it all.
        with _reference.asking(asked):
            return await super().write(msg, serializers, on_error)  # type: ignore[misc]


class _Listener:
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _listeners.add(self)


def _taught(backend: Any) -> Any:
    """Return a backend whose connections are of that kind."""
    connector, listener = backend._connector_class, backend._listener_class
    comm = type("Zinc" + connector.comm_class.__name__, (_Comm, connector.comm_class), {})
    members = {"comm_class": comm}
    facts = {
        "_connector_class": type("Zinc" + connector.__name__, (connector,), members),
        "_listener_class": type("Zinc" + listener.__name__, (_Listener, listener), members),
    }
    return type("Zinc" + backend.__class__.__name__, (backend.__class__,), facts)()


# ---- pickles ----


class _NoWayError(NotImplementedError, TypeError):
    """Says to distributed that something has no way of its own, in both ways that it knows."""


def _refuse(array: SharedArray) -> Never:
    """Leave arrays to pickle: distributed has a way for those of numpy, which sends their data."""
    raise _NoWayError


_dumps_as_before, _loads_as_before, _ = _serialize.families["pickle"]


def _ask_of_graphs() -> Asked:
    """Ask for what the scheduler can load: it does so, and sends each task as its worker can."""
    places = {one.remote_info.get(_GRAPHS) for one in _comms if not one.closed()} - {None}
    if any(one.status == _distributed.Status.running for one in _distributed.Scheduler._instances):
        places.add(_place())
    place = places.pop() if len(places) == 1 else None
    return _ask_for(place, _reference.LEASE, is_lenient=True)


def _dumps(value: object, context: dict[str, Any] | None = None) -> Any:
    """Pickle as distributed does, which tries one way after the other, with references."""
    asked = _reference.asked()
    if asked is not None and context is not None:
        is_passed_on = context["recipient"].get(_GRAPHS) is not None
        asked = Asked(asked.named, asked.unnamed, _reference.LEASE if is_passed_on else _BRIEF)
    elif isinstance(value, _expression.Expr):
        asked = _ask_of_graphs()
    else:  # for its disk
        return _dumps_as_before(value, context)
    pickled = b""
    with _reference.marked() as marks:
        try:
            with _reference.asking(asked):
                header, frames = _dumps_as_before(value, context)
            pickled = frames[0]
            return header, frames
        finally:
            for mark, region in marks:
                if mark not in pickled:  # of a way that it has not taken
                    with contextlib.suppress(ValueError, OSError):  # closed meanwhile
                        region.give_back()


def _loads(header: Any, frames: Any) -> Any:
    """Unpickle as distributed does; what leads nowhere is an error for who uses it.

    A worker that can't load what a task needs tells nobody, and the task would wait for ever.
    """
    try:
        return _loads_as_before(header, frames)
    except pickle.UnpicklingError as error:
        if not str(error).startswith("unpickle "):  # not ours
            raise
        return _reference.Unreachable(str(error))


def _identity(ref: Ref) -> tuple[str, bytes | int]:
    """Tell references apart: what each is to never changes."""
    data = ref._held("tokenize")
    return "zinc.Ref", data if isinstance(data, bytes) else data.id


def _register() -> None:
    backends = {name: _registry.get_backend(name) for name in ("tcp", "tls")}
    _registry.backends.update({name: _taught(one) for name, one in backends.items()})
    _serialize.register_serialization_family("pickle", _dumps, _loads)
    _serialize.dask_serialize.register(SharedArray, _refuse)
    _tokenize.normalize_token.register(Ref, _identity)
    # Workers that this process starts get its configuration.
    for role in "scheduler", "worker":
        preload: list[str] = [*_config.get(f"distributed.{role}.preload")]
        if __name__ not in preload:
            _config.set({f"distributed.{role}.preload": [*preload, __name__]})


try:
    _register()
except (AttributeError, KeyError, TypeError) as _error:
    warnings.warn(
        f"zinc.dask: distributed {_distributed.__version__} is not one that zinc knows "
        f"({type(_error).__name__}: {_error}): arrays go as values, and references not at all; "
        "pip install 'zinc-shm[dask]' brings one that it knows",
        RuntimeWarning,
        stacklevel=2,
    )
