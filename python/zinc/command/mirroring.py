"""``zinc mirror``: what is here on other machines, and what is there here."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._region import SharedRegion
from .console import fail
from .signals import end_in_order

if TYPE_CHECKING:
    from ..mirror import Mirror, Offer


def mirror(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The things' names.")],
    listen: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="Offer them there: tcp/0.0.0.0:7447.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="ENDPOINT", help="Follow them: tcp/a:7447.")
    ] = None,
    offers: Annotated[
        bool, typer.Option("--offer", help="Offer them, where a configuration says how.")
    ] = False,
    copy: Annotated[
        str | None, typer.Option("--as", metavar="OTHER", help="The copy's name, of one thing.")
    ] = None,
    lock: Annotated[bool, typer.Option(help="Copy regions under their own locks.")] = False,
    lease: Annotated[
        float, typer.Option(min=0.1, help="Who is silent for so many seconds is gone.")
    ] = 10,
    prefetch: Annotated[
        int, typer.Option(min=1, help="So many items of a queue come for each worker.")
    ] = 2,
    config: Annotated[Path | None, typer.Option(help="A file of Zenoh's configuration.")] = None,
) -> None:
    """Offer regions, arrays, channels and queues to other machines, or keep copies of theirs.

    With --listen, or --offer, they are offered; with --from, or a configuration alone, followed,
    and the copies here have the same names. A line tells of each when it is there, and what goes
    wrong is said on standard error. Waits for what is not there yet. Goes on until Ctrl-C, or a
    signal that ends it.
    """
    if source and (listen or offers or lock):
        raise typer.BadParameter("offer them, or follow them", param_hint="--from")
    if not (source or listen or config):
        raise typer.BadParameter("say where, or give Zenoh's configuration", param_hint="--listen")
    if copy and (len(names) > 1 or listen or offers):
        raise typer.BadParameter("it is the name of one copy", param_hint="--as")
    try:
        from .. import mirror as mirrors
    except ModuleNotFoundError as error:
        fail(str(error))
    end_in_order()
    logging.basicConfig(format="zinc: %(message)s", level=logging.WARNING)
    logging.getLogger("zenoh").setLevel(logging.ERROR)
    how = {"lease_ms": lease * 1000, "config": config}
    with contextlib.ExitStack() as stack:
        if listen or offers:
            for name in names:
                SharedRegion.open(name, any_user=True, timeout_ms=None).close()
            made: Offer = stack.enter_context(mirrors.offer(names, listen, lock=lock, **how))  # type: ignore[arg-type]
            for name in made.followers:
                print(f"{name}: offered", flush=True)
        else:
            followed: list[Mirror] = []
            for name in names:
                one = mirrors.follow(
                    name,
                    source,
                    copy=copy,
                    timeout_ms=None,
                    prefetch=prefetch,
                    **how,  # type: ignore[arg-type]
                )
                followed.append(stack.enter_context(one))
                print(f"{one.name}: followed", flush=True)
        threading.Event().wait()
