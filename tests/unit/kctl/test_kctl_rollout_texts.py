"""kubectl's words for how far a rollout is."""

from __future__ import annotations

from typing import Any

import pytest

from kctl.failure import Failure
from kctl.rollouts import progress


def _deployment(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 2},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 2, **status},
    }


@pytest.mark.parametrize(
    ("status", "text", "done"),
    [
        ({"observedGeneration": 1}, "Waiting for deployment spec update to be observed...", False),
        ({"updatedReplicas": 1}, "1 out of 3 new replicas have been updated...", False),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination...", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, "2 of 3 updated replicas are available...", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, 'deployment "web" successfully rolled out', True),
    ],
)  # fmt: skip
def test_deployment_tells_how_far_it_is(status: dict[str, Any], text: str, done: bool) -> None:
    shown, is_done = progress(_deployment(**status))
    assert shown.endswith(text)
    assert is_done is done


def test_deployment_past_its_deadline_fails() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    with pytest.raises(Failure, match='deployment "web" exceeded its progress deadline'):
        progress(_deployment(conditions=[late]))


@pytest.mark.parametrize(
    ("kind", "status", "text", "done"),
    [
        ("DaemonSet", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1}, "1 out of 3 new pods have been updated...", False),
        ("DaemonSet", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 1}, "1 of 3 updated pods are available...", False),
        ("DaemonSet", {}, 'daemon set "web" successfully rolled out', True),
        ("StatefulSet", {"readyReplicas": 1}, "Waiting for 2 pods to be ready...", False),
        ("StatefulSet", {"readyReplicas": 3, "updatedReplicas": 1, "updateRevision": "b", "currentRevision": "a"},
         "waiting for statefulset rolling update to complete 1 pods at revision b...", False),
        ("StatefulSet", {"readyReplicas": 3, "currentReplicas": 3, "updateRevision": "a", "currentRevision": "a"},
         "statefulset rolling update complete 3 pods at revision a...", True),
    ],
)  # fmt: skip
def test_sets_tell_how_far_they_are(kind: str, status: dict[str, Any], text: str, done: bool) -> None:
    obj = {
        "kind": kind,
        "metadata": {"name": "web"},
        "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate"}},
        "status": status,
    }
    shown, is_done = progress(obj)
    assert shown.endswith(text)
    assert is_done is done


def test_partition_is_done_when_its_pods_are_updated() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    obj = {
        "kind": "StatefulSet",
        "metadata": {"name": "web"},
        "spec": {"replicas": 3, "updateStrategy": strategy},
    }
    assert not progress({**obj, "status": {"readyReplicas": 3}})[1]
    assert progress({**obj, "status": {"readyReplicas": 3, "updatedReplicas": 1}})[1]


def test_on_delete_strategy_has_no_status() -> None:
    obj = {"kind": "DaemonSet", "metadata": {"name": "web"}, "spec": {"updateStrategy": {"type": "OnDelete"}}}
    with pytest.raises(Failure, match="only available for RollingUpdate"):
        progress(obj)
