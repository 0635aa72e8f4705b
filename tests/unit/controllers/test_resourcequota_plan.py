"""The quota controller's pure part."""

from __future__ import annotations

from typing import Any

from controllers.resourcequota import frees, kinds_of, plan_status

Obj = dict[str, Any]
POD = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]},
}
PODS, CONFIGMAPS = ("", "pods"), ("", "configmaps")


def quota(hard: Obj, status: Obj | None = None) -> Obj:
    return {"spec": {"hard": hard}, "status": status or {}}


def test_everything_named_is_counted() -> None:
    limited = quota({"pods": "5", "requests.cpu": "2", "configmaps": "3"})
    assert kinds_of(limited) == [PODS, CONFIGMAPS]
    wanted = {
        "hard": {"configmaps": "3", "pods": "5", "requests.cpu": "2"},
        "used": {"configmaps": "1", "pods": "2", "requests.cpu": "1"},
    }
    counted = {PODS: [POD, POD], CONFIGMAPS: [{"metadata": {}}]}
    assert plan_status(limited, counted, 0) == wanted
    assert plan_status({**limited, "status": wanted}, counted, 0) is None


def test_what_cannot_be_listed_keeps_its_number() -> None:
    standing = {
        "hard": {"pods": "5", "count/x.y": "2"},
        "used": {"pods": "0", "count/x.y": "1", "secrets": "9"},
    }
    limited = quota({"pods": "5", "count/x.y": "2"}, standing)
    status = plan_status(limited, {PODS: [POD]}, 0)
    assert status == {"hard": {"count/x.y": "2", "pods": "5"}, "used": {"count/x.y": "1", "pods": "1"}}


def test_empty_quota_is_acknowledged_once() -> None:
    assert plan_status(quota({}), {}, 0) == {"hard": {}, "used": {}}
    assert plan_status(quota({}, {"hard": {}, "used": {}}), {}, 0) is None


def test_pod_that_ends_frees_what_it_used() -> None:
    ended = {**POD, "status": {"phase": "Succeeded"}}
    assert frees(PODS, POD, ended, 0)
    assert not frees(PODS, POD, {**POD, "status": {"phase": "Running"}}, 0)
