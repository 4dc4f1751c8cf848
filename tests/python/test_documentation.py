"""What help() says is there, complete, and true."""

from __future__ import annotations

import copy
import doctest
import gc
import inspect
import json
import pickle
import pydoc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

import zinc


def public() -> Iterator[tuple[str, Any]]:
    """Each public thing of the package and of its classes, with its name."""
    for name in zinc.__all__:
        thing = getattr(zinc, name)
        yield name, thing
        if name in ("SharedRegion", "SharedArray"):
            own = [*vars(thing), *vars(thing.__base__)] if name == "SharedRegion" else vars(thing)
            for member in own:
                value = getattr(thing, member, None)
                if not member.startswith("_") and not hasattr(value, "__wrapped__"):  # numpy's
                    yield f"{name}.{member}", value


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_and_signature(name: str) -> None:
    thing = PUBLIC[name]
    text = inspect.getdoc(thing)
    assert text
    first = text.splitlines()[0]
    assert first[0].isupper()
    assert len(text) > 15
    if callable(thing) and not isinstance(thing, type):
        parameters = inspect.signature(thing).parameters.values()
        assert all(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def test_help_reads_like_documentation() -> None:
    text = pydoc.plain(pydoc.render_doc(zinc.SharedRegion))
    for part in (
        "wait(self, /, timeout_ms=1000, after=None, until_alone=False)",
        "notify(self, /)",
        "as_numpy(",
        "create(",
        "The size of the data in bytes",
        "Raises FileExistsError",
    ):
        assert part in text
    assert "_zinc.create" not in text


def test_help_of_the_package_is_for_people() -> None:
    text = pydoc.plain(pydoc.render_doc(zinc))
    lines = text.splitlines()
    assert "inherited from numpy" not in text
    for member in "argmax(", "newbyteorder", "strides":
        assert member not in text
    start = next(i for i, line in enumerate(lines) if line.startswith("    class SharedArray("))
    assert any(line.endswith("The region that the array is in.") for line in lines[start:])
    signatures = [line for line in lines if "mode: 'int' = " in line]
    # Region's two class methods, once more each as functions of the package, those of arrays,
    # of locks and their family, of channels, queues and stores, and of what is served.
    assert len(signatures) == 31
    assert all("mode: 'int' = 0o600" in line for line in signatures)


def test_arrays_tell_all_of_their_members() -> None:
    shared = zinc.array(None, 3)
    assert {"region", "strides", "argmax", "__add__"} <= {*dir(shared)}
    assert {*dir(numpy.ones(3))} <= {*dir(shared)}
    assert "region" in dir(zinc.SharedArray)
    assert "argmax" not in dir(zinc.SharedArray)
    assert zinc.SharedArray.argmax(shared) == 0


def test_modes_read_as_permissions(name: str) -> None:
    with zinc.create(name, 8, mode=0o644):
        mode = zinc.examine(name).mode
    assert (mode, repr(mode), str(mode), json.dumps(mode)) == (0o644, "0o644", "0o644", "420")
    for again in pickle.loads(pickle.dumps(mode)), copy.deepcopy(mode):
        assert (again, repr(again)) == (0o644, "0o644")
    for function in zinc.create, zinc.open_or_create, zinc.array, zinc.share:
        default = inspect.signature(function).parameters["mode"].default
        assert (default, repr(default)) == (0o600, "0o600")
    with zinc.create(name, 8, mode=default):
        assert zinc.examine(name).mode == 0o600


def test_examples_run() -> None:
    finder = doctest.DocTestFinder()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    found = []
    for thing, name in [(zinc, "zinc"), *((getattr(zinc, name), name) for name in zinc.__all__)]:
        names = vars(sys.modules[getattr(thing, "__module__", "zinc")])
        found += finder.find(thing, name, module=False, globs=dict(names))
    found = [test for test in found if test.name in ("zinc", *PUBLIC)]
    with_examples = {test.name for test in found if test.examples}
    for test in found:
        runner.run(test)
    while any(thread.name == "zinc-waits" for thread in threading.enumerate()):
        time.sleep(0.01)
    gc.collect()  # loops, and what they have
    assert runner.summarize().failed == 0
    assert with_examples >= {
        *("zinc", "SharedRegion", "SharedRegion.as_numpy", "SharedRegion.wait_async"),
        *("SharedRegion.anonymous", "SharedRegion.notifications", "SharedArray"),
        *("array", "open_array", "share", "region_of", "wait_any", "unlink", "build_info"),
        *("regions", "examine"),
    }
