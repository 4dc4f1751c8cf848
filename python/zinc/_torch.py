"""Tensors of torch on a region, and how they go to other processes."""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _picklers, _reference

try:  # without its types, which are not there where it is not
    torch: Any = import_module("torch")
    reductions: Any = import_module("torch.multiprocessing.reductions")
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "no torch here; tensors take: pip install torch", name="torch"
    ) from None

if TYPE_CHECKING:
    from ._region import SharedRegion


def tensor(
    region: SharedRegion, dtype: Any, sizes: list[int], offset: int, strides: Any = None
) -> Any:
    """Return a tensor of these dimensions from byte `offset` of the data on."""
    _reference.remember(region)
    if 0 in sizes:  # frombuffer wants an element
        return torch.empty(sizes, dtype=dtype)
    # It keeps the memoryview, which keeps the memory when the region is closed.
    flat = torch.frombuffer(memoryview(region), dtype=dtype, offset=offset)
    return flat.as_strided(sizes, strides) if strides else flat[: math.prod(sizes)].view(sizes)


def reduce_tensor(
    value: Any, protocol: int | None = None, keep: _reference._Keep = _reference.keep
) -> Any:
    """Pickle a reference to a tensor that is in a region; others as they went before.

    torch would copy it to memory of its own and leave the region without a word.
    """
    is_plain = value.layout == torch.strided and value.device.type == "cpu"
    region = None
    if is_plain and value.is_leaf and not value.requires_grad and value.numel():
        region = _reference.region_at(value.data_ptr())
    if region is None:
        return value.__reduce_ex__(protocol) if protocol else reductions.reduce_tensor(value)
    offset = value.data_ptr() - region.address
    place = (type(region), *_reference.place_of(region, keep))
    return load_tensor, (place, value.dtype, list(value.shape), offset, value.stride())


def load_tensor(
    place: tuple[Any, ...], dtype: Any, sizes: list[int], offset: int, strides: Any
) -> Any:
    """Attach to the region of a tensor that was sent, and return it there."""
    return tensor(_reference.region_from(place), dtype, sizes, offset, strides)


# After torch's own, which its import has registered.
_picklers.register(torch.Tensor, reduce_tensor)
