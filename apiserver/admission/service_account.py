"""ServiceAccount: every pod runs as an account, and finds a token for the API where libraries look for it.

The token is a projected volume: a token bound to the pod, the cluster's CA and the pod's namespace. Source:
Kubernetes "Managing Service Accounts", the ServiceAccount admission controller.

A namespace's `default` account is made by a controller, a moment after the namespace: a pod that comes first waits.
Pods that mirror a node's own belong to no account and may not use what only the API has. What is judged is judged
with the pod as it came, and again as the webhooks left it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache

from api.resource import Obj
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.lookup import Lookup, Plugin, forbidden, is_resource
from apiserver.admission.mountable_secrets import why_not, why_not_join
from apiserver.auth.node_graph import pod_secrets
from machinery import names
from machinery.clock import Clock

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ROOT_CA = "kube-root-ca.crt"
# An hour and seven seconds: recognizable as the default, and renewed by the node well before.
TOKEN_LIFE_S = 3607
MIRROR = "kubernetes.io/config.mirror"
DEFAULT = "default"
DEFAULT_TRIES = 10


class ServiceAccount(Plugin):
    name = "ServiceAccount"

    def __init__(self, service_accounts: Lookup, rng: random.Random, clock: Clock) -> None:
        self._accounts = service_accounts
        self._rng = rng
        self._clock = clock

    def handles(self, request: AdmissionRequest) -> bool:
        if not is_resource(request, "", "pods"):
            return False
        if request.subresource == "ephemeralcontainers":
            return request.operation == "UPDATE"
        return request.operation == "CREATE" and not request.subresource

    async def admit(self, request: AdmissionRequest) -> bool:
        """The volume that it adds says all that defaults would."""
        pod = request.obj
        if pod is None or request.operation != "CREATE":
            return False
        if is_mirror(pod):
            _judge_mirror(request, pod)
            return False
        spec = pod.setdefault("spec", {})
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._known_account(request, name)
        if is_automounted(spec, account):
            mount_token(spec, _volume_name(account["metadata"].get("uid", name)))
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]
        _refuse(request, why_not(account, pod))
        return False

    async def _known_account(self, request: AdmissionRequest, name: str) -> Obj:
        account = await self._account(request.namespace, name)
        if account is None:
            raise forbidden(
                request,
                f'error looking up service account {request.namespace}/{name}: serviceaccount "{name}" not found',
            )
        return account

    async def _account(self, namespace: str, name: str) -> Obj | None:
        account = await self._accounts(namespace, name)
        if account is not None or name != DEFAULT:
            return account
        interval_s = self._rng.uniform(0.1, 0.2)
        for _ in range(DEFAULT_TRIES - 1):
            await self._clock.sleep(interval_s)
            account = await self._accounts(namespace, name)
            if account is not None:
                break
        return account

    async def validate(self, request: AdmissionRequest) -> None:
        pod = request.obj
        if pod is None:
            return
        joining = request.operation != "CREATE"
        if is_mirror(pod) and not joining:
            _judge_mirror(request, pod)
            return
        name = pod["spec"].get("serviceAccountName")
        if not name:
            named = f"{request.namespace}/{pod['metadata'].get('name', '')}"
            raise forbidden(request, f"no service account specified for pod {named}")
        account = await self._known_account(request, name)
        _refuse(request, why_not_join(account, pod) if joining else why_not(account, pod))


def _refuse(request: AdmissionRequest, why: str) -> None:
    if why:
        raise forbidden(request, why)


def _judge_mirror(request: AdmissionRequest, pod: Obj) -> None:
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        raise forbidden(request, "a mirror pod may not reference service accounts")
    if any(pod_secrets(spec)):
        raise forbidden(request, "a mirror pod may not reference secrets")
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken"):
                raise forbidden(request, "a mirror pod may not use ServiceAccountToken volume projections")


def is_mirror(pod: Obj) -> bool:
    return MIRROR in (pod["metadata"].get("annotations") or {})


def is_automounted(spec: Obj, account: Obj) -> bool:
    """The pod's word first, then the account's; yes where neither says."""
    for said in (spec.get("automountServiceAccountToken"), account.get("automountServiceAccountToken")):
        if said is not None:
            return bool(said)
    return True


@lru_cache(maxsize=1024)
def _volume_name(uid: str) -> str:
    """The same for all pods of an account, so that what is equal but for it stays equal."""
    return names.generate(VOLUME_PREFIX, random.Random(uid))


def mount_token(spec: Obj, new_name: str) -> None:
    """Mounts the token in every container that has nothing there yet, by a volume that is there or a new one."""
    lacking = [container for container in _containers(spec) if not _has_mount(container)]
    if not lacking:
        return
    volumes: list[Obj] = spec.setdefault("volumes", [])
    name = next(
        (v["name"] for v in volumes if v.get("name", "").startswith(VOLUME_PREFIX) and "projected" in v), ""
    )
    if not name:
        name = new_name
        volumes.append({"name": name, "projected": token_projection()})
    for container in lacking:
        container.setdefault("volumeMounts", []).append(
            {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
        )


def token_projection() -> Obj:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFE_S, "path": "token"}},
            {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }


def _containers(spec: Obj) -> Iterator[Obj]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _has_mount(container: Obj) -> bool:
    return any(mount.get("mountPath") == MOUNT_PATH for mount in container.get("volumeMounts") or ())
