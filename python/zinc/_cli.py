"""The commands of ``zinc``."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def zinc() -> None:
    """Shared memory between processes: named regions, zero copies."""


if sys.argv[1:2] == ["bench"]:  # the others need not wait for what it takes
    from .bench.command import app as bench

    app.add_typer(bench, name="bench")
else:

    @app.command("bench")
    def listed() -> None:
        """Measure zinc beside what else there is, on this machine."""
