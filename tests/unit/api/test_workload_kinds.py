"""StatefulSet, DaemonSet, Job, CronJob, ReplicationController, PodTemplate: defaults, refusals, immutability, columns."""

from __future__ import annotations

from typing import Any

import pytest

from api import registry
from api.resource import Resource
from api.validation.schedule import schedule_errors
from machinery.objects import deep_copy

NOW = 1_704_067_275.0  # 2024-01-01T00:01:15Z
BORN = "2024-01-01T00:00:00Z"
KINDS = ("StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController")


def resource(kind: str) -> Resource:
    return next(r for r in registry.load() if r.kind == kind)


def made(kind: str, **fields: Any) -> dict[str, Any]:
    r = resource(kind)
    meta = {"name": "x", "namespace": "default", "uid": "u-1", "creationTimestamp": BORN}
    obj = {"apiVersion": r.gvr.api_version, "kind": kind, "metadata": meta, **deep_copy(fields)}
    r.strategy.default(obj)
    r.strategy.prepare_create(obj)
    r.strategy.stamp(obj, None, BORN)
    return obj


def problems(kind: str, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    strategy = resource(kind).strategy
    causes = strategy.validate(obj) if old is None else strategy.validate_update(obj, old)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in causes]


def row(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {c.name: c.path(obj, NOW) for c in resource(kind).columns if callable(c.path)}


def template(restart: str = "Always", **pod: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "nginx:1"}]
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": containers, "restartPolicy": restart, **pod},
    }


def workload(**spec: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}


def job(**spec: Any) -> dict[str, Any]:
    return {"template": template("Never"), **spec}


def cron(**spec: Any) -> dict[str, Any]:
    return {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template("Never")}}, **spec}


SPECS = {
    "StatefulSet": workload(serviceName="web"),
    "DaemonSet": workload(),
    "Job": job(),
    "CronJob": cron(),
    "ReplicationController": {"template": template()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_object_is_good_and_its_defaults_are_stable(kind: str) -> None:
    obj = made(kind, spec=SPECS[kind])
    assert problems(kind, obj) == []
    again = deep_copy(obj)
    resource(kind).strategy.default(again)
    assert again == obj
    assert problems(kind, again, obj) == []


@pytest.mark.parametrize("kind", KINDS)
def test_creator_is_told_that_nothing_acts_on_the_kind(kind: str) -> None:
    obj = made(kind, spec=SPECS[kind])
    said = f"no controller acts on {kind}s in this cluster yet: the object is stored, nothing happens"
    strategy = resource(kind).strategy
    from api.unserved import UNSERVED

    unserved = any(each.rpartition("/")[2] == kind for each in UNSERVED)
    assert (said in strategy.warnings(obj, None)) == unserved
    assert strategy.warnings(obj, deep_copy(obj)) == () or not list(strategy.warnings(obj, deep_copy(obj)))


def test_stateful_set_gets_upstreams_defaults() -> None:
    claims = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]
    obj = made("StatefulSet", spec=workload(volumeClaimTemplates=claims))
    spec = {k: v for k, v in obj["spec"].items() if k not in ("selector", "template", "volumeClaimTemplates")}
    assert spec == {
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "replicas": 1,
        "revisionHistoryLimit": 10,
    }
    assert obj["spec"]["volumeClaimTemplates"][0] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    }
    assert obj["status"] == {"replicas": 0, "availableReplicas": 0}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (workload(selector=None), ("Required", "spec.selector")),
        (workload(selector={}), ("Invalid", "spec.selector")),
        (workload(selector={"matchLabels": {"a": "b"}}), ("Invalid", "spec.template.metadata.labels")),
        (workload(replicas=-1), ("Invalid", "spec.replicas")),
        (workload(podManagementPolicy="Fast"), ("Invalid", "spec.podManagementPolicy")),
        (workload(updateStrategy={"type": "Magic"}), ("Invalid", "spec.updateStrategy")),
        (
            workload(updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 1}}),
            ("Invalid", "spec.updateStrategy.rollingUpdate"),
        ),
        (
            workload(updateStrategy={"rollingUpdate": {"maxUnavailable": 0}}),
            ("Invalid", "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        ),
        (
            workload(persistentVolumeClaimRetentionPolicy={"whenScaled": "Burn"}),
            ("NotSupported", "spec.persistentVolumeClaimRetentionPolicy.whenScaled"),
        ),
        (workload(template=template("Never")), ("NotSupported", "spec.template.spec.restartPolicy")),
    ],
)
def test_wrong_stateful_set_names_the_field(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems("StatefulSet", made("StatefulSet", spec=spec))


def test_stateful_set_keeps_its_claims_and_may_change_its_size() -> None:
    old = made("StatefulSet", spec=workload())
    new = deep_copy(old)
    new["spec"]["replicas"] = 3
    assert problems("StatefulSet", new, old) == []
    new["spec"]["serviceName"] = "other"
    assert problems("StatefulSet", new, old) == [("Forbidden", "spec")]


@pytest.mark.parametrize(
    ("rolling", "expected"),
    [
        ({"maxUnavailable": 0, "maxSurge": 0}, ("Required", "maxUnavailable")),
        ({"maxUnavailable": 1, "maxSurge": 1}, ("Invalid", "maxSurge")),
        ({"maxUnavailable": "101%"}, ("Invalid", "maxUnavailable")),
        ({"maxUnavailable": "few"}, ("Invalid", "maxUnavailable")),
    ],
)
def test_wrong_daemon_set_update_names_the_field(rolling: dict[str, Any], expected: tuple[str, str]) -> None:
    spec = workload(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    reason, field = expected
    found = problems("DaemonSet", made("DaemonSet", spec=spec))
    assert (reason, f"spec.updateStrategy.rollingUpdate.{field}") in found


def test_daemon_set_counts_changes_of_its_template() -> None:
    key = "deprecated.daemonset.template.generation"
    old = made("DaemonSet", spec=workload())
    assert old["metadata"]["annotations"] == {key: "1"}
    new = deep_copy(old)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    resource("DaemonSet").strategy.stamp(new, old, BORN)
    assert new["metadata"]["annotations"] == {key: "2"}


def test_job_gets_defaults_a_selector_and_labels_of_its_own() -> None:
    obj = made("Job", spec=job())
    spec = {k: v for k, v in obj["spec"].items() if k not in ("template", "selector")}
    assert spec == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "manualSelector": False,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    }
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert obj["spec"]["template"]["metadata"]["labels"] == {
        "app": "web",
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u-1",
        "job-name": "x",
    }


INDEXED = {"completionMode": "Indexed", "completions": 4}
CODES = {"operator": "In", "values": [1]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (job(template=template()), ("Required", "spec.template.spec.restartPolicy")),
        (job(parallelism=-1), ("Invalid", "spec.parallelism")),
        (job(completionMode="Odd"), ("NotSupported", "spec.completionMode")),
        (job(completionMode="Indexed", parallelism=1), ("Required", "spec.completions")),
        (job(backoffLimitPerIndex=1), ("Invalid", "spec.backoffLimitPerIndex")),
        (job(**INDEXED, maxFailedIndexes=1), ("Required", "spec.backoffLimitPerIndex")),
        (job(**INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=9), ("Invalid", "spec.maxFailedIndexes")),
        (job(managedBy="nobody"), ("Invalid", "spec.managedBy")),
        (
            job(selector={"matchLabels": {"a": "b"}}, manualSelector=True),
            ("Invalid", "spec.template.metadata.labels"),
        ),
        (job(manualSelector=True), ("Required", "spec.selector")),
        (
            job(template=template("OnFailure"), podFailurePolicy={"rules": []}),
            ("Invalid", "spec.template.spec.restartPolicy"),
        ),
        (
            job(podFailurePolicy={"rules": [{"action": "Shout", "onExitCodes": CODES}]}),
            ("NotSupported", "spec.podFailurePolicy.rules[0].action"),
        ),
        (
            job(podFailurePolicy={"rules": [{"action": "Ignore"}]}),
            ("Invalid", "spec.podFailurePolicy.rules[0]"),
        ),
        (
            job(podFailurePolicy={"rules": [{"action": "Ignore", "onExitCodes": {**CODES, "values": [0]}}]}),
            ("Invalid", "spec.podFailurePolicy.rules[0].onExitCodes.values[0]"),
        ),
        (job(successPolicy={"rules": []}), ("Invalid", "spec.successPolicy")),
        (job(**INDEXED, successPolicy={"rules": []}), ("Required", "spec.successPolicy.rules")),
        (
            job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "1-9"}]}),
            ("Invalid", "spec.successPolicy.rules[0].succeededIndexes"),
        ),
        (
            job(**INDEXED, successPolicy={"rules": [{"succeededIndexes": "0-1", "succeededCount": 3}]}),
            ("Invalid", "spec.successPolicy.rules[0].succeededCount"),
        ),
    ],
)
def test_wrong_job_names_the_field(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems("Job", made("Job", spec=spec))


def test_job_cannot_change_what_it_runs() -> None:
    old = made("Job", spec=job())
    for field, value in (("completions", 2), ("completionMode", "Indexed"), ("managedBy", "a.b/c")):
        new = deep_copy(old)
        new["spec"][field] = value
        assert ("Invalid", f"spec.{field}") in problems("Job", new, old)
    new = deep_copy(old)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    assert problems("Job", new, old) == [("Invalid", "spec.template")]
    new = deep_copy(old)
    new["spec"]["parallelism"] = 5
    assert problems("Job", new, old) == []


def test_suspended_job_may_change_where_it_runs() -> None:
    old = made("Job", spec=job(suspend=True))
    new = deep_copy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"a": "b"}
    assert problems("Job", new, old) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (cron(schedule=""), ("Required", "spec.schedule")),
        (cron(schedule="now"), ("Invalid", "spec.schedule")),
        (cron(schedule="TZ=UTC 0 * * * *"), ("Invalid", "spec.schedule")),
        (cron(timeZone=""), ("Invalid", "spec.timeZone")),
        (cron(timeZone="Local"), ("Invalid", "spec.timeZone")),
        (cron(concurrencyPolicy="Maybe"), ("NotSupported", "spec.concurrencyPolicy")),
        (
            cron(jobTemplate={"spec": {"template": template()}}),
            ("Required", "spec.jobTemplate.spec.template.spec.restartPolicy"),
        ),
        (
            cron(jobTemplate={"spec": {"template": template("Never"), "selector": {}}}),
            ("Invalid", "spec.jobTemplate.spec.selector"),
        ),
    ],
)
def test_wrong_cron_job_names_the_field(spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in problems("CronJob", made("CronJob", spec=spec))


def test_cron_job_with_a_long_name_is_refused() -> None:
    obj = made("CronJob", spec=cron())
    obj["metadata"]["name"] = "x" * 53
    assert problems("CronJob", obj) == [("Invalid", "metadata.name")]


@pytest.mark.parametrize(
    "text", ["0 0 1,15 * 1-5", "*/10 9-17/2 * jan-mar mon", "@hourly", "@every 90s", "0 0 ? * 0"]
)
def test_schedule_that_cron_knows_is_good(text: str) -> None:
    assert schedule_errors(text) == ()


@pytest.mark.parametrize(
    "text", ["* * * *", "60 * * * *", "* * 0 * *", "9-1 * * * *", "*/0 * * * *", "a * * * *", "@soon"]
)
def test_schedule_that_cron_does_not_know_is_refused(text: str) -> None:
    assert len(schedule_errors(text)) == 1


def test_replication_controller_takes_selector_and_labels_from_its_template() -> None:
    obj = made("ReplicationController", spec={"template": template()})
    assert obj["spec"]["selector"] == {"app": "web"}
    assert obj["metadata"]["labels"] == {"app": "web"}
    obj["spec"]["selector"] = {"app": "other"}
    assert problems("ReplicationController", obj) == [("Invalid", "spec.template.metadata.labels")]
    obj["spec"]["selector"] = {}
    assert problems("ReplicationController", obj) == [("Required", "spec.selector")]


def test_columns_of_workloads_say_how_far_they_are() -> None:
    done = [{"type": "Complete", "status": "True"}]
    times = {"startTime": BORN, "completionTime": "2024-01-01T00:00:07Z"}
    obj = made("Job", spec=job())
    assert (row("Job", obj)["Status"], row("Job", obj)["Duration"]) == ("Running", "")
    obj["status"] = {"succeeded": 1, "conditions": done, **times}
    assert {k: row("Job", obj)[k] for k in ("Status", "Completions", "Duration")} == {
        "Status": "Complete",
        "Completions": "1/1",
        "Duration": "7s",
    }
    cells = row("CronJob", made("CronJob", spec=cron()))
    assert cells["Timezone"] == "<none>"
    assert cells["Suspend"] == "False"
    assert cells["Last Schedule"] == "<none>"
    assert cells["Containers"] == "c"
    assert cells["Selector"] == "<none>"
    assert row("StatefulSet", made("StatefulSet", spec=workload(replicas=3)))["Ready"] == "0/3"
    cells = row("DaemonSet", made("DaemonSet", spec=workload()))
    assert (cells["Desired"], cells["Node Selector"], cells["Selector"]) == (0, "<none>", "app=web")
    cells = row("ReplicationController", made("ReplicationController", spec={"template": template()}))
    assert (cells["Desired"], cells["Selector"]) == (1, "app=web")
    cells = row("PodTemplate", made("PodTemplate", template=template()))
    assert cells == {"Name": "x", "Containers": "c", "Images": "nginx:1", "Pod Labels": "app=web"}
