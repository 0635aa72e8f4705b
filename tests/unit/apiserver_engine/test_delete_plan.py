"""plan_delete: what becomes of an object when somebody deletes it."""

from __future__ import annotations

import dataclasses

import pytest

from api import registry
from api.resource import Strategy
from apiserver.engine.delete import plan_delete
from apiserver.engine.delete_options import DeleteOptions, parse_delete
from apiserver.engine.query import parse_query
from machinery.errors import BadRequest, Invalid

NOW = 1_000.0
CONFIGMAP = next(r for r in registry.load() if r.kind == "ConfigMap")
JOB = next(r for r in registry.load() if r.kind == "Job")


class Graceful(Strategy):
    default_grace_s = 30

    def grace_s(self, obj, requested_s):
        return 30 if requested_s is None else requested_s


POD = dataclasses.replace(CONFIGMAP, strategy=Graceful())


def obj(**meta):
    return {"metadata": {"name": "a", **meta}}


@pytest.mark.parametrize(
    ("resource", "before", "options", "action", "after"),
    [
        (CONFIGMAP, {}, {}, "remove", {}),
        (CONFIGMAP, {"finalizers": ["x"]}, {}, "mark", {"deletionGracePeriodSeconds": 0}),
        (CONFIGMAP, {}, {"policy": "Foreground"}, "mark", {"finalizers": ["foregroundDeletion"]}),
        (CONFIGMAP, {}, {"policy": "Orphan"}, "mark", {"finalizers": ["orphan"]}),
        (CONFIGMAP, {"finalizers": ["orphan"]}, {"policy": "Background"}, "remove", {}),
        (JOB, {}, {}, "mark", {"finalizers": ["orphan"]}),
        (JOB, {}, {"policy": "Background"}, "remove", {}),
        (JOB, {"finalizers": ["foregroundDeletion"]}, {}, "mark", {"finalizers": ["foregroundDeletion"]}),
        (
            CONFIGMAP,
            {"finalizers": ["x"], "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0},
            {},
            "none",
            {},
        ),
        (CONFIGMAP, {"deletionTimestamp": "1970-01-01T00:00:00Z"}, {}, "remove", {}),
        (
            POD,
            {},
            {},
            "mark",
            {"deletionGracePeriodSeconds": 30, "deletionTimestamp": "1970-01-01T00:17:10Z"},
        ),
        (POD, {}, {"grace_s": 0}, "remove", {}),
        (POD, {"generation": 3}, {"grace_s": 2}, "mark", {"generation": 4}),
    ],
)
def test_plan(resource, before, options, action, after):
    plan = plan_delete(resource, obj(**before), DeleteOptions(**options), NOW)
    assert plan.action == action
    assert plan.obj["metadata"].items() >= after.items()


def test_a_marked_object_may_only_lose_time():
    first = plan_delete(POD, obj(), DeleteOptions(), NOW).obj
    assert plan_delete(POD, obj(**first["metadata"]), DeleteOptions(grace_s=60), NOW + 5).action == "none"
    shorter = plan_delete(POD, obj(**first["metadata"]), DeleteOptions(grace_s=10), NOW + 5)
    assert shorter.action == "mark"
    assert shorter.obj["metadata"]["deletionTimestamp"] == "1970-01-01T00:16:50Z"
    assert plan_delete(POD, obj(**first["metadata"]), DeleteOptions(grace_s=0), NOW).action == "remove"
    assert plan_delete(POD, obj(**first["metadata"]), DeleteOptions(), NOW + 5).action == "none"


def test_options_come_from_the_body_or_the_query():
    body = {"gracePeriodSeconds": 5, "preconditions": {"uid": "u"}, "dryRun": ["All"]}
    assert parse_delete(body, parse_query(b"")) == DeleteOptions(5, "", "u", "", True)
    query = parse_query(b"gracePeriodSeconds=7&propagationPolicy=Foreground")
    assert parse_delete(None, query) == DeleteOptions(7, "Foreground")
    assert parse_delete({"orphanDependents": True}, parse_query(b"")).policy == "Orphan"
    with pytest.raises(Invalid):
        parse_delete({"orphanDependents": True, "propagationPolicy": "Orphan"}, parse_query(b""))
    with pytest.raises(BadRequest):
        parse_delete([1], parse_query(b""))


@pytest.mark.parametrize(
    "body",
    [
        {"dryRun": 7},
        {"dryRun": {"All": 1}},
        {"preconditions": ["uid"]},
        {"preconditions": {"uid": 5}},
        {"gracePeriodSeconds": "soon"},
        {"orphanDependents": "maybe"},
        {"kind": 3},
    ],
)
def test_options_of_the_wrong_type_are_refused_with_their_path(body):
    with pytest.raises(BadRequest):
        parse_delete(body, parse_query(b""))


def test_every_wrong_option_is_told_at_once():
    with pytest.raises(Invalid) as refused:
        parse_delete({"propagationPolicy": "Maybe", "dryRun": ["Some"]}, parse_query(b""))
    assert [cause.field for cause in refused.value.causes] == ["propagationPolicy", "dryRun"]


def test_any_text_but_a_no_orphans_dependents():
    assert parse_delete(None, parse_query(b"orphanDependents=maybe")).policy == "Orphan"
    assert parse_delete(None, parse_query(b"orphanDependents=False")).policy == "Background"


@pytest.mark.parametrize("body", [[], "", 0, False])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadRequest):
        parse_delete(body, parse_query(b""))


@pytest.mark.parametrize("query", [b"gracePeriodSeconds=soon", b"propagationPolicy=x"])
def test_wrong_query_values_are_refused(query):
    with pytest.raises((BadRequest, Invalid)):
        parse_delete(None, parse_query(query))
