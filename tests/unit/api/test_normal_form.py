"""The form in which objects of built-in kinds are kept. tests/oracle compares it with upstream's; this is what it is about."""

from __future__ import annotations

import copy

from api import registry
from controllers.deployment_revision import is_same_template


def codec(kind):
    return next(each for each in registry.load() if each.kind == kind).codec()


def kept(kind, obj):
    obj = copy.deepcopy(obj)
    codec(kind).forget(obj)
    codec(kind).complete(obj)
    return obj


def pod(**container):
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x", **container}]}}


def test_empties_and_zeros_of_plain_values_go_and_pointers_keep_theirs():
    sent = pod(args=[], stdin=False, ports=[{"containerPort": 80, "hostPort": 0, "name": ""}])
    sent["spec"] |= {"hostNetwork": False, "automountServiceAccountToken": False, "nodeSelector": {}}
    sent["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    made = kept("Pod", sent)
    assert made["spec"] == {
        "containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 80}], "resources": {}}],
        "automountServiceAccountToken": False,
        "volumes": [{"name": "v", "emptyDir": {}}],
    }


def test_what_is_always_there_comes_whole_and_is_nobody_elses():
    one, other = kept("Service", {"metadata": {"name": "a"}}), kept("Service", {"metadata": {"name": "b"}})
    assert one["spec"] == {} and one["status"] == {"loadBalancer": {}}
    one["status"]["loadBalancer"]["ingress"] = [{"ip": "10.0.0.1"}]
    assert other["status"] == kept("Service", {})["status"] == {"loadBalancer": {}}


def test_lists_that_are_always_there_are_null_where_they_are_empty():
    for rules in ({"rules": []}, {"rules": None}, {}):
        assert kept("Role", {"metadata": {"name": "r"}, **rules})["rules"] is None
    made = kept("Deployment", {"metadata": {"name": "d"}, "spec": {"template": {}}})
    assert made["spec"]["selector"] is None
    assert made["spec"]["template"] == {"metadata": {}, "spec": {"containers": None}}


def test_between_the_walks_absent_fields_stay_absent():
    sent = {
        "metadata": {"name": "d", "labels": {}},
        "spec": {"paused": False, "replicas": 0, "selector": None},
    }
    codec("Deployment").forget(sent)
    assert sent == {"metadata": {"name": "d"}, "spec": {"replicas": 0}}


def test_text_in_maps_and_elements_of_lists_stay():
    sent = {"metadata": {"name": "c", "labels": {"a": ""}, "finalizers": [""]}, "data": {"k": ""}}
    made = kept("ConfigMap", sent)
    assert made == sent


def test_empty_lists_of_definitions_stay_lists_where_they_are_always_there():
    made = kept("CustomResourceDefinition", {"status": {"conditions": [], "storedVersions": None}})
    assert made["status"]["conditions"] == [] and made["status"]["storedVersions"] is None


def test_what_is_in_form_stays_as_it_is():
    made = kept("Pod", pod(args=[], livenessProbe={"grpc": {"port": 1}}))
    assert made["spec"]["containers"][0]["livenessProbe"] == {"grpc": {"port": 1, "service": None}}
    assert kept("Pod", made) == made


def test_template_that_was_stored_as_it_was_sent_is_the_same_as_in_todays_form():
    """Or a write to the Deployment's status would start a rollout."""
    now = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "x", "resources": {}}]},
    }
    before = copy.deepcopy(now)
    before["spec"]["containers"][0] = {"name": "c", "image": "x", "args": []}
    before["spec"]["hostNetwork"] = False
    assert is_same_template(before, now)
    before["spec"]["containers"][0]["args"] = ["a"]
    assert not is_same_template(before, now)
