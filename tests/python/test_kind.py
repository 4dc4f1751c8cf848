"""What the data of a region is: told at creation, whoever creates it and in whatever language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import zinc

from .conftest import Peer


def test_kind_stays_with_the_region(name: str) -> None:
    with zinc.create(name, 8, kind=1000, metadata=b"mine") as region, zinc.open(name) as other:
        assert (region.kind, other.kind, other.metadata) == (1000, 1000, b"mine")
        with zinc.open_or_create(name, 8, kind=1) as again:
            assert again.kind == 1000
    with zinc.open_or_create(name, 8, kind=2**32 - 1) as region:
        assert region.kind == 2**32 - 1
    with (
        zinc.SharedRegion.anonymous(8, kind=1001) as region,
        zinc.SharedRegion.from_fd(region.descriptor()) as other,
    ):
        assert other.kind == 1001
    with zinc.create(name, 8) as region:
        assert region.kind == 0


def test_kinds_that_cannot_be(name: str) -> None:
    wrong: Any
    for wrong in (-1, 2**32, 2**70):
        for call in zinc.create, zinc.open_or_create:
            with pytest.raises(ValueError, match="kind"):
                call(name, 8, kind=wrong)
        with pytest.raises(ValueError, match="kind"):
            zinc.SharedRegion.anonymous(8, kind=wrong)
    for wrong in ("array", 1.5, None):
        with pytest.raises(TypeError):
            zinc.create(name, 8, kind=wrong)


def test_array_that_was_made_by_hand(name: str) -> None:
    metadata = b"{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2)}"
    with zinc.create(name, 8, kind=1, metadata=metadata) as region:
        region.as_numpy("<i2")[:] = 1, 2, 3, 4
        assert zinc.open_array(name).tolist() == [[1, 3], [2, 4]]


def test_array_that_swift_made(name: str, peer: Callable[[str], Peer]) -> None:
    swift = peer(f"array {name}")
    array = zinc.open_array(name, (2, 3), "f4")
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    array[0, 0] = 2.0  # 0x40000000
    assert swift.ask("read 3") == 0x40


def test_swift_reads_what_an_array_is(name: str, peer: Callable[[str], Peer]) -> None:
    array = zinc.share(numpy.arange(6, dtype="f4").reshape(2, 3), name)
    swift = peer(f"open {name}")
    assert swift.ask("kind") == array.region.kind == 1
    assert swift.ask("metadata") == array.region.metadata.decode()
