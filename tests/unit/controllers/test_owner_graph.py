"""The garbage collector's graph and verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.garbagecollector import Verdict, plan_item
from controllers.ownergraph import Node, OwnerGraph
from machinery.gvk import PODS, REPLICASETS, Key

Obj = dict


def obj(
    uid: str, owners: tuple[str, ...] = (), finalizers: tuple[str, ...] = (), deleting: bool = False
) -> Obj:
    refs = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": each, "uid": each, "blockOwnerDeletion": True}
        for each in owners
    ]
    meta: Obj = {"name": uid, "namespace": "a", "uid": uid, "ownerReferences": refs}
    if finalizers:
        meta["finalizers"] = list(finalizers)
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": meta}


def test_owned_object_with_known_owner_needs_no_look() -> None:
    graph = OwnerGraph()
    graph.observe(REPLICASETS, obj("rs"))
    assert graph.observe(PODS, obj("pod", ("rs",))) == []


def test_unknown_owner_is_virtual_until_it_shows() -> None:
    graph = OwnerGraph()
    assert graph.observe(PODS, obj("pod", ("rs",))) == ["pod"]
    assert graph.nodes["rs"].is_virtual
    assert graph.observe(REPLICASETS, obj("rs")) == ["pod"]
    assert graph.has_solid_owners(graph.nodes["pod"])


def test_removed_owner_wakes_its_dependents() -> None:
    graph = OwnerGraph()
    graph.observe(REPLICASETS, obj("rs"))
    graph.observe(PODS, obj("p1", ("rs",)))
    graph.observe(PODS, obj("p2", ("rs",)))
    assert graph.remove("rs") == ["p1", "p2"]
    assert not graph.has_solid_owners(graph.nodes["p1"])
    graph.remove("p1")
    graph.remove("p2")
    assert graph.nodes == {}


def test_foreground_owner_wakes_dependents_and_waits_for_the_last() -> None:
    graph = OwnerGraph()
    graph.observe(REPLICASETS, obj("rs"))
    graph.observe(PODS, obj("pod", ("rs",)))
    dying = obj("rs", finalizers=("foregroundDeletion",), deleting=True)
    assert graph.observe(REPLICASETS, dying) == ["rs", "pod"]
    assert [each.uid for each in graph.blocking_dependents("rs")] == ["pod"]
    assert graph.remove("pod") == ["rs"]
    assert graph.blocking_dependents("rs") == []


def test_reference_with_wrong_coordinates_is_no_owner() -> None:
    graph = OwnerGraph()
    graph.observe(PODS, obj("rs"))  # the uid exists, but it is a pod
    graph.observe(PODS, obj("pod", ("rs",)))
    assert not graph.has_solid_owners(graph.nodes["pod"])


WAITING = Node("d", PODS, Key("a", "d"), deleting=True, finalizers=("foregroundDeletion",))
PLAIN = Node("d", PODS, Key("a", "d"))


@pytest.mark.parametrize(
    ("states", "finalizers", "dependents", "expected"),
    [
        ({}, [], [], Verdict()),
        ({"a": "solid"}, [], [], Verdict()),
        ({"a": "solid", "b": "absent"}, [], [], Verdict(drop_owners=("b",))),
        ({"a": "solid", "b": "waiting"}, [], [], Verdict(drop_owners=("b",))),
        ({"a": "absent"}, [], [], Verdict("Background")),
        ({"a": "absent"}, ["orphan"], [], Verdict("Orphan")),
        ({"a": "absent"}, ["foregroundDeletion"], [], Verdict("Foreground")),
        ({"a": "waiting"}, [], [], Verdict("Background")),
        ({"a": "waiting"}, [], [PLAIN], Verdict("Foreground")),
        ({"a": "waiting"}, [], [WAITING], Verdict("Foreground", unblock=True)),
    ],
)
def test_verdict(states: Obj, finalizers: list[str], dependents: list[Node], expected: Verdict) -> None:
    assert plan_item(states, finalizers, dependents) == expected


UIDS = st.sampled_from(["a", "b", "c", "d"])
HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("observe"), UIDS, st.lists(UIDS, max_size=3, unique=True).map(tuple)),
        st.tuples(st.just("remove"), UIDS, st.just(())),
    ),
    max_size=40,
)


@given(history=HISTORY)
def test_graph_links_both_ways_whatever_happens(history: list[tuple[str, str, tuple[str, ...]]]) -> None:
    graph = OwnerGraph()
    alive: dict[str, tuple[str, ...]] = {}
    for step, uid, owners in history:
        if step == "observe":
            graph.observe(REPLICASETS, obj(uid, owners))
            alive[uid] = owners
        else:
            graph.remove(uid)
            alive.pop(uid, None)
        assert {uid for uid, node in graph.nodes.items() if not node.is_virtual} == set(alive)
        for node in graph.nodes.values():
            expected = {uid for uid, owners in alive.items() if node.uid in owners}
            assert set(node.dependents) == expected
            assert not node.is_virtual or expected
