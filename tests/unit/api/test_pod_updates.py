"""What of a Pod may change, and what it is warned about."""

from __future__ import annotations

from typing import Any

import pytest
from pod_objects import pod, with_container

from api.core.v1.pod import POD
from machinery.objects import deep_copy


def changed(old: dict[str, Any], **spec: Any) -> list[tuple[str, str]]:
    new = deep_copy(old)
    new["spec"].update(spec)
    return [(c.reason.removeprefix("FieldValue"), c.field) for c in POD.strategy.validate_update(new, old)]


def test_update_of_an_image_is_allowed() -> None:
    old = pod()
    containers = [{**old["spec"]["containers"][0], "image": "nginx:2"}]
    assert changed(old, containers=containers) == []


def test_update_that_adds_a_toleration_is_allowed() -> None:
    old = pod(tolerations=[{"key": "a", "operator": "Exists"}])
    assert (
        changed(old, tolerations=[{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}])
        == []
    )


def test_update_that_removes_a_toleration_is_forbidden() -> None:
    old = pod(tolerations=[{"key": "a", "operator": "Exists"}])
    assert changed(old, tolerations=[]) == [("Forbidden", "spec.tolerations")]


@pytest.mark.parametrize(
    "change", [{"nodeName": "other"}, {"hostNetwork": True}, {"terminationGracePeriodSeconds": 1}]
)
def test_update_of_anything_else_is_forbidden(change: dict[str, Any]) -> None:
    old = pod(nodeName="n")
    found = POD.strategy.validate_update({**old, "spec": {**old["spec"], **change}}, old)
    assert [(c.reason, c.field) for c in found] == [("FieldValueForbidden", "spec")]
    assert found[0].message.startswith("Forbidden: pod updates may not change fields other than")


@pytest.mark.parametrize(
    ("old_value", "new_value", "allowed"), [(None, 5, True), (5, 4, True), (5, 6, False), (5, None, False)]
)
def test_deadline_may_only_become_shorter(
    old_value: int | None, new_value: int | None, allowed: bool
) -> None:
    old = pod(**({} if old_value is None else {"activeDeadlineSeconds": old_value}))
    new = deep_copy(old)
    new["spec"].pop("activeDeadlineSeconds", None)
    if new_value is not None:
        new["spec"]["activeDeadlineSeconds"] = new_value
    assert (not POD.strategy.validate_update(new, old)) is allowed


def test_gates_may_be_removed_but_not_added() -> None:
    old = pod(schedulingGates=[{"name": "a"}, {"name": "b"}])
    assert changed(old, schedulingGates=[{"name": "a"}]) == []
    assert changed(old, schedulingGates=[{"name": "a"}, {"name": "c"}]) == [
        ("Forbidden", "spec.schedulingGates[1].name")
    ]


def test_number_of_containers_is_fixed() -> None:
    old = pod()
    two = [*old["spec"]["containers"], {**old["spec"]["containers"][0], "name": "d"}]
    assert changed(old, containers=two) == [("Forbidden", "spec.containers")]


def test_ephemeral_containers_are_added_through_their_subresource_only() -> None:
    rules = POD.subresources["ephemeralcontainers"].strategy
    assert rules is not None
    old = pod()
    new = deep_copy(old)
    new["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "busybox:1", "targetContainerName": "c"}]
    new["spec"]["nodeName"] = "ignored"
    POD.strategy.default(new)
    rules.prepare_update(new, old)
    assert "nodeName" not in new["spec"]
    assert list(rules.validate_update(new, old)) == []
    later = deep_copy(new)
    later["spec"]["ephemeralContainers"] = []
    assert [c.field for c in rules.validate_update(later, new)] == ["spec.ephemeralContainers"]


def test_resize_changes_resources_and_keeps_the_class() -> None:
    rules = POD.subresources["resize"].strategy
    assert rules is not None
    old = with_container(resources={"requests": {"cpu": "1"}})
    new = deep_copy(old)
    new["spec"]["containers"][0] |= {"resources": {"requests": {"cpu": "2"}}, "image": "ignored"}
    rules.prepare_update(new, old)
    assert new["spec"]["containers"][0]["image"] == "nginx:1"
    assert list(rules.validate_update(new, old)) == []
    new["spec"]["containers"][0]["resources"] = {}
    assert "spec" in [c.field for c in rules.validate_update(new, old)]


def test_warnings_tell_what_cannot_mean_what_it_says() -> None:
    odd = with_container(
        resources={"requests": {"memory": "100m"}},
        env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
    )
    odd["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    assert list(POD.strategy.warnings(odd, None)) == [
        'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    ]
