"""What a CustomResourceDefinition's status says: whether its names are free, and that it is established.

Pure: `plan_status` takes the definition, its neighbours in the group and the time. The server decides this as the
definition is written, so that it is served the moment it is stored.
Source: apiextensions-apiserver's naming and establishing controllers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.apiextensions.v1.approval import APPROVED, is_protected, missing_approval, says_approved
from api.apiextensions.v1.conditions import is_true, set_condition
from api.resource import Obj


def plan_status(crd: Obj, others: Iterable[Obj], now: str) -> dict[str, Any]:
    """The status of `crd`, starting from the one it carries. `others`: the definitions of the same group."""
    spec = crd["spec"]
    status: dict[str, Any] = dict(crd.get("status") or {})
    conditions = [dict(each) for each in status.get("conditions") or ()]
    accepted, clash = plan_names(spec, status.get("acceptedNames") or {}, others)
    status["acceptedNames"] = accepted
    if clash:
        reason, message = clash
        set_condition(conditions, "NamesAccepted", "False", reason, message, now)
    else:
        set_condition(conditions, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
        if not is_true(conditions, "Established"):
            set_condition(
                conditions,
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
                now,
            )
    if not any(each["type"] == "Established" for each in conditions):
        set_condition(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)
    if approval := approval_of(spec["group"], crd["metadata"].get("annotations") or {}):
        set_condition(conditions, "KubernetesAPIApprovalPolicy", *approval, now)
    status["conditions"] = conditions
    storage = next((each["name"] for each in spec["versions"] if each.get("storage")), "")
    stored = list(status.get("storedVersions") or ())
    if storage and storage not in stored:
        stored.append(storage)
    status["storedVersions"] = stored
    return status


def approval_of(group: str, annotations: dict[str, str]) -> tuple[str, str, str] | None:
    """(status, reason, message) for a group of the community's, None for all others."""
    if not is_protected(group):
        return None
    said = annotations.get(APPROVED, "")
    if said.startswith("unapproved"):
        return "False", "UnapprovedAnnotation", f'not approved: "{said}"'
    if says_approved(said):
        return "True", "ApprovedAnnotation", f"approved in {said}"
    return "False", "InvalidAnnotation" if said else "MissingAnnotation", missing_approval(said)


def plan_names(
    spec: dict[str, Any], accepted: dict[str, Any], others: Iterable[Obj]
) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """(accepted names, (reason, message) of the last clash). A name that clashes keeps what was accepted before."""
    names = spec["names"]
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        taken = (other.get("status") or {}).get("acceptedNames") or {}
        resources.update(
            filter(None, (taken.get("plural"), taken.get("singular"), *(taken.get("shortNames") or ())))
        )
        kinds.update(filter(None, (taken.get("kind"), taken.get("listKind"))))
    out = dict(accepted)
    clash: tuple[str, str] | None = None
    for key, taken_by, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        wanted = names.get(key)
        used = [each for each in (wanted if isinstance(wanted, list) else [wanted]) if each in taken_by]
        if used:
            clash = reason, _in_use(used, several=key == "shortNames")
        elif key == "shortNames":
            _copy(names, out, key)
        elif wanted:
            out[key] = wanted
    _copy(names, out, "categories")
    return out, clash


def _in_use(names: list[str], *, several: bool) -> str:
    told = [f'"{each}" is already in use' for each in names]
    return told[0] if len(told) == 1 or not several else f"[{', '.join(told)}]"


def _copy(names: dict[str, Any], out: dict[str, Any], key: str) -> None:
    if names.get(key):
        out[key] = list(names[key])
    else:
        out.pop(key, None)


def is_established(crd: Obj) -> bool:
    return is_true((crd.get("status") or {}).get("conditions") or (), "Established")


def has_its_names(crd: Obj) -> bool:
    return is_true((crd.get("status") or {}).get("conditions") or (), "NamesAccepted")
