"""The examples of the README, run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import zinc

from .conftest import ROOT


def blocks(language: str) -> list[str]:
    """Return the README's blocks of code."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.needs("cc")
def test_python_and_c(tmp_path: Path) -> None:
    camera, viewer, *_ = blocks("python")
    (program,) = blocks("c")
    source = tmp_path / "demo.c"
    source.write_text(program)
    library = Path(zinc.get_library())
    link = [f"-I{zinc.get_include()}", str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run(["cc", "-Wall", "-Werror", source, *link, "-o", tmp_path / "demo"], check=True)
    refused = subprocess.run([tmp_path / "demo"], capture_output=True, text=True, check=False)
    assert 'open "camera": not found' in refused.stderr
    python = [sys.executable, "-u", "-c"]
    with (
        subprocess.Popen([*python, camera]) as writer,
        subprocess.Popen([*python, viewer], stdout=subprocess.PIPE, text=True) as reader,
    ):
        try:
            assert reader.stdout
            told = [reader.stdout.readline().split() for _ in range(3)]
            numbers = [int(number) for number, _, _ in told]
            assert [float(mean) for _, mean, _ in told] == [number - 1 for number in numbers]
            output = subprocess.check_output([tmp_path / "demo"], text=True)
            seen = [tuple(map(int, line.split())) for line in output.splitlines()]
            assert len(seen) == 3
            assert all(pixel == number - 1 for number, pixel in seen)
        finally:
            writer.kill()
            reader.kill()
    zinc.reclaim()


def test_waiting() -> None:
    program = blocks("python")[5]
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output.split() == ["True", "False", "True"]


def test_queue(tmp_path: Path) -> None:
    program = tmp_path / "queue.py"
    program.write_text(blocks("python")[2])
    assert subprocess.check_output([sys.executable, program], text=True) == "190.0\n"


def test_store() -> None:
    program = blocks("python")[3]
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "499.5\nNone\n"


def test_arrays(tmp_path: Path) -> None:
    program = tmp_path / "arrays.py"
    program.write_text(blocks("python")[4])
    output = subprocess.check_output([sys.executable, program], text=True)
    assert output == "(8, 1000)\n16000.0\n"


def test_locks() -> None:
    program = blocks("python")[6]
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output == "one process of this machine at a time\n"


def test_swift(tmp_path: Path, programs: Path) -> None:
    (program,) = blocks("swift")
    source = tmp_path / "main.swift"
    source.write_text(program)
    modules = ["-I", str(programs / "Modules"), "-I", str(ROOT / "Sources/CZinc/include")]
    objects = [str(o) for part in ("Zinc", "CZinc") for o in programs.glob(f"{part}.build/*.o")]
    subprocess.run(["swiftc", source, *modules, *objects, "-o", tmp_path / "demo"], check=True)
    assert subprocess.check_output([tmp_path / "demo"], text=True) == "42\n"
