"""The command ``zinc``: all its commands, in the order in which its help has them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import build_info
from .cleaning import gc, rm
from .data import cat, put
from .demo import demo
from .locking import lock
from .mirroring import mirror
from .notifications import notify, wait, watch
from .recording import record, replay
from .seeing import doctor, info, ls, top
from .serving import metrics
from .storing import store

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def zinc(
    version: Annotated[bool, typer.Option("--version", help="Tell what this zinc is.")] = False,
) -> None:
    """See, feed and clean shared memory between processes."""
    if version:
        print(*(f"{key} {value}" for key, value in build_info().items()), sep=", ")
        raise typer.Exit


for _command in (
    *(demo, ls, info, doctor, watch, top, cat, put, record, replay),
    *(store, notify, wait, lock, mirror, metrics, rm, gc),
):
    app.command()(_command)

if sys.argv[1:2] == ["bench"]:  # the others need not wait for what it takes
    from ..bench.command import app as bench

    app.add_typer(bench, name="bench")
else:

    @app.command("bench")
    def listed() -> None:
        """Measure zinc beside what else there is, on this machine."""
