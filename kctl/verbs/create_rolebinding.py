"""`kctl create rolebinding`: gives a Role or ClusterRole to users, groups and ServiceAccounts in a namespace."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

USAGE = "create rolebinding NAME (--role=ROLE | --clusterrole=CLUSTERROLE) [--user=...] [--group=...] [--serviceaccount=NS:NAME] [flags]"
EXAMPLES = (
    ("A user", "kctl create rolebinding edit-eve --clusterrole=edit --user=eve"),
    ("A ServiceAccount", "kctl create rolebinding ci --role=deployer --serviceaccount=default:ci"),
)
SUBJECT_FLAGS = (
    Flag("clusterrole", default="", help="the ClusterRole to give"),
    Flag("user", type="array", default=[], help="a user; may be repeated"),
    Flag("group", type="array", default=[], help="a group; may be repeated"),
    Flag("serviceaccount", type="array", default=[], help="a ServiceAccount, as NAMESPACE:NAME; may be repeated"),
)  # fmt: skip
FLAGS = (Flag("role", default="", help="the Role to give"), *SUBJECT_FLAGS, *CREATE_FLAGS)
_GROUP = "rbac.authorization.k8s.io"


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "rolebinding")
    if bool(options.role) == bool(options.clusterrole):
        raise Failure("exactly one of clusterrole or role must be specified")
    role = ("Role", options.role) if options.role else ("ClusterRole", options.clusterrole)
    return binding("RoleBinding", name, role, options)


def binding(kind: str, name: str, role: tuple[str, str], options: Options) -> dict[str, Any]:
    subjects: list[dict[str, str]] = [
        {"kind": what, "apiGroup": _GROUP, "name": each}
        for what, names in (("User", options.user), ("Group", options.group))
        for each in names
    ]
    for text in options.serviceaccount:
        namespace, colon, account = text.partition(":")
        if not colon or not namespace or not account:
            raise Failure("serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "namespace": namespace, "name": account})
    obj: dict[str, Any] = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": role[0], "name": role[1]},
    }
    if subjects:
        obj["subjects"] = subjects
    return obj
