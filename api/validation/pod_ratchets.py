"""Which mistakes a stored pod's or template's spec has that its successor may keep. Asked on updates alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.validation.errors import Errors
from api.validation.paths import validate_file_path
from api.validation.pod_annotations import DELETION_COST, is_deletion_cost
from api.validation.pod_options import POD, TEMPLATE, PodOptions, containers_of
from api.validation.resources import is_whole_pages
from api.validation.scheduling import validate_node_terms, validate_spread
from api.validation.security import shared_with_host
from machinery.resource_names import is_huge
from machinery.selectors.labels import validate_label_selector

Obj = dict[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def has_odd_pages(spec: Obj) -> bool:
    amounts = [*(spec.get("overhead") or {}).items()]
    for container in containers_of(spec):
        resources = container.get("resources") or {}
        for part in ("limits", "requests"):
            amounts += (resources.get(part) or {}).items()
    return any(is_huge(name) and not is_whole_pages(name, amount) for name, amount in amounts)


def _pod_terms(spec: Obj) -> Iterator[Obj]:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        yield from affinity.get(_REQUIRED) or ()
        for each in affinity.get(_PREFERRED) or ():
            yield each.get("podAffinityTerm") or {}


def has_odd_selectors(spec: Obj) -> bool:
    terms = list(_pod_terms(spec))
    found = [
        validate_label_selector(t.get(f), "") for t in terms for f in ("labelSelector", "namespaceSelector")
    ]
    return any(found)


def has_odd_node_values(spec: Obj) -> bool:
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    errors = Errors()
    if required is not None:
        validate_node_terms(errors, required, "")
    return any(".matchExpressions[" in cause.field and ".values[" in cause.field for cause in errors)


def has_odd_spread_selectors(spec: Obj) -> bool:
    return any(
        validate_label_selector(each.get("labelSelector"), "")
        for each in spec.get("topologySpreadConstraints") or ()
    )


def has_odd_spread_keys(spec: Obj) -> bool:
    for each in spec.get("topologySpreadConstraints") or ():
        errors = Errors()
        keys_only = {"matchLabelKeys": each.get("matchLabelKeys"), "labelSelector": each.get("labelSelector")}
        good = {"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}
        validate_spread(errors, [{**good, **keys_only}], "", TEMPLATE)
        if any(not cause.field.startswith("[0].labelSelector") for cause in errors):
            return True
    return False


def has_odd_token_paths(spec: Obj) -> bool:
    errors = Errors()
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken") is not None:
                validate_file_path(errors, source["serviceAccountToken"].get("path", ""), "")
    return bool(errors)


def has_host_sysctls(spec: Obj) -> bool:
    sysctls = (spec.get("securityContext") or {}).get("sysctls") or ()
    return any(list(shared_with_host(each.get("name", ""), spec)) for each in sysctls)


def has_devices_for_own_users(spec: Obj) -> bool:
    own = spec.get("hostUsers") is False
    return own and any(container.get("volumeDevices") for container in containers_of(spec))


def has_odd_deletion_cost(meta: Obj) -> bool:
    return not is_deletion_cost((meta.get("annotations") or {}).get(DELETION_COST))


def has_restarting_resize(spec: Obj) -> bool:
    return any(
        policy.get("restartPolicy") == "RestartContainer"
        for container in spec.get("initContainers") or ()
        if container.get("restartPolicy") != "Always"
        for policy in container.get("resizePolicy") or ()
    )


def has_empty_images(spec: Obj) -> bool:
    return any(
        volume.get("image") is not None and not volume["image"].get("reference")
        for volume in spec.get("volumes") or ()
    )


def options_for(old: Obj | None, old_meta: Obj | None, *, is_pod: bool) -> PodOptions:
    """For a spec that follows upon `old`."""
    if old is None:
        return POD if is_pod else TEMPLATE
    return PodOptions(
        is_pod=is_pod,
        odd_pages=has_odd_pages(old),
        odd_selectors=has_odd_selectors(old),
        odd_node_values=has_odd_node_values(old),
        odd_spread_selectors=has_odd_spread_selectors(old),
        odd_spread_keys=has_odd_spread_keys(old),
        odd_token_paths=has_odd_token_paths(old),
        host_sysctls=has_host_sysctls(old),
        devices_for_own_users=has_devices_for_own_users(old),
        odd_deletion_cost=has_odd_deletion_cost(old_meta or {}),
        restarting_resize=has_restarting_resize(old),
        empty_images=has_empty_images(old),
    )
