"""How many pods a budget lets go."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.disruption import plan, plan_failure, scaled

Obj = dict[str, Any]
NOW = 1_800_000_000.0
NOTED = "2027-01-15T08:00:00Z"  # NOW


def pod(name: str, ready: bool = True, going: bool = False) -> Obj:
    meta: Obj = {"name": name, "labels": {"app": "web"}}
    if going:
        meta["deletionTimestamp"] = NOTED
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": NOTED}]
    return {"metadata": meta, "status": {"conditions": conditions}}


def budget(status: Obj | None = None, **spec: Any) -> Obj:
    return {"metadata": {"name": "b", "generation": 2}, "spec": spec, "status": status or {}}


PODS = [pod("a"), pod("b"), pod("c"), pod("d", ready=False)]


@pytest.mark.parametrize(
    ("spec", "wanted", "expected", "desired", "allowed"),
    [
        ({"minAvailable": 2}, None, 4, 2, 1),
        ({"minAvailable": 5}, None, 4, 5, 0),
        ({"minAvailable": "50%"}, 5, 5, 3, 0),
        ({"minAvailable": "50%"}, 4, 4, 2, 1),
        ({"maxUnavailable": 1}, 4, 4, 3, 0),
        ({"maxUnavailable": 2}, 4, 4, 2, 1),
        ({"maxUnavailable": "30%"}, 4, 4, 2, 1),
        ({"maxUnavailable": 9}, 4, 4, 0, 3),
        ({}, None, 4, 1, 2),
    ],
)
def test_budget_is_worked_out(
    spec: Obj, wanted: int | None, expected: int, desired: int, allowed: int
) -> None:
    status = plan(budget(**spec), PODS, wanted, NOW).status
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (
        expected,
        desired,
        allowed,
    )
    assert status["currentHealthy"] == 3 and status["observedGeneration"] == 2
    (condition,) = status["conditions"]
    assert condition["type"] == "DisruptionAllowed"
    assert (condition["status"], condition["reason"]) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )


def test_budget_without_pods_allows_nothing() -> None:
    assert plan(budget(minAvailable=0), [], None, NOW).status["disruptionsAllowed"] == 0
    assert plan(budget(maxUnavailable=1), [], 0, NOW).status["disruptionsAllowed"] == 0


def test_evicted_pod_counts_as_gone_for_two_minutes() -> None:
    noted = budget({"disruptedPods": {"a": NOTED, "gone": NOTED, "e": NOTED}}, minAvailable=2)
    pods = [*PODS, pod("e", going=True)]
    planned = plan(noted, pods, None, NOW + 20)
    assert planned.status["disruptedPods"] == {"a": NOTED}
    assert planned.status["currentHealthy"] == 2 and planned.again_s == 100 and planned.overdue == ()
    late = plan(noted, pods, None, NOW + 121)
    assert "disruptedPods" not in late.status
    assert late.status["currentHealthy"] == 3 and late.again_s is None and late.overdue == ("a",)


def test_budget_that_cannot_be_worked_out_allows_nothing() -> None:
    known = plan(budget(minAvailable=1), PODS, None, NOW).status
    failed = plan_failure(budget(known, maxUnavailable=1), "no idea", NOW)
    assert failed["disruptionsAllowed"] == 0 and failed["currentHealthy"] == 3
    (condition,) = failed["conditions"]
    assert (condition["status"], condition["reason"], condition["message"]) == (
        "False",
        "SyncFailed",
        "no idea",
    )


def test_percentages_round_up() -> None:
    assert [scaled("50%", n) for n in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert scaled(3, 10) == 3
