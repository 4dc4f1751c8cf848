"""Calls: functions that some processes serve and others call, by a name."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import operator
import os
import pickle
import queue
import secrets
import struct
import time
import traceback

from . import _async, _channel, _named, _objects, _polling, _zinc
from ._mode import PRIVATE
from ._queue import SLOT_SIZE, Queue, ShutDown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Self

    from ._zinc import Message

# What precedes the arguments in a request, one line: the name of the queue for its reply, and when
# its caller gives up, in ns of CLOCK_MONOTONIC.
_HEAD = struct.Struct("<48sQ8x")
_FOREVER = (1 << 64) - 1
_PREFIX = "reply-"

# Milliseconds: between two looks of a caller whether its server lives; that a server waits for a
# caller that takes no replies; that it has nothing to do before it looks which callers are gone.
_LOOK, _PATIENCE, _IDLE = 25.0, 1000.0, 2000.0

# Looks take one part in so many of the time: hundreds who wait in one process would else leave none
# for the one that is to go on.
_SHARE = 100

# Of what an exception says, and of where it was, so many characters go to the caller.
_LONGEST = 1 << 16

# What ends a server, and not only a call.
_ENDS = KeyboardInterrupt, SystemExit


class PeerDiedError(ConnectionResetError):
    """Who was to answer was killed, or has ended without an answer."""

    __module__ = "zinc"


class RemoteTraceback(Exception):  # noqa: N818, as in multiprocessing
    """Where in a server an exception was raised: the ``__cause__`` of what a call raises."""

    __module__ = "zinc"

    def __str__(self) -> str:
        """Show the server's traceback."""
        return f"\n{self.args[0]}"


# ---- who calls ----


class Client(_named.Named, _named.Closing):
    """Who calls a function that other processes serve: `connect` makes one.

    Any number of threads and tasks may call at once, each of them with a queue for its replies. It
    goes to other processes as a reference, as a `Queue` does, and a forked child goes on with it. A
    context manager that closes it.
    """

    __module__ = "zinc"
    __slots__ = (
        "__weakref__",
        "_busy",
        "_idle",
        "_process",
        "_requests",
        "_rights",
        "_slot_size",
        "_views",
    )

    def __init__(self, requests: Queue, slot_size: int, views: int) -> None:
        self._requests = requests
        self._slot_size, self._views = slot_size, views
        self._idle: list[Queue] = []  # of calls that are over
        self._busy: set[Queue] = set()  # and of those that are not
        self._process = os.getpid()
        self._rights = _objects.rights(requests.region)  # now: another thread may close it

    @classmethod
    def _at(cls, requests: Queue, slot_size: int, views: int) -> Self:
        return cls(requests, slot_size, views)

    def call(self, /, *args: Any, timeout_ms: float | None = None, **kwargs: Any) -> Any:
        """Let a server call its function with these arguments, and return what it returns.

        Arrays in arguments and results are copied once on their way, and read where they are,
        read-only, as long as they live. It waits `timeout_ms` milliseconds until a server is free
        and has answered; None waits for ever. Other threads run meanwhile, and Ctrl-C ends the
        wait. Each call is served at most once; one that was given up may still be.

        What the function raises is raised here, with `RemoteTraceback` as its cause. Raises
        PeerDiedError within 100 ms if its server is killed, or nobody serves any more, and within a
        second where hundreds of calls wait in one process; TimeoutError
        if the time is over; ShutDown if the service was shut down; ValueError if this is closed;
        and what pickling the arguments and loading the result raises.
        """
        with _Call(self, timeout_ms) as call:
            call.fill(args, kwargs)
            while not call.numbers:
                with contextlib.suppress(_zinc.FullError):
                    call.post(call.nap())
            while not call.reply:
                try:
                    call.reply = call.replies.get(timeout_ms=call.nap())
                except queue.Empty:
                    call.look()
            return call.result()

    async def call_async(
        self, /, *args: Any, timeout_ms: float | None = None, **kwargs: Any
    ) -> Any:
        """As `call`, for a coroutine: other tasks of its loop run meanwhile.

        Only to be awaited in a task of asyncio or trio.
        """
        with _Call(self, timeout_ms) as call:
            call.fill(args, kwargs)
            await _polling.until_room(self._requests.region, lambda: call.post(0), timeout_ms)
            while not call.reply:
                try:
                    call.reply = await call.replies.get_async(call.nap())
                except queue.Empty:
                    call.look()
            return call.result()

    def shutdown(self) -> None:
        """Let all servers end once they have answered what they are asked already."""
        self._requests.shutdown()

    def close(self) -> None:
        """Be done with it; a second time does nothing. Results and their arrays stay.

        Calls of other threads and tasks that wait get ValueError.
        """
        self._requests.close()
        self._take_all()

    @property
    def name(self) -> str:
        """The name of the service."""
        return str(self._requests.name)

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._requests.closed

    def _take_all(self) -> None:
        """Leave all queues for replies. A forked child has its parent's: they are not its own."""
        idle, self._idle = self._idle, []
        busy, self._busy = self._busy, set()
        process, self._process = self._process, os.getpid()
        if process == self._process:
            for replies in [*idle, *busy]:
                _leave(replies)

    def _begin(self) -> Queue:
        """Return the queue for the reply of one call."""
        if not self.closed:
            if os.getpid() != self._process:
                self._take_all()
            try:
                replies = self._idle.pop()
            except IndexError:
                replies = self._make()
            self._busy.add(replies)
            if not self.closed:  # else another thread's close() may have missed it
                return replies
            _leave(replies)
        raise ValueError(f"call {self.name!r}: the client is closed")

    def _end(self, replies: Queue, is_free: bool) -> None:
        """Keep the queue of a call for another one, unless an answer may still come."""
        self._busy.discard(replies)
        if is_free:
            self._idle.append(replies)
        if not is_free or self.closed:
            _leave(replies)

    def _make(self) -> Queue:
        mode, group = self._rights
        replies: Queue = Queue(
            1,
            name=_PREFIX + secrets.token_hex(8),
            slot_size=self._slot_size,
            workers=1,
            writers=1,
            views=self._views,
            redeliver=False,
            mode=mode,
            group=group,
        )
        replies.try_recv()  # takes a seat: who has none is gone, to a server
        return replies

    def _place(self) -> tuple[Any, ...]:
        return self._requests, self._slot_size, self._views

    def __repr__(self) -> str:
        """Show what it calls."""
        return f"<zinc.Client of {self.name!r}{', closed' if self.closed else ''}>"


class _Call:
    """One call, whose queue for the reply is another call's once it has been answered."""

    def __init__(self, client: Client, timeout_ms: float | None) -> None:
        seconds = _async.in_seconds(timeout_ms)
        self.client, self.requests = client, client._requests
        self.timeout_ms = timeout_ms
        self.end = math.inf if seconds is None else time.monotonic() + seconds
        self.parts: _objects.Parts | _objects.Moved | None = None
        self.numbers: list[int] = []  # that of the request, once it is sent
        self.reply: tuple[Any, ...] | None = None
        self.pause = _LOOK

    def __enter__(self) -> Self:
        self.replies = self.client._begin()
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if not self.numbers and self.parts is not None:
            self.parts.drop()
        elif isinstance(self.parts, _objects.Moved):
            self.parts.region.close()  # the server has the ticket
        self.client._end(self.replies, self.reply is not None or not self.numbers)
        if isinstance(error, ValueError) and self.reply is None and self.client.closed:
            what = f"call {self.client.name!r}: the client was closed meanwhile"
            raise ValueError(what) from None

    def fill(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Pickle the request, which is then to be posted."""
        room = self.requests.slot_size - _HEAD.size
        self.parts = _channel.pickled((args, kwargs), self.requests, room)

    def post(self, wait: float) -> None:
        """Send the request, if there is room within so many milliseconds.

        FullError if there is none yet, TimeoutError if the time is over, PeerDiedError if there
        will be none.
        """
        assert self.parts is not None
        deadline = _FOREVER if self.end == math.inf else int(self.end * 1e9)
        head = _HEAD.pack(str(self.replies.name).encode(), deadline)
        try:
            self.parts.send(self.requests, 0, wait, self.numbers, head)
        except _zinc.FullError:
            where = f"call {self.client.name!r}"
            if not self.is_served():
                what = f"{where}: nobody serves it any more"
                raise PeerDiedError(errno.ECONNRESET, what) from None
            if time.monotonic() >= self.end:
                what = f"{where}: no answer within {self.timeout_ms} ms, no server was free"
                raise TimeoutError(what) from None
            raise

    def nap(self) -> float:
        """Return how long to wait until the next look, in milliseconds."""
        return max(0.0, min(self.pause, (self.end - time.monotonic()) * 1000))

    def is_served(self) -> bool:
        """Return whether somebody serves."""
        begin = time.monotonic()
        is_served = _served(self.requests)
        self.pause = min(max(_LOOK, _SHARE * (time.monotonic() - begin) * 1000), _PATIENCE)
        return is_served

    def look(self) -> None:
        """Is somebody going to answer? Else raise, unless it has been done meanwhile."""
        where = f"call {self.client.name!r}"
        state = _zinc.find_message(self.requests.region, self.numbers[0])
        if state == _zinc.TASK_HELD or (state == _zinc.TASK_WAITS and self.is_served()):
            if time.monotonic() >= self.end:
                what = "it is at work" if state == _zinc.TASK_HELD else "no server was free"
                raise TimeoutError(f"{where}: no answer within {self.timeout_ms} ms, {what}")
            return
        try:
            self.reply = self.replies.get_nowait()
        except queue.Empty:
            pass
        else:
            return
        what = "nobody serves it any more" if state == _zinc.TASK_WAITS else "its server has died"
        raise PeerDiedError(errno.ECONNRESET, f"{where}: {what}")

    def result(self) -> Any:
        """Return the result, or raise what was raised."""
        assert self.reply is not None
        self.replies.task_done()
        is_result, value, *more = self.reply
        if is_result:
            return value
        raise _raised(value, *more)


def connect(
    name: str,
    *,
    timeout_ms: float | None = 0,
    slot_size: int = SLOT_SIZE,
    views: int = 16,
    any_user: bool = False,
) -> Client:
    """Connect to the function that is served under this name, and wait `timeout_ms` for a server.

    Replies that take more than `slot_size` bytes have memory of their own, which takes longer. Of
    `views` results of each thread or task that calls at the same time there may be arrays; of more
    they are copies. By default what another user than root or this one serves is not called;
    `any_user` does.

    Raises FileNotFoundError if nobody served it all the time, ValueError for sizes that can't be,
    and what `Queue.open` raises.

    >>> import threading, zinc
    >>> threading.Thread(target=zinc.serve, args=("docs-sum", sum)).start()  # a process, as a rule
    >>> adder = zinc.connect("docs-sum", timeout_ms=5000)
    >>> adder.call([1, 2, 3])
    6
    >>> adder.shutdown()
    """
    for what, count in ("slot_size", slot_size), ("views", views):
        if operator.index(count) < 1:
            raise ValueError(f"{what} must be one or more, not {count}")
    seconds = _async.in_seconds(timeout_ms)
    end = math.inf if seconds is None else time.monotonic() + seconds
    requests = Queue.open(name, timeout_ms=timeout_ms, any_user=any_user)
    while not _served(requests):
        if time.monotonic() >= end:
            requests.close()
            raise FileNotFoundError(errno.ENOENT, f"connect to {name!r}: nobody serves it")
        time.sleep(0.002)
    return Client(requests, slot_size, views)


def _leave(replies: Queue) -> None:
    """Take no more replies: none comes, and who serves lets go of the queue."""
    with contextlib.suppress(ValueError):  # closed already
        replies.shutdown()
    replies.close()


def _served(requests: Queue) -> bool:
    return any(worker.alive for worker in requests.workers)


# ---- who serves ----


class _Server:
    """What a process knows of those whom it answers."""

    def __init__(self, name: str, maxsize: int, slot_size: int | None, **options: Any) -> None:
        self.requests = Queue(maxsize, name=name, slot_size=slot_size, redeliver=False, **options)
        self.callers: dict[str, Queue] = {}
        mode, _ = _objects.rights(self.requests.region)
        self.is_private = mode & 0o077 == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for replies in self.callers.values():
            replies.close()
        self.requests.close()

    def caller(self, name: str) -> Queue:
        """Open the queue of a caller, and close those of callers that are gone."""
        if not name.startswith(_PREFIX):
            raise ValueError(f"no caller: {name!r}")
        self.forget_the_gone()
        replies = self.callers[name] = Queue.open(name, any_user=not self.is_private)
        return replies

    def forget_the_gone(self) -> None:
        """Close the queues of callers that are gone."""
        for name, replies in list(self.callers.items()):
            if not _served(replies):
                self.forget(name)

    def forget(self, name: str) -> None:
        """Close the queue of a caller."""
        if (replies := self.callers.pop(name, None)) is not None:
            replies.shutdown(immediate=True)
            replies.close()


class _Request:
    """A call, as its server has it: what is raised within its `with` is the answer."""

    def __init__(self, server: _Server, message: Message, *ends: type[BaseException]) -> None:
        self.server, self.message = server, message
        self.ends: tuple[type[BaseException], ...] = (*_ENDS, *ends)
        self.place = ""
        self.replies: Queue | None = None
        self.taken: list[tuple[str, int]] = []
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        is_answer = error is not None and not isinstance(error, self.ends)
        try:
            if error is not None and is_answer:
                self.answer(_failure(error))
        finally:
            self.message.release()
            _objects.give_back(self.taken)
        return is_answer

    def is_wanted(self) -> bool:
        """Load it, in any case: what it refers to is given back then. False if nobody waits."""
        name, deadline = _HEAD.unpack_from(self.message.data)
        self.place = name.rstrip(b"\0").decode("ascii", "replace")
        with contextlib.suppress(OSError, ValueError):  # gone, or nobody of ours
            self.replies = self.server.callers.get(self.place) or self.server.caller(self.place)
        arguments = self.message.data[_HEAD.size :]
        # As Message.object() does: what the function keeps is not to take all slots.
        requests = self.server.requests
        is_copied = requests._at_desk is not None and (
            requests._at_desk.worker.held > requests.views
        )
        self.args, self.kwargs = _objects.load(arguments, copy=is_copied, taken=self.taken)
        return self.replies is not None and time.monotonic_ns() < deadline

    def answer(self, outcome: tuple[Any, ...]) -> None:
        """Send the result, or what was raised."""
        if self.replies is None:
            return
        try:
            self.replies.put(outcome, timeout_ms=_PATIENCE)
        except (queue.Full, ShutDown):
            self.server.forget(self.place)
        except self.ends:
            raise
        except BaseException as error:  # it can't be pickled, or there is no memory for it
            if outcome[0]:
                self.answer(_failure(error))
            elif outcome[1]:
                self.answer((False, b"", *outcome[2:]))
            elif outcome[3]:
                self.answer((False, b"", outcome[2][:100], ""))


def _failure(error: BaseException) -> tuple[bool, bytes, str, str]:
    """Return what tells a caller of an exception: it, pickled, what it says, and where it was.

    Whatever its class does, as it is pickled and as it is shown.
    """
    told, text, pickled = type(error).__name__, "", b""
    try:
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next  # without this file
        told = "".join(traceback.format_exception_only(error)).strip()[:_LONGEST]
        text = "".join(traceback.format_exception(error))[-_LONGEST:]
        if isinstance(error, Exception):  # what is none would end more than the call
            pickled = pickle.dumps(error)
    except _ENDS:
        raise
    except BaseException:
        pass
    return False, pickled, told, text


def _raised(pickled: bytes, told: str, text: str) -> Exception:
    """Return what a server has raised, or what says so, if that can't be loaded."""
    error: object = None
    with contextlib.suppress(Exception):  # whatever its class does
        error = pickle.loads(pickled)
    if not isinstance(error, Exception):
        error = RuntimeError(f"{told} (what the server has raised can't be pickled)")
    error.__cause__ = RemoteTraceback(text)
    return error


def serve(
    name: str,
    function: Callable[..., Any],
    *,
    maxsize: int = 64,
    slot_size: int | None = None,
    workers: int = 8,
    views: int = 16,
    mode: int = PRIVATE,
    group: str | int | None = None,
    any_user: bool = False,
) -> None:
    """Serve a function under a name, until the service is shut down; `connect` calls it.

    Any number of processes and threads may serve one name, and each call goes to one of them that
    is free; up to `maxsize` calls wait. Arguments are read where the caller has put them: arrays
    are read-only. Arguments of more than `slot_size` bytes, 256 KiB by default, have memory of
    their own, which takes longer; `workers`, who serve, and `views`, the calls of whose arguments
    each of them may have arrays, say how much there is otherwise, as for `Queue`. The first server
    says it. What the function raises is raised at the caller, or a RuntimeError with its text, if
    it can't be pickled or is no Exception; but KeyboardInterrupt and SystemExit end the server.
    `mode`, `group` and `any_user` are as for `Queue`.

    Arguments are pickled: whoever may call can run code as the server's user.

    Raises what `Queue` raises.
    """
    rights = {"mode": mode, "group": group, "any_user": any_user}
    with _Server(name, maxsize, slot_size, workers=workers, views=views, **rights) as server:
        worker = server.requests._worker()
        while True:
            try:
                message = worker.next(_IDLE, [])
            except ShutDown:
                return
            if message is None:
                server.forget_the_gone()
                continue
            with _Request(server, message) as request:
                if request.is_wanted():
                    request.answer((True, function(*request.args, **request.kwargs)))


async def serve_async(
    name: str,
    function: Callable[..., Awaitable[Any]],
    *,
    concurrency: int = 16,
    maxsize: int = 64,
    slot_size: int | None = None,
    workers: int = 8,
    mode: int = PRIVATE,
    group: str | int | None = None,
    any_user: bool = False,
) -> None:
    """As `serve`, for a coroutine function, of which up to `concurrency` calls run at once.

    Only to be awaited in a task of asyncio. When that is cancelled, so are the calls that run:
    their callers get PeerDiedError.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency must be one or more, not {concurrency}")
    rights = {"mode": mode, "group": group, "any_user": any_user}

    async def answer(message: Message) -> None:
        try:
            with _Request(server, message, asyncio.CancelledError, GeneratorExit) as request:
                if request.is_wanted():
                    request.answer((True, await function(*request.args, **request.kwargs)))
        finally:
            free.release()

    free = asyncio.Semaphore(concurrency)
    views = concurrency + 1
    with _Server(name, maxsize, slot_size, workers=workers, views=views, **rights) as server:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                try:
                    message = await server.requests.recv_async(_IDLE)
                except TimeoutError:
                    server.forget_the_gone()
                    free.release()
                    continue
                except ShutDown:
                    return
                tasks.create_task(answer(message))
