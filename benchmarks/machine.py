"""What the figures were taken on, in a few words; and how fast its disk says "durable"."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.sampling import median


def describe() -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30), 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "filesystem": filesystem_of(tempfile.gettempdir()),
        "fdatasync_us": round(fdatasync_us()),
        "load_before": load_now(),
    }


def load_now() -> float:
    return round(os.getloadavg()[0], 1)


def in_words(machine: dict[str, Any]) -> str:
    return (
        f"{machine['cores']} × {machine['cpu']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"Python {machine['python']}, {machine['filesystem']} with a median fdatasync of "
        f"{machine['fdatasync_us']} µs, load average {machine['load_before']} before and {machine.get('load_after', '?')} after"
    )


def fdatasync_us(count: int = 100) -> float:
    """Median time of a 4 KiB overwrite made durable, on the file system of temporary files."""
    samples = []
    with tempfile.NamedTemporaryFile() as file:
        os.pwrite(file.fileno(), bytes(4096), 0)
        os.fsync(file.fileno())
        for _ in range(count):
            started = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            os.fdatasync(file.fileno())
            samples.append((time.perf_counter() - started) * 1e6)
    return median(samples)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def filesystem_of(path: str) -> str:
    """The type of the file system that holds `path`."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, fstype, *_ = line.split()
        inside = path == target or path.startswith(target.rstrip("/") + "/")
        if inside and len(target) >= len(best):
            best, kind = target, fstype
    return kind
