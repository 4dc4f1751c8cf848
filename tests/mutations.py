"""Mutations of the sources, and whether the tests notice: what no test notices may break unseen.

    python tests/mutations.py [NAME...]    try all of tests/mutations.toml, or those

Each is applied to a copy of the tree, in .build-mutants, the library is built there, and the test
that must not pass runs on it. One that hangs has noticed it too. An edit that no longer applies is
an error, so that the table keeps up with the sources. Fails where a mutation survives. What a
test said stands in .build-mutants/NAME.log.

A table, and not a tool that makes mutations by itself: mull knows C and C++ alone, and what there
is for Swift runs tests in Swift, on ordinary Swift.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".build-mutants"
TREE = SCRATCH / "tree"
COPIED = ["Package.swift", "setup.py", "pyproject.toml", "README.md", "LICENSE", "Sources", "python", "tests"]  # fmt: skip

# setup.py is a program: it is asked for its version, and then has what it defines.
BUILD = """
import sys
sys.argv[1:] = ["--quiet", "--version"]
import setup
setup.build_library("zinc", "Zinc")
"""
PYTHON = [sys.executable, "-B"]
PYTEST = [*PYTHON, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
# Against hangs: the slowest of the tests takes some seconds.
WATCHDOG = 90

CAUGHT, HUNG, SKIPPED = "caught", "caught: hung", "not tried: the test is skipped here"
FINE = (CAUGHT, HUNG, SKIPPED)


@dataclass
class Mutation:
    """An edit, why it must not pass, and the test that says so."""

    name: str
    file: str
    old: str
    new: str
    why: str
    test: str

    def apply(self) -> bool:
        """Edit the copy; return whether there is exactly one place for it."""
        text = (ROOT / self.file).read_text()
        if text.count(self.old) != 1:
            return False
        (TREE / self.file).write_text(text.replace(self.old, self.new))
        return True

    def undo(self) -> None:
        shutil.copyfile(ROOT / self.file, TREE / self.file)


def copy_tree() -> None:
    """Make the copy as the tree is now; what was built in it stays."""
    TREE.mkdir(parents=True, exist_ok=True)
    ignored = shutil.ignore_patterns(".build*", "__pycache__")
    for name in COPIED:
        source, copy = ROOT / name, TREE / name
        if source.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy, ignore=ignored)
        else:
            shutil.copy(source, copy)


def build() -> str | None:
    """Build the library of the copy; return what the compiler said if it can't be built."""
    result = subprocess.run(
        [*PYTHON, "-c", BUILD], cwd=TREE, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        return result.stdout + result.stderr
    shutil.copy(TREE / ".build-embedded/release/libzinc.so", TREE / "python/zinc")
    return None


def run(tests: list[str], log: Path, watchdog: float | None) -> int | None:
    """Run tests of the copy on its library; return the exit code, None if they hung."""
    environment = {**os.environ, "PYTHONPATH": str(TREE / "python")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*PYTEST, *tests], cwd=TREE, env=environment, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(watchdog)
        except subprocess.TimeoutExpired:
            return None
        finally:  # and all that it started
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def attempt(mutation: Mutation) -> str:
    """Return what became of it: one of FINE, or what is wrong."""
    log = SCRATCH / f"{mutation.name}.log"
    if not mutation.apply():
        return f"does not apply: {mutation.file} has its text not once"
    try:
        errors = build()
        if errors is not None:
            log.write_text(errors)
            return "does not build"
        code = run([mutation.test], log, WATCHDOG)
    finally:
        mutation.undo()
    if code is None:
        return HUNG
    if code == 0:
        return "SURVIVED" if " passed" in log.read_text() else SKIPPED
    # 1 is a test that failed, less than 0 a signal that ended all of them.
    return CAUGHT if code == 1 or code < 0 else f"pytest could not run it: {code}"


def main(names: list[str]) -> int:
    table = tomllib.loads((ROOT / "tests/mutations.toml").read_text())
    for name in names:
        if name not in table:
            sys.exit(f"no mutation is called {name}; there are {', '.join(table)}")
    mutations = [Mutation(name, **table[name]) for name in names or table]

    copy_tree()
    errors, log = build(), SCRATCH / "unchanged.log"
    if errors is not None:
        sys.exit(errors)
    tests = sorted({mutation.test for mutation in mutations})
    if run(tests, log, None) != 0:
        sys.exit(f"{log.read_text()}\nThe tests fail without any mutation.")

    wrong = 0
    for mutation in mutations:
        result = attempt(mutation)
        print(f"{mutation.name:36}{result}", flush=True)
        if result not in FINE:
            wrong += 1
            print(f"    {mutation.why}\n    {mutation.file}\n    {mutation.test}", flush=True)
    print(f"{len(mutations)} mutations, {wrong} to look at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
