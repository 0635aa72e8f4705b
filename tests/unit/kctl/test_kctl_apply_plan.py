"""The three-way plan of a client-side apply."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from kctl.manifest_files import Manifest
from kctl.mapper import KNOWN, ResourceInfo
from kctl.selection import Found
from kctl.verbs import apply
from kctl.verbs.apply import LAST_APPLIED, plan_patch, with_annotation
from machinery.gvk import GVR

Obj = dict[str, Any]
DEPLOYMENTS = next(info for info in KNOWN if info.gvr.kind == "Deployment")
WIDGETS = ResourceInfo(GVR("example.com", "v1", "widgets", True, "Widget"), "widget")


def _found(info: ResourceInfo, obj: Obj) -> Found:
    return Found(info, "default", obj["metadata"]["name"], obj)


def _deployment(replicas: int | None, *containers: Obj) -> Obj:
    spec: Obj = {"template": {"spec": {"containers": list(containers)}}}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_annotation_remembers_the_text_without_itself() -> None:
    obj: Obj = {"kind": "X", "metadata": {"name": "a", "annotations": {LAST_APPLIED: "old", "b": "c"}}}
    text = with_annotation(obj)["metadata"]["annotations"][LAST_APPLIED]
    assert text.endswith("\n")
    assert json.loads(text) == {"kind": "X", "metadata": {"name": "a", "annotations": {"b": "c"}}}
    assert obj["metadata"]["annotations"][LAST_APPLIED] == "old"


def test_same_text_again_needs_no_patch() -> None:
    modified = with_annotation(_deployment(2, {"name": "web", "image": "web:1"}))
    current = json.loads(json.dumps(modified))
    current["spec"]["strategy"] = {"type": "RollingUpdate"}  # what the server added stays
    assert plan_patch(_found(DEPLOYMENTS, modified), modified, current)[0] == {}


def test_field_gone_from_the_file_is_removed_and_others_fields_stay() -> None:
    current = with_annotation(_deployment(2, {"name": "web", "image": "web:1"}))
    current["spec"]["paused"] = True  # set by somebody else
    modified = with_annotation(_deployment(None, {"name": "web", "image": "web:1"}))
    patch, content_type = plan_patch(_found(DEPLOYMENTS, modified), modified, current)
    assert content_type == "application/strategic-merge-patch+json"
    assert patch["spec"] == {"replicas": None}


def test_containers_are_merged_by_name() -> None:
    web, side = {"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}
    current = with_annotation(_deployment(1, web))
    current["spec"]["template"]["spec"]["containers"].append(side)  # injected
    modified = with_annotation(_deployment(1, {**web, "image": "web:2"}))
    patch, _ = plan_patch(_found(DEPLOYMENTS, modified), modified, current)
    assert patch["spec"]["template"]["spec"]["containers"] == [{"name": "web", "image": "web:2"}]


def test_custom_kind_is_merged_as_plain_json() -> None:
    old: Obj = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"a": 1, "b": [1]},
    }
    modified = with_annotation({**old, "spec": {"b": [2]}})
    patch, content_type = plan_patch(_found(WIDGETS, modified), modified, with_annotation(old))
    assert content_type == "application/merge-patch+json"
    assert patch["spec"] == {"a": None, "b": [2]}


def test_unreadable_memory_is_as_none() -> None:
    modified = with_annotation(_deployment(2, {"name": "web", "image": "web:1"}))
    current = _deployment(1, {"name": "web", "image": "web:1"})
    current["metadata"]["annotations"] = {LAST_APPLIED: "{broken"}
    assert plan_patch(_found(DEPLOYMENTS, modified), modified, current)[0]["spec"] == {"replicas": 2}


@pytest.mark.parametrize("text", ["[]", '"x"', "1", "null", "{", ""])
def test_annotation_that_holds_no_object_counts_as_none(text: str) -> None:
    modified = with_annotation(_deployment(2, {"name": "web", "image": "web:1"}))
    current = json.loads(json.dumps(modified))
    current["metadata"]["annotations"][LAST_APPLIED] = text
    patch, _ = plan_patch(_found(DEPLOYMENTS, modified), modified, current)
    assert list(patch) == ["metadata"]


class _Stored:
    """Answers with what is asked for, as it was applied."""

    def __init__(self, objects: list[Obj]) -> None:
        self._objects = {obj["metadata"]["name"]: with_annotation(obj) for obj in objects}

    def get(self, path: str) -> Obj:
        return self._objects[path.rpartition("/")[2]]


def test_object_that_no_patch_is_made_for_leaves_the_others_to_be_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nameless, sound = _deployment(1, {"image": "web:1"}), _deployment(1, {"name": "web", "image": "web:1"})
    sound["metadata"] = {"name": "sound"}
    manifests = [Manifest(nameless, "a.yaml"), Manifest(sound, "b.yaml")]
    monkeypatch.setattr(apply, "read_manifests", lambda names, recursive: manifests)
    monkeypatch.setattr(apply, "place", lambda session, obj, source: _found(DEPLOYMENTS, obj))
    told: list[str] = []
    monkeypatch.setattr(
        apply, "report", lambda options, session, found, word, obj: told.append(f"{found.name} {word}")
    )
    err = io.StringIO()
    session: Any = SimpleNamespace(rest=_Stored([nameless, sound]), err=err, out=io.StringIO())
    options: Any = SimpleNamespace(
        filename=["x"], args=[], output="", recursive=False, selector="", server_side=False, dry_run=""
    )
    assert apply.run(options, session) == 1
    assert told == ["sound unchanged"]
    assert "cannot make a patch for deployment" in err.getvalue()
    assert "a.yaml" in err.getvalue()
