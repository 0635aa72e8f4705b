"""How far mutating admission reaches: not into what the endpoint may not change, nor over what only the server knows."""

from __future__ import annotations

from typing import Any

from open_guard import open_guard

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.admission.matching import replace_object
from machinery.gvk import GVR, PODS
from machinery.objects import deep_copy

NS = "default"
VOLUMES = GVR("", "v1", "persistentvolumes", namespaced=False, kind="PersistentVolume")
AMOUNTS = {"cpu": "1", "memory": "1Gi"}


class Meddler(Plugin):
    """Writes into everything that passes by."""

    name = "Meddler"

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE")

    async def admit(self, request: AdmissionRequest) -> bool:
        obj: Obj = request.obj or {}
        obj["status"] = {**(obj.get("status") or {}), "message": "meddled"}
        if "containers" in obj.get("spec", {}):
            obj["metadata"].setdefault("labels", {})["app"] = "meddled"
            one = obj["spec"]["containers"][0]
            obj["spec"]["containers"] = [{**one, "image": "meddled", "resources": {"limits": AMOUNTS}}]
        return True


def pod() -> Obj:
    spread = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "matchLabelKeys": ["app"],
    }
    spec = {
        "containers": [{"name": "c", "image": "i"}],
        "topologySpreadConstraints": [{**spread, "labelSelector": {}}],
    }
    return {"metadata": {"name": "p", "namespace": NS, "labels": {"app": "mine"}}, "spec": spec}


def run_meddled(run_api: Any, body: Any) -> None:
    run_api(body, guard=lambda engine: open_guard(engine, (Meddler(),)))


def test_what_follows_from_a_new_object_follows_from_what_admission_made_of_it(run_api: Any) -> None:
    async def body(api: Any) -> None:
        made = await api.client.create(PODS, pod())
        assert made["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}
        [constraint] = made["spec"]["topologySpreadConstraints"]
        wanted = {"key": "app", "operator": "In", "values": ["meddled"]}
        assert constraint["labelSelector"] == {"matchExpressions": [wanted]}

    run_meddled(run_api, body)


def test_a_status_update_changes_no_spec_and_an_update_no_status_whatever_admission_does(
    run_api: Any,
) -> None:
    async def body(api: Any) -> None:
        made = await api.client.create(VOLUMES, volume())
        made["metadata"]["labels"] = {"a": "b"}
        changed = await api.client.update(VOLUMES, made)
        assert changed["metadata"]["labels"] == {"a": "b"} and "message" not in changed["status"]
        changed["spec"]["capacity"]["storage"] = "2Gi"
        told = await api.client.update(VOLUMES, changed, subresource="status")
        assert told["spec"]["capacity"] == {"storage": "1Gi"} and told["status"]["message"] == "meddled"

    run_meddled(run_api, body)


def volume() -> Obj:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    return {"metadata": {"name": "v"}, "spec": spec}


def test_the_server_says_when_a_volumes_phase_began(run_api: Any) -> None:
    async def body(api: Any) -> None:
        obj = {**volume(), "status": {"phase": "Failed", "lastPhaseTransitionTime": "2001-01-01T00:00:00Z"}}
        made = await api.client.create(VOLUMES, obj)
        born = made["metadata"]["creationTimestamp"]
        assert made["status"] == {"phase": "Pending", "lastPhaseTransitionTime": born}
        await api.clock.sleep(5)
        bound = await write_status(api, made, "Bound", born)
        began = bound["status"]["lastPhaseTransitionTime"]
        assert began == "2026-01-01T00:00:05Z"
        await api.clock.sleep(5)
        assert (await write_status(api, bound, "Bound", None))["status"]["lastPhaseTransitionTime"] == began
        stays = await write_status(api, bound, "Bound", "2020-01-01T00:00:00Z")
        assert stays["status"]["lastPhaseTransitionTime"] == "2020-01-01T00:00:00Z"
        moved = await write_status(api, stays, "Released", "2021-01-01T00:00:00Z")
        assert moved["status"]["lastPhaseTransitionTime"] == "2021-01-01T00:00:00Z"
        again = await write_status(api, moved, "Bound", None)
        assert again["status"]["lastPhaseTransitionTime"] == "2026-01-01T00:00:10Z"
        owners = [
            entry for entry in again["metadata"]["managedFields"] if entry.get("subresource") == "status"
        ]
        assert len(owners) == 1

    run_api(body)


async def write_status(api: Any, obj: Obj, phase: str, began: str | None) -> Obj:
    status = {"phase": phase} | ({"lastPhaseTransitionTime": began} if began else {})
    sent = {**obj, "metadata": {"name": "v"}, "status": status}
    stored: Obj = await api.client.update(VOLUMES, sent, subresource="status")
    return stored


def test_advice_about_what_became_of_a_new_pod_comes_with_the_answer(run_api: Any) -> None:
    async def body(api: Any) -> None:
        key = "container.apparmor.security.beta.kubernetes.io/c"
        obj = pod()
        obj["metadata"]["annotations"] = {key: "runtime/default"}
        answer = await api.send("POST", f"/api/v1/namespaces/{NS}/pods", obj)
        assert answer.status == 201
        [advice] = answer.warnings
        assert advice.startswith(f"metadata.annotations[{key}]: deprecated since v1.30")
        made = await api.client.get(PODS, "p", NS)
        assert made["spec"]["containers"][0]["securityContext"] == {
            "appArmorProfile": {"type": "RuntimeDefault"}
        }

    run_api(body)


class Injector(Plugin):
    """Adds a container as a webhook's patch does; behind it, what the next one is shown is remembered."""

    name = "Injector"

    def __init__(self) -> None:
        self.next: list[Obj] = []

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation == "CREATE" and request.resource.kind == "Pod"

    async def admit(self, request: AdmissionRequest) -> bool:
        made: Obj = deep_copy(request.obj)
        made["spec"]["containers"].append({"name": "side", "image": "side:1"})
        no_other_version: Any = None
        await replace_object(no_other_version, request, made, request.resource)
        self.next = deep_copy((request.obj or {})["spec"]["containers"])
        return True


def test_what_one_plugin_adds_has_its_defaults_when_the_next_is_asked(run_api: Any) -> None:
    injector = Injector()

    async def body(api: Any) -> None:
        await api.client.create(PODS, pod())
        [_, side] = injector.next
        assert side["imagePullPolicy"] == "IfNotPresent" and side["terminationMessagePolicy"] == "File"

    run_api(body, guard=lambda engine: open_guard(engine, (injector,)))
