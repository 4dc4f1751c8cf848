"""numpy, or what to install for it."""

try:
    import numpy as numpy
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "no numpy here; arrays take: pip install 'zinc-shm[numpy]'", name="numpy"
    ) from None
