"""The documentation: every block of code in it, and every example, is run as it stands there."""

from __future__ import annotations

import errno
import importlib.util
import mmap
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import zinc

from .conftest import ROOT, SHM

DOCS, README = ROOT / "docs", ROOT / "README.md"
BLOCK = re.compile(r"^```(python|sh|c|swift)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# What need not be installed for the tests: where it is not, its blocks are compiled.
OTHERS = {
    "anyio",
    "cv2",
    "dask",
    "gevent",
    "gi",
    "mpi4py",
    "numba",
    "pandas",
    "PySide6",
    "torch",
    "zenoh",
}

pytestmark = [
    pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here"),
    pytest.mark.needs("cc"),
]


def blocks() -> Iterator[object]:
    """Each block of each page, and of the README: its language and text."""
    for page in (README, *sorted(DOCS.rglob("*.md"))):
        for number, (language, text) in enumerate(BLOCK.findall(page.read_text())):
            name = f"{os.path.relpath(page.with_suffix(''), DOCS)}-{number}"
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
    if missing := [m for m in modules & OTHERS if importlib.util.find_spec(m) is None]:
        compile(text, "block.py", "exec")
        pytest.skip(f"there is no {missing[0]} here")
    (folder / "block.py").write_text(text)
    lines = run(folder, "python", "block.py").splitlines()
    zinc.reclaim()  # who was killed may have died after the last of the others
    # What a comment behind a print says is what it prints.
    told = re.findall(r"print\(.*\)  # ([^:\n]*)", text)
    if len(re.findall(r"print\(", text)) == len(told):
        assert lines == [line.strip() for line in told]


def test_snippets_of_the_readme_are_short() -> None:
    found = BLOCK.findall(README.read_text())
    assert len(found) >= 10
    assert [text for _, text in found if len(text.replace("\n\n", "\n").splitlines()) > 6] == []


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Return a function that starts one of the examples, which is killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*command: object) -> subprocess.Popen[str]:
        words = [sys.executable, *map(str, command)]
        started.append(subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start_one
    for process in started:
        kill(process)
    zinc.reclaim()


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


class Seen(NamedTuple):
    """What a viewer says of a frame."""

    number: int
    darkest: int
    brightest: int
    behind: int
    lost: int


NO_FRAME = "no frame for a second"


def said(viewer: subprocess.Popen[str]) -> Seen | None:
    """Return what it says next, None if that is that nothing comes."""
    line = read_line(viewer)
    if line.endswith(f": {NO_FRAME}\n"):
        return None
    found = re.fullmatch(r"\w+: frame (\d+): (\d+) to (\d+), (\d+) behind, (\d+) lost\n", line)
    assert found, line
    seen = Seen(*map(int, found.groups()))
    assert seen.darkest == seen.brightest  # the frame is whole, and stayed as it is
    return seen


def next_seen(viewer: subprocess.Popen[str]) -> Seen:
    while (seen := said(viewer)) is None:
        pass
    return seen


@pytest.mark.parametrize(("which", "ms"), [("every", 0), ("every", 30), ("newest", 30)])
def test_viewer_knows_what_it_has_lost(start: Start, which: str, ms: int) -> None:
    viewer = start("viewer.py", which, ms)
    start("camera.py", 1e6)
    first = last = next_seen(viewer)
    count = 0
    while count < 20 or last.lost < 20:
        last, count = next_seen(viewer), count + 1
        assert last.number - first.number - count == last.lost - first.lost


def test_viewers_go_on_with_a_camera_that_is_killed_and_started_again(start: Start) -> None:
    every, newest = start("viewer.py", "every"), start("viewer.py", "newest")
    for _ in range(3):
        camera = start("camera.py", 100)
        last = next_seen(every)
        next_seen(newest)
        kill(camera)
        while (seen := said(every)) is not None:
            assert seen.number - last.number - 1 == seen.lost - last.lost
            last = seen
        camera = start("camera.py", 100)
        seen = next_seen(every)
        assert seen.number - last.number - 1 == seen.lost - last.lost
        while next_seen(newest).number < seen.number:
            pass
        kill(camera)


def test_all_are_killed_and_the_next_ones_begin_anew(start: Start) -> None:
    for _ in range(2):
        viewer = start("viewer.py", "every")
        camera = start("camera.py", 100)
        assert next_seen(viewer).number < 100
        kill(camera)
        kill(viewer)


def test_camera_that_waits_goes_on_when_its_slowest_viewer_is_killed(start: Start) -> None:
    start("camera.py", 1000, "wait")
    fast = start("viewer.py", "every")
    numbers = [next_seen(fast).number]
    slow = start("viewer.py", "every", 1e6)
    while (seen := said(fast)) is not None:
        numbers.append(seen.number)
    kill(slow)
    for _ in range(50):
        seen = next_seen(fast)
        assert seen.lost == 0
        numbers.append(seen.number)
    assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]


TWENTY = "".join(f"{i}: {i / 2:g}\n" for i in range(1, 21)) + "0 lost\n"


def test_numbers_that_c_sends_are_received_in_python(folder: Path) -> None:
    library = Path(zinc.get_library())
    link = [f"-I{zinc.get_include()}", str(library), f"-Wl,-rpath,{library.parent}"]
    run(folder, "cc", "-Wall", "-Wextra", "-Werror", "writer.c", *link, "-o", "writer")
    both = "python receive.py numbers 20 & ./writer numbers 20; wait"
    assert run(folder, "bash", "-c", both) == TWENTY


# The programs of the patterns: each starts the processes that it needs, kills some, and counts.
PROGRAMS = {
    "vector_env.py 250 3": r"250 steps of 3 environments, one killed; now at \[\d+, 50, 50\]\n",
    "model_state.py 3": r"(200 whole versions used, 3 trainers killed\n){2}",
    "tables.py": r"(.+: 50\.5 in the table held, 51\.5 in the new\n){2}",
    "request.py 20": r"20 calls answered, 2 servers killed\n",
    "counter.py 500": r"1000 moves, balances \[-1000, 1000\]\n",
    "telemetry.py 3 300": r"4 sources, \d{3,} records, \d+ lost\n",
    "mirrors.py 2000": r"\d{3,} received and \d+ missed of \d{3,}\n",
    "asyncio_service.py 15": r"15 answers, the last of which is 34; one worker was killed\n",
}


@pytest.mark.parametrize("command", PROGRAMS)
def test_program_of_a_pattern(folder: Path, command: str) -> None:
    words = command.split()
    for module in re.findall(
        r"^import (pandas|pyarrow|zinc.mirror)", (folder / words[0]).read_text(), re.M
    ):
        pytest.importorskip(module)
    assert re.fullmatch(PROGRAMS[command], run(folder, "python", *words))
    zinc.reclaim()


def swift(folder: Path, programs: Path, source: str) -> str:
    """Build an example in Swift, and return the command that runs it."""
    modules = ["-I", str(programs / "Modules"), "-I", str(ROOT / "Sources/CZinc/include")]
    objects = [str(o) for part in ("Zinc", "CZinc") for o in programs.glob(f"{part}.build/*.o")]
    shutil.move(folder / source, folder / "main.swift")
    run(folder, "swiftc", "main.swift", *modules, *objects, "-o", "program")
    return "./program"


def test_numbers_that_swift_sends_are_received_in_python(folder: Path, programs: Path) -> None:
    both = (
        f"python receive.py numbers 20 & {swift(folder, programs, 'send.swift')} numbers 20; wait"
    )
    assert run(folder, "bash", "-c", both) == TWENTY


def test_pool(folder: Path) -> None:
    assert run(folder, "python", "pool.py").startswith("mean 0.000, deviation 1.000, largest 1.")


def test_workers_that_are_killed_leave_no_task_undone(folder: Path) -> None:
    told = r"40 tasks done, \d+ of them twice, [1-3] workers killed\n"
    assert re.fullmatch(told, run(folder, "python", "workers.py", "40"))


def test_loader_whose_worker_is_killed_has_all_batches(folder: Path) -> None:
    assert run(folder, "python", "loader.py", "30") == "30 batches, in order\n"


def test_loader_raises_what_its_data_raises(folder: Path) -> None:
    program = "import loader; list(loader.Loader([(1,), (2,), None], 1))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "TypeError: 'NoneType' object is not iterable" in done.stderr


def test_torch_loader(folder: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("there is no torch here")
    said = run(folder, "python", "torch_loader.py")
    assert said == "640 pictures, in order: True\n"


def test_before_and_after(folder: Path) -> None:
    """The table that the guide has: each row has two times, and their ratio."""
    lines = run(folder, "python", "before_and_after.py", "1", "1").splitlines()
    rows = [re.fullmatch(r"\| .+ \| \S+ ms \| \S+ ms \| \S+ \|", line) for line in lines[2:]]
    assert len(rows) >= 3 * 3
    assert all(rows), lines
    zinc.reclaim()  # joblib ends its workers by killing them


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
        assert (SHM / "zinc_model").read_bytes()[mmap.PAGESIZE + 255] == 255  # it is at it
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
    producer = swift(folder, programs, "producer.swift")
    output = run(folder, "bash", "-c", f"{producer} & python consumer.py; wait")
    assert "Python: 1,000,000 numbers, mean 499,999.5\n" in output
    assert "Swift: published message 1\n" in output


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


@pytest.mark.needs("systemd-analyze")
def test_unit_is_valid(folder: Path) -> None:
    """Of another machine's user and program: what they are called is all that is not looked at."""
    unit = folder / "camera.service"
    assert "User=camera" in unit.read_text()
    run(folder, "systemd-analyze", "verify", str(unit))


def test_manifest_of_kubernetes_is_valid(folder: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    yaml = pytest.importorskip("yaml")
    pod = yaml.safe_load((folder / "pod.yaml").read_text())
    validate.validate(pod, validate.latest_version(), strict=True)
    pod["spec"]["volumes"][0]["emptydir"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(pod, validate.latest_version(), strict=True)


def test_errors_have_the_numbers_of_linux() -> None:
    page = (DOCS / "reference/errors.md").read_text()
    told = {name: int(number) for number, name in re.findall(r"\| -(\d+) \| (E\w+) \|", page)}
    assert len(told) > 15
    assert told == {name: getattr(errno, name) for name in told}
    header = (ROOT / "Sources/CZinc/include/zinc.h").read_text()
    for number, name in re.findall(r"-(\d+)  (E\w+) ", header):
        assert told[name] == int(number)
