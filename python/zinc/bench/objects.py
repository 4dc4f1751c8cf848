"""Objects that one process leaves in memory, and another reads: put, and the first get."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import pickle
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import resource_tracker, shared_memory
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy

import zinc

from . import method, peers
from .method import Distribution, Settings
from .native import Times
from .results import Result
from .transports import Transport, absence

PUT, GET, BESIDE = "put", "get", "memory beside the data"
FOLDER = "/dev/shm"

# ---- what is put


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of object: how one of about so many bytes is made, and what is looked at in it."""

    make: Callable[[int], Any]
    look: Callable[[Any], object]
    needs: tuple[str, ...] = ()


def dict_of(size: int) -> dict[str, Any]:
    """Return a dict of fifty arrays, which together have so many bytes."""
    return {f"column {number}": numpy.arange(size // 400) + number for number in range(50)}


def frame_of(size: int) -> Any:
    """Return a DataFrame of numbers and strings, which are arrow's, as pandas 3 has them."""
    pandas: Any = importlib.import_module("pandas")
    rows = size // 44  # 8 for a number, 8 for where a text begins, and the text
    texts = [f"the text of row {number:012}" for number in range(rows)]
    columns = {"number": numpy.arange(rows), "text": pandas.array(texts, dtype="string[pyarrow]")}
    return pandas.DataFrame(columns)


KINDS = {
    "array": Kind(
        lambda size: numpy.arange(size // 8),
        lambda array: (int(array[0]), int(array[-1]), len(array)),
    ),
    "dict of 50 arrays": Kind(
        dict_of, lambda parts: [(name, int(part[-1]), len(part)) for name, part in parts.items()]
    ),
    "DataFrame with strings": Kind(
        frame_of,
        lambda frame: (int(frame["number"].iloc[-1]), str(frame["text"].iloc[-1]), len(frame)),
        ("pandas", "pyarrow"),
    ),
}


# ---- how


class Way(Transport):
    """A way to leave an object for another process."""

    gets = True  # else who would get it is only told of it, to have all in the same rhythm
    meets = False  # who gets it has to be there while it is put
    is_alone = False  # who puts it gets it

    def put(self, value: object) -> Any:
        """Leave an object, and return by what it is found."""
        raise NotImplementedError

    def token(self, found_by: Any) -> Any:
        """Return what is told to who gets it."""
        return found_by

    def get(self, token: Any) -> Any:
        """Return the object."""
        raise NotImplementedError

    def let_go(self) -> None:
        """End what a get has begun, once its object is gone."""

    def memory(self, found_by: Any) -> int | None:
        """Return the bytes that the object takes in /dev/shm, where it is there."""
        return None

    def drop(self, found_by: Any) -> None:
        """Remove the object."""


class Zinc(Way):
    """A reference."""

    name = "zinc"
    about = "zinc.put; the reference is pickled, loaded, and asked to get the object in place"

    def put(self, value: object) -> Any:
        return zinc.put(value)

    def token(self, found_by: Any) -> Any:
        return bytes(ForkingPickler.dumps(found_by))

    def get(self, token: Any) -> Any:
        return pickle.loads(token).get()

    def memory(self, found_by: Any) -> int | None:
        if found_by.name is None:
            return int(found_by.nbytes)
        return zinc.examine(found_by.name).memory

    def drop(self, found_by: Any) -> None:
        found_by.release()


class Stored(Way):
    """By key."""

    name = "zinc.Store"
    about = "store[key] = object, and store[key] in a process that has the store open"

    def start_producer(self) -> None:
        self.store = zinc.Store(self.id, 1 << 34)

    start_consumer = start_producer

    def put(self, value: object) -> Any:
        self.store["key"] = value

    def token(self, found_by: Any) -> Any:
        return "key"

    def get(self, token: Any) -> Any:
        return self.store[token]

    def memory(self, found_by: Any) -> int | None:
        (one,) = self.store.objects()
        return one.memory

    def drop(self, found_by: Any) -> None:
        del self.store["key"]

    def close(self) -> None:
        self.store.close()


def dumped(value: object) -> list[Any]:
    """Return an object's pickle and its buffers."""
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(value, 5, buffer_callback=buffers.append)
    return [stream, *(buffer.raw() for buffer in buffers)]


class Pwrite(Way):
    """The system call that zinc makes, and no more."""

    name = "bare pwrite"
    about = "open of a file without a name in /dev/shm, pwrite of the object's buffers, and close"
    gets = False

    def start_producer(self) -> None:
        self.parts: list[Any] = []

    def put(self, value: object) -> Any:
        if not self.parts:
            self.parts = dumped(value)  # once: pickling is not what it is about
        file = os.open(FOLDER, os.O_TMPFILE | os.O_RDWR, 0o600)
        at = 0
        for part in self.parts:
            at += os.pwrite(file, part, at)
        os.close(file)

    def get(self, token: Any) -> Any:
        return None


class SharedMemory(Way):
    """What one writes by hand."""

    name = "shared_memory"
    about = "multiprocessing.shared_memory, and pickle's buffers copied there and read in place"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        resource_tracker.ensure_running()  # one for both processes

    def put(self, value: object) -> Any:
        stream, *buffers = dumped(value)
        places, size = [], 0
        for buffer in buffers:
            places.append((size, size + buffer.nbytes))
            size = (size + buffer.nbytes + 63) // 64 * 64
        memory: Any = shared_memory.SharedMemory(create=True, size=max(1, size))
        for buffer, (start, end) in zip(buffers, places, strict=True):
            memory.buf[start:end] = buffer
        return memory, stream, places

    def token(self, found_by: Any) -> Any:
        memory, stream, places = found_by
        return memory.name, stream, places

    def get(self, token: Any) -> Any:
        name, stream, places = token
        memory: Any = shared_memory.SharedMemory(name)
        self.memory_here = memory
        view = memory.buf.toreadonly()
        return pickle.loads(stream, buffers=[view[start:end] for start, end in places])

    def let_go(self) -> None:
        self.memory_here.close()

    def memory(self, found_by: Any) -> int | None:
        return os.stat(f"{FOLDER}/{found_by[0].name}").st_blocks * 512

    def drop(self, found_by: Any) -> None:
        found_by[0].close()
        found_by[0].unlink()


class Joblib(Way):
    """A file that is mapped."""

    name = "joblib memmap"
    about = 'joblib.dump into /dev/shm, and joblib.load(mmap_mode="r")'
    needs = ("joblib",)

    def put(self, value: object) -> Any:
        joblib: Any = importlib.import_module("joblib")
        path = f"{FOLDER}/{self.id}-joblib"
        joblib.dump(value, path)
        return path

    def get(self, token: Any) -> Any:
        joblib: Any = importlib.import_module("joblib")
        return joblib.load(token, mmap_mode="r")

    def memory(self, found_by: Any) -> int | None:
        return os.stat(found_by).st_blocks * 512

    def drop(self, found_by: Any) -> None:
        os.unlink(found_by)


class Pipe(Way):
    """What most programs do."""

    name = "Pipe"
    about = "multiprocessing.Pipe, send and recv: both wait for each other"
    meets = True

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.reader, self.writer = multiprocessing.Pipe(False)

    def put(self, value: object) -> Any:
        self.writer.send(value)

    def get(self, token: Any) -> Any:
        return self.reader.recv()


class Redis(Way, peers.RedisUnix):
    """A server."""

    name = "Redis, Unix"
    about = "redis-py over a Unix socket, SET and GET of a pickle"

    def start_producer(self) -> None:
        self.client = self.connect()

    def put(self, value: object) -> Any:
        self.client.set(self.id, pickle.dumps(value, 5))
        return self.id

    def get(self, token: Any) -> Any:
        return pickle.loads(self.client.get(token))

    def drop(self, found_by: Any) -> None:
        self.client.delete(found_by)

    def close(self) -> None:
        self.client.close()
        self.stop_server()


class Ray(Way):
    """An object store that many processes have, behind a server."""

    name = "Ray"
    about = "ray.put and ray.get, in the process that has put; a cluster of one machine"
    needs = ("ray",)
    is_alone = True  # references that go another way than Ray's are kept for good

    def start_producer(self) -> None:
        self.ray: Any = importlib.import_module("ray")  # which the type checkers need not have
        quiet = {"log_to_driver": False, "logging_level": "error", "include_dashboard": False}
        self.ray.init(num_cpus=1, **quiet)

    def put(self, value: object) -> Any:
        return self.ray.put(value)

    def get(self, token: Any) -> Any:
        return self.ray.get(token)

    def close(self) -> None:
        self.ray.shutdown()


class Vineyard(Way):
    """An object store behind a server, too."""

    name = "vineyard"
    about = "Client.put and get; a server, vineyardd, has the objects in memory that it keeps"
    needs = ("vineyard",)

    def start_producer(self) -> None:
        utils: Any = importlib.import_module("vineyard.deploy.utils")
        options = ["--socket", self.socket(), "--meta", "local", "--size", "4Gi", "--rpc=false"]
        command = [utils.find_vineyardd_path(), *options]
        self.server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.start_consumer()

    def start_consumer(self) -> None:
        self.vineyard: Any = importlib.import_module("vineyard")
        while not os.path.exists(self.socket()):
            time.sleep(0.05)
        self.client = self.vineyard.connect(self.socket())

    def socket(self) -> str:
        return f"{tempfile.gettempdir()}/{self.id}"

    def put(self, value: object) -> Any:
        return self.client.put(value)

    def token(self, found_by: Any) -> Any:
        return repr(found_by)

    def get(self, token: Any) -> Any:
        return self.client.get(self.vineyard.ObjectID(token))

    def drop(self, found_by: Any) -> None:
        self.client.delete([found_by])

    def close(self) -> None:
        self.client.close()
        self.server.terminate()
        self.server.wait()


WAYS: dict[str, type[Way]] = {
    way.name: way
    for way in (Zinc, Stored, Pwrite, SharedMemory, Joblib, Pipe, Redis, Ray, Vineyard)
}
LARGEST = {Redis.name: 1 << 28}  # bytes; a string of Redis's ends at 512 MiB
UNABLE = {Vineyard.name: "DataFrame with strings"}  # whoever gets one, of pandas 3, never does


# ---- both sides


@contextlib.contextmanager
def session(
    way: Way, kind: Kind, value: object
) -> Generator[Callable[[int], tuple[Times, Times, int | None]]]:
    """Give a function that puts an object so often, and has another process get it."""
    here, there = multiprocessing.Pipe()
    expected = kind.look(value)

    def run(rounds: int) -> tuple[Times, Times, int | None]:
        puts, gets = numpy.zeros((2, rounds), numpy.uint64)
        memory = None
        for number in range(rounds):
            if way.meets:
                here.send((None,))
            start = time.perf_counter_ns()
            found_by = way.put(value)
            puts[number] = time.perf_counter_ns() - start
            if way.is_alone:
                gets[number], seen = got(way, kind, found_by)
            else:
                if not way.meets:
                    here.send((way.token(found_by),))
                gets[number], seen = here.recv()
            if way.gets and seen != expected:
                raise RuntimeError(f"{way.name}: what arrived is not what was put")
            memory = way.memory(found_by)
            way.drop(found_by)
        return puts, gets, memory

    with method.process(serve, way, kind, there):
        there.close()  # or nobody would learn here that the other process has failed
        try:
            way.start_producer()
            yield run
        finally:
            with contextlib.suppress(BrokenPipeError):  # it has failed
                here.send(None)
    way.close()


def serve(way: Way, kind: Kind, there: Any) -> None:
    """Get what the other process has put, and tell how long it took and what is in it."""
    method.pin(method.processors()[1])
    way.start_consumer()
    while (message := there.recv()) is not None:
        there.send(got(way, kind, message[0]))


def got(way: Way, kind: Kind, token: Any) -> tuple[int, object]:
    """Get an object; return how long it took, in nanoseconds, and what is in it."""
    start = time.perf_counter_ns()
    value = way.get(token)
    took = time.perf_counter_ns() - start
    seen = kind.look(value) if way.gets else None
    del value
    way.let_go()
    return took, seen


def data_of(value: Any) -> int:
    """Return the bytes of the arrays; 0 of what has others, too."""
    if isinstance(value, dict):
        return sum(part.nbytes for part in value.values())
    return value.nbytes if isinstance(value, numpy.ndarray) else 0


def measure(
    point: str, contenders: Sequence[str], settings: Settings, *, what: str, size: int
) -> Iterator[Result]:
    """Measure one object, again and again."""
    kind = KINDS[what]
    blank = Result("objects", point, "", PUT, size=size)
    missing = {
        name: absence(*kind.needs) or WAYS[name].missing(settings.redis) for name in contenders
    }
    for name, reason in missing.items():
        if reason:
            yield dataclasses.replace(blank, contender=name, skipped=reason)
    there = [name for name, reason in missing.items() if not reason]
    if not there:
        return
    value = kind.make(size)
    data = data_of(value)
    found = {name: (Distribution(), Distribution()) for name in there}
    beside: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        runs = {}
        for index, name in enumerate(there):
            way = WAYS[name](size, f"zinc-bench-{os.getpid()}-{index}", settings.redis)
            runs[name] = stack.enter_context(session(way, kind, value))
        method.pin(method.processors()[0])
        planned = {}
        for name, run in runs.items():
            method.say(name)
            run(1)  # imports
            puts, gets, memory = run(1)
            if data and memory is not None:
                beside[name] = memory - data
            planned[name] = settings.operations(float(puts[0] + gets[0]), most=5_000)
        for name in method.in_turns(there, settings.samples):
            method.say(name)
            puts, gets, _ = runs[name](planned[name])
            for distribution, times in zip(found[name], (puts, gets), strict=True):
                distribution.add(times)
        method.unpin()
    for name, distributions in found.items():
        for quantity, distribution in zip((PUT, GET), distributions, strict=True):
            if quantity == PUT or WAYS[name].gets:
                result = dataclasses.replace(blank, contender=name, quantity=quantity)
                result.resolution = 2 * method.python_clock_cost()
                yield distribution.tell(result)
        if name in beside:
            yield dataclasses.replace(
                blank, contender=name, quantity=BESIDE, unit="bytes", samples=[beside[name]]
            )
