"""An operator as people write them with kopf: one ConfigMap for each Widget, kept in step, and everything else that kopf
offers. The tests run it with kopf's own runner and look at the cluster; it tells what it did in statuses and events.
"""

from __future__ import annotations

import os
from typing import Any

import kopf
from kubernetes import client, config

KIND = ("compat.example.com", "v1", "widgets")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = True
    settings.persistence.finalizer = "compat.example.com/operator"
    settings.watching.server_timeout = 5  # several reconnections in each test
    config.load_kube_config(os.environ["KUBECONFIG"])
    if certificate := os.environ.get("WEBHOOK_CERTIFICATE"):
        settings.admission.server = kopf.WebhookServer(
            addr="127.0.0.1",
            host="127.0.0.1",
            certfile=certificate,
            pkeyfile=os.environ["WEBHOOK_KEY"],
            cafile=os.environ["WEBHOOK_CA"],
        )
        settings.admission.managed = "widgets.compat.example.com"


@kopf.on.login()
def login(**_: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_kubeconfig(**_)


@kopf.on.create(*KIND)
def created(
    spec: kopf.Spec, name: str, namespace: str, patch: kopf.Patch, body: kopf.Body, **_: Any
) -> dict[str, Any]:
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"colour": spec["colour"]},
    }
    kopf.adopt(child, owner=body)
    made = client.CoreV1Api().create_namespaced_config_map(namespace, child)
    patch.status["phase"] = "Painted"
    kopf.info(body, reason="Painted", message=f"painted {spec['colour']}")
    return {"child": made.metadata.uid}


@kopf.on.update(*KIND, field="spec.colour")
def repainted(old: str, new: str, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"colour": new}})
    patch.status["repainted"] = f"{old} to {new}"


@kopf.on.create(*KIND, labels={"flaky": "yes"}, id="flaky")
def flaky(retry: int, **_: Any) -> dict[str, int]:
    if retry < 2:
        raise kopf.TemporaryError("not yet", delay=0.1)
    return {"tries": retry + 1}


@kopf.on.resume(*KIND)
def resumed(patch: kopf.Patch, **_: Any) -> None:
    patch.status["resumed"] = True


@kopf.on.delete(*KIND)
def deleted(name: str, namespace: str, **_: Any) -> None:
    client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-was-here"}})


@kopf.timer(*KIND, interval=0.3, labels={"ticks": "yes"})
def ticked(status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon(*KIND, labels={"watched": "yes"}, cancellation_timeout=2)
async def watched(
    patch: kopf.Patch, stopped: kopf.DaemonStopped, name: str, namespace: str, **_: Any
) -> None:
    client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-watched"}})
    await stopped.wait(600)
    client.CoreV1Api().delete_namespaced_config_map(f"{name}-watched", namespace)


@kopf.index(*KIND)
def colours(spec: kopf.Spec, name: str, **_: Any) -> dict[str, str]:
    return {spec["colour"]: name}


@kopf.on.event("configmaps", labels={"ask": "colours"})
def asked(name: str, namespace: str, colours: kopf.Index, event: Any, **_: Any) -> None:
    if event["type"] != "DELETED" and "answer" not in (event["object"].get("data") or {}):
        answer = ",".join(sorted(colours))
        client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"answer": answer}})


if os.environ.get("WEBHOOK_CERTIFICATE"):

    @kopf.on.validate(*KIND)
    def no_beige(spec: kopf.Spec, warnings: list[str], **_: Any) -> None:
        if spec.get("colour") == "beige":
            raise kopf.AdmissionError("beige is dull", code=499)
        if spec.get("colour") == "grey":
            warnings.append("grey is nearly dull")

    @kopf.on.mutate(*KIND)
    def sized(spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
        if not spec.get("parts"):
            patch.spec["parts"] = [{"name": "given", "size": 1}]
