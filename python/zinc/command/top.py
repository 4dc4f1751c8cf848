"""``zinc top``: the regions, live."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Static

from .lines import SORTED_BY, Order, size_text
from .machines import Machine

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

    def __init__(self, interval: float, look: Callable[[], list[Machine]], of_many: bool) -> None:
        super().__init__()
        self.interval, self.look_at_all, self.of_many = interval, look, of_many
        self.table: DataTable[Text] = DataTable(cursor_type="row")
        self.by = Order.RATE
        self.machines: list[Machine] = []
        self.rates: dict[tuple[str, str, int], deque[float]] = {}

    def compose(self) -> ComposeResult:
        """Return what is on the screen."""
        yield Static(id="totals", markup=False)
        yield self.table
        yield Footer(show_command_palette=False)

    async def on_mount(self) -> None:
        """Begin."""
        titles = "name", "per s", "", "size", "used", "sequence", "age", "attached", "contents"
        self.table.add_columns(*(("machine",) if self.of_many else ()), *titles)
        await self.look()
        self.set_interval(self.interval, self.look)

    def action_sort(self, by: str) -> None:
        """Sort by something else."""
        self.by = Order(by)
        self.draw()

    async def look(self) -> None:
        """Look at all regions, and draw them."""
        self.machines = await asyncio.to_thread(self.look_at_all)
        rates: dict[tuple[str, str, int], deque[float]] = {}
        for machine in self.machines:
            for line in machine.lines:
                key = machine.host, line.name, line.id
                rates[key] = self.rates.get(key, deque(maxlen=HISTORY))
                rates[key].append(line.per_second)
        self.rates = rates
        self.draw()

    def draw(self) -> None:
        """Draw what was seen last, the cursor where it was."""
        table = self.table
        cursor, scroll = table.cursor_row, table.scroll_offset
        table.clear()
        by = SORTED_BY[self.by]
        shown = [(machine.host, line) for machine in self.machines for line in machine.lines]
        for host, line in sorted(shown, key=lambda one: by(one[1])):
            name, size, used, contents, sequence, rate, age, attached = line.cells
            history = sparkline(self.rates.get((host, line.name, line.id), ())).rjust(HISTORY)
            cells = name, rate, history, size, used, sequence, age, attached, contents
            first = (host,) if self.of_many else ()
            table.add_row(*(Text(cell, style=line.style) for cell in (*first, *cells)))
        table.move_cursor(row=min(cursor, max(0, len(shown) - 1)), animate=False)
        table.scroll_to(y=scroll.y, animate=False)
        self.query_one("#totals", Static).update(self.totals())

    def totals(self) -> str:
        """Return how much there is, in one line."""
        count, memory, dead = (
            sum(getattr(machine, what) for machine in self.machines)
            for what in ("regions", "memory", "dead")
        )
        told = f"{count} regions, {size_text(memory)}" + (f", {dead} dead" if dead else "")
        for machine in self.machines:
            whose = f"{machine.host} " if self.of_many else ""
            used, size = size_text(machine.size - machine.free), size_text(machine.size)
            told += f"  |  {whose}/dev/shm {used} of {size}"
        return f"{told}  |  by {self.by}"


def sparkline(rates: Any) -> str:
    """Return a bar for each of some rates, the largest one full."""
    most = max(rates, default=0)
    if most <= 0:
        return ""
    return "".join(BARS[round(rate / most * (len(BARS) - 1))] for rate in rates)
