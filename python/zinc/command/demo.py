"""``zinc demo``: what zinc is for, in a terminal, with processes that are killed."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import queue
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from multiprocessing.context import SpawnProcess
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .._atomic import Atomic
from .._channel import Channel
from .._queue import Queue
from .._region import SharedRegion
from .console import out
from .signals import end_in_order

WIDTH, HEIGHT = 640, 480
FRAME = WIDTH * HEIGHT
FRAMES = 60  # a second
JOB = 0.05  # seconds that a worker takes
STEP = 4.0  # seconds between one event and the next

ROLES: tuple[str, ...] = "camera", "fast viewer", "slow viewer", "worker 1", "worker 2"
# The numbers that a process keeps for the others to see, in a region of 8 bytes each.
COUNTED, LOST, TORN, AGE, AT_WORK, AGAIN, FIELDS = range(7)


class Figures:
    """What one process counts; whoever is attached sees it, whatever becomes of the process."""

    def __init__(self, region: SharedRegion, role: str) -> None:
        first = ROLES.index(role) * FIELDS
        self.numbers = [region.atomic(8 * (first + field)) for field in range(FIELDS)]

    def __getitem__(self, field: int) -> Atomic:
        return self.numbers[field]


def film(name: str, figures: Figures) -> None:
    """Publish frames, each of one brightness, in two halves with a pause between them."""
    with Channel.open(name) as channel:
        for number in range(channel.newest + 1, 1 << 62):
            half = bytes((number % 251,)) * (FRAME // 2)
            with channel.loan() as frame:
                figures[AT_WORK].store(number)
                frame.data[: FRAME // 2] = half
                time.sleep(0.004)
                frame.data[FRAME // 2 :] = half
            figures[AT_WORK].store(0)
            figures[COUNTED].add(1)
            time.sleep(max(0.0, 1 / FRAMES - 0.005))


def view(name: str, figures: Figures, takes: float) -> None:
    """Look at each frame, whether it is whole, and then at something else for some seconds."""
    with Channel.open(name) as channel, channel.reader() as reader:
        while True:
            with contextlib.suppress(TimeoutError), reader.recv(1000) as frame:
                figures[AGE].store(max(0, time.time_ns() - frame.time))
                if len(set(frame.data[::997])) != 1:
                    figures[TORN].add(1)
                figures[COUNTED].add(1)
                figures[LOST].store(reader.lost)
            time.sleep(takes)


def work(name: str, figures: Figures) -> None:
    """Do job after job."""
    with Queue.open(name) as jobs:
        while True:
            with contextlib.suppress(queue.Empty, TimeoutError), jobs.recv(1000) as job:
                figures[AT_WORK].store(job.tag)
                if job.redelivered:
                    figures[AGAIN].store(job.tag)
                time.sleep(JOB)
                figures[COUNTED].add(1)
                figures[AT_WORK].store(0)


def live(parent: int, board: str, role: str, name: str) -> None:
    """Be one of the processes, until the one that shows them ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who shows them ends them
    end_with(parent)
    with SharedRegion.open(board) as region:
        figures = Figures(region, role)
        if role == "camera":
            film(name, figures)
        elif role in ROLES[1:3]:
            view(name, figures, 0.1 if role == "slow viewer" else 0)
        else:
            work(name, figures)


def end_with(parent: int) -> None:
    """End this process when its parent is there no more, look once in a second."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            sys.exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    look()


class Demonstration:
    """The processes, what they have counted, and what happened to them."""

    def __init__(self, board: SharedRegion, camera: Channel, jobs: Queue) -> None:
        self.board, self.camera, self.jobs = board, camera, jobs
        self.processes: dict[str, SpawnProcess] = {}
        self.kills = dict.fromkeys(ROLES, 0)
        self.figures = {role: Figures(board, role) for role in ROLES}
        self.rates = {role: (time.monotonic(), 0, 0.0) for role in ROLES}
        self.told: deque[str] = deque(maxlen=9)
        self.put = 0

    def start(self, role: str) -> None:
        """Start a process, as anybody else would: it has a name, and opens it."""
        name = self.jobs.name if role.startswith("worker") else self.camera.name
        context = multiprocessing.get_context("spawn")
        arguments = os.getpid(), self.board.name, role, name
        self.processes[role] = context.Process(target=live, args=arguments, daemon=True)
        self.processes[role].start()

    def kill(self, role: str) -> int:
        """Kill a process as it is in the middle of something, and return of what."""
        process, at_work = self.processes[role], self.figures[role][AT_WORK]
        until = time.monotonic() + 1
        while not at_work.load() and time.monotonic() < until:
            time.sleep(0.0005)
        process.kill()
        process.join()
        self.kills[role] += 1
        return at_work.exchange(0)

    def end(self) -> None:
        """End them all."""
        # A signal may have come before one began.
        begun = [process for process in self.processes.values() if process.pid is not None]
        for process in begun:
            process.kill()
        for process in begun:
            process.join()

    def feed(self) -> None:
        """Put jobs, as many as two workers can do and some more, as long as there is room."""
        while self.jobs.qsize() < 4:
            self.put += 1
            self.jobs.send(b"", self.put)

    def say(self, words: str) -> None:
        """Tell what is going on."""
        self.told.append(words)
        if not out.is_terminal:
            out.print(words)

    def story(self) -> Iterator[float]:
        """Do one thing after another, and return for how many seconds to let it go on."""
        self.start("camera")
        self.start("fast viewer")
        self.say(
            f"A camera fills frames of {WIDTH} x {HEIGHT} bytes in a channel, where they lie in "
            "shared memory. A viewer reads each of them there: nothing is copied."
        )
        yield STEP
        self.start("slow viewer")
        self.say(
            "A second viewer looks at each frame for 0.1 s. It misses frames, knows how many, and "
            "holds nobody up."
        )
        yield STEP
        self.start("worker 1")
        self.start("worker 2")
        self.say("Two workers share the jobs of a queue: each job goes to one of them.")
        yield STEP
        for victim in itertools.cycle(("worker 1", "camera", "worker 2")):
            at_work = self.kill(victim)
            if victim == "camera":
                where = f"in the middle of frame {at_work:,}" if at_work else "between two frames"
                self.say(
                    f"The camera was killed {where}. Nobody sees half a frame, and the frames that "
                    "are there can still be read."
                )
                yield STEP
                self.start(victim)
                self.say("The camera was started again, and goes on in the same channel.")
                yield STEP
                continue
            other = ROLES[7 - ROLES.index(victim)]
            if at_work:
                self.say(f"{victim.capitalize()} was killed as it was at job {at_work}.")
                while self.figures[other][AGAIN].load() != at_work:
                    yield 0.1
                self.say(f"Job {at_work} went to {other}, which knows that it was begun before.")
            else:
                self.say(f"{victim.capitalize()} was killed between two jobs.")
            yield STEP
            self.start(victim)
            self.say(f"{victim.capitalize()} was started again, and takes its share.")
            yield STEP

    def table(self) -> Table:
        """Return what each process has counted."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("process", "pid"):
            table.add_column(title, justify="left" if title == "process" else "right")
        for title in ("a second", "in all", "missed", "torn", "after", "killed"):
            table.add_column(title, justify="right", min_width=8)
        for role, process in self.processes.items():
            now, figures = time.monotonic(), self.figures[role]
            count = figures[COUNTED].load()
            at, before, rate = self.rates[role]
            if now - at > 0.5:
                rate = (count - before) / (now - at)
                self.rates[role] = now, count, rate
            is_viewer = role in ROLES[1:3]
            cells = [
                role,
                str(process.pid) if process.is_alive() else "killed",
                f"{rate:,.0f}",
                f"{count:,}",
                f"{figures[LOST].load():,}" if is_viewer else "",
                f"{figures[TORN].load():,}" if is_viewer else "",
                time_text(figures[AGE].load()) if is_viewer else "",
                str(self.kills[role] or ""),
            ]
            table.add_row(*cells, style=None if process.is_alive() else "red")
        return table

    def __rich__(self) -> Group:
        latest = [
            Text(words, style="" if n == len(self.told) else "dim")
            for n, words in enumerate(self.told, 1)
        ]
        names = f"{self.camera.name} and {self.jobs.name}"
        hint = f"In another terminal, zinc top shows {names}. Ctrl-C ends."
        return Group(self.table(), "", *latest, "", Text(hint, style="dim"))

    def summary(self) -> str:
        """Return what came of it all, at the end."""
        counted = {role: self.figures[role][COUNTED].load() for role in ROLES}
        torn = sum(self.figures[role][TORN].load() for role in ROLES)
        done = counted["worker 1"] + counted["worker 2"]
        lost = max(0, self.put - done - self.jobs.unfinished_tasks)
        kills = sum(self.kills.values())
        return (
            f"{counted['camera']:,} frames, {torn} seen torn; {done:,} jobs, {lost} lost; "
            f"{kills} processes killed."
        )


def time_text(nanoseconds: int) -> str:
    """Return a time as a table has room for it."""
    if nanoseconds < 10_000_000:
        return f"{nanoseconds / 1000:,.0f} us"
    return f"{nanoseconds / 1_000_000:,.0f} ms"


@contextlib.contextmanager
def staged() -> Generator[Demonstration, None, None]:
    """Make the memory, and take it away."""
    own = os.getpid()
    with (
        SharedRegion.create(f"demo-figures-{own}", 8 * FIELDS * len(ROLES)) as board,
        Channel.create(f"demo-camera-{own}", slots=8, slot_size=FRAME) as camera,
        Queue(16, name=f"demo-jobs-{own}", slot_size=8) as jobs,
    ):
        shown = Demonstration(board, camera, jobs)
        try:
            yield shown
        finally:
            shown.end()


def play(shown: Demonstration, seconds: float | None, each: Callable[[], None]) -> None:
    """Go through the story, and call a function as often as a screen can be read."""
    story, began = shown.story(), time.monotonic()
    following = began
    while seconds is None or time.monotonic() - began < seconds:
        if time.monotonic() >= following:
            following = time.monotonic() + next(story)
        shown.feed()
        each()
        time.sleep(0.1)


def demo(
    seconds: Annotated[
        float | None, typer.Option(help="End after so long, and not with Ctrl-C.", min=0)
    ] = None,
) -> None:
    """Show what it is for: a camera, viewers and workers, some of which are killed.

    It begins processes, and memory for them, and leaves neither.
    """
    end_in_order()
    with staged() as shown:
        screen = Live(shown, console=out, auto_refresh=False) if out.is_terminal else None
        try:
            with screen or contextlib.nullcontext():
                play(shown, seconds, screen.refresh if screen else lambda: None)
        except SystemExit as ended:
            if ended.code != 128 + signal.SIGINT:  # which is how it ends, as a rule
                raise
        shown.end()
        out.print(shown.summary())
