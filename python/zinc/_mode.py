"""Permissions, as they are shown."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _Function = TypeVar("_Function", bound=Callable[..., object])


class Mode(int):
    """Permissions, which everybody reads in octal: so do help() and whatever prints one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return oct(self)


# For a default.
PRIVATE = Mode(0o600)


def with_octal_mode(function: _Function) -> _Function:
    """Let help() give the default of a function's `mode` as its source does: 0o600, not 384."""
    anything: Any = function
    defaults = anything.__kwdefaults__
    defaults["mode"] = Mode(defaults["mode"])
    return function
