"""What field selectors see of an object: the value at a path, at another path, or what stands for nothing."""

from __future__ import annotations

import pytest

from api import registry
from apiserver.storage.extract import extractor

META = {"name": "a", "namespace": "ns"}


def fields_of(resource, obj, group=""):
    found = next(each for each in registry.load() if (each.gvr.group, each.gvr.resource) == (group, resource))
    return extractor(found.selectable_fields, namespaced=found.namespaced)({"metadata": META, **obj})[1]


@pytest.mark.parametrize(
    ("resource", "group", "obj", "field", "value"),
    [
        ("pods", "", {}, "spec.hostNetwork", "false"),
        ("pods", "", {"spec": {"hostNetwork": True}}, "spec.hostNetwork", "true"),
        ("pods", "", {}, "spec.nodeName", ""),
        ("nodes", "", {"spec": {}}, "spec.unschedulable", "false"),
        ("nodes", "", {"spec": {"unschedulable": True}}, "spec.unschedulable", "true"),
        ("replicasets", "apps", {}, "status.replicas", "0"),
        ("replicasets", "apps", {"status": {"replicas": 3}}, "status.replicas", "3"),
        ("jobs", "batch", {"status": {"succeeded": 2}}, "status.successful", "2"),
        ("events", "", {"source": {}, "reportingComponent": "kubelet"}, "source", "kubelet"),
        ("events", "", {"source": {"component": "x"}, "reportingComponent": "y"}, "source", "x"),
        ("events", "events.k8s.io", {"regarding": {"kind": "Pod"}}, "regarding.kind", "Pod"),
    ],
)
def test_a_field_selector_sees(resource, group, obj, field, value):
    assert fields_of(resource, obj, group)[field] == value
