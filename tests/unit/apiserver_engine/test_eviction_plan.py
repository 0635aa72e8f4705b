"""Which evictions a budget lets through, and what is said to the others."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.engine.eviction import plan_eviction, spend
from machinery.errors import Forbidden, InternalError, TooManyRequests

Obj = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def pod(phase: str = "Running", ready: bool = True, **meta: Any) -> Obj:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"name": "p", **meta}, "status": {"phase": phase, "conditions": conditions}}


def budget(policy: str = "", **status: Any) -> Obj:
    spec = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    return {
        "metadata": {"name": "b", "generation": 1},
        "spec": spec,
        "status": {"observedGeneration": 1, **status},
    }


SHORT = budget(currentHealthy=2, desiredHealthy=3)
ENOUGH = budget(currentHealthy=3, desiredHealthy=3)


@pytest.mark.parametrize(
    ("evicted", "budgets", "way"),
    [
        (pod(), [], "free"),
        (pod("Pending"), [SHORT], "free"),
        (pod("Succeeded"), [SHORT, SHORT], "free"),
        (pod(deletionTimestamp=NOW), [SHORT], "free"),
        (pod(), [ENOUGH], "spend"),
        (pod(ready=False), [ENOUGH], "steady"),
        (pod(ready=False), [SHORT], "spend"),
        (pod(ready=False), [budget("AlwaysAllow", currentHealthy=0, desiredHealthy=3)], "steady"),
        (pod(ready=False), [budget("IfHealthyBudget", currentHealthy=0, desiredHealthy=0)], "spend"),
    ],
)
def test_way_of_an_eviction(evicted: Obj, budgets: list[Obj], way: str) -> None:
    assert plan_eviction(evicted, budgets) == way


def test_several_budgets_are_refused() -> None:
    with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
        plan_eviction(pod(), [SHORT, ENOUGH])


def test_last_disruption_is_spent_and_told() -> None:
    spent = budget(disruptionsAllowed=1)
    spend(spent, "p", NOW)
    assert spent["status"]["disruptionsAllowed"] == 0
    assert spent["status"]["disruptedPods"] == {"p": NOW}
    (condition,) = spent["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


def test_exhausted_budget_answers_with_its_numbers() -> None:
    with pytest.raises(TooManyRequests) as caught:
        spend(SHORT, "p", NOW)
    assert caught.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = caught.value.causes
    assert cause == (
        "DisruptionBudget",
        "The disruption budget b needs 3 healthy pods and has 2 currently",
        "",
    )
    assert caught.value.retry_after_s == 0


def test_budget_not_seen_by_the_controller_asks_to_come_back() -> None:
    with pytest.raises(TooManyRequests) as caught:
        spend(budget(observedGeneration=0, disruptionsAllowed=3), "p", NOW)
    assert caught.value.retry_after_s == 10
    assert "is still being processed by the server" in caught.value.causes[0].message


def test_budget_that_failed_says_why() -> None:
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
    with pytest.raises(TooManyRequests) as caught:
        spend(budget(conditions=[failed]), "p", NOW)
    assert caught.value.causes[0].message.endswith("because it failed sync: no scale")
    with pytest.raises(Forbidden, match="pdb disruptions allowed is negative"):
        spend(budget(disruptionsAllowed=-1), "p", NOW)
