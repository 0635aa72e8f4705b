"""What a rollout is, for each kind that has one: how far it is, and its revisions.

Status texts are kubectl's: scripts read them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kctl.failure import Failure
from kctl.selection import Found
from kctl.session import Session

Obj = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
_KINDS = ("Deployment", "DaemonSet", "StatefulSet")


def check_kind(found: Found, verb: str, kinds: tuple[str, ...] = _KINDS) -> None:
    if found.info.gvr.kind not in kinds:
        raise Failure(f"no {verb} is possible for {found}: it is none of {', '.join(kinds)}")


def progress(obj: Obj) -> tuple[str, bool]:
    """(what to print, whether the rollout is done). Raises Failure when it cannot finish."""
    if obj["kind"] == "Deployment":
        return _deployment(obj)
    if obj["kind"] == "DaemonSet":
        return _daemonset(obj)
    return _statefulset(obj)


def _deployment(obj: Obj) -> tuple[str, bool]:
    name, spec, status = obj["metadata"]["name"], obj["spec"], obj.get("status") or {}
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...", False
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise Failure(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    replicas, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    start = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{start}{updated} out of {wanted} new replicas have been updated...", False
    if replicas > updated:
        return f"{start}{replicas - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{start}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemonset(obj: Obj) -> tuple[str, bool]:
    name, status = obj["metadata"]["name"], obj.get("status") or {}
    if obj["spec"].get("updateStrategy", {}).get("type") != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for daemon set spec update to be observed...", False
    wanted, updated = status.get("desiredNumberScheduled", 0), status.get("updatedNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    start = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < wanted:
        return f"{start}{updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{start}{available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _statefulset(obj: Obj) -> tuple[str, bool]:
    spec, status = obj["spec"], obj.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        raise Failure("rollout status is only available for RollingUpdate strategy type")
    if obj["metadata"].get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for statefulset spec update to be observed...", False
    replicas, ready, updated = (
        spec.get("replicas", 1),
        status.get("readyReplicas", 0),
        status.get("updatedReplicas", 0),
    )
    if ready < replicas:
        return f"Waiting for {replicas - ready} pods to be ready...", False
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        if updated < replicas - partition:
            return (
                f"Waiting for partitioned roll out to finish: {updated} out of {replicas - partition} new pods have been updated...",
                False,
            )
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if status.get("updateRevision") != status.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision {status.get('updateRevision')}...",
            False,
        )
    return (
        f"statefulset rolling update complete {status.get('currentReplicas', 0)} pods at revision {status.get('currentRevision')}...",
        True,
    )


class Revision(NamedTuple):
    """One state of a workload's pod template. `source` is the ReplicaSet or ControllerRevision that keeps it."""

    number: int
    template: Obj
    source: Obj

    @property
    def cause(self) -> str:
        return str((self.source["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, ""))


def revisions(session: Session, found: Found, obj: Obj) -> dict[int, Revision]:
    """By number: of a Deployment from its ReplicaSets, of others from their ControllerRevisions."""
    check_kind(found, "history")
    is_deployment = found.info.gvr.kind == "Deployment"
    selector = ",".join(f"{k}={v}" for k, v in (obj["spec"]["selector"].get("matchLabels") or {}).items())
    resource = "replicasets" if is_deployment else "controllerrevisions.apps"
    path = session.mapper.find(resource).gvr.path(found.namespace)
    listed = session.rest.get(path, [("labelSelector", selector)])["items"]
    uid = obj["metadata"]["uid"]
    owned = [i for i in listed if any(r["uid"] == uid for r in i["metadata"].get("ownerReferences") or ())]
    known = [_of_replicaset(each) if is_deployment else _of_controller_revision(each) for each in owned]
    return {each.number: each for each in sorted(filter(None, known), key=lambda each: each.number)}


def _of_replicaset(item: Obj) -> Revision | None:
    number = (item["metadata"].get("annotations") or {}).get(REVISION, "")
    return Revision(int(number), item["spec"]["template"], item) if number.isdigit() else None


def _of_controller_revision(item: Obj) -> Revision:
    template = {k: v for k, v in item["data"]["spec"]["template"].items() if k != "$patch"}
    return Revision(int(item["revision"]), template, item)
