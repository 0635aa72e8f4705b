"""Upstream's client-go, the library under kubectl, Helm and nearly every operator: its typed and untyped clients, informers,
and leader election against a cluster. Skipped where the program of tools/upstream/client has not been built.
"""

from __future__ import annotations

import json
import subprocess
from itertools import count

import pytest
from client_go import client_go, steps
from clusters import Cluster

_numbers = count(1)


@pytest.fixture
def space() -> str:
    return f"client-go-{next(_numbers)}"


@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_typed_clients_do_every_verb(compat_cluster: Cluster, space: str, encoding: str) -> None:
    flags = ["-json"] if encoding == "json" else []
    told = steps(compat_cluster.kubeconfig, *flags, "typed", space)
    assert len(told) >= 12
    assert {step: error for step, error in told.items() if error} == {}


def test_discovery_mapper_openapi_and_untyped_clients_know_every_kind(
    compat_cluster: Cluster, space: str
) -> None:
    told = steps(compat_cluster.kubeconfig, "generic", space)
    assert sum(step.startswith("list ") for step in told) >= 55
    assert {step: error for step, error in told.items() if error} == {}


def test_informers_are_told_everything_once_and_in_order(compat_cluster: Cluster, space: str) -> None:
    told = steps(compat_cluster.kubeconfig, "informers", space, "1.5")
    assert {step: error for step, error in told.items() if error} == {}


def test_another_leads_when_the_leader_is_killed_or_stops(compat_cluster: Cluster, space: str) -> None:
    steps(compat_cluster.kubeconfig, "informers", space, "0.3")  # for its namespace
    command = [str(client_go()), "-kubeconfig", str(compat_cluster.kubeconfig), "lead", space, "lock"]
    candidates: list[subprocess.Popen[str]] = []

    def candidate(name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*command, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        candidates.append(process)
        return process

    def told(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return str(json.loads(process.stdout.readline())["step"])

    try:
        first = candidate("first")
        assert told(first) == "leading"
        second = candidate("second")
        first.kill()
        assert told(second) == "leading"
        third = candidate("third")
        second.terminate()
        assert told(second) == "no longer leading"
        # At once where the lease was given back; a renewal under way is in the way of that, and then the lease runs out.
        assert told(third) == "leading"
    finally:
        for process in candidates:
            process.kill()
            process.communicate()
