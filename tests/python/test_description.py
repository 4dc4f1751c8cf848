"""What is read from the metadata of an array's region, whoever wrote them."""

from __future__ import annotations

import sys
from typing import Any

import numpy
import pytest

from zinc import _description

from .hostile import HOSTILE

GOOD: list[Any] = [
    "u1",
    ">c16",
    "<M8[25us]",
    "U3",
    [("größe", "f4", (2, 3)), ("it's \"\\", "V3"), ("\u2028", "S1")],
    [("a", [("b", [("c", "u1")])]), (("title", "d"), "u8")],
    numpy.dtype((numpy.record, [("x", "f8")])),
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", GOOD, ids=range(len(GOOD)))
def test_what_is_written_is_read(dtype: Any, order: str) -> None:
    kind = numpy.dtype(dtype)
    found = _description.read(_description.write((3, 0, 1 << 40), kind, order))
    assert (found.order, found.shape, found.dtype()) == (order, (3, 0, 1 << 40), kind)
    assert found.is_record == (kind.type is numpy.record)


def refused(description: bytes) -> bool:
    """Raises whatever is not the one error that there may be."""
    try:
        _description.read(description).dtype()
    except ValueError:
        return True
    return False


def test_hostile_ones_are_refused_with_one_error() -> None:
    """Those that are an array's, though none that fits, are the next one's to refuse."""
    read = [description for description in HOSTILE if not refused(description)]
    assert len(read) < 5
    assert all(description.startswith(b"{'descr': '<f8'") for description in read)


def test_every_part_of_one_is_an_error_or_the_whole() -> None:
    whole = _description.write((2, 3), numpy.dtype(GOOD[5]), "F")
    for size in range(len(whole)):
        assert refused(whole[:size])
        for change in b"\0\xff'({9-":
            refused(whole[:size] + bytes([change]) + whole[size + 1 :])


def test_where_there_is_little_room_to_call_is_no_crash() -> None:
    """Near the limit of recursion it is the same error, if the call itself had room."""
    whole = _description.write((1,), numpy.dtype(GOOD[5]), "C")

    def deep(left: int) -> str:
        if left:
            return deep(left - 1)
        _description._parsed.cache_clear()
        try:
            _description.read(whole)
        except (ValueError, RecursionError) as error:
            return type(error).__name__
        return "read"

    used = 1
    frame = sys._getframe()
    while frame.f_back:
        used, frame = used + 1, frame.f_back
    found = [deep(sys.getrecursionlimit() - used - left) for left in range(80, 10, -1)]
    assert found[0] == "read"
    assert "ValueError" in found
