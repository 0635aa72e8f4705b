"""What a test machine boots from: built once by build.sh, kept under `.vm/` until something that it is made of changes;
and a disk with this checkout, made for each run.

Raises Unavailable, which says what is missing and how to get it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent
PROJECT = TOOLS.parents[1]
QEMU = "qemu-system-x86_64"
_COMMANDS = {
    QEMU: "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "busybox": "busybox-static",
}
_LEFT_OUT = (
    ".git",
    ".venv",
    ".vm",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "benchmarks",
)
_BUILD_TIMEOUT_S = 900
_PROBE_TIMEOUT_S = 15


class Unavailable(Exception):
    """Machines cannot be booted here; str() says why and what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def root(self) -> Path:
        return self.folder / "root.img"


def check_host() -> None:
    """Raises Unavailable where machines cannot be built and booted."""
    missing = sorted({package for command, package in _COMMANDS.items() if not shutil.which(command)})
    if missing:
        raise Unavailable(f"missing Debian packages: {' '.join(missing)}. `make vm-test` installs them")
    if os.geteuid() != 0:
        raise Unavailable("building a machine's root file system needs root")
    if sys.version_info[:2] != (3, 11):
        raise Unavailable(
            "the machines run Debian 12's Python 3.11, and so must the environment that is copied there"
        )


def ensure_image() -> Image:
    """The image of this checkout's dependencies; builds it, which takes a minute or two, where it is not there."""
    check_host()
    store = PROJECT / ".vm"
    store.mkdir(exist_ok=True)
    image = Image(store / _fingerprint())
    if not image.root.exists():
        for old in store.iterdir():
            shutil.rmtree(old)
        site = sysconfig.get_path("purelib")
        done = subprocess.run(
            [str(TOOLS / "build.sh"), str(image.folder), site],
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise Unavailable(f"the machine's image could not be built: {done.stderr.strip()[-2000:]}")
    return image


def _fingerprint() -> str:
    digest = hashlib.blake2s(digest_size=6)
    guest = sorted(path for path in (TOOLS / "guest").iterdir() if path.is_file())
    for path in (TOOLS / "build.sh", *guest, PROJECT / "requirements-dev.lock"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def project_disk(path: Path) -> Path:
    """A disk that holds this checkout, compiled files included, at `path`."""
    stage = path.with_suffix(".d")
    shutil.copytree(PROJECT, stage, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(stage), str(path), "200M"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.rmtree(stage)
    return path


def choose_accelerator(image: Image) -> str:
    """`kvm` where a kernel boots under it, else `tcg` (the processor emulated: some twenty times slower).

    $KCTL_VM_ACCEL decides without trying. What was found is remembered beside the image.
    """
    if chosen := os.environ.get("KCTL_VM_ACCEL"):
        return chosen
    memory = image.folder / "accelerator"
    if memory.exists():
        return memory.read_text()
    found = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _boots(image, "kvm") else "tcg"
    memory.write_text(found)
    return found


def _boots(image: Image, accelerator: str) -> bool:
    command = [
        *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"),
        *("-accel", accelerator, "-m", "256", "-kernel", str(image.kernel), "-initrd", str(image.initrd)),
        *("-append", "console=ttyS0 quiet panic=-1 kctl.probe"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=_PROBE_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    return b"kctl-vm-boots" in done.stdout
