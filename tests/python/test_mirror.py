"""Mirrors on one machine, under other names: what travels, what is refused, and the command."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

zenoh = pytest.importorskip("zenoh")

import zinc.mirror  # noqa: E402
from zinc.mirror import _wire  # noqa: E402

LEASE = 1000


def free_endpoint() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp/127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def where() -> str:
    return free_endpoint()


def until(what: Callable[[], Any]) -> None:
    while not what():
        time.sleep(0.01)


def follow(name: str, where: str | None, **how: Any) -> zinc.mirror.Mirror:
    how = {"lease_ms": LEASE, "timeout_ms": 30_000, "copy": f"{name}-copy", **how}
    return zinc.mirror.follow(name, where, **how)


def offer(thing: Any, where: str, **how: Any) -> zinc.mirror.Offer:
    return zinc.mirror.offer(thing, where, lease_ms=LEASE, **how)


def test_array_is_an_array_elsewhere(name: str, where: str) -> None:
    kind = numpy.dtype([("x", "f4"), ("y", "i8")])
    with (
        zinc.array(name, (30, 70), kind, order="F").region as region,
        offer(region, where) as offered,
    ):
        array: Any = zinc.open_array(name)
        array["x"], array["y"] = 1.5, 7
        region.notify()
        with follow(name, where) as mirror:
            copy: Any = zinc.open_array(f"{name}-copy", (30, 70), kind)
            assert copy.flags.f_contiguous
            assert (copy == array).all()
            assert offered.followers == {name: 1}
            assert (mirror.connected, mirror.missed, mirror.problem) == (True, 0, None)
            seen = mirror.region.sequence
            array["y"][3, 4] = -1
            region.notify()
            until(lambda: copy["y"][3, 4] == -1)
            until(lambda: mirror.region.sequence == seen + 1)
            assert mirror.age < 30
            assert mirror.region.metadata == region.metadata
            copy = None
        array = None


def test_region_larger_than_a_batch_is_the_same(name: str, where: str) -> None:
    data = random.Random(1).randbytes(3_000_001)
    with zinc.create(name, len(data), metadata=b"mine", kind=1234) as region:
        region.as_buffer()[:] = data
        with offer(name, where), follow(name, where) as mirror:
            assert bytes(mirror.region.as_buffer()) == data
            assert (mirror.region.kind, mirror.region.metadata) == (1234, b"mine")


def test_notifications_without_a_state_of_their_own_are_missed(name: str, where: str) -> None:
    with zinc.create(name, 8) as region, offer(name, where), follow(name, where) as mirror:
        seen = mirror.region.sequence
        with zinc.open(name) as other:
            for _ in range(1000):
                other.notify()
        assert region.sequence == 1000
        until(lambda: mirror.missed + (mirror.region.sequence - seen) >= 1000)
        assert mirror.missed + (mirror.region.sequence - seen) == 1000


@pytest.mark.parametrize("full", ["overwrite", "wait"])
def test_messages_come_with_their_tags(name: str, where: str, full: Any) -> None:
    with zinc.Channel.create(name, 64, slot_size=200_000, full=full) as channel:
        channel.send(b"before", 5)
        with offer(channel, where), follow(name, where) as mirror:
            assert (mirror.channel.full, mirror.channel.slots) == (full, 64)
            with mirror.channel.reader(64) as reader:
                for size in (0, 1, 64_000, 65_000, 130_000, 200_000):
                    channel.send(bytes([size % 251]) * size, size + 1)
                found = [reader.recv(30_000) for _ in range(7)]
                assert [one.tag for one in found] == [5, 1, 2, 64_001, 65_001, 130_001, 200_001]
                assert bytes(found[-1].data) == bytes([200_000 % 251]) * 200_000
                assert mirror.missed == 0
                del found


def test_arrays_in_messages_keep_shape_and_dtype(name: str, where: str) -> None:
    with zinc.Channel.create(name, shape=(200, 300), dtype="f4") as channel:
        with offer(channel, where), follow(name, where) as mirror:
            reader = zinc.Channel.open(f"{name}-copy", shape=(200, 300), dtype="f4").reader()
            with channel.loan() as frame:
                frame.array[:] = 2.5
            with reader.recv(30_000) as message:
                assert (message.array == 2.5).all()
            reader.close()
            assert mirror.channel.dtype == numpy.dtype("f4")


def test_objects_travel_with_what_lies_beside_them(name: str, where: str) -> None:
    large = numpy.arange(200_000)
    with (
        zinc.Channel.create(name, slot_size=1000) as channel,
        offer(channel, where),
        follow(name, where) as mirror,
        mirror.channel.reader() as reader,
    ):
        for sent in ({"small": 1}, {"large": large}):
            channel.send_object(sent)
            with reader.recv(30_000) as message:
                found = message.object()
            assert found.keys() == sent.keys()
        assert (found["large"] == large).all()
        del found
        # Both sides let go of it when something else has its place.
        for n in range(60):
            channel.send_object(n)
            reader.recv(30_000).release()
        until(
            lambda: (
                not any(one.startswith("object-") for one in zinc.regions())
                or channel.send_object(0) < 0
            )
        )


def test_items_are_done_where_they_come_from_once_they_are(name: str, where: str) -> None:
    with zinc.Queue(name=name) as queue, offer(queue, where), follow(name, where):
        with zinc.Queue.open(f"{name}-copy") as copy:
            for n in range(50):
                queue.put({"n": n, "data": numpy.full(n * 1000, n)})
            for n in range(50):
                item = copy.get(timeout=30)
                assert (item["n"], item["data"].sum()) == (n, n * n * 1000)
            assert queue.unfinished_tasks > 0
            copy.task_done()
            del item
            queue.shutdown()
            with pytest.raises(zinc.ShutDown):
                copy.get(timeout=30)
            queue.join(timeout_ms=30_000)


def test_items_go_back_where_nobody_works_any_more(name: str, where: str) -> None:
    with zinc.Queue(name=name) as queue, offer(queue, where), follow(name, where) as mirror:
        worker = zinc.Queue.open(f"{name}-copy")
        assert worker.empty()
        with pytest.raises(TimeoutError):
            worker.recv(0)
        for n in range(2):
            queue.send(bytes([n]))
        until(lambda: mirror.queue.qsize() == 2)
        worker.close()
        found = [queue.recv(30_000) for _ in range(2)]
        assert sorted(bytes(one.data) for one in found) == [b"\0", b"\1"]
        for one in found:
            assert one.redelivered == 1
            one.release()
        del found, one


def test_copy_needs_a_name_of_its_own_where_its_source_is(name: str, where: str) -> None:
    with zinc.create(name, 8), offer(name, where):
        with pytest.raises(ValueError, match="needs another name"):
            follow(name, where, copy=name)


def test_what_has_the_copys_name_stays(name: str, where: str) -> None:
    with zinc.create(name, 8), offer(name, where), zinc.create(f"{name}-copy", 9) as other:
        with pytest.raises(
            FileExistsError, match=r"a region of 8 bytes .*, and here .* of 9 bytes"
        ):
            follow(name, where)
        assert len(other) == 9


def test_nothing_comes_where_nobody_offers_it(name: str, where: str) -> None:
    with pytest.raises(TimeoutError, match="nobody who can be reached offers it"):
        follow(name, where, timeout_ms=300)


def test_what_has_no_mirror_is_refused(name: str, where: str) -> None:
    with pytest.raises(FileNotFoundError):
        offer(name, where)
    with zinc.Lock(name), pytest.raises(ValueError, match="has no mirror"):
        offer(name, where)
    with zinc.SharedRegion.anonymous(1) as unnamed, pytest.raises(ValueError, match="has a name"):
        offer(unnamed, where)
    with zinc.create(f"{name}-x", 1) as region:
        with pytest.raises(ValueError, match="Zenoh does not take"):
            offer(region, "nonsense")
        with pytest.raises(ValueError, match="say where"):
            zinc.mirror.offer(region)
        with pytest.raises(ValueError, match="lease"):
            zinc.mirror.offer(region, where, lease_ms=0)
        with pytest.raises(ValueError, match="prefetch"):
            follow(name, where, prefetch=0)
        with pytest.raises(ValueError, match="configuration '/nonexistent'"):
            zinc.mirror.offer(region, config="/nonexistent")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            with pytest.raises(ConnectionError, match="mirror at tcp"):
                offer(region, f"tcp/127.0.0.1:{taken.getsockname()[1]}")


def test_a_source_that_is_replaced_goes_on_and_one_of_another_size_does_not(
    name: str, where: str
) -> None:
    first = zinc.create(name, 8)
    with offer(name, where), follow(name, where) as mirror:
        with zinc.create(name, 8, exist="replace") as second:
            second.as_buffer()[:] = b"replaced"
            second.notify()
            until(lambda: bytes(mirror.region.as_buffer()) == b"replaced")
            with zinc.create(name, 9, exist="replace"):
                until(lambda: mirror.problem)
                assert "follow it anew" in str(mirror.problem)
                assert bytes(mirror.region.as_buffer()) == b"replaced"
    first.close()


# ---- what others may send ----


class Stranger:
    """Somebody else at the link of both, who says what he likes."""

    def __init__(self, name: str, where: str, own: str) -> None:
        config: Any = zenoh.Config()
        for key, value in (
            ("scouting/multicast/enabled", "false"),
            ("transport/shared_memory/enabled", "false"),
            ("connect/endpoints", f'["{where}"]'),
            ("listen/endpoints", f'["{own}"]'),
        ):
            config.insert_json5(key, value)
        self.session: Any = zenoh.open(config)
        self.heard: list[tuple[str, bytes]] = []

        def heard(sample: Any) -> None:
            self.heard.append((str(sample.key_expr), sample.payload.to_bytes()))

        self.subscriber = self.session.declare_subscriber(f"zinc/{name}/**", heard)


def mutations(dice: random.Random, payload: bytes) -> Iterator[bytes]:
    """Give what begins as something that was sent, and is not that."""
    for _ in range(60):
        changed = bytearray(payload)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(changed))
            changed[place] = dice.choice([0, 1, 0x7F, 0xFF, dice.randrange(256)])
        yield bytes(changed)
        yield payload[: dice.randrange(len(payload))]
        yield payload + dice.randbytes(dice.randint(1, 40))


@pytest.mark.parametrize("what", ["region", "channel", "queue"])
def test_whatever_a_stranger_sends_breaks_nothing(
    name: str, where: str, tmp_path: Path, what: str
) -> None:
    dice = random.Random(what)
    makers: dict[str, Any] = {
        "region": lambda: zinc.create(name, 100_000),
        "channel": lambda: zinc.Channel.create(name, 8, slot_size=100_000, full="wait"),
        "queue": lambda: zinc.Queue(name=name),
    }
    thing = makers[what]()
    own = free_endpoint()
    both = tmp_path / "both.json5"
    both.write_text(
        f'{{connect: {{endpoints: ["{where}", "{own}"], exit_on_failure: false}}, '
        "scouting: {multicast: {enabled: false}, gossip: {enabled: false}}}"
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(thing)
        offered = stack.enter_context(offer(thing, where))
        other = Stranger(name, where, own)
        stack.callback(other.session.close)
        mirror = stack.enter_context(follow(name, None, config=both))

        def use(n: int, mirror: zinc.mirror.Mirror) -> None:
            """See that the mirror does what it should."""
            data = bytes([n]) * 90_000
            if what == "region":
                thing.as_buffer()[:90_000] = data
                thing.notify()
                until(lambda: mirror.region.as_buffer()[:90_000] == data)
            elif what == "channel":
                with mirror.channel.reader() as reader:
                    thing.send(data, n)
                    message = reader.recv(30_000)
                    while message.tag != n:  # what the stranger has sent in its source's name
                        message = reader.recv(30_000)
                    assert bytes(message.data) == data
                    message.release()
            else:
                with zinc.Queue.open(mirror.name) as worker:
                    with pytest.raises(TimeoutError):
                        worker.recv(0)
                    thing.send(data, n)
                    message = worker.recv(30_000)
                    while message.tag != n:
                        message.release()
                        message = worker.recv(30_000)
                    assert bytes(message.data) == data
                    message.release()

        def send(key: str, payload: bytes) -> None:
            other.session.put(f"zinc/{name}/{key}", payload)

        use(1, mirror)
        keys = {"data", "ask"}
        until(lambda: {key.split("/")[2] for key, _ in other.heard} >= keys)
        sent = {payload[5]: payload for _, payload in other.heard}
        for payload in sent.values():
            for changed in mutations(dice, payload):
                for key in (*keys, f"to/{mirror.id:016x}"):
                    send(key, changed)
        for garbage in (b"", b"zinc", b"x" * 70_000, os.urandom(1000)):
            for key in ("data", "ask", f"to/{mirror.id:016x}", "offer/x", "follower/" + "f" * 40):
                send(key, garbage)
        for key in ("offer/zzz", "offer/" + "f" * 40, "follower/x"):
            other.session.liveliness().declare_token(f"zinc/{name}/{key}")
        of_another_version = b"zinc\x02" + next(iter(sent.values()))[5:]

        def is_told(key: str, problem: Callable[[], object]) -> bool:
            send(key, of_another_version)
            return "install the same zinc" in str(problem())

        until(lambda: is_told("data", lambda: mirror.problem))
        until(lambda: is_told("ask", lambda: offered.problems))
        # A queue's follower may have been told of items that there are not, in its source's name.
        if what != "queue":
            use(2, mirror)
        with follow(name, where, copy=f"{name}-second") as second:
            use(3, second)
            assert second.problem is None
        assert all(thread.is_alive() for thread in (mirror._thread, offered._lines[0]._thread))


def test_what_is_described_otherwise_is_refused() -> None:
    good = _wire.Facts(_wire.REGION, 1, 2, 100, kind=1, metadata=b"x")
    payload = _wire.read(_wire.write_facts(good, 7))
    assert _wire.read_facts(payload.body) == good
    for bad in (
        _wire.Facts(9, 1, 2, 100),
        _wire.Facts(_wire.REGION, 1, 2, 0),
        _wire.Facts(_wire.REGION, 1, 2, 1 << 63),
        _wire.Facts(_wire.REGION, 1, 2, 100, slots=3),
        _wire.Facts(_wire.CHANNEL, 1, 2, 100),
        _wire.Facts(_wire.REGION, 1, 2, 100, metadata=bytes(3000)),
    ):
        with pytest.raises(_wire.RefusedError):
            _wire.read_facts(_wire.read(_wire.write_facts(bad, 7)).body)


# ---- the command ----


def command(*arguments: str) -> subprocess.Popen[str]:
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "zinc", "mirror", *arguments], **pipes)


def test_command_offers_and_follows_until_it_is_told_to_end(name: str, where: str) -> None:
    with zinc.create(name, 8) as region:
        region.as_buffer()[:] = b"the data"
        with command(name, "--listen", where) as a:
            assert a.stdout
            assert a.stdout.readline() == f"{name}: offered\n"
            with command(name, "--from", where, "--as", f"{name}-copy") as b:
                assert b.stdout
                assert b.stdout.readline() == f"{name}-copy: followed\n"
                with zinc.open(f"{name}-copy") as copy:
                    assert bytes(copy.as_buffer()) == b"the data"
                b.send_signal(signal.SIGINT)
                assert b.communicate()[1] == ""
            assert b.returncode == 128 + signal.SIGINT
            a.send_signal(signal.SIGTERM)
            assert a.communicate()[1] == ""
        assert a.returncode == 128 + signal.SIGTERM
    assert name not in zinc.regions()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from", "tcp/a:1", "--listen", "tcp/a:1"),
        ("other", "--from", "tcp/a:1", "--as", "x"),
        ("--listen", "tcp/a:1", "--as", "x"),
    ],
    ids=" ".join,
)
def test_command_says_what_does_not_go_together(name: str, arguments: tuple[str, ...]) -> None:
    with command(name, *arguments) as process:
        assert "Invalid value" in process.communicate()[1]
    assert process.returncode == 2


def test_without_zenoh_it_says_what_to_install(name: str) -> None:
    code = "import sys; sys.modules['zenoh'] = None; import zinc.mirror"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("mirrors take: pip install 'zinc-shm[mirror]'")


def test_threads_end_with_the_mirror(name: str, where: str) -> None:
    before = threading.active_count()
    with zinc.create(name, 8), offer(name, where), follow(name, where):
        assert threading.active_count() == before + 2
    assert threading.active_count() == before
