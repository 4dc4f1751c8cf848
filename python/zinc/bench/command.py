"""``zinc bench``."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import quiet, runner
from .comparison import ENOUGH, compare
from .method import Settings
from .results import Run, value_text
from .suites import SUITES
from .tables import tables

app = typer.Typer(
    help="Measure zinc beside what else there is, on this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
console = Console()
if not console.is_terminal:
    console.width = 140

Quick = Annotated[bool, typer.Option("--quick", help="A look: few sizes, two short samples.")]
Rows = Annotated[
    list[str] | None,
    typer.Option("--row", help="Run what fits SUITE/POINT/CONTENDER alone; * for anything."),
]
Server = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Use this Redis server, start none."),
]
Output = Annotated[Path, typer.Option(help="The folder for results.json, the report and plots.")]


def measure(
    names: list[str], quick: bool, rows: list[str] | None, redis: str | None, output: Path
) -> None:
    """Run suites, and show and keep what they found."""
    from . import report  # takes a while; says what is not installed, before anything is measured

    settings = Settings.of(quick, redis)
    chosen = list(runner.jobs(names, rows or [], settings))
    if not chosen:
        raise typer.BadParameter("no row fits; zinc bench rows lists them", param_hint="--row")
    first = quiet.look()
    doubts = quiet.doubts_of(first, "before")
    tell_doubts(doubts, "too busy to measure well; going on")
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(chosen))
        done: list[runner.Job] = []

        def tell(job: runner.Job, what: str) -> None:
            if job not in done:
                done.append(job)
            text = f"{job.suite}, {job.point}" + (f": {what}" if what else "")
            progress.update(task, completed=len(done) - 1, description=text)

        run = runner.run(chosen, settings, tell)
        progress.update(task, completed=len(chosen), description="")
    last = quiet.look()
    run.doubts = [*doubts, *quiet.doubts_of(last, "afterwards"), *quiet.doubts_between(first, last)]
    show(run)
    tell_doubts(run.doubts, "too busy: measure again when it is quiet")
    page, pictures = report.write(run, output)
    for picture in pictures:
        if picture.path:
            console.print(f"{picture.title} ({picture.name}.svg): {picture.sentence}")
        else:
            console.print(f"{picture.title}: not drawn; {picture.sentence}")
    console.print(f"{page} has all of it; {output}/results.json is for zinc bench compare.")
    failed = [result for result in run.results if (result.skipped or "").startswith("failed")]
    if failed:
        raise typer.Exit(1)


def tell_doubts(doubts: list[str], what: str) -> None:
    """Say that a machine is, or was, too busy, and why."""
    if doubts:
        console.print(f"The machine is {what}. {' '.join(doubts)}", style="bold red")


def show(run: Run) -> None:
    """Print a run's tables."""
    suite = ""
    for found in tables(run):
        if found.suite != suite:
            suite = found.suite
            console.rule(f"{suite}: {SUITES[suite].title}")
        table = Table(title=found.title, title_justify="left", box=None, pad_edge=False)
        for index, column in enumerate(found.columns):
            table.add_column(column, justify="right" if index else "left", no_wrap=index == 0)
        for row in found.rows:
            ours = any(cell.startswith("zinc") for cell in row[:2])
            table.add_row(*row, style="bold" if ours else None)
        console.print(table)
        console.print()


def command_of(names: list[str]) -> Callable[..., None]:
    """Return the command that runs some suites."""

    def command(
        quick: Quick = False,
        row: Rows = None,
        redis: Server = None,
        output: Output = Path("zinc-bench"),
    ) -> None:
        measure(names, quick, row, redis, output)

    return command


app.command("all", help="All suites.")(command_of(list(SUITES)))
for _suite in SUITES.values():
    app.command(_suite.name, help=f"{_suite.title}.")(command_of([_suite.name]))


@app.command("rows")
def list_rows(
    quick: Quick = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List all rows, as --row takes them."""
    rows = [
        f"{suite.name}/{point.name}/{contender}"
        for suite in SUITES.values()
        for point in suite.points(quick)
        for contender in point.contenders
    ]
    print(json.dumps(rows, indent=2) if as_json else "\n".join(rows))


@app.command("compare")
def compare_runs(
    before: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    after: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    least: Annotated[
        float, typer.Option(min=0, help="Differences of less than this share are noise.")
    ] = 0.2,
) -> None:
    """Tell what became slower or faster from noise. Exit status 1 if anything is slower.

    The medians of both runs differ by more than noise if they lie further apart than the samples
    of both together are spread, the slowest of each left out, and if what zinc has no part in has
    not changed as much at the same point: that is the machine. A quick run has too few samples.
    """
    old, new = Run.read(before), Run.read(after)
    for fact in old.machine.keys() & new.machine.keys():
        if old.machine[fact] != new.machine[fact]:
            console.print(f"{fact}: {old.machine[fact]} before, {new.machine[fact]} after")
    for when, run in ("before", old), ("after", new):
        if run.doubts:
            console.print(
                f"{when}: the machine was too busy to measure well. {' '.join(run.doubts)}"
            )
    changes = compare(old, new, least)
    if not changes:
        raise typer.BadParameter("the two runs have no row in common")
    table = Table(box=None, pad_edge=False)
    for column in "", "before", "after", "times", "":
        table.add_column(column, justify="left" if not column else "right")
    for change in changes:
        if change.verdict in ("slower", "faster"):
            texts = (value_text(r, r.median) for r in (change.before, change.after))
            style = "red" if change.verdict == "slower" else "green"
            row = ("/".join(change.key), *texts, f"{change.ratio:.2f}", change.verdict)
            table.add_row(*row, style=style)
    console.print(table)
    count = collections.Counter(change.verdict for change in changes)
    told = f"{count['slower']} slower, {count['faster']} faster, {count['same']} the same"
    if few := count["too few samples"]:
        told += f", {few} with fewer than {ENOUGH} samples, too few to tell"
    console.print(f"{len(changes)} rows: {told}")
    if count["slower"]:
        raise typer.Exit(1)
