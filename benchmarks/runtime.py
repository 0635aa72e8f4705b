"""/bin/true through the runtime: create + start + exit + delete, against `crun run` and `runc run` of an equal bundle.

All three run in alternation, each driven by a program of its own (runtime_ours.py, runtime_peers.py) in network, IPC,
UTS and mount namespaces of their own. Ours pays more than the peers: it also looks its image up, makes and mounts an
overlay, writes a log, keeps a record that survives the agent, and tells the exit as an event; theirs get a plain
directory. Where `crun` refuses hybrid cgroups, its mount namespace shows it an empty list of v2 controllers.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.clusters import ROOT
from benchmarks.rows import Peer, Row, Skipped, Target
from benchmarks.sampling import median, percentile

_BATCH = 10
CGROUP = "/kctl-bench"


def measure(bench: Bench) -> list[Row]:
    if os.geteuid() != 0:
        raise Skipped("namespaces and cgroups need root")
    peers = [name for name in ("crun", "runc") if shutil.which(name)]
    samples: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    try:
        joins = cgroup_joins_ms(bench.rounds(20))
        with (
            _driver(bench, "benchmarks.runtime_ours") as ours,
            _driver(bench, "benchmarks.runtime_peers") as theirs,
        ):
            lanes = [(ours, "container"), (ours, "pod")]
            lanes += [
                (theirs, f"{peer} {kind}") for peer in peers for kind in ("joined", "own-netns", "no-seccomp")
            ]
            for index in range(bench.rounds(9) + 1):
                bench.say(f"round {index}" if index else "warming up")
                for driver, lane in lanes:
                    taken, used_s = _ask(driver, lane, _BATCH)
                    if index:
                        samples.setdefault(lane, []).extend(s * 1e3 for s in taken)
                        cpu.setdefault(lane, []).append(used_s / _BATCH * 1e3)
            paused, _ = _ask(ours, "paused", bench.rounds(30))
    finally:
        _remove_cgroups()
    rows = _rows(samples, "container", "joined", "container in a pod", bench)
    rows += _rows(samples, "pod", "own-netns", "pod of one container, with veth and address", bench)
    rows += [
        Row(
            f"container in a pod: processor time of all processes, against {peer}",
            median(cpu["container"]),
            "ms",
            None,
            Peer(f"{peer} run", median(cpu[f"{peer} joined"])),
            cpu["container"],
            "holds under other work too; ours includes the agent's side",
        )
        for peer in peers
    ]
    rows.append(
        Row(
            "container, one every 0.1 s",
            median(paused) * 1e3,
            "ms",
            samples=[s * 1e3 for s in paused],
            bound="the kernel's cgroup join after a pause",
        )
    )
    if joins:
        rows.append(
            Row(
                "a process joins a v1 cgroup, one every 0.1 s: the kernel alone",
                median(joins),
                "ms",
                samples=joins,
                bound="an RCU grace period; 0.1 ms where a hierarchy is mounted with favordynmods",
            )
        )
    return rows


def cgroup_joins_ms(rounds: int) -> list[float]:
    """What joining a v1 cgroup costs a new process when nobody has joined one lately; [] without v1."""
    base = Path("/sys/fs/cgroup/pids")
    if not (base / "cgroup.procs").exists():
        return []
    group = base / CGROUP.strip("/") / "join"
    group.mkdir(parents=True, exist_ok=True)
    samples = []
    for _ in range(rounds):
        time.sleep(0.1)
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            started = time.perf_counter()
            descriptor = os.open(group / "cgroup.procs", os.O_WRONLY)
            os.write(descriptor, b"0")
            os.write(write_end, str((time.perf_counter() - started) * 1e3).encode())
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            samples.append(float(answer.read()))
        os.waitpid(pid, 0)
    return samples


def _rows(samples: dict[str, list[float]], lane: str, kind: str, words: str, bench: Bench) -> list[Row]:
    ours = samples[lane]
    rows = []
    for peer, times in (("crun", 1.5), ("runc", 4.0)):
        theirs = samples.get(f"{peer} {kind}")
        if theirs is None:
            bench.say(f"SKIPPED {peer}: it is not installed")
            continue
        limit = Target("<=", median(theirs) / times) if lane == "container" else None
        name = f"{words}: create, start, exit, delete, against {peer}"
        rows.append(
            Row(
                name,
                median(ours),
                "ms",
                limit,
                Peer(f"{peer} run", median(theirs)),
                ours,
                f"target: {times} × faster" if limit else "",
                details={"peer_ms": theirs, "peer_without_seccomp_ms": median(samples[f"{peer} no-seccomp"])},
            )
        )
        if lane == "container":
            bare = median(samples[f"{peer} no-seccomp"])
            rows.append(
                Row(
                    f"the same, {peer} without seccomp, ours with",
                    median(ours),
                    "ms",
                    None,
                    Peer(f"{peer} run", bare),
                )
            )
    rows.append(Row(f"{words}, p99", percentile(ours, 99), "ms"))
    return rows


@contextmanager
def _driver(bench: Bench, module: str) -> Iterator[subprocess.Popen[str]]:
    command = [
        "unshare",
        "--net",
        "--ipc",
        "--uts",
        "--mount",
        sys.executable,
        "-m",
        module,
        str(bench.directory),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # its signal to clean up and end
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _ask(driver: subprocess.Popen[str], lane: str, count: int) -> tuple[list[float], float]:
    """(seconds of each repetition, processor seconds of all)."""
    assert driver.stdin is not None and driver.stdout is not None
    driver.stdin.write(json.dumps({"lane": lane, "count": count}) + "\n")
    line = driver.stdout.readline()
    if not line:
        raise RuntimeError(f"the driver ended during {lane}; its words are above")
    answer: dict[str, Any] = json.loads(line)
    return list(answer["seconds"]), float(answer["cpu_s"])


def _remove_cgroups() -> None:
    base = Path("/sys/fs/cgroup")
    for top in [
        base / CGROUP.strip("/"),
        *(path / CGROUP.strip("/") for path in base.iterdir() if path.is_dir()),
    ]:
        for where, _, _ in os.walk(top, topdown=False):
            os.rmdir(where)
