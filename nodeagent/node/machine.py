"""What the machine is: read once from /proc and /etc. `Machine` is a plain value, so a simulator makes its own."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "riscv64": "riscv64"}


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int = 4
    memory_bytes: int = 8 << 30
    swap_bytes: int = 0
    arch: str = "amd64"
    kernel: str = "6.0.0"
    os_image: str = "Simulated Linux"
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""


def read_machine(root: str = "/") -> Machine:
    base = Path(root)
    memory = parse_meminfo(_read(base / "proc/meminfo"))
    machine_id = _read(base / "etc/machine-id").strip()
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=_memory_limit(base, memory.get("MemTotal", 0)),
        swap_bytes=memory.get("SwapTotal", 0),
        arch=_ARCH.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(_read(base / "etc/os-release")),
        machine_id=machine_id,
        system_uuid=_read(base / "sys/class/dmi/id/product_uuid").strip() or machine_id,
        boot_id=_read(base / "proc/sys/kernel/random/boot_id").strip(),
    )


def parse_meminfo(text: str) -> dict[str, int]:
    """Bytes by name."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1)
    return found


def available_memory_bytes(root: str = "/") -> int:
    return parse_meminfo(_read(Path(root) / "proc/meminfo")).get("MemAvailable", 0)


def _memory_limit(base: Path, total: int) -> int:
    """What a surrounding container leaves of the machine's memory."""
    for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read(base / name).strip()
        if text.isdigit() and 0 < int(text) < total:
            return int(text)
    return total


def _os_image(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
