"""Whose picklers send references: those of multiprocessing and loky, and no others.

They send to processes of this machine, and are told here to send where memory is and not what is
in it. All other picklers write somewhere else, where a reference would be lost data.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    _Reducer = Callable[..., Any]


# Their modules, and the protocols of pickle that all their readers know.
_PICKLERS = {
    "multiprocessing.reduction": 4,
    "loky.backend.reduction": 5,
    "joblib.externals.loky.backend.reduction": 5,
}
_reducers: dict[type, _Reducer] = {}


def register(kind: type, reducer: _Reducer) -> None:
    """Let those picklers send objects of this very type as `reducer` says.

    It is called with the object and maybe a protocol, else 4, and gives what `__reduce_ex__` gives.
    """
    _reducers[kind] = reducer
    for name in _PICKLERS:
        if (module := sys.modules.get(name)) is not None:
            _teach(module, kind, reducer)


def _teach(module: ModuleType, kind: type, reducer: _Reducer) -> None:
    protocol = _PICKLERS[module.__name__]
    # Not there yet where the module is just being loaded: it is taught when that is done.
    if (accept := getattr(module, "register", None)) is not None:
        accept(kind, reducer if protocol == 4 else _of_protocol(reducer, protocol))


def _of_protocol(reducer: _Reducer, protocol: int) -> _Reducer:
    def reduce(value: Any) -> Any:
        return reducer(value, protocol)

    return reduce


class _Teacher:
    """Finds those modules for the import system, to teach them once they are there.

    They may be imported long after zinc, and too much comes with them to do it here.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _PICKLERS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    loader: Any = _Teaching(spec.loader)
                    spec.loader = loader
                return spec
        return None


class _Teaching:
    """Loads a module as its own loader does, and teaches it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for kind, reducer in list(_reducers.items()):
            _teach(module, kind, reducer)


sys.meta_path.insert(0, _Teacher())
