"""libzincbench.so: the loops that are too quick for Python. zincbench.h explains them."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import zinc

if TYPE_CHECKING:  # `counted` does without it
    import numpy
    import numpy.typing

LIBRARY = Path(zinc.get_library()).with_name("libzincbench.so")

SPIN, FUTEX, RAW, FILE, SEMAPHORE, WAIT, TRY_WAIT, SLEEP, CROWD, MESSAGE, MESSAGE_SLEEP = range(11)

ZINC_LOCK, WORD, FUTEX_LOCK, MUTEX, SEMAPHORE_LOCK = range(5)

CHANNEL, RING, LINE = range(3)

Times: TypeAlias = "numpy.ndarray[tuple[int], numpy.dtype[numpy.uint64]]"


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


class ChannelOptions(ctypes.Structure):
    """How large a channel is; ZincChannelOptions."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("payload", ctypes.c_uint64),
        ("messages", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("writers", ctypes.c_uint32),
        ("loans", ctypes.c_uint32),
        ("readers", ctypes.c_uint32),
        ("views", ctypes.c_uint32),
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
        ("ring", None, pointer, number, number),
        ("send", None, ctypes.c_uint32, ctypes.c_size_t, number, number),
        ("send_paced", number, ctypes.c_uint32, ctypes.c_size_t, number, number),
        ("receive", number, ctypes.c_uint32, ctypes.c_size_t, number, number),
        (
            *("batches", number, ctypes.c_uint32, ctypes.c_size_t, ctypes.c_size_t),
            *(number, number, number, pointer),
        ),
        ("follow", number, ctypes.c_uint32, ctypes.c_size_t, pointer),
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
        ("hot_path_of_messages", number, pointer, pointer, number, number),
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
        if capacity is None:
            self._check(self._zinc.zinc_region_open_descriptor(descriptor, None, self._out))
        else:
            self._create(capacity)

    @property
    def _out(self) -> object:
        return ctypes.byref(self.handle)

    def _create(self, capacity: int) -> None:
        create = self._zinc.zinc_region_create_anonymous
        self._check(create(ctypes.c_size_t(capacity), None, self._out))

    def _check(self, status: int) -> None:
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
        self._check(self._zinc.zinc_lock_acquire(self.handle, own, None))

    def close(self) -> None:
        """Close it."""
        self._zinc.zinc_close(self.handle)


class ChannelHandle(Handle):
    """A channel through the C interface: its creator's, or one end of it."""

    def __init__(self, size: int, messages: int, waits: bool, readers: int = 1) -> None:
        """Create an anonymous one for messages of `size` bytes, and for one writer."""
        self.options = ChannelOptions(
            **{"size": ctypes.sizeof(ChannelOptions), "payload": max(size, 1)},
            **{"messages": messages, "flags": waits, "writers": 1, "readers": readers},
        )
        self.ends: list[End] = []
        super().__init__(0)

    def _create(self, capacity: int) -> None:
        create = self._zinc.zinc_channel_create_anonymous
        self._check(create(ctypes.byref(self.options), None, self._out))

    def writer(self) -> int:
        """Return a writer, as a number; its handle is of whoever calls this."""
        return self._end("zinc_writer_begin", "zinc_writer_end")

    def reader(self) -> int:
        """Return a reader of all that is kept."""
        history = ctypes.c_uint64(self.options.messages)
        return self._end("zinc_reader_begin", "zinc_reader_end", history)

    def _end(self, begin: str, end: str, *arguments: object) -> int:
        self.ends.append(End(self.descriptor, begin, end, arguments))
        return self.ends[-1].end.value or 0

    def close(self) -> None:
        """Close it, and the ends of it that this process has made."""
        while self.ends:
            self.ends.pop().close()
        super().close()


class End(Handle):
    """A handle that writes to a channel, or reads it."""

    def __init__(self, descriptor: int, begin: str, end: str, arguments: Sequence[object]) -> None:
        """Open a channel, and begin."""
        super().__init__(None, descriptor)
        self.end = ctypes.c_void_p()
        self._leave = end
        begins = getattr(self._zinc, begin)
        self._check(begins(self.handle, *arguments, ctypes.byref(self.end)))

    def close(self) -> None:
        """End, and close."""
        getattr(self._zinc, self._leave)(self.end)
        super().close()


def address_of(array: numpy.typing.NDArray[numpy.generic]) -> int:
    """Return where an array's memory is."""
    return array.ctypes.data
