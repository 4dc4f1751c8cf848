"""What locks and their family share: names of their own, and how they go to other processes."""

from __future__ import annotations

from . import _picklers, _zinc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Never, Protocol, Self, SupportsIndex

    from ._region import SharedRegion

    class _Opener(Protocol):
        def __call__(
            self,
            kind: int,
            count: int,
            name: str | None,
            mode: int,
            group: str | int | None,
            any_user: bool,
        ) -> SharedRegion: ...


# Opens a region: a function of a floor above, which the package's top hands down.
opener: _Opener | None = None


def open_region(
    kind: int,
    name: str | None,
    mode: int,
    group: str | int | None,
    any_user: bool,
    count: int = 0,
) -> SharedRegion:
    """Open or create the region of this name, or a new one; `count` is of permits or parties."""
    assert opener is not None
    return opener(kind, count, name, mode, group, any_user)


class Named:
    """A class whose objects go to other processes of this machine as references."""

    __slots__ = ()

    def _place(self) -> tuple[Any, ...]:
        """Tell what the class method `_at` needs: the region, which goes its own way, and more."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        _picklers.register(cls, _send)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Pickle a reference within `by_reference`; else refuse, with the reason."""
        from . import _reference

        if not _reference.is_asked_for():
            raise TypeError(
                f"pickle {self!r}: as a reference, which multiprocessing and joblib send to "
                "processes of this machine, it would be lost in a file or elsewhere; say "
                "`with zinc.by_reference():`"
            )
        # Nothing but itself is of use elsewhere, and loading it there says so, or using it.
        asked = _reference.asked()
        if asked is not None and asked.is_lenient:
            parts = (part for part in self._place() if isinstance(part, _zinc.SharedRegion))
            if any(_reference.has_to_be_copied(part) for part in parts):
                return _reference.load_unreachable, (repr(self), _reference.here())
        place = (
            _reference.Bound(part) if isinstance(part, _zinc.SharedRegion) else part
            for part in self._place()
        )
        return load, (type(self), *place), self.__getstate__()

    def __copy__(self) -> Never:
        """Refuse, with the reason."""
        raise TypeError(f"a copy of {self!r} would be the same one: open it once more by its name")

    def __deepcopy__(self, memo: object) -> Never:
        """Refuse, with the reason."""
        self.__copy__()


class Closing:
    """A class whose objects are context managers that close themselves."""

    __slots__ = ()

    def close(self) -> None:
        """Be done with it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Close it."""
        self.close()


def load(cls: Any, *place: Any) -> Any:
    """Return what was pickled."""
    return cls._at(*place)


def _send(value: Named, protocol: int = 4) -> Any:
    # And what a subclass has of its own.
    return load, (type(value), *value._place()), value.__getstate__()
