"""``zinc metrics``: numbers for Prometheus."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import fail


def metrics(
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where; port 0 is a free one.")
    ] = "127.0.0.1:9464",
) -> None:
    """Serve what ls and top know to Prometheus, over HTTP.

    Sizes, who is attached and notifications of each region; messages, readers, how many those have
    missed and how far each process is behind of each channel; how many items wait, are worked on
    and were left of each queue; and locks. Prints its address, and looks anew whenever it is asked,
    without attaching to anything. Whoever reaches the port sees the names. Goes on until Ctrl-C, or
    a signal that ends it.
    """
    address, separator, port = listen.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{listen!r} is no ADDRESS:PORT", param_hint="--listen")
    try:
        from .metrics import serve
    except ModuleNotFoundError as error:
        fail(str(error))
    serve(address, int(port))
