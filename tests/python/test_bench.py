"""The benchmarks: that they measure what they say, not how much it is."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("typer", reason="the command's libraries are not here")
pytest.importorskip("matplotlib", reason="the benchmarks' libraries are not here")

import numpy

from zinc.bench import (
    channels,
    colours,
    conclusions,
    hot_path,
    jobs,
    killed,
    latency,
    locks,
    lost,
    messages,
    method,
    native,
    objects,
    plots,
    python_locks,
    queues,
    quiet,
    runner,
    suites,
)
from zinc.bench.comparison import compare
from zinc.bench.delivery import deliver
from zinc.bench.method import Settings
from zinc.bench.results import Result, Run, rate_text, size_text, time_text, value_text
from zinc.bench.tables import tables, unflattering
from zinc.bench.transports import Bytes, Transport, UnixSocket, Zinc

from .conftest import ROOT

QUICK = Settings.of(quick=True)
WATCHDOG = 60.0  # seconds


def zinc(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zinc", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """All suites, as the command runs them."""
    done = zinc("bench", "all", "--quick", "--output", folder)
    assert (done.returncode, done.stderr) == (0, "")
    for suite in suites.SUITES.values():
        assert f"{suite.name}: {suite.title}" in done.stdout
    return Run.read(folder / "results.json")


def test_quick_run_has_every_row(run: Run) -> None:
    """Every contender of every point has samples, or tells why not."""
    found: dict[tuple[str, str], set[str]] = {}
    for result in run.results:
        found.setdefault((result.suite, result.point), set()).add(result.contender)
        assert (result.skipped is None) == bool(result.samples), result
        if result.skipped:
            assert re.match("not installed: |there is no ", result.skipped), result
            continue
        assert len(result.samples) <= QUICK.samples
        assert all(sample >= 0 for sample in result.samples)
        assert result.best <= result.median
        if result.unit == "ns":
            assert result.best > 0, result
        if result.percentiles:
            shares = list(result.percentiles.values())
            assert shares == sorted(shares)
            assert result.histogram
    for suite in suites.SUITES.values():
        for point in suite.points(True):
            assert set(point.contenders) <= found[suite.name, point.name]


def test_hot_path_costs_nothing(run: Run) -> None:
    counted = [result for result in run.results if result.unit in ("allocations", "system calls")]
    assert {result.suite for result in counted} == {"channels", "hot-path", "locks"}
    assert {sample for result in counted for sample in result.samples} == {0}
    assert all(r.samples for r in counted if r.contender == "malloc counter")


def test_hand_over_does_not_grow_with_size_and_copies_do() -> None:
    """A copy takes its time always; what takes none is found to once nobody interrupts it."""
    best: dict[tuple[str, int], float] = {}

    def growth(way: type[Transport]) -> float:
        return best[way.name, 1 << 26] / best[way.name, 1 << 10]

    end = time.monotonic() + WATCHDOG
    try:
        while not best or growth(Zinc) * 10 >= growth(UnixSocket):
            assert time.monotonic() < end, best
            for size in 1 << 10, 1 << 26:
                for found in deliver("suite", "point", size, [Zinc, UnixSocket], QUICK):
                    if found.quantity == "hand-over":
                        key = found.contender, size
                        best[key] = min(found.best, best.get(key, found.best))
    finally:
        method.unpin()


def test_report_stands_alone_and_says_all(run: Run, folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == page.count("<figcaption>") == len(plots.PLOTS)
    assert "Not drawn" not in page
    places = [page.index(f">{title}<") for _, title, *_ in plots.PLOTS]  # text in the pictures
    assert places == sorted(places)
    assert [name for name, *_ in plots.PLOTS[:2]] == ["jobs", "latency-asleep"]
    assert page.index("<h3>asleep</h3>") < page.index("<h3>back to back</h3>")
    assert not re.search(
        r"""(src|href)=["']?(?!#)""", re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    )
    assert "A quick run" in page
    assert "What does not flatter zinc" in page
    for fact in ("processor", "kernel", "governor", "huge pages", "memory"):
        assert f"<dt>{fact}</dt><dd>{run.machine[fact]}" in page
    for result in run.results:
        assert f"<td>{result.contender}</td>" in page
    for name, *_ in plots.PLOTS:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.svg").read_text().startswith("<?xml")


def test_everybody_has_one_colour_and_zinc_shares_it_with_nobody() -> None:
    """Whoever is in a plot, and however many others are."""
    latency = (("latency", "asleep"), ("latency", "back to back"))
    drawn = [
        point.contenders
        for suite in suites.SUITES.values()
        for point in suite.points(False)
        if suite.name in (*plots.DELIVERY, "access") or (suite.name, point.name) in latency
    ]
    for names in drawn:
        styles = [colours.style_of(name, list(names)) for name in names]
        looks = [(style["color"], style["linestyle"]) for style in styles]
        assert len(set(looks)) == len(looks), names
        for name, style in zip(names, styles, strict=True):
            assert (style["color"] == colours.ZINC) == name.startswith("zinc")
            assert style["color"] == colours.colour_of(name)
    together = [
        name for suite in plots.DELIVERY for name in suites.SUITES[suite].points(True)[0].contenders
    ]
    everybody = list(dict.fromkeys(together))
    looks = [
        (s["color"], s["linestyle"]) for s in (colours.style_of(n, everybody) for n in everybody)
    ]
    assert len(set(looks)) == len(looks)


def test_plot_says_what_it_shows_or_what_it_would_take(tmp_path: Path) -> None:
    found = [result([100, 300], "zinc"), result([250, 900], "Pipe"), result([50_000], "Queue")]
    for one in found:
        one.suite, one.quantity, one.size = "peers", "hand-over", 1024
    pictures = {picture.name: picture for picture in plots.draw(a_run(*found), tmp_path)}
    assert [name for name, picture in pictures.items() if picture.path] == ["hand-over"]
    assert pictures["hand-over"].sentence == (
        "With 1 KiB, the hand-over takes 100 ns by “zinc”, 250 ns by “Pipe”, the fastest other "
        "(2.5 times as long), 50 µs by “Queue”, the slowest (500 times as long)."
    )
    assert ">Until the consumer holds the payload<" in (tmp_path / "hand-over.svg").read_text()
    assert pictures["access"].sentence == "it takes results of access"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hand-over.png", "hand-over.svg"]


def test_sentence_does_not_flatter() -> None:
    ours, other = result([100]), result([20], "other")
    told = conclusions.of_round_trips([ours, other], "Awake")
    assert "20 ns by “other”, the fastest other (5 times as fast)" in told
    assert "slowest" not in told
    assert "(about the same)" in conclusions.of_round_trips([ours, result([95], "other")], "Awake")
    assert conclusions.of_round_trips([ours], "Awake") == "Only zinc was measured."


def test_row_is_run_alone_with_zinc_beside_it(tmp_path: Path) -> None:
    row = "unix-sockets/1 KiB/Unix socket"
    assert row in zinc("bench", "rows", "--quick").stdout.splitlines()
    assert row in json.loads(zinc("bench", "rows", "--quick", "--json").stdout)
    done = zinc("bench", "unix-sockets", "--quick", "--row", row, "--output", tmp_path)
    assert done.returncode == 0
    assert "Warning" not in done.stderr
    assert "Reading and writing memory: not drawn; it takes results of access" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    assert {result["point"] for result in results} == {"1 KiB"}
    names = ["zinc", "zinc, copied in", "Unix socket"]
    assert list(dict.fromkeys(result["contender"] for result in results)) == names


def test_what_can_not_be_asked_for(tmp_path: Path) -> None:
    done = zinc("bench", "unix-sockets", "--row", "nonsense", "--output", tmp_path)
    assert done.returncode == 2
    assert "no row fits" in done.stderr
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]")
    done = zinc("bench", "compare", nothing, nothing)
    assert done.returncode == 1
    assert done.stderr.startswith(f"zinc: {nothing} is not a file that zinc bench wrote")
    assert done.stderr.count("\n") == 1


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    """Without redis-server, valgrind and strace on the path, the rows say so."""
    chosen = ["redis", "hot-path"]
    for suite in chosen:
        done = zinc("bench", suite, "--quick", "--output", tmp_path / suite, PATH="/nowhere")
        assert done.returncode == 0, done.stderr
    found = [r for suite in chosen for r in Run.read(tmp_path / suite / "results.json").results]
    reasons = {r.contender: r.skipped for r in found if r.skipped}
    assert reasons["valgrind dhat"] == "there is no valgrind on the path"
    assert reasons["strace"] == "there is no strace on the path"
    assert reasons["Redis, TCP"] in (
        "there is no redis-server on the path",
        "not installed: redis",
    )


@pytest.mark.needs("redis-server")
def test_redis_server_that_is_named_is_used(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    socket = tmp_path / "socket"
    options = ("--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path))
    server = subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        for line in server.stdout:
            if "ready to accept connections" in line.lower():
                break
        url = f"unix://{socket}"
        row = "redis/1 KiB/*"
        where = ("--redis", url, "--output", str(tmp_path / "found"))
        done = zinc("bench", "redis", "--quick", "--row", row, *where, PATH="/nowhere")
        assert done.returncode == 0, done.stderr
        run = Run.read(tmp_path / "found/results.json")
        assert run.find("redis", "1 KiB", "Redis, Unix", "hand-over")
        reasons = {r.contender: r.skipped for r in run.results if r.skipped}
        assert reasons == {"Redis, TCP": "the server that was named is reached the other way"}
        told = subprocess.check_output(["redis-cli", "-s", str(socket), "info", "commandstats"])
        assert b"cmdstat_set:" in told
    finally:
        server.terminate()
        server.communicate()


# ---- the method


def test_contenders_take_turns() -> None:
    assert list(method.in_turns("ab", 3)) == ["a", "b", "b", "a", "a", "b"]
    assert [method.warm_up(n) for n in (1, 10, 1000)] == [1, 1, 100]


def test_pinned_first_is_pinned_before_it_attaches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side makes handles of its own, and has one processor by then."""
    processors: list[set[int]] = []

    class Watched(native.Handle):
        def __init__(self, capacity: int | None, descriptor: int = -1) -> None:
            processors.append(os.sched_getaffinity(0))
            super().__init__(capacity, descriptor)

    monkeypatch.setattr(latency, "Handle", Watched)
    monkeypatch.setattr(native, "Handle", Watched)
    first, second = method.processors()
    seen = method.shared(2)  # in the other process: if all was well there, and handles of its own

    class Checked(latency.PinnedRegions):
        def attach(self) -> tuple[int, int]:
            places = super().attach()
            seen[:] = processors[2:] == [{second}] * 2, len({*places} - {self.there, self.back})
            return places

    with Checked() as channel:
        assert processors == [{first}] * 2
        times = latency.converse(channel, latency.MODES["pinned first"], 20)
    assert seen.tolist() == [1, 2]
    assert len(times) == 20
    assert times.min() > 0


@pytest.mark.parametrize("name", locks.TOGETHER)
def test_who_contend_are_excluded(name: str) -> None:
    taken, handed = locks.contend(locks.TOGETHER[name], 20_000)
    assert handed >= taken > 0


@pytest.mark.parametrize("name", python_locks.PYTHON)
def test_two_contend_from_python(name: str) -> None:
    if name == "filelock":
        pytest.importorskip("filelock")
    taken, handed = python_locks.contend(python_locks.PYTHON[name], 500)
    assert handed >= taken > 0


def test_a_lock_that_excludes_nobody_is_found_out() -> None:
    own = method.private(64)  # each process's
    place = contextlib.nullcontext((native.WORD, native.address_of(own)))
    with pytest.raises(RuntimeError, match=r"not excluded|other process ended"):
        locks.contend(lambda: place, 1_000_000)


# ---- channels


@pytest.mark.parametrize("size", [8, 1024])
@pytest.mark.parametrize("name", channels.STREAMS)
def test_every_message_of_a_stream_arrives(name: str, size: int) -> None:
    """The other process looks at each."""
    assert channels.stream(channels.STREAMS[name], size, 20_000) > 0


def test_a_stream_with_messages_of_somebody_else_is_found_out() -> None:
    @contextlib.contextmanager
    def make(size: int) -> Iterator[channels.Carried]:
        with channels.ring(size) as ring:
            native.library().zincbench_send(ring.kind, ring.writer(), size, 3)
            yield ring

    with pytest.raises(RuntimeError, match="other process ended"):
        channels.stream(make, 8, 1_000)


@pytest.mark.parametrize("name", channels.SPREAD)
def test_writer_is_measured_while_others_read(name: str) -> None:
    assert channels.spread(channels.SPREAD[name], 3, 1_000) > 0


@pytest.mark.parametrize("readers", [1, 3])
@pytest.mark.parametrize("name", messages.WAYS)
def test_every_reader_has_every_message(name: str, readers: int) -> None:
    """Each looks at all of each."""
    if reason := messages.WAYS[name].missing(None):
        pytest.skip(reason)
    way = messages.WAYS[name](4096, f"zinc-bench-{os.getpid()}-test", readers)
    try:
        with messages.crowd([way], readers) as run:
            for quantity in messages.FILLED, messages.HANDED:
                assert run(way, quantity, 50) > 0
    finally:
        runner.clear_away(os.getpid())  # iceoryx2 leaves something


class Forgetful(messages.SimpleQueue):
    """One that hands over something else than was sent."""

    def send(self) -> None:
        for queue in self.queues:
            queue.put(numpy.zeros_like(self.array))


def test_wrong_message_is_found_out() -> None:
    way = Forgetful(64, "forgetful", 1)
    with (
        pytest.raises(RuntimeError, match=r"a reader has failed|other process ended"),
        messages.crowd([way], 1) as run,
    ):
        run(way, messages.FILLED, 1)


@pytest.mark.parametrize("victim", killed.VICTIMS)
def test_others_go_on_after_kills(victim: str) -> None:
    system = killed.Zinc(f"bench-{os.getpid()}")
    assert killed.kill(system, killed.VICTIMS[victim], 5, WATCHDOG) == (0, {})
    system.end()


class Fragile(killed.SimpleQueue):
    """One whose writers take a lock, with which the victim is killed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lock = multiprocessing.get_context("fork").Lock()

    def writer(self, stays: bool) -> killed.Send:
        send = super().writer(stays)

        def locked(number: int) -> None:
            with self.lock:
                send(number)

        return locked

    def take(self) -> None:
        self.lock.acquire()


def test_who_does_not_go_on_is_found_out() -> None:
    victim = killed.VICTIMS["after an idle writer"]
    assert killed.kill(Fragile("fragile"), victim, 5, longest=0.5) == (1, {})


def test_table_of_kills_says_yes_and_no_and_what_is_lost() -> None:
    found = [result([0]), result([3], "other"), result([], "third"), result([0], "fourth")]
    for one in found:
        one.unit, one.operations = "kills", 5
    found[2].skipped = "not installed: third"
    for what, number in ("lost", 7), ("twice", 0):
        counted = dataclasses.replace(found[3], quantity=f"time, {what}", samples=[number])
        counted.unit = "messages"
        found.append(counted)
    (table,) = tables(a_run(*found))
    assert table.columns == ["", "time"]
    assert table.rows == [
        ["zinc", "yes"],
        ["other", "no, after 3"],
        ["third", "- not installed: third"],
        ["fourth", "yes, 7 lost"],
    ]
    assert table.note.startswith("5 of them")


# ---- objects


@pytest.mark.parametrize("what", objects.KINDS)
@pytest.mark.parametrize("name", objects.WAYS)
def test_objects_arrive_as_they_were_put(name: str, what: str) -> None:
    found = list(objects.measure("here", [name], QUICK, what=what, size=1 << 16))
    if reason := found[0].skipped:
        pytest.skip(reason)
    gets = [objects.GET] if objects.WAYS[name].gets else []
    quantities = [result.quantity for result in found]
    assert quantities[: 1 + len(gets)] == [objects.PUT, *gets]
    assert all(result.best >= 0 for result in found)


class Shortening(objects.Zinc):
    """One that leaves something else."""

    def put(self, value: object) -> object:
        assert isinstance(value, numpy.ndarray)
        return super().put(value[1:])


def test_wrong_object_that_was_put_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(objects.WAYS, "zinc", Shortening)
    try:
        with pytest.raises(RuntimeError, match="what arrived is not what was put"):
            list(objects.measure("here", ["zinc"], QUICK, what="array", size=1 << 16))
    finally:
        method.unpin()


# ---- queues


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", queues.WAYS)
def test_every_object_goes_to_one_worker(name: str, workers: int) -> None:
    """Each worker looks at all of each object that it gets, and counts them."""
    if reason := queues.WAYS[name].missing(None):
        pytest.skip(reason)
    unique = f"zinc-bench-{os.getpid()}-test"

    def share() -> None:
        way = queues.WAYS[name](1 << 16, unique, None, workers)
        with messages.crowd([way], workers, queues.ENDS) as run:
            for quantity in queues.QUANTITIES:
                assert run(way, quantity, 50) > 0
                assert way.board[:, 0].sum() == 50

    # In a process of its own: multiprocessing keeps what memory faster-fifo had of it.
    process = multiprocessing.get_context("fork").Process(target=share)
    process.start()
    process.join()
    assert process.exitcode == 0


class Careless(queues.SimpleQueue):
    """One that hands over something else than was put, once in a while."""

    def put(self, item: object) -> None:
        if isinstance(item, dict):
            item = {**item, "labels": item["labels"] + 1}
        super().put(item)


def test_wrong_object_is_found_out() -> None:
    way = Careless(1024, "careless", None, 1)
    with (
        pytest.raises(RuntimeError, match=r"a reader has failed|other process ended"),
        messages.crowd([way], 1, queues.ENDS) as run,
    ):
        run(way, queues.READ, 3)


def test_wrong_object_is_found_out_by_who_has_waited_for_it() -> None:
    try:
        with pytest.raises(RuntimeError, match="what arrived is not what was sent"):
            list(deliver("test", "here", 1024, [Careless], QUICK))
    finally:
        method.unpin()


KILLS = 5


def after_kills(way: type[queues.Way], victim: str) -> tuple[int, dict[str, int]]:
    """Return after how many kills the others stood still, and what was lost or came twice."""
    made = way(killed.SIZE, f"bench-{os.getpid()}-{victim.replace(' ', '-')}", None)
    made.writers = 2
    system = lost.System(made)
    try:
        return killed.kill(system, lost.VICTIMS[victim], KILLS, WATCHDOG)
    finally:
        system.close()


@pytest.mark.parametrize(
    ("way", "victim", "twice"),
    [
        (queues.Zinc, "after an idle worker", 0),
        (queues.Zinc, "after a busy worker", KILLS),
        (queues.Zinc, "after a writer", 0),
        (queues.ZincDefault, "after an idle worker", 0),
        (queues.ZincDefault, "after a busy worker", KILLS),
        # A writer would leave an object that is under way, for as long as its lease.
    ],
)
def test_queue_loses_nothing_and_gives_again_what_a_killed_worker_had(
    monkeypatch: pytest.MonkeyPatch, way: type[queues.Way], victim: str, twice: int
) -> None:
    monkeypatch.setattr(lost, "STILL", WATCHDOG)  # all comes
    assert after_kills(way, victim) == (0, {"lost": 0, "twice": twice})


def test_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost, "STILL", 2.0)  # what is late is not lost
    told = after_kills(queues.SimpleQueue, "after a busy worker")
    assert told == (0, {"lost": KILLS, "twice": 0})


class Stuttering(queues.SimpleQueue):
    """One that hands over everything twice."""

    def put(self, item: object) -> None:
        super().put(item)
        super().put(item)


def test_what_comes_twice_is_counted() -> None:
    count, told = after_kills(Stuttering, "after a busy worker")
    assert (count, told["lost"]) == (0, 0)
    assert told["twice"] > KILLS


# ---- jobs


def test_job_is_measured_and_its_lines_are_counted() -> None:
    chosen = "zinc", "Pipe"
    found = list(jobs.measure("vector environments", chosen, QUICK))
    assert [(one.contender, one.quantity) for one in found] == [
        (name, quantity) for name in chosen for quantity in ("a step of four", "lines")
    ]
    assert all(sample > 0 for one in found for sample in one.samples)
    assert [one.samples for one in found if one.unit == "lines"] == [[15.0], [10.0]]


def test_wrong_result_of_a_job_is_found_out() -> None:
    wrong = dataclasses.replace(jobs.JOBS["request and reply"], expected=lambda number: -1)
    with (
        jobs.running(jobs.RequestPipe, wrong) as run,
        pytest.raises(RuntimeError, match="Pipe: 0 is not -1"),
    ):
        run(1)


def test_other_process_of_a_job_that_has_failed_is_found_out() -> None:
    class Failing(jobs.StepsZinc):
        """One whose step does not need the others."""

        name = "failing"

        def serve(self) -> None:
            os._exit(1)

        def step(self, number: int) -> int:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            return 0

    job = jobs.JOBS["vector environments"]
    with (
        jobs.running(Failing, job) as run,
        pytest.raises(RuntimeError, match="failing: another process has failed"),
    ):
        run(1)


def test_way_that_fails_takes_no_other_one_along(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(jobs.StepsPipe):
        """One whose library has something."""

        name = "failing"

        def begin(self) -> None:
            raise OSError("it is not in the mood")

    job = dataclasses.replace(jobs.JOBS["vector environments"], ways=(Failing, jobs.StepsZinc))
    monkeypatch.setitem(jobs.JOBS, "vector environments", job)
    found = list(jobs.measure("vector environments", ("failing", "zinc"), QUICK))
    assert {one.contender: one.skipped for one in found} == {
        "failing": "failed: OSError: it is not in the mood",
        "zinc": None,
    }


TOLD = re.compile(r"^\| (.+?) \| .+ \| .+ \| (\d+) \|$", re.MULTILINE)


@pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documentation is not here")
@pytest.mark.parametrize("job", jobs.JOBS)
def test_page_of_a_job_tells_the_lines_that_are_counted(job: str) -> None:
    """What its table says of each way, below a head that has the job's name and quantity."""
    head = f"\n| {job} | {jobs.JOBS[job].quantity} | x zinc | lines |\n|---|---:|---:|---:|\n"
    pages = [page.read_text() for page in (ROOT / "docs/patterns").glob("*.md")]
    (table,) = [page.split(head)[1].split("\n\n")[0] for page in pages if head in page]
    ways = {way.name: way for way in jobs.JOBS[job].ways}
    told = TOLD.findall(table)
    assert told[0][0] == "zinc"
    assert len(told) == len(table.splitlines())
    assert dict(told) == {name: str(jobs.written(ways[name])) for name, _ in told}


@pytest.mark.parametrize("name", queues.CALLS)
def test_every_call_is_timed(name: str) -> None:
    times = queues.CALLS[name](100)
    assert len(times) == 100
    assert times.min() > 0


def test_table_of_queues_tells_how_many_a_second() -> None:
    found = [result([2_000, 4_000]), result([20_000_000], "other"), result([1e9], "third")]
    for one in found:
        one.suite = "queues"
    (table,) = tables(a_run(*found))
    assert table.columns == ["", "time, a second, best", "median", "time, x zinc"]
    assert table.rows == [
        ["zinc", "500,000", "333,333", "1"],
        ["other", "50", "50", "1e+04"],
        ["third", "1", "1", "5e+05"],
    ]


@pytest.mark.parametrize(
    ("operations", "told"),
    [
        (1, ["P50", "maximum"]),
        (30, ["P50", "maximum"]),
        (49, ["P50", "maximum"]),
        (50, ["P50", "P90", "maximum"]),
        (499, ["P50", "P90", "maximum"]),
        (500, ["P50", "P90", "P99", "maximum"]),
        (5_000, ["P50", "P90", "P99", "P99.9", "maximum"]),
        (50_000, ["P50", "P90", "P99", "P99.9", "P99.99", "maximum"]),
    ],
)
def test_percentile_is_told_if_there_are_enough_operations(
    operations: int, told: list[str]
) -> None:
    found = method.percentiles(numpy.arange(1, operations + 1))
    assert list(found) == told
    for name, value in found.items():
        share = 100 if name == "maximum" else float(name[1:])
        assert value == max(1, math.ceil(operations * share / 100))
        assert name in ("P50", "maximum") or operations - value >= 5


def test_table_has_an_empty_cell_for_a_percentile_of_too_few() -> None:
    few, many = result([50]), result([50], "other")
    for found, operations in (few, 30), (many, 1_000):
        found.suite = "latency"
        found.percentiles = method.percentiles(numpy.arange(operations))
    (table,) = tables(a_run(few, many))
    assert table.columns[4:] == ["P90", "P99", "maximum", "of"]
    assert [row[4:6] for row in table.rows] == [["", ""], ["899 ns", "989 ns"]]
    assert [row[6] for row in table.rows] == ["29 ns", "999 ns"]


class Lossy(Transport):
    """One that hands over something else than was sent."""

    name = "lossy"

    def start_consumer(self) -> None:
        self.array = method.shared(self.size, "u1")
        self.other = method.shared(self.size, "u1")

    start_producer = start_consumer

    def payload(self) -> Bytes:
        return self.array

    def send(self) -> None:
        pass

    def next(self) -> Bytes:
        return self.other


class Failing(Lossy):
    """One whose consumer fails."""

    name = "failing"

    def next(self) -> Bytes:
        raise RuntimeError("this fails")


@pytest.mark.parametrize(
    ("way", "message"),
    [(Lossy, "what arrived is not what was sent"), (Failing, "the consumer has failed")],
)
def test_wrong_delivery_is_found_out(way: type[Transport], message: str) -> None:
    try:
        with pytest.raises(RuntimeError, match=message):
            list(deliver("test", "here", 1024, [way], QUICK))
    finally:
        method.unpin()


def test_worker_that_dies_leaves_a_reason_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "WATCHDOG", 0.5)
    settings = Settings.of(quick=False)
    job = runner.Job("access", "100 MB", ("zinc", "private memory"))
    results = runner.run_one(job, settings, lambda _: None)
    assert [(r.contender, r.skipped) for r in results] == [
        (name, "took longer than 0.5 s") for name in job.contenders
    ]


@pytest.mark.parametrize(
    ("counter", "what"),
    [(name, "calls") for name in hot_path.COUNTERS]
    + [(name, "messages") for name in hot_path.OF_MESSAGES],
)
def test_counters_count(counter: str, what: hot_path.What) -> None:
    _, count, program = hot_path.COUNTERS[counter]
    if program and not any(Path(p, program).exists() for p in os.get_exec_path()):
        pytest.skip(f"there is no {program} here")
    assert count(10, 7, what) == 7  # and none of the calls


# ---- a quiet machine


STAT = "cpu  100 10 50 1000 40 5 5 30 7 3\ncpu0 1 1 1 1 1 1 1 1 1 1\n"


def test_ticks_are_read_as_the_kernel_counts_them() -> None:
    """Guests' time is in users' already; waiting for a disk is not being busy."""
    assert quiet.Ticks.of(STAT) == quiet.Ticks(busy=170, stolen=30, total=1240)
    assert quiet.Ticks.of("") == quiet.Ticks(0, 0, 0)


def a_look(
    loop: float = 100, uneven: float = 1, others: float = 0, stolen: int = 0, total: int = 0
) -> quiet.Look:
    return quiet.Look(loop, uneven, others, quiet.Ticks(0, stolen, total))


def test_quiet_machine_is_not_doubted() -> None:
    first, last = a_look(uneven=1.1, others=0.2), a_look(105, 1.1, 0.2, 1, 1000)
    assert quiet.doubts_of(first, "before") == []
    assert quiet.doubts_between(first, last) == []


def test_busy_machine_is_doubted() -> None:
    assert quiet.doubts_of(a_look(others=1.5, uneven=2), "before") == [
        "Other programs kept 1.5 processors busy before.",
        "A loop took 2.0 times its shortest time before.",
    ]
    assert quiet.doubts_between(a_look(), a_look(150, stolen=50, total=1000)) == [
        "Other virtual machines took 5% of the processors' time meanwhile.",
        "A loop took 1.50 times as long afterwards as before.",
    ]
    assert len(quiet.doubts_between(a_look(150), a_look(100))) == 1


def test_processes_that_spin_are_seen(tmp_path: Path) -> None:
    """As many as there are processors: this one has to share with them."""
    code = "print(flush=True)\nwhile True: pass"
    command = [sys.executable, "-c", code]
    count = os.cpu_count() or 1
    spinning = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in spinning:
            assert process.stdout
            process.stdout.readline()
        row = "latency/nobody there/zinc_notify"
        done = zinc("bench", "latency", "--quick", "--row", row, "--output", tmp_path)
    finally:
        for process in spinning:
            process.kill()
            process.communicate()
    assert done.returncode == 0
    (first, *_) = (line for line in done.stdout.splitlines() if line)
    assert first.startswith("The machine is too busy to measure well; going on. Other programs")
    doubts = Run.read(tmp_path / "results.json").doubts
    assert doubts[0].startswith("Other programs kept ")
    assert "too busy to measure well.</b> Other programs" in (tmp_path / "report.html").read_text()
    results = tmp_path / "results.json"
    told = zinc("bench", "compare", results, results).stdout
    assert "before: the machine was too busy" in told
    assert "after: the machine was too busy" in told


# ---- results


def result(samples: Sequence[float], contender: str = "zinc", **more: float) -> Result:
    found = Result("suite", "point", contender, "time", samples=list(samples))
    found.resolution = more.get("resolution", 0)
    return found


def a_run(*results: Result) -> Run:
    return Run("now", {}, {}, list(results))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([100, 101, 102, 103, 104], [150, 151, 152, 153, 154], "slower"),
        ([150, 151, 152, 153, 154], [100, 101, 102, 103, 104], "faster"),
        ([100, 101, 102, 103, 104], [105, 106, 107, 108, 109], "same"),  # less than a tenth
        ([100, 130, 150, 170, 190], [140, 145, 150, 160, 190], "same"),  # before had such too
        ([100, 110, 120, 130, 140], [141, 150, 160, 170, 180], "same"),  # each spread is as far
        ([100, 101, 102, 103, 900], [150, 151, 152, 153, 154], "slower"),  # one outlier
        ([150, 151, 152, 153, 154], [100, 101, 102, 103, 900], "faster"),
        ([100, 101, 102, 103], [150, 151, 152, 153], "slower"),
        ([100, 101, 102], [150, 151, 152], "too few samples"),
        ([100, 101], [900, 901, 902, 903, 904], "too few samples"),
    ],
)
def test_compare_tells_regressions_from_noise(
    before: list[float], after: list[float], verdict: str
) -> None:
    (change,) = compare(a_run(result(before)), a_run(result(after)), 0.1)
    assert change.verdict == verdict


@pytest.mark.parametrize(
    ("zinc_after", "other_after", "verdict"),
    [
        (400, 400, "same"),  # the machine
        (400, 100, "slower"),
        (400, 130, "slower"),  # by more than the machine
        (400, 50, "slower"),
        (25, 25, "same"),
        (25, 100, "faster"),
        (100, 400, "same"),
    ],
)
def test_compare_tells_what_happened_to_all_from_what_happened_to_zinc(
    zinc_after: float, other_after: float, verdict: str
) -> None:
    names = "zinc", "zinc, copied in", "other"
    before = a_run(*(result([100] * 5, name) for name in names))
    times = dict(zip(names, (zinc_after, zinc_after, other_after), strict=True))
    after = a_run(*(result([value] * 5, name) for name, value in times.items()))
    ours = [c for c in compare(before, after, 0.2) if c.key.contender.startswith("zinc")]
    assert [change.verdict for change in ours] == [verdict] * 2


@pytest.mark.parametrize(("before", "after", "verdict"), [(0, 1, "slower"), (1, 1, "same")])
def test_compare_takes_one_sample_of_what_is_counted(
    before: float, after: float, verdict: str
) -> None:
    was, new = result([before]), result([after])
    was.unit = new.unit = "allocations"
    (change,) = compare(a_run(was), a_run(new), 0.1)
    assert change.verdict == verdict


def noisy_run(dice: numpy.random.Generator, times: dict[str, float]) -> Run:
    """Samples as a shared machine gives them: some spread, now and then one that waited long."""
    spread = dice.lognormal(0, 0.08, (len(times), 5))
    late = numpy.where(dice.random(spread.shape) < 0.05, 5, 1)
    samples = spread * late * numpy.array(list(times.values()))[:, None]
    rows = [result(row, name) for name, row in zip(times, samples.tolist(), strict=True)]
    for row in rows:
        row.point = row.contender  # each at a point of its own
    return a_run(*rows)


def test_compare_finds_no_change_in_two_runs_of_one_thing_and_finds_what_is_slower() -> None:
    """A thousand rows of both runs have the same times; a hundred more are half as slow again."""
    dice = numpy.random.default_rng(1)
    same = {f"same {row}": 100.0 for row in range(1000)}
    slow = {f"slow {row}": 100.0 for row in range(100)}
    before = noisy_run(dice, same | slow)
    after = noisy_run(dice, same | dict.fromkeys(slow, 200.0))
    verdicts: dict[str, list[str]] = {"same": [], "slow": []}
    for change in compare(before, after, 0.1):
        verdicts[change.key.contender.split()[0]].append(change.verdict)
    assert verdicts["same"].count("same") >= 995
    assert verdicts["slow"].count("slower") >= 95


class LateSocket(UnixSocket):
    """One that takes five milliseconds at least."""

    def send(self) -> None:
        time.sleep(0.005)
        super().send()


def test_compare_finds_what_is_really_slower() -> None:
    """Both are measured; the slower one by as much as no noise is."""
    settings = dataclasses.replace(QUICK, samples=5)
    try:
        prompt, late = (
            a_run(*deliver("suite", "point", 64, [way], settings))
            for way in (UnixSocket, LateSocket)
        )
    finally:
        method.unpin()
    verdicts = {change.key.quantity: change.verdict for change in compare(prompt, late, 0.1)}
    assert verdicts["hand-over"] == "slower"
    backwards = {change.key.quantity: change.verdict for change in compare(late, prompt, 0.1)}
    assert backwards["hand-over"] == "faster"
    assert {change.verdict for change in compare(late, late, 0.1)} == {"same"}


def test_compare_knows_what_the_clock_can_not_tell() -> None:
    before, after = result([2] * 5, resolution=50), result([40] * 5, resolution=50)
    (change,) = compare(a_run(before), a_run(after), 0.1)
    assert change.verdict == "same"


def test_compare_command(tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    few = result([1, 2], "few")
    a_run(result([100] * 5), result([100] * 4, "other"), few).write(before)
    a_run(result([200] * 5), result([50] * 4, "other"), few).write(after)
    done = zinc("bench", "compare", before, after)
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["suite/point/zinc/time", "100", "ns", "200", "ns", "2.00", "slower"] in lines
    assert ["suite/point/other/time", "100", "ns", "50", "ns", "0.50", "faster"] in lines
    told = "3 rows: 1 slower, 1 faster, 0 the same, 1 with fewer than 4 samples, too few to tell"
    assert told in done.stdout
    assert zinc("bench", "compare", before, before).returncode == 0


def test_what_can_not_be_resolved_and_what_only_a_cache_can() -> None:
    assert value_text(result([3], resolution=50), 3) == "< 50 ns"
    cached = Result("access", "here", "zinc", "sequential read", samples=[50], size=1000)
    cached.memory = 100
    (table,) = tables(a_run(cached))
    assert table.rows[0][-2:] == ["20 GB/s", "200%, a cache's figure"]


def test_what_does_not_flatter_is_listed() -> None:
    run = a_run(result([100]), result([50], "other"), result([99], "third"))
    assert unflattering(run) == ["suite, point, time: other 50 ns, zinc 100 ns"]


def test_figures_as_text() -> None:
    assert [size_text(s) for s in (1024, 1 << 30, 100)] == ["1 KiB", "1 GiB", "100 B"]
    texts = [time_text(t) for t in (1.234, 999.7, 12_345, 1e6, 2.5e9)]
    assert texts == ["1.23 ns", "1 µs", "12.3 µs", "1 ms", "2.5 s"]
    assert rate_text(1000, 100) == "10 GB/s"


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("typer", [], "cli"),
        ("numpy", ["bench", "rows"], "bench"),
        ("jinja2", ["bench", "latency", "--quick"], "bench"),
        ("matplotlib", ["bench", "all", "--quick"], "bench"),
        ("hdrh", ["bench", "access", "--quick"], "bench"),
    ],
)
def test_command_without_its_libraries_gives_a_hint(
    missing: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    """One line says which extra, before anything is measured."""
    code = f"import sys; sys.modules[{missing!r}] = None; import runpy; runpy.run_module('zinc', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert missing in done.stderr
    assert f"pip install 'zinc-shm[{extra}]'" in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_zinc_is_delivered_by_name() -> None:
    """Two processes, one name: what is measured is not a mapping that a fork inherited."""
    way = Zinc(64, f"bench-{os.getpid()}", None)
    way.start_consumer()
    assert way.region.name == f"bench-{os.getpid()}"
    way.close()
