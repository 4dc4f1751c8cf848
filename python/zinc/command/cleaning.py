"""``zinc rm`` and ``gc``: what has to go."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from .._region import reclaim, unlink
from . import inspection
from .console import Json, error_text, print_json
from .lines import size_text


def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of regions.")],
    force: Annotated[
        bool, typer.Option("--force", help="In use or not, and also what is no region.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove the names of regions that nobody uses; with --force, whatever has the name.

    With --force, processes that are attached keep their memory, its contents too, and can go on
    notifying each other; it is freed when the last of them ends or closes it. Nobody else can
    open it any more, and a new region may take the name: it shares nothing with the old one. They
    get one notification, if this user may write the region and it has this zinc's layout; what
    they make of it is theirs to say.
    """
    failed = False
    for name in names:
        try:
            if not dry_run:
                unlink(name, force=force, if_unused=not force)
            elif not force:
                found = inspection.examine(name)
                if found.state == "attached":
                    raise OSError(0, f'region "{name}" is in use')
                if found.state == "unreadable":
                    raise OSError(0, found.problem)
        except (OSError, ValueError) as error:
            is_used = isinstance(error, OSError) and error.errno == errno.EBUSY and not force
            hint = "; --force removes it all the same" if is_used else ""
            print(f"zinc: {error_text(error)}{hint}", file=sys.stderr)
            failed = True
        else:
            print(f"{'would remove' if dry_run else 'removed'} {name}")
    if failed:
        raise typer.Exit(1)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Remove the dead regions, and say what each one had.

    Those are dead whose last users were killed.
    """
    if dry_run:
        dead = (region for region in inspection.look().values() if region.state == "dead")
        freed = {region.name: region.memory for region in dead}
    else:
        freed = reclaim()
    if as_json:
        print_json(freed)
        return
    for name, memory in sorted(freed.items()):
        print(f"{'would free' if dry_run else 'freed'} {size_text(memory)}  {name}")
    total = size_text(sum(freed.values()))
    noun = "region" if len(freed) == 1 else "regions"
    print(f"{len(freed)} dead {noun}, {total} {'to free' if dry_run else 'freed'}")
