"""What the creator of an object owns is remembered by its parts, and nobody changes what is remembered."""

from __future__ import annotations

import copy

from api import registry
from machinery.patch import apply as structured
from machinery.patch import json_patch
from machinery.patch.apply import born, comparing, managed, sets, unowned

PODS = next(r for r in registry.load() if r.gvr.resource == "pods" and not r.gvr.group)
POD = {
    "metadata": {"labels": {"app": "web"}, "generateName": "web-"},
    "spec": {
        "containers": [{"name": "c", "image": "x:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]
    },
}


def test_remembered_fields_are_those_that_comparing_finds():
    schema = PODS.schema()
    found = comparing.compare({}, unowned.owned_part(POD), schema)
    whole = unowned.without_unowned(sets.union(found.added, found.modified))
    assert born.fields_of_new(unowned.owned_part(POD), schema) == whole
    assert born.fields_of_new(unowned.owned_part(POD), schema) == whole


def test_writes_and_patches_leave_what_is_remembered_alone():
    schema = PODS.schema()
    first = born.fields_of_new(unowned.owned_part(POD), schema)
    kept = copy.deepcopy(first)
    pod = copy.deepcopy(POD)
    common = {"manager": "m", "api_version": "v1", "now": 1.0, "schema": schema}
    managed.update_managed_fields(None, pod, **common)
    where = "/metadata/managedFields/0/fieldsV1/f:spec"
    json_patch.apply(pod, [{"op": "remove", "path": where}])
    changed = copy.copy(pod) | {"spec": {**POD["spec"], "nodeName": "n1"}, "metadata": dict(pod["metadata"])}
    managed.update_managed_fields(pod, changed, **common)
    applied = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": "x:2"}]}}
    structured.apply(changed, applied, force=True, **common)
    assert first == kept
    assert born.fields_of_new(unowned.owned_part(POD), schema) == kept


def test_same_part_under_another_schema_is_another():
    schema = PODS.schema()
    granular = born.fields_of_new(unowned.owned_part(POD), schema)
    assert born.fields_of_new(unowned.owned_part(POD), None) != granular


def test_many_different_parts_are_not_all_kept():
    for number in range(1000):
        born.fields_of_new({"data": {str(number): "x"}}, None)
    assert len(born._known) <= 256
