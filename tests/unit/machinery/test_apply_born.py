"""What the creator of an object owns is remembered by its parts, and still everybody's own."""

from __future__ import annotations

import copy

from api import registry
from machinery.patch.apply import born, managed, typed

PODS = next(r for r in registry.load() if r.gvr.resource == "pods" and not r.gvr.group)
POD = {
    "metadata": {"labels": {"app": "web"}, "generateName": "web-"},
    "spec": {
        "containers": [{"name": "c", "image": "x:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]
    },
}


def test_remembered_fields_are_those_that_comparing_finds():
    schema = PODS.schema()
    whole = born.without_births(typed.compare({}, managed.owned_part(POD), schema).added, schema)
    assert born.fields_of_new(managed.owned_part(POD), schema) == whole
    assert born.fields_of_new(managed.owned_part(POD), schema) == whole


def test_changing_what_came_out_changes_nothing_for_the_next():
    schema = PODS.schema()
    first = born.fields_of_new(managed.owned_part(POD), schema)
    kept = copy.deepcopy(first)
    first["f:spec"]["f:containers"].clear()
    first["f:metadata"]["f:labels"]["f:other"] = {}
    assert born.fields_of_new(managed.owned_part(POD), schema) == kept


def test_same_part_under_another_schema_is_another():
    schema = PODS.schema()
    granular = born.fields_of_new(managed.owned_part(POD), schema)
    assert born.fields_of_new(managed.owned_part(POD), None) != granular


def test_many_different_parts_are_not_all_kept():
    for number in range(1000):
        born.fields_of_new({"data": {str(number): "x"}}, None)
    assert len(born._known) <= 256
