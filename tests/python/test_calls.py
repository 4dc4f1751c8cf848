"""zinc.serve and zinc.connect: functions that other processes serve, whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest

import zinc
from zinc import _calls

SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


class UnloadableError(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__("of two")


class StoppedError(BaseException):
    pass


class OddError(Exception):
    """What is not pickled as it should be."""

    def __reduce__(self) -> Any:
        how = self.args[0]
        match how:
            case "raises":
                raise ZeroDivisionError
            case "stops":
                raise StoppedError
            case "rubbish":
                return 5
            case "a number":
                return int, ("5",)
            case "what ends a process":
                return SystemExit, (3,)
            case "no call":
                return "no call", ()
            case "recursion":
                return OddError, (OddError(how),)
            case "not loaded":
                return fail_to_load, ()
            case "not known":
                return getattr, (multiprocessing, "no such thing")
        return super().__reduce__()

    def __str__(self) -> str:
        if self.args[0] == "not shown":
            raise StoppedError
        return super().__str__()


class OnlyHere:
    """What a server can't load."""

    def __reduce__(self) -> Any:
        return fail_to_load, ()


def fail_to_load() -> None:
    raise ImportError("no such thing here")


def work(what: str, *args: Any, **kwargs: Any) -> Any:
    """Do what a test asks for, in a server."""
    return getattr(Work, what)(*args, **kwargs)


class Work:
    @staticmethod
    def echo(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @staticmethod
    def process() -> int:
        return os.getpid()

    @staticmethod
    def divide(one: float, other: float) -> float:
        return one / other

    @staticmethod
    def double(array: Any) -> Any:
        assert not array.flags.writeable
        return array * 2

    @staticmethod
    def zeros(size: int) -> Any:
        return numpy.zeros(size, "u1")

    @staticmethod
    def hang(path: str) -> None:
        with open(path, "w") as file:
            file.write(str(os.getpid()))
        signal.pause()

    @staticmethod
    def until(path: str) -> int:
        open(path + ".begun", "w").close()
        while not os.path.exists(path):
            time.sleep(0.001)
        return 1

    @staticmethod
    def unpicklable() -> Any:
        return lambda: 1

    @staticmethod
    def fail_oddly() -> None:
        raise UnloadableError(1, 2)

    @staticmethod
    def fail(how: str) -> None:
        raise OddError(how)

    @staticmethod
    def stop() -> None:
        raise StoppedError("at once")

    @staticmethod
    def cancel() -> None:
        raise asyncio.CancelledError

    @staticmethod
    def odd(how: str) -> Any:
        return OddError(how)

    @staticmethod
    def exit() -> None:
        raise SystemExit(3)


@contextlib.contextmanager
def served(name: str, count: int = 1, **options: Any) -> Iterator[list[Any]]:
    """Serve `work` in that many processes."""
    servers = [
        SPAWN.Process(target=zinc.serve, args=(name, work), kwargs=options, daemon=True)
        for _ in range(count)
    ]
    for server in servers:
        server.start()
    try:
        with zinc.connect(name, timeout_ms=60_000) as client:
            while len([w for w in client._requests.workers if w.alive]) < count:
                time.sleep(0.005)
        yield servers
    finally:
        with contextlib.suppress(FileNotFoundError), zinc.connect(name) as client:
            client.shutdown()
        for server in servers:
            server.join(60)
            if server.is_alive():
                server.kill()
                server.join()


def wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.001)


def pid_in(path: Any) -> int:
    wait_until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def test_call_returns_what_the_function_returns(name: str) -> None:
    with served(name), zinc.connect(name) as client:
        assert client.call("echo", 1, two=2) == ((1,), {"two": 2})
        assert client.call("process") != os.getpid()
        assert client.name == name
        assert not client.closed
    assert client.closed
    with pytest.raises(ValueError, match="closed"):
        client.call("echo")


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
def test_arrays_go_and_come_in_place_and_stay(name: str, size: int) -> None:
    with served(name), zinc.connect(name) as client:
        results = [client.call("double", numpy.full(size, i)) for i in range(40)]
        for i, result in enumerate(results):
            assert result.shape == (size,)
            assert (result == 2 * i).all()
            assert not result.flags.writeable
    assert (results[7] == 14).all()


def test_exception_is_raised_here_with_the_servers_traceback(name: str) -> None:
    with served(name), zinc.connect(name) as client:
        with pytest.raises(ZeroDivisionError, match="division by zero") as raised:
            client.call("divide", 1, 0)
        cause = raised.value.__cause__
        assert isinstance(cause, zinc.RemoteTraceback)
        assert "in divide\n" in str(cause)
        assert "zinc/_calls.py" not in str(cause)
        assert client.call("divide", 1, 2) == 0.5


def test_what_cant_travel_is_an_error_and_the_service_goes_on(name: str) -> None:
    with served(name), zinc.connect(name) as client:
        for _ in range(200):  # more than there are slots
            with pytest.raises(Exception, match="pickle"):
                client.call("unpicklable")
        with pytest.raises(RuntimeError, match=r"UnloadableError: of two .*can't be pickled"):
            client.call("fail_oddly")
        with pytest.raises(ImportError, match="no such thing here"):
            client.call("echo", OnlyHere())
        for _ in range(200):
            with pytest.raises(Exception, match="pickle"):
                client.call("echo", lambda: 1)
        assert client.call("echo") == ((), {})


def test_whatever_is_raised_reaches_the_caller_and_the_service_goes_on(name: str) -> None:
    def told(how: str) -> str:
        return rf"OddError: {how} \(what the server has raised can't be pickled\)"

    with served(name), zinc.connect(name) as client:
        for how in (
            *("raises", "stops", "rubbish", "a number", "what ends a process", "no call"),
            *("recursion", "not loaded", "not known"),
        ):
            with pytest.raises(RuntimeError, match=told(how)) as failed:
                client.call("fail", how)
            assert "raise OddError(how)" in str(failed.value.__cause__)
        for how, error in (
            ("raises", ZeroDivisionError),
            ("stops", RuntimeError),
            ("rubbish", pickle.PicklingError),
            ("no call", pickle.PicklingError),
            ("recursion", RecursionError),
            ("not loaded", ImportError),
        ):
            with pytest.raises(error):
                client.call("odd", how)  # a result
        for how in "not shown", "x" * 5_000_000:
            with pytest.raises(OddError) as odd:
                client.call("fail", how)
            assert odd.value.args == (how,)
            assert len(str(odd.value.__cause__)) < 100_000
        with pytest.raises(RuntimeError, match="StoppedError: at once"):
            client.call("stop")
        with pytest.raises(RuntimeError, match="CancelledError"):
            client.call("cancel")
        assert client.call("echo") == ((), {})


def test_exception_for_which_there_is_no_memory_is_told_in_short(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = zinc.Queue.put

    def put_small(self: zinc.Queue, obj: Any, **options: Any) -> None:
        if obj[1] or obj[3]:
            raise OSError(errno.ENOSPC, "no room")
        put(self, obj, **options)

    monkeypatch.setattr(zinc.Queue, "put", put_small)
    server = threading.Thread(target=zinc.serve, args=(name, Work.fail))
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as client:
        with pytest.raises(RuntimeError, match=r"OddError: large \("):
            client.call("large")
        client.shutdown()
    server.join()


def test_many_clients_and_servers(name: str) -> None:
    with served(name, 3), zinc.connect(name) as client, ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda i: client.call("echo", i), range(400))
        assert [args for args, _ in found] == [(i,) for i in range(400)]
        assert len(client._idle) <= 8


def ask(client: zinc.Client, count: int, results: Any) -> None:
    results.put(sum(client.call("divide", i, 1) for i in range(count)))


@pytest.mark.parametrize("context", [FORK, SPAWN], ids=["fork", "spawn"])
def test_clients_go_to_children(name: str, context: Any) -> None:
    with served(name), zinc.connect(name) as client, zinc.Queue(name=f"{name}-results") as results:
        assert client.call("echo") == ((), {})  # a forked child has no use for its parent's queue
        children = [context.Process(target=ask, args=(client, 50, results)) for _ in range(2)]
        for child in children:
            child.start()
        mine = sum(client.call("divide", i, 1) for i in range(50))
        assert [results.get(timeout=60) for _ in children] == [mine, mine]
        for child in children:
            child.join()


def test_caller_of_a_killed_server_is_told_at_once(name: str, tmp_path: Any) -> None:
    best = float("inf")
    with served(name, 4), zinc.connect(name) as client, ThreadPoolExecutor(1) as thread:
        for kill in range(3):
            path = tmp_path / str(kill)
            call = thread.submit(client.call, "hang", str(path))
            os.kill(pid_in(path), signal.SIGKILL)
            killed = time.monotonic()
            with pytest.raises(zinc.PeerDiedError, match="has died"):
                call.result()
            best = min(best, time.monotonic() - killed)
        assert client.call("divide", 8, 2) == 4
    assert best < 0.1


def test_caller_learns_that_nobody_serves_any_more(name: str, tmp_path: Any) -> None:
    with served(name) as servers, zinc.connect(name) as client, ThreadPoolExecutor(2) as threads:
        path = tmp_path / "hangs"
        busy = threads.submit(client.call, "hang", str(path))
        pid_in(path)
        waiting = threads.submit(client.call, "echo")
        wait_until(lambda: client._requests.qsize() == 1)
        servers[0].kill()
        for call, what in (busy, "has died"), (waiting, "nobody serves it any more"):
            with pytest.raises(zinc.PeerDiedError, match=what):
                call.result()
        with pytest.raises(zinc.PeerDiedError, match="nobody serves it any more"):
            client.call("echo")
        assert isinstance(zinc.PeerDiedError(), ConnectionError)


def test_server_that_ends_amid_a_call_tells_its_caller(name: str) -> None:
    with served(name, 2) as servers, zinc.connect(name) as client:
        with pytest.raises(zinc.PeerDiedError):
            client.call("exit")
        wait_until(lambda: 3 in [server.exitcode for server in servers])
        assert client.call("divide", 8, 2) == 4


def test_timeouts_give_up_and_leave_nothing(name: str, tmp_path: Any) -> None:
    with served(name), zinc.connect(name) as client, ThreadPoolExecutor(1) as thread:
        path = tmp_path / "go"
        busy = thread.submit(client.call, "until", str(path))
        wait_until((tmp_path / "go.begun").exists)
        for _ in range(5):
            with pytest.raises(TimeoutError, match="no server was free"):
                client.call("echo", numpy.zeros(100_000), timeout_ms=5)
        path.touch()
        assert busy.result() == 1
        wait_until(lambda: client._requests.qsize() == 0)
        assert client.call("echo") == ((), {})
        timeout_ms, told = 15, "no server was free"
        while "no server was free" in told:  # until there is time enough for it to begin
            timeout_ms *= 2
            with pytest.raises(TimeoutError, match=r"it is at work|no server was free") as raised:
                client.call("until", str(tmp_path / "never"), timeout_ms=timeout_ms)
            told = str(raised.value)
        (tmp_path / "never").touch()
        assert client.call("echo") == ((), {})
        with pytest.raises(ValueError, match="timeout_ms"):
            client.call("echo", timeout_ms=-1)


def call_and_die(name: str, path: str) -> None:
    client = zinc.connect(name)
    threading.Thread(target=client.call, args=("until", path), daemon=True).start()
    client.call("echo", numpy.zeros(100_000))
    open(f"{path}.echoed", "w").close()
    signal.pause()


def test_callers_that_are_killed_leave_nothing(name: str, tmp_path: Any) -> None:
    with served(name, 2), zinc.connect(name) as client:
        for kill in range(3):
            path = tmp_path / str(kill)
            child = SPAWN.Process(target=call_and_die, args=(name, str(path)))
            child.start()
            wait_until((tmp_path / f"{kill}.begun").exists)
            wait_until((tmp_path / f"{kill}.echoed").exists)
            child.kill()
            child.join()
            path.touch()
        wait_until(lambda: all(worker.at_work == 0 for worker in client._requests.workers))
        # Who serves looks at the next new caller who has gone.
        for _ in range(20):
            with zinc.connect(name) as other:
                other.call("echo")
        zinc.reclaim()
        mine = {region for region in zinc.regions() if region.startswith("reply-")}
        assert len(mine) <= 3, mine


def test_shut_down_service_answers_what_it_was_asked(name: str, tmp_path: Any) -> None:
    with served(name) as servers, zinc.connect(name) as client, ThreadPoolExecutor(2) as threads:
        path = tmp_path / "go"
        busy = threads.submit(client.call, "until", str(path))
        wait_until((tmp_path / "go.begun").exists)
        waiting = threads.submit(client.call, "echo", 5)
        wait_until(lambda: client._requests.qsize() == 1)
        client.shutdown()
        with pytest.raises(zinc.ShutDown):
            client.call("echo")
        path.touch()
        assert busy.result() == 1
        assert waiting.result() == ((5,), {})
        servers[0].join()
        assert servers[0].exitcode == 0
    with pytest.raises(FileNotFoundError):
        zinc.connect(name)


def test_timeout_error_of_a_signal_handler_ends_a_server(name: str) -> None:
    def expire(*_: object) -> None:
        raise TimeoutError("the handler's")

    before = signal.signal(signal.SIGALRM, expire)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TimeoutError, match="the handler's"):
            zinc.serve(name, abs)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_connect_waits_for_a_server(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        zinc.connect(name, timeout_ms=10)
    with zinc.Queue(name=name), pytest.raises(FileNotFoundError, match="nobody serves it"):
        zinc.connect(name, timeout_ms=10)


def test_strange_requests_do_not_end_a_server(name: str) -> None:
    with served(name), zinc.connect(name) as client, zinc.Queue(name=name) as requests:
        for data in b"", b"x", b"x" * 64, b"\xff" * 64, b"reply-nobody".ljust(64, b"\xff"):
            requests.send(data)
        requests.put("an object")
        with zinc.create(f"{name}-region", 100):
            requests.send(f"{name}-region".encode().ljust(48, b"\0") + b"\xff" * 16)
            assert client.call("divide", 8, 2) == 4


def test_coroutines_call(name: str, tmp_path: Any) -> None:
    async def call(client: zinc.Client) -> None:
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(client.call_async("divide", i, 2)) for i in range(30)]
        assert [one.result() for one in calls] == [i / 2 for i in range(30)]
        with pytest.raises(ZeroDivisionError):
            await client.call_async("divide", 1, 0)
        with pytest.raises(TimeoutError):
            await client.call_async("until", str(path), timeout_ms=20)
        path.touch()

    path = tmp_path / "go"
    with served(name, 2), zinc.connect(name) as client:
        asyncio.run(call(client))
        assert client.call("divide", 8, 2) == 4


def test_coroutines_of_trio_call(name: str) -> None:
    trio = pytest.importorskip("trio")

    async def call(client: zinc.Client) -> None:
        assert await client.call_async("divide", 8, 2) == 4

    with served(name), zinc.connect(name) as client:
        trio.run(call, client)


def test_call_that_is_cancelled_leaves_no_reply_for_others(name: str, tmp_path: Any) -> None:
    async def cancel(client: zinc.Client) -> None:
        path = tmp_path / "go"
        call = asyncio.create_task(client.call_async("until", str(path)))
        while not (tmp_path / "go.begun").exists():
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        path.touch()
        assert await client.call_async("divide", 8, 2) == 4

    with served(name), zinc.connect(name) as client:
        asyncio.run(cancel(client))


def test_coroutines_serve_many_calls_at_once(name: str) -> None:
    here, met = 0, asyncio.Event()

    async def meet(count: int) -> int:
        nonlocal here
        here += 1
        if here == count:
            met.set()
        await met.wait()
        if count == 0:
            raise KeyError("none")
        return here

    async def main() -> None:
        server = asyncio.create_task(zinc.serve_async(name, meet, concurrency=4))
        await asyncio.sleep(0)
        client = await asyncio.to_thread(zinc.connect, name, timeout_ms=5000)
        calls = [client.call_async(4) for _ in range(4)]
        assert await asyncio.gather(*calls) == [4] * 4
        with pytest.raises(KeyError):
            await client.call_async(0)
        client.shutdown()
        await server
        client.close()
        with pytest.raises(ValueError, match="concurrency"):
            await zinc.serve_async(name, meet, concurrency=0)

    asyncio.run(main())


def test_coroutine_server_that_is_cancelled_tells_its_callers(name: str) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        server = asyncio.create_task(zinc.serve_async(name, hang))
        await asyncio.sleep(0)
        client = await asyncio.to_thread(zinc.connect, name, timeout_ms=5000)
        call = asyncio.create_task(client.call_async())
        await begun.wait()
        server.cancel()
        with pytest.raises(zinc.PeerDiedError):
            await call
        client.close()

    asyncio.run(main())


def test_references_descriptors_and_mappings_stay_flat(name: str) -> None:
    def held() -> tuple[int, int]:
        with open("/proc/self/maps") as maps:
            return len(os.listdir("/proc/self/fd")), sum(1 for _ in maps)

    with served(name), zinc.connect(name) as client:
        for size in 10, 100_000, 300_000:
            array = numpy.zeros(size, "u1")
            for _ in range(20):
                client.call("double", array)
            before = held()
            for _ in range(1000):
                client.call("double", array)
            descriptors, maps = held()
            assert (descriptors, maps - before[1] < 20) == (before[0], True)


def keep_for_ever(kept: list[Any], array: Any) -> int:
    kept.append(array)
    return len(kept)


def test_server_may_keep_the_arrays_of_all_calls(name: str) -> None:
    kept: list[Any] = []
    server = threading.Thread(
        target=zinc.serve, args=(name, lambda array: keep_for_ever(kept, array))
    )
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as client:
        for number in range(200):
            client.call(numpy.full(4, number), timeout_ms=60_000)
        client.shutdown()
    server.join()
    assert [array[0] for array in kept] == list(range(200))


def test_more_callers_than_there_is_room_for_wait(name: str) -> None:
    gate = threading.Event()

    def function(value: int) -> int:
        gate.wait()
        return value

    server = threading.Thread(target=zinc.serve, args=(name, function), kwargs={"maxsize": 1})
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as client, ThreadPoolExecutor(160) as pool:
        found = [pool.submit(client.call, number) for number in range(160)]
        end = time.monotonic() + 1  # enough for all to come, where there is time
        while time.monotonic() < end and not any(one.done() for one in found):
            time.sleep(0.01)
        gate.set()
        assert [one.result() for one in found] == list(range(160))
        client.shutdown()
    server.join()


def test_caller_that_waits_for_room_hears_that_the_server_was_killed(name: str) -> None:
    server = SPAWN.Process(
        target=zinc.serve, args=(name, wait_for_ever), kwargs={"maxsize": 1}, daemon=True
    )
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as client, ThreadPoolExecutor(4) as pool:
        found = [pool.submit(client.call) for _ in range(4)]
        while not client._requests.full():
            time.sleep(0.01)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.join()
        for one in found:
            with pytest.raises(zinc.PeerDiedError):
                one.result()


def wait_for_ever() -> None:
    threading.Event().wait()


def test_call_goes_on_as_soon_as_there_is_room(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for room, and does not look for it again and again."""
    posted = []
    post = _calls._Call.post

    def counted(call: Any, wait: float) -> None:
        posted.append(wait)
        post(call, wait)

    monkeypatch.setattr(_calls._Call, "post", counted)
    monkeypatch.setattr(_calls, "_LOOK", 600_000.0)
    with zinc.Queue(1, name=name, redeliver=False) as requests, ThreadPoolExecutor(1) as thread:
        requests.send(b"of somebody else")
        assert requests.try_recv() is not None  # as one that serves
        requests.send(b"of somebody else")
        with zinc.connect(name) as client:
            call = thread.submit(client.call, timeout_ms=600_000)
            wait_until(lambda: any(one.waiting_since for one in requests.writers))
            requests.recv().release()
            request = requests.recv()
            replies = zinc.Queue.open(bytes(request.data[:48]).rstrip(b"\0").decode())
            replies.put((True, "answered"))
            assert call.result() == "answered"
            replies.close()
    assert len(posted) == 1


def replies_there() -> list[str]:
    return [region for region in zinc.regions() if region.startswith("reply-")]


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_close_ends_the_calls_that_wait(name: str, kind: str) -> None:
    """One that waits for its answer, and one for room."""
    with zinc.Queue(1, name=name, redeliver=False) as requests, ThreadPoolExecutor(2) as threads:
        assert requests.try_recv() is None  # as one that serves
        client = zinc.connect(name)

        def call() -> Any:
            return client.call() if kind == "thread" else asyncio.run(client.call_async())

        calls = [threads.submit(call) for _ in range(2)]
        wait_until(lambda: any(one.waiting_since for one in requests.writers))
        assert len(replies_there()) == 2
        client.close()
        for one in calls:
            with pytest.raises(ValueError, match=f"call '{name}': the client was closed meanwhile"):
                one.result()
        assert not replies_there()
        with pytest.raises(ValueError, match=f"call '{name}': the client is closed"):
            client.call()
        assert not replies_there()


def is_in_use(client: zinc.Client) -> bool:
    return bool(client._idle or client._busy)


def call_for_ever(client: zinc.Client) -> None:
    while True:
        assert client.call(-1) == 1


def test_calls_that_end_as_the_client_is_closed_leave_nothing(name: str) -> None:
    server = threading.Thread(target=zinc.serve, args=(name, abs))
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as last:
        for _ in range(30):
            client = zinc.connect(name)

            with ThreadPoolExecutor(4) as threads:
                calls = [threads.submit(call_for_ever, client) for _ in range(4)]
                wait_until(functools.partial(is_in_use, client))
                client.close()
            for one in calls:
                with pytest.raises(ValueError, match="closed"):
                    one.result()
        assert last.call(-1) == 1
        last.shutdown()
    server.join()  # which has let go of those that it has answered
    assert not replies_there()


def test_service_and_its_callers_take_as_much_memory_as_they_are_told(name: str) -> None:
    server = threading.Thread(
        target=zinc.serve,
        args=(name, numpy.negative),
        kwargs={"maxsize": 4, "slot_size": 1 << 20, "workers": 1, "views": 1},
    )
    server.start()
    with zinc.connect(name, timeout_ms=60_000, slot_size=1 << 20, views=2) as client:
        held = [client.call(numpy.full(100, number)) for number in range(4)]
        assert [int(one[0]) for one in held] == [0, -1, -2, -3]
        assert client._requests.region.capacity >> 20 == 4 + 8 + 1 * (1 + 1)
        (replies,) = client._idle
        assert replies.region.capacity >> 20 == 1 + 1 + 2 + 1
        client.shutdown()
    server.join()
    with pytest.raises(ValueError, match="views must be one or more"):
        zinc.connect(name, views=0)
    with pytest.raises(ValueError, match="slot_size must be one or more"):
        zinc.connect(name, slot_size=0)
    with pytest.raises(ValueError, match="workers must be one or more"):
        zinc.serve(name, abs, workers=0)


class Stopped(BaseException):
    pass


def test_call_that_ctrl_c_ends_leaves_its_answer_to_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its request is published: an answer comes then, and is not the next call's."""
    server = threading.Thread(target=zinc.serve, args=(name, lambda value: value))
    server.start()
    with zinc.connect(name, timeout_ms=60_000) as client:
        assert client.call(0) == 0

        send = type(client._requests)._send_parts

        def interrupted(*args: Any) -> None:
            send(*args)
            raise Stopped

        with monkeypatch.context() as context:
            context.setattr(zinc.Queue, "_send_parts", interrupted, raising=False)
            with pytest.raises(Stopped):
                client.call(1)
        assert [client.call(number) for number in (2, 3)] == [2, 3]
        client.shutdown()
    server.join()
