"""The documentation: every block of code in it, and every example, is run as it stands there."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, SHM

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(python|sh|c|swift)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Event loops that are not installed for the tests: where they are not, their blocks are compiled.
OTHER_LOOPS = {"anyio", "gevent", "gi", "PySide6"}

pytestmark = [
    pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here"),
    pytest.mark.needs("cc"),
]


def blocks() -> Iterator[object]:
    """Each block of each page: its language and text."""
    for page in sorted(DOCS.rglob("*.md")):
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text())):
            name = f"{page.relative_to(DOCS).with_suffix('')}-{number}"
            yield pytest.param(language, text, id=name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the examples, and what a user has on the path."""
    shutil.copytree(DOCS / "examples", tmp_path, dirs_exist_ok=True)
    for name, command in ("python", '"$@"'), ("zinc", '-m zinc "$@"'):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command}\n')
        script.chmod(0o755)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """Run a command there, which has nothing to say but what it prints."""
    path = f"{folder}/bin{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.mark.parametrize(("language", "text"), [*blocks()])
def test_block_runs(folder: Path, language: str, text: str) -> None:
    if "zinc " in text and language == "sh":
        pytest.importorskip("typer")
    if language == "sh":
        run(folder, "bash", "-euo", "pipefail", "-c", text)
        return
    assert language == "python", "a block in C or Swift belongs into examples"
    modules = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    if missing := [m for m in modules & OTHER_LOOPS if importlib.util.find_spec(m) is None]:
        compile(text, "block.py", "exec")
        pytest.skip(f"there is no {missing[0]} here")
    (folder / "block.py").write_text(text)
    lines = run(folder, "python", "block.py").splitlines()
    # What a comment behind a print says is what it prints.
    told = re.findall(r"print\(.*\)  # ([^:\n]*)", text)
    if len(re.findall(r"print\(", text)) == len(told):
        assert lines == [line.strip() for line in told]


def test_camera(folder: Path) -> None:
    text = "python viewer.py bright & python viewer.py motion & python camera.py 30; wait"
    output = run(folder, "bash", "-c", text)
    for which in "bright", "motion":
        found = re.search(rf"{which}: (\d+) of 30 frames, last {which}", output)
        assert found, output
        assert 1 <= int(found[1]) <= 30
    assert "brightness 29.0" in output


# In place of both viewers: one that lets the camera get ahead while it uses a frame, by no frame up
# to five, and then looks at the rest. Each frame is filled with its number. Three is the least that
# lets the camera begin in the slot that is looked at.
SLOW_VIEWER = """
import itertools
import zinc
from viewer import look

FRAMES = 600
lag, used = itertools.cycle([5, 0, 3, 1, 3, 2, 3, 4, 3]), []

def use(frame):
    number, half = region.seen - 1, len(frame) // 2
    numbers = {*map(int, (frame[:half].min(), frame[:half].max()))}
    until = min(region.seen + next(lag), FRAMES)
    while (now := region.sequence) < until:
        assert region.wait(30_000, after=now)
    while region.sequence == until < FRAMES and len(numbers) == 1:
        numbers.add(int(frame[0, 0, 0]))  # until the next is complete, or begun in this slot
    if len(numbers) == 1:
        numbers |= {*map(int, (frame[half:].min(), frame[half:].max()))}
    used.append(numbers == {number % 251})
    return used[-1]

taken, names = [], ("camera-bright", "camera-motion")
with zinc.open_or_create(names[0], 1) as bright, zinc.open_or_create(names[1], 1) as motion:
    frames = zinc.open_array("camera", readonly=True, timeout_ms=30_000)
    region = frames.region
    bright.notify(), motion.notify()
    while region.seen < FRAMES and region.wait(30_000):
        taken.append(look(frames, use))
print("taken:", taken.count(True), "whole", taken.count(False), "torn;", "left:",
      taken.count(None), "of which", used.count(False) - taken.count(False), "torn")
"""


def test_camera_that_overtakes_a_slow_viewer(folder: Path) -> None:
    """Whatever a viewer takes is whole, and what it leaves is often torn."""
    (folder / "slow.py").write_text(SLOW_VIEWER)
    output = run(folder, "bash", "-c", "python slow.py & python camera.py 600 1e6; wait")
    found = re.search(r"taken: (\d+) whole (\d+) torn; left: (\d+) of which (\d+) torn", output)
    assert found, output
    whole, torn, left, left_torn = map(int, found.groups())
    assert torn == 0, output
    assert whole > 0
    assert left >= left_torn > 0


def test_pool(folder: Path) -> None:
    assert run(folder, "python", "pool.py").startswith("mean 0.000, deviation 1.000, largest 1.")


LOAD_ONCE = "python", "load_once.py", "model.bin"
MODEL = bytes(range(256)) * 4096


def start_loader(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONUNBUFFERED"] = "1"  # its lines are read while it goes on
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(LOAD_ONCE, cwd=folder, env=environment, **pipes)


def test_load_once(folder: Path) -> None:
    """Of several that begin at once one loads, and all have the same."""
    (folder / "model.bin").write_bytes(MODEL)
    loaders = [start_loader(folder) for _ in range(4)]
    told = [read_line(loader) for loader in loaders]
    assert sorted(told) == [f"{sum(MODEL)} in all\n"] * 3 + ["loaded it\n"]
    for loader in loaders:
        loader.communicate()


def test_load_once_where_the_loader_is_killed_half_way(folder: Path) -> None:
    os.mkfifo(folder / "model.bin")
    first = start_loader(folder)
    with (folder / "model.bin").open("wb") as pipe:
        pipe.write(MODEL[: len(MODEL) // 2])
        pipe.flush()
        others = [start_loader(folder) for _ in range(3)]
        assert (SHM / "zinc_model").read_bytes()[4096 + 255] == 255  # it is at it
        first.kill()
        assert first.communicate()[0] == ""
    with (folder / "model.bin").open("wb") as pipe:
        pipe.write(MODEL)
    told = [read_line(other) for other in others]
    assert sorted(told) == [f"{sum(MODEL)} in all\n"] * 2 + ["loaded it\n"]
    (second,) = (other for other in others if told[others.index(other)] == "loaded it\n")
    assert read_line(second) == f"{sum(MODEL)} in all\n"
    for other in others:
        assert other.communicate()[0] == ""
    assert not (SHM / "zinc_model").exists()
    assert not (SHM / "zinc_model-turn").exists()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_swift_to_python(folder: Path, programs: Path) -> None:
    modules = ["-I", str(programs / "Modules"), "-I", str(ROOT / "Sources/CZinc/include")]
    objects = [str(o) for part in ("Zinc", "CZinc") for o in programs.glob(f"{part}.build/*.o")]
    shutil.move(folder / "producer.swift", folder / "main.swift")
    run(folder, "swiftc", "main.swift", *modules, *objects, "-o", "producer")
    output = run(folder, "bash", "-c", "./producer & python consumer.py; wait")
    assert "Python: 1,000,000 numbers, mean 499,999.5\n" in output
    assert "Swift: the reader is done\n" in output


def test_every_example_is_shown_and_every_page_is_listed() -> None:
    pages = {page: page.read_text() for page in DOCS.rglob("*.md")}
    whole = "\n".join(pages.values())
    for example in (DOCS / "examples").iterdir():
        assert f"../examples/{example.name}" in whole
    for page in pages:
        if page.name != "index.md":
            assert str(page.relative_to(DOCS).with_suffix("")) in pages[DOCS / "index.md"]


SIGNALS = "Bus error", "Segmentation fault"  # whose messages are the system's


def test_troubleshooting_tells_of_messages_that_there_are() -> None:
    """What stands in the table's first column, but for the values that are left out."""
    suffixes = ".swift", ".c", ".h", ".py"
    sources = [
        p for f in ("Sources", "python") for p in (ROOT / f).rglob("*") if p.suffix in suffixes
    ]
    code = " ".join(path.read_text() for path in sources)
    # A text may be laid out over lines, and has its values in the middle.
    code = re.sub(r"[\"'][\s+\\]*\n\s*f?[\"']", "", code)
    rows = re.findall(r"^\| (.+?) \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    for message in rows[1:]:
        for part in re.split("…| / ", message):
            assert part.strip() in code or message in SIGNALS, part
