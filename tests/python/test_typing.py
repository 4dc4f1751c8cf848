"""Code as users write it, which mypy and pyright check strictly, and which runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, assert_type

import numpy
import numpy.typing

import zinc


class Camera(zinc.SharedRegion):
    """A subclass, which all the ways to attach give back."""

    rate: int


def regions(name: str) -> None:
    region = zinc.create(name, 4096, mode=0o640, persistent=False, metadata=b"frames")
    assert_type(region, zinc.SharedRegion)
    assert_type(region.name, str | None)
    assert_type(region.capacity, int)
    assert_type(region.metadata, bytes)
    assert_type(region.notify(), int)
    assert_type(region.wait(timeout_ms=0.5, after=region.sequence), bool)
    assert_type(region.as_buffer(), memoryview)
    assert_type(zinc.wait_any([region], timeout_ms=0), list[zinc.SharedRegion])
    with zinc.open(name, readonly=True) as reader:
        assert_type(reader, zinc.SharedRegion)
        memoryview(reader)
        len(reader)
    with Camera.open_or_create(name, 4096) as camera:
        assert_type(camera, Camera)
        camera.rate = 30
        assert_type(zinc.wait_any({camera: 1}, 0), list[Camera])
    region.capacity = 3  # type: ignore[misc]
    region.close()
    zinc.create(name, "4096")  # type: ignore[arg-type]


def arrays(name: str) -> None:
    weights = zinc.array(name, (3, 4), "f4")
    assert_type(weights, zinc.SharedArray)
    assert_type(weights.region, zinc.SharedRegion)
    assert_type(zinc.region_of(weights[1:].T), zinc.SharedRegion | None)
    plain: numpy.typing.NDArray[Any] = zinc.open_array(name, readonly=True)
    assert float(plain.sum()) == 0
    shared = zinc.share(numpy.ones(3))
    assert_type(shared, zinc.SharedArray)
    frames = shared.region.as_numpy(numpy.float64, (-1,), offset=8)
    assert frames.tolist() == [1, 1]


class Sensor(zinc.Channel):
    """A subclass, which all the ways to make one give back."""

    rate: int


def channels(name: str) -> None:
    with Sensor.create(name, shape=3, dtype="f4", full="wait") as channel:
        assert_type(channel, Sensor)
        assert_type(channel.send([1, 2, 3], tag=7, timeout_ms=None), int)
        with channel.loan() as loan:
            assert_type(loan, zinc.Loan)
            assert_type(loan.data, memoryview)
        with Sensor.open_or_create(name, shape=3, dtype="f4", full="wait").reader(2) as reader:
            assert_type(reader, zinc.ChannelReader)
            assert_type(reader.latest(), zinc.Message | None)
            assert_type(reader.recv_many(3, 0) if reader.lag else [], list[zinc.Message])
            assert_type(zinc.wait_any([reader], 0), list[zinc.ChannelReader])
            found = zinc.wait_any([reader, channel.region, zinc.SharedRegion.anonymous(1)], 0)
            assert all(one is not reader for one in found)
            for message in reader.recv_many(1, 0) if reader.lag else []:
                assert_type(message.number, int)


def waits(name: str) -> None:
    async def main() -> list[int]:
        with zinc.create(name, 1) as region:
            assert_type(region.notifications(), AsyncIterator[int])
            region.notify()
            assert_type(await region.wait_async(timeout_ms=None), bool)
            region.notify()
            async for sequence in region.notifications():
                return [assert_type(sequence, int)]
        return []

    assert asyncio.run(main()) == [2]


def test_user_code_runs(name: str) -> None:
    arrays(name)
    channels(name)
    waits(name)
    try:
        regions(name)
    except (AttributeError, TypeError) as error:
        assert "readonly" in str(error)  # the first of the lines that must not pass
