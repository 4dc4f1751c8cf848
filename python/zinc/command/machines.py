"""What ``zinc top`` shows: the regions of this machine, or of others that tell theirs over Zenoh.

Who tells answers each query for ``zinc.top/*`` with a `Machine` as a list in JSON, whose lines are
lists, too. No name of a region has a dot, so no mirror has such a key.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from . import inspection
from .lines import STYLES, plain, row, style

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .inspection import Region

KEY = "zinc.top"
# Seconds that a look waits for machines that do not answer.
PATIENCE = 2.0


class Line(NamedTuple):
    """A region, as a line shows it and sorts it."""

    name: str
    id: int
    cells: list[str]
    style: str
    capacity: int
    memory: int
    per_second: float
    age: float


class Machine(NamedTuple):
    """A machine, its room for regions in bytes, how many there are, and what they have."""

    host: str
    size: int
    free: int
    regions: int
    memory: int
    dead: int
    lines: list[Line]


class Here:
    """Looks at this machine, and tells what came since it looked last. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[str, Region] = {}
        self._looked = time.monotonic()

    def __call__(self) -> list[Machine]:
        """Return this machine."""
        with self._lock:
            now = time.monotonic()
            found = inspection.look()
            if self._before:
                inspection.set_rates(self._before, found, max(now - self._looked, 1e-3))
            inspection.tell_holders(found)
            self._before, self._looked = found, now
        lines = [line_of(region) for region in found.values() if region.store is None]
        sizes = *inspection.room(), len(found)
        memory = sum(region.memory for region in found.values())
        dead = sum(region.state == "dead" for region in found.values())
        return [Machine(socket.gethostname(), *sizes, memory, dead, lines)]


def line_of(region: Region) -> Line:
    """Return a region's line."""
    sizes = region.capacity, region.memory, region.per_second or 0.0, region.age
    return Line(region.name, region.id, row(region), style(region), *sizes)


def written(machine: Machine) -> bytes:
    """Return what goes over the link."""
    return json.dumps([*machine[:-1], [list(line) for line in machine.lines]]).encode()


def read(data: bytes) -> Machine:
    """Read what anybody may have sent. Raises ValueError if it is no machine."""
    try:
        host, *sizes, lines = json.loads(data)
        found = [_read_line(*line) for line in lines]
        size, free, regions, memory, dead = map(int, sizes)
        return Machine(plain(str(host))[:64], size, free, regions, memory, dead, found)
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it is no machine: {error}") from None


def _read_line(name: str, identity: int, cells: list[str], shown: str, *sizes: float) -> Line:
    capacity, memory, per_second, age = map(float, sizes)
    if len(cells) != 8 or not all(map(math.isfinite, (capacity, memory, per_second, age))):
        raise ValueError(f"{name!r} is no line")
    told = [plain(str(cell))[:512] for cell in cells]
    style = shown if shown in STYLES.values() else ""
    sizes_read = int(capacity), int(memory), per_second, age
    return Line(plain(str(name)), int(identity), told, style, *sizes_read)


def tell(listen: str, config: Path | None) -> None:
    """Tell others what is here, until this is ended."""
    from ..mirror import _link

    here, key = Here(), f"{KEY}/{os.urandom(8).hex()}"

    def answer(query: Any) -> None:
        query.reply(key, written(here()[0]))

    made = _link.configuration(listen, None, _link.LEASE_MS, config)
    session = _link.opened(made, listen)
    try:
        session.declare_queryable(key, answer)
        print(f"told at {listen}", flush=True)
        threading.Event().wait()
    finally:
        _link.end(session)


def there(connect: list[str], config: Path | None) -> Callable[[], list[Machine]]:
    """Return what asks the machines that tell, each time anew."""
    from ..mirror import _link

    made = _link.configuration(None, connect, _link.LEASE_MS, config)
    session = _link.opened(made, ", ".join(connect))

    def ask() -> list[Machine]:
        found: list[Machine] = []
        for reply in session.get(f"{KEY}/*", timeout=PATIENCE):
            try:
                found.append(read(reply.ok.payload.to_bytes() if reply.ok else b""))
            except ValueError:  # not ours, or of another zinc
                continue
        return sorted(found)

    return ask
