"""What a mirror takes, beside a hand-written one over TCP, bare Zenoh, NATS and Redis, in one run.

    python tests/mirrors.py [ROUNDS [tcp zinc zenoh nats redis | small]]

Of a region: from its notify on A until a consumer on B, asleep in wait, has answered over a socket of
its own. A and B are processes of this machine, with other names, and so are the mirrors. The ways take
turns, so that whatever else the machine does is in all of them. Then messages of 1 KiB a second through
a mirrored channel, beside a bare publisher and subscriber of Zenoh's. NATS and Redis take part where
their servers and clients are installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import zinc

RUN = f"mirrors-{os.getpid()}"
SIZES = {"4 MiB": 4 << 20, "64 MiB": 64 << 20}
MESSAGES = 50_000


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def say(what: str = "ready") -> None:
    print(what, flush=True)


# ---- the ways: what sends on A, and what receives on B, each a process ----


def zinc_out(name: str, port: str) -> None:
    import zinc.mirror

    with zinc.mirror.offer(name, f"tcp/127.0.0.1:{port}"):
        say()
        sys.stdin.read()


def zinc_in(name: str, port: str) -> None:
    import zinc.mirror

    where = f"tcp/127.0.0.1:{port}"
    with zinc.mirror.follow(name, where, copy=f"{name}-there", timeout_ms=60_000):
        say()
        sys.stdin.read()


def tcp_out(name: str, port: str) -> None:
    region = zinc.open(name)
    view = memoryview(region)
    with socket.create_server(("127.0.0.1", int(port))) as server:
        say()
        link, _ = server.accept()
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        region.wait(None)
        link.sendall(view)


def tcp_in(name: str, port: str) -> None:
    region = zinc.SharedRegion.open_or_create(f"{name}-there", zinc.open(name).capacity)
    view = memoryview(region)
    link = socket.create_connection(("127.0.0.1", int(port)))
    say()
    while True:
        there = 0
        while there < len(view):
            if not (count := link.recv_into(view[there:])):
                return
            there += count
        region.notify()


def zenoh_out(name: str, port: str) -> None:
    """Put the parts that a mirror sends, with nothing that tells of them."""
    import zenoh

    from zinc.mirror import _wire

    region = zinc.open(name)
    with zenoh.open(bare_config(port, "listen")) as session:
        publisher = session.declare_publisher(
            name, congestion_control=zenoh.CongestionControl.BLOCK
        )
        say()
        while True:
            region.wait(None)
            for _, part in _wire.chunks(region, _wire.PART):
                publisher.put(bytes(part))


def zenoh_in(name: str, port: str) -> None:
    import zenoh

    from zinc.mirror import _link

    region = zinc.SharedRegion.open_or_create(f"{name}-there", zinc.open(name).capacity)
    view, there = memoryview(region), 0

    def got(sample: Any) -> None:
        nonlocal there
        data = sample.payload.to_bytes()
        view[there : there + len(data)] = data
        there += len(data)
        if there == len(view):
            there = 0
            region.notify()

    with zenoh.open(bare_config(port, "connect")) as session:
        session.declare_subscriber(name, _link.direct(got))
        time.sleep(1)  # until the other side knows of it
        say()
        sys.stdin.read()


def nats_out(name: str, port: str) -> None:
    import nats

    async def run() -> None:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        region = zinc.open(name)
        view = memoryview(region)
        say()
        while True:
            await region.wait_async(None)
            for offset in range(0, len(view), 1_000_000):
                await client.publish(name, bytes(view[offset : offset + 1_000_000]))
            await client.flush()

    asyncio.run(run())


def nats_in(name: str, port: str) -> None:
    import nats

    async def run() -> None:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        region = zinc.SharedRegion.open_or_create(f"{name}-there", zinc.open(name).capacity)
        view, there = memoryview(region), 0

        async def got(message: Any) -> None:
            nonlocal there
            view[there : there + len(message.data)] = message.data
            there += len(message.data)
            if there == len(view):
                there = 0
                region.notify()

        await client.subscribe(name, cb=got, pending_bytes_limit=1 << 30)
        await client.flush()
        say()
        await asyncio.Event().wait()

    asyncio.run(run())


def redis_out(name: str, port: str) -> None:
    import redis

    client: Any = redis.Redis(port=int(port))
    region = zinc.open(name)
    say()
    while True:
        region.wait(None)
        client.publish(name, memoryview(region))


def redis_in(name: str, port: str) -> None:
    import redis

    client: Any = redis.Redis(port=int(port))
    heard = client.pubsub()
    heard.subscribe(name)
    region = zinc.SharedRegion.open_or_create(f"{name}-there", zinc.open(name).capacity)
    view = memoryview(region)
    say()
    for message in heard.listen():
        if message["type"] == "message":
            view[:] = message["data"]
            region.notify()


def consumer(name: str, port: str) -> None:
    """Answer each notification of the copy."""
    region = zinc.open(f"{name}-there", timeout_ms=60_000)
    link = socket.create_connection(("127.0.0.1", int(port)))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    region.try_wait()  # what came before
    say()
    while True:
        region.wait(None)
        link.sendall(b"x")


# ---- small messages ----


def bare_config(port: str, side: str) -> Any:
    from zinc.mirror import _link

    where = f"tcp/127.0.0.1:{port}"
    listen, connect = (where, None) if side == "listen" else (None, where)
    return _link.configuration(listen, connect, _link.LEASE_MS, None)


def bare_in(name: str, port: str) -> None:
    import zenoh

    from zinc.mirror import _link

    count = 0

    def got(sample: Any) -> None:
        nonlocal count
        sample.payload.to_bytes()
        count += 1
        if count == MESSAGES:
            say("done")

    with zenoh.open(bare_config(port, "connect")) as session:
        session.declare_subscriber(name, _link.direct(got))
        say()
        sys.stdin.read()


def channel_in(name: str, port: str) -> None:
    import zinc.mirror

    where = f"tcp/127.0.0.1:{port}"
    with zinc.mirror.follow(name, where, copy=f"{name}-there", timeout_ms=None) as mirror:
        say()
        sys.stdin.read()
        del mirror


def channel_reader(name: str, port: str) -> None:
    reader = zinc.Channel.open(f"{name}-there", timeout_ms=60_000).reader()
    say()
    left = MESSAGES
    while left:
        for message in reader.recv_many(8):
            message.release()
            left -= 1
    say("done")


ROLES: dict[str, Callable[[str, str], None]] = {
    role.__name__: role
    for role in (
        *(zinc_out, zinc_in, tcp_out, tcp_in, zenoh_out, zenoh_in),
        *(nats_out, nats_in, redis_out, redis_in),
        *(consumer, bare_in, channel_in, channel_reader),
    )
}


# ---- the run ----


def start(stack: contextlib.ExitStack, role: str, name: str, port: int) -> Any:
    command = [sys.executable, __file__, role, name, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end() -> None:
        process.kill()
        process.communicate()

    stack.callback(end)
    assert process.stdout
    assert process.stdout.readline() == "ready\n", role
    return process


@contextlib.contextmanager
def way(kind: str, name: str, size: int) -> Iterator[Callable[[], float]]:
    """Set up a mirror and its consumer; give what makes one hand-over, and returns its seconds."""
    with contextlib.ExitStack() as stack:
        region = stack.enter_context(zinc.create(name, size, prefault=True))
        region.as_buffer()[:] = os.urandom(1 << 20) * (size >> 20)
        port = free_port()
        if kind in ("nats", "redis"):
            # A subscriber of Redis is cut off at 32 MiB otherwise, and waits for ever.
            limit = ("--client-output-buffer-limit", "pubsub", "0", "0", "0")
            of_redis = ("--port", str(port), "--save", "", *limit)
            own = ("-p", str(port)) if kind == "nats" else of_redis
            server = subprocess.Popen(
                [f"{kind}-server", *own], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(server.wait)
            stack.callback(server.kill)
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.05)
        for side in ("out", "in"):
            start(stack, f"{kind}_{side}", name, port)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            start(stack, "consumer", name, listening.getsockname()[1])
            answers, _ = listening.accept()
        stack.callback(answers.close)

        def hand_over() -> float:
            began = time.perf_counter()
            region.notify()
            answers.recv(1)
            return time.perf_counter() - began

        hand_over()
        yield hand_over


def available() -> list[str]:
    """Return the ways that there are here."""
    servers = [kind for kind in ("nats", "redis") if shutil.which(f"{kind}-server")]
    return ["tcp", "zinc", "zenoh", *(kind for kind in servers if importlib.util.find_spec(kind))]


def regions(rounds: int, kinds: list[str]) -> None:
    for label, size in SIZES.items():
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        with contextlib.ExitStack() as stack:
            ways = {kind: stack.enter_context(way(kind, f"{RUN}-{kind}", size)) for kind in kinds}
            for _ in range(rounds):
                for kind, hand_over in ways.items():
                    found[kind].append(hand_over())
        medians = {kind: statistics.median(times) for kind, times in found.items()}
        for kind, median in medians.items():
            ratios = f"{medians.get('tcp', median) / median:.2f} of tcp's speed"
            if kind not in ("tcp", "zinc") and "zinc" in medians:
                ratios += f", zinc is {median / medians['zinc']:.1f} times as fast"
            best = min(found[kind]) * 1e3
            print(f"{label:>7} {kind:>6} {median * 1e3:8.2f} ms, best {best:8.2f}  {ratios}")


def small() -> None:
    import zenoh

    data = os.urandom(1024)
    for _ in range(3):
        name = f"{RUN}-small"
        with contextlib.ExitStack() as stack:
            port = free_port()
            session: Any = zenoh.open(bare_config(str(port), "listen"))
            stack.callback(session.close)
            publisher = session.declare_publisher(
                name, congestion_control=zenoh.CongestionControl.BLOCK
            )
            receiver = start(stack, "bare_in", name, port)
            while not publisher.matching_status.matching:
                time.sleep(0.01)
            began = time.perf_counter()
            for _ in range(MESSAGES):
                publisher.put(data)
            assert receiver.stdout.readline() == "done\n"
            bare = MESSAGES / (time.perf_counter() - began)
        with contextlib.ExitStack() as stack:
            port = free_port()
            channel = stack.enter_context(
                zinc.Channel.create(name, 1024, slot_size=1024, full="wait")
            )
            start(stack, "zinc_out", name, port)
            start(stack, "channel_in", name, port)
            reader = start(stack, "channel_reader", name, port)
            began = time.perf_counter()
            for _ in range(MESSAGES):
                channel.send(data)
            assert reader.stdout.readline() == "done\n"
            mirrored = MESSAGES / (time.perf_counter() - began)
        print(f"1 KiB messages a second: {mirrored:,.0f} mirrored, {bare:,.0f} by bare Zenoh")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ROLES:
        ROLES[sys.argv[1]](*sys.argv[2:])
    else:
        which = sys.argv[2:] or [*available(), "small"]
        try:
            if kinds := [kind for kind in which if kind != "small"]:
                regions(int(sys.argv[1]) if len(sys.argv) > 1 else 15, kinds)
            if "small" in which:
                small()
        finally:
            zinc.reclaim()
            with contextlib.suppress(FileNotFoundError):
                zinc.unlink(f"mirror-{RUN}-small-there")
