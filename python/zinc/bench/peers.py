"""Ways to give a payload from one process to another that others have made."""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy

from .method import private
from .transports import Bytes, Transport

WATCHDOG = datetime.timedelta(minutes=5)


class Built(Transport):
    """One whose payload is built in the producer's own memory."""

    def start_producer(self) -> None:
        self.array = private(self.size)

    def payload(self) -> Bytes:
        return self.array


# ---- gRPC ----


def _message() -> Any:
    """Return the class of a protobuf message with one field of bytes, as protoc makes it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="payload.proto", syntax="proto3")
    message = file.message_type.add(name="Payload")
    field = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="data", number=1, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Payload"))


class GrpcUnary(Built):
    """A call whose request is the payload; the consumer is the server."""

    name = "gRPC unary, TCP"
    about = "grpcio and protobuf: one request with a bytes field, over loopback"
    needs = ("grpc", "google.protobuf")
    scheme: ClassVar[str] = "tcp"
    options = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.folder = tempfile.mkdtemp(prefix=name)
        self.port = Path(self.folder, "port")
        self.use: Callable[[Any], None] = lambda _: None
        self.was_used = threading.Semaphore(0)

    def start_consumer(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        self.payload_type = _message()
        self.server: Any = grpc.server(ThreadPoolExecutor(1), options=self.options)
        handlers = grpc.method_handlers_generic_handler("Bench", {"Put": self.handler(grpc)})
        self.server.add_generic_rpc_handlers((handlers,))
        unix = self.scheme == "unix"
        port = self.server.add_insecure_port(
            f"unix:{self.folder}/socket" if unix else "127.0.0.1:0"
        )
        self.server.start()
        self.port.write_text(f"unix:{self.folder}/socket" if unix else f"127.0.0.1:{port}")

    def start_producer(self) -> None:
        super().start_producer()
        import grpc

        self.payload_type = _message()
        self.channel: Any = grpc.insecure_channel(self.port.read_text(), options=self.options)
        self.put = self.stub()

    def handler(self, grpc: Any) -> Any:
        """Return the server's side of the call."""
        return grpc.unary_unary_rpc_method_handler(
            self.serve,
            self.payload_type.FromString,
            self.payload_type.SerializeToString,
        )

    def stub(self) -> Any:
        """Return the client's side of the call."""
        serialize, parse = self.payload_type.SerializeToString, self.payload_type.FromString
        return self.channel.unary_unary("/Bench/Put", serialize, parse)

    def serve(self, request: Any, context: object) -> Any:
        """Use a request's payload."""
        self.arrived(request.data)
        return self.payload_type()

    def arrived(self, data: Any) -> None:
        """Use a payload."""
        self.use(data)
        self.was_used.release()

    def receive(self, use: Callable[[Any], None]) -> None:
        self.use = use
        self.was_used.acquire()

    def send(self) -> None:
        self.put(self.payload_type(data=self.array.tobytes()))

    def close(self) -> None:
        if hasattr(self, "server"):
            self.server.stop(None)
        elif hasattr(self, "channel"):
            self.channel.close()
            shutil.rmtree(self.folder, ignore_errors=True)


class GrpcUnaryUnix(GrpcUnary):
    """The same through a Unix socket."""

    name = "gRPC unary, Unix"
    about = "the same over a Unix socket"
    scheme = "unix"


class GrpcStream(GrpcUnary):
    """A call whose requests are the payload in pieces."""

    name = "gRPC stream, TCP"
    about = "a client stream of messages of 1 MiB, put together in a buffer that is there"
    piece = 1 << 20

    def start_consumer(self) -> None:
        self.whole = private(self.size)
        super().start_consumer()

    def handler(self, grpc: Any) -> Any:
        return grpc.stream_unary_rpc_method_handler(
            self.serve_stream, self.payload_type.FromString, self.payload_type.SerializeToString
        )

    def stub(self) -> Any:
        serialize, parse = self.payload_type.SerializeToString, self.payload_type.FromString
        return self.channel.stream_unary("/Bench/Put", serialize, parse)

    def serve_stream(self, requests: Any, context: object) -> Any:
        """Put the pieces together, and use the whole."""
        room = memoryview(self.whole)
        start = 0
        for request in requests:
            end = start + len(request.data)
            room[start:end] = request.data
            start = end
        self.arrived(self.whole)
        return self.payload_type()

    def send(self) -> None:
        starts = range(0, self.size, self.piece)
        self.put(
            self.payload_type(data=self.array[at : at + self.piece].tobytes()) for at in starts
        )


class GrpcStreamUnix(GrpcStream):
    """The same through a Unix socket."""

    name = "gRPC stream, Unix"
    about = "the same over a Unix socket"
    scheme = "unix"


# ---- Redis ----


class Redis(Built):
    """SET in the producer, GET in the consumer."""

    name = "Redis, TCP"
    about = "redis-py, SET and GET; a bare pipe tells the consumer when to GET"
    needs = ("redis",)
    over: ClassVar[str] = "tcp"

    @classmethod
    def missing(cls, redis: str | None) -> str | None:
        if reason := super().missing(redis):
            return reason
        if redis:
            other = redis.startswith("unix:") != (cls.over == "unix")
            return "the server that was named is reached the other way" if other else None
        return None if shutil.which("redis-server") else "there is no redis-server on the path"

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.bell, self.button = os.pipe()
        self.server: subprocess.Popen[bytes] | None = None
        self.url = redis or self.start_server()

    def start_server(self) -> str:
        """Start a server of our own, and return its URL."""
        self.folder = tempfile.mkdtemp(prefix=self.id)
        path = f"{self.folder}/socket"
        port = "0"
        if self.over == "tcp":
            port = str(free_port())
        options = {
            **{"bind": "127.0.0.1", "port": port, "unixsocket": path, "dir": self.folder},
            **{"save": "", "appendonly": "no", "proto-max-bulk-len": "4gb"},
            **{"client-query-buffer-limit": "4gb", "loglevel": "warning", "logfile": "log"},
        }
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        self.server = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
        end = time.monotonic() + WATCHDOG.total_seconds()
        while not os.path.exists(path):
            if self.server.poll() is not None or time.monotonic() > end:
                raise RuntimeError("redis-server did not start: " + self.log())
            time.sleep(0.01)
        return f"unix://{path}" if self.over == "unix" else f"redis://127.0.0.1:{port}"

    def log(self) -> str:
        """Return what the server wrote last."""
        with contextlib.suppress(OSError):
            return Path(self.folder, "log").read_text()[-500:]
        return "it wrote nothing"

    def connect(self) -> Any:
        """Return a client."""
        import redis

        client = redis.from_url(self.url)
        client.ping()
        return client

    def start_consumer(self) -> None:
        self.client = self.connect()

    def start_producer(self) -> None:
        super().start_producer()
        self.client = self.connect()

    def send(self) -> None:
        self.client.set(self.id, memoryview(self.array))
        os.write(self.button, b"!")

    def next(self) -> Any:
        os.read(self.bell, 1)
        return self.client.get(self.id)

    def close(self) -> None:
        if hasattr(self, "array"):
            self.client.delete(self.id)
        self.client.close()
        if hasattr(self, "array"):
            self.stop_server()

    def stop_server(self) -> None:
        """Stop the server if it is our own."""
        if self.server:
            self.server.terminate()
            self.server.wait()
            shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class RedisUnix(Redis):
    """The same through a Unix socket."""

    name = "Redis, Unix"
    about = "the same over a Unix socket"
    over = "unix"


# ---- others ----


class ZeroMQ(Built):
    """PUSH and PULL."""

    name = "pyzmq"
    about = "PUSH and PULL over ipc://, without copies in Python"
    needs = ("zmq",)

    def __init__(self, size: int, name: str, redis: str | None) -> None:
        super().__init__(size, name, redis)
        self.address = f"ipc://{tempfile.gettempdir()}/{name}-zmq"

    def start_consumer(self) -> None:
        import zmq

        self.socket: Any = zmq.Context().socket(zmq.PULL)
        self.socket.bind(self.address)

    def start_producer(self) -> None:
        super().start_producer()
        import zmq

        self.socket = zmq.Context().socket(zmq.PUSH)
        self.socket.connect(self.address)

    def send(self) -> None:
        self.socket.send(self.array, copy=False)

    def next(self) -> Any:
        return self.socket.recv(copy=False).buffer

    def close(self) -> None:
        self.socket.close(0)
        if not hasattr(self, "array"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address.removeprefix("ipc://"))


def iceoryx2_node(name: str) -> tuple[Any, Callable[[], Any]]:
    """Return a node, which has to be kept, and what begins to build a service of this name.

    What it leaves has names that begin with `name`.
    """
    import iceoryx2

    iox: Any = iceoryx2
    iox.set_log_level(iox.LogLevel.Error)
    settings: Any = iox.config.default()
    settings.global_cfg.prefix = iox.FileName.new(f"{name}-")
    node: Any = iox.NodeBuilder.new().config(settings).create(iox.ServiceType.Ipc)
    return node, lambda: node.service_builder(iox.ServiceName.new(name))


def iceoryx2_bytes() -> Any:
    """Return the type of payloads that are bytes."""
    import iceoryx2

    iox: Any = iceoryx2
    return iox.Slice[ctypes.c_uint8]


class Iceoryx2(Transport):
    """A loaned sample that the payload is built in."""

    name = "iceoryx2"
    about = "loan, send, and an event that wakes the subscriber; the payload is built in the loan"
    needs = ("iceoryx2",)

    def services(self) -> tuple[Any, Any, Any]:
        """Open both services; what they come from has to be kept."""
        import iceoryx2

        iox: Any = iceoryx2
        node, service = iceoryx2_node(self.id)
        payloads = (
            service()
            .publish_subscribe(iceoryx2_bytes())
            .payload_alignment(iox.Alignment.new(4096))
            .max_publishers(1)
            .max_subscribers(1)
            .history_size(0)
            .subscriber_max_buffer_size(1)
            .subscriber_max_borrowed_samples(1)
            .open_or_create()
        )
        return node, payloads, service().event().open_or_create()

    def start_consumer(self) -> None:
        self.held = self.node, payloads, events = self.services()
        self.subscriber = payloads.subscriber_builder().create()
        self.listener = events.listener_builder().create()

    def start_producer(self) -> None:
        self.held = self.node, payloads, events = self.services()
        self.publisher = payloads.publisher_builder().initial_max_slice_len(self.size).create()
        self.notifier = events.notifier_builder().create()

    def payload(self) -> Bytes:
        self.sample = self.publisher.loan_slice_uninit(self.size)
        return view_at(self.sample.payload_ptr, self.size)

    def send(self) -> None:
        self.sample.assume_init().send()
        self.notifier.notify()

    def next(self) -> Any:
        while True:
            self.sample = self.subscriber.receive()
            if self.sample is not None:
                return view_at(self.sample.payload_ptr, self.size)
            self.listener.blocking_wait()

    def release(self) -> None:
        self.sample.delete()

    def close(self) -> None:
        for name in ("sample", "publisher", "subscriber", "notifier", "listener", "held", "node"):
            vars(self).pop(name, None)


def view_at(address: int, size: int) -> Bytes:
    """Return memory as an array. It has to stay there."""
    return numpy.frombuffer((ctypes.c_uint8 * size).from_address(address), numpy.uint8)


class Kickmsg(Transport):
    """A slot that the payload is built in."""

    name = "kickmsg"
    about = "allocate, publish and receive_view; the payload is built in the slot"
    needs = ("kickmsg",)

    def region(self) -> Any:
        """Open the channel."""
        import kickmsg

        settings = kickmsg.Config()
        settings.max_subscribers = 1
        settings.sub_ring_capacity = 2
        settings.pool_size = 4
        settings.max_payload_size = self.size
        name = f"/{self.id}-kickmsg"
        return kickmsg.SharedRegion.create_or_open(name, kickmsg.ChannelType.PubSub, settings)

    def start_consumer(self) -> None:
        import kickmsg

        self.channel = self.region()
        self.subscriber = kickmsg.Subscriber(self.channel)

    def start_producer(self) -> None:
        import kickmsg

        self.channel = self.region()
        self.publisher = kickmsg.Publisher(self.channel)

    def payload(self) -> Bytes:
        slot = self.publisher.allocate()
        if slot is None:
            raise RuntimeError("kickmsg has no slot left")
        self.slot = slot
        return numpy.frombuffer(self.slot, numpy.uint8, self.size)

    def send(self) -> None:
        self.slot.publish(self.size)

    def next(self) -> Any:
        view = self.subscriber.receive_view(WATCHDOG)
        if view is None:
            raise RuntimeError("kickmsg: nothing came")
        self.view = view
        return memoryview(view)

    def release(self) -> None:
        self.view.release()

    def close(self) -> None:
        is_producer = hasattr(self, "publisher")
        for name in ("slot", "view", "publisher", "subscriber", "channel"):
            vars(self).pop(name, None)
        if is_producer:
            with contextlib.suppress(Exception):
                sys.modules["kickmsg"].unlink_shm(f"/{self.id}-kickmsg")
