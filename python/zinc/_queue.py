"""Queues: objects and messages that each go to one of those who work, whoever is killed."""

from __future__ import annotations

import atexit
import contextlib
import math
import operator
import os
import queue
import re
import sys
import threading
import time
import weakref
from collections import deque
from typing import cast

from . import _async, _channel, _named, _objects, _polling, _region, _users, _zinc
from ._mode import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, Self

    from ._region import SharedRegion
    from ._zinc import Message

__all__ = ["JoinableQueue", "Queue", "ShutDown"]

if TYPE_CHECKING or not hasattr(queue, "ShutDown"):

    class ShutDown(Exception):  # noqa: N818, the name that the standard library has
        """A queue was shut down, and takes no more items, or has none left.

        That of the standard library's `queue`, where it has one: from Python 3.13 on.
        """

        __module__ = "zinc"

else:
    ShutDown = queue.ShutDown

# Of a queue that was made without a limit.
UNLIMITED = 1024
SLOT_SIZE = 1 << 18
MOST_VIEWS = 1024

_VIEWS = re.compile(rb"\{'views': (\d{1,4})\}")


class _Work:
    """What one thread or one task has got, and not said to be done."""

    __slots__ = ("__weakref__", "_desk", "messages", "over")

    def __init__(self, desk: _Desk) -> None:
        self.messages: list[Message] = []
        # How many were done without its saying so, and may still be said to be.
        self.over = 0
        self._desk = weakref.ref(desk)

    def __del__(self) -> None:
        # Takes no lock: in a forked child one may be held for ever by a thread that is not there.
        is_begun = hasattr(self, "_desk")  # Ctrl-C may have ended what sets it
        if is_begun and (desk := self._desk()) is not None:
            count, kept = len(self.messages), ([], self.messages)[desk.is_joinable]
            desk.ended.append((self.over + count - len(kept), kept))


class _Local(threading.local):
    work: _Work | None = None


class _Desk:
    """What a process has got of a queue. A forked child begins another."""

    def __init__(self, worker: _zinc.Worker, is_joinable: bool) -> None:
        self.worker = worker
        self.is_joinable = is_joinable
        self.local = _Local()
        # Of threads and tasks that have ended: how many are over, and what is not.
        self.ended: deque[tuple[int, list[Message]]] = deque()
        self._lock = threading.RLock()  # a signal handler may get, too
        self._works: weakref.WeakSet[_Work] = weakref.WeakSet()
        self._tasks: weakref.WeakKeyDictionary[Any, _Work] = weakref.WeakKeyDictionary()
        self._orphans = _Work(self)
        self._works.add(self._orphans)

    def of_thread(self) -> _Work:
        """Begin the work of this thread."""
        work = self.local.work = self._begin()
        return work

    def of_task(self) -> _Work:
        """Return the work of this task of asyncio or trio."""
        task = _current_task()
        work = self._tasks.get(task)
        if work is None:
            work = self._tasks[task] = self._begin()
        return work

    def _begin(self) -> _Work:
        _end_with_process()
        work = _Work(self)
        with self._lock:
            self._works.add(work)
            self._adopt()
        return work

    def _adopt(self) -> None:
        while self.ended:
            over, messages = self.ended.popleft()
            self._orphans.over += over
            self._orphans.messages += messages

    def end(self, work: _Work) -> None:
        """Be done with what it got before, as it asks for more."""
        with self._lock:
            while work.messages:
                work.messages.pop().release()
                work.over += 1

    def is_held_by_others(self, own: _Work) -> bool:
        """Say whether it is one of many, of which others will be done as they get more."""
        with self._lock:
            return not own.messages and any(one.messages for one in list(self._works))

    def done(self) -> bool:
        """Say that one is done: of those that this thread got, else of others; False if none is."""
        with self._lock:
            own = self.local.work
            if own is not None and _is_one_done(own):
                return True
            self._adopt()
            if _is_one_done(self._orphans):
                return True
            others = [work for work in self._works if work.over or work.messages]
            return bool(others) and _is_one_done(min(others, key=_first))

    def end_all(self, is_done: bool = True) -> None:
        """Be done with all, or leave it to others, where that need not be said."""
        if not self.is_joinable:
            with self._lock:
                for work in list(self._works):
                    while not is_done and work.messages:
                        work.messages.pop().give_back()
                    self.end(work)

    def close(self) -> None:
        """Take no more. What is not done is others'."""
        self.end_all()
        with self._lock:
            for work in list(self._works):
                work.messages.clear()
            self.ended.clear()
        self.worker.close()


def _is_one_done(work: _Work) -> bool:
    if work.over:
        work.over -= 1
    elif work.messages:
        work.messages[0].release()  # before it is forgotten: Ctrl-C may come between
        del work.messages[0]
    else:
        return False
    return True


def _first(work: _Work) -> int:
    return 0 if work.over else work.messages[0].number


def _current_task() -> Any:
    if _async.is_in_trio():
        return sys.modules["trio"].lowlevel.current_task()
    return sys.modules["asyncio"].current_task()


class Queue(_zinc.Writer, _named.Named, _named.Closing):
    """Objects and messages, each of which goes to one of those who work.

    Named and used as `queue.Queue` and `multiprocessing.Queue`, between any processes and threads:
    ``Queue(name="jobs")`` opens the queue of this name, or creates it; without a name it has a
    random one. Under multiprocessing and joblib it goes to other processes as a reference, a
    forked child goes on with it as its own, and it ends with its last user.

    `put` writes an object straight into shared memory, `get` reads it there: arrays in it are
    read-only, and not copied. `send`, `loan` and `recv` are the same for bytes. It holds `maxsize`
    items, exactly; 0 means 1024. An item that does not fit into `slot_size` bytes, 256 KiB by
    default, is put beside. Memory is taken as items come, and used again for the next ones;
    `reserve` takes all of it at once, so that no `put` finds it used up.

    Whoever is killed holds nobody up, and nothing is lost: what somebody had got and was at work
    on goes to another one, and `Message.redelivered` says so. An item that `get` has returned is
    at work until `task_done`, or the next `get` of the same thread or asyncio task, or `close`, or
    the end of the process, but by an exception. With ``redeliver=False`` nobody gets it any
    more.

    What exists keeps its sizes. `workers`, `writers` and `views`, the items that each worker may
    have arrays of, say how much memory there is: where they have more, `get` copies, and `put`
    waits. The rest as for `SharedRegion.create`.

    Otherwise than in the standard library there is no thread that feeds a pipe: what `put` has
    returned from is there, `qsize` and `empty` are exact, objects that can't be pickled raise in
    `put`, and `join_thread` and `cancel_join_thread` do nothing. `maxsize` can't be changed, and
    subclasses can't replace ``_put``, ``_get``, ``_init`` or ``_qsize``. After `close` nothing can
    be asked any more. A negative timeout is ValueError.

    Raises FileExistsError if the name is something else's; ValueError if the queue exists with
    another `maxsize`, `slot_size` or `redeliver`, and for sizes that can't be; and what
    `SharedRegion.create` raises.

    >>> import zinc
    >>> jobs = zinc.Queue(10, name="docs-jobs")
    >>> jobs.put({"frame": 1})
    >>> zinc.Queue(name="docs-jobs").get()  # in another process, as a rule
    {'frame': 1}
    >>> jobs.task_done()
    Traceback (most recent call last):
    ...
    ValueError: task_done() of queue 'docs-jobs': called more often than get()
    >>> jobs.close()
    """

    __module__ = "zinc"
    __slots__ = (
        "__weakref__",
        "_at_desk",
        "_maxsize",
        "_redeliver",
        "_sent",
        "_slot_size",
        "_views",
    )

    _is_joinable = False
    _at_desk: _Desk | None
    _sent: _objects.Sent
    _maxsize: int
    _redeliver: bool
    _slot_size: int
    _views: int

    def __new__(
        cls,
        maxsize: int = 0,
        *,
        name: str | None = None,
        slot_size: int | None = None,
        workers: int = 8,
        writers: int = 8,
        views: int = 16,
        redeliver: bool | None = None,
        reserve: bool = False,
        mode: int = PRIVATE,
        group: str | int | None = None,
        any_user: bool = False,
    ) -> Self:
        """Open the queue of this name, or create it."""
        maxsize = max(0, operator.index(maxsize))
        wanted = (
            maxsize or None,
            None if slot_size is None else operator.index(slot_size),
            None if redeliver is None else bool(redeliver),
        )
        while True:
            if name is not None:
                try:
                    opened = cls.open(name, any_user=any_user)
                except FileNotFoundError:
                    pass
                else:
                    opened._expect(*wanted)
                    return opened
            region = None
            try:
                region = _created(
                    maxsize or UNLIMITED,
                    f"queue-{os.urandom(8).hex()}" if name is None else name,
                    SLOT_SIZE if slot_size is None else slot_size,
                    *(workers, writers, views),
                    redeliver is None or redeliver,
                    reserve,
                    mode,
                    group,
                )
                return cls._at(region)
            except FileExistsError:  # somebody was faster
                continue
            except BaseException:
                if region is not None:
                    _region.discard(region)
                raise

    @classmethod
    def open(cls, name: str, *, timeout_ms: float | None = 0, any_user: bool = False) -> Self:
        """Open the queue of this name, and wait for it `timeout_ms` as `SharedRegion.open`.

        Raises ValueError if what has the name is no queue, and what `SharedRegion.open` raises.
        """
        flags = _zinc.ANY_USER if any_user else 0
        return _region.or_close(_zinc.open(_region.SharedRegion, name, flags, timeout_ms), cls._at)

    @classmethod
    def _at(cls, region: SharedRegion) -> Self:
        if region.kind != _zinc.CHANNEL:
            raise ValueError(f"{region._title} is no queue: its kind is {region.kind}")
        payload, maxsize, _, views, how, _ = _zinc.examine_channel(region)
        if not how & _zinc.QUEUE:
            raise ValueError(f"{region._title} is no queue, but a channel: see zinc.Channel.open")
        self = cls.__new_at__(region)
        self._at_desk = None
        self._sent = _objects.Sent()
        self._maxsize, self._slot_size = maxsize, payload
        self._redeliver = not how & _zinc.QUEUE_AT_MOST_ONCE
        said = _VIEWS.fullmatch(region.metadata)
        self._views = min(int(said[1]), views) if said else views
        _queues.add(self)
        return self

    @classmethod
    def __new_at__(cls, region: SharedRegion) -> Self:
        return _zinc.Writer.__new__(cls, region, _channel.bytes_of, None, (1 << 64) - 1)

    def _expect(self, *wanted: object) -> None:
        """Refuse what contradicts what exists."""
        found = self._maxsize, self._slot_size, self._redeliver
        for key, want, has in zip(
            ("maxsize", "slot_size", "redeliver"), wanted, found, strict=True
        ):
            if want is not None and want != has:
                title = self._title
                self.close()
                raise ValueError(f"{title} exists with {key}={has}, and {want} is wanted")

    # ---- objects ----

    def put(
        self,
        obj: Any,
        block: bool = True,
        timeout: float | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> None:
        """Put an object into the queue, and wait for room if it is full.

        It is written into shared memory before this returns, so it may be changed then. It waits
        `timeout` seconds or `timeout_ms` milliseconds; None waits for ever, and `block=False` not
        at all. Other threads run meanwhile, and Ctrl-C ends the wait.

        Raises queue.Full if it was full all the time; ShutDown if it was shut down, meanwhile too;
        ValueError if it is closed, meanwhile too, for a timeout that can't be, and for an object
        that is too large; and whatever pickling the object raises.
        """
        wait = timeout_ms if block and timeout is None else _wait(block, timeout, timeout_ms)
        try:
            _channel.send_object(self, obj, 0, wait)
        except _zinc.FullError as error:
            raise queue.Full(str(error)) from None

    def _keep(self, number: int, parts: _objects.Parts | _objects.Moved) -> None:
        """Keep the regions of an item until it is done. Who gets it gives the tickets back."""
        if parts.tickets is not None:
            self._sent.add(number, parts, has_tickets=False)
        if self._sent:
            self._sent.sweep(_objects.gone_from(self.region))

    def put_nowait(self, obj: Any) -> None:
        """Put an object into the queue if there is room: ``put(obj, False)``."""
        self.put(obj, False)

    async def put_async(self, obj: Any, timeout_ms: float | None = None) -> None:
        """As `put`, for a coroutine: other tasks of its loop run meanwhile.

        While the queue is full it looks for room after half a millisecond, and then less and less
        often, up to 20 ms. A put that is cancelled has put nothing. Raises what `put` raises; only
        to be awaited in a task of asyncio or trio.
        """
        try:
            await _channel.send_object_async(self, obj, 0, timeout_ms)
        except _zinc.FullError as error:
            raise queue.Full(str(error)) from None

    def get(
        self,
        block: bool = True,
        timeout: float | None = None,
        *,
        timeout_ms: float | None = None,
    ) -> Any:
        """Take the next object out of the queue, and wait for one if it is empty.

        What this thread got before is done now; see the class. It waits as `put` does. Arrays in
        the object are read-only and where the sender has put them, which they hold as long as they
        live. Where this process holds as many as it may, they are copies.

        Raises queue.Empty if none came; ShutDown if it was shut down and nothing is left;
        ValueError if it is closed, meanwhile too, and for a timeout that can't be; ViewLimitError
        if this process is at work on as many as may be, which it waits for, too, where they are
        other threads' that get. Whatever loading the object raises comes with a note of
        which it was, and that one is done: it would be too much for others as well.
        """
        wait = timeout_ms if block and timeout is None else _wait(block, timeout, timeout_ms)
        desk = self._at_desk or self._sit()
        work = desk.local.work or desk.of_thread()
        try:
            return self._get(desk, work, wait)
        except _zinc.ViewLimitError:
            if wait == 0 or not desk.is_held_by_others(work):
                raise
        return self._get_after_others(desk, work, wait)

    def _get_after_others(self, desk: _Desk, work: _Work, wait: float | None) -> Any:
        """Get once some of the other threads, which have got as many as may be, are done."""
        end = math.inf if wait is None else time.monotonic() + wait / 1000
        nap = 0.0005
        while True:
            time.sleep(nap)
            left = (end - time.monotonic()) * 1000
            try:
                return self._get(desk, work, None if left == math.inf else max(0, left))
            except _zinc.ViewLimitError:
                if left <= 0 or not desk.is_held_by_others(work):
                    raise
            nap = min(nap * 2, _polling.NAP / 1000)

    def _get(self, desk: _Desk, work: _Work, wait: float | None) -> Any:
        messages = work.messages
        if messages and not desk.is_joinable:
            desk.end(work)
        worker, before = desk.worker, len(messages)
        try:
            message = worker.next(wait, messages)
            if message is not None:
                return message.object()
        except BaseException as error:
            if len(messages) > before:
                self._failed(messages.pop(), error)
            raise
        raise queue.Empty(f"get from {self._title}: nothing came")

    def _failed(self, message: Message, error: BaseException) -> None:
        if isinstance(error, Exception):
            error.add_note("it can't be loaded, and counts as done")
            message.release()
        else:
            message.give_back()

    def get_nowait(self) -> Any:
        """Take the next object out of the queue if there is one: ``get(False)``."""
        return self.get(False)

    async def get_async(self, timeout_ms: float | None = None) -> Any:
        """As `get`, for a coroutine: other tasks of its loop run meanwhile.

        What the same task got before is done now. A wait that is cancelled has got nothing. Raises
        what `get` raises; only to be awaited in a task of asyncio or trio.
        """
        desk = self._at_desk or self._sit()
        work = desk.of_task()
        found: list[Any] = []

        def attempt() -> bool:
            try:
                found.append(self._get(desk, work, 0))
            except queue.Empty:
                return False
            except _zinc.ViewLimitError:
                if desk.is_held_by_others(work):
                    return False
                raise
            return True

        await _until(desk.worker, attempt, timeout_ms)
        if not found:
            raise queue.Empty(f"get from {self._title}: nothing came within {timeout_ms} ms")
        return found[0]

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the objects that come, until it is shut down, or closed."""
        while not self.closed:
            try:
                item = self.get()
            except ShutDown:
                return
            except ValueError:
                if self.closed:
                    return
                raise
            yield item

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over the objects that come, until it is shut down, or closed."""
        while not self.closed:
            try:
                item = await self.get_async()
            except ShutDown:
                return
            except ValueError:
                if self.closed:
                    return
                raise
            yield item

    def task_done(self) -> None:
        """Say that what `get` has returned is done: for `join`, and so that nobody else gets it.

        Once for each `get`: of what this thread got the first that is not, else what another
        thread of the process did. What was done already, since this thread got another one, may
        still be said to be.

        Raises ValueError if it is called more often than `get`.
        """
        desk = self._at_desk
        if desk is None or not desk.done():
            raise ValueError(f"task_done() of {self._title}: called more often than get()")

    def join(self, *, timeout_ms: float | None = None) -> None:
        """Wait until all that was put or sent is done; None waits for ever.

        Other threads run meanwhile, and Ctrl-C ends the wait. What somebody was at work on who was
        killed is not done, until another has got it and is done, or with ``redeliver=False`` it is
        gone.

        Raises TimeoutError if it took longer, ValueError if it is closed, meanwhile too.
        """
        if not _zinc.join_queue(self._open(), timeout_ms):
            _, at_work, left, _ = told = _zinc.examine_queue(self._open())
            raise TimeoutError(
                f"join {self._title}: after {timeout_ms} ms {told[0] + left} wait, and {at_work} "
                "are being worked on"
            )
        for _ in range(len(self._sent)):
            self._sent.sweep(_objects.gone_from(self.region))

    def qsize(self) -> int:
        """Return how many items wait, those of workers that were killed too."""
        waiting, held, left, _ = _zinc.examine_queue(self._open())
        if held and self._redeliver:  # nobody may have come upon the dead yet
            left += sum(one.at_work for one in self.workers if not one.alive)
        if self._sent:
            self._sent.sweep(_objects.gone_from(self.region))
        return waiting + left

    def empty(self) -> bool:
        """Say whether none waits."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Say whether there is no room for another."""
        return _zinc.examine_queue(self._open())[0] >= self._maxsize

    # ---- messages ----

    def recv(self, timeout_ms: float | None = None) -> Message:
        """Take the next message, and wait for it so many milliseconds; None waits for ever.

        It is at work until its `release`, the end of its `with` or its own; an exception out of
        the `with` gives it back to others, as one of a signal handler's does that comes before the
        caller has it. A process may hold several.

        Raises TimeoutError if none came; ShutDown if the queue was shut down and nothing is left;
        ValueError if it is closed, meanwhile too; ViewLimitError if this process holds as many as
        it may.
        """
        return self._worker().recv(timeout_ms)

    def try_recv(self) -> Message | None:
        """Take the next message, or return None if there is none. Raises what `recv` raises."""
        return self._worker().try_recv()

    def recv_many(self, n: int, timeout_ms: float | None = None) -> list[Message]:
        """Take up to `n` messages: wait for the first, and take those that are there then.

        Raises what `recv` raises.
        """
        return self._worker().recv_many(n, timeout_ms)

    async def recv_async(self, timeout_ms: float | None = None) -> Message:
        """As `recv`, for a coroutine: other tasks of its loop run meanwhile.

        A wait that is cancelled has taken nothing. Raises what `recv` raises; only to be awaited
        in a task of asyncio or trio.
        """
        worker = self._worker()
        found: list[Message] = []

        def attempt() -> bool:
            message = worker.try_recv()
            if message is not None:
                found.append(message)
            return message is not None

        await _until(worker, attempt, timeout_ms)
        if not found:
            where = f"receive from {self._title}"
            raise TimeoutError(f"{where}: no message came within {timeout_ms} ms")
        return found.pop()

    async def send_async(self, data: Any, tag: int = 0, timeout_ms: float | None = None) -> int:
        """As `send`, for a coroutine: other tasks of its loop run meanwhile; see `put_async`."""
        return await _polling.until_room(self.region, lambda: self.send(data, tag, 0), timeout_ms)

    # ---- the end ----

    def shutdown(self, immediate: bool = False) -> None:
        """Let nothing more be put, by anybody: `put` raises ShutDown, and `get` once all is taken.

        With `immediate` what waits counts as done, and nobody gets it. Raises ValueError if it is
        closed.
        """
        _zinc.close_queue(self._open())
        if not immediate:
            return
        worker = self._worker()
        try:
            while self.qsize():
                message = worker.next(_polling.NAP, [])
                if message is not None:  # it leaves what it gave back to others
                    with contextlib.suppress(Exception):  # what it refers to is given back
                        message.object()
                    message.release()
        except ShutDown:
            pass

    def close(self) -> None:
        """Be done with it, and with what `get` has returned. A second time does nothing.

        The queue lasts for others. Arrays that live stay as they are. Threads that wait get
        ValueError, and so does who uses it from now on.
        """
        desk = self._at_desk
        if desk is not None:
            desk.close()
        super().close()
        self._sent.close()

    def join_thread(self) -> None:
        """Do nothing: no thread has anything left to write. For code of multiprocessing."""

    def cancel_join_thread(self) -> None:
        """Do nothing, as `join_thread`."""

    # ---- what it is ----

    @property
    def maxsize(self) -> int:
        """How many items it holds."""
        return self._maxsize

    @property
    def unfinished_tasks(self) -> int:
        """How many items wait, or are at work."""
        return sum(_zinc.examine_queue(self._open())[:3])

    @property
    def is_shutdown(self) -> bool:
        """Whether it was shut down, by whomever."""
        return _zinc.examine_queue(self._open())[3]

    @property
    def slot_size(self) -> int:
        """Bytes of an item that is not put beside."""
        return self._slot_size

    @property
    def views(self) -> int:
        """How many items this process may have arrays of."""
        return self._views

    @property
    def redeliver(self) -> bool:
        """Whether what somebody was at work on who is killed goes to another."""
        return self._redeliver

    @property
    def writers(self) -> list[_users.WriterInfo]:
        """Who puts into it, and who of them waits for room; who was killed, too."""
        return _users.of_queue(_zinc.channel_users(self._open()))[0]

    @property
    def workers(self) -> list[_users.WorkerInfo]:
        """Who gets from it, and on how many each is at work; who was killed, too."""
        return _users.of_queue(_zinc.channel_users(self._open()))[1]

    def _open(self) -> SharedRegion:
        """Return its region. ValueError if it is closed."""
        if self.closed:
            raise ValueError(f"{self._title} is closed")
        region: SharedRegion = self.region
        return region

    def _sit(self) -> _Desk:
        """Take a seat as one that works, on a handle of its own."""
        if self.closed:
            raise ValueError(f"get from {self._title}: it is closed")
        region = _channel.once_more(self.region)
        try:
            desk = _Desk(self._begin_work(region), self._is_joinable)
        except BaseException:
            region.close()
            raise
        if self._at_desk is not None:  # another thread was faster
            desk.worker.close()
            return self._at_desk
        self._at_desk = desk
        if self.closed:  # by another thread, meanwhile
            desk.close()
        return desk

    def _worker(self) -> _zinc.Worker:
        """Return what `wait_any` waits for."""
        return (self._at_desk or self._sit()).worker

    def _begin_work(self, region: SharedRegion) -> _zinc.Worker:
        return _zinc.Worker(region, _channel.bytes_of, self._views, self._is_joinable)

    @property
    def _title(self) -> str:
        return f"queue {self.name!r}"

    def _whom_it_waits_for(self) -> str:
        """Say who works."""
        working = [one for one in self.workers if one.alive]
        if not working:
            return "nobody gets from it"
        busiest = max(working, key=lambda one: one.at_work)
        return (
            f"{len(working)} get from it, of which process {busiest.pid} is at work on "
            f"{busiest.at_work}"
        )

    def _place(self) -> tuple[Any, ...]:
        return (self.region,)

    def __getstate__(self) -> object:
        """Return what a subclass has of its own: the rest is found where the queue is opened."""
        state = super().__getstate__()
        if isinstance(state, tuple):
            attributes, slots = cast("tuple[object, dict[str, Any]]", state)
            own = {key: slots[key] for key in slots if key not in Queue.__slots__}
            return (attributes, own) if own else attributes
        return state

    def __repr__(self) -> str:
        """Show what it is."""
        if self.closed:
            return f"<zinc.{type(self).__name__} {self.name!r}, closed>"
        return f"<zinc.{type(self).__name__} {self.name!r}, {self.qsize()} of {self._maxsize}>"


class JoinableQueue(Queue):
    """A `Queue` of which only `task_done` says that what `get` has returned is done.

    As in multiprocessing: the next `get`, `close` and the end of the process do not. What was not
    said to be done goes to others then, as if this process were killed.
    """

    __module__ = "zinc"
    __slots__ = ()

    _is_joinable = True


_queues: weakref.WeakSet[Queue] = weakref.WeakSet()


def _created(
    maxsize: int,
    name: str,
    slot_size: int,
    workers: int,
    writers: int,
    views: int,
    redeliver: bool,
    reserve: bool,
    mode: int,
    group: str | int | None,
) -> SharedRegion:
    """Create the region of a queue. Who works may take of a common stock of slots, all of it."""
    for what, count in ("workers", workers), ("writers", writers), ("views", views):
        if operator.index(count) < 1:
            raise ValueError(f"{what} must be one or more, not {count}")
    stock = workers * (views + 1)  # one for what is copied, since it is too many
    pools = -(-stock // MOST_VIEWS)
    how = _zinc.QUEUE | (0 if redeliver else _zinc.QUEUE_AT_MOST_ONCE)
    said = f"{{'views': {min(views, MOST_VIEWS)}}}".encode()
    sizes = slot_size, maxsize, how, writers, pools, -(-stock // pools)
    number = _region.group_number(group)
    kind = _region.SharedRegion
    flags = 0 if reserve else _zinc.SPARSE
    return _region.made_by(kind, _zinc.create_channel, name, flags, mode, number, said, *sizes)


def _wait(block: bool, timeout: float | None, timeout_ms: float | None) -> float | None:
    """Return the milliseconds that both ways to say them mean."""
    if not block:
        return 0
    if timeout is None:
        return timeout_ms
    if timeout_ms is not None:
        raise ValueError("timeout, in seconds, or timeout_ms: give one of them")
    if not timeout >= 0:
        raise ValueError(f"'timeout' must be a non-negative number, not {timeout!r}")
    return timeout * 1000


async def _until(worker: Any, attempt: Any, timeout_ms: float | None) -> None:
    await _polling.until(worker.region, attempt, timeout_ms)


# ---- the process ----


def _end_all() -> None:
    """Be done with what was got; if an exception ends the process, leave it to others."""
    error = sys.exc_info()[1] or (None if hasattr(sys, "ps1") else getattr(sys, "last_value", None))
    for one in list(_queues):
        if one._at_desk is not None:
            one._at_desk.end_all(error is None or isinstance(error, SystemExit))


def _end_with_process() -> None:
    """Let what was got be done when this process ends, if it is a child of multiprocessing.

    Such a child ends without the functions of atexit.
    """
    global _ends_in
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _ends_in != os.getpid():
        _ends_in = os.getpid()
        util.Finalize(None, _end_all, exitpriority=0)


def _begin_in_child() -> None:
    for one in list(_queues):
        if (desk := one._at_desk) is not None:
            one._at_desk = _Desk(desk.worker, desk.is_joinable)


_ends_in = 0
atexit.register(_end_all)
os.register_at_fork(after_in_child=_begin_in_child)
