"""References beside MPI: values unless its receiver's place is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import may_unshare

pytest.importorskip("mpi4py")

# Of the last rank it is told to, and of all others from there.
PROGRAM = """
from mpi4py import MPI
import numpy, zinc

comm = MPI.COMM_WORLD
places = comm.allgather(zinc.place())
if comm.rank == 0:
    shared = zinc.share(numpy.arange(1000))
    for other in range(1, comm.size):
        comm.send({"numbers": shared}, other)
        with zinc.by_reference(places[other]):
            comm.send({"numbers": shared}, other)
        comm.Send(shared, other)
    comm.barrier()
    print([int(number) for number in shared[: comm.size]])
else:
    value, told = (comm.recv(source=0)["numbers"] for _ in range(2))
    buffer = numpy.empty(1000, "i8")
    comm.Recv(buffer, 0)
    assert value.sum() == told.sum() == buffer.sum() == 499500
    assert zinc.region_of(value) is None
    assert (zinc.region_of(told) is not None) == (places[comm.rank] == places[0])
    told[comm.rank] = -comm.rank
    comm.barrier()
"""
# Its own /dev/shm and processes, as on another machine.
APART = """
[ "$OMPI_COMM_WORLD_RANK" = 2 ] || exec "$@"
exec unshare --mount --pid --fork --mount-proc sh -c 'mount -t tmpfs none /dev/shm && exec "$@"' sh "$@"
"""


@may_unshare
@pytest.mark.needs("mpirun")
def test_ranks_get_references_where_they_hold_and_values_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(PROGRAM)
    mpirun = shutil.which("mpirun")
    assert mpirun
    options = ["--allow-run-as-root", "--oversubscribe", "-n", "3", "--mca", "btl", "tcp,self"]
    command = [
        mpirun,
        *options,
        "sh",
        "-c",
        APART,
        "sh",
        sys.executable,
        str(tmp_path / "ranks.py"),
    ]
    environment = {**os.environ, "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_pml": "ob1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "[0, -1, 2]\n"), done.stderr
