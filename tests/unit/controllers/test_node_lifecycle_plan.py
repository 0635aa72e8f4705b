"""Node lifecycle and taint eviction: conditions, taints, zones, when pods go."""

from __future__ import annotations

import pytest

from controllers.nodelifecycle import GRACE_S, STARTUP_GRACE_S, may_execute_in, plan, plan_taints
from controllers.tainteviction import plan_eviction
from machinery.clock import rfc3339
from machinery.objects import find_condition

NOW = 1_800_000_000.0
Obj = dict


def node(name: str = "n", ready: str | None = "True", taints: list[Obj] | None = None, **spec: object) -> Obj:
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletReady"}] if ready else []
    return {
        "metadata": {"name": name, "creationTimestamp": rfc3339(NOW - 1000)},
        "spec": {**({"taints": taints} if taints else {}), **spec},
        "status": {"conditions": conditions},
    }


def taints_of(todo: list[Obj]) -> set[tuple[str, str]]:
    return {(each["key"].removeprefix("node.kubernetes.io/"), each["effect"]) for each in todo}


def test_node_heard_of_stays_and_is_rechecked_when_its_grace_ends() -> None:
    todo = plan(node(), 10, True, NOW)
    assert (todo.conditions, todo.taints, todo.recheck_s) == (None, None, GRACE_S - 10)


def test_silent_node_becomes_unknown_and_unreachable() -> None:
    todo = plan(node(), GRACE_S, True, NOW)
    assert todo.went_silent
    ready = find_condition(todo.conditions, "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["message"] == "Kubelet stopped posting node status."
    assert find_condition(todo.conditions, "DiskPressure")["reason"] == "NodeStatusNeverUpdated"
    assert taints_of(todo.taints) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    execute = next(t for t in todo.taints if t["effect"] == "NoExecute")
    assert execute["timeAdded"] == rfc3339(NOW)


def test_node_that_never_spoke_has_the_longer_grace() -> None:
    assert plan(node(ready=None), GRACE_S, True, NOW).conditions is None
    todo = plan(node(ready=None), STARTUP_GRACE_S, True, NOW)
    assert find_condition(todo.conditions, "Ready")["reason"] == "NodeStatusNeverUpdated"
    assert not todo.went_silent


def test_not_ready_and_pressure_become_taints_and_others_taints_stay() -> None:
    own = {"key": "team", "value": "x", "effect": "NoExecute"}
    sick = node(ready="False", taints=[own], unschedulable=True)
    sick["status"]["conditions"].append({"type": "MemoryPressure", "status": "True"})
    taints = plan_taints(sick, sick["status"]["conditions"], False, NOW)
    assert taints[0] == own
    assert taints_of(taints) == {
        ("team", "NoExecute"),
        ("not-ready", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    }
    executed = plan_taints(sick, sick["status"]["conditions"], True, NOW)
    assert ("not-ready", "NoExecute") in taints_of(executed)
    # Once there, the taint keeps its time, and goes when the node is ready again.
    later = plan_taints({**sick, "spec": {"taints": executed}}, sick["status"]["conditions"], False, NOW + 99)
    assert next(t for t in later if t["effect"] == "NoExecute" and t["key"] != "team")[
        "timeAdded"
    ] == rfc3339(NOW)
    healthy = node(taints=later)
    assert plan_taints(healthy, healthy["status"]["conditions"], True, NOW) == [own]


@pytest.mark.parametrize(
    ("ready", "out", "expected"), [(2, 1, True), (1, 1, True), (0, 1, False), (1, 2, True), (1, 3, False)]
)
def test_pods_are_not_driven_off_when_most_of_a_zone_is_out(ready: int, out: int, expected: bool) -> None:
    nodes = [node(f"r{i}") for i in range(ready)] + [node(f"o{i}", ready="Unknown") for i in range(out)]
    assert may_execute_in(nodes[-1], nodes) is expected


TAINT = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": rfc3339(NOW)}


@pytest.mark.parametrize(
    ("tolerations", "expected"),
    [
        ([], 0.0),
        (
            [{"key": TAINT["key"], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            NOW + 300,
        ),
        ([{"operator": "Exists"}], None),
        ([{"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}], 0.0),
        ([{"key": TAINT["key"], "operator": "Equal", "value": ""}], None),
        ([{"key": "other", "operator": "Exists", "tolerationSeconds": 300}], 0.0),
        (
            [{"operator": "Exists"}, {"key": TAINT["key"], "operator": "Exists", "tolerationSeconds": 7}],
            NOW + 7,
        ),
        ([{"operator": "Exists", "tolerationSeconds": -1}], NOW),
    ],
)
def test_eviction_time(tolerations: list[Obj], expected: float | None) -> None:
    assert plan_eviction({"spec": {"tolerations": tolerations}}, [TAINT], NOW - 50) == expected


def test_taint_without_time_counts_from_when_it_was_seen() -> None:
    taint = {"key": "mine", "effect": "NoExecute"}
    pod = {"spec": {"tolerations": [{"key": "mine", "operator": "Exists", "tolerationSeconds": 60}]}}
    assert plan_eviction(pod, [taint], NOW) == NOW + 60
