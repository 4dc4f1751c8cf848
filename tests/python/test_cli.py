"""The command itself, as a shell runs it, on real regions of real processes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _zinc

from . import forked
from .conftest import ROOT, SHM, may_unshare, whole_folder
from .hostile import HOSTILE

pytest.importorskip("typer", reason="the command's libraries are not here")

from zinc import _holders
from zinc.command import doctor, inspection, lines

COMMAND = (sys.executable, "-m", "zinc")


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command, and expect no traceback whatever happens."""
    words = [*map(str, arguments)]
    if options or "bench" in words:  # which imports more than the others
        command = [*COMMAND, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    else:
        done = forked.run(words)
    assert "Traceback" not in done.stderr, done.stderr
    return done


# Which part of the documented schema a command prints.
PRINTS = {"ls": "regions", "info": "info", "doctor": "checks", "gc": "freed", "store": "store"}


def conforms(what: str, printed: str) -> Any:
    """Return JSON that was printed, if the documentation's schema has it so."""
    value = json.loads(printed)
    schema = ROOT / "docs/reference/command.schema.json"
    if schema.exists():
        jsonschema = pytest.importorskip("jsonschema")
        part = {**json.loads(schema.read_text()), "$ref": f"#/$defs/{what}"}
        jsonschema.validate(value, part, jsonschema.Draft202012Validator)
    return value


def answer(command: str, *arguments: str | Path) -> Any:
    """Run a command and return its JSON."""
    done = run(command, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return conforms(PRINTS[command], done.stdout)


def listed(name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = answer("ls", "--json")
    (only,) = (region for region in found if region["name"] == name)
    return only


@pytest.fixture
def killed() -> Callable[[str, int], None]:
    """Return a function that leaves a dead region: its only user was killed."""

    def leave(name: str, size: int) -> None:
        code = f"import os, zinc; r = zinc.create({name!r}, {size}); os.kill(os.getpid(), 9)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9

    return leave


@pytest.fixture
def holder(name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has created the region and holds it."""
    code = (
        f"import sys, zinc\nr = zinc.array({name!r}, (3, 5), 'f4'); r[:] = 1.5\n"
        "r.region.notify(); print('ready', flush=True)\n"
        "for line in sys.stdin: print(r.region.notify(), flush=True)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


# ---- seeing


def test_ls_tells_who_is_attached_and_what_it_is(name: str, holder: subprocess.Popen[str]) -> None:
    found = listed(name)
    assert found["state"] == "attached"
    assert found["capacity"] == 60
    assert found["contents"] == "array <f4 (3, 5)"
    assert found["sequence"] == 1
    assert found["handles"] == 1
    (seen,) = found["holders"]
    assert seen["pid"] == holder.pid
    assert "zinc.array" in seen["command"]
    assert found["memory"] == os.stat(f"/dev/shm/zinc_{name}").st_blocks * 512
    assert 0 <= found["age"] < 60
    with zinc.open(name):
        found = listed(name)
        assert found["handles"] == 2
        assert {h["pid"] for h in found["holders"]} == {holder.pid, os.getpid()}
    text = run("ls").stdout
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    assert f"{holder.pid} python" in line
    assert "array <f4 (3, 5)" in line


def test_a_view_that_outlives_its_region_is_no_holder(name: str) -> None:
    with zinc.create(name, 8) as keeper, zinc.open(name) as region:
        view = memoryview(region)
        region.close()
        assert listed(name)["handles"] == 1
        del view, keeper


@whole_folder
def test_forked_child_is_a_holder(name: str) -> None:
    region = zinc.create(name, 8)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    region.close()
    assert [h["pid"] for h in listed(name)["holders"]] == [child]
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)
    assert listed(name)["state"] == "dead"
    assert name in zinc.reclaim()


def test_ls_takes_a_pattern_of_names(name: str) -> None:
    with zinc.create(f"{name}-a1", 8) as region, zinc.create(f"{name}-b1", 8):
        found = answer("ls", "--json", f"{name}-a?")
        assert [r["name"] for r in found] == [f"{name}-a1"]
        # A number of 64 bits would be rounded by whoever reads numbers as doubles.
        assert found[0]["id"] == f"{region.id:016x}"
        assert len(answer("ls", f"{name}-[ab]1", "--json")) == 2
        assert answer("ls", f"{name}-[ab]", "--json") == []
        assert f"{name}-b1" not in run("ls", f"{name}-a*").stdout


def test_ls_sorts(name: str) -> None:
    with (
        zinc.create(f"{name}-b", 3 << 20, reserve=False),
        zinc.create(f"{name}-a", 1 << 20),
        zinc.create(f"{name}-c", 8),
    ):
        for order, expected in {
            (): "abc",
            ("--sort", "name"): "abc",
            ("--sort", "size"): "bac",
            ("--sort", "used"): "acb",
            ("--sort", "age"): "cab",
        }.items():
            found = answer("ls", f"{name}-*", "--json", *order)
            assert "".join(region["name"][-1] for region in found) == expected
            lines = run("ls", f"{name}-*", *order).stdout.splitlines()[1:]
            assert "".join(line.split()[0][-1] for line in lines) == expected
    assert run("ls", "--sort", "colour").returncode == 2


@whole_folder
def test_ls_marks_dead_persistent_and_what_is_no_region(
    name: str, killed: Callable[[str, int], None]
) -> None:
    killed(f"{name}-dead", 1 << 20)
    zinc.create(f"{name}-kept", 8, persistent=True).close()
    junk = SHM / f"zinc_{name}-junk"
    junk.write_bytes(b"nothing")
    (SHM / f"zinc_{name}.odd").write_bytes(b"")
    try:
        found = {r["name"]: r for r in answer("ls", "--json")}
        assert found[f"{name}-dead"]["state"] == "dead"
        assert found[f"{name}-dead"]["holders"] == []
        assert found[f"{name}-kept"]["state"] == "unattached"
        assert "not a region" in found[f"{name}-junk"]["problem"]
        assert "a name has 1 to 250 characters" in found[f"{name}.odd"]["problem"]
        text = run("ls").stdout
        assert re.search(f"{name}-dead .* dead$", text, re.MULTILINE)
        assert re.search(f"{name}-kept .* nobody, persistent$", text, re.MULTILINE)
        assert re.search(rf"{name}-junk .* unreadable .* \w+ 06\d\d: ", text, re.MULTILINE)
        unreadable = run("info", f"{name}-junk")
        assert unreadable.returncode == 1
        assert re.search(r"^used +4,096 bytes$", unreadable.stdout, re.MULTILINE)
        assert "not a region" in unreadable.stderr
    finally:
        junk.unlink()
        (SHM / f"zinc_{name}.odd").unlink()
        zinc.unlink(f"{name}-kept")
        zinc.reclaim()


def test_what_others_wrote_does_nothing_to_a_terminal(name: str) -> None:
    """Names, metadata and command lines may look like markup, or be codes."""
    bad = "[bold]:smile:\x1b[2J"
    shown = "[bold]:smile:\\x1b[2J"
    code = (
        f"import zinc; r = zinc.create({name!r}, 8, metadata=b'x' * 100)\n"
        "print(flush=True); input()"
    )
    described = repr({"descr": bad, "shape": (2,), "fortran_order": False}).encode()
    odd = os.fsencode(SHM / f"zinc_{name}{bad}") + b"\xff"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [bad, "-c", code, bad], executable=getattr(sys, "_base_executable", sys.executable),
        env={"PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=pipe, stdout=pipe,
    ) as process:  # fmt: skip
        assert process.stdout
        process.stdout.readline()
        with open(SHM / f"zinc_{name}", "r+b") as file:  # see docs/reference/layout.md
            for offset, part in (
                (64, (1).to_bytes(4, "little")),
                (68, len(described).to_bytes(4, "little")),
                (2048, described),
            ):
                file.seek(offset)
                file.write(part)
        os.close(os.open(odd, os.O_CREAT))
        try:
            listing, one = run("ls"), run("info", name)
            answer("ls", "--json")
        finally:
            os.unlink(odd)
        process.communicate(b"\n")
    assert (listing.returncode, one.returncode) == (0, 0)
    for text in listing.stdout, one.stdout:
        assert "\x1b" not in text
        assert "array, damaged description" in text
        assert f"{process.pid} {shown}" in text
    assert f"{name}{shown}\\udcff" in listing.stdout


def test_hostile_descriptions_are_shown_as_damaged(name: str) -> None:
    regions = [
        _zinc.create(zinc.SharedRegion, f"{name}-{i}", 8, 0, 0o600, False, description, 1)
        for i, description in enumerate(HOSTILE)
    ]
    good = zinc.array(f"{name}-good", 1)
    found = {r["name"]: r["contents"] for r in answer("ls", "--json")}
    assert found[f"{name}-good"] == "array <f8 (1,)"
    told = [found[region.name or ""] for region in regions]
    # What reads well, and only numpy knows better, is told as it stands.
    assert all(one == "array, damaged description" or one.startswith("array ") for one in told)
    assert told[HOSTILE.index(b"{[]:1}")] == "array, damaged description"
    assert run("ls").stderr == ""
    for region in regions:
        done = run("info", region.name or "")
        assert (done.returncode, done.stderr) == (0, "")
    del good


def test_rate_is_notifications_a_second(name: str) -> None:
    code = f"import zinc, time\nr = zinc.create({name!r}, 1); print(flush=True)\nwhile 1: r.notify(); time.sleep(0.001)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        found = listed(name)
        process.kill()
    assert 0 < found["rate"] < 1001 * 1.5
    zinc.reclaim()


def test_info_tells_all(name: str, holder: subprocess.Popen[str]) -> None:
    found = answer("info", name, "--json", "--head", "8")
    assert found["head"] == numpy.full(2, 1.5, "f4").tobytes().hex()
    assert found["creator_pid"] == holder.pid
    assert found["mode"] == "0600"
    assert found["path"] == f"/dev/shm/zinc_{name}"
    assert "'descr': '<f4'" in found["metadata"]
    text = run("info", name).stdout
    assert "00000000  00 00 c0 3f 00 00 c0 3f" in text
    assert "float32: [1.5 1.5" in text
    assert f"{holder.pid} {sys.executable}" in text.replace("\n", "")


def test_looking_does_not_disturb(name: str, holder: subprocess.Popen[str]) -> None:
    """Neither the region nor its end: who looks is never its last user."""
    before = (SHM / f"zinc_{name}").read_bytes()
    for _ in range(3):
        run("ls")
        run("info", name)
    assert (SHM / f"zinc_{name}").read_bytes() == before
    holder.communicate()
    assert not (SHM / f"zinc_{name}").exists()


def test_thousand_regions_while_some_come_and_go(name: str) -> None:
    many = [zinc.create(f"{name}-{i}", 1) for i in range(1000)]
    code = (
        f"import zinc, itertools\nprint(flush=True)\n"
        f"for i in itertools.count(): zinc.create(f'{name}-x-{{i % 7}}', 1).close()"
    )
    try:
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
            taken, found = [time.monotonic()], answer("ls", "--json")
            taken.append(time.monotonic())
            one = answer("info", f"{name}-500", "--json")
            taken.append(time.monotonic())
            dry = run("gc", "--dry-run")
            taken.append(time.monotonic())
            process.kill()
        for what, (start, end) in zip(("ls", "info", "gc"), itertools.pairwise(taken), strict=True):
            print(f"zinc {what} beside 1000 regions: {end - start:.2f} s")
        assert [holder["pid"] for holder in one["holders"]] == [os.getpid()]
        own = [r for r in found if re.fullmatch(rf"{name}-\d+", r["name"])]
        assert len(own) == 1000
        assert all([h["pid"] for h in r["holders"]] == [os.getpid()] for r in own)
        assert all(r["problem"] is None for r in found if r["name"].startswith(name))
        assert dry.returncode == 0
    finally:
        for region in many:
            region.close()
        zinc.reclaim()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_others_regions_are_shown_as_far_as_they_may_be(name: str) -> None:
    with zinc.create(f"{name}-open", 8, mode=0o644), zinc.create(f"{name}-closed", 8):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            found = {region.name: region for region in inspection.regions()}
            os.write(writer, json.dumps({n: r.as_json() for n, r in found.items()}).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answers:
            found = json.load(answers)
        os.waitpid(child, 0)
    readable, closed = found[f"{name}-open"], found[f"{name}-closed"]
    assert (readable["state"], readable["wakes_always"]) == ("attached", True)
    assert (closed["state"], closed["owner"], closed["mode"]) == ("unreadable", "root", "0600")
    assert "may not" in closed["problem"]
    for region in readable, closed:
        assert region["handles"] == 1  # the kernel tells everybody how many, but not who
        assert os.getpid() not in [holder["pid"] for holder in region["holders"]]
        assert region["memory"] == 8192


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1024.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (1 << 34, "16.0 GiB"),
        (2**64 - 1, "16.0 EiB"),
    ],
)
def test_sizes_are_told_in_powers_of_1024(size: int, told: str) -> None:
    assert lines.size_text(size) == told


def test_commands_and_pages_have_one_system_of_units(name: str) -> None:
    decimal = re.compile(r"\d[  ]?[kKMGT]B\b")
    with zinc.create(name, 3 << 20, reserve=False):
        listing = run("ls", name).stdout
        assert re.search(rf"^{name} +3.0 MiB +4.0 KiB ", listing, re.MULTILINE)
        for text in listing, run("info", name).stdout, run("doctor").stdout, run("gc").stdout:
            assert not decimal.search(text), text
    for page in (*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md")):
        assert not decimal.search(page.read_text()), page


def test_info_tells_who_is_stopped(name: str, holder: subprocess.Popen[str]) -> None:
    """It lives, and nothing else says why it does nothing."""
    for number, is_stopped in (signal.SIGSTOP, True), (signal.SIGCONT, False):
        holder.send_signal(number)
        while listed(name)["holders"][0]["stopped"] != is_stopped:
            pass
        assert ("STOPPED" in run("info", name).stdout) == is_stopped


# ---- data


def test_cat_and_put_a_file(name: str, tmp_path: Path) -> None:
    data = os.urandom((8 << 20) + 12345)  # more than a piece
    digest = hashlib.sha256(data).hexdigest()
    (tmp_path / "data").write_bytes(data)
    done = run("put", name, tmp_path / "data", "--persistent", "--sha256", "--notify")
    assert (done.returncode, done.stderr) == (0, f"{digest}\n")
    kept = zinc.create(f"{name}-other", len(data))
    try:
        with zinc.open(name) as region:
            assert bytes(region.as_buffer()) == data
            assert region.sequence == 1
        done_bytes = subprocess.run(
            [*COMMAND, "cat", name, "--sha256"], capture_output=True, check=True
        )
        assert done_bytes.stdout == data
        assert done_bytes.stderr.decode() == f"{digest}\n"
        again = run("put", name, tmp_path / "data")
        assert (again.returncode, again.stderr) == (0, "")  # into what exists, of the same size
        other = run("put", f"{name}-other", tmp_path / "data", "--persistent")
        assert other.returncode == 1
        assert f'region "{name}-other" is there already, and not persistent' in other.stderr
        other = run("put", name, "-", input="short")
        assert other.returncode == 1
        assert f"has {len(data):,} bytes, and there are 5 to put" in other.stderr
    finally:
        zinc.unlink(name)
        kept.close()


def test_put_that_fails_leaves_nothing(name: str, tmp_path: Path) -> None:
    """A file that becomes shorter while it is read: a sparse one that is cut in the middle."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with subprocess.Popen(
        [*COMMAND, "put", name, str(path), "--persistent"], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (SHM / f"zinc_{name}").exists():
            assert process.poll() is None
        os.truncate(path, 1)
        assert process.wait() == 1
        assert process.stderr
        assert process.stderr.read().startswith("zinc: the file has become shorter: ")
    assert not (SHM / f"zinc_{name}").exists()


def test_put_from_a_pipe_stays_until_it_is_interrupted(name: str) -> None:
    pipe = subprocess.PIPE
    for ending in signal.SIGINT, signal.SIGTERM:
        with subprocess.Popen(
            [*COMMAND, "put", name], stdin=pipe, stderr=pipe, text=True
        ) as process:
            assert process.stdin
            assert process.stderr
            process.stdin.write("hello")
            process.stdin.close()
            assert "5 bytes, until this is interrupted" in process.stderr.readline()
            with zinc.open(name) as region:
                assert bytes(region.as_buffer()) == b"hello"
            process.send_signal(ending)
            try:
                assert process.wait(timeout=60) == 0
            finally:
                process.kill()  # or leaving the block would wait for ever
        assert not (SHM / f"zinc_{name}").exists()


@pytest.mark.parametrize(
    "ending",
    [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGRTMAX],
    ids=lambda number: number.name,
)
def test_put_that_a_signal_ends_leaves_nothing(
    name: str, tmp_path: Path, ending: signal.Signals
) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with subprocess.Popen(
        [*COMMAND, "put", name, str(path), "--persistent"], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (SHM / f"zinc_{name}").exists():
            assert process.poll() is None
        process.send_signal(ending)
        process.send_signal(signal.SIGTERM)  # they come in pairs
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait() == 128 + ending or process.returncode == 128 + signal.SIGTERM
    assert not (SHM / f"zinc_{name}").exists()


def test_put_heeds_what_nohup_says(name: str) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["nohup", *COMMAND, "put", name], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write("hello")
        process.stdin.close()
        assert "until this is interrupted" in process.stderr.readline()
        process.send_signal(signal.SIGHUP)
        with zinc.open(name) as region:
            assert bytes(region.as_buffer()) == b"hello"
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_cat_into_a_pipe_that_closes(name: str) -> None:
    with zinc.create(name, 4 << 20):
        shell = f"{' '.join(COMMAND)} cat {name} | head -c 10 | wc -c"
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "10"
        assert "Traceback" not in done.stderr


# ---- notifications


def test_notify_and_wait(name: str, holder: subprocess.Popen[str]) -> None:
    assert run("notify", name).stdout == "2\n"
    waiter = subprocess.Popen([*COMMAND, "wait", name], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while listed(name)["handles"] < 2:
        assert time.monotonic() < end
    assert holder.stdin
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert waiter.communicate()[0] == "3\n"
    assert waiter.returncode == 0
    assert run("wait", name, "--after", "2").stdout == "3\n"
    late = run("wait", name, "--timeout", "0.05")
    assert (late.returncode, late.stdout) == (1, "")
    assert late.stderr == f'zinc: region "{name}": no notification came in 0.05 s\n'


def test_wait_ends_when_the_others_have_gone(name: str, holder: subprocess.Popen[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "wait", name, "--timeout", "1000"], stderr=subprocess.PIPE, text=True
    ) as waiter:
        end = time.monotonic() + 60
        while listed(name)["handles"] < 2:
            assert time.monotonic() < end
        holder.communicate()
        told = f'zinc: region "{name}": no notification can come: nobody else is attached\n'
        assert waiter.communicate()[1] == told
        assert waiter.returncode == 1
    assert not (SHM / f"zinc_{name}").exists()


def test_watch_prints_a_line_for_each(name: str, holder: subprocess.Popen[str]) -> None:
    watcher = subprocess.Popen(
        [*COMMAND, "watch", name, "--json", "--count", "3"], stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while listed(name)["handles"] < 2:
        assert time.monotonic() < end
    assert holder.stdin
    assert watcher.stdout
    for sequence in 2, 3, 4:
        holder.stdin.write("\n")
        holder.stdin.flush()
        line = conforms("notification", watcher.stdout.readline())
        assert line["sequence"] == sequence
        assert (line["rate"] is None) if sequence == 2 else (line["rate"] > 0)
    watcher.communicate()
    assert watcher.returncode == 0


# ---- cleaning


@whole_folder
def test_rm_spares_the_living(name: str, killed: Callable[[str, int], None]) -> None:
    killed(f"{name}-dead", 8)
    zinc.create(f"{name}-kept", 8, persistent=True).close()
    with zinc.create(name, 8) as region:
        done = run("rm", name, f"{name}-dead", f"{name}-kept", f"{name}-none")
        assert done.returncode == 1
        assert done.stdout == f"removed {name}-dead\nremoved {name}-kept\n"
        assert (
            "it is in use; its name stays as long as somebody is attached; --force" in done.stderr
        )
        assert f'"{name}-none": not found' in done.stderr
        assert run("rm", name, "--force", "--dry-run").stdout == f"would remove {name}\n"
        assert (SHM / f"zinc_{name}").exists()
        with zinc.open(name) as other:
            assert run("rm", name, "--force").stdout == f"removed {name}\n"
            assert not (SHM / f"zinc_{name}").exists()
            # As the help says: they are told once, go on, and share nothing with a new one.
            assert region.try_wait()
            assert not region.try_wait()
            assert other.try_wait()
            with zinc.create(name, 8) as new:
                region.as_buffer()[0] = 1
                region.notify()
                assert other.try_wait()
                assert other.as_buffer()[0] == 1
                assert (new.as_buffer()[0], new.sequence) == (0, 0)


@whole_folder
def test_gc_frees_the_dead_and_says_so(name: str, killed: Callable[[str, int], None]) -> None:
    killed(name, 1 << 20)
    with zinc.create(f"{name}-living", 8):
        dry = run("gc", "--dry-run")
        assert f"would free 1.0 MiB  {name}\n" in dry.stdout
        assert (SHM / f"zinc_{name}").exists()
        memory = os.stat(SHM / f"zinc_{name}").st_blocks * 512
        assert answer("gc", "--json")[name] == memory
        assert not (SHM / f"zinc_{name}").exists()
        assert name not in run("gc").stdout
        assert (SHM / f"zinc_{name}-living").exists()


@whole_folder
def test_gc_where_nobody_is_dead_says_so(name: str) -> None:
    with zinc.create(name, 8):
        assert run("gc").stdout == "0 dead regions, 0 bytes freed\n"


# ---- doctor


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can unmount")
@pytest.mark.parametrize(("kind", "status"), [("tmpfs", "ok"), ("ramfs", "bad")])
def test_doctor_knows_a_tmpfs_without_proc(kind: str, status: str) -> None:
    prepare = f"mount -t {kind} -o mode=1777 none /dev/shm && umount -l /proc"
    command = f"{prepare} && exec {' '.join(COMMAND)} doctor --json"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert (found["/dev/shm"]["status"], found["/proc"]["status"]) == (status, "note")
    assert found["memory limit"]["found"] == "can't be told without /proc"


def test_doctor_finds_this_machine_fit() -> None:
    found = answer("doctor", "--json")
    assert [check["status"] for check in found if check["status"] == "bad"] == []
    names = {check["name"] for check in found}
    assert names >= {
        "/dev/shm",
        "room",
        "O_TMPFILE",
        "locks",
        "futex_waitv",
        "RemoveIPC",
        "huge pages",
    }
    assert all(check["meaning"] for check in found if check["status"] == "note")
    assert run("doctor").returncode == 0


@may_unshare
@pytest.mark.parametrize(
    ("mount", "check", "status", "told"),
    [
        ("mount -t tmpfs -o size=64m,mode=1777 none /dev/shm", "room", "note", "--shm-size"),
        ("mount -t tmpfs -o mode=0777 none /dev/shm", "permissions", "bad", "chmod 1777"),
        ("mount -t ramfs none /dev/shm", "/dev/shm", "bad", "mount -t tmpfs"),
        ("mount -t tmpfs none /dev/shm", "huge pages", "note", "remount,huge=within_size"),
        ("mount -t tmpfs -o huge=advise none /dev/shm", "huge pages", "ok", "hugepages=True"),
        ("mount -t tmpfs -o huge=within_size none /dev/shm", "huge pages", "ok", ""),
    ],
)
def test_doctor_tells_what_is_wrong(mount: str, check: str, status: str, told: str) -> None:
    command = f"{mount} && exec {' '.join(COMMAND)} doctor --json"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, check=False
    )
    (found,) = (c for c in json.loads(done.stdout) if c["name"] == check)
    assert found["status"] == status
    assert told in found["meaning"]
    assert done.returncode == (1 if status == "bad" else 0)


@pytest.mark.parametrize(
    ("setting", "mount", "named", "anonymous"),
    [
        ("always within_size advise [never] deny force", "huge=always", "always", "never"),
        ("always within_size advise [never] deny force", "size=1g", "never", "never"),
        ("always [within_size] advise never deny force", "size=1g", "never", "within_size"),
        ("always within_size advise never [deny] force", "huge=always", "deny", "deny"),
        ("always within_size advise never deny [force]", "size=1g", "force", "force"),
    ],
)
def test_doctor_tells_which_setting_of_huge_pages_counts(
    monkeypatch: pytest.MonkeyPatch, setting: str, mount: str, named: str, anonymous: str
) -> None:
    answers = {
        doctor.SHARED_PAGES: setting,
        "/proc/mounts": f"none /dev/shm tmpfs rw,huge=never 0 0\nnone /dev/shm tmpfs rw,{mount} 0 0",
    }
    monkeypatch.setattr(doctor, "read", lambda path: answers.get(path, ""))
    assert doctor.huge_pages().found == f"{named}, in /dev/shm"
    assert doctor.anonymous_huge_pages().found == anonymous
    for check in doctor.huge_pages(), doctor.anonymous_huge_pages():
        is_well = check.found.partition(",")[0] in ("always", "within_size", "force")
        assert (check.status, check.meaning == "") == ("ok" if is_well else "note", is_well)
    monkeypatch.setattr(doctor, "read", lambda path: "")
    assert (
        doctor.huge_pages().found == doctor.anonymous_huge_pages().found == "this system has none"
    )


def test_doctor_reads_what_logind_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"/etc/systemd/logind.conf": "[Login]\nRemoveIPC=no\n"}
    monkeypatch.setattr(doctor, "read", lambda path: answers.get(path, ""))
    monkeypatch.setattr(os.path, "exists", lambda path: True)
    assert doctor.removal().status == "ok"
    answers.clear()
    assert doctor.removal().status == "note"


# ---- errors


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("info", "nobody-has-this"), 1, 'zinc: examine "nobody-has-this": not found'),
        (("cat", "nobody-has-this"), 1, 'zinc: open "nobody-has-this": not found'),
        (("notify", "a/b"), 1, "a name has 1 to 250 characters"),
        (("put", "x", "/nowhere/at-all"), 1, "zinc: /nowhere/at-all: No such file"),
        (("put", "x", "/dev/null"), 1, "there is nothing to put"),
        (("wait", "x", "--timeout", "-1"), 2, "--timeout"),
        (("wait", "x", "--timeout", "nan"), 2, "--timeout"),
        (("top", "--interval", "nan"), 2, "--interval"),
        (("top", "--interval", "inf"), 2, "--interval"),
        (("info",), 2, "NAME"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_errors_are_one_line(arguments: tuple[str, ...], status: int, told: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert told in done.stderr
    if status == 1:
        assert done.stderr.count("\n") == 1


LOOKS = [["ls"], ["info", "NAME"], ["doctor"], ["cat", "NAME"], ["notify", "NAME"], ["gc"]]
LOOKS += [["--version"], ["--help"], ["rm", "NAME", "--force", "--dry-run"], ["bench", "rows"]]
LOOKS += [["wait", "NAME", "--after", "7"], ["watch", "NAME", "--count", "1"]]


def shell(name: str, arguments: list[str], rest: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that does something to its standard streams."""
    with zinc.create(name, 1 << 20, persistent=True) as region:
        command = " ".join([*COMMAND, *arguments]).replace("NAME", name)
        end = threading.Event()

        def tell() -> None:
            while not end.wait(0.01):
                region.notify()

        notifier = threading.Thread(target=tell)
        notifier.start()
        try:
            done = subprocess.run(
                ["bash", "-c", f"{command} {rest}"],
                env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            end.set()
            notifier.join()
            zinc.unlink(name, force=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    return done


@pytest.mark.parametrize("arguments", LOOKS, ids=lambda words: words[0])
def test_output_that_can_not_be_written_is_told_in_one_line(
    name: str, arguments: list[str]
) -> None:
    closed = shell(name, arguments, ">&-")
    assert (closed.returncode, closed.stderr) == (1, "zinc: standard output is closed\n")
    full = shell(name, arguments, "> /dev/full")
    assert (full.returncode, full.stderr) == (1, "zinc: No space left on device\n")
    for rest in "| true", "| head -c 1":
        assert shell(name, arguments, rest).stderr == ""


def test_input_that_is_closed_is_told_in_one_line(name: str) -> None:
    done = shell(name, ["put", "NAME"], "<&-")
    assert (done.returncode, done.stderr) == (1, "zinc: standard input is closed\n")
    for rest in "<&-", "2>&-", "<&- 2>&-":
        assert shell(name, ["info", "NAME"], rest).returncode == 0


@pytest.mark.parametrize(
    "settings", ["PYTHONIOENCODING=ascii", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"]
)
def test_terminal_that_has_few_characters_gets_their_numbers(name: str, settings: str) -> None:
    environment = {**os.environ, **dict(word.split("=") for word in settings.split())}
    array = zinc.array(name, 2, [("größe", "f4")])
    for words in ("ls",), ("ls", "--json"), ("info", name), ("doctor",), ("gc",), ("--help",):
        done = run(*words, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
        assert words != ("info", name) or "gr\\xf6\\xdfe" in done.stdout
    for words in ("info", "größe"), ("cat", "größe"), ("rm", "größe"), ("notify", "größe"):
        done = run(*words, env=environment)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert done.stderr.startswith("zinc: ")
    del array


def test_top_asks_for_a_terminal() -> None:
    done = run("top")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "zinc: top needs a terminal; zinc ls --json is for other programs\n"


def test_lines_for_other_programs_end_where_their_text_does(name: str) -> None:
    with zinc.create(name, 1):
        for command in ("ls",), ("info", name), ("doctor",):
            lines = run(*command).stdout.splitlines()
            assert lines == [line.rstrip() for line in lines]


def test_help_of_each_command() -> None:
    assert run("--version").stdout.startswith(f"version {zinc.__version__}, layout 4, ")
    assert run().returncode == 2
    text = run("--help").stdout
    for command in (
        *("ls", "info", "watch", "top", "cat", "put", "notify", "wait", "rm", "gc", "doctor"),
        *("record", "replay", "bench"),
    ):
        assert re.search(rf"^  {command} ", text, re.MULTILINE)
        assert run(command, "--help").returncode == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("python train.py", "train.py"),
        ("/usr/bin/python3.11 -u -X dev -Wd /opt/app/train.py --epochs 3", "train.py"),
        ("python -m pkg.mod -c x", "pkg.mod"),
        ("python3 -uIm pkg.mod", "pkg.mod"),
        ("python3 -mpkg.mod", "pkg.mod"),
        ("python --check-hash-based-pycs never app/", "app"),
        ("python3 -W ignore -c code train.py", "python3 -c"),
        ("python3 -", "python3"),
        ("python3", "python3"),
        ("python3 -m", "python3"),
        ("/usr/bin/redis-server *:6379", "redis-server"),
    ],
)
def test_processes_are_named_after_their_script(line: str, told: str) -> None:
    assert _holders.program(line.split(" ")) == told


def test_ls_names_the_script(name: str, tmp_path: Path) -> None:
    script = tmp_path / "train it.py"
    script.write_text(f"import zinc; r = zinc.create({name!r}, 8); print(flush=True); input()")
    pipe = subprocess.PIPE
    command = [sys.executable, "-u", str(script)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        assert f" {process.pid} train it.py (" in run("ls", name).stdout
        (seen,) = listed(name)["holders"]
        assert (seen["program"], seen["command"]) == ("train it.py", " ".join(command))
        process.communicate(b"\n")


def test_inspection_knows_attach_locks_from_others() -> None:
    line = "1: OFDLCK ADVISORY  READ -1 00:1a:166020 0 0"
    assert _holders.attach_lock(line) == (os.makedev(0, 0x1A), 166020)
    for other in (
        "1: OFDLCK ADVISORY  WRITE -1 00:1a:166020 1 1",
        "2: POSIX  ADVISORY  READ 12 00:1a:166020 0 0",
        "2: -> OFDLCK ADVISORY  READ -1 00:1a:166020 0 0",
        "",
    ):
        assert _holders.attach_lock(other) is None


# ---- top


class Terminal:
    """`zinc top`, or another command, in a terminal, whose screen can be read."""

    def __init__(
        self,
        rows: int,
        columns: int,
        settings: dict[str, str],
        command: tuple[str, ...] = ("top", "--interval", "0.1"),
        program: Sequence[str | Path] = COMMAND,
    ) -> None:
        pexpect = pytest.importorskip("pexpect")
        pyte = pytest.importorskip("pyte")
        pytest.importorskip("textual")
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.timeout, self.end = pexpect.TIMEOUT, pexpect.EOF
        self.child = pexpect.spawn(
            str(program[0]), [*map(str, program[1:]), *command],
            dimensions=(rows, columns), env={**os.environ, "TERM": "xterm-256color", **settings},
            encoding="utf-8", codec_errors="replace",
            use_poll=True,  # select() is of no use beside the descriptors of a thousand regions
        )  # fmt: skip

    def until(
        self,
        *texts: str,
        meanwhile: Callable[[], object] = lambda: None,
        when: Callable[[list[str]], bool] = lambda lines: True,
    ) -> list[str]:
        """Return the lines of the screen once they have these texts, and `when` agrees.

        What was read may end amid a redrawing: the screen is looked at until it is as asked.
        """
        end = time.monotonic() + 60
        while True:
            lines = [line.rstrip() for line in self.screen.display]
            if all(any(text in line for line in lines) for text in texts) and when(lines):
                return lines
            assert time.monotonic() < end, "\n".join(lines)
            meanwhile()
            try:
                self.stream.feed(self.child.read_nonblocking(1 << 16, timeout=0.05))
            except self.timeout:
                continue

    def quit(self, key: str) -> None:
        self.child.send(key)
        self.child.expect(self.end)
        self.child.close()
        assert self.child.exitstatus == 0


@whole_folder
@pytest.mark.parametrize("size", [(24, 80), (40, 160)])
@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}])
def test_top_in_a_terminal(name: str, size: tuple[int, int], settings: dict[str, str]) -> None:
    with zinc.create(f"{name}-small", 10), zinc.create(f"{name}-large", 1 << 20) as large:
        terminal = Terminal(*size, settings)

        def is_large_first(lines: list[str]) -> bool:
            found = [m[0] for line in lines if (m := re.search(rf"{name}-\w+", line))]
            return found == [f"{name}-large", f"{name}-small"]

        told = f"{name}-small", " regions, ", "/dev/shm", "by rate", "█", "quit"
        lines = terminal.until(*told, meanwhile=large.notify, when=is_large_first)
        assert all(len(line) <= size[1] for line in lines)
        terminal.child.send("n")
        terminal.until("by name")
        terminal.child.send("s")
        terminal.until("by size", when=is_large_first)
        terminal.quit("q")


@whole_folder
def test_top_of_a_thousand_regions(name: str) -> None:
    many = [zinc.create(f"{name}-{i}", 1) for i in range(1000)]
    count = len(list(SHM.glob("zinc_*")))
    terminal = Terminal(24, 80, {})
    terminal.until(f"{count} regions, ")
    start = time.monotonic()
    terminal.child.send("n")
    terminal.until("by name", f"{name}-10 ")
    print(f"zinc top of 1000 regions: {time.monotonic() - start:.2f} s from a key to the screen")
    many.pop().close()
    terminal.until(f"{count - 1} regions, ")
    terminal.quit("\x03")
    for region in many:
        region.close()
