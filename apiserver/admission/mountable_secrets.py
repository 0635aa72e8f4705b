"""Secrets that pods of a ServiceAccount may use, where its annotation `kubernetes.io/enforce-mountable-secrets` limits them.

    why_not(account, pod) → what the pod may not use, in upstream's words, "" where nothing is wrong

Secrets of volumes and environments have to be among the account's `secrets`, those to pull images among its
`imagePullSecrets`; projected volumes are free, as upstream. Containers that join a running pod are asked for alone.
Deprecated since 1.32 and in force all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from api.core.v1.serviceaccount import limits_secrets
from api.resource import Obj

_LISTS = {"initContainers": "init container", "containers": "container"}
_JOINING = {"ephemeralContainers": "ephemeral container"}


def why_not(account: Obj, pod: Obj) -> str:
    """`pod` is new."""
    if not limits_secrets(account):
        return ""
    spec = pod["spec"]
    volumes = (
        (volume["secret"].get("secretName", ""), "volume with ")
        for volume in spec.get("volumes") or ()
        if volume.get("secret")
    )
    return _beyond(account, volumes) or _beyond(account, _environments(spec, _LISTS)) or _pulls(account, spec)


def why_not_join(account: Obj, pod: Obj) -> str:
    """`pod` runs, and gets ephemeral containers."""
    return _beyond(account, _environments(pod["spec"], _JOINING)) if limits_secrets(account) else ""


def _beyond(account: Obj, wanted: Iterator[tuple[str, str]]) -> str:
    """`wanted`: Secrets, and who wants each."""
    allowed = _names(account.get("secrets"))
    for name, who in wanted:
        if name not in allowed:
            return f'{who}secret.secretName="{name}" is not allowed because service account {account["metadata"]["name"]} does not reference that secret'
    return ""


def _environments(spec: Obj, lists: dict[str, str]) -> Iterator[tuple[str, str]]:
    for field, called in lists.items():
        for container in spec.get(field) or ():
            who = f"{called} {container.get('name', '')} with"
            for variable in container.get("env") or ():
                source = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if source:
                    yield source.get("name", ""), f"{who} envVar {variable.get('name', '')} referencing "
            for several in container.get("envFrom") or ():
                if several.get("secretRef"):
                    yield several["secretRef"].get("name", ""), f"{who} envFrom referencing "


def _pulls(account: Obj, spec: Obj) -> str:
    allowed = _names(account.get("imagePullSecrets"))
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if secret.get("name", "") not in allowed:
            return f'imagePullSecrets[{index}].name="{secret.get("name", "")}" is not allowed because service account {account["metadata"]["name"]} does not reference that imagePullSecret'
    return ""


def _names(references: list[Obj] | None) -> frozenset[str]:
    return frozenset(each.get("name", "") for each in references or ())
