"""ReplicaSet: claims, counts, and which pods go first."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.replicaset import plan, plan_status
from controllers.replicaset_ranking import DELETION_COST, deletion_cost, pods_to_delete
from machinery.clock import rfc3339
from machinery.objects import find_condition

NOW = 1_800_000_000.0
Obj = dict
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}


def replicaset(replicas: int, **more: object) -> Obj:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template, **more}
    return {"metadata": {"name": "web", "namespace": "a", "uid": "rs", "generation": 3}, "spec": spec}


def pod(
    name: str,
    *,
    phase: str = "Running",
    node: str = "n1",
    ready_for: float | None = 100,
    age: float = 1000,
    restarts: int = 0,
    labels: Obj | None = None,
    owner: Obj | None = OWNER,
    deleting: bool = False,
    cost: str = "",
) -> Obj:
    meta: Obj = {
        "name": name,
        "namespace": "a",
        "uid": name,
        "labels": {"app": "web"} if labels is None else labels,
        "creationTimestamp": rfc3339(NOW - age),
        "annotations": {DELETION_COST: cost} if cost else {},
        "ownerReferences": [owner] if owner else [],
    }
    if deleting:
        meta["deletionTimestamp"] = rfc3339(NOW)
    conditions = []
    if ready_for is not None:
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW - ready_for)}]
    statuses = [{"name": "c", "restartCount": restarts}]
    return {
        "metadata": meta,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": conditions, "containerStatuses": statuses},
    }


def names(pods: object) -> list[str]:
    return [each["metadata"]["name"] for each in pods]


def test_missing_pods_are_created_and_ended_ones_do_not_count() -> None:
    owned = [pod("a"), pod("b", phase="Failed"), pod("c", deleting=True)]
    todo = plan(replicaset(3), owned, [], Counter(), NOW)
    assert (todo.create, todo.delete) == (2, ())
    assert todo.status == {
        "replicas": 1,
        "fullyLabeledReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 3,
    }


def test_matching_orphan_is_adopted_and_strangers_are_released() -> None:
    released = pod("x", labels={"app": "other"})
    orphan = pod("y", owner=None)
    todo = plan(
        replicaset(2), [pod("a"), released], [orphan, pod("z", owner=None, labels={})], Counter(), NOW
    )
    assert names(todo.claims.adopt) == ["y"]
    assert names(todo.claims.release) == ["x"]
    assert (todo.create, todo.delete) == (0, ())


def test_replicaset_being_deleted_neither_creates_nor_adopts() -> None:
    dying = replicaset(3)
    dying["metadata"]["deletionTimestamp"] = rfc3339(NOW)
    todo = plan(dying, [pod("a")], [pod("y", owner=None)], Counter(), NOW)
    assert (todo.create, todo.delete, todo.claims.adopt) == (0, (), ())


def test_one_pass_changes_at_most_five_hundred() -> None:
    assert plan(replicaset(2000), [], [], Counter(), NOW).create == 500
    many = [pod(f"p{i}") for i in range(700)]
    assert len(plan(replicaset(0), many, [], Counter(), NOW).delete) == 500


def test_availability_waits_for_min_ready_seconds() -> None:
    todo = plan(replicaset(1, minReadySeconds=30), [pod("a", ready_for=10)], [], Counter(), NOW)
    assert "availableReplicas" not in todo.status
    assert todo.recheck_s == 20


def test_failure_becomes_a_condition_and_goes_again() -> None:
    todo = plan(replicaset(2), [], [], Counter(), NOW)
    failed = plan_status(replicaset(2), todo, "exceeded quota", NOW)
    condition = find_condition({"status": failed}, "ReplicaFailure")
    assert condition is not None
    assert (condition["reason"], condition["message"]) == ("FailedCreate", "exceeded quota")
    healed = plan_status({**replicaset(2), "status": failed}, todo, "", NOW)
    assert "conditions" not in healed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("x", node=""), pod("y")),
        (pod("x", phase="Pending"), pod("y")),
        (pod("x", ready_for=None), pod("y")),
        (pod("x", cost="-5"), pod("y")),
        (pod("x", node="crowded"), pod("y", node="n1")),
        (pod("x", ready_for=1), pod("y", ready_for=5000)),
        (pod("x", ready_for=None, restarts=3), pod("y", ready_for=None)),
        (pod("x", ready_for=None, age=1), pod("y", ready_for=None, age=5000)),
        (pod("x", ready_for=100), pod("y", ready_for=101)),  # of one magnitude: by uid
    ],
)
def test_first_goes_before_second(first: Obj, second: Obj) -> None:
    crowding = {"crowded": 3, "n1": 1}
    for order in ([first, second], [second, first]):
        assert names(pods_to_delete(order, 1, crowding, NOW)) == ["x"]


@pytest.mark.parametrize(
    ("text", "cost"), [("", 0), ("7", 7), ("-7", -7), ("+7", 0), ("007", 0), ("9999999999", 0), ("0", 0)]
)
def test_deletion_cost_reads_as_upstream(text: str, cost: int) -> None:
    assert deletion_cost(pod("x", cost=text)) == cost


PODS = st.lists(
    st.builds(
        pod,
        st.uuids().map(str),
        phase=st.sampled_from(["Running", "Pending"]),
        node=st.sampled_from(["", "n1", "n2"]),
        ready_for=st.one_of(st.none(), st.integers(0, 10_000)),
        restarts=st.integers(0, 3),
        cost=st.sampled_from(["", "1", "-1"]),
    ),
    unique_by=lambda p: p["metadata"]["uid"],
    max_size=12,
)


@given(pods=PODS, wanted=st.integers(0, 12), seed=st.integers())
def test_plan_reaches_the_wanted_count_and_does_not_depend_on_order(
    pods: list[Obj], wanted: int, seed: int
) -> None:
    todo = plan(replicaset(wanted), pods, [], Counter(n1=2, n2=1), NOW)
    assert len(pods) + todo.create - len(todo.delete) == wanted
    shuffled = list(pods)
    random.Random(seed).shuffle(shuffled)
    again = plan(replicaset(wanted), shuffled, [], Counter(n1=2, n2=1), NOW)
    assert sorted(names(again.delete)) == sorted(names(todo.delete))
