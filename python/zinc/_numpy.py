"""numpy, or what to install for it."""

try:
    import numpy as numpy
except ModuleNotFoundError as error:
    told = f"{error}; arrays take: pip install 'zinc-shm[numpy]'"
    raise ModuleNotFoundError(told, name=error.name) from None
