"""``zinc store``: what is in a store, in and out."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from .. import Store
from .._store import StoredObject
from .console import Json, fail, print_json, print_table
from .data import copy, pieces_in, whole, write_out
from .lines import age_text, holder_text, plain, size_text


class Action(enum.StrEnum):
    """What is done with a store."""

    LIST = "list"
    GET = "get"
    PUT = "put"
    RM = "rm"
    EVICT = "evict"


def store(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The store's name.")],
    action: Annotated[
        Action, typer.Argument(metavar="[list|get|put|rm|evict]", help="What to do with it.")
    ] = Action.LIST,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Of the object; evict takes bytes.")
    ] = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="put: - or nothing is standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the objects of a store; get, put or remove one, or evict some.

    The list has what was used longest ago first, and at its end what was deleted or evicted and is
    in use still. get writes an object of bytes to standard output, and shows any other one: to load
    a pickle of Python runs what it says. put replaces what has the key. evict frees at least so
    many bytes, by default all that nobody has and that is not pinned.
    """
    takes_key = action in (Action.GET, Action.PUT, Action.RM)
    if takes_key and key is None:
        raise typer.BadParameter(f"{action} takes the key of an object", param_hint="KEY")
    if (action == Action.LIST and key is not None) or (file and action != Action.PUT):
        raise typer.BadParameter(f"{action} takes no more arguments")
    with Store.open(name, any_user=True) as opened:
        if action == Action.LIST:
            (as_list if as_json else show)(opened)
        elif action == Action.GET:
            get(opened, str(key))
        elif action == Action.PUT:
            put(opened, str(key), file)
        elif action == Action.RM:
            if opened.pop(str(key), opened) is opened:
                fail(f'store "{name}" has no "{key}"')
        else:
            evict(opened, key)


def show(opened: Store) -> None:
    """Print what is in a store."""
    found, holders, info = opened.objects(), opened.holders(), opened.info()
    table = Table(box=None, pad_edge=False)
    for column in "key", "size", "memory", "age", "how", "in use by":
        is_number = column in ("size", "memory", "age")
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for one in found:
        table.add_row(
            Text(plain(one.key)),
            size_text(one.nbytes),
            size_text(one.memory),
            age_text(max(0.0, time.time() - one.created)),
            how_text(one),
            Text(plain(", ".join(holder_text(holder) for holder in holders.get(one.name, [])))),
            style="" if one.present else "yellow",
        )
    if found:
        print_table(table)
    asked = info.hits + info.misses
    rate = f"{info.hits / asked:.0%} of {asked:,} gets hit" if asked else "nobody has got any"
    used = f"{size_text(info.used)} of {size_text(info.capacity)}"
    what = {"evict": "evicts", "wait": "waits", "error": "refuses"}[info.full]
    print(
        f"{info.objects:,} objects, {used}; {what} when full; {info.puts:,} put, {rate}, "
        f"{info.evictions:,} evicted, {info.deletions:,} deleted"
    )


def how_text(one: StoredObject) -> str:
    """Return what is to be known of an object, in a word."""
    if not one.present:
        return "left the store"
    return "pinned" if one.pinned else ""


def as_list(opened: Store) -> None:
    """Print the same as JSON."""
    holders = opened.holders()
    objects = [
        {**vars(one), "holders": [vars(holder) for holder in holders.get(one.name, [])]}
        for one in opened.objects()
    ]
    print_json({**vars(opened.info()), "contents": objects})


def get(opened: Store, key: str) -> None:
    """Write an object to standard output."""
    found = opened.get(key, opened)
    if found is opened:
        fail(f'store "{opened.name}" has no "{key}"')
    if type(found) is memoryview:
        write_out(pieces_in(memoryview(found)))
    else:
        print(repr(found))


def put(opened: Store, key: str, file: Path | None) -> None:
    """Put a file, or standard input, into a store."""
    with sys.stdin.buffer if file is None or str(file) == "-" else file.open("rb") as source:
        size, pieces = whole(source)
        if not size:
            fail("there is nothing to put: an object has at least one byte")
        with opened.create(key, size, replace=True, timeout_ms=0) as memory:
            copy(memory, pieces)


def evict(opened: Store, wanted: str | None) -> None:
    """Free memory, and say how much."""
    if wanted is not None and not wanted.isdecimal():
        raise typer.BadParameter("evict takes a number of bytes", param_hint="BYTES")
    freed = opened.evict(None if wanted is None else min(int(wanted), (1 << 64) - 1))
    print(f"{size_text(freed)} freed")
