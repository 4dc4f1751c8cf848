"""``zinc top``: the regions, live."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from . import inspection
from .inspection import Region
from .lines import SORTED_BY, Order, row, size_text, style

BARS = " ▁▂▃▄▅▆▇█"
HISTORY = 12  # looks that a sparkline shows


class Top(App[None]):
    """A table of all regions that is drawn anew every so often."""

    CSS = "#totals { height: 1; } DataTable { height: 1fr; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("n", "sort('name')", "name"),
        Binding("s", "sort('size')", "size"),
        Binding("u", "sort('used')", "used"),
        Binding("r", "sort('rate')", "rate"),
        Binding("a", "sort('age')", "age"),
    ]

    def __init__(self, interval: float) -> None:
        super().__init__()
        self.interval = interval
        self.table: DataTable[Text] = DataTable(cursor_type="row")
        self.by = Order.RATE
        self.before: dict[str, Region] = {}
        self.looked = time.monotonic()
        self.rates: dict[tuple[str, int], deque[float]] = {}

    def compose(self) -> ComposeResult:
        """Return what is on the screen."""
        yield Static(id="totals", markup=False)
        yield self.table
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin."""
        self.table.add_columns(
            "name", "per s", "", "size", "used", "sequence", "age", "attached", "contents"
        )
        self.look()
        self.set_interval(self.interval, self.look)

    def action_sort(self, by: str) -> None:
        """Sort by something else."""
        self.by = Order(by)
        self.draw()

    def look(self) -> None:
        """Look at all regions, and draw them."""
        now = time.monotonic()
        found = inspection.look()
        if self.before:
            inspection.set_rates(self.before, found, max(now - self.looked, 1e-3))
        inspection.tell_holders(found)
        rates: dict[tuple[str, int], deque[float]] = {}
        for region in found.values():
            key = region.name, region.id
            rates[key] = self.rates.get(key, deque(maxlen=HISTORY))
            if region.per_second is not None:
                rates[key].append(region.per_second)
        self.before, self.looked, self.rates = found, now, rates
        self.draw()

    def draw(self) -> None:
        """Draw what was seen last, the cursor where it was."""
        table = self.table
        cursor, scroll = table.cursor_row, table.scroll_offset
        table.clear()
        shown = [region for region in self.before.values() if region.store is None]
        for region in sorted(shown, key=SORTED_BY[self.by]):
            name, size, used, contents, sequence, rate, age, attached = row(region)
            line = sparkline(self.rates.get((region.name, region.id), ())).rjust(HISTORY)
            cells = name, rate, line, size, used, sequence, age, attached, contents
            table.add_row(*(Text(cell, style=style(region)) for cell in cells))
        table.move_cursor(row=min(cursor, max(0, len(self.before) - 1)), animate=False)
        table.scroll_to(y=scroll.y, animate=False)
        self.query_one("#totals", Static).update(self.totals())

    def totals(self) -> str:
        """Return how much there is, in one line."""
        found = os.statvfs(inspection.FOLDER)
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        own = sum(region.memory for region in self.before.values())
        dead = sum(region.state == "dead" for region in self.before.values())
        told = f"{len(self.before)} regions, {size_text(own)}" + (f", {dead} dead" if dead else "")
        return f"{told}  |  /dev/shm {size_text(size - free)} of {size_text(size)}  |  by {self.by}"


def sparkline(rates: Any) -> str:
    """Return a bar for each of some rates, the largest one full."""
    most = max(rates, default=0)
    if most <= 0:
        return ""
    return "".join(BARS[round(rate / most * (len(BARS) - 1))] for rate in rates)
