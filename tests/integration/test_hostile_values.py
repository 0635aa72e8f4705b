"""Values that once broke what came after them: nobody gets a 500 for what somebody wrote."""

from __future__ import annotations

from typing import Any

import pytest
from open_guard import open_guard

from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.admission.matching import replace_object
from machinery.gvk import PODS
from machinery.objects import deep_copy

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
EVENTS = "/api/v1/namespaces/default/events"


@pytest.mark.parametrize("time", ["0000-01-01T00:00:00Z", "\uff12\uff10\uff12\uff14-01-01T00:00:00Z"])
def test_an_event_of_no_time_is_refused_and_the_others_can_be_listed(run_api: Any, time: str) -> None:
    async def body(api: Any) -> None:
        event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}}
        assert (await api.send("POST", EVENTS, {**event, "lastTimestamp": time})).status == 400
        assert (await api.send("GET", EVENTS, accept=TABLE)).status == 200

    run_api(body)


def test_a_request_for_a_certificate_that_holds_none_is_invalid(run_api: Any) -> None:
    async def body(api: Any) -> None:
        for held in ({}, {"request": None}):
            spec = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], **held}
            answer = await api.send("POST", REQUESTS, {"metadata": {"name": "r"}, "spec": spec})
            assert answer.status == 422 and b"PEM block type must be CERTIFICATE REQUEST" in answer.body

    run_api(body)


class Forgetter(Plugin):
    """Takes the metadata away, as a webhook's patch may."""

    name = "Forgetter"

    def handles(self, request: AdmissionRequest) -> bool:
        return request.operation in ("CREATE", "UPDATE") and request.resource.kind in (
            "Binding",
            "ConfigMap",
            "SelfSubjectReview",
        )

    async def admit(self, request: AdmissionRequest) -> bool:
        made = deep_copy(request.obj)
        del made["metadata"]
        unused: Any = None
        await replace_object(unused, request, made, request.resource)
        return True


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/api/v1/namespaces/default/bindings", {"target": {"name": "n"}}, 400),
        ("/api/v1/namespaces/default/configmaps", {}, 422),
        ("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, 201),
    ],
)
def test_an_object_whose_metadata_admission_took_away_has_empty_metadata(
    run_api: Any, path: str, sent: Any, status: int
) -> None:
    async def body(api: Any) -> None:
        answer = await api.send("POST", path, {"metadata": {"name": "x"}, **sent})
        assert answer.status == status, answer.body

    run_api(body, guard=lambda engine: open_guard(engine, (Forgetter(),)))


@pytest.mark.parametrize("path", ["bindings", "pods/p/binding", "pods/p/eviction"])
def test_what_is_asked_of_a_pod_names_no_other_namespace(run_api: Any, path: str) -> None:
    async def body(api: Any) -> None:
        pods = "/api/v1/namespaces/default"
        pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        assert (await api.send("POST", f"{pods}/pods", pod)).status == 201
        asked: Any = {"metadata": {"name": "p", "namespace": "other"}}
        if path.endswith("eviction"):
            asked |= {"apiVersion": "policy/v1", "kind": "Eviction"}
        else:
            asked["target"] = {"kind": "Node", "name": "n"}
        answer = await api.send("POST", f"{pods}/{path}", asked)
        assert answer.status == 400 and b"does not match the namespace sent" in answer.body
        stands = await api.client.get(PODS, "p", "default")
        assert "nodeName" not in stands["spec"] and "deletionTimestamp" not in stands["metadata"]

    run_api(body)
