"""`kctl up` from the start of its process to an answering API and to Ready nodes; `kctl down`.

cold: a new cluster, and the program's files dropped from the page cache as after a boot (what other processes have
mapped stays). new: a new cluster with warm files. warm: the same cluster again, its store and certificates kept.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.clusters import ROOT, Cluster, new_cluster, take_down
from benchmarks.rows import Peer, Row, Skipped, Target, skipped_row
from benchmarks.sampling import forget_cached, median

_API, _READY = Target("<=", 0.8), Target("<=", 1.5)
_PEER_API = Peer("etcd + kube-apiserver to /readyz", 2.7, here=False)
_PEER_READY = Peer("k3d to a running app", 19.9, here=False)
_DIRECTORIES = [str(ROOT / ".venv"), *(str(path.parent) for path in sorted(ROOT.glob("*/__init__.py")))]


def measure(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for native in (False, True):
        words = "native" if native else "fake runtime"
        try:
            cluster = new_cluster(bench.directory, f"up-{'n' if native else 'f'}", native=native)
            rows += _measure(bench, cluster, words)
        except Skipped as why:
            rows += [skipped_row(f"{words}: to nodes Ready, warm", str(why), _READY)]
            bench.say(f"SKIPPED {words}: {why}")
    return rows


def _measure(bench: Bench, cluster: Cluster, words: str) -> list[Row]:
    api: dict[str, list[float]] = {"cold": [], "new": [], "warm": []}
    ready: dict[str, list[float]] = {"cold": [], "new": [], "warm": []}
    stop, delete = [], []
    try:
        for index in range(bench.rounds(7)):
            bench.say(f"{words}, round {index + 1}")
            for how in ("cold", "new", "warm"):
                if how == "cold":
                    forget_cached([d for d in _DIRECTORIES if Path(d).exists()])
                times = cluster.up()
                api[how].append(times.api_s)
                ready[how].append(times.ready_s)
                if how == "new":
                    stop.append(cluster.down(delete=False))
                else:
                    delete.append(cluster.down(delete=True))
    finally:
        take_down(cluster)
    rows = []
    for how in ("cold", "new", "warm"):
        judged = how != "cold"
        rows += [
            Row(
                f"{words}: to API answering, {how}",
                median(api[how]),
                "s",
                _API if judged else None,
                _PEER_API,
                api[how],
            ),
            Row(
                f"{words}: to nodes Ready, {how}",
                median(ready[how]),
                "s",
                _READY if judged else None,
                _PEER_READY,
                ready[how],
                "the whole process, its interpreter's start included",
            ),
        ]
    rows.append(Row(f"{words}: kctl down", median(stop), "s", None, None, stop))
    rows.append(Row(f"{words}: kctl down --delete", median(delete), "s", None, None, delete))
    return rows
