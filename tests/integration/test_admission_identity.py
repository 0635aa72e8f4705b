"""Mutating admission makes no other object of the one it is asked about, and lays none where it does not belong."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from open_guard import open_guard

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest, Plugin
from machinery.gvk import GVR

DEPLOYMENTS = GVR("apps", "v1", "deployments", namespaced=True, kind="Deployment")
PATH = "/apis/apps/v1/namespaces/default/deployments"
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"}
OF_THE_SERVER = {
    "uid": "another",
    "creationTimestamp": "2001-01-01T00:00:00Z",
    "deletionTimestamp": "2001-01-01T00:00:00Z",
    "deletionGracePeriodSeconds": 5,
    "generation": 77,
    "resourceVersion": "5",
    "selfLink": "/x",
}


class Renamer(Plugin):
    """Writes `said` into the metadata of Deployments; None takes a key away."""

    name = "Renamer"

    def __init__(self, operation: str, said: dict[str, Any]) -> None:
        self._operation = operation
        self._said = said

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == self._operation and request.resource.kind == "Deployment"

    async def admit(self, request: AdmissionRequest) -> bool:
        assert request.obj is not None
        for key, value in copy.deepcopy(self._said).items():
            if value is None:
                request.obj["metadata"].pop(key, None)
            else:
                request.obj["metadata"][key] = value
        return True


def deployment() -> Obj:
    labels = {"a": "b"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": labels}, "template": pod}}


async def apply(api: Any, sent: Obj) -> Any:
    kind = "application/apply-patch+yaml"
    return await api.send("PATCH", f"{PATH}/d", sent, content_type=kind, query={"fieldManager": "m"})


def run_renamed(run_api: Any, body: Any, operation: str, said: dict[str, Any]) -> None:
    run_api(body, guard=lambda engine: open_guard(engine, (Renamer(operation, said),)))


def test_what_admission_says_of_a_new_objects_identity_is_forgotten(run_api: Any) -> None:
    async def body(api: Any) -> None:
        made = (await api.client.create(DEPLOYMENTS, deployment(), namespace="default"))["metadata"]
        assert made["generation"] == 1 and made["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert len(made["uid"]) == 36 and made["namespace"] == "default"
        assert not {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "labels"} & made.keys()

    run_renamed(run_api, body, "CREATE", {**OF_THE_SERVER, "namespace": None, "labels": {}})


def test_a_new_object_that_admission_lays_elsewhere_is_refused(run_api: Any) -> None:
    async def body(api: Any) -> None:
        sent = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment()}
        for answer in (await api.send("POST", PATH, sent), await apply(api, sent)):
            assert answer.status == 400, answer.body
            assert b"does not match the namespace sent on the request" in answer.body
        assert not (await api.client.list(DEPLOYMENTS))["items"]

    run_renamed(run_api, body, "CREATE", {"namespace": "kube-system"})


def test_a_new_object_of_a_path_keeps_the_paths_name(run_api: Any) -> None:
    async def body(api: Any) -> None:
        answer = await apply(api, {"apiVersion": "apps/v1", "kind": "Deployment", **deployment()})
        assert answer.status == 400 and b"does not match the name on the URL" in answer.body

    run_renamed(run_api, body, "CREATE", {"name": "other"})


def test_what_admission_says_of_a_standing_objects_identity_is_forgotten(run_api: Any) -> None:
    said = {
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "generation": 77,
        "resourceVersion": "5",
        "uid": None,
    }

    async def body(api: Any) -> None:
        born = await api.client.create(DEPLOYMENTS, deployment(), namespace="default")
        same = await api.client.update(DEPLOYMENTS, born)
        assert same["metadata"] == born["metadata"]
        same["spec"]["replicas"] = 3
        changed = (await api.client.update(DEPLOYMENTS, same))["metadata"]
        assert changed["generation"] == 2
        for key in ("uid", "creationTimestamp", "name", "namespace"):
            assert changed[key] == born["metadata"][key]
        assert "labels" not in changed

    run_renamed(run_api, body, "UPDATE", {**said, "name": None, "namespace": None, "labels": {}})


@pytest.mark.parametrize("key", ["uid", "name", "namespace", "deletionTimestamp"])
def test_a_change_of_what_an_update_may_not_change_is_refused_to_admission_too(
    run_api: Any, key: str
) -> None:
    async def body(api: Any) -> None:
        born = await api.client.create(DEPLOYMENTS, deployment(), namespace="default")
        answer = await api.send("PUT", f"{PATH}/d", {**born, "spec": {**born["spec"], "replicas": 2}})
        assert answer.status == 422 and b"field is immutable" in answer.body

    said = {"deletionTimestamp": "2001-01-01T00:00:00Z"} if key == "deletionTimestamp" else {key: "another"}
    run_renamed(run_api, body, "UPDATE", said)


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_owners_that_admission_names_twice_count_once_and_broken_field_owners_not_at_all(
    run_api: Any, operation: str
) -> None:
    async def body(api: Any) -> None:
        sent: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment()}
        answer = await api.send("POST", PATH, sent)
        if operation == "UPDATE":
            answer = await api.send("PUT", f"{PATH}/d", sent)
        meta = (await api.client.get(DEPLOYMENTS, "d", "default"))["metadata"]
        assert meta["ownerReferences"] == [OWNER]
        [entry] = meta["managedFields"]
        assert entry["manager"] == "tester" and entry["operation"] == "Update"
        of_objects, of_fields = answer.warnings
        assert "duplicate entries after mutating admission happens" in of_objects
        assert of_fields.startswith(".metadata.managedFields was in an invalid state after admission")

    said = {"ownerReferences": [OWNER, OWNER], "managedFields": [{"manager": "x"}]}
    run_renamed(run_api, body, operation, said)


class Reader(Plugin):
    """Remembers which state each phase was shown of what stands and of what is to be."""

    name = "Reader"

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "UPDATE" and request.resource.kind == "Deployment"

    async def admit(self, request: AdmissionRequest) -> bool:
        self._read(request)
        return False

    async def validate(self, request: AdmissionRequest) -> None:
        self._read(request)

    def _read(self, request: AdmissionRequest) -> None:
        assert request.obj is not None and request.old is not None
        new, old = (each["metadata"].get("resourceVersion") for each in (request.obj, request.old))
        self.shown.append((str(new), str(old)))


def test_admission_is_told_which_state_an_update_is_of(run_api: Any) -> None:
    reader = Reader()

    async def body(api: Any) -> None:
        born = await api.client.create(DEPLOYMENTS, deployment(), namespace="default")
        stands = born["metadata"]["resourceVersion"]
        sent = {**born, "metadata": {"name": "d"}, "spec": {**born["spec"], "replicas": 2}}
        answer = await api.send("PUT", f"{PATH}/d", sent)
        assert reader.shown == [(stands, stands)] * 2
        stored = (await api.client.get(DEPLOYMENTS, "d", "default"))["metadata"]["resourceVersion"]
        assert answer.status == 200 and stored != stands

    run_api(body, guard=lambda engine: open_guard(engine, (reader,)))
