"""Medians and percentiles, and two programs timed in alternation so that noise hits both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """Nearest rank; NaN of nothing."""
    if not samples:
        return float("nan")
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * len(ordered) + 0.5) - 1))]


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples) if samples else float("nan")


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def process_s(command: Sequence[str], env: Mapping[str, str] | None = None, timeout_s: float = 60.0) -> float:
    """Seconds from starting the process to its end. Raises CalledProcessError with its words when it fails."""

    def run() -> None:
        subprocess.run(
            command, env=env, check=True, timeout=timeout_s, stdin=subprocess.DEVNULL, capture_output=True
        )

    return timed(run)


def alternate(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each work's samples; they take turns, and the turn's order is reversed every other round."""
    samples: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for index in range(rounds):
        for name in names if index % 2 == 0 else reversed(names):
            samples[name].append(works[name]())
    return samples


def forget_cached(directories: Sequence[str], suffixes: Sequence[str] = (".py", ".pyc", ".so")) -> int:
    """Drops these programs' files from the page cache, as after a boot; returns how many files.

    Only these: what the machine's other programs have cached stays.
    """
    count = 0
    for directory in directories:
        for where, _, names in os.walk(directory):
            for name in names:
                if name.endswith(tuple(suffixes)):
                    descriptor = os.open(os.path.join(where, name), os.O_RDONLY)
                    try:
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                    finally:
                        os.close(descriptor)
                    count += 1
    return count
