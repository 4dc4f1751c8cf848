"""Conditions, searched by spin, in the way of test_model.py."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from .test_lock_model import follow
from .test_model import SOURCES, holds

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

SOURCE = (SOURCES / "Locks/Condition.swift").read_text()


def of_condition(source: str) -> list[str]:
    """Return what a source of Condition defines for condition.pml."""
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    inherit = source[source.index("func inherit(") : source.index("func notify(")]
    expect("TAKE_FIRST", follow(inherit, "to: own.notified)", "from: kept, to: .free)"))
    expect("GO_BACK", "from: own.notified" not in inherit)
    expect("FORGET_TICKETS", "bits: ticket << 2 | 1)" in source)
    expect("INHERIT_NOTHING", "try inherit(place)\n" in source)
    return definitions


def test_condition_holds(tmp_path: Path) -> None:
    assert holds(tmp_path, "condition.pml", *of_condition(SOURCE))


OWN = "change(place, from: own, to: own.notified)"
KEPT = "change(other, from: kept, to: .free)"
# Not made before the test, which may be of another source.
WEAKER = {
    "its before mine": partial(
        SOURCE.replace, f"if {OWN} {{ _ = {KEPT} }}", f"if {KEPT} {{ _ = {OWN} }}"
    ),
    "back to waiting": partial(
        SOURCE.replace,
        f"_ = {KEPT} }}",
        f"_ = {KEPT} || change(place, from: own.notified, to: own)",
    ),
    "no ticket": partial(SOURCE.replace, "bits: ticket << 2 | 1)", "bits: 1)"),
    "no look at the dead": partial(SOURCE.replace, "try inherit(place)\n", "false\n"),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_conditions(tmp_path: Path, weaker: str) -> None:
    definitions = of_condition(WEAKER[weaker]())
    assert definitions
    assert not holds(tmp_path, "condition.pml", *definitions, optimized="-O0")
