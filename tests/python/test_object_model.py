"""Objects in regions that are used again, searched by spin, in the way of test_channel_model.py."""

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

ROOT = SOURCES.parent.parent
STEPS = ["r1", "r2", "r3", "r4"]


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    renaming: str = (SOURCES / "Region/Attachment+Renaming.swift").read_text()
    lifecycle: str = (SOURCES / "Region/Attachment+Lifecycle.swift").read_text()
    region: str = (ROOT / "Sources/ZincPython/region.c").read_text()
    channel: str = (ROOT / "Sources/ZincPython/channel.c").read_text()
    objects: str = (ROOT / "python/zinc/_objects.py").read_text()


SOURCE = Sources()


def function(source: str, beginning: str, end: str) -> str:
    """Return what is in a source from these words on, up to those."""
    assert source.count(beginning) == 1, beginning
    return source[source.index(beginning) :].split(end, maxsplit=1)[0]


def of_objects(source: Sources) -> list[str]:
    """Return what sources define for object.pml."""
    assert sorted(step for step, line in steps(source.renaming)) == STEPS
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    rename = part(source.renaming, "private func renameAlone(")
    alone = "guard try lock.tryLock(.attached, exclusive: true) else { return false }  // r1\n"
    shared = "      defer { _ = try? lock.tryLock(.attached, exclusive: false) }  // r4\n"
    awaited = "if keeping.isAwaited { return false }  // r2\n"
    expect("ASK_ONLY", alone in rename)
    expect("TICKETS_FIRST", not follow(rename, "// r2\n", "// r1\n"))
    expect("RENAME_WITH_TICKETS", follow(rename, awaited, "// r3\n"))
    expect("KEEP_NAME", "try moveName(to: new)  // r3\n" in rename)
    expect("UNLOCK_FIRST", shared in rename)
    attach = part(source.lifecycle, "private static func attach(")
    look = "guard isAttached && RegionName.leads(path, to: status) else {"
    expect("LOOK_FIRST", follow(attach, "let isAttached = try lock.tryLock(", look))
    detach = function(source.region, "void region_detach(", "\n}\n")
    expect("CLOSE_LETS_GO", "is_object ? zinc_region_stop(self->handle) :" in detach)
    sweep = function(source.objects, "def sweep(", "\n    def ")
    expect("FORGET_EARLY", follow(sweep, "if not is_gone(", "continue\n", "region.give_back()"))
    publish = function(source.channel, "static int32_t publish(", "\n}\n")
    kept = follow(publish, "zinc_region_keep(", "zinc_writer_publish(", "zinc_region_give_back(")
    expect("PUBLISH_FIRST", kept)
    return definitions


KILLED = ("KILLS=1",)
FORWARDED = ("FORWARDS=1",)


@pytest.mark.parametrize(
    "configuration",
    [
        ("ROUNDS=4", "LOADS=3", "KILLS=2"),
        ("READERS=2", "KILLS=1"),
        (*FORWARDED, "ROUNDS=4", "KILLS=2"),
        ("READERS=2", *FORWARDED, "KILLS=1"),
        ("QUEUE=1", "ROUNDS=4", "LOADS=4", "KILLS=2"),
        ("QUEUE=1", "READERS=2", *FORWARDED, "KILLS=2"),
    ],
    ids=" ".join,
)
def test_objects_hold(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "object.pml", *of_objects(SOURCE), *configuration)


changed, later = (partial(change, SOURCE) for change in (changed_in, later_in))

ALONE = """      guard try lock.tryLock(.attached, exclusive: true) else { return false }  // r1
"""
SHARED = """      defer { _ = try? lock.tryLock(.attached, exclusive: false) }  // r4
"""
AWAITED = """      if keeping.isAwaited { return false }  // r2
"""
MOVED = """      try moveName(to: new)  // r3
"""
KEPT = """    status = to ? zinc_region_keep(to->handle, to->lease) : 0;
"""
# Where to look for it, and what to change how.
WEAKER: dict[str, tuple[tuple[str, ...], Callable[..., Sources], *tuple[str, ...]]] = {
    "r1 asks": (
        (),
        changed,
        "renaming",
        "guard try lock.tryLock(.attached, exclusive: true) else",
        "guard try lock.lockOfOthers(.attached) == .none else",
    ),
    "r2 after r3": (FORWARDED, later, "renaming", AWAITED, MOVED),
    "r2 before r1": (FORWARDED, changed, "renaming", AWAITED, "", ALONE, AWAITED + ALONE),
    "r3 of nothing": (
        (),
        changed,
        "renaming",
        "try moveName(to: new)  // r3",
        "_ = new.name  // r3",
    ),
    "r4 before r3": ((), changed, "renaming", "defer { _ = try?", "do { _ = try?"),
    "leads before the lock": (
        (),
        changed,
        "lifecycle",
        "guard isAttached && RegionName.leads(path, to: status) else {",
        "guard isAttached else {",
    ),
    "close with views": (
        (),
        changed,
        "region",
        "is_object ? zinc_region_stop",
        "0 ? zinc_region_stop",
    ),
    "give back at once": ((), changed, "objects", "if not is_gone(", "if not self.has("),
    "keep after publishing": (KILLED, later, "channel", KEPT, "&look);\n"),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_objects(tmp_path: Path, weaker: str) -> None:
    configuration, change, *how = WEAKER[weaker]
    definitions = of_objects(change(*how))
    assert set(definitions) > set(of_objects(SOURCE))
    assert not holds(tmp_path, "object.pml", *definitions, *configuration, optimized="-O0")


def test_step_of_renaming_that_is_not_known_is_an_error() -> None:
    more = SOURCE.renaming + "  _ = keeping.isAwaited  // r5\n"
    with pytest.raises(AssertionError):
        of_objects(replace(SOURCE, renaming=more))


def test_source_of_objects_is_as_it_is_searched() -> None:
    assert of_objects(SOURCE) == []
