"""libzincbench.so: the loops that are too quick for Python. zincbench.h explains them."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import numpy
import numpy.typing

import zinc

LIBRARY = Path(zinc.get_library()).with_name("libzincbench.so")

SPIN, FUTEX, RAW, FILE, SEMAPHORE, WAIT, TRY_WAIT, SLEEP, CROWD = range(9)

ZINC_LOCK, WORD, FUTEX_LOCK, MUTEX, SEMAPHORE_LOCK = range(5)

Times = numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]]


class Talk(ctypes.Structure):
    """One side of a conversation; ZincBenchTalk."""

    _fields_ = (
        ("rounds", ctypes.c_uint64),
        ("there", ctypes.c_size_t),
        ("back", ctypes.c_size_t),
        ("pause", ctypes.c_uint64),
        ("payload", ctypes.c_void_p),
        ("payload_size", ctypes.c_uint64),
        ("sent", ctypes.c_void_p),
        ("heard", ctypes.c_void_p),
        ("used", ctypes.c_void_p),
        ("answered", ctypes.c_void_p),
        ("present", ctypes.c_void_p),
        ("crowd", ctypes.c_uint64),
    )


class Guarded(ctypes.Structure):
    """What a lock guards; ZincBenchGuarded."""

    _fields_ = (
        ("taken", ctypes.c_uint64),
        ("changed", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("check", ctypes.c_uint64),
        ("most", ctypes.c_uint64),
        ("began", ctypes.c_uint64),
        ("ended", ctypes.c_uint64),
    )


@functools.cache
def library() -> ctypes.CDLL:
    """Load it, with the types of its functions."""
    found = ctypes.CDLL(str(LIBRARY))
    number, pointer = ctypes.c_uint64, ctypes.c_void_p
    for name, result, *arguments in (
        ("ask", None, ctypes.c_uint32, ctypes.POINTER(Talk)),
        ("answer", number, ctypes.c_uint32, ctypes.POINTER(Talk)),
        ("semaphore", None, pointer),
        ("binary_semaphore", None, pointer),
        ("mutex", None, pointer, ctypes.c_int32),
        ("lock", None, ctypes.c_uint32, ctypes.c_size_t, number),
        ("contend", number, ctypes.c_uint32, ctypes.c_size_t, pointer, number),
        ("look", None, pointer, number),
        ("kernel_look", None, ctypes.c_int32, number, number),
        ("sit", ctypes.c_int32, ctypes.c_int32, ctypes.c_int32, number),
        ("read", number, pointer, number),
        ("write", None, pointer, number, number),
        ("read_pages", number, pointer, number),
        ("zinc_lives", ctypes.c_int32, ctypes.c_char_p, number, number, *[pointer] * 4),
        (
            *("raw_lives", ctypes.c_int32, ctypes.c_char_p, number),
            *(ctypes.c_int32, number, *[pointer] * 4),
        ),
        ("notify", None, pointer, number),
        ("try_wait", None, pointer, number),
        ("clock", None, number),
        ("hot_path", number, pointer, number, number),
    ):
        function = getattr(found, f"zincbench_{name}")
        function.restype = result
        function.argtypes = arguments
    return found


class Handle:
    """A region through the C interface, as a C or Swift program has it."""

    def __init__(self, capacity: int | None, descriptor: int = -1) -> None:
        """Create an anonymous one, or without a capacity open that of a descriptor."""
        self._zinc = ctypes.CDLL(zinc.get_library())
        self._zinc.zinc_error_message.restype = ctypes.c_char_p
        self._zinc.zinc_ptr.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p()
        out = ctypes.byref(self.handle)
        if capacity is None:
            status = self._zinc.zinc_region_open_descriptor(descriptor, None, out)
        else:
            create = self._zinc.zinc_region_create_anonymous
            status = create(ctypes.c_size_t(capacity), None, out)
        if status != 0:
            raise OSError(self._zinc.zinc_error_message().decode())

    def open_again(self) -> Handle:
        """Return another handle to it, made by whoever calls this."""
        return Handle(None, self.descriptor)

    @property
    def descriptor(self) -> int:
        """The descriptor by which it can be opened again."""
        found: int = self._zinc.zinc_region_descriptor(self.handle)
        return found

    @property
    def place(self) -> int:
        """The handle, as a number."""
        return self.handle.value or 0

    @property
    def address(self) -> int:
        """Where its data is."""
        found: int = self._zinc.zinc_ptr(self.handle)
        return found

    def acquire(self) -> None:
        """Acquire its own lock."""
        own = ctypes.c_size_t(-1)  # ZINC_OWN_LOCK
        if self._zinc.zinc_lock_acquire(self.handle, own, None) != 0:
            raise OSError(self._zinc.zinc_error_message().decode())

    def close(self) -> None:
        """Close it."""
        self._zinc.zinc_close(self.handle)


def address_of(array: numpy.typing.NDArray[numpy.generic]) -> int:
    """Return where an array's memory is."""
    return array.ctypes.data
