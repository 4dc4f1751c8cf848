"""Compile all C that gcc may have to, without output, with the compiler of Debian 13.

    python tests/gcc14.py

gcc 14 refuses what those before it only warned of. Its packages are taken from Debian once, into
.build-trixie, where nothing has to be installed and nobody has to be root: the compiler proper
runs by its own dynamic linker. Where they can't be had the compiler of this machine does it, in
which every warning is an error.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from wheel import ROOT, mirror

DEBIAN = ROOT / ".build-trixie/root"
MAKING = ROOT / ".build-trixie/making"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MACHINE = f"{platform.machine()}-linux-gnu"
COMPILER = f"usr/libexec/gcc/{MACHINE}/14/cc1"
LIBRARIES = ["libc6", "libgmp10", "libisl23", "libmpc3", "libmpfr6", "libzstd1", "zlib1g"]
HEADERS = ["libc6-dev", "libgcc-14-dev", "libpython3.13-dev", "linux-libc-dev"]
PACKAGES = [f"cpp-14-{MACHINE.replace('_', '-')}", *LIBRARIES, *HEADERS]

WARNINGS = ["-O2", "-Wall", "-Wextra", "-Werror"]
INTERFACE = "-ISources/CZinc/include"
# What Swift's clang compiles, in a dialect of its own: gcc has no such words.
CLANGS = ["-std=gnu11", "-D_Nullable=", "-D_Nonnull=", "-Wno-unknown-pragmas", INTERFACE]
EXTENSION = ["-std=c11", '-DZINC_SWIFT_VERSION=""', INTERFACE]
FILES = [
    ("Sources/ZincPython/*.c", [*EXTENSION, "-DPy_LIMITED_API=0x030B0000"]),
    # For a Python without a GIL, see setup.py.
    ("Sources/ZincPython/*.c", [*EXTENSION, "-DPy_GIL_DISABLED=1"]),
    ("Sources/CZinc/include/zinc.h", ["-std=c11", "-Wpedantic"]),
    ("Sources/CZinc/include/zinc/*.h", ["-std=c11", "-Wpedantic"]),
    ("Sources/CZinc/*.c", CLANGS),
    ("Sources/CZincBench/*.c", [*CLANGS, "-ISources/CZincBench/include"]),
    ("tests/c/*.c", ["-std=c11", "-Wpedantic", INTERFACE]),
]


def run(*command: str | Path) -> None:
    """Run a command, whose output is in the error if it fails."""
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=MAKING)


def take() -> None:
    """Unpack the packages, with an apt that knows this suite alone."""
    shutil.rmtree(MAKING, ignore_errors=True)
    for folder in "lists/partial", "archives/partial", "root":
        (MAKING / folder).mkdir(parents=True)
    (MAKING / "status").touch()
    signed = f"[signed-by={KEYS}] " if KEYS.exists() else ""
    (MAKING / "sources").write_text(f"deb {signed}{mirror()} trixie main\n")
    settings = {
        "Dir::Etc::SourceList": MAKING / "sources", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": MAKING / "lists", "Dir::State::Status": MAKING / "status",
        "Dir::Cache": MAKING, "Acquire::Languages": "none",
        "APT::Sandbox::User": "",  # which may not write here
    }  # fmt: skip
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
    run(*apt, "update")
    run(*apt, "download", *PACKAGES)
    for package in sorted(MAKING.glob("*.deb")):
        run("dpkg", "-x", package, MAKING / "root")
    (MAKING / "root").rename(DEBIAN)
    shutil.rmtree(MAKING)


def of_debian() -> list[str] | None:
    """Return the command that compiles as Debian 13 does, or nothing where it can't be had."""
    if not DEBIAN.exists():
        try:
            take()
        except (OSError, subprocess.CalledProcessError) as error:
            told = getattr(error, "stderr", "") or str(error)
            print(f"no gcc 14, so this machine's compiler: {told.strip().splitlines()[-1]}")
            return None
    (linker,) = DEBIAN.glob("usr/lib*/ld-linux-*.so.*")
    places = f"usr/lib/gcc/{MACHINE}/14/include", f"usr/include/{MACHINE}", "usr/include"
    headers = [f"-isystem{DEBIAN / place}" for place in (*places, "usr/include/python3.13")]
    libraries = ["--library-path", str(DEBIAN / "usr/lib" / MACHINE)]
    return [str(linker), *libraries, str(DEBIAN / COMPILER), "-quiet", "-nostdinc", *headers]


def of_this_machine() -> list[str]:
    """Return the command that compiles as this machine does."""
    return ["cc", "-xc", f"-isystem{sysconfig.get_path('include')}"]


def main() -> int:
    """Compile; return how many files are refused."""
    os.chdir(ROOT)
    compiler = [*(of_debian() or of_this_machine()), "-fsyntax-only", "-o/dev/null", *WARNINGS]
    return sum(
        subprocess.run([*compiler, *flags, str(file)], check=False).returncode != 0
        for pattern, flags in FILES
        for file in sorted(Path().glob(pattern))
    )


if __name__ == "__main__":
    sys.exit(main())
