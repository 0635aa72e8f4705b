"""The subjects, in the order in which they are measured: the quiet ones first."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import (
    api,
    bounds,
    cli,
    failover,
    kube_apiserver,
    memory,
    pods,
    runtime,
    simulate,
    store,
    up,
    upstream,
)
from benchmarks.bench import Bench
from benchmarks.rows import Row

SUBJECTS: dict[str, Callable[[Bench], list[Row]]] = {
    "up": up.measure,
    "cli": cli.measure,
    "pods": pods.measure,
    "runtime": runtime.measure,
    "memory": memory.measure,
    "simulate": simulate.measure,
    "store": store.measure,
    "bounds": bounds.measure,
    "failover": failover.measure,
    "api": api.measure,
    "upstream": upstream.measure,
    "kube-apiserver": kube_apiserver.measure,
}
