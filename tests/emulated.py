"""Run the C and Python tests on an emulated aarch64: `make test-aarch64`.

    python tests/emulated.py [PYTEST OPTION...]

The wheel in dist/ is installed into a Debian root for arm64, which is made once, and kept in
.build-roots. qemu-user translates its programs, and the kernel is this machine's: so this shows
what the compiler made, and what the C library and the system calls of that machine are. It does
not show what order a weaker processor lets others see writes in (tests/model does), or how fast
anything is; and what traces programs, strace and debuggers, is not there. It takes root, and Linux
6.7 for a binfmt_misc of its own.

With PAGE_SIZE=65536 or 16384 a whole machine is emulated, which has a kernel with pages of so many
bytes: Debian's sources are compiled for it, once, in some ten minutes, and kept in .build-kernels.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from wheel import BIN, PLATFORMS, ROOTS, copy_tests, mirror, run, the_wheel

ROOT = ROOTS / "aarch64"
PACKAGES = "python3,gcc,libc6-dev"
PLATFORM = PLATFORMS["aarch64-linux-gnu"]

# One that is sold. With all that qemu knows of, OpenBLAS takes long vectors, and what it computes beside
# the end of an array warns of divisions by zero.
PROCESSOR = "cortex-a72"

# Tests that can't be had there, and why.
SKIPPED = {
    "test_package.py": "what is built and audited is this machine's",
    "test_cli": "the program's own dependencies are Python alone",
    "test_bench.py": "figures of an emulation",
    "test_dumps.py": "a core dump is qemu's",
    "test_limits.py": "limits and memory are those of qemu as well",
    "test_docs.py": "the documentation is not there",
}

# Single tests of other files, by parts of their names: for what only qemu's translation has not.
DESELECTED = {
    "ctrl_c_ends_a_wait": "qemu sleeps before the program waits, and the test takes that for its wait",
    "at_each_instruction": "qemu traces no programs",
    "prefault_touches_all_pages": "qemu takes advice on memory, and passes little of it on",
    "prefault_of_a_sparse": "the same",
    "too_small_for_one": "how large a huge page is stands in /sys, which is not there",
    "sparse_region_takes_what_is_touched": "qemu has no 64 GiB of addresses for a program",
    "what_the_command_tells": "as test_cli",
    "processes_with_command_and_time": "the command that is told is qemu's",
    "100000000": "so many messages take minutes there; a test with fewer runs",
}

REGISTER = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
    "/usr/bin/qemu-aarch64-static:FP"
)
# The first process of the namespace gathers what its children leave behind, as init does; programs
# that are tested do not.
INSIDE = """
set -e
mount -t proc proc "$1/proc"
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s "$3" > /proc/sys/fs/binfmt_misc/register
mount --rbind /dev "$1/dev"
mount -t tmpfs none "$1/dev/shm"
result=0
chroot "$1" sh -c "$2" || result=$?
exit "$result"
"""


def make_root() -> None:
    """Unpack the packages; none of their programs is run."""
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    options = ("--foreign", "--arch=arm64", "--variant=minbase", f"--include={PACKAGES}")
    run("debootstrap", *options, "bookworm", ROOT, mirror(), stdout=subprocess.DEVNULL)
    for package in sorted(ROOT.glob("var/cache/apt/archives/*.deb")):
        run("dpkg", "-x", package, ROOT)
        package.unlink()
    for name in ("passwd", "group"):
        shutil.copy(ROOT / f"usr/share/base-passwd/{name}.master", ROOT / "etc" / name)
    for name in ("dev", "proc", "srv", "sys", "tmp"):
        (ROOT / name).mkdir(exist_ok=True)
    (ROOT / "usr/bin/cc").symlink_to("gcc")
    (ROOT / "made").touch()


def enter(command: str) -> int:
    """Run a command in the root, as root of a user namespace that has its own formats.

    Whatever ends this process ends all of it: the holder reads the end of its input, the kernel
    kills who unshared, with that the first process of the namespace, and with that the rest. The
    mounts go with the namespace.
    """
    outer = ["unshare", "--user", "sh", "-c", "echo; exec cat"]
    holder = subprocess.Popen(outer, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        holder.stdout.readline()
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text("0 0 65536")
        namespace = ["nsenter", "--user", "--target", str(holder.pid), "--setuid=0", "--setgid=0"]
        inner = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", INSIDE, "sh"]
        line = [*namespace, "setpriv", "--pdeathsig", "KILL", *inner, str(ROOT), command, REGISTER]
        return subprocess.run(line, check=False).returncode
    finally:
        holder.kill()
        holder.wait()


SOURCES = "/usr/src/linux-source-6.1.tar.xz"
KERNELS = ROOTS.parent / ".build-kernels"
MACHINE = "qemu-system-aarch64 -M virt -cpu cortex-a72 -smp 2 -m 6144 -nographic -no-reboot"
# What runs as the first process there, and with its command ends the machine.
FIRST = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o mode=1777 none /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /tmp
echo "$(uname -sr), pages of $(getconf PAGESIZE) bytes"
result=0
sh -c '{command}' || result=$?
echo "{ended} $result"
sync
python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
"""
ENDED = "the tests have ended with"


def make_kernel(page_size: int) -> Path:
    """Compile a kernel with what the tests need, and pages of so many bytes."""
    tree, build = KERNELS / "sources", KERNELS / str(page_size)
    image = build / "arch/arm64/boot/Image"
    if not tree.exists():
        unpacked = KERNELS / "unpacked"
        unpacked.mkdir(parents=True, exist_ok=True)
        run("tar", "-C", unpacked, "--strip-components=1", "-xf", SOURCES)
        unpacked.rename(tree)
    if not image.exists():
        build.mkdir(exist_ok=True)
        settings = (Path(__file__).parent / "kernel.config").read_text()
        settings += f"CONFIG_ARM64_{page_size // 1024}K_PAGES=y\n"
        (build / "settings").write_text(settings)
        make = ["make", "-s", "-C", str(tree), f"O={build}", "ARCH=arm64"]
        make.append("CROSS_COMPILE=aarch64-linux-gnu-")
        run(*make, f"KCONFIG_ALLCONFIG={build}/settings", "allnoconfig")
        run(*make, f"-j{os.cpu_count()}", "Image")
    return image


def boot(kernel: Path, command: str) -> int:
    """Run a command in the root, as the root of a machine of its own."""
    first, disk = ROOT / "first", KERNELS / "disk"
    first.write_text(FIRST.format(command=command.replace("'", "'\\''"), ended=ENDED))
    first.chmod(0o755)
    disk.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", "-d", ROOT, disk, "4G")
    parameters = "root=/dev/vda rw init=/first console=ttyAMA0 panic=-1 quiet"
    line = [*MACHINE.split(), "-kernel", str(kernel), "-append", parameters]
    line += ["-drive", f"file={disk},if=none,format=raw,id=disk"]
    line += ["-device", "virtio-blk-device,drive=disk"]
    result = "1"
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as qemu:
        assert qemu.stdout
        for text in qemu.stdout:
            print(text, end="", flush=True)
            if text.startswith(ENDED):
                result = text.split()[-1]
    return int(result)


def main(options: list[str]) -> int:
    """Install the wheel and the tests, and run them."""
    if not (ROOT / "made").exists():
        make_root()
    work = ROOT / "srv/tests"
    # One run at a time; what a killed one has left is in the next one's way.
    with (ROOT / "made").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        copy_tests(work)
        tags = ["manylinux2014_aarch64", *(f"manylinux_2_{n}_aarch64" for n in range(17, 37))]
        target = ["--python-version=3.11", "--only-binary=:all:", f"--target={work}/site"]
        target += [f"--platform={tag}" for tag in tags]
        run(BIN / "python", "-m", "pip", "install", "-q", *target, f"{the_wheel(PLATFORM)}[test]")
        page_size = int(os.environ.get("PAGE_SIZE", "0"))
        left_out = SKIPPED | ({} if page_size else DESELECTED)
        for name, reason in left_out.items():
            print(f"without {name}: {reason}", flush=True)
        ignored = [f"--ignore-glob=*{name}*" for name in SKIPPED] + ["--ignore-glob=*_model.py"]
        chosen = [] if page_size else ["-k", f"not ({' or '.join(DESELECTED)})"]
        pytest = ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        inside = work.relative_to(ROOT)
        settings = f"env -i HOME=/root PATH=/usr/bin:/usr/sbin:/bin PYTHONPATH=/{inside}/site"
        settings += "" if page_size else f" QEMU_CPU={PROCESSOR}"
        quoted = shlex.join([*pytest, *ignored, *chosen, *options])
        command = f"cd /{inside} && exec {settings} {quoted} tests/python"
        return boot(make_kernel(page_size), command) if page_size else enter(command)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("it takes root")
    sys.exit(main(sys.argv[1:]))
