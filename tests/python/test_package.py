"""What is installed: the wheel, its binaries, and that it needs no Swift."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import size

import zinc

from .conftest import ROOT

PROGRAMS = {
    f"zinc/{folder}/{path.name}"
    for folder in ("bench", "command", "mirror")
    for path in (ROOT / "python/zinc" / folder).iterdir()
    if path.suffix in (".py", ".html")
}
ARCHIVE = ROOT / ".build-embedded/release/libzinc.a"
FOLDERS_OF_THIS_MACHINE = (str(ROOT), str(Path.home()), "/opt/", "/tmp/", "/usr/lib/swift")


def run(*command: str | Path, **options: object) -> str:
    return subprocess.check_output([str(part) for part in command], text=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_c_program_builds_and_runs(compile_c: Callable[[str], Path]) -> None:
    run(compile_c("interface"))


@pytest.mark.needs("cc", "pkg-config")
def test_c_program_finds_it_by_pkg_config(tmp_path: Path) -> None:
    environment = {**os.environ, "PKG_CONFIG_PATH": zinc.get_pkgconfig()}
    asked = ["pkg-config", "--cflags", "--libs", "zinc"]
    flags = run(*asked, env=environment).split()
    assert run("pkg-config", "--modversion", "zinc", env=environment) == f"{zinc.__version__}\n"
    program = tmp_path / "interface"
    run("cc", ROOT / "tests/c/interface.c", *flags, "-o", program)
    run(program)


@pytest.mark.needs("cc")
@pytest.mark.skipif(not ARCHIVE.exists(), reason="the library was not built here")
def test_c_program_takes_the_archive_along(tmp_path: Path) -> None:
    program = tmp_path / "interface"
    run(
        "cc", ROOT / "tests/c/interface.c", f"-I{zinc.get_include()}", ARCHIVE, "-lpthread",
        "-o", program,
    )  # fmt: skip
    assert "libzinc" not in run("readelf", "-d", program)
    run(program)


@pytest.mark.skipif(not ARCHIVE.exists(), reason="the library was not built here")
def test_archive_exports_what_the_library_does() -> None:
    assert exported(ARCHIVE) == exported(Path(zinc.get_library()), "--dynamic")


def exported(library: Path, *options: str) -> set[str]:
    """The global symbols that it defines."""
    symbols = run("nm", *options, "--defined-only", "--extern-only", "--format=posix", library)
    return {line.split()[0] for line in symbols.splitlines() if not line.endswith(":")}


def test_wheel_has_what_it_needs_and_no_more(wheel: Path) -> None:
    assert re.fullmatch(r"zinc_shm-[0-9.]+-cp311-abi3-linux_\w+\.whl", wheel.name)
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    assert names == {
        "zinc/__init__.py",
        "zinc/__main__.py",
        "zinc/_array.py",
        "zinc/_async.py",
        "zinc/_description.py",
        "zinc/_holders.py",
        "zinc/_numpy.py",
        "zinc/_ref.py",
        "zinc/dask.py",
        "zinc/_objects.py",
        "zinc/_atomic.py",
        "zinc/_barrier.py",
        "zinc/_calls.py",
        "zinc/_channel.py",
        "zinc/_condition.py",
        "zinc/_event.py",
        "zinc/_in_thread.py",
        "zinc/_lock.py",
        "zinc/_lock_async.py",
        "zinc/_mode.py",
        "zinc/_named.py",
        "zinc/_polling.py",
        "zinc/_queue.py",
        "zinc/_rwlock.py",
        "zinc/_semaphore.py",
        "zinc/_outside.py",
        "zinc/_picklers.py",
        "zinc/_reducers.py",
        "zinc/_reference.py",
        "zinc/_region.py",
        "zinc/_seats.py",
        "zinc/_sentinels.py",
        "zinc/_store.py",
        "zinc/_torch.py",
        "zinc/_trio.py",
        "zinc/_users.py",
        "zinc/_zinc.abi3.so",
        "zinc/_zinc.pyi",
        "zinc/include/zinc.h",
        "zinc/include/zinc/channel.h",
        "zinc/include/zinc/lock.h",
        "zinc/include/zinc/notification.h",
        "zinc/include/zinc/primitives.h",
        "zinc/include/zinc/queue.h",
        "zinc/include/zinc/region.h",
        "zinc/include/zinc/seat.h",
        "zinc/include/zinc/store.h",
        "zinc/libzinc.so",
        "zinc/libzincbench.so",
        "zinc/py.typed",
        "zinc/zinc.pc",
        *PROGRAMS,
    }


@pytest.mark.parametrize("name", ["libzinc.so", "libzincbench.so", "_zinc.abi3.so"])
def test_binaries_need_no_folder_and_no_new_c_library(
    wheel: Path, tmp_path: Path, name: str
) -> None:
    binary = Path(zipfile.ZipFile(wheel).extract(f"zinc/{name}", tmp_path))
    contents = binary.read_bytes().decode("latin-1")
    assert not [folder for folder in FOLDERS_OF_THIS_MACHINE if folder in contents]
    dynamic = run("readelf", "-d", binary)
    needs_none = name == "libzinc.so"
    assert re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic) == ([] if needs_none else ["$ORIGIN"])
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    of_libc = {"libc.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    assert needed - of_libc == (set() if needs_none else {"libzinc.so"})
    versions = re.findall(r"GLIBC_2\.(\d+)", run("objdump", "-T", binary))
    assert 2 <= max(map(int, versions)) <= 17


def test_what_is_shipped_is_as_small_as_it_was(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, limit in size.LIMITS.items():
            assert archive.getinfo(f"zinc/{name}").file_size <= limit, name
    assert size.parts(wheel)[0] <= size.LIMIT_OF_WHEEL


def test_build_info_tells_what_it_is() -> None:
    info = zinc.build_info()
    assert info["version"] == zinc.__version__
    assert (info["layout"], info["abi"]) == (4, 13)
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", str(info["swift"]))
    assert info["mode"] == "embedded, release"


def test_library_exports_the_interface_and_nothing_else() -> None:
    headers = [path.read_text() for path in Path(zinc.get_include()).glob("**/*.h")]
    declared = set(re.findall(r"^\w[\w *]*?\b(zinc_\w+)\(", "".join(headers), re.MULTILINE))
    assert exported(Path(zinc.get_library()), "--dynamic") == declared
    assert len(declared) >= 9


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"])
def test_wheel_works_where_there_is_no_swift(wheel: Path, tmp_path: Path, python: str) -> None:
    if python != sys.executable and not Path(python).exists():
        pytest.skip(f"no {python} here")
    target = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, wheel)
    code = (
        "import zinc, sys; r = zinc.create(sys.argv[1], 1 << 20); r.notify();"
        "print(zinc.open(sys.argv[1]).wait(), len(r), zinc.__file__, 'numpy' in sys.modules)"
    )
    environment = {"PATH": "/nonexistent", "PYTHONPATH": str(target)}
    output = run(python, "-c", code, f"wheel-{os.getpid()}", env=environment, cwd="/")
    assert output == f"True 1048576 {target}/zinc/__init__.py False\n"


def test_source_without_swift_says_what_is_missing(tmp_path: Path) -> None:
    without_swift = {**os.environ, "PATH": "/usr/bin:/bin"}
    if shutil.which("swift", path=without_swift["PATH"]):
        pytest.skip("swift is where the C compiler is")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    failed = subprocess.run(
        pip, env=without_swift, cwd="/", capture_output=True, text=True, check=False
    )
    assert failed.returncode != 0
    lines = [line.strip() for line in (failed.stdout + failed.stderr).splitlines()]
    assert any(line.startswith("zinc: to build from source takes Swift 6.3") for line in lines)


@pytest.mark.parametrize("call", ["zinc.array(None, 3)", "zinc.create(NAME, 1).as_numpy()"])
def test_what_needs_numpy_says_how_to_install_it(name: str, call: str) -> None:
    code = f"import sys; NAME = {name!r}; sys.modules['numpy'] = None; import zinc; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("arrays take: pip install 'zinc-shm[numpy]'")


def test_core_names_nothing_of_the_system() -> None:
    """All that the core knows of it stands in czinc.h: constants, types, sections of a file.

    But for errnos, which are POSIX's names, and what it says to people.
    """
    found: dict[str, list[str]] = {}
    for path in (ROOT / "Sources/Zinc").rglob("*.swift"):
        code = re.sub(r'"""(?s:.*?)"""|"(?:\\.|[^"\\])*"|//.*', '""', path.read_text())
        names = re.findall(r"\b[A-Z][A-Z0-9_]{2,}\b|\b[a-z_]+_t\b|\btimespec\b|@section\b", code)
        allowed = (
            n
            for n in names
            if not n.startswith(("ZINC_", "CZINC_")) and not hasattr(errno, n) and n != "UTF8"
        )
        for one in allowed:
            found.setdefault(one, []).append(path.name)
    assert found == {}
