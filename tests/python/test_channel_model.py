"""Channels, searched by spin, in the way of test_model.py."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .test_lock_model import ORDERS, follow
from .test_model import SOURCES, holds, steps

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

STEPS = {f"w{i}" for i in range(9)} - {"w1"}
STEPS |= {"r1", "r2", "r3", "r4", "r5", "j1", "e1", "j2", "j3", "j4", "c1", "c2", "c3", "c4", "c5"}
STRONGEST = "sequentiallyConsistent"


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    memory: str = (SOURCES / "Channels/ChannelMemory.swift").read_text()
    reader: str = (SOURCES / "Channels/ChannelReader.swift").read_text()
    writer: str = (SOURCES / "Channels/ChannelWriter.swift").read_text()
    publication: str = (SOURCES / "Channels/ChannelWriter+Publishing.swift").read_text()

    def all(self) -> str:
        return "\n".join((self.memory, self.reader, self.writer, self.publication))


SOURCE = Sources()


def part(source: str, beginning: str) -> str:
    """Return a function of a source, from these words on."""
    assert source.count(beginning) == 1, beginning
    return re.split(r"\n  }\n", source[source.index(beginning) :], maxsplit=1)[0]


def orders(source: str, step: str) -> list[str]:
    """Return the memory orders of the lines of a step."""
    found = [re.search(r"rdering: \.(\w+)", line) for name, line in steps(source) if name == step]
    return [match[1] for match in found if match]


def of_channels(source: Sources) -> list[str]:
    """Return what sources of channels define for channel.pml."""
    assert {step for step, line in steps(source.all())} <= STEPS
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    def are(step: str, order: str) -> bool:
        """Has each line of the step this order, or more?"""
        wanted = ORDERS[order]
        found = orders(source.all(), step)
        if order == STRONGEST:
            return bool(found) and set(found) == {STRONGEST}
        return bool(found) and all(ORDERS[one] & wanted == wanted for one in found)

    memory, reader, writer = source.memory, source.reader, source.writer
    publication = source.publication
    pins, next_number = part(memory, "func visitPins("), part(memory, "func next() ->")
    clean, resolve = part(memory, "func clean("), part(memory, "private func resolve(")
    take, room = part(writer, "func take(_ slot"), part(publication, "func lookAtReaders(")
    collect, publish = (
        part(writer, "collect() {"),
        part(publication, "/// False if there is no room"),
    )
    begin, receive = part(reader, "func begin("), part(reader, "func receive() throws")

    # A slot.
    is_looked_at = "visitPins(end.seats)", "if isRead & (1 << i) != 0 {"
    expect("TAKE_DISPLACED", follow(collect, *is_looked_at))
    expect("TAKE_PARKED", "ChannelMemory.parked && !memory.isPinned(slot" in take)
    expect("LOOK_AT_PINS_FIRST", are("w0", "acquiring"))
    # Publication.
    is_older = (
        "if there < next || there > ChannelMemory.mostNumber { return (next, entry) }"
        in next_number
    )
    expect("PUBLISH_AGAIN", is_older and "let (next, old) = memory.next()" in publish)
    expect("MARK_AFTER", follow(publish, "ChannelMemory.published | next", "// w5\n"))
    is_numbered = "published | next," in publish and "published | number\n" in resolve
    expect("MARK_WITHOUT_NUMBER", is_numbered)
    is_none = (
        "slot &+ 1)" in part(memory, "func entry(")
        and "<< ChannelMemory.slotBits - 1)) - 1 }" in memory
    )
    expect("DISPLACE_NOTHING", is_none and "if other >= 0 &&" in publish)
    expect("SEE_NOTHING", are("w5", "releasing"))
    expect("PINS_BEFORE", are("w5", STRONGEST) and f"load(ordering: .{STRONGEST})" in pins)
    # The role may be read before: who has just sat reads nothing that is displaced next.
    definitions.append("ROLE_BEFORE")
    expect("FORGET_TAKING_FIRST", are("w7", "releasing") and follow(publish, "// w6\n", "// w7\n"))
    # Room.
    is_known = follow(room, "// w3\n", "gate = end.memory.leastCursor(")
    expect("LEAST_BEFORE_MEMBERS", is_known and are("w3", STRONGEST))
    is_last = follow(publish, "memory.next()", "// w3\n", "members != membersSeen ||", "// w5\n")
    expect("MEMBERS_BEFORE_OLD", is_last)
    # Reading.
    is_seen = (
        follow(receive, "// r2\n", "// r3\n") and are("r2", STRONGEST) and are("r3", STRONGEST)
    )
    expect("PIN_LATE", is_seen)
    expect("PIN_AT_ONCE", re.search(r"== entry else \{  // r3$", receive, re.MULTILINE))
    expect("CURSOR_FIRST", receive.find("// r3\n") < receive.rfind("advance(seat)\n"))
    expect("READ_AFTER", are("r5", "releasing"))
    expect("COUNT_NOTHING", follow(receive, "lost &+= first &- next\n", "next = first\n"))
    # Joining.
    expect("COUNT_BEFORE_CURSOR", follow(begin, "// j1\n", "// j2\n") and are("j1", STRONGEST))
    is_back = follow(begin, "// e1\n", "// j2\n") and are("e1", STRONGEST)
    expect("BACK_AFTER_COUNTING", is_back)
    expect("COUNT_NOTHING_AGAIN", "lost &+= next &- wanted" in part(reader, "func beginAgain("))
    is_fenced = "atomicMemoryFence(ordering: .sequentiallyConsistent)\n" in begin
    is_counted = follow(begin, "// j2\n", "// j3\n") and (is_fenced or are("j2", STRONGEST))
    expect("NEWEST_BEFORE_COUNTING", is_counted)
    is_safe = "newest &+ 2 > messages ? newest &+ 2 &- messages : 1" in part(memory, "func oldest(")
    expect("JOIN_AT_THE_LAST", is_safe)
    # Cleaning.
    given, taken = "given, number, ", "taken, number &- UInt64(geometry.messages), "
    expect("FORGET_GIVEN", follow(clean, f"if !resolve({given}", "// c4\n"))
    expect("FORGET_TAKEN", follow(clean, f"if !resolve({taken}", "// c4\n"))
    expect("FREE_FIRST", follow(clean, "// c4\n", "taking(seat).pointee.store(", "// c5\n"))
    expect("FREE_NOTHING", "store(left, " in clean)
    expect("FREE_WHAT_IS_READ", "isPinned(slot, seats) ? ChannelMemory.parked : 0" in clean)
    stands = "!= entry(number, slot)\n"
    expect("TAKE_WHAT_STANDS", stands in resolve)
    is_before = stands not in resolve or follow(resolve, stands, "// c3\n")
    expect("TAKERS_FIRST", is_before and are("c2", "acquiring"))
    is_asked = "if its == UInt32(slot + 1) && isAlive(other) { return false }" in resolve
    expect("TAKE_FROM_TAKERS", is_asked)
    expect("TAKE_ANYTHING", "compareExchange(\n      expected: mark, desired" in resolve)
    return definitions


# What is searched has an end: rings of 2 or 4, and as many messages as displace some twice.
ONE = ("WRITERS=1", "ROUNDS=4")
ONE_KILLED = (*ONE, "KILLS=1")
TWO = ("READERS=0", "ROUNDS=2", "KILLS=1")
TWO_UNEQUAL = ("READERS=0", "ROUNDS=3", "ROUNDS_OF_OTHERS=1", "KILLS=1")
KILLED_TWICE = ("READERS=0", "ROUNDS=1", "KILLS=2")
GIVES_BACK = ("ROUNDS=3", "ROUNDS_OF_OTHERS=1", "UNDER_WAY=0", "GIVES_BACK=1")
WAITS = ("WAITS=1", "UNDER_WAY=0", "ROUNDS=3", "ROUNDS_OF_OTHERS=1")
EVICTS = ("WAITS=1", "UNDER_WAY=0", "WRITERS=1", "ROUNDS=7", "PLACES=4", "SLOTS=5", "EVICTS=2")


@pytest.mark.parametrize(
    "configuration",
    [
        ONE_KILLED,
        ("WRITERS=1", "ROUNDS=3", "KILLS=2"),
        ("PLACES=4", "SLOTS=6", "WRITERS=1", "ROUNDS=5"),
        ("ROUNDS=2",),
        TWO_UNEQUAL,
        (*KILLED_TWICE, "CLEANERS=2"),
        GIVES_BACK,
        WAITS,
        ("WAITS=1", "UNDER_WAY=0", "WRITERS=1", "ROUNDS=4", "KILLS=1"),
        ("WAITS=1", "UNDER_WAY=0", "WRITERS=1", "ROUNDS=7", "PLACES=4", "SLOTS=5"),
        EVICTS,
        ("WAITS=1", "UNDER_WAY=0", "WRITERS=1", "ROUNDS=4", "KILLS=1", "EVICTS=1"),
        (*WAITS, "EVICTS=1"),
    ],
    ids=" ".join,
)
def test_channel_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "channel.pml", *of_channels(SOURCE), *configuration)


def changed_in(sources: Any, file: str, *texts: str) -> Any:
    """Return the sources with another text in the one place of each first one."""
    source: str = getattr(sources, file)
    for old, new in zip(texts[::2], texts[1::2], strict=True):
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return replace(sources, **{file: source})


def weakened_in(sources: Any, file: str, step: str, order: str = "relaxed") -> Any:
    source: str = getattr(sources, file)
    pattern = rf"rdering: \.\w+(.*  // {step})$"
    source, count = re.subn(pattern, rf"rdering: .{order}\1", source, flags=re.MULTILINE)
    assert count
    return replace(sources, **{file: source})


def later_in(sources: Any, file: str, text: str, after: str) -> Any:
    """Return the sources with a text after another one, which follows it."""
    source: str = getattr(sources, file)
    assert source.count(text) == source.count(after) == 1
    assert source.index(text) < source.index(after)
    source = source.replace(text, "").replace(after, after + text)
    return replace(sources, **{file: source})


changed, weakened, later = (
    partial(change, SOURCE) for change in (changed_in, weakened_in, later_in)
)

MARK = """      unsafe memory.owner(slot).pointee.store(ChannelMemory.published | next, ordering: .releasing)
"""
LOOK = """      unsafe ring(number).pointee.load(ordering: .sequentiallyConsistent)  // c2
        & ~ChannelMemory.closed != entry(number, slot)
"""
TAKE = """    _ = unsafe owner(slot).pointee.compareExchange(
      expected: mark"""
LOOK_LATE = f"    guard\n{LOOK}    else {{ return true }}\n{TAKE}"
FORGET = """    unsafe giving(seat).pointee.store(0, ordering: .releasing)  // c4
    unsafe taking(seat).pointee.store(0, ordering: .releasing)
"""
FREED = """      unsafe owner(slot).pointee.store(left, ordering: .sequentiallyConsistent)  // c5
    }
"""
TAKEN = """          unsafe memory.owner(other).pointee.store(mine, ordering: .releasing)  // w6
"""
TAKING = """      unsafe memory.taking(seat).pointee.store(0, ordering: .releasing)  // w7
"""
COUNTED = """        lost &+= first &- next
"""
GONE_ON = """      next &+= 1
      advance(seat)
"""
LOOK_AGAIN = "      guard unsafe place.pointee"
MORE = "        if members != membersSeen || next"
SEEN = "    membersSeen = "
KNOWN = "    gate = end.memory.leastCursor(end.seats)\n"
CURSOR = """    unsafe memory.cursor(seat).pointee.store(first, ordering: .sequentiallyConsistent)  // j1
"""
JOINED = """    unsafe memory.members.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // j2
"""
BACK = """    unsafe memory.evicted(seat).pointee.store(0, ordering: .sequentiallyConsistent)  // e1
"""
BEGUN = "    next = max(first, memory.oldest(memory.newest()))  // j3\n"
# Where to look for it, and what to change how: not before the test, which may be of another source.
WEAKER: dict[str, tuple[tuple[str, ...], Callable[..., Sources], *tuple[str, ...]]] = {
    # The races that are easily made.
    "owner marked after w5": (TWO, later, "publication", MARK, "// w5\n      ).exchanged\n"),
    "takers before what is displaced": (TWO, changed, "memory", LOOK, "", TAKE, LOOK_LATE),
    "freed before it is forgotten": (KILLED_TWICE, later, "memory", FORGET, FREED),
    "published without the number": (
        TWO_UNEQUAL,
        changed,
        "memory",
        "published | number",
        "published",
    ),
    "the first lap displaces": (
        TWO,
        changed,
        "memory",
        "<< ChannelMemory.slotBits - 1)) - 1 }",
        "- 1)) }",
    ),
    # Weaker orders.
    "w0": (GIVES_BACK, weakened, "writer", "w0"),
    "w3": (WAITS, weakened, "publication", "w3"),
    "w5": (ONE, weakened, "publication", "w5", "acquiringAndReleasing"),
    "w5 relaxed": (ONE, weakened, "publication", "w5"),
    "w7": (TWO, weakened, "publication", "w7"),
    "pins": (
        ONE,
        changed,
        "memory",
        "index).pointee.load(ordering: .sequentiallyConsistent)",
        "index).pointee.load(ordering: .acquiring)",
    ),
    "r2": (ONE, weakened, "reader", "r2", "acquiringAndReleasing"),
    "r3": (ONE, weakened, "reader", "r3", "acquiring"),
    "r5": (ONE, weakened, "reader", "r5"),
    "c2": (TWO, weakened, "memory", "c2"),
    # Others.
    "w0 of what is read": (
        ONE,
        changed,
        "writer",
        "if isRead & (1 << i) != 0 {",
        "if false {",
    ),
    "w0 of what is parked": (
        GIVES_BACK,
        changed,
        "writer",
        "ChannelMemory.parked && !memory.isPinned(slot, end.seats)",
        "ChannelMemory.parked",
    ),
    "w2 once": (
        TWO,
        changed,
        "memory",
        "if there < next || there > ChannelMemory.mostNumber { return (next, entry) }",
        "return (next, entry)",
    ),
    "w3 before old": (WAITS, changed, "publication", MORE, "        if next"),
    "w3 of who was there": (WAITS, changed, "publication", KNOWN, "", SEEN, KNOWN + SEEN),
    "w6 after w7": (TWO, changed, "publication", TAKEN, "", TAKING, TAKING + TAKEN),
    "r1 uncounted": (ONE, later, "reader", COUNTED, "        next = first\n"),
    "no r3": (ONE, changed, "reader", "== entry else {  // r3", "== entry || true else {  // r3"),
    "r4 before r3": (WAITS, changed, "reader", GONE_ON, "", LOOK_AGAIN, GONE_ON + LOOK_AGAIN),
    "j2 before j1": (WAITS, later, "reader", CURSOR, JOINED),
    "e1 after j2": (EVICTS, later, "reader", BACK, JOINED),
    "e1": (EVICTS, weakened, "reader", "e1"),
    "what is lost meanwhile": (
        EVICTS,
        changed,
        "reader",
        "    lost &+= next &- wanted\n",
        "    _ = wanted\n",
    ),
    "j3 before j2": (WAITS, later, "reader", JOINED, BEGUN),
    "j3 of all that stand": (
        WAITS,
        changed,
        "memory",
        "newest &+ 2 &- messages : 1",
        "newest &+ 1 &- messages : 1",
    ),
    "what was given": (TWO, changed, "memory", "!resolve(given,", "!given("),
    "what was taken": (TWO, changed, "memory", "!resolve(taken,", "!taken("),
    "c2 of what stands": (TWO, changed, "memory", LOOK, "      true\n"),
    "c3 alone": (TWO, changed, "memory", " && isAlive(other) { return false }", " {}"),
    "c3 from anybody": (TWO, changed, "memory", "expected: mark, desired", "desired"),
    "no c5": (TWO, changed, "memory", "store(left, ", "store(seat + 1, "),
    "c5 of what is read": (
        ONE_KILLED,
        changed,
        "memory",
        "isPinned(slot, seats) ? ChannelMemory.parked : 0",
        "0",
    ),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_channels(tmp_path: Path, weaker: str) -> None:
    configuration, change, *how = WEAKER[weaker]
    definitions = of_channels(change(*how))
    assert set(definitions) > set(of_channels(SOURCE))
    assert not holds(tmp_path, "channel.pml", *definitions, *configuration, optimized="-O0")


def test_step_of_channels_that_is_not_known_is_an_error() -> None:
    more = SOURCE.memory + "  let now = load(ordering: .relaxed)  // c9\n"
    with pytest.raises(AssertionError):
        of_channels(replace(SOURCE, memory=more))


def test_source_is_as_it_is_searched() -> None:
    assert of_channels(SOURCE) == ["ROLE_BEFORE"]
