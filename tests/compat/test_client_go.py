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


def test_another_leads_when_the_leader_is_killed(compat_cluster: Cluster, space: str) -> None:
    steps(compat_cluster.kubeconfig, "informers", space, "0.3")  # for its namespace
    command = [str(client_go()), "-kubeconfig", str(compat_cluster.kubeconfig), "lead", space, "lock"]

    def candidate(name: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    first, second = candidate("first"), None
    try:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline()) == {"step": "leading"}
        second = candidate("second")
        assert second.stdout is not None
        first.kill()
        assert json.loads(second.stdout.readline()) == {"step": "leading"}
        second.terminate()
        assert json.loads(second.stdout.readline()) == {"step": "no longer leading"}
        holder = ("get", "lease", "lock", "-n", space, "-o", "jsonpath={.spec.holderIdentity}")
        second.wait(10)
        assert compat_cluster.kctl(*holder).checked() == ""  # given back
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.communicate()
