"""Builds libzinc.so with Swift and puts it, zinc.h and the extension into the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
HEADERS = ROOT / "Sources/CZinc/include"
# Of a kind of machine for which Debian has no cross compiler; `make wheel` unpacks them.
MUSL = str(ROOT / ".build-musl/usr/include/aarch64-linux-musl")


class Target(NamedTuple):
    """A kind of machine with its C library: what it takes to build for it."""

    name: str
    """As Debian and compilers call it."""
    swift: str
    """The target of Swift, which has Embedded modules for few: of those the one with the
    processor; what else there is to know comes from the headers."""
    compiler: tuple[str, ...]
    """Compiles C, and links."""
    oldest_glibc: str | None
    """Whose functions the library asks for, see layout.c; None for another C library."""
    headers: str | None
    """Where those of a C library are that is not this machine's own."""


TARGETS = {
    target.name: target
    for target in (
        Target("x86_64-linux-gnu", "x86_64-unknown-linux-gnu", ("cc",), "GLIBC_2.2.5", None),
        Target(
            "aarch64-linux-gnu", "aarch64-none-none-elf", ("clang", "--target=aarch64-linux-gnu"),
            "GLIBC_2.17",
            "/usr/aarch64-linux-gnu/include",
        ),
        Target(
            "x86_64-linux-musl", "x86_64-unknown-none-elf", ("musl-gcc",), None,
            "/usr/include/x86_64-linux-musl",
        ),
        Target(
            "aarch64-linux-musl", "aarch64-none-none-elf",
            ("clang", "--target=aarch64-linux-musl", "-nostdlibinc", "-isystem", MUSL), None, MUSL,
        ),
    )
}  # fmt: skip
OWN = sys.implementation._multiarch  # type: ignore[attr-defined] # of this Python
NAME = os.environ.get("ZINC_TARGET", OWN)
if NAME not in TARGETS:
    sys.exit(f"zinc: can't be built for {NAME}; ZINC_TARGET may be {', '.join(TARGETS)}")
TARGET = TARGETS[NAME]
if NAME == OWN:  # A machine needs no cross compiler for its own kind.
    TARGET = TARGET._replace(compiler=("cc",), headers=None)
# The library without what only Linux has, as `make test-portable` tries it: see czinc/linux.h.
IS_PORTABLE = os.environ.get("ZINC_PORTABLE") == "1"
KIND = "embedded" if NAME == OWN else NAME
SCRATCH = ROOT / (".build-portable" if IS_PORTABLE else f".build-{KIND}")


def of_swift(*options: str) -> list[str]:
    """Return the options as `swift build` passes them on to the compiler."""
    return [part for option in options for part in ("-Xswiftc", option)]


# Such flags stand here and not in Package.swift: a package with unsafe flags can't be
# depended on.
SWIFT_BUILD = [
    *("swift", "build", "-c", "release", "--scratch-path", str(SCRATCH), "--triple", TARGET.swift),
    *("--toolset", str(SCRATCH / "toolset.json"), "--omit-frame-pointers"),
    *of_swift("-enable-experimental-feature", "Embedded", "-wmo", "-gnone", "-num-threads", "0"),
    *(("-Xcc", "-DCZINC_PORTABLE") if IS_PORTABLE else ()),
    # A body that is copied into each place that calls it, be it for a closure that it is given
    # there, made half of the library.
    # What a notification, a lock or a message goes through says @_optimize(speed).
    *of_swift("-Osize", "-Xllvm", "-sil-disable-pass=closure-specialize"),
    *of_swift("-Xllvm", "-sil-inline-overall-caller-block-limit=1"),
    # So that the linker can leave out what nothing calls, and fold what is equal.
    *of_swift("-Xfrontend", "-function-sections"),
    # That would leave hashes in the library, and they depend on where it was built.
    *of_swift("-Xfrontend", "-disable-incremental-llvm-codegen"),
]


def foreign_headers() -> list[str]:
    """Return the options for the headers of another C library, and the kernel's beside them."""
    if TARGET.headers is None:
        return []
    kernel = SCRATCH / "kernel"
    kernel.mkdir(parents=True, exist_ok=True)
    cross = f"/usr/{NAME.partition('-')[0]}-linux-gnu/include"
    for name in ("linux", "asm", "asm-generic"):
        places = (TARGET.headers, cross, f"/usr/include/{OWN}", "/usr/include")
        found = next(Path(place, name) for place in places if Path(place, name).exists())
        (kernel / name).unlink(missing_ok=True)
        (kernel / name).symlink_to(found)
    system = ["-D__linux__=1"]  # which the target of Swift is none
    return [*system, "-nostdlibinc", "-isystem", TARGET.headers, "-isystem", str(kernel)]


def c_library() -> list[str]:
    """Return what a library of another C library than this machine's is linked with.

    Debian's musl calls itself libc.so, that of the systems which have it as theirs
    libc.musl-ARCHITECTURE.so.1; so what stands for it here has its symbols and that name.
    """
    if NAME == OWN or not NAME.endswith("-musl"):
        return []
    machine = NAME.partition("-")[0]
    stub = SCRATCH / f"libc.musl-{machine}.so.1"
    assert TARGET.headers
    real = Path(TARGET.headers).parents[2] / f"lib/{NAME}/libc.so"
    nm = ["llvm-nm", "--dynamic", "--defined-only", "--format=just-symbols", real]
    symbols = subprocess.run(nm, capture_output=True, text=True, check=True).stdout.split()
    source = "".join(f".globl {symbol}\n{symbol}:\n" for symbol in symbols)
    link = ["-shared", "-nostdlib", "-fuse-ld=lld", f"-Wl,-soname,{stub.name}", "-o", str(stub)]
    command = [*TARGET.compiler, "-x", "assembler", "-", *link]
    subprocess.run(command, input=source, text=True, check=True)
    return ["-nostdlib", str(stub)]


def find_tools() -> None:
    """Put on the path what came with Swift, be its commands links or of a manager of versions."""
    told = json.loads(subprocess.check_output(["swiftc", "-print-target-info"]))
    folder = Path(told["paths"]["runtimeResourcePath"]).parents[1] / "bin"
    os.environ["PATH"] += f"{os.pathsep}{folder}"


def objects_of(module: str) -> list[Path]:
    """Return what a module in Swift and the C beside it were compiled to."""
    release = SCRATCH / "release"
    return [release / f"{module}.build/{module}.o", *release.glob(f"C{module}.build/*.o")]


def build_library(name: str, module: str, *options: str) -> Path:
    """Build one of the package's dynamic libraries with Embedded Swift."""
    find_tools()
    headers = foreign_headers()
    floor = TARGET.oldest_glibc
    c_options = [f"--target={NAME}", "-fPIC", "-fno-asynchronous-unwind-tables", *headers]
    c_options += [f'-DCZINC_OLDEST_GLIBC="{floor}"'] if floor else []
    toolset: dict[str, object] = {
        "schemaVersion": "1.0",
        "cCompiler": {"extraCLIOptions": c_options},
    }
    if headers:
        toolset["swiftCompiler"] = {"extraCLIOptions": [o for h in headers for o in ("-Xcc", h)]}
    SCRATCH.mkdir(exist_ok=True)
    (SCRATCH / "toolset.json").write_text(json.dumps(toolset))
    subprocess.run([*SWIFT_BUILD, "--target", module], cwd=ROOT, check=True)
    release = SCRATCH / "release"
    library = release / f"lib{name}.so"
    objects = objects_of(module)
    linker = [f"--version-script=Sources/{name}.map", f"-soname,{library.name}", *options]
    # Nothing that the linker does not need.
    linker += ["--gc-sections", "--icf=all", "-s", "--no-undefined", "--hash-style=gnu"]
    # glibc had threads in a library of their own.
    threads = ["-Wl,--no-as-needed", "-l:libpthread.so.0"] if floor else []
    libraries = [*threads, *c_library()]
    command = [*TARGET.compiler, "-shared", "-fuse-ld=lld", *objects, *libraries, "-o", library]
    subprocess.run([*command, *(f"-Wl,{o}" for o in linker)], cwd=ROOT, check=True)
    return library


def build_archive() -> Path:
    """Make libzinc.a of what libzinc.so was linked of: for programs that take the library along.

    It hides the same symbols: two runtimes of Embedded Swift in one program must not meet. It is no
    part of the package.
    """
    release = SCRATCH / "release"
    whole, archive = release / "libzinc.o", release / "libzinc.a"
    hide = ["--wildcard", "--strip-unneeded", "--keep-global-symbol=zinc_*"]
    archive.unlink(missing_ok=True)  # ar adds to what is there
    for command in (  # Swift's, which know all machines
        ["ld.lld", "-r", "-o", whole, *objects_of("Zinc")],
        ["llvm-objcopy", *hide, whole],
        ["llvm-ar", "rcsD", archive, whole],
    ):
        subprocess.run(command, check=True)
    return archive


# The stable ABI needs the GIL; a Python without one gets an extension of its own.
IS_STABLE = not sysconfig.get_config_var("Py_GIL_DISABLED")


# What a message goes through. Built for size, as the rest is, it takes a third longer.
HOT = {"channel", "channel_end", "loan", "message", "reader", "worker"}
FAST = ["-O2", "-fno-align-functions", "-fno-align-jumps", "-fno-align-loops"]


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
        library = build_library("zinc", "Zinc")
        shutil.copy(library, package)
        loops = build_library("zincbench", "ZincBench", str(library), "-rpath,$ORIGIN")
        shutil.copy(loops, package)
        build_archive()
        shutil.copy(HEADERS / "zinc.h", package / "include")
        shutil.copytree(HEADERS / "zinc", package / "include/zinc", dirs_exist_ok=True)
        super().run()

    def build_extensions(self) -> None:
        compile_one = self.compiler._compile

        def compile_file(target, source, extension, arguments, options, preprocessing) -> None:
            if Path(source).stem in HOT:
                options = [*options, *FAST]
            compile_one(target, source, extension, arguments, options, preprocessing)

        self.compiler._compile = compile_file
        if NAME != OWN:  # The headers of this Python do: the stable ABI is that of all.
            self.compiler.compiler_so[:1] = TARGET.compiler
            self.compiler.linker_so = [*TARGET.compiler, "-shared"]
            self.extensions[0].extra_link_args += c_library()
        # Some interpreters add where they are themselves; the extension needs $ORIGIN alone.
        linker = self.compiler.linker_so
        self.compiler.linker_so = [a for a in linker if not a.startswith("-Wl,-rpath")]
        super().build_extensions()


options: dict[str, dict[str, str]] = {}
if IS_STABLE:
    options["bdist_wheel"] = {"py_limited_api": "cp311"}
if NAME != OWN:
    options["build"] = {"build_base": f"build/{NAME}"}
    options.setdefault("bdist_wheel", {})["plat_name"] = f"linux_{NAME.partition('-')[0]}"

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
                "-Os",
                "-g0",
                "-fno-asynchronous-unwind-tables",  # Nothing in it throws.
                "-fvisibility=hidden",
                "-ffunction-sections",
                "-Wall",
                "-Wextra",
                # Newer compilers refuse these of themselves.
                "-Werror=incompatible-pointer-types",
                "-Werror=int-conversion",
                "-Werror=implicit-function-declaration",
            ],
            extra_link_args=["-fuse-ld=lld", "-Wl,-rpath,$ORIGIN,-s,--gc-sections,--icf=all"],
        )
    ],
    cmdclass={"build_ext": BuildZinc},
    options=options,
)
