"""Copying, paths, owners, conditions."""

from __future__ import annotations

from typing import Any

from machinery import objects


def test_deep_copy_shares_no_container() -> None:
    original: dict[str, Any] = {"a": [{"b": [1, 2]}, "x"], "c": {"d": None}}
    copied = objects.deep_copy(original)
    assert copied == original
    copied["a"][0]["b"].append(3)
    copied["c"]["d"] = 1
    assert original == {"a": [{"b": [1, 2]}, "x"], "c": {"d": None}}


def test_paths_read_set_and_remove() -> None:
    obj: dict[str, Any] = {}
    objects.set_path(obj, "spec.template.name", "x")
    objects.set_path(obj, ("metadata", "labels", "a.b/c"), "y")
    assert objects.get_path(obj, "spec.template.name") == "x"
    assert objects.get_path(obj, ("metadata", "labels", "a.b/c")) == "y"
    assert objects.get_path(obj, "spec.template.name.deeper", 7) == 7
    assert objects.remove_path(obj, "spec.template.name")
    assert not objects.remove_path(obj, "spec.none.name")
    assert objects.get_path(obj, "spec.template") == {}


def test_owner_reference_makes_a_controller() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs", "uid": "u1"}}
    pod: dict[str, Any] = {"metadata": {"name": "p"}}
    assert objects.controller_of(pod) is None
    assert objects.set_owner(pod, objects.owner_reference(owner))
    assert not objects.set_owner(pod, objects.owner_reference(owner))
    assert objects.is_controlled_by(pod, owner)
    assert not objects.is_controlled_by(pod, {"metadata": {"uid": "u2"}})
    assert objects.remove_owner(pod, "u1")
    assert "ownerReferences" not in pod["metadata"]


def test_condition_keeps_its_transition_time_until_status_changes() -> None:
    obj: dict[str, Any] = {}
    assert objects.set_status_condition(obj, "Ready", "False", 0, reason="Starting")
    first = objects.find_condition(obj, "Ready")
    assert first is not None
    assert first["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert objects.set_status_condition(obj, "Ready", "False", 60, reason="Waiting", message="m")
    assert first["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert first["reason"] == "Waiting"
    assert not objects.set_status_condition(obj, "Ready", "False", 60, reason="Waiting", message="m")
    assert objects.set_status_condition(obj, "Ready", "True", 60, reason="Ok")
    assert first["lastTransitionTime"] == "1970-01-01T00:01:00Z"
    assert objects.is_condition(obj, "Ready")
    assert objects.remove_condition(obj, "Ready")
    assert not objects.remove_condition(obj, "Ready")


def test_finalizers_come_and_go() -> None:
    obj: dict[str, Any] = {"metadata": {}}
    assert objects.add_finalizer(obj, "a/b")
    assert not objects.add_finalizer(obj, "a/b")
    assert objects.remove_finalizer(obj, "a/b")
    assert obj == {"metadata": {}}
    assert not objects.is_being_deleted(obj)
