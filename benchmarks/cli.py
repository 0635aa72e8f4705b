"""`kctl get pods` against `kubectl get pods`: whole processes, in alternation, on the same ten pods.

kubectl's discovery is in its cache on disk, as on anybody's second call.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping

from benchmarks.bench import Bench
from benchmarks.bodies import small_pod
from benchmarks.clusters import KCTL, running_cluster
from benchmarks.rows import Peer, Row, Target
from benchmarks.sampling import alternate, median, process_s

_CALLS = (
    ("get pods", Target("<=", 1.5)),
    ("get pods -o wide", None),
    ("get pods -o json", None),
    ("get nodes", None),
    ("version", None),
)


def measure(bench: Bench) -> list[Row]:
    kubectl = shutil.which("kubectl")
    rows: list[Row] = []
    with running_cluster(bench.directory, "cli", native=False) as cluster:
        pods = []
        for index in range(10):
            pod = small_pod()
            pod["metadata"]["name"] = f"web-{index}"
            pods.append(pod)
        file = bench.directory / "pods.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
        cluster.kctl("apply", "-f", str(file))
        for words, target in _CALLS:
            bench.say(words)
            works = {"kctl": _call(KCTL, words, cluster.env)}
            if kubectl:
                works["kubectl"] = _call(kubectl, words, cluster.env)
            for work in works.values():
                work()  # kubectl fills its discovery cache, the page cache is warm for both
            samples = alternate(works, bench.rounds(25))
            rows.append(_row(f"kctl {words}", samples, target))
        bare = alternate({"python": lambda: process_s([KCTL, "--help"], cluster.env)}, bench.rounds(15))[
            "python"
        ]
        rows.append(
            Row("kctl --help (no request)", median(bare) * 1e3, "ms", samples=[s * 1e3 for s in bare])
        )
        rows.append(_interpreter(bench))
    return rows


def _call(program: str, words: str, env: Mapping[str, str]) -> Callable[[], float]:
    return lambda: process_s([program, *words.split()], env)


def _row(name: str, samples: dict[str, list[float]], target: Target | None) -> Row:
    """The target is on the ratio of medians, so the row's value is that ratio; milliseconds are its details."""
    ours = [s * 1e3 for s in samples["kctl"]]
    theirs = [s * 1e3 for s in samples.get("kubectl", [])]
    peer = Peer("kubectl", median(theirs)) if theirs else None
    if target is None or peer is None:
        return Row(name, median(ours), "ms", None, peer, ours)
    limit = Target(target.sense, target.limit * peer.value)
    return Row(
        name,
        median(ours),
        "ms",
        limit,
        peer,
        ours,
        f"target: {target.limit} × kubectl",
        details={"kubectl_ms": theirs},
    )


def _interpreter(bench: Bench) -> Row:
    """What any Python program pays before its first line."""
    samples = [process_s([sys.executable, "-I", "-c", "pass"]) * 1e3 for _ in range(bench.rounds(15))]
    return Row("python -I -c pass (the floor)", median(samples), "ms", samples=samples)
