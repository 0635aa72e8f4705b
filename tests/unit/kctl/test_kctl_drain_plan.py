"""Which pods a drain ends, and which forbid it."""

from __future__ import annotations

from typing import Any

import pytest

from kctl.draining import Rules, plan_drain


def _pod(
    name: str, owner: str = "", *, data: bool = False, phase: str = "Running", mirror: bool = False
) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "ns"}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "controller": True}]
    if mirror:
        meta["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return {
        "metadata": meta,
        "spec": {"volumes": [{"emptyDir": {}}] if data else []},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("pod", "rules", "evicted", "refused"),
    [
        (_pod("a", "ReplicaSet"), Rules(), True, ""),
        (_pod("a"), Rules(), False, "cannot delete Pods that declare no controller (use --force to override): ns/a"),
        (_pod("a"), Rules(force=True), True, ""),
        (_pod("a", phase="Succeeded"), Rules(), True, ""),
        (_pod("a", "DaemonSet"), Rules(), False, "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ns/a"),
        (_pod("a", "DaemonSet"), Rules(ignore_daemonsets=True), False, ""),
        (_pod("a", "ReplicaSet", data=True), Rules(), False,
         "cannot delete Pods with local storage (use --delete-emptydir-data to override): ns/a"),
        (_pod("a", "ReplicaSet", data=True), Rules(delete_emptydir_data=True), True, ""),
        (_pod("a", mirror=True), Rules(), False, ""),
    ],
)  # fmt: skip
def test_pod_is_ended_passed_over_or_forbids(
    pod: dict[str, Any], rules: Rules, evicted: bool, refused: str
) -> None:
    plan = plan_drain([pod], rules)
    assert (bool(plan.evict), ", ".join(plan.refusals)) == (evicted, refused)


def test_reasons_gather_their_pods() -> None:
    plan = plan_drain(
        [_pod("a"), _pod("b"), _pod("c", "DaemonSet"), _pod("d", "ReplicaSet")], Rules(ignore_daemonsets=True)
    )
    assert plan.refusals == [
        "cannot delete Pods that declare no controller (use --force to override): ns/a, ns/b"
    ]
    assert plan.warnings == ["ignoring DaemonSet-managed Pods: ns/c"]
    assert [pod["metadata"]["name"] for pod in plan.evict] == ["d"]
