"""``zinc store``, and how ``zinc ls`` shows a store: real commands, in processes of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

import zinc

pytest.importorskip("typer", reason="the command's libraries are not here")

from . import test_cli
from .conftest import whole_folder


def run(*arguments: str, status: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command, and expect it to end so."""
    done = test_cli.run(*arguments, **options)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture
def store(name: str) -> Iterator[zinc.Store]:
    with zinc.Store(name, 1 << 20) as store:
        store["frame"] = numpy.zeros(1000, "u1")
        store["table"] = {"a": 1}
        yield store


def test_lists_what_is_in_it(store: zinc.Store) -> None:
    held = store["frame"]
    store.pin("table")
    lines = run("store", store.name).stdout.splitlines()
    assert lines[0].split() == ["key", "size", "memory", "age", "how", "in", "use", "by"]
    rows = {line.split()[0]: line for line in lines[1:-1]}
    assert "pinned" in rows["table"]
    assert f"{os.getpid()} " in rows["frame"]
    assert "1000 bytes" in rows["frame"]
    assert (
        "2 objects, 16.0 KiB of 1.0 MiB; evicts when full; 2 put, 100% of 1 gets hit" in lines[-1]
    )
    del store["frame"]
    assert "left the store" in run("store", store.name).stdout
    told = test_cli.answer("store", store.name, "--json")
    assert (told["objects"], told["full"], told["deletions"]) == (1, "evict", 1)
    (table, frame) = told["contents"]
    assert (table["key"], table["pinned"], table["present"], table["holders"]) == (
        "table",
        True,
        True,
        [],
    )
    assert (frame["key"], frame["present"], frame["nbytes"]) == ("frame", False, 1000)
    assert [holder["pid"] for holder in frame["holders"]] == [os.getpid()]
    assert held.sum() == 0


def test_gets_puts_and_removes(store: zinc.Store, name: str) -> None:
    run("store", name, "put", "blob", input="some text\n")
    assert bytes(store["blob"]) == b"some text\n"
    assert run("store", name, "get", "blob").stdout == "some text\n"
    run("store", name, "put", "blob", "-", input="other\n")
    assert run("store", name, "get", "blob").stdout == "other\n"
    run("store", name, "put", "file", __file__)
    assert bytes(store["file"]).startswith(b'"""``zinc store``')
    assert run("store", name, "get", "table").stdout == "{'a': 1}\n"
    assert "zeros" not in run("store", name, "get", "frame").stdout
    run("store", name, "rm", "blob")
    assert "blob" not in store
    assert run("store", name, "evict", "1").stdout.endswith(" freed\n")
    run("store", name, "evict")
    assert len(store) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["get", "none"], 1, 'has no "none"'),
        (["rm", "none"], 1, 'has no "none"'),
        (["get"], 2, "takes the key"),
        (["put", "empty"], 1, "nothing to put"),
        (["put", "large", "-"], 1, "the store may have 1048576"),
        (["list", "key"], 2, "no more arguments"),
        (["rm", "key", "file"], 2, "no more arguments"),
        (["evict", "many"], 2, "number of bytes"),
        (["drop"], 2, "drop"),
    ],
)
def test_refuses(store: zinc.Store, arguments: list[str], status: int, told: str) -> None:
    data = "x" * (2 << 20) if "large" in arguments else ""
    found = run("store", store.name, *arguments, input=data, status=status)
    assert told in found.stderr
    assert len(store) == 2


def test_of_what_is_no_store(name: str) -> None:
    assert "not found" in run("store", name, status=1).stderr
    with zinc.create(name, 10):
        assert "is no store" in run("store", name, status=1).stderr


@whole_folder
def test_ls_has_a_line_for_a_store(store: zinc.Store, name: str) -> None:
    def names(*arguments: str) -> list[str]:
        return [
            line.split()[0] for line in run("ls", f"{name}*", *arguments).stdout.splitlines()[1:]
        ]

    assert names() == [name]
    assert "store, 2 objects of 16,384 bytes" in run("ls", name).stdout
    assert len(names("--all")) == 3
    told = {one["name"]: one for one in test_cli.answer("ls", f"{name}*", "--json")}
    assert len(told) == 3
    assert told[name]["objects"] == 2
    assert {one["store"] for one in told.values()} == {None, name}
    assert "store" in run("info", name).stdout
    assert "of kind store" in run("put", name, input="x", status=1).stderr
