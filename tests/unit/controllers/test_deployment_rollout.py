"""Deployment: tables for single decisions; properties for whole rollouts played to their end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.deployment import Plan, plan
from controllers.deployment_revision import REVISION, REVISION_HISTORY, find_newest, template_hash
from controllers.deployment_scaling import Bounds, bounds_of, plan_proportional, plan_rolling
from machinery.clock import rfc3339
from machinery.objects import deep_copy, find_condition

NOW = 1_800_000_000.0
Obj = dict


def deployment(replicas: int = 3, image: str = "v1", **spec: object) -> Obj:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": image}]}},
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            **spec,
        },
    }


def rolling(surge: object, unavailable: object) -> Obj:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def replicaset(name: str, size: int, available: int | None = None, age: int = 0, **annotations: str) -> Obj:
    available = size if available is None else available
    meta = {"name": name, "uid": name, "creationTimestamp": rfc3339(NOW - age), "annotations": annotations}
    status = {"replicas": size, "availableReplicas": available, "readyReplicas": available}
    return {"metadata": meta, "spec": {"replicas": size}, "status": status}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (3, 0, 0, (0, 1)),
        (3, "0%", "0%", (0, 1)),
        (2, 5, 5, (5, 2)),
        (0, "25%", "25%", (0, 0)),
    ],
)
def test_bounds_round_surge_up_and_unavailable_down(
    replicas: int, surge: object, unavailable: object, expected: tuple[int, int]
) -> None:
    bounds = bounds_of(deployment(replicas, strategy=rolling(surge, unavailable)))
    assert (bounds.max_surge, bounds.max_unavailable) == expected


@pytest.mark.parametrize(
    ("newest", "old", "expected"),
    [
        # The newest grows into the surge first.
        (replicaset("new", 0), [replicaset("old", 10)], {"new": 3}),
        # No room: old ones shrink by what availability allows.
        (replicaset("new", 3, 0), [replicaset("old", 10)], {"old": 8}),
        # Nothing may go while the newest is not available and all spare is used.
        (replicaset("new", 3, 0), [replicaset("old", 8)], {"new": 5}),
        (replicaset("new", 5, 0), [replicaset("old", 8)], {}),
        # What serves nobody goes first, oldest ReplicaSet first.
        (
            replicaset("new", 5, 5),
            [replicaset("b", 4, 4, age=1), replicaset("a", 4, 2, age=9)],
            {"a": 0, "b": 3},
        ),
        # The newest is too big after a scale down that was not finished.
        (replicaset("new", 12), [], {"new": 10}),
    ],
)
def test_rolling_step(newest: Obj, old: list[Obj], expected: dict[str, int]) -> None:
    assert plan_rolling(Bounds(10, 3, 2, rolling=True), newest, old) == expected


def test_proportional_scaling_spreads_by_size() -> None:
    """The Deployment page's example: 10 → 15 in mid-rollout gives 3 to the old, 2 to the new."""
    annotations = {"deployment.kubernetes.io/max-replicas": "13"}
    old, new = replicaset("old", 8, **annotations), replicaset("new", 5, 0, **annotations)
    sizes = plan_proportional(Bounds(15, 3, 2, rolling=True), new, [old], 13)
    assert sizes == {"old": 11, "new": 7}


def test_single_active_replicaset_takes_it_all() -> None:
    assert plan_proportional(Bounds(5, 1, 1, rolling=True), None, [replicaset("only", 3)], 3) == {"only": 5}


def test_template_hash_depends_on_content_and_collisions_only() -> None:
    template = deployment()["spec"]["template"]
    reordered = {"spec": template["spec"], "metadata": template["metadata"]}
    assert template_hash(template, None) == template_hash(reordered, None)
    assert template_hash(template, None) != template_hash(template, 1)
    assert set(template_hash(template, None)) <= set("bcdfghjklmnpqrstvwxz2456789")


class World:
    """A Deployment, its ReplicaSets and pods as counts; pods become available when told to."""

    def __init__(self, spec: Obj) -> None:
        self.deployment = spec
        self.replicasets: dict[str, Obj] = {}
        self.ready: dict[str, int] = {}  # available pods by ReplicaSet
        self.clock = NOW
        self.events: list[str] = []

    def step(self) -> Plan:
        self.clock += 1
        todo = plan(self.deployment, list(self.replicasets.values()), [], {}, self.clock)
        if todo.create is not None:
            created = deep_copy(todo.create)
            name = created["metadata"]["name"]
            created["metadata"] |= {"uid": name, "creationTimestamp": rfc3339(self.clock), "generation": 1}
            created["status"] = {"replicas": 0, "observedGeneration": 1}
            assert name not in self.replicasets
            self.replicasets[name] = created
            self.ready[name] = 0
        for change in todo.changes:
            self.replicasets[change.replicaset["metadata"]["name"]] = deep_copy(change.replicaset)
            if change.event:
                self.events.append(change.event)
        for gone in todo.delete:
            del self.replicasets[gone["metadata"]["name"]]
        self.deployment = {**self.deployment, "status": todo.status}
        if todo.revision:
            self.deployment["metadata"]["annotations"] = {REVISION: str(todo.revision)}
        return todo

    def run_pods(self, become_ready: int) -> None:
        """ReplicaSets reach their size (what is not available goes first), then some pods get available."""
        for name, each in self.replicasets.items():
            size = each["spec"]["replicas"]
            self.ready[name] = min(self.ready[name], size)
            more = min(become_ready, size - self.ready[name])
            self.ready[name] += more
            become_ready -= more
            ready = self.ready[name]
            each["status"] = {
                "replicas": size,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": each["metadata"].get("generation", 1),
            }

    def sizes(self) -> dict[str, int]:
        return {name: each["spec"]["replicas"] for name, each in self.replicasets.items()}

    def set_image(self, image: str) -> None:
        self.deployment = deep_copy(self.deployment)
        self.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = image
        self.deployment["metadata"]["generation"] += 1

    def set_spec(self, **spec: object) -> None:
        self.deployment = deep_copy(self.deployment)
        self.deployment["spec"].update(spec)
        self.deployment["metadata"]["generation"] += 1

    def settle(self) -> int:
        for count in range(1, 400):
            before = (deep_copy(self.replicasets), self.deployment.get("status"))
            self.step()
            self.run_pods(1000)
            if before == (self.replicasets, self.deployment.get("status")):
                return count
        raise AssertionError("the plan does not converge")

    @property
    def progressing(self) -> str:
        return find_condition(self.deployment, "Progressing")["reason"]


def test_first_rollout_goes_through_the_reasons() -> None:
    world = World(deployment(3))
    assert world.step().create["spec"]["replicas"] == 3
    world.step()
    assert find_condition(world.deployment, "Available")["status"] == "False"
    world.run_pods(1)
    world.step()
    assert world.progressing == "ReplicaSetUpdated"
    world.run_pods(5)
    world.step()
    assert world.progressing == "NewReplicaSetAvailable"
    status = world.deployment["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert "unavailableReplicas" not in status


def test_rollback_reuses_the_replicaset_with_the_next_revision() -> None:
    world = World(deployment(2))
    world.settle()
    world.set_image("v2")
    world.settle()
    world.set_image("v1")
    world.settle()
    assert len(world.replicasets) == 2
    newest = find_newest(world.deployment, list(world.replicasets.values()))
    annotations = newest["metadata"]["annotations"]
    assert (annotations[REVISION], annotations[REVISION_HISTORY]) == ("3", "1")
    assert world.deployment["metadata"]["annotations"][REVISION] == "3"
    assert newest["spec"]["replicas"] == 2


def test_paused_deployment_scales_but_does_not_roll() -> None:
    world = World(deployment(2))
    world.settle()
    world.set_spec(paused=True)
    world.set_image("v2")
    world.settle()
    assert list(world.sizes().values()) == [2]
    assert world.progressing == "DeploymentPaused"
    world.set_spec(replicas=5)
    world.settle()
    assert list(world.sizes().values()) == [5]
    world.set_spec(paused=False)
    world.settle()
    assert sorted(world.sizes().values()) == [0, 5]


def test_stuck_rollout_exceeds_its_deadline_and_recovers() -> None:
    world = World(deployment(2, progressDeadlineSeconds=60))
    world.settle()
    world.set_image("broken")
    for _ in range(5):
        world.step()
        world.run_pods(0)
    recheck = world.step().recheck_s
    assert recheck is not None
    assert recheck <= 61
    world.clock += recheck
    world.step()
    assert world.progressing == "ProgressDeadlineExceeded"
    assert find_condition(world.deployment, "Progressing")["status"] == "False"
    world.run_pods(100)
    world.settle()
    assert world.progressing == "NewReplicaSetAvailable"


def test_pods_that_fail_after_the_rollout_run_no_deadline() -> None:
    world = World(deployment(3, progressDeadlineSeconds=60))
    world.settle()
    (name,) = world.replicasets
    world.replicasets[name]["status"] |= {"readyReplicas": 1, "availableReplicas": 1}
    for later_s in (1, 300):
        world.clock += later_s
        assert world.step().recheck_s is None
        assert world.progressing == "NewReplicaSetAvailable"
    world.set_image("v2")
    for _ in range(5):
        world.step()
        world.run_pods(0)
    assert world.step().recheck_s is not None


def test_history_is_limited_to_what_is_asked() -> None:
    world = World(deployment(1, revisionHistoryLimit=2))
    for image in ("v1", "v2", "v3", "v4", "v5"):
        world.set_image(image)
        world.settle()
    revisions = sorted(int(e["metadata"]["annotations"][REVISION]) for e in world.replicasets.values())
    assert revisions == [3, 4, 5]


def test_recreate_empties_before_it_fills() -> None:
    world = World(deployment(3, strategy={"type": "Recreate"}))
    world.settle()
    world.set_image("v2")
    assert world.step().create is None
    assert list(world.sizes().values()) == [0]
    pods = {name: [{"status": {"phase": "Running"}}] for name in world.replicasets}
    world.run_pods(0)
    held = plan(world.deployment, list(world.replicasets.values()), [], pods, world.clock)
    assert held.create is None
    world.settle()
    assert sorted(world.sizes().values()) == [0, 3]


BOUND = st.one_of(st.integers(0, 4), st.sampled_from(["0%", "10%", "25%", "50%", "100%"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("image"), st.sampled_from(["v1", "v2", "v3"])),
        st.tuples(st.just("plan"), st.just(0)),
        st.tuples(st.just("pods"), st.integers(0, 6)),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(replicas=st.integers(0, 12), surge=BOUND, unavailable=BOUND, steps=STEPS)
def test_rollout_keeps_its_bounds_and_converges(
    replicas: int, surge: object, unavailable: object, steps: list[tuple[str, object]]
) -> None:
    world = World(deployment(replicas, strategy=rolling(surge, unavailable)))
    bounds = bounds_of(world.deployment)
    for kind, value in steps:
        if kind == "image":
            world.set_image(str(value))
        elif kind == "pods":
            world.run_pods(int(str(value)))
        else:
            before = dict(world.ready)
            available = sum(before.values())
            world.run_pods(0)
            world.step()
            assert sum(world.sizes().values()) <= bounds.max_total
            left = sum(min(before.get(name, 0), size) for name, size in world.sizes().items())
            assert left >= min(available, bounds.min_available)
    world.settle()
    newest = find_newest(world.deployment, list(world.replicasets.values()))
    assert {name: size for name, size in world.sizes().items() if size} == (
        {newest["metadata"]["name"]: replicas} if replicas else {}
    )
    assert world.progressing == "NewReplicaSetAvailable"


@settings(max_examples=150, deadline=None)
@given(
    replicas=st.integers(1, 12),
    surge=BOUND,
    unavailable=BOUND,
    scales=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=6),
)
def test_scaling_in_mid_rollout_converges_to_the_last_wish(
    replicas: int, surge: object, unavailable: object, scales: list[tuple[int, int]]
) -> None:
    world = World(deployment(replicas, strategy=rolling(surge, unavailable)))
    world.settle()
    world.set_image("v2")
    for wanted, ready in scales:
        world.step()
        world.run_pods(ready)
        world.set_spec(replicas=wanted)
        world.step()
        world.step()
        assert sum(world.sizes().values()) <= bounds_of(world.deployment).max_total
    world.settle()
    final = scales[-1][0] if scales else replicas
    assert sum(world.sizes().values()) == final
