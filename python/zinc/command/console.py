"""What the commands share: where they print, how they fail, and their common arguments."""

from __future__ import annotations

import json
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from .._region import SharedRegion

out = Console(highlight=False, markup=False, emoji=False)
if not out.is_terminal:  # a line stays a line
    out.width = 1000
notes = Console(highlight=False, markup=False, emoji=False, stderr=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The region's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Sum = Annotated[bool, typer.Option("--sha256", help="Print the data's SHA-256 on standard error.")]


def fail(message: str) -> NoReturn:
    """End with one line on standard error."""
    sys.exit(f"zinc: {message}")


def error_text(error: Exception) -> str:
    """Return an error's own words, without the number."""
    return getattr(error, "strerror", None) or str(error)


def opened(name: str) -> SharedRegion:
    """Attach to a region to read it, whoever it belongs to."""
    return SharedRegion.open(name, readonly=True, any_user=True)


def print_json(value: object) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2))


def print_table(table: Table) -> None:
    """Print a table; for other programs, its lines end where their text does."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print(*(line.rstrip() for line in captured.get().rstrip().split("\n")), sep="\n")
