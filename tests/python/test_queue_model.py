"""Queues, searched by spin, in the way of test_channel_model.py."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from .test_channel_model import STEPS as STEPS_OF_CHANNELS
from .test_channel_model import changed_in, later_in, orders, part, weakened_in
from .test_lock_model import ORDERS, follow
from .test_model import SOURCES, holds, steps

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

STEPS = {"a1", "a2", "t1", "t2", "t3", "d1", "d2", "b1", "c6", "c7", "g1", "x1", "u1", "u2", "u3"}


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in; those of channels have their own, too."""

    queue: str = (SOURCES / "Channels/ChannelMemory+Queue.swift").read_text()
    worker: str = (SOURCES / "Channels/QueueWorker.swift").read_text()
    memory: str = (SOURCES / "Channels/ChannelMemory.swift").read_text()
    publication: str = (SOURCES / "Channels/ChannelWriter+Publishing.swift").read_text()

    def all(self) -> str:
        return "\n".join((self.queue, self.worker, self.memory, self.publication))


SOURCE = Sources()


IS_LEFT = "func left(_ claim: Claim) -> UInt64 { geometry.isOnce ? 0 : claim.left.bits }"


def of_queues(source: Sources) -> list[str]:
    """Return what sources of queues define for queue.pml."""
    named = {step for step, line in steps(source.queue + source.worker)}
    assert named <= STEPS, named
    assert {step for step, line in steps(source.all())} <= STEPS | STEPS_OF_CHANNELS
    definitions: list[str] = []

    def expect(what: str, is_so: object) -> None:
        if not is_so:
            definitions.append(what)

    def are(step: str, order: str) -> bool:
        """Has each line of the step this order, or more?"""
        wanted = ORDERS[order]
        found = orders(source.all(), step)
        return bool(found) and all(ORDERS[one] & wanted == wanted for one in found)

    queue, publication = source.queue, source.publication
    take, left = part(queue, "func take(_ seat"), part(queue, "func giveBack(")
    room = part(queue, "func handedOut(")
    close, done = part(queue, "func close("), part(queue, "var isDone")
    publish = part(publication, "/// False if there is no room")
    look = part(publication, "func lookAtReaders(")
    begin = part(source.worker, "func take() throws(Failure) -> Outcome")
    finish, back = part(source.worker, "func finish("), part(source.worker, "func giveBack(")

    # Taking.
    is_compared = re.search(
        r"owner\(slot\)\.pointee\.compareExchange\(\s+"
        r"expected: ChannelMemory\.published \| number, desired: mine\.bits,",
        take,
    )
    expect("CLAIM_WITHOUT_COMPARING", is_compared)
    expect("TAKEN_BEFORE_CLAIM", follow(take, "// t2\n", "// t3\n") and are("t3", "releasing"))
    expect("TAKEN_BY_WHO_HAS_IT", "      ).exchanged\n      _ = unsafe taken.pointee" in take)
    is_next = "taken.pointee.compareExchange(\n        expected: before, desired: number" in take
    expect("TAKEN_WITHOUT_COMPARING", is_next)
    expect("READ_BEFORE", are("t1", "acquiring"))
    expect("READ_AFTER", are("d1", "releasing"))
    is_seen = follow(begin, "// a1\n", "takeLeft(owner)", "returnedSeen.store(returned, ")
    expect("SEEN_AFTER", is_seen)
    rests = "if isResting {\n        if isPaused { return .nothing }\n      } else {\n"
    expect("RESTED_IS_SEEN", rests in begin)
    # Finishing, and giving back.
    expect("FINISH_FREES", "end(task, { _ in UInt64(task.owner.seat + 1) })" in finish)
    expect("HELD_AFTER", are("d2", "releasing"))
    expect("GIVE_TELLS_NOBODY", "returned.pointee.wrappingAdd(1" in back)
    expect("GIVE_TELLS_FIRST", follow(back, "end(task, memory.left)", "// b1\n"))
    expect("GIVE_AGAIN_ANYWAY", IS_LEFT in queue)
    # Room.
    is_exact = "messages = UInt64(truncatingIfNeeded: memory.geometry.messages)" in publish
    expect("GATE_OF_PLACES", is_exact)
    is_waited_for = (
        "gate = end.memory.handedOut()" in look and "next &- messages >= gate" in publish
    )
    expect("NO_GATE", is_waited_for)
    expect("GATE_LATE", "gate = end.memory.handedOut() &+ 1\n" in look)
    expect(
        "GATE_TRUSTS",
        re.search(r"// g1\s+!= ChannelMemory.published \| number$", room, re.MULTILINE),
    )
    expect("DISPLACE", "geometry.isShared ? -1 : memory.slot(of: old)" in publish)
    expect("SEE_NOTHING", are("w5", "releasing"))
    # Cleaning.
    is_given_back = "if geometry.isShared { giveBack(seat) }" in part(source.memory, "func clean(")
    expect("LEAVE_NOTHING", is_given_back and ".pointee.store(self.left(claim), " in left)
    expect("TELL_NOTHING", "returned.pointee.wrappingAdd(1" in left)
    expect("RETURN_FIRST", follow(left, "// c6\n", "// c7"))
    expect("AGAIN_ANYWAY", IS_LEFT in queue)
    stands = "& ~ChannelMemory.closed != entry(number, slot)\n"
    expect("CLOSED_IS_ANOTHER", stands in part(source.memory, "private func resolve("))
    # The end.
    expect("CLOSE_OVER", "expected: old, desired: old | ChannelMemory.closed" in close)
    expect(
        "JOIN_AT_ONCE", follow(done, "// u1\n", "count()\n", "== before { return true }  // u3\n")
    )
    return definitions


# What is searched has an end: rings of 2, and as many messages as come to each place twice.
PLAIN = ("ROUNDS=4",)
KILLED = ("KILLS=1", "UNDER_WAY=0")
UNDER_WAY = ("WORKERS=1", "ROUNDS=3", "KILLS=1")
TWO = ("WRITERS=2", "WORKERS=1", "ROUNDS=2", "ROUNDS_OF_OTHERS=1", "SLOTS=3")
ONCE = (*KILLED, "ONCE=1")
CLOSES = ("CLOSES=1", "ROUNDS=2", "UNDER_WAY=0")
CLOSES_KILLED = (*CLOSES, "WORKERS=1", "KILLS=1")
CLOSED_TWO = ("CLOSES=1", "WRITERS=2", "ROUNDS=1", "WORKERS=1", "KILLS=1")
JOINS = ("JOINS=1", "UNDER_WAY=0", "WORKERS=1")
ENDS = ("FINISHES=1", "GIVES=1", "ROUNDS=2")
ALONE = ("WORKERS=1", *ENDS, "UNDER_WAY=0")


@pytest.mark.parametrize(
    "configuration",
    [
        PLAIN,
        KILLED,
        UNDER_WAY,
        ("ROUNDS=2", "KILLS=2", "UNDER_WAY=0"),
        (*TWO, "UNDER_WAY=0", "KILLS=1"),
        TWO,
        ("WORKERS=1", "ROUNDS=3", "KILLS=2", "CLEANERS=2", "UNDER_WAY=0"),
        ONCE,
        CLOSES_KILLED,
        (*CLOSES, "WORKERS=2"),
        (*CLOSES_KILLED, "ONCE=1"),
        CLOSED_TWO,
        JOINS,
        (*JOINS, "KILLS=1"),
        ("CAPACITY=1", "ROUNDS=3"),
        ("CAPACITY=3", "PLACES=4", "SLOTS=4", "WORKERS=1", "ROUNDS=5", "UNDER_WAY=0", "KILLS=1"),
        ENDS,
        (*ENDS, "UNDER_WAY=0", "KILLS=1"),
        ("WORKERS=1", "FINISHES=1", "GIVES=2", "ROUNDS=3", "KILLS=2", "UNDER_WAY=0"),
        (*ENDS, "UNDER_WAY=0", "KILLS=1", "ONCE=1"),
        (*ALONE, "CLOSES=1", "KILLS=1"),
        (*ALONE, "JOINS=1", "KILLS=1"),
    ],
    ids=" ".join,
)
def test_queue_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "queue.pml", *of_queues(SOURCE), *configuration)


changed, weakened, later = (
    partial(change, SOURCE) for change in (changed_in, weakened_in, later_in)
)

CLAIM = """      let isMine = unsafe owner(slot).pointee.compareExchange(
        expected: ChannelMemory.published | number, desired: mine.bits,
        ordering: .sequentiallyConsistent  // t2
      ).exchanged
"""
MOVED = """      _ = unsafe taken.pointee.compareExchange(
        expected: before, desired: number, ordering: .sequentiallyConsistent)  // t3
"""
LOOKED = """    let returned = unsafe memory.returned.pointee.load(ordering: .acquiring)  // a1
"""
SEEN = "        returnedSeen.store(returned, ordering: .relaxed)\n"
GIVEN = """    unsafe memory.returned.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // b1
"""
RETURNED = """    unsafe returned.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)  // c7
"""
GIVEN_BACK = "  func giveBack(_ seat: Int) {\n"
# Where to look for it, and what to change how.
WEAKER: dict[str, tuple[tuple[str, ...], Callable[..., Sources], *tuple[str, ...]]] = {
    "t1": (PLAIN, weakened, "queue", "t1"),
    "t2 of what is taken": (
        PLAIN,
        changed,
        "queue",
        "expected: ChannelMemory.published | number, desired: mine.bits",
        "expected: owner, desired: mine.bits",
    ),
    "t3 before t2": (PLAIN, later, "queue", CLAIM, MOVED),
    "t3 relaxed": (PLAIN, weakened, "queue", "t3"),
    "t3 by who has it": (KILLED, changed, "queue", MOVED, f"      if isMine {{\n{MOVED}      }}\n"),
    "t3 of anything": (PLAIN, changed, "queue", MOVED, MOVED.replace("before", "now")),
    "d1": (PLAIN, weakened, "worker", "d1"),
    "a1 after a2": (
        KILLED,
        changed,
        "worker",
        LOOKED,
        "",
        SEEN,
        LOOKED + SEEN,
    ),
    "a1 of who rests": (
        ALONE,
        changed,
        "worker",
        "{ return .nothing }\n      } else {\n",
        "{ return .nothing }\n",
    ),
    "d1 of who finishes": (
        ENDS,
        changed,
        "worker",
        "end(task, { _ in UInt64(task.owner.seat + 1) })",
        "end(task, { _ in 0 })",
    ),
    "d2": (ENDS, weakened, "worker", "d2"),
    "no b1": (ALONE, changed, "worker", GIVEN, ""),
    "b1 before d1": (
        ENDS,
        changed,
        "worker",
        GIVEN,
        "",
        "    guard end(task, memory.left) else { return false }\n",
        GIVEN + "    guard end(task, memory.left) else { return false }\n",
    ),
    "b1 again": ((*ENDS, "ONCE=1"), changed, "queue", "geometry.isOnce ? 0 : claim", "claim"),
    "g1 of all places": (
        ("CAPACITY=1", "ROUNDS=3"),
        changed,
        "publication",
        "truncatingIfNeeded: memory.geometry.messages)",
        "truncatingIfNeeded: memory.geometry.places)",
    ),
    "no g1": (PLAIN, changed, "publication", "next &- messages >= gate", "false"),
    "g1 one later": (
        PLAIN,
        changed,
        "publication",
        "handedOut() &+ 1\n",
        "handedOut() &+ 2\n",
    ),
    "g1 of what waits": (
        PLAIN,
        changed,
        "queue",
        "          != ChannelMemory.published | number\n",
        "          != 0\n",
    ),
    "w6": (
        PLAIN,
        changed,
        "publication",
        "memory.geometry.isShared ? -1 : memory.slot(of: old)",
        "memory.slot(of: old)",
    ),
    "w5": (PLAIN, weakened, "publication", "w5"),
    "no c6": (KILLED, changed, "memory", "if geometry.isShared { giveBack(seat) }", ""),
    "no c7": (KILLED, changed, "queue", RETURNED, ""),
    "c7 before c6": (KILLED, changed, "queue", RETURNED, "", GIVEN_BACK, GIVEN_BACK + RETURNED),
    "c6 again": (
        ONCE,
        changed,
        "queue",
        "geometry.isOnce ? 0 : claim.left.bits",
        "claim.left.bits",
    ),
    "c2 of a closed place": (CLOSED_TWO, changed, "memory", "& ~ChannelMemory.closed != ", "!= "),
    "x1 over another": (
        CLOSES,
        changed,
        "queue",
        "expected: old, desired: old | ChannelMemory.closed",
        "expected: now, desired: old | ChannelMemory.closed",
    ),
    "no u3": (
        JOINS,
        changed,
        "queue",
        "== before { return true }  // u3",
        ">= before { return true }",
    ),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds_of_queues(tmp_path: Path, weaker: str) -> None:
    configuration, change, *how = WEAKER[weaker]
    definitions = of_queues(change(*how))
    assert set(definitions) > set(of_queues(SOURCE))
    assert not holds(tmp_path, "queue.pml", *definitions, *configuration, optimized="-O0")


def test_step_of_queues_that_is_not_known_is_an_error() -> None:
    more = SOURCE.queue + "  let now = load(ordering: .relaxed)  // c9\n"
    with pytest.raises(AssertionError):
        of_queues(replace(SOURCE, queue=more))


def test_source_of_queues_is_as_it_is_searched() -> None:
    assert of_queues(SOURCE) == []
