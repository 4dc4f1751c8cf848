"""Objects in messages: what is sent comes out, once copied, in place; whatever fails leaves nothing."""

from __future__ import annotations

import array
import contextlib
import copyreg
import dataclasses
import gc
import multiprocessing
import os
import pickle
import random
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

import zinc
from zinc import _objects, _reference

from .conftest import SHM

MIB = 1 << 20


def passed(value: Any) -> Any:
    """Return what becomes of an object that is written and read."""
    return _objects.load(written(value))


def written(value: Any) -> bytearray:
    parts = _objects.dump(value)
    memory = bytearray(parts.size)
    parts.write_into(memory)
    return memory


def stream_of(value: Any) -> int:
    """Bytes of the pickle's stream, without what has buffers of its own."""
    return int(struct.unpack_from("<8sQQ", written(value))[1])


def regions() -> list[str]:
    """The regions of objects."""
    gc.collect()
    return [entry for entry in os.listdir(SHM) if entry.startswith("zinc_object-")]


def give_up_spares(channel: zinc.Channel) -> None:
    """Send so many small objects that no region is kept any more for large ones."""
    for _ in range(_objects._SPARE_FOR + 4):
        channel.send_object(0)


def pins(channel: zinc.Channel) -> int:
    gc.collect()
    return sum(reader.views for reader in channel.readers)


def eventually(condition: Any) -> None:
    """Wait until it holds; the watchdog ends what never comes."""
    while not condition():
        time.sleep(0.001)


@pytest.fixture
def channel(name: str) -> Iterator[zinc.Channel]:
    with zinc.Channel.create(name, 4, slot_size=4096, views=4) as one:
        yield one


@pytest.fixture
def small(name: str) -> Iterator[zinc.Channel]:
    """A channel whose messages have room for little; what it keeps at its end is removed."""
    before = regions()
    with zinc.Channel.create(name, 2, slot_size=128, views=4) as one:
        yield one
    for left in set(regions()) - set(before):
        (SHM / left).unlink()


# ---- what is sent comes out


@dataclasses.dataclass
class Sample:
    label: str
    data: Any

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sample)
            and self.label == other.label
            and numpy.array_equal(self.data, other.data)
        )


BASE = numpy.arange(24).reshape(2, 3, 4)
ARRAYS = {
    "plain": BASE,
    "fortran": numpy.asfortranarray(BASE.astype("f4")),
    "turned": BASE.transpose(2, 0, 1),
    "sliced": BASE[:, ::2, 1:],
    "backwards": BASE[::-1],
    "spread": numpy.broadcast_to(BASE, (5, 2, 3, 4)),
    "nothing": numpy.zeros((3, 0), "i2"),
    "nothing, sliced": numpy.zeros((4, 0, 6))[::2, :, ::3],
    "one": numpy.array(2.5),
    "times": numpy.array(["2026-11-26", "NaT"], "M8[ns]"),
    "spans": numpy.arange(6).astype("m8[s]").reshape(2, 3).T,
    "one time": numpy.array("2026-11-26", "M8[D]"),
    "records": numpy.array([(1, b"a"), (2, b"bc")], [("n", "<i4"), ("s", "S3")]),
    "records of times": numpy.array([(1, "2026-01-01")], [("n", "u1"), ("t", "M8[D]")]),
    "padded": numpy.zeros(3, numpy.dtype([("a", "u1"), ("b", "f8")], align=True)),
    "text": numpy.array(["some", "text", ""]),
    "big-endian": numpy.arange(5, dtype=">u4"),
    "truths": numpy.array([True, False]),
    "complex": numpy.array([1 + 2j]),
    "objects": numpy.array([1, "two", None, [3]], object),
    "of no bytes": numpy.zeros(3, "V0"),
    "unaligned": numpy.frombuffer(bytes(range(25)), "u1")[1:].view("f4"),
}


@pytest.mark.parametrize("which", ARRAYS)
def test_arrays_of_any_kind(which: str) -> None:
    given = ARRAYS[which]
    got = passed({"array": given})["array"]
    assert type(got) is numpy.ndarray
    assert (got.shape, got.dtype) == (given.shape, given.dtype)
    assert got.tobytes() == given.tobytes() or got.tolist() == given.tolist()
    if which not in ("objects", "of no bytes"):
        assert not got.flags.writeable
        if given.flags.forc and given.size:
            assert got.strides == given.strides


def test_what_python_has() -> None:
    shared = [1]
    value: Any = {
        "none": None,
        "numbers": (1, -(1 << 200), 2.5, 3j, True),
        "text": ["", "é", "x" * 100_000, "é" * 100_000],
        "bytes": [b"", b"y" * 100_000, bytearray(b"z" * 100_000)],
        "sets": [{1, 2}, frozenset("ab")],
        "array": [array.array("d", [1, 2]), array.array("i"), array.array("I", range(70_000))],
        "class": Sample("dog", numpy.ones(3)),
        "twice": [shared, shared],
        "function": len,
        "type": Sample,
    }
    value["itself"] = value
    got = passed(value)
    assert got["itself"] is got
    assert got["twice"][0] is got["twice"][1]
    del value["itself"], got["itself"]
    assert got == value
    got["array"][0].append(3)
    got["bytes"][2].append(3)


def test_arrays_that_are_the_same_stay_the_same() -> None:
    one = numpy.arange(3)
    got = passed([one, one])
    assert got[0] is got[1]


@pytest.mark.parametrize("mask", [[True, False, True], False, None])
def test_masked_arrays(mask: Any) -> None:
    given: Any = numpy.ma.array([1.0, 2.0, 3.0], mask=mask or numpy.ma.nomask, fill_value=9)
    if mask is False:
        given.mask = False
    given.harden_mask()
    got = passed(given)
    assert type(got) is numpy.ma.MaskedArray
    assert got.tolist() == given.tolist()
    assert (got.fill_value, got.hardmask) == (9, True)
    assert (got.mask is numpy.ma.nomask) == (given.mask is numpy.ma.nomask)
    assert stream_of(numpy.ma.zeros(100_000)) < 500


def test_metadata_of_a_dtype_goes_along() -> None:
    given = numpy.zeros(3, numpy.dtype("f8", metadata={"unit": "m"}))
    assert passed(given).dtype.metadata == {"unit": "m"}


def test_subclasses_go_as_numpy_sends_them() -> None:
    given: Any = numpy.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]).view(numpy.recarray)
    got = passed(given)
    assert type(got) is numpy.recarray
    assert got.b.tolist() == [2.5]


def test_buffers_lie_at_multiples_of_64() -> None:
    for value in passed([numpy.arange(n, dtype="u1") for n in (1, 63, 64, 65, 200)]):
        assert value.tolist() == list(range(len(value)))
    parts = _objects.dump([numpy.ones(3), numpy.ones(5)])
    memory = numpy.zeros(parts.size + 64, "u1")
    start = -memory.ctypes.data % 64
    parts.write_into(memory[start : start + parts.size].data)
    for got in _objects.load(memory[start : start + parts.size].data):
        assert got.ctypes.data % 64 == 0


def test_large_values_are_not_copied_before_they_are_written() -> None:
    whole = numpy.ones((MIB, 2))
    for value in (
        b"x" * 8 * MIB,
        bytearray(8 * MIB),
        array.array("d", bytes(8 * MIB)),
        whole,
        whole[:, 0],
        whole.T,
        numpy.ma.array(whole),
        numpy.zeros(MIB, "M8[s]"),
        {"a": [Sample("x", whole)]},
    ):
        tracemalloc.start()
        try:
            parts = _objects.dump(value)
            assert tracemalloc.get_traced_memory()[1] < MIB
            memory = bytearray(parts.size)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            parts.write_into(memory)
            assert tracemalloc.get_traced_memory()[1] - before < MIB
        finally:
            tracemalloc.stop()


def test_arrays_are_read_where_they_are(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send_object({"a": numpy.arange(100), "b": [numpy.ones(3)]}, tag=7)
    message = reader.recv(0)
    assert message.tag == 7
    got = message.object()
    start = numpy.frombuffer(message.data, "u1").ctypes.data
    assert start < got["a"].ctypes.data < start + len(message)
    with pytest.raises(ValueError, match="read-only"):
        got["a"][0] = 1
    del message
    view = got["b"][0][1:]
    del got
    assert pins(channel) == 1
    for _ in range(20):
        channel.send_object([numpy.zeros(100)])
    assert view.tolist() == [1, 1]
    del view
    assert pins(channel) == 0


def test_what_holds_no_arrays_holds_no_message(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send_object(["text", array.array("d", [1.0]), b"x"])
    got = reader.recv(0).object()
    assert pins(channel) == 0
    assert got[0] == "text"


def test_each_load_makes_a_new_object(channel: zinc.Channel) -> None:
    readers = channel.reader(), channel.reader()
    channel.send_object([1, numpy.ones(3)])
    messages = [reader.recv(0) for reader in readers]
    objects = [message.object() for message in (*messages, *messages)]
    assert len({id(one) for one in objects}) == 4
    assert all(one[1].tolist() == [1, 1, 1] for one in objects)


def test_copies_are_read_only_and_hold_nothing(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send_object([numpy.arange(3), numpy.ones((2, 2), order="F")])
    got = _objects.load(reader.recv(0).data, copy=True)
    assert pins(channel) == 0
    assert [one.tolist() for one in got] == [[0, 1, 2], [[1, 1], [1, 1]]]
    assert not any(one.flags.writeable for one in got)


def test_without_numpy_nothing_of_it_is_imported(python: Any, name: str) -> None:
    result = python(
        "import sys, zinc\n"
        "channel = zinc.Channel.create(sys.argv[1], slot_size=100)\n"
        "reader = channel.reader()\n"
        "channel.send_object({'a': [1, b'x' * 1000]})\n"
        "assert reader.recv(0).object() == {'a': [1, b'x' * 1000]}\n"
        "channel.close()\n"
        "print([m for m in ('numpy', 'pandas', 'pyarrow', 'torch') if m in sys.modules])\n"
        "import zinc._reference\n"
        "[zinc.unlink(n) for n in zinc.regions() if n.startswith('object-')]\n",
        name,
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


# ---- who pickles how


class Measure:
    def __init__(self, length: float) -> None:
        self.length = length


LIBRARY_UNDER_WAY = """
import importlib.machinery, sys, threading
import numpy, zinc

assert "numpy.ma" not in sys.modules
is_begun, may_go_on = threading.Event(), threading.Event()

class Slow(importlib.machinery.PathFinder):
    def find_spec(self, name, path, target=None):
        if name == "numpy.ma.core":
            is_begun.set()
            may_go_on.wait()

def put():
    try:
        zinc.put(1)
    except BaseException as error:
        print(repr(error))
    may_go_on.set()

sys.meta_path.insert(0, Slow())
threads = [threading.Thread(target=importlib.import_module, args=("numpy.ma",))]
threads[0].start()
is_begun.wait()
threads.append(threading.Thread(target=put))
threads[1].start()
may_go_on.wait(0.3)  # it waits until the library is there, or fails at once
may_go_on.set()
for thread in threads:
    thread.join()
print(zinc.put(numpy.ma.masked_less([1, 2], 2)).get().mask)
"""


def test_library_that_another_thread_is_importing(python: Any) -> None:
    done = python(LIBRARY_UNDER_WAY)
    assert (done.stdout, done.stderr) == ("[ True False]\n", "")


def test_what_copyreg_is_told_later_is_followed() -> None:
    given = Measure(3.0)
    assert passed(given).length == 3
    try:
        copyreg.pickle(Measure, lambda one: (Measure, (one.length + 1,)))
        assert passed(given).length == 4
        copyreg.pickle(Measure, lambda one: (Measure, (one.length + 2,)))
        assert passed(given).length == 5
    finally:
        del copyreg.dispatch_table[Measure]
    assert passed(given).length == 3


def test_nothing_is_registered_for_others() -> None:
    before = dict(copyreg.dispatch_table)
    passed([numpy.ones(3), array.array("d", [1])])
    assert copyreg.dispatch_table == before


class Nested:
    """An object that pickles another while it is pickled."""

    def __reduce__(self) -> Any:
        return bytes, (bytes(written({"inner": numpy.arange(3)})),)


def test_an_object_may_dump_another_while_it_is_dumped() -> None:
    got = passed([Nested(), numpy.ones(2), Nested()])
    assert _objects.load(got[0])["inner"].tolist() == [0, 1, 2]
    assert got[1].tolist() == [1, 1]


def test_what_was_sent_is_not_held(channel: zinc.Channel) -> None:
    value = Sample("x", numpy.ones(3))
    held, data = weakref.ref(value), weakref.ref(value.data)
    channel.send_object(value)
    del value
    assert held() is None
    assert data() is None


def test_many_threads_send_and_read(name: str) -> None:
    with zinc.Channel.create(name, 64, slot_size=1024, full="wait", writers=8, views=16) as channel:
        reader = channel.reader()

        def send(which: int) -> None:
            for turn in range(200):
                channel.send_object((which, turn, numpy.full(50, which)))

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        turns = [0] * 4
        for _ in range(800):
            which, turn, data = reader.recv().object()
            assert turn == turns[which]
            assert (data == which).all()
            turns[which] += 1
        for thread in threads:
            thread.join()


# ---- what is no object, or a damaged one


@pytest.mark.parametrize("data", [b"", b"plain bytes that somebody has sent", bytes(100)])
def test_bytes_are_no_object(channel: zinc.Channel, data: bytes) -> None:
    reader = channel.reader()
    channel.send(data)
    message = reader.recv(0)
    with pytest.raises(
        ValueError, match=r"message 1 is no object, but \d+ bytes: use recv\(\), and .data"
    ) as caught:
        message.object()
    (note,) = caught.value.__notes__
    assert note.startswith(f"message 1 of channel {channel.name!r}")
    message.release()
    with pytest.raises(ValueError, match="released"):
        message.object()


def test_sizes_that_somebody_scribbled_on_are_an_error() -> None:
    whole = written([numpy.arange(100), b"x" * 100, numpy.ones(30)])
    loaded = 0
    numbers = random.Random(7)
    words = (
        0,
        1,
        2,
        1 << 20,
        (1 << 31) - 1,
        1 << 61,
        (1 << 63) - 64,
        (1 << 64) - 64,
        (1 << 64) - 1,
    )
    for turn in range(3000):
        memory = bytearray(whole)
        # The magic, the sizes of the stream, the count and those of the buffers.
        place = 8 * numbers.randrange(1, 5)
        word = numbers.choice(words) if turn % 3 else numbers.getrandbits(64)
        struct.pack_into("<Q", memory, place, word)
        if turn % 5 == 0:
            memory = memory[: numbers.randrange(len(memory))]
        try:
            _objects.load(memory)
            loaded += 1
        except (ValueError, EOFError, pickle.UnpicklingError, TypeError, OverflowError):
            pass
    assert loaded < 1000


def test_names_that_somebody_scribbled_on_are_an_error(small: zinc.Channel) -> None:
    reader = small.reader()
    small.send_object(numpy.zeros(1000))
    record = bytearray(reader.recv(0).data)
    for change in (b"/../x", b"\xff" * 5, b""):
        with pytest.raises(ValueError, match="damaged"):
            _objects.load(record[:24] + change)
    with pytest.raises(pickle.UnpicklingError, match="not found"):
        _objects.load(record[:24] + b"object-nobodys")
    with pytest.raises(pickle.UnpicklingError, match="another has taken its place"):
        _objects.load(record[:8] + bytes(8) + record[16:])
    with pytest.raises(ValueError, match="is another"):
        _objects.load(record[:16] + bytes(8) + record[24:])
    assert _objects.load(record).shape == (1000,)


def test_only_bytes_are_read() -> None:
    with pytest.raises(TypeError, match="cast"):
        _objects.load(memoryview(bytes(64)).cast("Q"))
    with pytest.raises(TypeError, match="bytes-like"):
        _objects.load(3)


def test_memory_that_is_too_small_or_not_writable() -> None:
    parts = _objects.dump(numpy.ones(3))
    with pytest.raises(ValueError, match=rf"{parts.size} bytes: there are {parts.size - 1}"):
        parts.write_into(bytearray(parts.size - 1))
    with pytest.raises(BufferError, match=r"(?i)not writable|read-only"):
        parts.write_into(bytes(parts.size))


# ---- what fails


class Refuses:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


class RefusesToCome:
    def __getstate__(self) -> int:
        return 1

    def __setstate__(self, state: int) -> None:
        raise RuntimeError("not here")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Refuses(), RuntimeError),
        ([numpy.ones(100), Refuses()], RuntimeError),
        (lambda: 1, (pickle.PicklingError, AttributeError)),
        ([b"x" * 100_000, threading.Lock()], TypeError),
    ],
)
def test_what_can_not_be_pickled_sends_nothing(
    channel: zinc.Channel, value: Any, error: Any
) -> None:
    reader = channel.reader()
    for _ in range(1000):
        with pytest.raises(error) as caught:
            channel.send_object(value)
        assert caught.value.__notes__[-1] == f"send an object to channel {channel.name!r}"
    assert channel.newest == 0
    channel.send_object("fine")
    assert reader.recv(0).object() == "fine"


def test_what_can_not_be_loaded_gives_its_slot_back(channel: zinc.Channel) -> None:
    reader = channel.reader()
    for turn in range(1000):
        channel.send_object([numpy.ones(3), RefusesToCome()])
        with pytest.raises(RuntimeError, match="not here") as caught:
            reader.recv(0).object()
        (note,) = caught.value.__notes__
        assert note.startswith(f"message {turn + 1} of channel {channel.name!r}")
        del caught
    assert pins(channel) == 0


def test_class_that_is_gone(channel: zinc.Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = channel.reader()
    channel.send_object(Sample("x", 1))
    monkeypatch.delattr(sys.modules[__name__], "Sample")
    with pytest.raises(AttributeError, match="Sample"):
        reader.recv(0).object()


def test_writing_that_fails_sends_nothing(channel: zinc.Channel) -> None:
    def write(view: memoryview) -> None:
        raise RuntimeError("no bytes")

    class Fails:
        def __reduce__(self) -> Any:
            from zinc import _reducers

            return len, (_reducers._later(50, write),)

    for _ in range(100):
        with pytest.raises(RuntimeError, match="no bytes"):
            channel.send_object(Fails())
    assert channel.newest == 0


def test_more_bytes_than_there_are_addresses(channel: zinc.Channel) -> None:
    wide = numpy.broadcast_to(numpy.ones(1), (1 << 59,))
    with pytest.raises(OverflowError, match="addresses"):
        channel.send_object([wide, wide[1:], wide[2:]])
    with pytest.raises((ValueError, OSError)):
        channel.send_object(wide)
    assert regions() == []


def test_channel_of_arrays_takes_no_objects(name: str) -> None:
    wrong = pytest.raises(ValueError, match=f"send an object to channel '{name}': its messages")
    with zinc.Channel.create(name, shape=3, dtype="f4") as channel, wrong:
        channel.send_object(1)


def test_closed_channel(channel: zinc.Channel) -> None:
    channel.close()
    for value in 1, numpy.zeros(10_000):
        with pytest.raises(ValueError, match="closed"):
            channel.send_object(value)
    assert regions() == []


def test_full_channel_that_waits_keeps_nothing(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=128, full="wait") as channel:
        reader = channel.reader()
        channel.send_object(1)
        channel.send_object(2)
        for value in 3, numpy.zeros(1000):
            with pytest.raises(TimeoutError, match=name):
                channel.send_object(value, timeout_ms=1)
        assert len(regions()) == 1  # for the next
        assert [reader.recv(0).object() for _ in range(2)] == [1, 2]
    assert regions() == []


# ---- what does not fit into a slot


def test_what_does_not_fit_has_a_region_of_its_own(small: zinc.Channel) -> None:
    reader = small.reader()
    small.send_object({"large": numpy.arange(1000), "turned": numpy.ones((50, 60))[::2].T})
    got = reader.recv(0).object()
    assert len(regions()) == 1
    assert pins(small) == 0
    with pytest.raises(ValueError, match="read-only"):
        got["large"][0] = 1
    for _ in range(3):
        small.send_object(0)
    assert len(regions()) == 1  # the arrays hold it
    assert got["large"].sum() == 499_500
    assert got["turned"].sum() == 1500
    give_up_spares(small)
    assert len(regions()) == 1
    del got
    assert regions() == []


def test_nothing_is_left_of_what_was_displaced(small: zinc.Channel) -> None:
    for _ in range(20):
        small.send_object(numpy.zeros(1000))
        assert len(regions()) <= 3
    give_up_spares(small)
    assert regions() == []


def test_held_message_can_be_loaded_however_late(small: zinc.Channel) -> None:
    reader = small.reader()
    small.send_object(numpy.arange(1000))
    message = reader.recv(0)
    for _ in range(20):
        small.send_object(numpy.zeros(1000))
    assert message.object().sum() == 499_500
    del message
    give_up_spares(small)
    assert regions() == []


READ_AND_HOLD = """
import sys, zinc
reader = zinc.Channel.open(sys.argv[1]).reader(history=1)
message = reader.recv()
print("has", flush=True)
sys.stdin.read()
"""


def test_reader_that_is_killed_keeps_nothing(small: zinc.Channel) -> None:
    small.send_object(numpy.zeros(1000))
    command = [sys.executable, "-c", READ_AND_HOLD, str(small.name)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"has\n"
    for _ in range(3):
        small.send_object(0)
    assert len(regions()) == 1
    child.kill()
    child.communicate()
    give_up_spares(small)
    assert regions() == []


def test_sender_that_ends_leaves_its_objects_for_the_lease(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, was_over = 0.1, True
    while was_over:  # before all had been looked at
        lease *= 2
        with zinc.Channel.create(name, 2, slot_size=128) as channel:
            reader = channel.reader()
            monkeypatch.setattr(_reference, "LEASE", 600.0)
            channel.send_object(numpy.arange(1000))
            monkeypatch.setattr(_reference, "LEASE", lease)
            begin = time.monotonic()
            channel.send_object(numpy.arange(2000))
        reclaimed, left = zinc.reclaim(), regions()
        first, second = (reader.recv(0) for _ in range(2))
        assert first.object().size == 1000
        try:
            size = second.object().size
        except pickle.UnpicklingError:
            size = None
        was_over = time.monotonic() - begin >= lease
        eventually(lambda: zinc.reclaim() or len(regions()) == 1)
        reader.close()
        for one in regions():
            zinc.unlink(one.removeprefix("zinc_"))
    assert (reclaimed, len(left), size) == ({}, 2, 2000)


SEND_AND_DIE = """
import os, signal, sys, numpy, zinc
from zinc import _reference
_reference.LEASE = float(sys.argv[2])
channel = zinc.Channel.open(sys.argv[1])
channel.send_object(numpy.arange(1000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_object_of_a_sender_that_was_killed(small: zinc.Channel, python: Any) -> None:
    reader = small.reader()
    python(SEND_AND_DIE, str(small.name), "600")
    message = reader.recv(0)
    assert message.object().sum() == message.object().sum() == 499_500
    (left,) = regions()
    zinc.unlink(left.removeprefix("zinc_"))
    python(SEND_AND_DIE, str(small.name), "0.05")
    late = reader.recv(0)
    eventually(lambda: zinc.reclaim() or not regions())
    with pytest.raises(pickle.UnpicklingError, match="not found") as caught:
        late.object()
    assert caught.value.__notes__[0].startswith(f"message 2 of channel {small.name!r}")


def test_region_of_an_object_is_for_whom_the_channel_is(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=128, mode=0o644) as channel:
        channel.send_object(numpy.zeros(1000))
        (entry,) = regions()
        assert (SHM / entry).stat().st_mode & 0o777 == 0o644
        assert zinc.examine(entry.removeprefix("zinc_")).kind == _objects.OBJECT
    zinc.unlink(entry.removeprefix("zinc_"))


def test_anonymous_channel_sends_large_objects() -> None:
    with zinc.Channel.create(None, 2, slot_size=128) as channel:
        reader = channel.reader()
        channel.send_object(numpy.arange(1000))
        assert reader.recv(0).object().sum() == 499_500
        channel.send_object(0)
        channel.send_object(0)
    reader.close()
    assert regions() == []


def test_slot_that_has_no_room_for_a_reference(name: str) -> None:
    message = f"channel '{name}': .* create it with more"
    with (
        zinc.Channel.create(name, 2, slot_size=16) as channel,
        pytest.raises(ValueError, match=message),
    ):
        channel.send_object(numpy.zeros(100))
    assert regions() == []


def test_many_large_objects_take_few_descriptors(name: str) -> None:
    with zinc.Channel.create(name, 256, slot_size=128, views=1) as channel:
        reader = channel.reader(history=256)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(200):
            channel.send_object(numpy.full(100, number))
        assert len(os.listdir("/proc/self/fd")) - before < 200
        for number in range(200):
            message = reader.recv(0)
            assert message.object()[0] == number
            message.release()
        for _ in range(300):
            channel.send_object(0)
        assert regions() == []
        reader.close()


FULL = """
import errno, os, sys, numpy, zinc
sys.path.insert(0, sys.argv[2])
import apart
apart.leave()
apart.call("mount", b"none", b"/dev/shm", b"tmpfs", 0, b"size=1m")
channel = zinc.Channel.create(sys.argv[1], 2, slot_size=128)
whole = numpy.zeros((1000, 1000))
for value in whole, whole[:, ::2], b"x" * 2000000:
    for _ in range(20):
        try: channel.send_object(value)
        except OSError as error: assert error.errno == errno.ENOSPC, error; said = error
        else: sys.exit("there was room")
print(said)
assert os.listdir("/dev/shm") == ["zinc_" + sys.argv[1]], os.listdir("/dev/shm")
channel.send_object(numpy.zeros(10000))
"""


def test_full_folder_is_no_space(name: str, python: Any) -> None:
    folder = os.path.dirname(os.path.dirname(__file__))
    result = python(FULL, name, folder)
    if "unshare" in result.stderr or "mount" in result.stderr:
        pytest.skip("may not mount")
    assert result.stderr == ""
    assert "/dev/shm" in result.stdout


def test_forked_child_leaves_its_parents_objects(small: zinc.Channel) -> None:
    reader = small.reader()
    small.send_object(numpy.arange(1000))

    def child() -> None:
        small.send_object(numpy.ones(1000))
        small.close()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert [int(reader.recv(0).object().sum()) for _ in range(2)] == [499_500, 1000]


# ---- zinc's own, as references


def tickets(name: str) -> int:
    """Read how many may still come for a region."""
    return int(struct.unpack_from("<I", (SHM / f"zinc_{name}").read_bytes(), 80)[0])


def test_regions_and_arrays_go_as_references(channel: zinc.Channel, name: str) -> None:
    reader = channel.reader()
    other = f"{name}-other"
    shared = zinc.array(other, 1000)
    sent = {"array": shared, "slice": shared[10:], "region": shared.region, "plain": shared * 2}
    channel.send_object(sent | {"plain": 0})
    got = reader.recv(0).object()
    assert type(got["array"]) is zinc.SharedArray
    shared[10] = 7
    assert (got["slice"][0], got["region"].as_numpy("f8")[10]) == (7, 7)
    assert got["region"].name == other
    for _ in range(4):
        channel.send_object(0)
    assert tickets(other) == 0
    got["region"].close()


def test_locks_and_channels_go_as_references(channel: zinc.Channel, name: str) -> None:
    reader = channel.reader()
    lock = zinc.Lock(f"{name}-lock")
    with lock, zinc.Channel.create(f"{name}-more", slot_size=8) as more:
        channel.send_object({"lock": lock, "channel": more})
        got = reader.recv(0).object()
        with got["channel"].reader() as far:
            more.send(b"x")
            assert bytes(far.recv(0).data) == b"x"
        assert got["lock"].locked()
        got["channel"].close()
        for _ in range(4):
            channel.send_object(0)
    got["lock"].close()
    lock.close()


@pytest.mark.parametrize("readers", [0, 1, 3])
def test_reference_is_kept_as_long_as_somebody_may_load_it(
    channel: zinc.Channel, name: str, readers: int
) -> None:
    other = f"{name}-other"
    all_readers = [channel.reader() for _ in range(readers)]
    shared = zinc.array(other, 3)
    shared[:] = 5
    channel.send_object([shared])
    channel.send_object([shared])
    assert tickets(other) == 2
    for reader in all_readers:  # each loads it; that of the other message stays
        assert reader.recv(0).object()[0].tolist() == [5, 5, 5]
    assert tickets(other) == 2
    del shared
    gc.collect()
    # Nobody has it, but for the messages.
    for reader in all_readers:
        assert reader.recv(0).object()[0].tolist() == [5, 5, 5]
    gc.collect()
    assert (SHM / f"zinc_{other}").exists()
    for _ in range(4):
        channel.send_object(0)
    gc.collect()
    assert not (SHM / f"zinc_{other}").exists()


def test_failed_send_keeps_no_references(channel: zinc.Channel, name: str) -> None:
    shared = zinc.array(f"{name}-other", 3)
    for value in (
        [shared, Refuses()],
        [shared, threading.Lock()],
        [shared, shared.region, Refuses()],
    ):
        with pytest.raises((RuntimeError, TypeError)):
            channel.send_object(value)
    channel.close()
    with pytest.raises(ValueError, match="closed"):
        channel.send_object(shared)
    assert tickets(f"{name}-other") == 0


def test_closed_region_in_an_object(channel: zinc.Channel, name: str) -> None:
    region = zinc.create(f"{name}-other", 8)
    region.close()
    with pytest.raises(ValueError, match="it is closed"):
        channel.send_object([region])


def test_received_array_goes_on_as_a_reference(small: zinc.Channel, name: str) -> None:
    reader = small.reader()
    small.send_object(numpy.arange(1000))
    got = reader.recv(0).object()
    with zinc.Channel.create(f"{name}-next", 2, slot_size=512) as onward:
        last = onward.reader()
        onward.send_object({"same": got})
        assert len(regions()) == 1
        del got
        give_up_spares(small)
        assert len(regions()) == 1
        final = last.recv(0).object()["same"]
        assert final.sum() == 499_500
        assert not final.flags.writeable
        onward.send_object(0)
        onward.send_object(0)
        assert len(regions()) == 1
        del final
        last.close()
    assert regions() == []


def test_worker_gives_back_what_it_has_loaded(name: str) -> None:
    """Of a queue: one loads, and nobody after it."""
    with zinc.create(f"{name}-like", 1) as like:
        shared = zinc.array(f"{name}-other", 3)
        moved = _objects.dump({"shared": shared, "large": numpy.arange(1000)}).moved(
            like, _objects.Sent()
        )
        memory, mine = bytes(moved._record), [str(moved.region.name)]
        moved.region.keep(60)  # as it is sent
        moved.region.close()  # the sender has ended
        taken: list[Any] = []
        got = _objects.load(memory, taken=taken)
        assert sorted(name for name, _ in taken) == sorted([*mine, f"{name}-other"])
        assert tickets(f"{name}-other") == 1
        again: list[Any] = []
        assert _objects.load(memory, taken=again)["large"].sum() == 499_500  # handed out once more
        _objects.give_back(taken)
        assert tickets(f"{name}-other") == 0
        assert got["large"].sum() == 499_500
        del got
        assert regions() == []
        _objects.give_back(again)


def test_queue_keeps_what_is_beside_it_until_it_is_done(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_reference, "LEASE", 0.0)  # nothing but the sender keeps it
    with zinc.Queue(4, name=name, slot_size=512) as queue:
        shared = zinc.array(f"{name}-other", 3)
        shared[:] = 7
        queue.put({"large": numpy.arange(1000), "shared": shared})
        del shared
        gc.collect()
        queue.put(0)
        assert len(regions()) == 1
        got = queue.get()
        assert (got["large"].sum(), got["shared"].tolist()) == (499_500, [7, 7, 7])
        del got
        assert queue.get() == 0
        queue.put(0)
        assert not (SHM / f"zinc_{name}-other").exists()


def test_queue_gives_tickets_back_when_an_item_is_done(name: str) -> None:
    with zinc.Queue(4, name=name, slot_size=128) as queue:
        zinc.Queue(name=name).put(numpy.arange(1000))  # whose sender ends at once
        assert len(regions()) == 1
        assert queue.get().sum() == 499_500
        queue.task_done()
        assert regions() == []


# ---- the libraries of others


def frame(pandas: Any) -> Any:
    size = 10_000
    return pandas.DataFrame(
        {
            "i": numpy.arange(size),
            "j": numpy.arange(size) * 2,
            "f": numpy.ones(size),
            "time": pandas.date_range("2026", periods=size, freq="s"),
            "zone": pandas.date_range("2026", periods=size, freq="s", tz="UTC"),
            "kind": pandas.Categorical(["a", "b"] * (size // 2)),
            "text": [f"row {i}" for i in range(size)],
            "maybe": pandas.array([1, None] * (size // 2), dtype="Int64"),
        }
    )


def test_pandas_goes_out_of_band() -> None:
    pandas: Any = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    given = frame(pandas)
    got = passed({"frame": given})["frame"]
    pandas.testing.assert_frame_equal(got, given)
    assert stream_of({"frame": given}) < 4000
    for column in given:
        assert stream_of(given[column]) < 2000, column
    timed = given.set_index("time")
    pandas.testing.assert_frame_equal(passed(timed), timed)
    assert stream_of(timed) < 4000
    pandas.testing.assert_frame_equal(passed(given[10:20:3]), given[10:20:3])


def test_pandas_is_read_in_place(name: str) -> None:
    pandas: Any = pytest.importorskip("pandas")
    with zinc.Channel.create(name, 2, slot_size=MIB) as channel:
        reader = channel.reader()
        channel.send_object(pandas.DataFrame({"a": numpy.arange(1000), "b": numpy.ones(1000)}))
        got = reader.recv(0).object()
        assert pins(channel) == 1
        assert (got.a.sum(), (got * 2).b.sum()) == (499_500, 2000)
        del got
        assert pins(channel) == 0


def test_arrow_goes_out_of_band_and_slices_ship_themselves() -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    size = 10_000
    table = arrow.table(
        {
            "i": arrow.array(range(size), arrow.int32()),
            "s": [f"row {i}" if i % 3 else None for i in range(size)],
            "l": [[i] * (i % 3) for i in range(size)],
            "d": arrow.array(["a", "b"] * (size // 2)).dictionary_encode(),
        },
        metadata={"made": "here"},
    )
    batch = table.to_batches()[0]
    chunks = arrow.chunked_array([batch.column(1), batch.column(1).slice(5, 3)])
    for given in (table, batch, chunks, table.slice(7, 0), batch.slice(9, 4), arrow.table({})):
        got = passed(given)
        assert type(got) is type(given)
        assert got.equals(given)
        assert stream_of(given) < 200
    assert passed(table).schema.metadata == {b"made": b"here"}
    for number in range(4):
        column = batch.column(number)
        for given in column, column.slice(100, 10):
            got = passed(given)
            assert type(got) is type(given)
            assert got.equals(given)
        assert len(written(column.slice(100, 10))) < 2000
    assert len(written(table.slice(100, 10))) < 4000
    assert len(written(chunks.slice(100, 10))) < 2000


def test_arrow_is_read_in_place(name: str) -> None:
    arrow: Any = pytest.importorskip("pyarrow")
    with zinc.Channel.create(name, 2, slot_size=MIB) as channel:
        reader = channel.reader()
        before = arrow.total_allocated_bytes()
        channel.send_object(arrow.table({"a": numpy.arange(100_000)}))
        got = reader.recv(0).object()
        assert arrow.total_allocated_bytes() - before < 10_000
        assert pins(channel) == 1
        assert got["a"][99_999].as_py() == 99_999
        del got
        assert pins(channel) == 0


def test_polars_goes_out_of_band_and_slices_ship_themselves() -> None:
    polars: Any = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    size = 10_000
    given = polars.DataFrame(
        {
            "i": numpy.arange(size),
            "s": [f"some longer text, of row {i}" if i % 3 else None for i in range(size)],
            "l": [[i] * (i % 3) for i in range(size)],
        }
    ).with_columns(c=polars.Series(["a", "b"] * (size // 2), dtype=polars.Categorical))
    assert passed(given).equals(given)
    assert passed(given).schema == given.schema
    assert stream_of(given) < 200
    for column in given:
        assert passed(column).equals(column)
        assert passed(column).name == column.name
    assert passed(given[100:110]).equals(given[100:110])
    assert len(written(given[100:110])) < 8000
    big = polars.Series("big", [1, 2], dtype=polars.Int128)  # which Arrow does not have
    assert passed(big).equals(big)


def test_tensors_of_every_kind() -> None:
    torch: Any = pytest.importorskip("torch")
    for kind in "float32", "float16", "bfloat16", "int8", "uint8", "int64", "bool", "complex64":
        whole = torch.arange(24).reshape(2, 3, 4).to(getattr(torch, kind))
        views = whole, whole.permute(2, 0, 1), whole[:, ::2], whole[0, 0, 0], whole[:0]
        for given in (*views, whole.expand(2, 2, 3, 4)):
            got = passed([given])[0]
            assert (got.dtype, got.shape) == (given.dtype, given.shape)
            assert torch.equal(got, given)
            assert stream_of(given) < 200
    image = torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
    assert passed(image).is_contiguous(memory_format=torch.channels_last)
    given = torch.ones(3, requires_grad=True)
    assert passed(given).requires_grad
    assert passed(torch.ones(3, dtype=torch.complex64).conj()).tolist() == [1, 1, 1]
    assert stream_of(torch.nn.Linear(100, 100).state_dict()) < 500


def test_tensor_may_be_written(channel: zinc.Channel) -> None:
    torch: Any = pytest.importorskip("torch")
    reader = channel.reader()
    channel.send_object(torch.ones(100))
    message = reader.recv(0)
    got = message.object()
    got += 1
    assert message.object().sum() == 100
    with contextlib.suppress(AttributeError):
        del message
    assert pins(channel) == 0
    assert got.sum() == 200
