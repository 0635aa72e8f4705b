"""Which ReplicaSet is a Deployment's newest, what it is called, and the annotations that number it. Pure.

A ReplicaSet is the newest if its pod template equals the Deployment's but for the pod-template-hash
label. Revisions count upwards: rolling back gives an old ReplicaSet the next number, and its earlier
numbers go into the revision history.

Source: Kubernetes deployment/util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from machinery.clock import parse_rfc3339
from machinery.objects import annotations as annotations_of
from machinery.objects import deep_copy, owner_reference

if TYPE_CHECKING:
    from api.normal import Normaliser

Obj = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"

_OWN_ANNOTATIONS = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
_HISTORY_LIMIT_CHARS = 2000
# No vowels and no look-alikes: no name becomes a word.
_SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Obj, collision_count: int | None) -> str:
    """A short safe name part: FNV-1a of the template's canonical form and the collisions so far."""
    data = orjson.dumps(_canonical(template), option=orjson.OPT_SORT_KEYS)
    if collision_count is not None:
        data += collision_count.to_bytes(8, "little")
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return "".join(_SAFE_ALPHABET[ord(digit) % len(_SAFE_ALPHABET)] for digit in str(value))


def is_same_template(one: Obj, other: Obj) -> bool:
    """By what they mean: one of them may have been stored as it was sent, the other as upstream's types hold it."""
    mine, others = _canonical(one), _canonical(other)
    return bool(mine == others or _normal(mine) == _normal(others))


def _normal(template: Obj) -> Obj:
    made: Obj = deep_copy(template)
    _normaliser().complete(made)
    return made


@cache
def _normaliser() -> Normaliser:
    """Imported when first used: types are not needed to start."""
    from api.normal import Normaliser
    from api.schema import schema_named

    return Normaliser(schema_named("api.core.v1.podspec", "PodTemplateSpec"))


def _canonical(template: Obj) -> Obj:
    """Without the hash label, and without what is empty or absent in metadata."""
    meta = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    if "labels" in meta:
        labels = {name: value for name, value in meta["labels"].items() if name != HASH_LABEL}
        meta = {**meta, "labels": labels} if labels else {k: v for k, v in meta.items() if k != "labels"}
    return {"metadata": meta, "spec": template.get("spec") or {}}


def by_age(replicasets: Sequence[Obj]) -> list[Obj]:
    """Oldest first; of one age by name."""
    return sorted(replicasets, key=_age_key)


def _age_key(replicaset: Obj) -> tuple[float, str]:
    stamp = replicaset["metadata"].get("creationTimestamp")
    return (parse_rfc3339(stamp) if stamp else 0.0, replicaset["metadata"]["name"])


def find_newest(deployment: Obj, replicasets: Sequence[Obj]) -> Obj | None:
    """The oldest ReplicaSet with the Deployment's template: of equals, all controllers choose the same."""
    template = deployment["spec"]["template"]
    for each in by_age(replicasets):
        if is_same_template(each["spec"]["template"], template):
            return each
    return None


def revision_of(obj: Obj) -> int:
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isdigit() else 0


def next_revision(old: Sequence[Obj]) -> int:
    return max(map(revision_of, old), default=0) + 1


def newest_annotations(deployment: Obj, replicaset: Obj | None, revision: int) -> dict[str, str]:
    """What the newest ReplicaSet's annotations should be, without the replica counts."""
    wanted = dict(annotations_of(replicaset)) if replicaset is not None else {}
    for name, value in annotations_of(deployment).items():
        if name not in _OWN_ANNOTATIONS:
            wanted[name] = value
    previous = wanted.get(REVISION, "")
    if (int(previous) if previous.isdigit() else 0) < revision:
        wanted[REVISION] = str(revision)
        if previous:
            wanted[REVISION_HISTORY] = _history(wanted.get(REVISION_HISTORY, ""), previous)
    return wanted


def _history(text: str, revision: str) -> str:
    entries = [*text.split(","), revision] if text else [revision]
    while len(",".join(entries)) > _HISTORY_LIMIT_CHARS and len(entries) > 1:
        entries.pop(0)
    return ",".join(entries)


def replica_annotations(desired: int, max_replicas: int) -> dict[str, str]:
    """By these a later pass tells that the Deployment was scaled, and by how much."""
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(max_replicas)}


def new_replicaset(deployment: Obj, revision: int, api_version: str, kind: str) -> Obj:
    """The ReplicaSet for the Deployment's template, without replicas yet."""
    meta, spec = deployment["metadata"], deployment["spec"]
    hash_ = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount"))
    template = deep_copy(spec["template"])
    template_meta = template.get("metadata") or {}
    template["metadata"] = {
        **template_meta,
        "labels": {**(template_meta.get("labels") or {}), HASH_LABEL: hash_},
    }
    selector = deep_copy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hash_}
    new_spec: Obj = {"replicas": 0, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        new_spec["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": api_version,
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{hash_}",
            "namespace": meta["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": newest_annotations(deployment, None, revision),
            "ownerReferences": [owner_reference(deployment, api_version=api_version, kind=kind)],
        },
        "spec": new_spec,
    }
