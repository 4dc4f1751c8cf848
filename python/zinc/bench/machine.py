"""What a run was measured on and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import zinc

COMPARED = (
    "numpy",
    "grpcio",
    "protobuf",
    "redis",
    "pyzmq",
    "iceoryx2",
    "kickmsg",
    "filelock",
    "hdrhistogram",
)


def read(path: str) -> str:
    """Return what a file of the system says, or nothing."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def facts() -> dict[str, Any]:
    """Return the machine's facts, each as text."""
    described = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", described, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    chosen = re.search(r"\[(.*?)\]", read("/sys/kernel/mm/transparent_hugepage/enabled"))
    shared = re.search(r"\[(.*?)\]", read("/sys/kernel/mm/transparent_hugepage/shmem_enabled"))
    clock = read("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    return {
        "processor": model[1] if model else platform.machine(),
        "processors": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "is virtual": "yes" if " hypervisor" in described else "no, as far as it tells",
        "memory": f"{int(memory[1]) / (1 << 20):.1f} GiB" if memory else "unknown",
        "kernel": platform.release(),
        "governor": governor or "not told",
        "huge pages": f"{chosen[1] if chosen else 'none'}; shmem {shared[1] if shared else 'none'}",
        "clock": clock or "not told",
        "system": system(),
        "Python": platform.python_version(),
        "zinc": ", ".join(f"{key} {value}" for key, value in zinc.build_info().items()),
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return the version of all that zinc is compared with."""
    found = {}
    for name in COMPARED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    found["redis-server"] = "not installed"
    if server := shutil.which("redis-server"):
        told = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
        found["redis-server"] = told.stdout.split("v=")[-1].split()[0]
    return found


def system() -> str:
    """Return the distribution and its C library."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {' '.join(platform.libc_ver())}"
