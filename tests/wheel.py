"""Build the source package and the wheel, and prove that the wheel installs anywhere.

    tests/wheel.py build    dist/: both, audited; the source package builds the same wheel
    tests/wheel.py build TARGET   dist/: the wheel for another kind of machine, audited; see setup.py
    tests/wheel.py test     the Python tests with it, without Swift, in each CPython there is;
                            those without a GIL take no such wheel, but the source package
    tests/wheel.py debian SUITE...   the same in Debian roots that have python3 and no more

A root is made once, by debootstrap as root, and kept in .build-roots.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rich import print

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
ROOTS = ROOT / ".build-roots"
BIN = Path(sys.executable).parent
# What tests the building, and a model of the protocol, is not about what was installed.
TESTS = ("tests/python", "--ignore=tests/python/test_package.py")
MODEL = "--ignore=tests/python/test_model.py"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, MODEL)
WITHOUT_SWIFT = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "swift").exists()
)


def run(*command: str | Path, **options: object) -> None:
    """Run a command; the end of everything if it fails."""
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]


def answer(*command: str | Path) -> str:
    """Return what a command prints, or nothing if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


# ---- build ----


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel, but for the list of their hashes."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/RECORD")]
        return {name: archive.read(name) for name in names}


def build() -> None:
    """Make dist/ anew."""
    shutil.rmtree(DIST, ignore_errors=True)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run(BIN / "python", "-m", "build", "--outdir", work / "both", ROOT)
        run(BIN / "python", "-m", "build", "--wheel", "--outdir", work / "tree", ROOT)
        (source,) = (work / "both").glob("*.tar.gz")
        (wheel,) = (work / "both").glob("*.whl")
        (other,) = (work / "tree").glob("*.whl")
        ours, theirs = contents(wheel), contents(other)
        different = {name for name in ours | theirs if ours.get(name) != theirs.get(name)}
        if different:
            sys.exit(f"the source package builds another wheel: {sorted(different)} differ")
        run(BIN / "auditwheel", "repair", "--wheel-dir", DIST, wheel, env=environment)
        shutil.copy(source, DIST)
    run(BIN / "abi3audit", "--strict", "--verbose", the_wheel())
    run(BIN / "twine", "check", "--strict", *DIST.iterdir())
    for file in sorted(DIST.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")


# What those wheels are for, as pip says it.
PLATFORMS = {
    "aarch64-linux-gnu": "manylinux_2_17_aarch64",
    "aarch64-linux-musl": "musllinux_1_2_aarch64",
    "x86_64-linux-musl": "musllinux_1_2_x86_64",
}


def build_for(target: str) -> None:
    """Make the wheel in dist/ that another kind of machine takes."""
    platform = PLATFORMS[target]
    environment = {**os.environ, "ZINC_TARGET": target}
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob(f"*-{platform}*.whl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run(BIN / "python", "-m", "build", "--wheel", "--outdir", work, ROOT, env=environment)
        (wheel,) = work.glob("*.whl")
        tags = ("--remove", "--platform-tag", platform)
        run(BIN / "python", "-m", "wheel", "tags", *tags, wheel, stdout=subprocess.DEVNULL)
        (wheel,) = work.glob("*.whl")
        shutil.copy(wheel, DIST)
    told = subprocess.check_output([BIN / "auditwheel", "show", the_wheel(platform)], text=True)
    if f'"{platform}"' not in re.sub(r"\s+", " ", told):
        sys.exit(f"it is not for {platform}:\n{told}")
    run(BIN / "abi3audit", "--strict", the_wheel(platform))
    if target.endswith("-musl"):
        run_with_musl(target)
    print(f"{the_wheel(platform).name}: {the_wheel(platform).stat().st_size:,} bytes")


def run_with_musl(target: str) -> None:
    """Run programs in C with the archive of the library: they are static, so that any system can."""
    archive = ROOT / f".build-{target}/release/libzinc.a"
    machine = target.partition("-")[0]
    is_own = machine == os.uname().machine
    root = Path("/") if is_own else ROOT / ".build-musl"
    folder = root / "usr/lib" / target
    first: list[str | Path]
    last: list[str | Path]
    first, last = [folder / "crt1.o", folder / "crti.o"], [folder / "libc.a", folder / "crtn.o"]
    if not is_own:  # it calls for what the processor has not
        last[1:1] = Path(f"/usr/lib/gcc-cross/{machine}-linux-gnu").glob("*/libgcc.a")
    link = ["-static", "-nostdlib", "-fuse-ld=lld", *first]
    headers = [f"-I{ROOT}/Sources/CZinc/include", "-nostdlibinc"]
    headers += ["-isystem", str(root / "usr/include" / target)]
    with tempfile.TemporaryDirectory() as place:
        program = Path(place, "program")
        for name in ("interface", "channels", "queues", "stores", "primitives"):
            source = ROOT / f"tests/c/{name}.c"
            compiler = ("clang", f"--target={target}")
            run(*compiler, *headers, *link, source, archive, *last, "-o", program)
            emulator = () if is_own else (f"qemu-{machine}-static",)
            run(*emulator, program, f"musl-{os.getpid()}")


def the_wheel(platform: str = f"manylinux*_{os.uname().machine}") -> Path:
    """Return the wheel in dist/, of this machine's kind unless told otherwise."""
    found = list(DIST.glob(f"*-{platform}*.whl"))
    if len(found) != 1:
        sys.exit(f"there is no wheel in {DIST}, or several: run make wheel")
    return found[0]


# ---- test ----


def interpreters() -> dict[Path, bool]:
    """Return each CPython from 3.11 on, and whether it takes the stable ABI."""
    ask = (
        "import sys, sysconfig; print(sys.implementation.name == 'cpython' and "
        "sys.version_info >= (3, 11) and sys.prefix == sys.base_prefix, "
        "not sysconfig.get_config_var('Py_GIL_DISABLED'), sys.base_prefix, sys.hexversion)"
    )
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), Path("/usr/bin")]
    folders += Path.home().glob(".pyenv/versions/*/bin")
    found: dict[str, tuple[Path, bool]] = {}
    for folder in folders:
        for path in sorted(folder.glob("python3*")):
            told = answer(path, "-c", ask) if re.fullmatch(r"python3(\.\d+t?)?", path.name) else ""
            is_right, is_stable, which = (told or "False False -").split(maxsplit=2)
            if is_right == "True":
                found.setdefault(which, (path, is_stable == "True"))
    return dict(found.values())


def copy_tests(to: Path) -> None:
    """Copy what the tests are, and nothing that they could import in place of the wheel."""
    to.chmod(0o755)  # some run as another user
    ignore = shutil.ignore_patterns(".build", "__pycache__")
    shutil.copytree(ROOT / "tests", to / "tests", ignore=ignore)
    shutil.copytree(ROOT / "Sources/CZinc/include", to / "Sources/CZinc/include")
    shutil.copy(ROOT / "README.md", to)
    (to / "docs/guides").mkdir(parents=True)
    shutil.copy(ROOT / "docs/guides/objects.md", to / "docs/guides")
    options = (ROOT / "pyproject.toml").read_text()
    (to / "pyproject.toml").write_text(options[options.index("[tool.pytest") :])


def test() -> None:
    """Run the tests in an empty environment of each interpreter."""
    for interpreter, is_stable in interpreters().items():
        print(f"[bold]== {interpreter}" + ("" if is_stable else ", from the source package"))
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            copy_tests(work)
            run(interpreter, "-m", "venv", work / ".venv")
            python = work / ".venv/bin/python"
            pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
            path = WITHOUT_SWIFT if is_stable else os.environ["PATH"]
            environment = {"HOME": folder, "PATH": path, **pip}
            install: tuple[str | Path, ...] = (python, "-m", "pip", "install", "--quiet")
            if is_stable:
                run(*install, f"{the_wheel()}[test,interop,cli]", env=environment)
            else:  # not all of interop is there for them
                (source,) = DIST.glob("*.tar.gz")
                run(*install, f"{source}[test]", env=environment)
            run(python, *PYTEST, cwd=work, env={**environment, "PATH": WITHOUT_SWIFT})


# ---- Debian ----


def debian(suite: str) -> None:
    """Run the tests in a root of this suite, whose only package of note is python3."""
    root = ROOTS / suite
    if not (root / "usr/bin/python3").exists():
        shutil.rmtree(root, ignore_errors=True)
        ROOTS.mkdir(exist_ok=True)
        options = ("--variant=minbase", "--include=python3")
        run("debootstrap", *options, suite, root, mirror(), stdout=subprocess.DEVNULL)
    if (root / "usr/bin/pip3").exists() or (root / "usr/bin/cc").exists():
        sys.exit(f"{root} has more than python3")
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    version = answer("chroot", root, "python3", "-c", ask)
    libc = answer("chroot", root, "sh", "-c", "ldd --version | head -1")
    print(f"[bold]== Debian {suite}, Python {version}, {libc}")
    with tempfile.TemporaryDirectory(dir=root / "srv") as folder:
        work = Path(folder)
        copy_tests(work)
        machine = os.uname().machine
        tags = [f"manylinux2014_{machine}", *(f"manylinux_2_{n}_{machine}" for n in range(17, 37))]
        target = [f"--python-version={version}", "--only-binary=:all:", f"--target={work}/site"]
        target += [f"--platform={tag}" for tag in tags]
        run(BIN / "python", "-m", "pip", "install", "-q", *target, f"{the_wheel()}[test,interop]")
        inside = work.relative_to(root)
        mounts = (
            f"mount --bind {root} {root} && mount -t proc proc {root}/proc && "
            f"mount -t tmpfs none {root}/dev/shm && mount --rbind /dev/pts {root}/dev/pts"
        )
        settings = f"env -i HOME=/root PATH=/usr/bin:/usr/sbin:/bin PYTHONPATH=/{inside}/site"
        command = f"cd /{inside} && exec {settings} python3 {' '.join(PYTEST)}"
        # The mounts go with the namespace. The root is one too, so that tests may make their own.
        mounted = f'{mounts} && exec chroot {root} sh -c "$0"'
        run("unshare", "--mount", "--pid", "--fork", "sh", "-c", mounted, command)


def mirror() -> str:
    """Return the mirror that this machine's apt takes Debian from, or the one for everybody."""
    found = answer(
        "apt-get", "indextargets", "--format=$(REPO_URI)", "Origin: Debian", "Label: Debian"
    )
    return found.split()[0] if found else "http://deb.debian.org/debian"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["build", target] if target in PLATFORMS:
            build_for(target)
        case ["build", target]:
            sys.exit(
                f"no wheel can be made here for {target}: nothing here says where its headers and its "
                f"C library are. There are wheels for {', '.join(PLATFORMS)}"
            )
        case ["test"]:
            test()
        case ["debian", *suites] if suites:
            for suite in suites:
                debian(suite)
        case _:
            sys.exit(__doc__)
