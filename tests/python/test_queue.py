"""Queues of objects and messages, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import mmap
import multiprocessing
import os
import pickle
import queue
import random
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import zinc
from zinc import _zinc


@pytest.fixture
def jobs(name: str) -> Iterator[zinc.Queue]:
    with zinc.Queue(8, name=name) as made:
        yield made


def test_objects_come_out_in_the_order_in_which_they_went_in(jobs: zinc.Queue) -> None:
    for item in (1, "two", {"three": [3.0]}):
        jobs.put(item)
    assert [jobs.get(), jobs.get(), jobs.get()] == [1, "two", {"three": [3.0]}]
    with pytest.raises(queue.Empty):
        jobs.get_nowait()


def test_arrays_are_read_where_they_were_put(jobs: zinc.Queue) -> None:
    jobs.put({"x": np.arange(100)})
    found = jobs.get()["x"]
    assert found.sum() == 4950
    assert not found.flags.writeable
    assert not found.flags.owndata


def test_full_queue_refuses_and_waits(jobs: zinc.Queue) -> None:
    for item in range(8):
        jobs.put(item)
    assert jobs.full()
    with pytest.raises(queue.Full):
        jobs.put_nowait(8)
    with pytest.raises(queue.Full):
        jobs.put(8, timeout=0.01)
    getter = threading.Timer(0.05, jobs.get)
    getter.start()
    jobs.put(8)
    getter.join()


def test_timeout_error_of_a_signal_handler_is_not_that_of_a_full_queue(name: str) -> None:
    def expire(*_: object) -> None:
        raise TimeoutError("the handler's")

    class Interrupted(zinc.Queue):
        """One whose next look for room a handler ends."""

        def _send_parts(self, *args: Any) -> Any:
            expire()

        def send(self, *args: Any) -> Any:
            expire()

    before = signal.signal(signal.SIGALRM, expire)
    try:
        with zinc.Queue(1, name=name) as jobs, Interrupted(1, name=name) as interrupted:
            jobs.put(1)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(TimeoutError, match="the handler's"):
                jobs.put(2)
            for ended in interrupted.put_async(2), interrupted.send_async(b"2"):
                with pytest.raises(TimeoutError, match="the handler's"):
                    asyncio.run(ended)
            assert jobs.get() == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_task_done_is_said_once_for_each_get(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.put(2)
    jobs.get()
    jobs.get()
    jobs.task_done()
    jobs.task_done()
    jobs.join(timeout_ms=1000)
    with pytest.raises(ValueError, match="more often"):
        jobs.task_done()


def test_join_waits_for_what_is_at_work(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.get()
    with pytest.raises(TimeoutError, match="1 are being worked on"):
        jobs.join(timeout_ms=20)


def test_after_shutdown_what_is_left_is_got(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.shutdown()
    with pytest.raises(zinc.ShutDown):
        jobs.put(2)
    assert list(jobs) == [1]
    with pytest.raises(zinc.ShutDown):
        jobs.get()


def test_closed_queue_raises(jobs: zinc.Queue) -> None:
    jobs.close()
    for call in (jobs.get, lambda: jobs.put(1), jobs.qsize, jobs.join, jobs.recv):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_name_brings_the_same_queue(jobs: zinc.Queue) -> None:
    with zinc.Queue(name=jobs.name) as other:
        jobs.put("hello")
        assert other.get() == "hello"
    for wrong in ({"maxsize": 16}, {"slot_size": 1}, {"redeliver": False}):
        with pytest.raises(ValueError, match="exists with"):
            zinc.Queue(name=jobs.name, **wrong)


# ---- messages ----


def test_bytes_go_the_same_way(jobs: zinc.Queue) -> None:
    with jobs.loan(3, tag=7) as loan:
        loan.data[:] = b"abc"
    assert jobs.send(b"defg", 8) == 2
    with jobs.recv() as first, jobs.recv() as second:
        assert (bytes(first.data), first.tag, first.redelivered) == (b"abc", 7, 0)
        assert (bytes(second.array), second.tag) == (b"defg", 8)
    jobs.join(timeout_ms=1000)
    assert jobs.try_recv() is None
    with pytest.raises(TimeoutError, match="no message came"):
        jobs.recv(timeout_ms=1)
    jobs.send(b"1")
    jobs.send(b"2")
    assert [bytes(message.data) for message in jobs.recv_many(5)] == [b"1", b"2"]


def test_exception_gives_a_message_back(jobs: zinc.Queue, name: str) -> None:
    jobs.send(b"hard")
    with pytest.raises(ZeroDivisionError), jobs.recv() as message:
        raise ZeroDivisionError
    with zinc.Queue(name=name) as other, other.recv(timeout_ms=10_000) as again:
        assert (bytes(again.data), again.number, again.redelivered) == (b"hard", message.number, 1)
    message.give_back()
    message.release()
    jobs.join(timeout_ms=1000)


def test_views_keep_the_slot_and_not_the_claim(jobs: zinc.Queue) -> None:
    jobs.send(b"kept")
    with jobs.recv() as message:
        view = message.data
    jobs.join(timeout_ms=1000)
    for _ in range(300):
        jobs.send(b"over")
        jobs.recv().release()
    assert bytes(view) == b"kept"


def test_message_that_is_given_back_is_not_written_to_before_the_last_view_is_gone(
    jobs: zinc.Queue,
) -> None:
    jobs.send(b"kept")
    message = jobs.recv()
    view = message.data
    message.give_back()
    for _ in range(300):
        jobs.send(b"over")
        jobs.recv().release()
    assert bytes(view) == b"kept"
    del view
    with jobs.recv(timeout_ms=10_000) as again:
        assert (bytes(again.data), again.redelivered) == (b"kept", 1)


def test_lost_message_is_done(jobs: zinc.Queue) -> None:
    jobs.send(b"1")
    message = jobs.recv()
    del message
    jobs.join(timeout_ms=1000)


# ---- objects ----


@pytest.mark.parametrize("call", ["recv", "try_recv", "recv_many", "recv_async"])
def test_message_that_ctrl_c_drops_as_it_is_received_comes_to_another(
    jobs: zinc.Queue, call: str
) -> None:
    """A handler that raises before the caller has the message: nobody can have worked on it."""

    def interrupt(frame: Any, event: str, function: Any) -> None:
        if event == "c_return" and isinstance(getattr(function, "__self__", None), _zinc.Worker):
            raise KeyboardInterrupt

    def receive() -> Any:
        if call == "recv_many":
            return jobs.recv_many(2)
        return asyncio.run(jobs.recv_async()) if call == "recv_async" else getattr(jobs, call)()

    jobs.send(b"1")
    jobs.send(b"2")
    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            receive()
    finally:
        sys.setprofile(None)
    assert jobs.unfinished_tasks == 2
    found = {(bytes(one.data), one.redelivered) for one in (jobs.recv(5000), jobs.recv(5000))}
    assert found == {(b"1", 1), (b"2", call == "recv_many")}


def test_ctrl_c_as_a_thread_begins_to_receive_is_told_to_it_alone(jobs: zinc.Queue) -> None:
    """What was half made by then ends without a word."""
    lines: list[int] = []
    at = 0

    def count(frame: Any, event: str, _: object) -> Any:
        if frame.f_code.co_qualname == "_Work.__init__" and event == "line":
            lines.append(frame.f_lineno)
            if len(lines) == at:
                raise KeyboardInterrupt
        return count

    def receive() -> None:
        sys.settrace(count)
        try:
            jobs.recv(0)
        except (KeyboardInterrupt, TimeoutError):
            ends.append(len(lines))
        finally:
            sys.settrace(None)

    ends: list[int] = []
    for step in (1, 2, 3, 4):
        at = step
        lines.clear()
        thread = threading.Thread(target=receive)
        thread.start()
        thread.join()
    assert ends == [1, 2, 3, 3]


def test_messages_are_received_whatever_a_signal_interrupts(name: str) -> None:
    class ExpiredError(Exception):
        pass

    def expire(*_: object) -> None:
        raise ExpiredError

    with zinc.Queue(1000, name=name) as jobs:
        for number in range(1000):
            jobs.send(b"", tag=number)
        found = set()
        before = signal.signal(signal.SIGALRM, expire)
        try:
            begin = time.perf_counter()
            with jobs.recv(5000) as message:
                found.add(message.tag)
            # Where all is slow, as in an emulation, one that always expires before is of no use.
            longest = max(3e-4, 10 * (time.perf_counter() - begin))
            while jobs.unfinished_tasks:
                with contextlib.suppress(ExpiredError):  # long before the timeout
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, longest))
                    while True:
                        with jobs.recv(5000) as message:
                            found.add(message.tag)
        finally:
            signal.signal(signal.SIGALRM, before)
    assert found == set(range(1000))


def test_arrays_stay_when_the_item_is_done_and_the_queue_closed(name: str) -> None:
    jobs = zinc.Queue(2, name=name)
    jobs.put(np.full(10, 7))
    found = jobs.get()
    jobs.task_done()
    jobs.join(timeout_ms=1000)
    for number in range(50):
        jobs.put(np.full(10, number))
        jobs.get()
    jobs.close()
    assert found.tolist() == [7] * 10


def test_of_what_is_held_beyond_views_there_are_copies(name: str) -> None:
    with zinc.Queue(4, name=name, views=3, workers=1) as jobs:
        held = []
        for number in range(20):
            jobs.put(np.full(10, number))
            held.append(jobs.get())
        assert [int(array[0]) for array in held] == list(range(20))
        assert not any(array.flags.writeable for array in held)
        jobs.task_done()


def test_item_larger_than_a_slot_goes_beside_and_leaves_nothing(name: str) -> None:
    with zinc.Queue(4, name=name, slot_size=256) as jobs:
        jobs.put(np.arange(100_000))
        jobs.put("small")
        beside = [one for one in zinc.regions() if one.startswith("object-")]
        found = jobs.get()
        assert int(found[-1]) == 99_999
        assert jobs.get() == "small"
        assert jobs.empty()  # which looks what is done
        del found
    assert not set(beside) & set(zinc.regions())


class NotPicklable:
    def __reduce__(self) -> Any:
        raise ZeroDivisionError("on purpose")


class NotLoadable:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        return fail, (self.error,)


def fail(error: type[BaseException]) -> None:
    raise error("on purpose")


def test_object_that_cannot_be_pickled_raises_and_is_not_there(jobs: zinc.Queue) -> None:
    for number in range(20):
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            jobs.put([number, NotPicklable()])
    with pytest.raises((AttributeError, pickle.PicklingError)) as caught:
        jobs.put(lambda: 0)
    assert caught.value.__notes__ == [f"send an object to queue {jobs.name!r}"]
    with pytest.raises((AttributeError, pickle.PicklingError)) as caught:
        asyncio.run(jobs.put_async(lambda: 0))
    assert caught.value.__notes__ == [f"send an object to queue {jobs.name!r}"]
    assert jobs.empty()
    jobs.put("whole")
    assert jobs.get() == "whole"


def test_object_that_cannot_be_loaded_is_done_and_told_of(jobs: zinc.Queue) -> None:
    jobs.put(NotLoadable(ZeroDivisionError))
    jobs.put("next")
    with pytest.raises(ZeroDivisionError) as caught:
        jobs.get()
    assert "message 1 of queue" in "".join(caught.value.__notes__)
    assert "counts as done" in "".join(caught.value.__notes__)
    assert jobs.get() == "next"
    jobs.task_done()
    jobs.join(timeout_ms=1000)


def test_what_is_interrupted_while_it_is_loaded_comes_to_another(
    jobs: zinc.Queue, name: str
) -> None:
    jobs.put(NotLoadable(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        jobs.get()
    with zinc.Queue(name=name) as other, other.recv(timeout_ms=10_000) as message:
        assert message.redelivered == 1


@pytest.mark.parametrize(
    "bytes_", [b"", b"\xf5zincobj", b"\xf5zincobj" + b"\xff" * 60, b"\xf5zincref" + b"\xff" * 60]
)
def test_bytes_that_are_no_object_are_done_and_told_of(jobs: zinc.Queue, bytes_: bytes) -> None:
    for _ in range(30):
        jobs.send(bytes_)
        with pytest.raises((ValueError, pickle.UnpicklingError)):
            jobs.get()
    jobs.join(timeout_ms=1000)
    jobs.put("whole")
    assert jobs.get() == "whole"


# ---- arguments ----


@pytest.mark.parametrize("maxsize", [-1, 0, -(2**70)])
def test_no_limit_is_1024(maxsize: int) -> None:
    with zinc.Queue(maxsize) as jobs:
        assert jobs.maxsize == 1024


@pytest.mark.parametrize("maxsize", [1, 2, 3, 5, 100])
def test_limit_is_exact(maxsize: int) -> None:
    with zinc.Queue(maxsize) as jobs:
        for _ in range(3):
            for number in range(maxsize):
                jobs.put_nowait(number)
            with pytest.raises(queue.Full):
                jobs.put_nowait(0)
            assert (jobs.qsize(), jobs.full(), jobs.empty()) == (maxsize, True, False)
            assert [jobs.get_nowait() for _ in range(maxsize)] == list(range(maxsize))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"maxsize": 1 << 40}, ValueError),
        ({"maxsize": 1.5}, TypeError),
        ({"maxsize": "1"}, TypeError),
        ({"slot_size": 0}, ValueError),
        ({"slot_size": 1 << 70}, ValueError),
        ({"slot_size": "1"}, TypeError),
        ({"workers": 0}, ValueError),
        ({"workers": 1 << 40}, ValueError),
        ({"writers": 0}, ValueError),
        ({"writers": -1}, ValueError),
        ({"views": 0}, ValueError),
        ({"views": 1 << 40}, ValueError),
        ({"views": 1.5}, TypeError),
        ({"name": ""}, ValueError),
        ({"name": "a/b"}, ValueError),
        ({"name": 3}, TypeError),
        ({"mode": 0o1000}, ValueError),
    ],
)
def test_arguments_that_cannot_be(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        zinc.Queue(**arguments)


def test_name_of_something_else_is_refused(name: str) -> None:
    with zinc.create(name, 8), pytest.raises(ValueError, match="is no queue"):
        zinc.Queue(name=name)
    with (
        zinc.Channel.create(name, slot_size=8),
        pytest.raises(ValueError, match="is no queue, but a channel"),
    ):
        zinc.Queue(name=name)
    with zinc.Queue(name=name), pytest.raises(ValueError, match="is no channel, but a queue"):
        zinc.Channel.open(name)
    with pytest.raises(FileNotFoundError):
        zinc.Queue.open(name)


def test_timeouts_that_cannot_be(jobs: zinc.Queue) -> None:
    calls: list[Any] = [jobs.get, lambda **wait: jobs.put(1, **wait)]
    for call in calls:
        for wait in {"timeout": -1}, {"timeout_ms": -1}, {"timeout": 1, "timeout_ms": 1}:
            with pytest.raises(ValueError, match="timeout"):
                call(**wait)
        with pytest.raises(TypeError):
            call(timeout="soon")
    assert jobs.empty()
    with pytest.raises(queue.Empty):
        jobs.get(False, -1)


def test_users_are_told(jobs: zinc.Queue, name: str) -> None:
    jobs.put(1)
    jobs.put(2)
    jobs.get()
    (writer,), (worker,) = jobs.writers, jobs.workers
    assert (writer.pid, writer.alive, writer.waiting_since) == (os.getpid(), True, None)
    assert (worker.pid, worker.alive, worker.at_work, worker.first) == (os.getpid(), True, 1, 1)
    info = zinc.examine(name)
    assert info.channel is None
    assert info.queue == zinc.QueueInfo(*(8, 1 << 18, True, 2, 1, 1, 0, False), [writer], [worker])


def test_shutdown_at_once_leaves_nothing(jobs: zinc.Queue) -> None:
    for number in range(5):
        jobs.put(number)
    jobs.shutdown(immediate=True)
    jobs.join(timeout_ms=1000)
    with pytest.raises(zinc.ShutDown):
        jobs.get()
    assert jobs.empty()
    jobs.shutdown()


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_threads_that_wait_are_told_of_the_end(jobs: zinc.Queue, end: str) -> None:
    ended: list[BaseException] = []

    def wait(call: Any) -> None:
        try:
            call()
        except (ValueError, zinc.ShutDown) as error:
            ended.append(error)

    threads = [threading.Thread(target=wait, args=(call,)) for call in (jobs.get, jobs.recv)]
    for thread in threads:
        thread.start()
    getattr(jobs, end)()
    for thread in threads:
        thread.join(60)
    assert [type(error) for error in ended] == [ValueError if end == "close" else zinc.ShutDown] * 2


# ---- threads and coroutines ----


@pytest.mark.parametrize("kind", [zinc.Queue, zinc.JoinableQueue])
def test_any_number_of_threads_put_and_get(kind: Any) -> None:
    with kind(5) as jobs:
        found: list[int] = []

        def get() -> None:
            while (item := jobs.get()) is not None:
                found.append(item)
                jobs.task_done()
            jobs.task_done()

        def put(start: int) -> None:
            for number in range(start, start + 200):
                jobs.put(number)

        getters = [threading.Thread(target=get) for _ in range(20)]
        putters = [threading.Thread(target=put, args=(200 * n,)) for n in range(20)]
        for thread in getters + putters:
            thread.start()
        for thread in putters:
            thread.join()
        for _ in getters:
            jobs.put(None)
        jobs.join(timeout_ms=60_000)
        for thread in getters:
            thread.join()
        assert sorted(found) == list(range(4000))
        with pytest.raises(ValueError, match="more often"):
            jobs.task_done()


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_more_at_once_than_there_are_slots_get_one_after_the_other(name: str, kind: str) -> None:
    """Those that have got something are many more than may be at work at once."""
    count = 40
    with zinc.Queue(4, name=name, workers=1, views=2) as jobs:
        found: list[int] = []

        def get() -> None:
            found.extend(jobs)

        async def get_async() -> None:
            async for one in jobs:
                found.append(one)
                await asyncio.sleep(0)

        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(count):
                    tasks.create_task(get_async())

        if kind == "threads":
            threads = [threading.Thread(target=get) for _ in range(count)]
        else:
            threads = [threading.Thread(target=lambda: asyncio.run(main()))]
        for thread in threads:
            thread.start()
        for number in range(10 * count):
            jobs.put(number)
        jobs.shutdown()
        for thread in threads:
            thread.join()
        assert sorted(found) == list(range(10 * count))


def test_one_that_holds_as_many_as_may_be_is_told_at_once(name: str) -> None:
    with zinc.Queue(8, name=name, workers=1, views=2) as jobs:
        for number in range(8):
            jobs.put(number)
        held = jobs.recv_many(3)
        assert len(held) == 3
        with pytest.raises(zinc.ViewLimitError):
            jobs.get()
        with pytest.raises(zinc.ViewLimitError):
            asyncio.run(jobs.get_async())
        for message in held:
            message.release()
        assert jobs.get() == 3
    with zinc.JoinableQueue(8, name=name, workers=1, views=2) as jobs:
        for number in range(8):
            jobs.put(number)
        assert [jobs.get() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(zinc.ViewLimitError):
            jobs.get()


def test_coroutines_put_and_get(jobs: zinc.Queue) -> None:
    async def produce() -> None:
        for number in range(30):
            await jobs.put_async(number)
        jobs.shutdown()

    async def consume() -> list[int]:
        return [item async for item in jobs]

    async def all_of_it() -> list[int]:
        first, second, _ = await asyncio.gather(consume(), consume(), produce())
        return sorted(first + second)

    assert asyncio.run(all_of_it()) == list(range(30))


def test_coroutine_that_is_cancelled_has_got_nothing(jobs: zinc.Queue) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await jobs.get_async()
        with pytest.raises(queue.Empty):
            await jobs.get_async(timeout_ms=5)
        with pytest.raises(TimeoutError):
            await jobs.recv_async(timeout_ms=5)
        for number in range(8):
            await jobs.put_async(number)
        with pytest.raises(queue.Full):
            await jobs.put_async(8, timeout_ms=5)
        with pytest.raises(TimeoutError):
            await jobs.send_async(b"8", timeout_ms=5)
        assert await jobs.get_async() == 0
        assert await jobs.send_async(b"9") == 9

    asyncio.run(give_up())
    assert jobs.qsize() == 8


# ---- what is left ----


def test_putting_and_getting_leaves_nothing_behind() -> None:
    with zinc.Queue(8) as jobs, zinc.Queue(8, slot_size=128) as beside:
        item = {"x": np.arange(50), "y": "text"}

        def turns(count: int) -> None:
            for _ in range(count):
                jobs.put(item)
                assert jobs.get()["x"][-1] == 49
                jobs.send(b"abc")
                jobs.recv().release()
                with pytest.raises(queue.Empty):
                    jobs.get_nowait()
            for _ in range(count // 50):
                beside.put(item)
                beside.get()

        turns(2000)
        blocks, descriptors = sys.getallocatedblocks(), len(os.listdir("/proc/self/fd"))
        turns(10_000)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 200
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_queue_that_nobody_has_is_gone(name: str) -> None:
    jobs = zinc.Queue(name=name)
    jobs.put([1])
    jobs.get()
    gone = weakref.ref(jobs)
    del jobs
    assert gone() is None
    assert name not in zinc.regions()


def test_given_back_item_is_gone_once_the_queue_is_shut_down_immediately(jobs: zinc.Queue) -> None:
    jobs.put(1)
    jobs.recv().give_back()
    jobs.shutdown(immediate=True)
    with pytest.raises(zinc.ShutDown):
        jobs.get()


class Unloadable:
    def __init__(self) -> None:
        self.array = np.arange(100_000)

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("it does not want to")


def test_memory_is_taken_for_what_waits(name: str) -> None:
    with zinc.Queue(name=name) as jobs:
        item = bytes(200_000)
        empty = jobs.region.used
        assert empty < 16 * mmap.PAGESIZE
        for _ in range(2000):
            jobs.put(item)
            jobs.get()
        assert jobs.region.used < empty + 4 * len(item)
        for _ in range(10):
            jobs.put(item)
        assert 9 * len(item) < jobs.region.used - empty < 16 * len(item)


@pytest.mark.parametrize("end", ["release", "with", "del", "looked at"])
def test_memory_of_an_item_that_nobody_has_loaded_goes(jobs: zinc.Queue, end: str) -> None:
    jobs.put(bytes(300_000))
    (beside,) = (one for one in zinc.regions() if one.startswith("object-"))
    message = jobs.recv()
    if end == "release":
        message.release()
    elif end == "with":
        with message:
            pass
    elif end == "looked at":
        view = message.data
        message.release()
        del view
    del message
    jobs._sent.sweep(lambda number: True)  # as the next put of a large one does
    jobs._sent._spares.clear()  # which may have use for it
    assert beside not in zinc.regions()


def test_memory_of_an_item_is_kept_for_whom_it_goes_back_to(jobs: zinc.Queue) -> None:
    jobs.put(bytes(300_000))
    for _ in range(2):
        jobs.recv(5000).give_back()
    message = jobs.recv(5000)
    assert message.object() == bytes(300_000)
    message.release()


def test_memory_of_an_item_that_can_not_be_loaded_goes(jobs: zinc.Queue) -> None:
    jobs.put(Unloadable())
    region = jobs._sent._messages[0].region
    assert region is not None
    name = str(region.name)
    with pytest.raises(RuntimeError):
        jobs.get()
    del region
    jobs.put(1)  # looks what is gone
    jobs.put(Unloadable())  # in the same memory
    with pytest.raises(FileNotFoundError):
        zinc.SharedRegion.open(name)
    assert jobs.get() == 1
    with pytest.raises(RuntimeError):
        jobs.get()


def test_put_keeps_few_handles_of_large_items(name: str) -> None:
    with zinc.Queue(200, name=name, slot_size=256) as jobs:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(200):
            jobs.put(bytes(1000))
        assert len(os.listdir("/proc/self/fd")) < before + 100
        jobs.shutdown(immediate=True)


class PutsAnother:
    """Which a finalizer or a signal handler may do in the middle of a put."""

    def __init__(self, jobs: zinc.Queue) -> None:
        self.jobs = jobs

    def __call__(self, number: int) -> bool:
        if number == 1:
            self.jobs.put(bytes(1000))
        return False


def test_put_within_a_put_does_not_hang(name: str) -> None:
    with zinc.Queue(8, name=name, slot_size=256) as jobs:
        jobs.put(bytes(1000))
        jobs._sent.sweep(PutsAnother(jobs))
        assert jobs.qsize() == 2
        jobs.shutdown(immediate=True)


def test_forked_child_puts_though_a_thread_of_its_parent_was_putting(name: str) -> None:
    with zinc.Queue(8, name=name, slot_size=256) as jobs:
        is_held, is_over = threading.Event(), threading.Event()

        def hold() -> None:
            with jobs._sent._lock:
                is_held.set()
                is_over.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        is_held.wait()
        child = multiprocessing.get_context("fork").Process(target=jobs.put, args=(bytes(1000),))
        child.start()
        child.join(20)
        is_hung = child.is_alive()
        child.kill()
        child.join()
        is_over.set()
        thread.join()
        assert not is_hung
        assert jobs.get() == bytes(1000)


class Stopped(BaseException):
    pass


def stop(*_: object) -> None:
    raise Stopped


def test_put_that_ctrl_c_ends_as_it_is_done_has_put_its_item(name: str) -> None:
    before = signal.signal(signal.SIGALRM, stop)
    interval = sys.getswitchinterval()
    main = threading.main_thread().ident
    assert main is not None
    with zinc.Queue(1, name=name, slot_size=256) as jobs:

        def interrupt() -> None:
            while not any(writer.waiting_since for writer in jobs.writers):
                time.sleep(0.001)
            # From here on the other thread, which may go on, waits for this one to let it run.
            jobs.get_nowait()
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                pass
            signal.pthread_kill(main, signal.SIGALRM)

        jobs.put(0)
        thread = threading.Thread(target=interrupt)
        try:
            sys.setswitchinterval(10)
            thread.start()
            with pytest.raises(Stopped):
                jobs.put(bytes(1000))
            thread.join()
        finally:
            sys.setswitchinterval(interval)
            signal.signal(signal.SIGALRM, before)
        if jobs.qsize():
            assert jobs.get() == bytes(1000)
