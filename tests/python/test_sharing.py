"""What shares a region's memory is a SharedArray, and nothing else is: over all of numpy."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc

PROGRAM = Path(__file__).with_name("sharing_rule.py")
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def check_rule(**environment: str) -> str:
    """Run the program that asks numpy, and return which numpy that was."""
    command = [sys.executable, "-P", str(PROGRAM)]
    found = subprocess.run(
        command, check=True, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    )
    report: dict[str, Any] = json.loads(found.stdout[found.stdout.rindex('{"numpy"') :])
    called = report["called"]
    assert report["broken"] == []
    # Not empty: what once broke the rule, and most of what numpy has, took some of the arguments.
    assert len(called) > 450
    for name in ("squeeze", "argmax", "imag", "flat", "__getitem__", "astype", "copy", "reshape"):
        assert called[f"ndarray.{name}"], name
    for name in ("require with needs", "array with subok", "split", "broadcast_to", "zeros_like"):
        assert called[f"numpy.{name}"], name
    return str(report["numpy"])


def test_rule_on_the_numpy_that_is_here() -> None:
    assert check_rule() == numpy.__version__


def test_rule_on_the_oldest_numpy_that_zinc_takes(tmp_path: Path) -> None:
    project = tomllib.loads(PROJECT.read_text()).get("project")
    if project is None:
        pytest.skip("what the package asks for is not beside its tests")
    floor = project["optional-dependencies"]["numpy"][0].removeprefix("numpy>=")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    install += ["--target", str(tmp_path), f"numpy=={floor}.0"]
    if subprocess.run(install, capture_output=True).returncode:
        pytest.skip(f"no numpy {floor} for this Python, or nowhere to get it from")
    assert check_rule(PYTHONPATH=str(tmp_path)).startswith(floor)


def test_records_have_their_fields_as_attributes(name: str) -> None:
    source = numpy.rec.array([(1.5, 2, 0), (2.5, 3, 0)], [("x", "f8"), ("y", "i4"), ("size", "i4")])
    shared: Any = zinc.share(source, name)
    opened: Any = zinc.open_array(name)
    assert shared.x.tolist() == [*opened[:1].x.tolist(), 2.5] == [1.5, 2.5]
    assert type(opened.x) is zinc.SharedArray
    opened.y = 7
    opened[1:].x = 9
    assert shared.y.tolist() == [7, 7]
    assert shared.x.tolist() == [1.5, 9]
    assert shared.size == 2  # numpy's own attributes stay what they are
    shared.shape = (2, 1)
    assert shared.x.shape == (2, 1)
    with pytest.raises(AttributeError, match="'z'"):
        _ = shared.z
    plain: Any = zinc.array(None, 3, [("x", "f8")])
    for wrong in (lambda: plain.x, lambda: setattr(plain, "x", 1)):
        with pytest.raises(AttributeError, match="'x'"):
            wrong()


def test_class_is_only_for_shared_memory() -> None:
    shared = zinc.array(None, 3)
    again: Any = numpy.asarray(shared).view(zinc.SharedArray)
    assert type(again) is zinc.SharedArray
    assert again.region is shared.region
    with pytest.raises(TypeError, match="subclassed"):
        type("Mine", (zinc.SharedArray,), {})
    for state in numpy.ones(3).__reduce__()[2], shared.copy().__reduce__()[2]:
        with pytest.raises(TypeError, match="no state"):
            shared.__setstate__(state)


def test_what_numpy_insists_on_is_a_subclass_that_adds_nothing() -> None:
    shared = zinc.array(None, (2, 3))
    shared[:] = 2
    for private in (
        numpy.array(shared, subok=True),
        numpy.require(shared, "f4"),
        shared.flat[0:3],
        shared.imag,
        numpy.ones((2, 3)).view(zinc.SharedArray),
    ):
        assert isinstance(private, numpy.ndarray)
        assert not isinstance(private, zinc.SharedArray)
        assert zinc.region_of(private) is None
        assert repr(private).startswith("PrivateArray([")
        assert not hasattr(private, "region")
        assert type(pickle.loads(pickle.dumps(private))) is numpy.ndarray
        assert b"zinc" not in pickle.dumps(private)
        for result in private + 1, private.sum(0, keepdims=True), private * shared[0, 0]:
            assert type(result) is numpy.ndarray
        assert type(private.sum()) is type(private.flat[0])
        if private.flags.writeable:  # as the zeros of .imag are not
            private[0] = 7
        assert (shared == 2).all()


def test_what_left_the_class_holds_it_no_longer() -> None:
    shared = zinc.array(None, (64, 64))
    before = sys.getrefcount(zinc.SharedArray)
    kept: list[Any] = [numpy.array(shared, subok=True) for _ in range(1000)]
    kept += [shared[1:].copy() for _ in range(1000)]
    assert abs(sys.getrefcount(zinc.SharedArray) - before) < 100
    private = type(kept[0])
    del kept
    assert sys.getrefcount(private) < 100
    shared.region.close()  # pytest keeps the array
