"""Files with a name while they are made, searched by spin, in the way of test_object_model.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from .test_channel_model import changed_in, later_in, part
from .test_lock_model import follow
from .test_model import SOURCES, holds, steps

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    descriptor: str = (SOURCES / "System/Descriptor.swift").read_text()
    lifecycle: str = (SOURCES / "Region/Attachment+Lifecycle.swift").read_text()
    sweep: str = (SOURCES / "Region/RegionName+Sweep.swift").read_text()


SOURCE = Sources()


def of_making(source: Sources) -> list[str]:
    """Return what sources define for making.pml."""
    named = [
        {step for step, line in steps(text)}
        for text in (source.descriptor, source.lifecycle, source.sweep)
    ]
    known: list[set[str]] = [{"t1", "t4", "t5"}, {"t2", "t3"}, {"c1", "c2"}]
    assert all(these <= those for these, those in zip(named, known, strict=True)), named
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    made = part(source.lifecycle, "private static func newFile(")
    lock = "guard try file.tryLock(.attached, exclusive: false) else { continue }  // t2\n"
    look = "if try file.status().links > 0 { return file }  // t3\n"
    expect("LOCK_NEVER", lock in made)
    expect("LOOK_NEVER", look in made)
    expect("LOOK_FIRST", not follow(made, "// t3\n", "// t2\n"))
    make = part(source.lifecycle, "private static func makeFile(")
    filled = follow(make, "try newFile(", "try file.lay(", "var result = unsafe lock.publish(")
    expect("PUBLISH_EARLY", filled)
    expect("DISCARD_NEVER", "_ = czinc_discard_new(newNumber) }  // t5\n" in source.descriptor)
    reclaim = part(source.sweep, "static func reclaimUnfinished(")
    expect("ASK_ONLY", "file.tryLock(.attached, exclusive: true)) == true  // c1\n" in reclaim)
    expect("UNLINK_FIRST", follow(reclaim, "// c1\n", "// c2\n"))
    return definitions


@pytest.mark.parametrize(
    "configuration",
    [("KILLS=1",), ("RECLAIMERS=2", "FILES=2", "LOOKS=2", "KILLS=2"), ("MAKERS=1", "KILLS=2")],
    ids=" ".join,
)
def test_making_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "making.pml", *of_making(SOURCE), *configuration)


changed, later = (partial(change, SOURCE) for change in (changed_in, later_in))

LOCK = """        guard try file.tryLock(.attached, exclusive: false) else { continue }  // t2
"""
LOOK = """        if try file.status().links > 0 { return file }  // t3
"""
LAY = """    let status = try file.lay(out: lock, inFolder: true, options)
"""
REMOVE = """        if czinc_discard_new(number) == 0 { count += 1 }  // c2
"""
# What to change how.
WEAKER: dict[str, tuple[Callable[..., Sources], *tuple[str, ...]]] = {
    "t2 never": (changed, "lifecycle", LOCK, ""),
    "t3 never": (changed, "lifecycle", LOOK, "        return file\n"),
    "t3 before t2": (later, "lifecycle", LOCK, LOOK),
    "t4 before it is complete": (
        later,
        "lifecycle",
        LAY,
        "    var result = unsafe lock.publish(as: path.cString)\n",
    ),
    "t5 never": (
        changed,
        "descriptor",
        "{ _ = czinc_discard_new(newNumber) }",
        "{ _ = newNumber }",
    ),
    "c1 asks": (
        changed,
        "sweep",
        "(try? file.tryLock(.attached, exclusive: true)) == true",
        "(try? file.lockOfOthers(.attached)) == ForeignLock.none",
    ),
    "c2 before c1": (
        changed,
        "sweep",
        REMOVE,
        "",
        "      ForkGate.enter()\n      if let file",
        f"      ForkGate.enter()\n{REMOVE}      if let file",
    ),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_making(tmp_path: Path, weaker: str) -> None:
    change, *how = WEAKER[weaker]
    definitions = of_making(change(*how))
    assert set(definitions) > set(of_making(SOURCE))
    assert not holds(tmp_path, "making.pml", *definitions, "KILLS=1", optimized="-O0")


def test_step_of_making_that_is_not_known_is_an_error() -> None:
    more = SOURCE.sweep + "  _ = czinc_discard_new(number)  // c3\n"
    with pytest.raises(AssertionError):
        of_making(replace(SOURCE, sweep=more))


def test_source_of_making_is_as_it_is_searched() -> None:
    assert of_making(SOURCE) == []
