"""How the documentation is built: make docs."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.util.parsing import nested_parse_to_nodes

import zinc

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs/reference/command.schema.json"

project = "zinc"
copyright = "the zinc authors"
version = release = zinc.__version__
extensions = [
    "hawkmoth",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
]
copybutton_exclude = ".linenos, .gp, .go"  # prompts and output stay
exclude_patterns = ["_build", "examples"]
nitpicky = False

html_theme = "furo"
html_title = f"zinc {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # 0o600, not 384
myst_heading_anchors = 3

hawkmoth_root = str(ROOT / "Sources/CZinc/include")
hawkmoth_clang = ["-std=c11"]
intersphinx_mapping: dict[str, Any] = {}


class CommandHelp(Directive):
    """What zinc --help says, of each command."""

    def run(self) -> list[nodes.Node]:
        """Return it as literal blocks."""
        from zinc.command.main import app

        names = [command.name or command.callback.__name__ for command in app.registered_commands]
        return [
            self.help_of(*words) for words in ((), *((name,) for name in names if name != "bench"))
        ]

    def help_of(self, *words: str) -> nodes.Node:
        """Return one command's help."""
        command = [sys.executable, "-m", "zinc", *words, "--help"]
        text = subprocess.check_output(command, text=True).replace("python -m zinc", "zinc")
        return nodes.literal_block(text, text.strip(), language="text")


class JsonFields(Directive):
    """The fields of a part of what the command prints with --json, as its schema has them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table."""
        part = json.loads(SCHEMA.read_text())["$defs"][self.arguments[0]]
        rows = [
            (f"`{name}`", type_of(field), field["description"])
            for name, field in part["properties"].items()
        ]
        lines = ["| field | type | what |", "|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        return nested_parse_to_nodes(self.state, StringList([part["description"], "", *lines]))


def type_of(field: dict[str, Any]) -> str:
    """Tell in words what a field is."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "anyOf" in field:
        return " or ".join(type_of(one) for one in field["anyOf"])
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    if kinds == ["array"] and "items" in field:
        return f"list of {type_of(field['items'])}"
    words = {"string": "text", "array": "list"}
    return " or ".join(words.get(kind, kind) for kind in kinds)


STUB = ast.parse((ROOT / "python/zinc/_zinc.pyi").read_text())
METHODS = {
    node.name: node
    for class_ in STUB.body
    if isinstance(class_, ast.ClassDef)
    for node in class_.body
    if isinstance(node, ast.FunctionDef)
}


def types_of_stub(_app: Any, _what: str, name: str, thing: Any, *_: Any) -> tuple[str, str] | None:
    """Return the signature, with its types, of a method that is written in C."""
    method = METHODS.get(name.rpartition(".")[2])
    if method is None or method.returns is None or not inspect.ismethoddescriptor(thing):
        return None
    arguments = ast.unparse(method.args).removeprefix("self").removeprefix(", ")
    return f"({arguments})", ast.unparse(method.returns)


def setup(app: Any) -> None:
    """Register the directive, and what makes signatures."""
    app.connect("autodoc-process-signature", types_of_stub)
    app.add_directive("command-help", CommandHelp)
    app.add_directive("json-fields", JsonFields)
