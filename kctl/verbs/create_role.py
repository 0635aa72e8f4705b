"""`kctl create role`: a Role that allows verbs on resources."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

USAGE = "create role NAME --verb=VERB... --resource=TYPE... [--resource-name=NAME...] [flags]"
EXAMPLES = (
    ("Reading pods", "kctl create role reader --verb=get,list,watch --resource=pods"),
    ("Scaling Deployments", "kctl create role scaler --verb=update --resource=deployments.apps/scale"),
)
RULE_FLAGS = (
    Flag("verb", type="list", default=[], help="what is allowed: get, list, create, ...; * for all"),
    Flag("resource", type="list", default=[], help="on which types, as TYPE, TYPE.GROUP or TYPE/SUBRESOURCE"),
    Flag("resource-name", type="array", default=[], help="only on objects of this name"),
)
FLAGS = (*RULE_FLAGS, *CREATE_FLAGS)
_VERBS = (
    "get", "delete", "list", "create", "update", "patch", "watch", "proxy", "deletecollection", "use",
    "bind", "escalate", "impersonate", "*",
)  # fmt: skip


def run(options: Options, session: Session) -> int:
    name = one_name(options, "role")
    rules = plan_rules(options, session)
    return create_planned(options, session, _role("Role", name, rules))


def _role(kind: str, name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "rules": rules,
    }


def verbs_of(options: Options, session: Session) -> list[str]:
    verbs = ["*"] if "*" in options.verb else list(dict.fromkeys(options.verb))
    if not verbs:
        raise Failure("at least one verb must be specified")
    for verb in verbs:
        if verb not in _VERBS:
            session.warn(f"'{verb}' is not a standard resource verb")
    return verbs


def plan_rules(options: Options, session: Session) -> list[dict[str, Any]]:
    """One rule for the resources of each API group."""
    verbs = verbs_of(options, session)
    if not options.resource:
        raise Failure("at least one resource must be specified")
    names = list(dict.fromkeys(options.resource_name))
    if names and len(options.resource) > 1:
        raise Failure("resource name(s) can not be specified for more than one resource")
    groups: dict[str, list[str]] = {}
    for text in dict.fromkeys(options.resource):
        if text == "*":
            if len(options.resource) > 1:
                raise Failure("cannot specify '*' and other resources together")
            groups["*"] = ["*"]
            continue
        word, slash, subresource = text.partition("/")
        gvr = session.mapper.find(word).gvr
        groups.setdefault(gvr.group, []).append(gvr.resource + (f"/{subresource}" if slash else ""))
    return [
        {"apiGroups": [group], "resources": resources, "verbs": verbs}
        | ({"resourceNames": names} if names else {})
        for group, resources in groups.items()
    ]
