"""Jobs that people have, as the patterns of the documentation do them, beside what else they use.

A way to do a job is written as its user would write it, since its lines are counted, too: what all
have, what the other processes do, and what this one does. Each sample starts them anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import inspect
import itertools
import multiprocessing
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import BaseManager
from multiprocessing.shared_memory import SharedMemory
from typing import Any, ClassVar

import numpy

import zinc

from . import method, peers
from .method import Distribution, Settings
from .results import Result
from .transports import absence

fork = multiprocessing.get_context("fork")
started = itertools.count()

PICTURE = (480, 640, 3)  # of bytes: of a camera, and of each task
TASKS = 16  # that are under way, or wait, at once
BATCH = 32  # items of a data loader
ITEM = (3, 64, 64)  # of four bytes each
ENVIRONMENTS = 4
SEEN = (84, 84, 4)  # of bytes: an observation
WEIGHTS = 1 << 20  # of four bytes each
ROWS = 500_000
RECORD = numpy.dtype([("source", "u4"), ("count", "u4"), ("time", "f8"), ("value", "f4", 8)])
RECORDS = 500  # that are collected at once
ADDED = 100  # times, at once


class Way:
    """A way to do a job, with some other processes."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # modules
    others: ClassVar[int] = 1

    def __init__(self, unique: str) -> None:
        """Make what all processes have, before they part. `unique` is for what needs a name."""
        self.id = unique
        self.which = -1  # of the others
        self.hear, self.tell = os.pipe()
        self.prepare()

    @classmethod
    def missing(cls) -> str | None:
        """Return why it can't be used here, or None."""
        return absence(*cls.needs)

    def prepare(self) -> None:
        """Make what all processes have."""

    def serve(self) -> None:
        """Do what each of the others does, until it is killed."""

    def begin(self) -> None:
        """Start this process's side, now that the others are there."""

    def step(self, number: int) -> Any:
        """Do the job once, and return what is to be checked."""
        raise NotImplementedError

    def end(self) -> None:
        """Remove what would stay, now that the others are gone."""

    def answer(self, value: Any) -> None:
        """Tell what came, in the other process; by a pipe, whatever the way."""
        os.write(self.tell, int(value).to_bytes(8, "little"))

    def answered(self) -> int:
        """Wait until another process has told."""
        return int.from_bytes(os.read(self.hear, 8), "little")


def picture(number: int) -> numpy.ndarray[Any, Any]:
    """Return what is handed over."""
    return numpy.full(PICTURE, number % 250, "u1")


class OverZeroMQ(Way):
    """What sockets of ZeroMQ have in common."""

    name = "pyzmq"
    needs = ("zmq",)

    def prepare(self) -> None:
        self.address = f"ipc://{tempfile.gettempdir()}/{self.id}"

    def socket(self, kind: str, binds: bool) -> Any:
        import zmq

        self.context: Any = zmq.Context()
        socket = self.context.socket(getattr(zmq, kind))
        (socket.bind if binds else socket.connect)(self.address)
        return socket

    def end(self) -> None:
        self.context.destroy(0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.address.removeprefix("ipc://"))


class OverRedis(Way):
    """What clients of a server have in common, which is started here."""

    name = "Redis"

    @classmethod
    def missing(cls) -> str | None:
        return absence(*cls.needs) or peers.RedisUnix.missing(None)

    def prepare(self) -> None:
        self.server = peers.RedisUnix(8, self.id, None)

    def begin(self) -> None:
        self.redis = self.server.connect()

    def end(self) -> None:
        self.redis.close()
        self.server.stop_server()


# ---- a camera: a frame, until a viewer has added up its pixels ----


class CameraZinc(Way):
    name = "zinc"

    def prepare(self) -> None:
        self.channel = zinc.Channel.create(self.id, shape=PICTURE, dtype="u1")

    def serve(self) -> None:
        for frame in self.channel.reader():
            self.answer(frame.array.sum())

    def begin(self) -> None:
        self.channel.wait_for_readers(1)

    def step(self, number: int) -> Any:
        with self.channel.loan() as frame:
            frame.array[:] = number % 250
        return self.answered()

    def end(self) -> None:
        self.channel.close()


class CameraQueue(Way):
    name = "multiprocessing.Queue"

    def prepare(self) -> None:
        self.queue = fork.Queue(8)

    def serve(self) -> None:
        while True:
            self.answer(self.queue.get().sum())

    def step(self, number: int) -> Any:
        self.queue.put(picture(number))
        return self.answered()


class CameraMemory(Way):
    name = "SharedMemory and Lock"

    def prepare(self) -> None:
        self.memory = SharedMemory(create=True, size=480 * 640 * 3)
        self.array: Any = numpy.ndarray(PICTURE, "u1", self.memory.buf)
        self.lock, self.is_new = fork.Lock(), fork.Event()

    def serve(self) -> None:
        while True:
            self.is_new.wait()
            self.is_new.clear()
            with self.lock:
                frame = self.array.copy()
            self.answer(frame.sum())

    def step(self, number: int) -> Any:
        with self.lock:
            self.array[:] = number % 250
        self.is_new.set()
        return self.answered()

    def end(self) -> None:
        del self.array
        self.memory.close()
        self.memory.unlink()


class CameraZeroMQ(OverZeroMQ):
    def serve(self) -> None:
        frames = self.socket("PULL", binds=False)
        while True:
            frame = numpy.frombuffer(frames.recv(copy=False).buffer, "u1")
            self.answer(frame.sum())

    def begin(self) -> None:
        self.frames = self.socket("PUSH", binds=True)

    def step(self, number: int) -> Any:
        self.frames.send(picture(number), copy=False)
        return self.answered()


# ---- a work queue: a task with a picture, until its result is there ----


class WorkZinc(Way):
    name = "zinc"
    others = 2

    def prepare(self) -> None:
        self.tasks = zinc.Queue(8, slot_size=1 << 20, workers=2, writers=1, views=2)
        self.results = zinc.Queue()

    def serve(self) -> None:
        for number, task in self.tasks:
            self.results.put((number, int(task.sum())))

    def step(self, number: int) -> Any:
        for task in range(TASKS):
            self.tasks.put((task, picture(number)))
        return sum(self.results.get()[1] for _ in range(TASKS))

    def end(self) -> None:
        self.tasks.close()
        self.results.close()


class WorkQueue(WorkZinc):
    name = "multiprocessing.Queue"

    def prepare(self) -> None:
        self.tasks: Any = fork.Queue(8)
        self.results: Any = fork.Queue()

    def serve(self) -> None:
        while True:
            number, task = self.tasks.get()
            self.results.put((number, int(task.sum())))

    def step(self, number: int) -> Any:
        for task in range(TASKS):
            self.tasks.put((task, picture(number)))
        return sum(self.results.get()[1] for _ in range(TASKS))


class WorkRedis(OverRedis):
    others = 2

    def serve(self) -> None:
        self.begin()
        while True:
            number, task = pickle.loads(self.redis.brpop(["tasks"])[1])
            self.redis.lpush("results", pickle.dumps((number, int(task.sum()))))

    def step(self, number: int) -> Any:
        for task in range(TASKS):
            self.redis.lpush("tasks", pickle.dumps((task, picture(number)), 5))
        return sum(pickle.loads(self.redis.brpop(["results"])[1])[1] for _ in range(TASKS))


class WorkRay(Way):
    name = "Ray"
    needs = ("ray",)
    others = 0

    def begin(self) -> None:
        self.ray: Any = importlib.import_module("ray")  # which the type checkers need not have
        self.ray.init(num_cpus=2, log_to_driver=False, logging_level="error")
        self.total = self.ray.remote(lambda task: int(task.sum()))

    def step(self, number: int) -> Any:
        return sum(self.ray.get([self.total.remote(picture(number)) for _ in range(TASKS)]))

    def end(self) -> None:
        self.ray.shutdown()


# ---- a data loader: a batch that a worker makes, until it is added up ----


def batch() -> numpy.ndarray[Any, Any]:
    """Return what a worker makes: so many pictures, as one array."""
    return numpy.stack([numpy.ones(ITEM, "f4") for _ in range(BATCH)])


class LoaderZinc(Way):
    name = "zinc"
    others = 2

    def prepare(self) -> None:
        self.orders = zinc.Queue(TASKS, writers=1, workers=2)
        self.batches = zinc.Queue(8, slot_size=2 << 20, writers=2, workers=1)

    def serve(self) -> None:
        for _ in self.orders:
            self.batches.put(batch())

    def step(self, number: int) -> Any:
        for _ in range(TASKS):
            self.orders.put(number)
        return sum(int(self.batches.get().sum()) for _ in range(TASKS))

    def end(self) -> None:
        self.orders.close()
        self.batches.close()


class LoaderQueue(LoaderZinc):
    name = "multiprocessing.Queue"

    def prepare(self) -> None:
        self.orders: Any = fork.Queue()
        self.batches: Any = fork.Queue(8)

    def serve(self) -> None:
        while True:
            self.orders.get()
            self.batches.put(batch())


class Items:
    """What a DataLoader takes."""

    def __len__(self) -> int:
        return TASKS * BATCH

    def __getitem__(self, _: int) -> numpy.ndarray[Any, Any]:
        return numpy.ones(ITEM, "f4")


class LoaderTorch(Way):
    name = "torch DataLoader"
    needs = ("torch",)
    others = 0

    def begin(self) -> None:
        data: Any = importlib.import_module("torch.utils.data")  # as with Ray
        self.loader = data.DataLoader(Items(), BATCH, num_workers=2, persistent_workers=True)

    def step(self, number: int) -> Any:
        return sum(int(batch.sum()) for batch in self.loader)


# ---- environments in step: a step of all of them ----


class StepsZinc(Way):
    name = "zinc"
    others = ENVIRONMENTS

    def prepare(self) -> None:
        self.seen = zinc.array(None, (ENVIRONMENTS, *SEEN), "u1")
        self.actions = zinc.array(None, ENVIRONMENTS, "i8")
        turns = zinc.array(None, ENVIRONMENTS + 1, "u8")
        self.done = [turns.region.atomic(8 * i) for i in range(ENVIRONMENTS)]
        self.asked = turns.region.atomic(8 * ENVIRONMENTS)

    def serve(self) -> None:
        done = self.done[self.which]
        while True:
            self.asked.wait(done.load())
            self.seen[self.which] = self.actions[self.which]
            done.store(self.asked.load())

    def step(self, number: int) -> Any:
        self.actions[:] = number % 250
        before = self.asked.add(1)
        for done in self.done:
            done.wait(before)
        return self.seen[:, -1, -1, -1].sum()


class StepsPipe(Way):
    name = "Pipe"
    others = ENVIRONMENTS

    def prepare(self) -> None:
        self.pipes = [fork.Pipe() for _ in range(ENVIRONMENTS)]
        self.seen = numpy.empty((ENVIRONMENTS, *SEEN), "u1")

    def serve(self) -> None:
        pipe = self.pipes[self.which][1]
        while True:
            pipe.send(numpy.full(SEEN, pipe.recv(), "u1"))

    def step(self, number: int) -> Any:
        for pipe, _ in self.pipes:
            pipe.send(number % 250)
        for which, (pipe, _) in enumerate(self.pipes):
            self.seen[which] = pipe.recv()
        return self.seen[:, -1, -1, -1].sum()


class StepsMemory(StepsPipe):
    name = "Pipe and RawArray"

    def prepare(self) -> None:
        self.pipes = [fork.Pipe() for _ in range(ENVIRONMENTS)]
        memory: Any = fork.RawArray("B", ENVIRONMENTS * int(numpy.prod(SEEN)))
        self.seen = numpy.frombuffer(memory, "u1").reshape(ENVIRONMENTS, *SEEN)

    def serve(self) -> None:
        pipe = self.pipes[self.which][1]
        while True:
            self.seen[self.which] = pipe.recv()
            pipe.send(None)

    def step(self, number: int) -> Any:
        for pipe, _ in self.pipes:
            pipe.send(number % 250)
        for pipe, _ in self.pipes:
            pipe.recv()
        return self.seen[:, -1, -1, -1].sum()


# ---- the state of a model: to read a whole version, while new ones come ----


def is_whole(weights: Any) -> bool:
    """Read all of it: each weight is the number of the version."""
    return bool(weights.min() == weights.max())


class ModelZinc(Way):
    name = "zinc"

    def prepare(self) -> None:
        self.channel = zinc.Channel.create(self.id, 2, shape=WEIGHTS, dtype="f4", writers=1)

    def serve(self) -> None:
        for version in trained():
            self.channel.send(version)

    def begin(self) -> None:
        self.reader = self.channel.reader(history=1)
        self.newest = self.reader.recv()

    def step(self, number: int) -> Any:
        self.newest = self.reader.latest() or self.newest
        return is_whole(self.newest.array)

    def end(self) -> None:
        del self.newest
        self.channel.close()


class ModelMemory(Way):
    name = "SharedMemory and Lock"

    def prepare(self) -> None:
        self.memory = SharedMemory(create=True, size=WEIGHTS * 4)
        self.array: Any = numpy.ndarray(WEIGHTS, "f4", self.memory.buf)
        self.lock = fork.Lock()

    def serve(self) -> None:
        for version in trained():
            with self.lock:
                self.array[:] = version

    def step(self, number: int) -> Any:
        with self.lock:
            version = self.array.copy()
        return is_whole(version)

    def end(self) -> None:
        del self.array
        self.memory.close()
        self.memory.unlink()


class ModelRedis(OverRedis):
    def serve(self) -> None:
        self.begin()
        for version in trained():
            self.redis.set("model", version.tobytes())

    def step(self, number: int) -> Any:
        while (data := self.redis.get("model")) is None:
            pass
        return is_whole(numpy.frombuffer(data, "f4"))


def trained() -> Iterator[numpy.ndarray[Any, Any]]:
    """Return a version of the weights after the other, some hundred in a second."""
    weights = numpy.zeros(WEIGHTS, "f4")
    while True:
        weights += 1
        yield weights
        time.sleep(0.005)


# ---- tables: to get one, and the mean of a column ----


class TableZinc(Way):
    name = "zinc"
    needs = ("pandas", "pyarrow")
    others = 0

    def prepare(self) -> None:
        self.tables = zinc.Store(self.id, capacity=64 << 20)
        self.tables["prices"] = prices()

    def step(self, number: int) -> Any:
        return self.tables["prices"].price.mean()

    def end(self) -> None:
        self.tables.close()


class TableRedis(OverRedis):
    needs = ("pandas", "pyarrow")
    others = 0

    def begin(self) -> None:
        super().begin()
        self.redis.set("prices", pickle.dumps(prices(), 5))

    def step(self, number: int) -> Any:
        return pickle.loads(self.redis.get("prices")).price.mean()


class TableFile(Way):
    name = "Arrow file"
    needs = ("pandas", "pyarrow")
    others = 0

    def prepare(self) -> None:
        self.feather: Any = importlib.import_module("pyarrow.feather")
        self.path = f"{tempfile.gettempdir()}/{self.id}"
        self.feather.write_feather(prices(), self.path, compression="uncompressed")

    def step(self, number: int) -> Any:
        return self.feather.read_feather(self.path, memory_map=True).price.mean()

    def end(self) -> None:
        os.unlink(self.path)


def prices() -> Any:
    """Return a table of strings and numbers."""
    pandas: Any = importlib.import_module("pandas")
    tickers = numpy.array(["ABC", "DEF", "XYZ"])[numpy.arange(ROWS) % 3]
    return pandas.DataFrame({"ticker": tickers, "price": numpy.arange(ROWS) % 100.0})


# ---- request and reply: a picture, and the sum of its pixels ----


def total(array: numpy.ndarray[Any, Any]) -> int:
    """Answer a request."""
    return int(array.sum())


class RequestZinc(Way):
    name = "zinc"

    def serve(self) -> None:
        zinc.serve(self.id, total, slot_size=1 << 20)

    def begin(self) -> None:
        self.client = zinc.connect(self.id, timeout_ms=60_000)

    def step(self, number: int) -> Any:
        return self.client.call(picture(number))

    def end(self) -> None:
        self.client.close()


class RequestPipe(Way):
    name = "Pipe"

    def prepare(self) -> None:
        self.here, self.there = fork.Pipe()

    def serve(self) -> None:
        while True:
            self.there.send(total(self.there.recv()))

    def step(self, number: int) -> Any:
        self.here.send(picture(number))
        return self.here.recv()


class RequestZeroMQ(OverZeroMQ):
    def serve(self) -> None:
        socket = self.socket("REP", binds=True)
        while True:
            array = numpy.frombuffer(socket.recv(copy=False).buffer, "u1")
            socket.send_pyobj(total(array))

    def begin(self) -> None:
        self.asking = self.socket("REQ", binds=False)

    def step(self, number: int) -> Any:
        self.asking.send(picture(number), copy=False)
        return self.asking.recv_pyobj()


class Totals:
    """What the manager's process has."""

    def total(self, array: numpy.ndarray[Any, Any]) -> int:
        return total(array)


class Manager(BaseManager):
    """What has a process of its own."""

    totals: Callable[[], Any]  # which `register` makes


class RequestManager(Way):
    name = "BaseManager"
    others = 0

    def begin(self) -> None:
        Manager.register("totals", Totals)
        self.manager: Any = Manager(ctx=fork)
        self.manager.start()
        self.totals = self.manager.totals()

    def step(self, number: int) -> Any:
        return self.totals.total(picture(number))

    def end(self) -> None:
        self.manager.shutdown()


# ---- a counter: to add one, while another process does ----


class CounterZinc(Way):
    name = "zinc"

    def prepare(self) -> None:
        self.region = zinc.create(self.id, 8)
        self.counter = self.region.atomic(0)

    def serve(self) -> None:
        while True:
            self.counter.add(1)

    def step(self, number: int) -> Any:
        for _ in range(ADDED):
            self.counter.add(1)
        return True

    def end(self) -> None:
        self.region.close()


class CounterValue(Way):
    name = "multiprocessing.Value"

    def prepare(self) -> None:
        self.counter: Any = fork.Value("q")

    def serve(self) -> None:
        while True:
            with self.counter.get_lock():
                self.counter.value += 1

    def step(self, number: int) -> Any:
        for _ in range(ADDED):
            with self.counter.get_lock():
                self.counter.value += 1
        return True


class CounterRedis(OverRedis):
    def serve(self) -> None:
        self.begin()
        while True:
            self.redis.incr("counter")

    def step(self, number: int) -> Any:
        for _ in range(ADDED):
            self.redis.incr("counter")
        return True


# ---- telemetry: to collect a record, while two processes send all the time ----


def records() -> Iterator[tuple[Any, ...]]:
    """Return a record after the other."""
    source, value, count = os.getpid(), numpy.arange(8, dtype="f4"), 0
    while True:
        count += 1
        yield source, count, time.time(), value


class TelemetryZinc(Way):
    name = "zinc"
    others = 2

    def prepare(self) -> None:
        self.channel = zinc.Channel.create(self.id, 1024, shape=(), dtype=RECORD)

    def serve(self) -> None:
        self.channel.wait_for_readers(1)
        for record in records():
            self.channel.send(record)

    def begin(self) -> None:
        self.reader = self.channel.reader()

    def step(self, number: int) -> Any:
        return sum(self.reader.recv().array["count"] > 0 for _ in range(RECORDS))

    def end(self) -> None:
        self.channel.close()


class TelemetryWaiting(TelemetryZinc):
    name = "zinc, none lost"

    def prepare(self) -> None:
        self.channel = zinc.Channel.create(self.id, 1024, shape=(), dtype=RECORD, full="wait")


class TelemetryQueue(Way):
    name = "multiprocessing.Queue"
    others = 2

    def prepare(self) -> None:
        self.queue = fork.Queue(1024)

    def serve(self) -> None:
        for record in records():
            self.queue.put(record)

    def step(self, number: int) -> Any:
        return sum(self.queue.get()[1] > 0 for _ in range(RECORDS))


class TelemetryZeroMQ(OverZeroMQ):
    others = 2

    def serve(self) -> None:
        sending = self.socket("PUSH", binds=False)
        for record in records():
            sending.send(numpy.array(record, RECORD))

    def begin(self) -> None:
        self.collecting = self.socket("PULL", binds=True)

    def step(self, number: int) -> Any:
        found = (numpy.frombuffer(self.collecting.recv(), RECORD)[0] for _ in range(RECORDS))
        return sum(record["count"] > 0 for record in found)


class TelemetryRedis(OverRedis):
    others = 2

    def serve(self) -> None:
        self.begin()
        for record in records():
            self.redis.lpush("records", numpy.array(record, RECORD).tobytes())

    def step(self, number: int) -> Any:
        found = (self.redis.brpop(["records"])[1] for _ in range(RECORDS))
        return sum(numpy.frombuffer(data, RECORD)[0]["count"] > 0 for data in found)


# ---- an asyncio service: a call, many of which are under way ----


class ServiceZinc(RequestZinc):
    others = 2

    def serve(self) -> None:
        zinc.serve(self.id, total, slot_size=1 << 20)

    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = zinc.connect(self.id, timeout_ms=60_000)

    async def calls(self, number: int) -> int:
        return sum(
            await asyncio.gather(*(self.client.call_async(picture(number)) for _ in range(TASKS)))
        )

    def step(self, number: int) -> Any:
        return self.loop.run_until_complete(self.calls(number))

    def end(self) -> None:
        self.client.close()
        self.loop.close()


class ServiceExecutor(Way):
    name = "ProcessPoolExecutor"
    others = 0

    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pool = ProcessPoolExecutor(2, fork)

    async def calls(self, number: int) -> int:
        run = self.loop.run_in_executor
        tasks = (run(self.pool, total, picture(number)) for _ in range(TASKS))
        return sum(await asyncio.gather(*tasks))

    def step(self, number: int) -> Any:
        return self.loop.run_until_complete(self.calls(number))

    def end(self) -> None:
        self.pool.shutdown()
        self.loop.close()


# ---- several machines: an array, until it is added up on the other ----


class MachinesZinc(Way):
    name = "zinc"
    needs = ("zenoh",)
    others = 2

    def prepare(self) -> None:
        self.array = zinc.array(self.id, WEIGHTS, "f4")
        self.where = f"tcp/127.0.0.1:{peers.free_port()}"

    def serve(self) -> None:
        mirrors: Any = importlib.import_module("zinc.mirror")  # which needs Zenoh
        if self.which == 0:
            with mirrors.offer(self.id, self.where):
                signal.pause()
        with mirrors.follow(self.id, self.where, copy=f"{self.id}-there", timeout_ms=None):
            there = zinc.open_array(f"{self.id}-there")
            while there.region.wait(None):
                self.answer(there[0] + there[-1])

    def step(self, number: int) -> Any:
        self.array[:] = number + 1
        self.array.region.notify()
        while (found := self.answered()) != 2 * (number + 1):
            pass  # the state before the first one
        return found

    def end(self) -> None:
        self.array.region.close()


class MachinesZeroMQ(OverZeroMQ):
    def prepare(self) -> None:
        self.address = f"tcp://127.0.0.1:{peers.free_port()}"

    def serve(self) -> None:
        arrays = self.socket("PULL", binds=False)
        while True:
            there = numpy.frombuffer(arrays.recv(copy=False).buffer, "f4")
            self.answer(there[0] + there[-1])

    def begin(self) -> None:
        self.arrays = self.socket("PUSH", binds=True)

    def step(self, number: int) -> Any:
        self.arrays.send(numpy.full(WEIGHTS, number + 1, "f4"), copy=False)
        return self.answered()


class MachinesRedis(OverRedis):
    def serve(self) -> None:
        self.begin()
        heard = self.redis.pubsub()
        heard.subscribe(self.id)
        for message in heard.listen():
            if message["type"] == "message":
                there = numpy.frombuffer(message["data"], "f4")
                self.answer(there[0] + there[-1])

    def step(self, number: int) -> Any:
        while not self.redis.publish(self.id, numpy.full(WEIGHTS, number + 1, "f4").tobytes()):
            pass  # nobody has subscribed yet
        return self.answered()


# ---- measured ----


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be done, and the ways to do it."""

    quantity: str
    ways: tuple[type[Way], ...]
    expected: Callable[[int], Any]  # of a step, by its number
    count: int = 1  # how often a step does it


def pixels(number: int, pictures: int = 1) -> int:
    """Return the sum of all pixels of so many pictures."""
    return number % 250 * int(numpy.prod(PICTURE)) * pictures


def pixels_of_all(number: int) -> int:
    """Return that of all tasks."""
    return pixels(number, TASKS)


def true(number: int) -> bool:
    """Return what a step says where all is well."""
    return True


JOBS = {
    "camera": Job(
        "a frame, added up", (CameraZinc, CameraQueue, CameraMemory, CameraZeroMQ), pixels
    ),
    "work queue": Job(
        "a task done", (WorkZinc, WorkQueue, WorkRedis, WorkRay), pixels_of_all, TASKS
    ),
    "data loader": Job(
        "a batch, added up",
        (LoaderZinc, LoaderQueue, LoaderTorch),
        lambda _: TASKS * BATCH * int(numpy.prod(ITEM)),
        TASKS,
    ),
    "vector environments": Job(
        "a step of four",
        (StepsZinc, StepsPipe, StepsMemory),
        lambda number: number % 250 * ENVIRONMENTS,
    ),
    "model state": Job("a version read", (ModelZinc, ModelMemory, ModelRedis), true),
    "tables": Job("a mean of a column", (TableZinc, TableRedis, TableFile), lambda _: 49.5),
    "request and reply": Job(
        "a reply", (RequestZinc, RequestPipe, RequestZeroMQ, RequestManager), pixels
    ),
    "counter": Job("one added", (CounterZinc, CounterValue, CounterRedis), true, ADDED),
    "telemetry": Job(
        "a record",
        (TelemetryZinc, TelemetryWaiting, TelemetryQueue, TelemetryZeroMQ, TelemetryRedis),
        lambda number: RECORDS,
        RECORDS,
    ),
    "asyncio service": Job("a call", (ServiceZinc, ServiceExecutor), pixels_of_all, TASKS),
    "several machines": Job(
        "an array, added up",
        (MachinesZinc, MachinesZeroMQ, MachinesRedis),
        lambda number: 2 * (number + 1),
    ),
}


@contextlib.contextmanager
def running(way: type[Way], job: Job) -> Generator[Callable[[int], Any]]:
    """Start all processes of a way; give what does so many steps, and returns the time of each."""
    done = way(f"zinc-bench-{os.getpid()}-job-{next(started)}")
    others = []
    for which in range(way.others):
        done.which = which
        others.append(fork.Process(target=serve, args=(done,), daemon=True))
        others[-1].start()

    def run(steps: int) -> Any:
        times = numpy.empty(steps)
        for number in range(steps):
            start = time.perf_counter_ns()
            found = done.step(number)
            times[number] = time.perf_counter_ns() - start
            if found != job.expected(number):
                raise RuntimeError(f"{way.name}: {found!r} is not {job.expected(number)!r}")
        if not all(other.is_alive() for other in others):
            raise RuntimeError(f"{way.name}: another process has failed")
        return times / job.count

    try:
        done.begin()
        yield run
    finally:
        for other in others:
            other.kill()
            other.join()
            other.close()
        done.end()
        os.close(done.hear)
        os.close(done.tell)
        zinc.reclaim()  # what those who were killed had


def serve(way: Way) -> None:
    """Run one of the other processes."""
    way.serve()


def measure(point: str, contenders: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Measure how long a job takes with each of some ways, and count what has to be written."""
    job = JOBS[point]
    there = {way.name: way for way in job.ways if way.name in contenders}
    for name, way in list(there.items()):
        if reason := way.missing():
            del there[name]
            yield Result("jobs", point, name, job.quantity, skipped=reason)
    found = {name: Distribution() for name in there}
    for name in method.in_turns(list(there), settings.samples):
        if name not in found:
            continue
        method.say(name)
        try:
            with running(there[name], job) as run:
                one = float(run(3).min())  # first touches
                steps = settings.operations(one * job.count, most=2000)
                found[name].add(run(steps))
        except Exception as error:  # whatever a library of others has
            if name.startswith("zinc"):
                raise
            del found[name]
            reason = f"failed: {type(error).__name__}: {error}"
            yield Result("jobs", point, name, job.quantity, skipped=reason)
    for name, distribution in found.items():
        yield distribution.tell(Result("jobs", point, name, job.quantity))
        lines = float(written(there[name]))
        yield Result("jobs", point, name, "lines", unit="lines", samples=[lines])


def written(way: type[Way]) -> int:
    """Return how many lines a user writes for it: those of what it has beyond `Way`."""
    names = "prepare", "socket", "serve", "begin", "calls", "step", "end"
    own = (getattr(way, name) for name in names if hasattr(way, name))
    return method.lines_of(
        "".join(inspect.getsource(f) for f in own if f not in vars(Way).values())
    )
