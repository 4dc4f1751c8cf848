"""The protocols, searched by spin: as the source has them they hold, and with less they do not.

What is searched is read out of the source: the lines that are a step of the protocol say so in
a comment at their end, and their orders, their sequence, and what they store become definitions
for the model.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from .conftest import ROOT

MODELS = ROOT / "tests/model"
SOURCES = ROOT / "Sources/Zinc"
NOTIFICATION = (SOURCES / "Notification/Notification.swift").read_text()
MANY = (SOURCES / "Region/WaitSet.swift").read_text()
SLEEPERS = (SOURCES / "Notification/Sleepers.swift").read_text()
EVENTS = (SOURCES / "Notification/EventDescriptors.swift").read_text()
CLOSING = (SOURCES / "Notification/WaitsInFlight.swift").read_text()

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

ORDERS = {"relaxed": 0, "acquiring": 1, "releasing": 1, "acquiringAndReleasing": 1}
ORDERS["sequentiallyConsistent"] = 2


def holds(folder: Path, model: str, *definitions: str, optimized: str = "-O1") -> bool:
    """Search the model with these definitions in full: is no assertion violated?

    The compiler takes longer than a search that soon finds a violation: "-O0" for these.
    """
    spin = ["spin", "-a", *(f"-D{one}" for one in definitions), str(MODELS / model)]
    subprocess.run(spin, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    # It takes half as long as gcc, and comes with Swift.
    compiler = "clang" if optimized == "-O0" and shutil.which("clang") else "cc"
    command = [compiler, optimized, "-w", "-DSAFETY", "-DMEMLIM=8000", "-o", "pan", "pan.c"]
    subprocess.run(command, cwd=folder, check=True)
    search = [str(folder / "pan"), "-E", "-m100000"]
    result = subprocess.run(search, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "Search not completed" not in result or "assertion violated" in result, result
    assert "max search depth too small" not in result
    return "errors: 0" in result


# ---- what the source says


def steps(source: str) -> list[tuple[str, str]]:
    """Return the steps that a source has, in its order: each one's name and its line."""
    found = re.findall(r"^(.*\S)  // ([a-z]\d[fw]?|done)$", source, re.MULTILINE)
    return [(step, line) for line, step in found]


def order(source: str, name: str) -> int:
    """Return the memory order of a step."""
    found = [re.search(r"rdering: \.(\w+)", line) for step, line in steps(source) if step == name]
    (one,) = [match[1] for match in found if match]
    return ORDERS[one]


def orders(source: str, *names: str) -> list[str]:
    """Return definitions of the memory orders of these steps."""
    return [f"{NAMES.get(name, name.upper())}_ORDER={order(source, name)}" for name in names]


NAMES = {"n3w": "N3_WOKEN"}


def of_one(source: str) -> list[str]:
    """Return what a source of Notification defines for notification.pml."""
    named = [step for step, line in steps(source)]
    # w2 is a function of its own, and where that is called.
    assert sorted(named) == ["n1", "n2", "n3", "n3w", "n4", "n5", "w1", "w2", "w2", "w3", "w4"], (
        named
    )
    definitions = orders(source, "n2", "n3", "n3w", "n5", "w1", "w2", "w3")
    place = {step: named.index(step) for step in named}
    place["w2"] = next(
        i for i, (step, line) in enumerate(steps(source)) if step == "w2" and "ordering" not in line
    )
    for first, second in ("n2", "n3"), ("n4", "n5"), ("w2", "w3"):
        if place[first] > place[second]:
            definitions.append(f"SWAP_{first}_{second}".upper())
    assert place["n1"] < place["n2"]
    assert place["n3"] < place["n3w"]
    assert place["w3"] < place["w4"]
    (loaded,) = [re.search(r"let (\w+) =", line) for step, line in steps(source) if step == "n1"]
    (answered,) = re.findall(r"wake\(answering: (\w+)\)", source)
    (stored,) = [re.search(r"store\((\w+)", line) for step, line in steps(source) if step == "n5"]
    (parameter,) = re.findall(r"func wake\(answering (\w+):", source)
    assert loaded
    assert stored
    if (answered, stored[1]) != (loaded[1], parameter):
        definitions.append("ANSWER_WHAT_CAME_AFTER")
    return definitions


def of_many(source: str, sleepers: str = SLEEPERS) -> list[str]:
    """Return what sources of WaitSet and Sleepers define for many.pml."""
    named = [step for step, line in steps(source)]
    assert sorted(named) == ["w1", "w2", "w3", "w4"], named
    definitions = [*orders(NOTIFICATION, "w2"), *orders(source, "w1", "w3")]
    if named.index("w3") < named.index("w2"):
        definitions.append("TICKET_AFTER_READ")
    (read,) = [re.search(r"let (\w+) =", line) for step, line in steps(source) if step == "w3"]
    (compared,) = re.findall(r"sleepers\.set\(\w+, \w+, (.+)\)", source)
    assert read
    if compared != read[1]:
        is_seen = compared == "items[i].after"
        definitions.append("ARM_WITH_AFTER" if is_seen else "REREAD_AT_SLEEP")
    named = [step for step, line in steps(sleepers)]
    assert set(named) == {"done"}, named
    done = [line for step, line in steps(sleepers)]
    is_set = ["store(1" in line for line in done]
    if not any(is_set):
        definitions.append("FORGET_DONE")
    elif not is_set[0] or order(sleepers, "done") < ORDERS["sequentiallyConsistent"]:
        definitions.append("WAKE_BEFORE_DONE")
    if not any("futex_wake(done)" in line for line in done):
        definitions.append("WAKE_NO_OTHERS")
    return definitions


def of_closing(source: str) -> list[str]:
    """Return what weaker orders in a source of WaitsInFlight define for closing.pml."""
    named = [step for step, line in steps(source)]
    assert sorted(named) == ["b1", "b2", "c1", "e1", "e2", "x1", "x2"], named
    definitions = []

    def see_each_other(first: str, second: str) -> bool:
        strongest = ORDERS["sequentiallyConsistent"]
        weakest = min(order(source, first), order(source, second))
        return named.index(first) < named.index(second) and weakest == strongest

    if not see_each_other("b1", "b2"):
        definitions.append("LOOK_BEFORE_TAKING")
    if not see_each_other("x1", "x2"):
        definitions.append("LOOK_BEFORE_SAYING")
    if order(source, "c1") < ORDERS["acquiring"]:
        definitions.append("TOUCH_BEFORE_BEGIN")
    if min(order(source, "e1"), order(source, "e2")) < ORDERS["releasing"]:
        definitions.append("TOUCH_AFTER_END")
    return definitions


def of_events(events: str, notification: str = NOTIFICATION) -> list[str]:
    """Return what sources of EventDescriptors and Notification define for events.pml."""
    definitions = []
    try_wait = notification[notification.index("func tryWait()") :]
    if try_wait.index("seen.store") > try_wait.index("settleEvent()"):
        definitions.append("SETTLE_BEFORE_SEEN")
    after_seeing = events[events.index("static func settle(at") : events.index("func remove(at")]
    if not re.search(r"if .*wasReadable && !.*isReadable \{ change\(\) \}", after_seeing):
        definitions.append("SLEEP_ON")
    settle_all = events[events.index("func settleAll(") : events.index("func change()")]
    if "parked.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent)" not in settle_all:
        definitions.append("NO_TICKET")
    if not re.search(r"sleepers\.set\(i, .*\.sequence, place\.pointee\.seen\)", settle_all):
        definitions.append("ARM_WITH_WHAT_IS_THERE")
    if min(order(notification, "n2"), order(notification, "n3")) < ORDERS["sequentiallyConsistent"]:
        definitions.append("LOOK_BEFORE_TELLING")
    return definitions


# ---- for one region

ONE_OF_EACH = ("NOTIFIERS=1", "WAITERS=1", "DATA=1", "ROUNDS=3")
TWO_ROUNDS = ("NOTIFIERS=2", "WAITERS=1", "ROUNDS=2")


@pytest.mark.parametrize(
    "configuration",
    [
        ONE_OF_EACH,
        TWO_ROUNDS,
        ("NOTIFIERS=1", "WAITERS=2", "ROUNDS=2"),
        ("NOTIFIERS=1", "WAITERS=1", "ROUNDS=2", "DATA=1", "KILLS=1"),
        ("NOTIFIERS=2", "WAITERS=2", "KILLS=1"),
    ],
    ids=" ".join,
)
def test_protocol_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "notification.pml", *of_one(NOTIFICATION), *configuration)


def reordered(source: str, step: str, order: str) -> str:
    """Return a source with another memory order of a step."""
    pattern = rf"rdering: \.\w+(.*  // {step})$"
    changed, count = re.subn(pattern, rf"rdering: .{order}\1", source, flags=re.MULTILINE)
    assert count == 1
    return changed


def swapped(source: str, first: str, second: str) -> str:
    """Return a source with the lines of two steps in each other's place."""
    lines = source.split("\n")
    here, there = (
        next(
            i for i, line in enumerate(lines) if line.endswith(f"// {step}") and is_step(step, line)
        )
        for step in (first, second)
    )
    lines[here], lines[there] = lines[there], lines[here]
    return "\n".join(lines)


def is_step(step: str, line: str) -> bool:
    """Is it where the step is done, and not where what it does is told?"""
    return step != "w2" or "ordering" not in line


WEAKER = {
    "n2": reordered(NOTIFICATION, "n2", "acquiringAndReleasing"),
    "n3": reordered(NOTIFICATION, "n3", "acquiring"),
    "n3 relaxed": reordered(NOTIFICATION, "n3", "relaxed"),
    "n5": reordered(NOTIFICATION, "n5", "relaxed"),
    "w1": reordered(NOTIFICATION, "w1", "relaxed"),
    "w2": reordered(NOTIFICATION, "w2", "acquiringAndReleasing"),
    "w3": reordered(NOTIFICATION, "w3", "acquiring"),
    "n5 of now": NOTIFICATION.replace("wake(answering: answered)", "wake(answering: tickets)"),
    "n3 before n2": swapped(NOTIFICATION, "n2", "n3"),
    "n5 before n4": swapped(NOTIFICATION, "n4", "n5"),
    "w3 before w2": swapped(NOTIFICATION, "w2", "w3"),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_nothing_weaker_holds(tmp_path: Path, weaker: str) -> None:
    assert WEAKER[weaker] != NOTIFICATION
    definitions = of_one(WEAKER[weaker])
    ways = ONE_OF_EACH, TWO_ROUNDS
    assert not all(holds(tmp_path, "notification.pml", *definitions, *way) for way in ways)


# ---- for many


@pytest.mark.parametrize(
    "configuration",
    [
        (),
        ("FOR_ALL=1",),
        ("GROUPS=1", "WAITS=1"),
        ("GROUPS=1", "FOR_ALL=1", "WAITS=1"),
        ("KILLS=1", "WAITS=1"),
        ("KILLS=1", "FOR_ALL=1", "WAITS=1"),
        ("DATA=1", "WAITS=1"),
        ("DATA=1", "FOR_ALL=1", "WAITS=1"),
    ],
    ids=" ".join,
)
def test_waiting_for_many_holds(tmp_path: Path, configuration: tuple[str, ...]) -> None:
    assert holds(tmp_path, "many.pml", *of_many(MANY), *configuration)


def without(source: str, text: str) -> str:
    """Return a source without the one line that has this text."""
    lines = [line for line in source.split("\n") if text not in line]
    assert len(lines) == source.count("\n")
    return "\n".join(lines)


ARMED = "unsafe sleepers.set(i, word, now)"
WEAKER_FOR_MANY = {
    "w1": ["DATA=1", *of_many(reordered(MANY, "w1", "relaxed"))],
    "w3": of_many(reordered(MANY, "w3", "acquiring")),
    "w3 before w2": of_many(swapped(MANY, "w2", "w3")),
    "read anew": of_many(MANY.replace(ARMED, ARMED.replace("now", "again"))),
    "compared with what was seen": [
        "FOR_ALL=1",
        *of_many(MANY.replace(ARMED, ARMED.replace("now", "items[i].after"))),
    ],
    "done not set": ["GROUPS=1", *of_many(MANY, without(SLEEPERS, "store(1"))],
    "done too late": ["GROUPS=1", *of_many(MANY, reordered(SLEEPERS, "done", "relaxed"))],
    "others not woken": ["GROUPS=1", *of_many(MANY, without(SLEEPERS, "futex_wake(done)"))],
}


@pytest.mark.parametrize("weaker", WEAKER_FOR_MANY)
def test_nothing_weaker_holds_for_many(tmp_path: Path, weaker: str) -> None:
    assert set(of_many(MANY)) != set(WEAKER_FOR_MANY[weaker])
    definitions = "WAITS=1", *WEAKER_FOR_MANY[weaker]
    assert not holds(tmp_path, "many.pml", *definitions, optimized="-O0")


# ---- closing


def test_closing_holds(tmp_path: Path) -> None:
    assert holds(tmp_path, "closing.pml", *of_closing(CLOSING))


WEAKER_CLOSING = {
    "b1": of_closing(reordered(CLOSING, "b1", "acquiring")),
    "b2": of_closing(reordered(CLOSING, "b2", "acquiring")),
    "c1": of_closing(reordered(CLOSING, "c1", "relaxed")),
    "e1": of_closing(reordered(CLOSING, "e1", "relaxed")),
    "e2": of_closing(reordered(CLOSING, "e2", "relaxed")),
    "x1": of_closing(reordered(CLOSING, "x1", "releasing")),
    "x2": of_closing(reordered(CLOSING, "x2", "acquiring")),
    **{one: [one] for one in ("WAKE_ONCE", "FREE_AT_ONCE", "FORGET_ONLY")},
}


@pytest.mark.parametrize("weaker", WEAKER_CLOSING)
def test_nothing_weaker_holds_of_closing(tmp_path: Path, weaker: str) -> None:
    assert WEAKER_CLOSING[weaker]
    assert not holds(tmp_path, "closing.pml", *WEAKER_CLOSING[weaker], optimized="-O0")


# ---- descriptors to poll


def test_descriptor_is_readable_while_there_is_news(tmp_path: Path) -> None:
    assert of_events(EVENTS) == []
    assert holds(tmp_path, "events.pml")


TRY_WAIT = """    if isNew { seen.store(now, ordering: .relaxed) }
    settleEvent()
"""
WEAKER_EVENTS = {
    "settled before it is seen": of_events(
        EVENTS, NOTIFICATION.replace(TRY_WAIT, "".join(reversed(TRY_WAIT.splitlines(True))))
    ),
    "sleeps on": of_events(without(EVENTS, "wasReadable && !place.pointee.isReadable")),
    "no ticket": of_events(without(EVENTS, "parked.pointee.wrappingAdd")),
    "looks for sleepers before it tells": of_events(
        EVENTS, reordered(NOTIFICATION, "n3", "acquiring")
    ),
    "compared with what is there": of_events(
        EVENTS.replace(".sequence, place.pointee.seen)", ".sequence, now)")
    ),
}


@pytest.mark.parametrize("weaker", WEAKER_EVENTS)
def test_nothing_weaker_holds_of_descriptors(tmp_path: Path, weaker: str) -> None:
    assert WEAKER_EVENTS[weaker]
    assert not holds(tmp_path, "events.pml", *WEAKER_EVENTS[weaker], optimized="-O0")


@pytest.mark.parametrize(
    ("read", "source"),
    [
        (of_one, NOTIFICATION),
        (of_many, MANY),
        (partial(of_many, MANY), SLEEPERS),
        (of_closing, CLOSING),
    ],
    ids=["one", "many", "sleepers", "closing"],
)
def test_step_that_is_not_known_is_an_error(read: Callable[[str], list[str]], source: str) -> None:
    read(source)
    with pytest.raises(AssertionError):
        read(source + "  let now = load(ordering: .relaxed)  // z9\n")
