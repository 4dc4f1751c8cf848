"""The items of a queue across a link, searched by spin, in the way of test_channel_model.py."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from .conftest import ROOT
from .test_model import holds

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="needs spin")

MIRROR = ROOT / "python/zinc/mirror"


@dataclass(frozen=True)
class Sources:
    """The files that the steps are in."""

    offer: str = (MIRROR / "_offer.py").read_text()
    follow: str = (MIRROR / "_follow.py").read_text()


SOURCE = Sources()


def part(source: str, begin: str) -> str:
    """Return a method, from its name on."""
    return source.split(f"    def {begin}(", 1)[1].split("\n    def ", 1)[0]


def of_mirrors(source: Sources) -> list[str]:
    """Return what sources define for mirror.pml."""
    queue = source.offer.split("class _QueueSource", 1)[1]
    copy = source.follow.split("class _QueueCopy", 1)[1]
    messages = source.follow.split("class _MessagesCopy", 1)[1]
    hear, left, serve = (part(queue, name) for name in ("hear", "left", "serve"))
    stream = source.offer.split("class _Stream", 1)[1]
    parts, received, turn = part(messages, "_parts"), part(copy, "received"), part(copy, "turn")
    is_late = hear.find("if report.stream != stream.id:"), hear.find("in report.done:")
    is_found = "if not _zinc.find_message(region, n)]:\n            self._ended[" in turn
    is_asked = "            return before < self.next\n" in received
    expected = {
        "ANY_STREAM": 0 < is_late[0] < is_late[1],
        "SAME_STREAM": "self.id = int.from_bytes(os.urandom(8)" in stream,
        "ANY_ORDER": "if part.before >= self.next:\n                return False\n" in parts,
        "NEVER_ASKS": is_asked and "self._send_again(stream, heard.number)" in hear,
        "DONE_WHEN_SENT": ".release()" not in serve + part(queue, "_deliver")
        and "stream.outstanding[stream.sent] = message\n" in serve,
        "DONE_WHEN_THERE": is_found and "_ended" not in part(copy, "_take"),
        "NEVER_DONE": is_found and "message.release()  # f2" in hear,
        "KEPT_FROM_OTHERS": "stream.outstanding.values():\n                message.give_back()"
        in left,
    }
    return [name for name, is_so in expected.items() if not is_so]


@pytest.mark.parametrize("times", ["1", "2"])
def test_mirrored_queue_holds(tmp_path: Path, times: str) -> None:
    assert of_mirrors(SOURCE) == []
    assert holds(tmp_path, "mirror.pml", f"BREAKS={times}", f"KILLS={times}")


# What to change in which file, to what.
WEAKER = {
    "ANY_STREAM": ("offer", "if report.stream != stream.id:", "if False:"),
    "SAME_STREAM": (
        "offer",
        "self.id = int.from_bytes(os.urandom(8)",
        "self.id = int.from_bytes(b''",
    ),
    "ANY_ORDER": ("follow", "if part.before >= self.next:", "if False:"),
    "NEVER_ASKS": ("follow", "return before < self.next", "return True"),
    "DONE_WHEN_SENT": (
        "offer",
        "        stream.outstanding[stream.sent] = message\n",
        "        message.release()\n",
    ),
    "DONE_WHEN_THERE": (
        "follow",
        "        if len(self._pending) > _wire.MOST_DONE:\n",
        "        self._ended[number] = True, self._reports + 1\n"
        "        if len(self._pending) > _wire.MOST_DONE:\n",
    ),
    "NEVER_DONE": ("offer", "message.release()  # f2", "pass"),
    "KEPT_FROM_OTHERS": (
        "offer",
        "stream.outstanding.values():\n                message.give_back()",
        "stream.outstanding.values():\n                pass",
    ),
}


@pytest.mark.parametrize("name", WEAKER)
def test_each_weakening_fails(tmp_path: Path, name: str) -> None:
    file, text, other = WEAKER[name]
    source: str = getattr(SOURCE, file)
    assert source.count(text) == 1
    found = of_mirrors(replace(SOURCE, **{file: source.replace(text, other)}))
    assert found == [name]
    assert not holds(tmp_path, "mirror.pml", *found, optimized="-O0")
