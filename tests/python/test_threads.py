"""Many threads on one object, and many interpreters in one process."""

from __future__ import annotations

import mmap
import operator
import os
import pickle
import platform
import random
import struct
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy
import pytest

import zinc
from zinc import _zinc

from .test_views import is_mapped


def look(region: zinc.SharedRegion, kept: list[Any]) -> None:
    kept.append(memoryview(region))
    assert bytes(kept[-1][:4]) == b"data"


def look_with_numpy(region: zinc.SharedRegion, kept: list[Any]) -> None:
    kept.append(numpy.frombuffer(region, "u1"))
    assert kept[-1][0] == ord("d")


def ask(region: zinc.SharedRegion, kept: list[Any]) -> None:
    assert region.address % mmap.PAGESIZE == 0
    assert region.sequence >= region.seen >= 0
    assert region.metadata == b"m"
    assert repr(region)


USES: list[Callable[[zinc.SharedRegion, list[Any]], Any]] = [
    look,
    look_with_numpy,
    ask,
    lambda region, kept: region.notify(),
    lambda region, kept: region.try_wait(),
    lambda region, kept: region.wait(0.01),
    lambda region, kept: region.wait(None, after=region.sequence),
    lambda region, kept: zinc.wait_any([region, region], 0.01),
    lambda region, kept: zinc.wait_all([region], 0.01),
    lambda region, kept: region.__enter__(),
    lambda region, kept: kept.append(pickle.loads(ForkingPickler.dumps(region))),
    lambda region, kept: memoryview(region).release(),
]


def test_storm_on_one_object(name: str) -> None:
    """What closes meets all that may be in progress: an error or a result, nothing else."""
    rounds = 150
    errors: list[BaseException] = []
    finished = [0] * len(USES)

    def use(which: int, region: zinc.SharedRegion, start: threading.Barrier) -> None:
        kept: list[Any] = []
        start.wait()
        try:
            while True:
                USES[which](region, kept)
                finished[which] += 1
                del kept[:-1]
        except ValueError as error:
            if "closed" not in str(error):
                errors.append(error)
        except BaseException as error:
            errors.append(error)
        for view in kept:  # valid, although it was closed
            assert not isinstance(view, memoryview) or bytes(view[:4]) == b"data"

    for i in range(rounds):
        region = zinc.create(f"{name}-{i}", 4096, metadata=b"m")
        region.as_buffer()[:4] = b"data"
        address = region.address
        assert is_mapped(address)
        start = threading.Barrier(len(USES) + 3)
        threads = [
            threading.Thread(target=use, args=(which, region, start)) for which in range(len(USES))
        ]

        def close(region: zinc.SharedRegion = region, start: threading.Barrier = start) -> None:
            start.wait()
            time.sleep(random.random() / 500)
            region.close()

        threads += [threading.Thread(target=close) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert region.closed
        assert not is_mapped(address)
    assert errors == []
    assert all(finished), finished


def others_run_during(action: Callable[[], object]) -> bool:
    """Did another thread run meanwhile, which waits for nothing but the GIL?"""
    go = threading.Lock()
    ran: list[bool] = []

    def run() -> None:
        with go:
            ran.append(True)

    go.acquire()
    thread = threading.Thread(target=run)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody has to give the GIL away
    try:
        go.release()
        action()
        return bool(ran)
    finally:
        sys.setswitchinterval(interval)
        thread.join()


def region_with_memory() -> zinc.SharedRegion:
    return zinc.SharedRegion.anonymous(8 << 20)


def close() -> Callable[[], object]:
    return region_with_memory().close


def drop() -> Callable[[], object]:
    return [region_with_memory()].clear


def drop_a_closed_one_that_keeps() -> Callable[[], object]:
    region = region_with_memory()
    struct.unpack_from("B", region)
    region.close()
    return [region].clear


def release_the_last_view() -> Callable[[], object]:
    region = region_with_memory()
    view = memoryview(region)
    region.close()
    return view.release


def attach() -> Callable[[], object]:
    region = region_with_memory()
    attached: list[zinc.SharedRegion] = []
    return lambda: attached.append(zinc.SharedRegion.from_fd(region.descriptor()))


def reclaim() -> Callable[[], object]:
    return zinc.reclaim


def names() -> Callable[[], object]:
    return _zinc.names


@pytest.fixture
def many_files(name: str) -> Iterator[None]:
    """Have files that are called like regions, and take a while to look through."""
    files = [Path(f"/dev/shm/zinc_{name}-{i}") for i in range(1000)]
    for file in files:
        file.touch()
    yield
    for file in files:
        file.unlink()


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="nobody waits for a GIL here"
)
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize(
    "prepare",
    [close, drop, drop_a_closed_one_that_keeps, release_the_last_view, attach, reclaim, names],
    ids=lambda prepare: prepare.__name__,
)
def test_others_run_during_system_calls(prepare: Callable[[], Callable[[], object]]) -> None:
    assert not any(others_run_during([object()].clear) for _ in range(100))
    # They get the GIL if they are quick to wake up.
    assert any(others_run_during(prepare()) for _ in range(2000))


def test_exception_survives_what_is_dropped_meanwhile() -> None:
    for _ in range(100):
        with pytest.raises(TypeError, match="interpreted as an integer"):
            operator.index(zinc.SharedRegion.anonymous(1))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="interpreted as an integer"):
            operator.index(memoryview(zinc.SharedRegion.anonymous(1)))  # type: ignore[arg-type]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="single-steps as x86-64 does")
@pytest.mark.parametrize(
    ("call", "how"),
    [
        *((call, how) for call in ("wait", "region", "after", "any") for how in ("news", "woken")),
        *((call, "reused") for call in ("wait", "region", "after", "any", "all")),
        *((call, "ended") for call in ("region", "after")),
    ],
)
def test_close_amid_each_instruction_of_a_wait(
    compile_c: Callable[..., Path], call: str, how: str
) -> None:
    """What is freed is overwritten, so that it does not look like an open handle's by chance."""
    program = [str(compile_c("close_amid_wait", "-pthread")), call, how]
    poison = {**os.environ, "MALLOC_PERTURB_": "85"}
    output = subprocess.run(program, env=poison, check=True, capture_output=True, text=True).stdout
    places = int(output)
    assert places > 20


INTERPRETERS = """
import sys, threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import zinc

CODE = '''
import sys
sys.path[:] = {path!r}
import zinc
with zinc.open({name!r}) as region:
    for i in range(1000):
        region.as_buffer()[{which}] = i % 251
        region.notify()
    assert region.wait(0)
    for i in range(40):
        with zinc.Lock("{name}-lock"), region.lock():
            region.as_buffer()[2] += 1
    try:
        zinc.Lock("{name}-lock").release()
    except RuntimeError:
        pass
    with zinc.Channel.create("{name}-{which}", slot_size=8) as channel:
        reader = channel.reader()
        for i in range(100):
            channel.send(bytes([i]))
            message = reader.recv(0)
            assert message.data[0] == i
        try:
            reader.recv(0)
        except TimeoutError:
            pass
        kept = message.data
        reader.close()
    del message, kept
    try:
        zinc.create({name!r}, 1)
    except FileExistsError as error:
        assert {name!r} in str(error)
    try:
        zinc.open("nobody-{which}")
    except FileNotFoundError:
        pass
    try:
        region.wait(-1)
    except ValueError:
        pass
# Python 3.11 mixes up the running loops of interpreters; 3.12 frees something twice when two
# that have imported asyncio end at once, without zinc too.
if sys.version_info >= (3, 13):
    import asyncio
    async def main():
        with zinc.create("{name}-{which}", 1) as region:
            asyncio.get_running_loop().call_later(0.05, region.notify)
            assert await region.wait_async(None)
    asyncio.run(main())
view = memoryview(zinc.create("{name}-exit-{which}", 1))
'''

def run(which):
    code = CODE.format(path=sys.path, name=name, which=which)
    for _ in range(3):
        # Python 3.11 knows only those that share a GIL, and lets only such have threads.
        options = {"isolated": False} if sys.version_info < (3, 12) else {}
        interpreter = interpreters.create(**options)
        try:
            error = interpreters.run_string(interpreter, code)
            if error is not None:
                raise RuntimeError(error)
        except BaseException as error:
            errors.append(error)
        finally:
            interpreters.destroy(interpreter)

name = sys.argv[1]
errors = []
with zinc.create(name, 8) as region:
    threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert region.sequence == 6000
    assert bytes(region.as_buffer()[:3]) == bytes([999 % 251] * 2 + [240])
assert name not in zinc.reclaim()
print("fine")
"""


def test_interpreters_of_one_process(name: str) -> None:
    """Each has a GIL of its own, from Python 3.12 on."""
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETERS, name], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python always has a GIL"
)
def test_import_leaves_the_gil_off() -> None:
    code = "import sys, zinc, zinc._array; print(sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("False\n", "", 0)
