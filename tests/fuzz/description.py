"""Fuzzes what reads the description of an array that somebody else wrote; `make fuzz` runs it.

Arguments are libFuzzer's: -max_total_time=60, a folder to keep what it finds worth trying again.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import atheris
import numpy

with atheris.instrument_imports():
    from zinc import _description
    from zinc.command import inspection

LARGEST = 2048  # bytes of metadata that a region has
SEEDS: tuple[Any, ...] = (
    *("u1", ">c16", "S7", "<M8[25us]", [("größe", "f4", (2, 3)), ("b", "V3")]),
    [("a", [("b", "u1"), (("title", "c"), "f4")]), ("d", "u8")],
    numpy.dtype((numpy.record, [("x", "f8")])),
)


WORDS = (
    *(
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ",",
        ":",
        "0",
        "1",
        "2",
        "-1",
        "9223372036854775807",
        "10" * 40,
    ),
    *("True", "False", "None", "'descr'", "'fortran_order'", "'shape'", "'record'", "'a'", "''"),
    *("'<f4'", "'|V8'", "'|O'", "'<M8[ns]'", "'(9,9)f8'", "'|S0'", "'<U2147483647'", r"'\x1b[2J'"),
    *("(2,)", "[('a', '<i2')]", "('t', 'n')", "{1}", "{[]: 1}", "b''", "1j", "1.5", "+", "#", "\n"),
)


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change words of a description: bytes alone seldom make another one."""
    chance = random.Random(seed)
    if chance.random() < 0.2:
        return bytes(atheris.Mutate(data, most))
    words = re.findall(r"'[^']*'|\w+|.", data.decode(errors="replace"))
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(words))
        put = [chance.choice(WORDS)] if chance.random() < 0.7 else words[start : start + 8]
        words[start : start + chance.choice((0, 1, 1, 1, 5))] = put
    return "".join(words).encode()[:most]


def read_one(data: bytes) -> None:
    """What is read is what can be told and used; else it is ValueError, and nothing else."""
    region = inspection.Region("fuzzed", kind=_description.ARRAY, metadata=data)
    assert all(part.isprintable() for part in region.contents.split("\n"))
    try:
        found = _description.read(data)
        dtype = found.dtype()
    except ValueError:
        return
    assert dtype.itemsize > 0
    assert not dtype.hasobject
    assert len(found.shape) <= _description.MOST_DIMENSIONS
    assert all(0 <= size <= _description.LARGEST for size in found.shape)
    try:
        again = _description.read(_description.write(found.shape, dtype, found.order))
    except (
        ValueError
    ):  # one that numpy writes otherwise, such as of a byte order that means nothing
        return
    assert again.dtype() == dtype
    assert again.shape == found.shape


def main() -> None:
    """Fuzz, from descriptions that are right."""
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        for index, dtype in enumerate(SEEDS):
            seed = _description.write((2, 0, 3)[:index], numpy.dtype(dtype), "CF"[index % 2])
            Path(folder, str(index)).write_bytes(seed)
        options = [*sys.argv, f"-max_len={LARGEST}", folder]
        atheris.Setup(options, read_one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
