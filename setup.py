"""Builds libzinc.so with Swift and puts it, zinc.h and the extension into the package."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
# The library without what only Linux has, as `make test-portable` tries it: see czinc/linux.h.
IS_PORTABLE = os.environ.get("ZINC_PORTABLE") == "1"
SCRATCH = ROOT / (".build-portable" if IS_PORTABLE else ".build-embedded")
HEADERS = ROOT / "Sources/CZinc/include"

# Whose functions the library asks for; see layout.c. Other machines get those of today.
OLDEST_GLIBC = {"x86_64": "GLIBC_2.2.5", "aarch64": "GLIBC_2.17"}.get(platform.machine())
PORTABLE = [
    *("-Xcc", f'-DCZINC_OLDEST_GLIBC="{OLDEST_GLIBC}"'),
    *("-Xlinker", "-l:libpthread.so.0"),
]

# Such flags stand here and not in Package.swift: a package with unsafe flags can't be
# depended on. The last ones keep out whatever the linker does not need.
SWIFT_BUILD = [
    *("swift", "build", "-c", "release", "--scratch-path", str(SCRATCH)),
    *("-Xswiftc", "-enable-experimental-feature", "-Xswiftc", "Embedded", "-Xswiftc", "-wmo"),
    *(PORTABLE if OLDEST_GLIBC else []),
    *(("-Xcc", "-DCZINC_PORTABLE") if IS_PORTABLE else ()),
    *("-Xlinker", "--gc-sections", "-Xlinker", "-s", "-Xlinker", "--no-undefined"),
    # That would leave hashes in the library, and they depend on where it was built.
    *("-Xswiftc", "-Xfrontend", "-Xswiftc", "-disable-incremental-llvm-codegen"),
]


def build_library(name: str, *options: str) -> Path:
    """Build one of the package's dynamic libraries with Embedded Swift."""
    linker = [f"--version-script=Sources/{name}.map", "-soname", f"lib{name}.so", *options]
    command = [*SWIFT_BUILD, "--product", name]
    for option in linker:
        command += ["-Xlinker", option]
    subprocess.run(command, cwd=ROOT, check=True)
    return SCRATCH / f"release/lib{name}.so"


# The stable ABI needs the GIL; a Python without one gets an extension of its own.
IS_STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")


class BuildZinc(build_ext):
    """build_ext, with the library that the extension is linked with."""

    def run(self) -> None:
        if shutil.which("swift") is None:
            sys.exit(
                "zinc: to build from source takes Swift 6.3 or newer, and there is no `swift` on "
                "the path; get it from https://www.swift.org/install, or install a wheel."
            )
        version = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"Swift version (\S+)", version.stdout)
        swift = found[1] if found else "unknown"
        self.extensions[0].define_macros.append(("ZINC_SWIFT_VERSION", f'"{swift}"'))
        package = Path(self.get_ext_fullpath("zinc._zinc")).parent
        (package / "include").mkdir(parents=True, exist_ok=True)
        library = build_library("zinc")
        shutil.copy(library, package)
        shutil.copy(build_library("zincbench", str(library), "-rpath", "$ORIGIN"), package)
        shutil.copy(HEADERS / "zinc.h", package / "include")
        shutil.copytree(HEADERS / "zinc", package / "include/zinc", dirs_exist_ok=True)
        super().run()

    def build_extensions(self) -> None:
        # Some interpreters add where they are themselves; the extension needs $ORIGIN alone.
        linker = self.compiler.linker_so
        self.compiler.linker_so = [a for a in linker if not a.startswith("-Wl,-rpath")]
        super().build_extensions()


setup(
    ext_modules=[
        Extension(
            "zinc._zinc",
            sources=sorted(
                str(p.relative_to(ROOT)) for p in (ROOT / "Sources/ZincPython").glob("*.c")
            ),
            depends=[
                "setup.py",
                *(str(p.relative_to(ROOT)) for p in (ROOT / "Sources").glob("*/**/*.h")),
            ],
            include_dirs=[str(HEADERS.relative_to(ROOT))],
            library_dirs=[str((SCRATCH / "release").relative_to(ROOT))],
            libraries=["zinc"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if IS_STABLE else [],
            py_limited_api=IS_STABLE,
            extra_compile_args=[
                "-std=c11",
                "-O2",
                "-g0",
                "-fvisibility=hidden",
                "-Wall",
                "-Wextra",
                # Newer compilers refuse these of themselves.
                "-Werror=incompatible-pointer-types",
                "-Werror=int-conversion",
                "-Werror=implicit-function-declaration",
            ],
            extra_link_args=["-Wl,-rpath,$ORIGIN", "-Wl,-s"],
        )
    ],
    cmdclass={"build_ext": BuildZinc},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if IS_STABLE else {},
)
