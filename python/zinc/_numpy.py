"""numpy, or what to install for it; and its arrays under multiprocessing."""

from . import _picklers, _reference

try:
    import numpy as numpy
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "no numpy here; arrays take: pip install 'zinc-shm[numpy]'", name="numpy"
    ) from None

# Whatever is made of a view of a region, by scipy or pandas say, has plain arrays on it.
_picklers.register(numpy.ndarray, _reference.reduce_array)
