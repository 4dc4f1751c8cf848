"""Stores, searched by spin, in the way of test_channel_model.py."""

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

STEPS = {"s2", "s3", "s4", "s5", "s6", "s8", "t1", "o1", "o2"}


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    store: str = (SOURCES / "Stores/Store.swift").read_text()
    table: str = (SOURCES / "Stores/StoreTable.swift").read_text()
    owner: str = (SOURCES / "Region/RegionName+Owner.swift").read_text()
    name: str = (SOURCES / "Region/RegionName.swift").read_text()

    def all(self) -> str:
        return "\n".join((self.store, self.table, self.owner, self.name))


SOURCE = Sources()


def of_stores(source: Sources) -> list[str]:
    """Return what sources of stores define for store.pml."""
    assert {step for step, line in steps(source.all())} <= STEPS
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> bool:
        if not is_so:
            definitions.append(what)
        return bool(is_so)

    store, table, owner = source.store, source.table, source.owner
    begin, seal = part(store, "  static func begin("), part(store, "  static func seal(")
    get, remove = part(store, "  static func get("), part(store, "  static func remove(")
    take, evict = (
        part(store, "  static func take("),
        part(store, "static func evict(_ handle: Handle, _ found"),
    )
    free, settle = part(store, "private static func free("), part(store, "static func settle(")
    acquire = part(store, "private static func acquire(")
    publish, repair = part(table, "func publish("), part(table, "func repair(")
    is_gone = part(owner, "static func isGone(")
    loop, reclaim = (
        part(source.name, f"  {kind}static func tryReclaim(") for kind in ("", "private ")
    )

    # Putting.
    expect("CREATE_FIRST", follow(begin, "try reserve(\n", "// s2\n"))
    is_building = "set(place(entry, .state), State.building.rawValue)\n"
    expect("PUBLISH_FIRST", is_building in part(table, "func reserve("))
    if expect("LEAVE_NOTHING", "try leave(replaced, nil)" in publish):
        expect("LEAVE_FIRST", follow(publish, "// s4\n", "try leave(replaced, nil)"))
    expect("OWN_LATE", follow(seal, "owner.pointee.store(  // s3\n", "table.publish("))
    # Telling.
    is_told = follow(seal, "// t1\n", "table.publish(") and all(
        follow(one, "// t1\n", "table.leave(") for one in (remove, evict, get, take)
    )
    expect("TELL_LATE", is_told)
    # Getting.
    again = "guard error.code == ENOENT else { throw error }\n"
    expect("NOT_AGAIN", again in get and follow(get, "table.leave(", "        continue\n"))
    expect("LEAVE_ANYTHING", "guard place.isStill(.present, table) else" in get)
    expect("EVICT_ANYTHING", "guard found.isStill(.present, table)" in evict)
    is_same = "table.number(entry) == number && table.state(entry) == state\n"
    expect("ANY_NUMBER", is_same in part(store, "func isStill("))
    is_it = "guard let found, table.number(found) == number else { return nil }\n"
    expect("TAKE_ANYTHING", is_it in take)
    # Freeing.
    expect("DISOWN_FIRST", follow(remove, "table.leave(found", "free(handle, place)"))
    expect("END_ANYTHING", "guard place.isStill(.leaving, table) else" in free)
    is_asked = "? RegionName.tryReclaim(path) : RegionName.disown(path)  // s6, s7\n"
    is_away = "case .nothing?, .removed?: true\n      case .living?, .dead?, .busy?, nil: false\n"
    is_ended = follow(free, is_asked, is_away, "if isGone {\n        try table.end(")
    expect("END_AT_ONCE", is_ended)
    is_disowned = "if disowns && header.owner != 0 {\n          header.owner = 0\n"
    expect("KEEP_OWNED", follow(reclaim, is_disowned, "// s6\n"))
    # What the dead were at.
    if expect("KEEP_THE_DEAD", "try table.leave(entry, nil)" in settle):
        is_asked = "if case .over = unsafe try Attachment.fate(of: table.builder(entry), handle)"
        expect("LEAVE_THE_LIVING", is_asked in settle)
    is_repaired = follow(acquire, "case .ownerDied:", "table.repair(", "lock.repaired()")
    if expect("NO_REPAIR", is_repaired):
        expect("NO_DOUBLES", "if let older { try leave(older, nil) }" in repair)
    # The end of the store.
    is_removed = "if removes { _ = try? tryReclaim(store) }  // o1\n" in is_gone
    is_removed = is_removed and "isGone(owner, of: path, removes: own == nil)" in loop
    is_first = follow(is_gone, "// o1\n", "// o2")
    expect("O1_LOOKS" if "lockOfOthers" in is_gone else "NO_O1", is_removed and is_first)
    if expect("LEAVE_OBJECTS", "reclaimObjects(of: path, store)" in reclaim):
        is_last = follow(reclaim, 'check(result, "unlink")', "reclaimObjects(of: path, store)")
        expect("OBJECTS_FIRST", is_last)
    unlink = part(source.name, "private static func tryUnlink(")
    is_last = follow(unlink, 'cString), "unlink")', "reclaimObjects(of: path, store)")
    expect("UNLINK_ALONE", is_last)
    return definitions


KILLED = ("KILLS=1",)
REMOVED = ("GETTERS=0", "REMOVERS=1")
TAKEN = ("GETTERS=2", "TAKES=1")
GIVEN_UP = ("PUTTERS=2", "GETTERS=0", "PUTS=1", "ABORTS=1")
REUSED = ("PUTTERS=2", "GETTERS=0", "ABORTS=1", "ENTRIES=1")
OPENED = ("PUTS=1", "GETTERS=0", "OPENERS=1", "SWEEPERS=1", "KILLS=1")
CLOSED = ("PUTS=1", "OPENERS=1", "CLOSES=1", "KILLS=1")
UNLINKED = ("UNLINKS=1", "SWEEPERS=1")


@pytest.mark.parametrize(
    "configuration",
    [
        ("KILLS=2",),
        ("KEYS=2", "PUTS=3", "ENTRIES=3", "KILLS=1"),
        (*GIVEN_UP, "KILLS=1"),
        (*REUSED, "KILLS=2"),
        ("REMOVERS=1", "KILLS=1"),
        ("REMOVERS=1", "EVICTS=1", "KILLS=1"),
        TAKEN,
        ("TAKES=1", "KILLS=1"),
        OPENED,
        CLOSED,
        ("PUTS=1", *UNLINKED, "CLOSES=1", "KILLS=1"),
        (*UNLINKED, "CLOSES=1"),
    ],
    ids=" ".join,
)
def test_store_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    definitions = of_stores(SOURCE)
    assert holds(tmp_path, "store.pml", *definitions, *configuration, optimized="-O0")


changed, later = partial(changed_in, SOURCE), partial(later_in, SOURCE)

OWNED = """      unsafe object.pointee.header.owner.pointee.store(  // s3
        handle.pointee.file.id, ordering: .sequentiallyConsistent)
"""
TOLD = "      _ = unsafe handle.pointee.notification.notify()  // t1\n"
PUBLISHED = "      let replaced = try table.publish(entry)\n"
REPLACED = "    if let replaced { try leave(replaced, nil) }\n"
LEFT = "      try table.leave(found, .removed)\n      table.add(.removals)\n"
RETURNED = "      return Place(table, found)\n    }\n"
FREED = "    _ = unsafe free(handle, place)\n"
RESERVED = """      let number = unsafe try reserve(
        handle, key, capacity: capacity, replaces: replaces, options, how, deadline: deadline)
"""
DEAD = """          if case .over = unsafe try Attachment.fate(of: table.builder(entry), handle) {
"""
MADE = "Attachment.create(name, capacity: capacity, options)  // s2\n"
RECLAIMED = """    if let store, !leavesObjects, case .removed = found { reclaimObjects(of: path, store) }
"""
UNLINK = "      let result = unsafe czinc_unlink(path.cString)\n      if result == -EPERM"
O1 = "    if removes { _ = try? tryReclaim(store) }  // o1\n"
# A look at the lock alone.
O1_LOOKS = """    if let it = try? open(store, orReadonly: true), (try? it.lockOfOthers(.attached)) == .some(.none)
    { return true }  // o1
"""
# Where to look for it, and what to change how.
WEAKER: dict[str, tuple[tuple[str, ...], Callable[..., Sources], *tuple[str, ...]]] = {
    "s2 before s1": ((), changed, "store", RESERVED, "", MADE, MADE + RESERVED),
    "s4 at s1": (
        (),
        changed,
        "table",
        "State.building.rawValue)\n    used",
        "State.present.rawValue)\n    used",
    ),
    "s4 after another leaves": (
        KILLED,
        changed,
        "table",
        REPLACED,
        "",
        "    try unlink(entry, .building)\n    set",
        f"{REPLACED}    try unlink(entry, .building)\n    set",
    ),
    "nothing leaves": ((), changed, "table", REPLACED, ""),
    "s3 after s4": (KILLED, later, "store", OWNED, PUBLISHED),
    "t1 after s4": (KILLED, changed, "store", TOLD + PUBLISHED, PUBLISHED + TOLD),
    "no g1 after g2": (
        (),
        changed,
        "store",
        "          guard error.code == ENOENT else { throw error }\n",
        "          throw error\n",
    ),
    "g2 of anything": (
        (),
        changed,
        "store",
        "          guard place.isStill(.present, table) else { return }\n",
        "",
    ),
    "evicts anything": (
        ("EVICTS=1", *REMOVED),
        changed,
        "store",
        "guard found.isStill(.present, table), !table",
        "guard !table",
    ),
    "s6 before s5": (
        REMOVED,
        changed,
        "store",
        LEFT + RETURNED + FREED,
        f"      _ = unsafe free(handle, Place(table, found))\n{LEFT}{RETURNED}",
    ),
    "s5 of another": (
        TAKEN,
        changed,
        "store",
        "guard let found, table.number(found) == number else",
        "guard let found else",
    ),
    "no s6": (REMOVED, changed, "name", "if disowns && header.owner != 0 {", "if disowns {"),
    "s8 at once": (
        (),
        changed,
        "store",
        "      if isGone {\n        try table.end(",
        "      if isGone || true {\n        try table.end(",
    ),
    "s8 of what is had": (
        (),
        changed,
        "store",
        "      case .living?, .dead?, .busy?, nil: false\n",
        "",
    ),
    "s8 of anything": (
        REUSED,
        changed,
        "store",
        "guard place.isStill(.leaving, table) else { return isGone }",
        "",
    ),
    "s8 of another number": (
        REUSED,
        changed,
        "store",
        "table.number(entry) == number && table.state(entry) == state\n",
        "table.state(entry) == state\n",
    ),
    "builders that live": (
        (*GIVEN_UP, "ENTRIES=1"),
        changed,
        "store",
        DEAD,
        "          do {\n",
    ),
    "builders that are dead": (
        KILLED,
        changed,
        "store",
        f"{DEAD}            try table.leave(entry, nil)\n",
        DEAD,
    ),
    "no repair": (
        KILLED,
        changed,
        "store",
        "        unsafe try table.repair(statusOfFile(handle).memory)\n",
        "",
    ),
    "two of a key": (KILLED, changed, "table", "if let older { try leave(older, nil) }", ""),
    "no o1": (OPENED, changed, "owner", O1, ""),
    "o1 after o2": (OPENED, changed, "owner", O1, "", "to: id)  // o2\n", f"to: id)  // o2\n{O1}"),
    "o1 looks": (OPENED, changed, "owner", O1, O1_LOOKS),
    "objects stay": (("GETTERS=0", "CLOSES=1"), changed, "name", RECLAIMED, ""),
    "objects first": (CLOSED, changed, "name", RECLAIMED, "", UNLINK, RECLAIMED + UNLINK),
    "objects of what is unlinked stay": (
        ("GETTERS=0", "CLOSES=1", *UNLINKED),
        changed,
        "name",
        "    if let store { reclaimObjects(of: path, store) }\n",
        "",
    ),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_stores(tmp_path: Path, weaker: str) -> None:
    configuration, change, *how = WEAKER[weaker]
    definitions = of_stores(change(*how))
    assert set(definitions) > set(of_stores(SOURCE))
    assert not holds(tmp_path, "store.pml", *definitions, *configuration, optimized="-O0")


def test_object_is_sealed_once_it_is_filled(tmp_path: Path) -> None:
    assert not holds(tmp_path, "store.pml", "SEAL_FIRST", optimized="-O0")


def test_step_of_stores_that_is_not_known_is_an_error() -> None:
    more = SOURCE.store + "  let now = load(ordering: .relaxed)  // s9\n"
    with pytest.raises(AssertionError):
        of_stores(replace(SOURCE, store=more))


def test_source_of_stores_is_as_it_is_searched() -> None:
    assert of_stores(SOURCE) == []
