"""Hand data from process to process on one machine, through shared memory and without a copy.

A channel hands messages over: a writer fills a slot in place, and each reader reads it where it
lies, as long as it takes.

>>> import zinc
>>> with zinc.Channel.create("docs-greetings", slot_size=100) as channel:
...     reader = zinc.Channel.open("docs-greetings").reader()  # in another process, as a rule
...     channel.send(b"hello")
...     bytes(reader.recv().data)
1
b'hello'
>>> reader.close()

A region is memory with a name that all work on: as a memoryview, as a numpy array (see `array`),
through anything that takes a buffer.

>>> with zinc.create("docs-frames", 1 << 20) as region:
...     with zinc.open("docs-frames") as other:
...         region.as_buffer()[:5] = b"hello"
...         region.notify()
...         other.wait(), bytes(other.as_buffer()[:5])
1
(True, b'hello')
"""

from . import _zinc
from ._region import (
    NotARegionError,
    SharedRegion,
    open_kind,
    reclaim,
    unlink,
    wait_all,
    wait_any,
    wait_any_async,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._array import SharedArray, array, open_array, region_of, share
    from ._atomic import Atomic
    from ._barrier import Barrier
    from ._calls import Client, PeerDiedError, RemoteTraceback, connect, serve, serve_async
    from ._channel import Channel, ChannelReader, Loan, Message, ViewLimitError
    from ._condition import Condition
    from ._event import Event
    from ._holders import Holder, LockHolder
    from ._lock import Lock, OwnerDiedError, RLock
    from ._outside import RegionInfo, examine, regions
    from ._queue import JoinableQueue, Queue, ShutDown
    from ._ref import Ref, build, put
    from ._reference import by_reference, place
    from ._rwlock import RWLock
    from ._seats import LockInfo, Seat
    from ._semaphore import BoundedSemaphore, Semaphore
    from ._store import Store, StoredObject, StoreEvent, StoreInfo
    from ._users import ChannelInfo, QueueInfo, ReaderInfo, WorkerInfo, WriterInfo

__version__ = "0.1.0"

__all__ = [
    "Atomic",
    "Barrier",
    "BoundedSemaphore",
    "Channel",
    "ChannelInfo",
    "ChannelReader",
    "Client",
    "Condition",
    "Event",
    "Holder",
    "JoinableQueue",
    "Loan",
    "Lock",
    "LockHolder",
    "LockInfo",
    "Message",
    "NotARegionError",
    "OwnerDiedError",
    "PeerDiedError",
    "Queue",
    "QueueInfo",
    "RLock",
    "RWLock",
    "ReaderInfo",
    "Ref",
    "RegionInfo",
    "RemoteTraceback",
    "Seat",
    "Semaphore",
    "SharedArray",
    "SharedRegion",
    "ShutDown",
    "Store",
    "StoreEvent",
    "StoreInfo",
    "StoredObject",
    "ViewLimitError",
    "WorkerInfo",
    "WriterInfo",
    "array",
    "build",
    "build_info",
    "by_reference",
    "connect",
    "create",
    "examine",
    "get_include",
    "get_library",
    "get_pkgconfig",
    "open",
    "open_array",
    "open_or_create",
    "place",
    "put",
    "reclaim",
    "region_of",
    "regions",
    "serve",
    "serve_async",
    "share",
    "unlink",
    "wait_all",
    "wait_any",
    "wait_any_async",
]

_FAMILY = {
    "Atomic": "._atomic",
    "Barrier": "._barrier",
    "BoundedSemaphore": "._semaphore",
    "Condition": "._condition",
    "Event": "._event",
    "Lock": "._lock",
    "OwnerDiedError": "._lock",
    "RLock": "._lock",
    "RWLock": "._rwlock",
    "Semaphore": "._semaphore",
}

create = SharedRegion.create
open = SharedRegion.open
open_or_create = SharedRegion.open_or_create


def build_info() -> dict[str, str | int]:
    """Return what this zinc is, and what it was built with.

    The keys are ``version``; ``layout``, of regions: two processes that share one need the
    same; ``abi``, of ``zinc.h``: programs built with one work with all of its layout that
    are not less; ``swift``, the compiler's version; ``mode``, how it compiled; and
    ``extension``, whose Pythons it loads in.

    >>> build_info()["layout"]
    4
    """
    return {
        "version": __version__,
        "layout": _zinc.VERSION >> 16,
        "abi": _zinc.VERSION & 0xFFFF,
        "swift": _zinc.SWIFT_VERSION,
        "mode": "embedded, release",
        "extension": _zinc.EXTENSION,
    }


def get_include() -> str:
    """Return the folder of ``zinc.h``, for C programs: ``cc -I...``."""
    return f"{__path__[0]}/include"


def get_library() -> str:
    """Return the path of ``libzinc.so``, for C programs to link and others to load."""
    return f"{__path__[0]}/libzinc.so"


def get_pkgconfig() -> str:
    """Return the folder of ``zinc.pc``, for what asks pkg-config: ``PKG_CONFIG_PATH=...``."""
    return __path__[0]


def __getattr__(name: str) -> object:
    """Import what few need, and what needs numpy, the arrays, when it is asked for."""
    if name in ("by_reference", "place"):
        from . import _reference

        return getattr(_reference, name)
    if name in ("Holder", "LockHolder"):
        from . import _holders

        return getattr(_holders, name)
    if name in _FAMILY:
        import importlib

        from . import _named

        _named.opener = open_kind
        return getattr(importlib.import_module(_FAMILY[name], __name__), name)
    if name in ("Channel", "ChannelReader", "Loan", "Message", "ViewLimitError"):
        from . import _channel

        return getattr(_channel, name)
    if name in ("Client", "PeerDiedError", "RemoteTraceback", "connect", "serve", "serve_async"):
        from . import _calls

        return getattr(_calls, name)
    if name in ("JoinableQueue", "Queue", "ShutDown"):
        from . import _queue

        return getattr(_queue, name)
    if name in ("ChannelInfo", "QueueInfo", "ReaderInfo", "WorkerInfo", "WriterInfo"):
        from . import _users

        return getattr(_users, name)
    if name in ("LockInfo", "Seat"):
        from . import _seats

        return getattr(_seats, name)
    if name in ("Ref", "build", "put"):
        from . import _ref

        return getattr(_ref, name)
    if name in ("Store", "StoreEvent", "StoreInfo", "StoredObject"):
        from . import _store

        return getattr(_store, name)
    if name in ("RegionInfo", "examine", "regions"):
        from . import _outside

        return getattr(_outside, name)
    if name in ("SharedArray", "array", "open_array", "region_of", "share"):
        from . import _array

        return getattr(_array, name)
    raise AttributeError(f"module 'zinc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
