"""AppArmor's annotations of a new pod become fields, and who still writes them is told so."""

from __future__ import annotations

from typing import Any

import pytest

from api.core.v1.pod_apparmor import profile_of

KEY = "container.apparmor.security.beta.kubernetes.io/"
DEFAULT, UNCONFINED = {"type": "RuntimeDefault"}, {"type": "Unconfined"}
LOCAL = {"type": "Localhost", "localhostProfile": "mine"}
OLD = f'metadata.annotations[{KEY}c]: deprecated since v1.30; use the "appArmorProfile" field instead'


def made(kinds: Any, said: str | None, own: Any, whole: Any, **spec: Any) -> tuple[dict[str, Any], list[str]]:
    container: dict[str, Any] = {"name": "c", "image": "i"}
    container |= {"securityContext": {"appArmorProfile": own}} if own else {}
    context = {"appArmorProfile": whole} if whole else {}
    pod = {
        "metadata": {"name": "p", "annotations": {KEY + "c": said, "other": ""} if said is not None else {}},
        "spec": {"containers": [container], "securityContext": context, **spec},
    }
    advice = kinds.resource("Pod").strategy.prepare_create(pod)
    return pod, list(advice)


@pytest.mark.parametrize(
    ("said", "own", "whole", "expected", "advised"),
    [
        (None, None, None, None, False),
        (None, None, LOCAL, None, False),  # fields make no annotations
        ("unconfined", None, None, UNCONFINED, True),
        ("runtime/default", None, None, DEFAULT, True),
        ("localhost/mine", None, None, LOCAL, True),
        ("localhost/mine", None, DEFAULT, LOCAL, True),
        ("localhost/mine", None, LOCAL, None, False),  # the pod's field says so already
        ("localhost/mine", LOCAL, None, LOCAL, False),
        ("unconfined", LOCAL, None, LOCAL, False),  # validation's business
        ("localhost/", None, None, None, True),
        ("localhost/" + "x" * 5000, None, None, None, True),
        ("localhost/ mine", None, None, None, True),
        ("", None, None, None, True),
        ("nonsense", None, None, None, True),
    ],
)
def test_annotation_counts_where_no_field_does(
    kinds: Any, said: str | None, own: Any, whole: Any, expected: Any, advised: bool
) -> None:
    pod, advice = made(kinds, said, own, whole)
    found = (pod["spec"]["containers"][0].get("securityContext") or {}).get("appArmorProfile")
    assert (found, advice) == (expected, [OLD] if advised else [])
    assert (
        KEY + "c" not in pod["metadata"]["annotations"] or pod["metadata"]["annotations"][KEY + "c"] == said
    )


def test_pods_for_windows_are_left_alone(kinds: Any) -> None:
    pod, advice = made(kinds, "unconfined", None, None, os={"name": "windows"})
    assert "securityContext" not in pod["spec"]["containers"][0] and advice == []


def test_every_sort_of_container_is_looked_at(kinds: Any) -> None:
    spec = {
        "initContainers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}],
        "containers": [{"name": "d", "image": "i"}],
    }
    pod = {"metadata": {"name": "p", "annotations": {KEY + "c": "unconfined"}}, "spec": spec}
    assert list(kinds.resource("Pod").strategy.prepare_create(pod)) == [OLD]
    assert spec["initContainers"][0]["securityContext"] == {"privileged": True, "appArmorProfile": UNCONFINED}
    assert "securityContext" not in spec["containers"][0]


def test_profile_is_a_new_one_each_time() -> None:
    assert profile_of("unconfined") is not profile_of("unconfined")
