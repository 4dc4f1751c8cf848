"""Core files do not have what is in regions, unless whoever starts the program asks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Tells of each mapping of a region whether the kernel leaves it out of a core file (proc(5)).
LOOK = """
import json, os, sys, numpy, zinc

name = sys.argv[1]
named = zinc.create(name, 1 << 20)
regions = {
    "named": named,
    "read-only": zinc.open(name, readonly=True),
    "anonymous": zinc.SharedRegion.anonymous(1 << 20),
    "sparse": zinc.SharedRegion.anonymous(1 << 20, reserve=False),
    "unlinked": zinc.create(f"{name}-unlinked", 1 << 20),
}
regions["sent"] = zinc.SharedRegion.from_fd(regions["anonymous"].descriptor(), readonly=True)
regions["unlinked"].unlink()
array = zinc.share(numpy.zeros(1000), name=f"{name}-array")
starts = {kind: region.address for kind, region in regions.items()}
starts["array"] = array.ctypes.data

def look():
    left_out, start, end = {}, 0, 0
    for line in open("/proc/self/smaps"):
        first, _, rest = line.partition(" ")
        if first == "VmFlags:":
            for kind, address in starts.items():
                # Its data, and the page of the header before.
                for part in address, address - 1:
                    if start <= part < end:
                        left_out.setdefault(kind, []).append("dd" in rest.split())
        elif "-" in first and not first.endswith(":"):
            start, end = (int(number, 16) for number in first.split("-"))
    return left_out

print(json.dumps(look()), flush=True)
if os.fork() == 0:
    print(json.dumps(look()), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize(
    ("asked", "is_left_out"), [(None, True), ("", True), ("0", True), ("1", False)]
)
def test_core_files_have_regions_when_asked_for(
    name: str, asked: str | None, is_left_out: bool
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ZINC_CORE_DUMPS"}
    if asked is not None:
        environment["ZINC_CORE_DUMPS"] = asked
    run = subprocess.run(
        [sys.executable, "-c", LOOK, name], env=environment, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    kinds = "named", "read-only", "anonymous", "sparse", "unlinked", "sent", "array"
    for process in run.stdout.splitlines():
        assert json.loads(process) == {kind: [is_left_out] * 2 for kind in kinds}
    assert len(run.stdout.splitlines()) == 2  # of a forked child, too


CRASH = """
import os, resource, zinc

limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
region = zinc.SharedRegion.anonymous(1 << 20)
data = region.as_buffer()
for at, byte in enumerate(b"0123456789abcdef"):
    data[at] = byte ^ 0x55  # so that the whole stands nowhere else in this process
os.abort()
"""


@pytest.mark.skipif(
    Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")),
    reason="core files go elsewhere here",
)
@pytest.mark.parametrize("asked", [False, True])
def test_secret_is_in_a_core_file_when_asked_for(tmp_path: Path, asked: bool) -> None:
    environment = {**os.environ, "ZINC_CORE_DUMPS": str(int(asked))}
    subprocess.run([sys.executable, "-c", CRASH], cwd=tmp_path, env=environment, check=False)
    files = list(tmp_path.iterdir())
    if not files:
        pytest.skip("this process may leave no core files")
    secret = bytes(byte ^ 0x55 for byte in b"0123456789abcdef")
    assert (secret in files[0].read_bytes()) == asked
