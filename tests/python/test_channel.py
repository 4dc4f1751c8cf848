"""Channels in Python: what is sent is received, in place, and errors say what is wrong."""

from __future__ import annotations

import copy
import errno
import gc
import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import zinc

from .conftest import sent


@pytest.fixture
def channel(name: str) -> Iterator[zinc.Channel]:
    with zinc.Channel.create(name, 4, slot_size=64, views=3) as one:
        yield one


def received(reader: zinc.ChannelReader) -> list[bytes]:
    """All that there is."""
    found = []
    while (message := reader.try_recv()) is not None:
        found.append(bytes(message.data))
    return found


# ---- sending and receiving


def test_messages_come_in_order_with_number_time_and_tag(channel: zinc.Channel) -> None:
    reader = channel.reader()
    before = time.time_ns()
    assert [channel.send(b"a"), channel.send(data=b"", tag=7), channel.send(bytearray(b"ccc"))] == [
        1,
        2,
        3,
    ]
    messages = reader.recv_many(9)
    assert [(m.number, m.tag, bytes(m.data), len(m)) for m in messages] == [
        (1, 0, b"a", 1),
        (2, 7, b"", 0),
        (3, 0, b"ccc", 3),
    ]
    assert before <= messages[0].time <= messages[2].time <= time.time_ns()
    assert (reader.lag, reader.lost) == (0, 0)
    assert repr(messages[1]) == "<zinc.Message 2, 0 bytes, tag 7>"


def test_each_reader_gets_each_message(channel: zinc.Channel) -> None:
    with channel.reader() as one, zinc.Channel.open(str(channel.name)).reader() as other:
        channel.send(b"x")
        assert received(one) == received(other) == [b"x"]


def test_several_writers(name: str, channel: zinc.Channel) -> None:
    reader = channel.reader()
    with zinc.Channel.open(name) as other:
        assert [channel.send(b"1"), other.send(b"2"), channel.send(b"3")] == [1, 2, 3]
    assert received(reader) == [b"1", b"2", b"3"]


def test_history_goes_back_as_far_as_messages_are_kept(channel: zinc.Channel) -> None:
    for number in range(6):
        channel.send(bytes([number]))
    assert received(channel.reader()) == []
    assert received(channel.reader(history=1)) == [b"\5"]
    assert received(channel.reader(1 << 70))[-1] == b"\5"
    assert received(channel.reader(3)) == [b"\3", b"\4", b"\5"]
    with pytest.raises(ValueError, match="from 0, not -1"):
        channel.reader(-1)


def test_latest_skips_and_counts(channel: zinc.Channel) -> None:
    reader = channel.reader()
    assert reader.latest() is None
    for number in range(4):
        channel.send(bytes([number]))
    assert reader.lag == 4
    message = reader.latest()
    assert message is not None
    assert (message.number, reader.lost, reader.lag) == (4, 3, 0)
    assert reader.latest() is None


def test_overwritten_messages_are_counted_exactly(channel: zinc.Channel) -> None:
    reader = channel.reader()
    for number in range(1, 101):
        channel.send(struct.pack("q", number))
    numbers = [struct.unpack("q", one)[0] for one in received(reader)]
    assert numbers == list(range(101 - len(numbers), 101))
    assert reader.lost == 100 - len(numbers) > 0


def test_recv_many_takes_what_is_there_and_may_be_held(channel: zinc.Channel) -> None:
    reader = channel.reader()
    for _ in range(4):
        channel.send(b"x")
    messages = reader.recv_many(2)
    assert [m.number for m in messages] == [1, 2]
    more = reader.recv_many(n=10, timeout_ms=0)  # 3 may be held
    assert [m.number for m in more] == [3]
    del messages
    assert [m.number for m in reader.recv_many(10)] == [4]
    with pytest.raises(TimeoutError):
        reader.recv_many(1, 0)
    with pytest.raises(ValueError, match="one or more"):
        reader.recv_many(0)


def test_recv_waits_for_the_time_and_no_longer(channel: zinc.Channel) -> None:
    reader = channel.reader()
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=rf"receive from channel '{channel.name}': no .* 30 ms"):
        reader.recv(timeout_ms=30)
    assert time.monotonic() - start >= 0.03
    assert reader.try_recv() is None
    for wrong in -1, float("nan"):
        with pytest.raises(ValueError, match="timeout_ms"):
            reader.recv(wrong)
    with pytest.raises(TypeError):
        reader.recv(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected argument 'patience'"):
        reader.recv(patience=1)  # type: ignore[call-arg]


def test_other_threads_run_while_one_waits(channel: zinc.Channel) -> None:
    reader = channel.reader()
    thread = threading.Thread(target=lambda: channel.send(b"late"))
    thread.start()
    assert bytes(reader.recv().data) == b"late"
    thread.join()


def test_iteration_ends_with_close(channel: zinc.Channel) -> None:
    reader = channel.reader()
    got: list[int] = []
    has_two = threading.Event()

    def read() -> None:
        for message in reader:
            got.append(message.number)
            if len(got) == 2:
                has_two.set()

    thread = threading.Thread(target=read)
    thread.start()
    channel.send(b"1")
    channel.send(b"2")
    has_two.wait()
    reader.close()
    thread.join()
    assert got == [1, 2]


def test_closing_ends_a_wait_with_an_error(channel: zinc.Channel) -> None:
    reader = channel.reader()
    errors: list[str] = []

    def read() -> None:
        try:
            reader.recv()
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    reader.close()
    thread.join()
    assert len(errors) == 1
    assert "closed" in errors[0]


@pytest.mark.parametrize("what", ["recv", "send"])
def test_ctrl_c_ends_a_wait(name: str, what: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        reader = channel.reader()
        if what == "send":
            channel.send(b"1")
            channel.send(b"2")
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            reader.recv() if what == "recv" else channel.send(b"3")
        timer.join()
        assert reader.lag == (2 if what == "send" else 0)


# ---- loans


def test_loan_is_published_at_the_end(channel: zinc.Channel) -> None:
    reader = channel.reader()
    with channel.loan(5, tag=3) as loan:
        loan.data[:] = b"hello"
        assert reader.try_recv() is None
    message = reader.recv(0)
    assert (bytes(message.data), message.tag) == (b"hello", 3)


def test_loan_is_dropped_by_an_exception(channel: zinc.Channel) -> None:
    reader = channel.reader()
    for _ in range(200):  # more than there are slots
        with pytest.raises(ZeroDivisionError), channel.loan():
            _ = 1 / 0
    assert reader.try_recv() is None
    assert channel.send(b"x") == 1


def test_loan_that_nobody_keeps_goes_back(channel: zinc.Channel) -> None:
    for _ in range(200):
        loan = channel.loan()
        array = loan.array
        array[:] = 1
        del loan
        assert not array.flags.writeable  # the slot may be another's by now
    assert channel.send(b"x") == 1


def test_loan_refuses_afterwards(channel: zinc.Channel) -> None:
    for end in ("publish", "discard"):
        with channel.loan() as loan:
            view, array = loan.data, loan.array
            getattr(loan, end)()
        with pytest.raises(ValueError, match="released memoryview"):
            view[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            array.flags.writeable = True
        for use in (lambda: loan.data, lambda: loan.array, loan.publish):
            with pytest.raises(ValueError, match=f"the loan is over: it was {end}ed"):
                use()
        loan.discard()


def test_loan_length_may_be_set(channel: zinc.Channel) -> None:
    reader = channel.reader()
    with channel.loan() as loan:
        assert loan.length == len(loan.data) == 64
        loan.data[:3] = b"abc"
        loan.length, loan.tag = 3, 9
        with pytest.raises(ValueError, match="65 bytes, and the slot has 64"):
            loan.length = 65
    message = reader.recv(0)
    assert (bytes(message.data), message.tag) == (b"abc", 9)
    with pytest.raises(ValueError, match="65 bytes, and a message of it has at most 64"):
        channel.loan(65)


def test_array_of_a_loan_outlives_everything(name: str) -> None:
    channel = zinc.Channel.create(name, slot_size=8)
    loan = channel.loan()
    array = loan.array
    array[:] = 3
    channel.close()
    with pytest.raises(ValueError, match="closed"):
        loan.publish()
    del loan, channel
    assert array.tolist() == [3] * 8


def test_writer_comes_and_goes_unnoticed(name: str, channel: zinc.Channel) -> None:
    before = channel.region.sequence
    with zinc.Channel.open(name) as other, pytest.raises(ZeroDivisionError), other.loan():
        _ = 1 / 0
    assert channel.region.sequence == before


def test_too_many_loans(channel: zinc.Channel) -> None:
    loans: list[zinc.Loan] = []
    with pytest.raises(OSError, match="no slot is free") as caught:
        loans.extend(iter(channel.loan, None))
    assert caught.value.errno == errno.ENOBUFS
    loans.pop().discard()
    channel.send(b"x")


# ---- arrays


def test_typed_channel_keeps_shape_and_dtype(name: str) -> None:
    dtype = numpy.dtype([("x", "<f4"), ("name", "S3")])
    with (
        zinc.Channel.create(name, shape=(2, 3), dtype=dtype) as channel,
        zinc.Channel.open(name, shape=[2, 3], dtype=dtype) as other,
    ):
        assert (other.shape, other.dtype, other.slot_size) == ((2, 3), dtype, 42)
        reader = other.reader()
        with channel.loan() as loan:
            loan.array["x"] = 1.5
            loan.array["name"] = b"abc"
        array = reader.recv(0).array
        assert (array.shape, array.dtype) == ((2, 3), dtype)
        assert array[1, 2].tolist() == (1.5, b"abc")
        with pytest.raises(ValueError, match="read-only"):
            array["x"] = 2


def test_send_to_a_typed_channel(name: str) -> None:
    with zinc.Channel.create(name, shape=(2, 2), dtype="f4") as channel:
        reader = channel.reader()
        channel.send([[1, 2], [3, 4]], 5)
        channel.send(numpy.arange(4.0).reshape(2, 2).T)
        first, second = reader.recv_many(2)
        assert first.array.tolist() == [[1, 2], [3, 4]]
        assert (first.tag, second.array.tolist()) == (5, [[0, 2], [1, 3]])
        with pytest.raises(ValueError, match=r"of shape \(2, 2\) is needed, and this is of \(3,\)"):
            channel.send([1, 2, 3])
        with pytest.raises(TypeError, match="same_kind"):
            channel.send(numpy.zeros((2, 2), complex))
        with pytest.raises(ValueError, match="could not convert"):
            channel.send([["a", "b"], ["c", "d"]])
        assert channel.send(numpy.zeros((2, 2))) == 3


def test_scalar_messages(name: str) -> None:
    with zinc.Channel.create(name, dtype="i8") as channel:
        reader = channel.reader()
        channel.send(42)
        assert (channel.shape, reader.recv(0).array[()]) == ((), 42)


def test_expected_shape_and_dtype(name: str, channel: zinc.Channel) -> None:
    with pytest.raises(ValueError, match="its messages are bytes"):
        zinc.Channel.open(name, dtype="u1")
    with zinc.Channel.create(f"{name}-2", shape=3, dtype="u2"):
        with pytest.raises(ValueError, match=r"is \(3,\) and their dtype uint16, and \(4,\) and"):
            zinc.Channel.open(f"{name}-2", shape=4)
        with pytest.raises(ValueError, match="float32 were expected"):
            zinc.Channel.open(f"{name}-2", dtype="f4")


def test_description_that_lies(name: str) -> None:
    """Whoever may write the region may have written anything there."""
    with zinc.Channel.create(name, shape=8, dtype="u1"):
        path = f"/dev/shm/zinc_{name}"
        with open(path, "r+b") as file:
            start = file.read(4096).index(b"{'descr'")
            file.seek(start)
            text = file.read(80).replace(b"(8,)", b"(9,)")
            file.seek(start)
            file.write(text)
        with pytest.raises(zinc.NotARegionError, match="does not fit into 8 bytes"):
            zinc.Channel.open(name)


# ---- views


def test_views_hold_the_message_and_stay_right(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send(b"first")
    message = reader.recv(0)
    kept: list[Any] = [
        message.data[1:],
        message.array[1:],
        numpy.frombuffer(message.data, "u1")[1:],
    ]
    message.release()
    message.release()
    with pytest.raises(ValueError, match="message 1 was released"):
        _ = message.data
    assert (message.number, repr(message)) == (1, "<zinc.Message 1, 5 bytes, tag 0, released>")
    del message
    while kept:
        for _ in range(100):
            channel.send(b"other")
        assert all(bytes(one) == b"irst" for one in kept)
        kept.pop()


def test_views_outlive_reader_and_channel(name: str) -> None:
    channel = zinc.Channel.create(name, slot_size=8)
    reader = channel.reader()
    channel.send(b"kept")
    array, view = reader.recv(0).array, reader
    reader.close()
    assert view.closed
    for _ in range(100):
        channel.send(b"more")
    channel.close()
    del reader, view
    gc.collect()
    assert array.tobytes() == b"kept"
    assert os.path.exists(f"/dev/shm/zinc_{name}")  # its seat holds the message
    del array
    assert not os.path.exists(f"/dev/shm/zinc_{name}")


def test_messages_are_read_only(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send(b"x")
    message = reader.recv(0)
    with pytest.raises(TypeError):
        message.data[0] = 1
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        message.array.flags.writeable = True
    with pytest.raises(TypeError, match="bytes-like"):
        memoryview(message)  # type: ignore[arg-type]


def test_limit_of_views(channel: zinc.Channel) -> None:
    reader, other = channel.reader(), channel.reader()
    held: list[zinc.Message] = []
    for _ in range(4):
        channel.send(b"x")
    with pytest.raises(zinc.ViewLimitError, match="may hold 3 at once") as caught:
        held.extend(reader)
    assert (caught.value.limit, caught.value.errno, len(held)) == (3, errno.ENOBUFS, 3)
    assert len(received(other)) == 4
    held.pop()
    assert reader.recv(0).number == 4


def test_message_as_a_context(channel: zinc.Channel) -> None:
    reader = channel.reader()
    channel.send(b"x")
    with reader.recv(0) as message:
        assert bytes(message.data) == b"x"
    with pytest.raises(ValueError, match="released"):
        _ = message.array


def test_arrow_reads_in_place(channel: zinc.Channel) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    reader = channel.reader()
    channel.send(b"arrow")
    buffer = pyarrow.py_buffer(reader.recv(0).data)
    reader.close()
    for _ in range(100):
        channel.send(b"other")
    assert bytes(buffer) == b"arrow"


# ---- waiting for readers


def test_full_channel_says_who_holds_it_up(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        for _ in range(9):
            channel.send(b"x")  # nobody reads
        reader = channel.reader()
        channel.send(b"1")
        channel.send(b"2")
        whom = f"send to channel '{name}': it is full, and a reader holds it up: of process {os.getpid()},"
        with pytest.raises(TimeoutError, match=whom):
            channel.send(b"3", timeout_ms=0)
        start = time.monotonic()
        with pytest.raises(TimeoutError, match="full"), channel.loan() as loan:
            loan.publish(30)
        assert time.monotonic() - start >= 0.03
        assert received(reader) == [b"1", b"2"]
        assert channel.send(b"3") == 12
        assert received(reader) == [b"3"]
        assert reader.lost == 0


def test_send_many_says_how_many_there_was_room_for(name: str) -> None:
    with zinc.Channel.create(name, 4, slot_size=8, full="wait", views=8) as channel:
        reader = channel.reader()
        assert channel.send_many([]) == 0
        assert channel.send_many([b"1", b"2", b"3"], tag=7) == 3
        assert channel.send_many([b"4", b"5", b"6"], timeout_ms=20) == 1
        messages = reader.recv_many(9)
        assert [bytes(one.data) for one in messages] == [b"1", b"2", b"3", b"4"]
        assert [one.tag for one in messages] == [7, 7, 7, 0]
        with pytest.raises(ValueError, match="at most 8"):
            channel.send_many([b"5", b"much too long"])
        assert bytes(reader.recv(0).data) == b"5"


def test_loan_that_timed_out_is_still_one(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        reader = channel.reader()
        channel.send(b"1")
        channel.send(b"2")
        loan = channel.loan(1)
        loan.data[:] = b"3"
        with pytest.raises(TimeoutError):
            loan.publish(timeout_ms=0)
        reader.recv(0)
        assert loan.publish(0) == 3
        assert received(reader) == [b"2", b"3"]


def test_writer_goes_on_when_a_reader_has(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        reader = channel.reader()
        thread = threading.Thread(target=lambda: [channel.send(bytes([n])) for n in range(100)])
        thread.start()
        assert [reader.recv().data[0] for _ in range(100)] == list(range(100))
        thread.join()


def test_closed_reader_that_holds_messages_holds_nobody_up(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        reader = channel.reader()
        channel.send(b"kept")
        message = reader.recv()
        reader.close()
        for _ in range(100):
            channel.send(b"x", timeout_ms=0)
        assert bytes(message.data) == b"kept"


def test_close_amid_a_wait_holds_nobody_up(name: str) -> None:
    with zinc.Channel.create(name, 2, slot_size=8, full="wait") as channel:
        for _ in range(20):
            reader = channel.reader()
            channel.send(b"kept")
            message = reader.recv()
            ended: list[type[Exception]] = []

            def wait(reader: zinc.ChannelReader = reader) -> None:
                try:
                    reader.recv()
                except ValueError as error:
                    ended.append(type(error))

            thread = threading.Thread(target=wait)
            thread.start()
            reader.close()
            thread.join()
            for _ in range(5):
                channel.send(b"x", timeout_ms=0)
            assert ended == [ValueError]
            del message


def test_close_ends_a_send_that_waits(name: str) -> None:
    channel = zinc.Channel.create(name, 2, slot_size=8, full="wait")
    reader = channel.reader()
    channel.send(b"1")
    channel.send(b"2")
    errors: list[BaseException] = []

    def send() -> None:
        try:
            channel.send(b"3")
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    channel.close()
    thread.join()
    assert len(errors) == 1
    assert received(reader) == [b"1", b"2"]
    reader.close()


# ---- making them


def test_create_open_and_open_or_create(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        zinc.Channel.open(name)
    with zinc.Channel.open_or_create(name, 5, slot_size=8) as channel:
        assert (channel.slots, channel.slot_size, channel.views, channel.full) == (
            8,
            8,
            8,
            "overwrite",
        )
        assert (channel.name, channel.shape, channel.dtype, channel.region.kind) == (
            name,
            None,
            None,
            2,
        )
        with zinc.Channel.open_or_create(name, 5, slot_size=8) as other:
            assert (other.region.created, channel.region.created) == (False, True)
        with pytest.raises(FileExistsError):
            zinc.Channel.create(name, slot_size=8)
        for wrong in ({"slots": 9}, {"slot_size": 9}, {"full": "wait"}):
            with pytest.raises(ValueError, match="exists with"):
                zinc.Channel.open_or_create(name, **{"slots": 5, "slot_size": 8, **wrong})  # type: ignore[arg-type]
        assert repr(channel) == f"<zinc.Channel {name!r}, 8 messages of 8 bytes>"
    assert channel.closed
    channel.close()


def test_arguments_that_cannot_be(name: str) -> None:
    create: Any = zinc.Channel.create
    for sizes in ({}, {"slot_size": 8, "dtype": "u1"}):
        with pytest.raises(TypeError, match="how large a message is"):
            create(name, **sizes)
    impossible: list[dict[str, Any]] = [
        {"slot_size": 0},
        {"slot_size": -1},
        {"slot_size": 1 << 62},
        {"slots": 0, "slot_size": 8},
        {"slots": 1 << 40, "slot_size": 8},
        {"views": 17, "slot_size": 8},
        {"readers": 121, "slot_size": 8},
        {"full": "block", "slot_size": 8},
        {"dtype": object},
        {"shape": (-1,), "dtype": "u1"},
    ]
    for wrong in impossible:
        with pytest.raises(ValueError, match=r"\w"):
            create(name, **wrong)
    with pytest.raises(ValueError, match="without a name"):
        create(None, slot_size=8, persistent=True)


def test_what_is_no_channel(name: str) -> None:
    with zinc.create(name, 4096), pytest.raises(ValueError, match="is no channel: its kind is 0"):
        zinc.Channel.open(name)
    kinds: list[Any] = [zinc.Channel, zinc.ChannelReader, zinc.Message, zinc.Loan]
    for kind in kinds:
        with pytest.raises(TypeError):
            kind()


def test_geometry_that_lies(name: str) -> None:
    with zinc.Channel.create(name, slot_size=8) as channel:
        channel.region.as_buffer()[:4] = b"\3\0\0\0"
        with pytest.raises(zinc.NotARegionError, match="damaged"):
            zinc.Channel.open(name)


def test_anonymous() -> None:
    with zinc.Channel.create(None, slot_size=8) as channel:
        reader = channel.reader()
        channel.send(b"x")
        assert received(reader) == [b"x"]
        assert (channel.name, reader.name) == (None, None)
        reader.close()
        with pytest.raises(ValueError, match="receive from an anonymous channel: it is closed"):
            reader.recv()


def test_too_large_says_both_sizes(channel: zinc.Channel) -> None:
    with pytest.raises(ValueError, match="65 bytes, and a message of it has at most 64"):
        channel.send(b"x" * 65)
    with pytest.raises(TypeError):
        channel.send("text")
    for tag in -1, 1 << 64:
        with pytest.raises((ValueError, OverflowError)):
            channel.send(b"x", tag)
    assert channel.send(b"x", (1 << 64) - 1) == 1


def test_closed(name: str) -> None:
    channel = zinc.Channel.create(name, slot_size=8)
    reader = channel.reader()
    channel.close()
    calls: list[Callable[[], object]] = [lambda: channel.send(b"x"), channel.loan, channel.reader]
    for call in calls:
        with pytest.raises(ValueError, match=f"channel '{name}': it is closed"):
            call()
    reader.close()
    calls = [reader.recv, reader.try_recv, reader.latest, lambda: reader.lag, lambda: reader.lost]
    for call in calls:
        with pytest.raises(ValueError, match="it is closed"):
            call()
    assert list(reader) == []


def test_region_that_is_closed_behind_it(name: str) -> None:
    channel = zinc.Channel.create(name, slot_size=8)
    reader = channel.reader()
    channel.send(b"x")
    channel.region.close()
    message = reader.recv(0)
    reader._region.close()
    assert bytes(message.data) == b"x"
    del message
    reader.close()
    channel.close()


def test_name_that_is_gone(name: str, channel: zinc.Channel) -> None:
    zinc.unlink(name)
    with pytest.raises(FileNotFoundError):
        channel.reader()
    with (
        zinc.Channel.create(name, slot_size=8),
        pytest.raises(FileNotFoundError, match="lost its name"),
    ):
        channel.reader()


def test_seats_are_for_who_takes_part(channel: zinc.Channel) -> None:
    assert channel.region.seats == []
    channel.send(b"x")
    reader = channel.reader()
    assert len(channel.region.seats) == 2
    reader.close()
    assert len(channel.region.seats) == 1


# ---- nothing leaks


def test_references_descriptors_and_mappings_stay_flat(name: str) -> None:
    def cycle() -> None:
        with zinc.Channel.create(name, 2, slot_size=64, full="wait") as channel:
            reader = channel.reader()
            channel.send(b"hello")
            with channel.loan() as loan:
                loan.array[:] = 1
            with pytest.raises(TimeoutError):
                channel.send(b"x", 0, 0)
            message = reader.recv(0)
            array, view = message.array, message.data
            assert len(array) == len(view) == 5
            reader.close()

    def state() -> tuple[int, int]:
        gc.collect()
        with open("/proc/self/maps") as maps:
            mappings = sum("zinc" in line for line in maps)
        return len(os.listdir("/proc/self/fd")), mappings

    for _ in range(20):
        cycle()
    before, blocks = state(), sys.getallocatedblocks()
    for _ in range(3_000):
        cycle()
    assert state() == before
    assert abs(sys.getallocatedblocks() - blocks) < 500


def test_cycles_are_collected(name: str) -> None:
    class Camera(zinc.Channel):
        loaned: Any

    with zinc.create(f"{name}-2", 1):
        channel = Camera.create(name, slot_size=8)
        channel.loaned = channel.loan()
        channel.loaned.array[:] = 1
        del channel
        gc.collect()
        assert not os.path.exists(f"/dev/shm/zinc_{name}")


def test_pickles_and_copies_are_refused_with_the_reason(channel: zinc.Channel) -> None:
    reader = channel.reader()
    with pytest.raises(TypeError, match="where it has come to is its own; pickle the channel"):
        sent(reader)
    with pytest.raises(TypeError, match="by_reference"):
        pickle.dumps(channel)
    with pytest.raises(TypeError, match="open it once more"):
        copy.copy(channel)


@pytest.mark.parametrize("is_named", [True, False])
def test_channel_travels_as_a_reference(name: str, is_named: bool) -> None:
    with zinc.Channel.create(name if is_named else None, shape=2, dtype="u1") as channel:
        reader = channel.reader()
        other = pickle.loads(sent(channel))
        assert (type(other), other.shape) == (zinc.Channel, (2,))
        other.send([1, 2])
        assert reader.recv(0).array.tolist() == [1, 2]
        other.close()


def test_example_of_each_error_is_an_oserror(python: Callable[..., Any]) -> None:
    assert issubclass(zinc.ViewLimitError, OSError)
    assert zinc.ViewLimitError.limit == 0
    done = python(
        "import zinc, sys; zinc.Lock; sys.exit('numpy' in sys.modules or 'zinc._channel' in sys.modules)"
    )
    assert done.returncode == 0
