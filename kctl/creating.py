"""What all `create` words share: flags, and the way from a planned object to a created one.

A generator is a verb module whose `plan(options) -> Obj` says, without asking anybody, which object is meant;
`create_planned()` does the rest: namespace, dry run, saved configuration, printing.
"""

from __future__ import annotations

import json
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.mapper import KNOWN, ResourceInfo
from kctl.selection import DRY_RUN, OUTPUT, Found, dry_run_query, report
from kctl.session import Session
from machinery.errors import ApiError, Invalid
from machinery.gvk import GVR, split_api_version

Obj = dict[str, Any]
CREATE_FLAGS: tuple[Flag, ...] = (
    DRY_RUN,
    OUTPUT,
    Flag("save-config", type="bool", default=False, help="remember what was given, for a later apply"),
    Flag("field-manager", default="kubectl-create", help="name that owns the fields"),
    Flag("validate", bare="strict", default="strict", help="strict, warn or ignore unknown fields"),
)
VALIDATION = {
    "strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore",
}  # fmt: skip


# kubectl words the refusals of these so; the others' are the server's own.
_WRAPPED = {
    "ConfigMap": "configmap",
    "Secret": "secret",
    "Deployment": "deployment",
    "ServiceAccount": "serviceaccount",
    "RoleBinding": "rolebinding",
    "ClusterRoleBinding": "clusterrolebinding",
    "Service": "service",
    "ResourceQuota": "quota",
    "PriorityClass": "priorityclass",
    "Job": "job",
    "CronJob": "cronjob",
}


def one_name(options: Options, what: str) -> str:
    """The only word. Raises Failure."""
    if len(options.args) != 1:
        raise Failure(f"exactly one NAME is required, got {len(options.args)}: kctl create {what} NAME")
    return str(options.args[0])


def create_planned(options: Options, session: Session, obj: Obj) -> int:
    """Posts it, or with --dry-run=client prints what would be posted, without asking the server."""
    found = place_planned(options, session, obj)
    saved = with_saved_config(obj) if getattr(options, "save_config", False) else obj
    if options.dry_run == "client":
        report(options, session, found, "created", saved)
        return 0
    try:
        answer = post(options, session, found, saved)
    except ApiError as error:
        if not isinstance(error, Invalid) and obj["kind"] in _WRAPPED:
            raise Failure(f"failed to create {_WRAPPED[obj['kind']]}: {error.message}") from error
        raise
    report(options, session, found, "created", answer)
    return 0


def place_planned(options: Options, session: Session, obj: Obj) -> Found:
    """As kubectl, a namespace is written into the object only where one was asked for."""
    info = _info_of(options, session, obj)
    offline = options.dry_run == "client"
    asked = session.options.namespace if offline else session.namespace
    namespace = asked or "" if info.gvr.namespaced else ""
    if namespace:
        obj["metadata"]["namespace"] = namespace
    return Found(info, namespace, obj["metadata"]["name"], obj)


def _info_of(options: Options, session: Session, obj: Obj) -> ResourceInfo:
    """A client-side dry run works for a kind that the server does not serve, and without a server."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    for info in KNOWN:
        if info.gvr.kind == kind and info.gvr.api_version == api_version:
            return info
    if options.dry_run != "client":
        return session.mapper.find_kind(api_version, kind)
    group, version = split_api_version(api_version)
    plural = kind.lower() + ("es" if kind.endswith("s") else "s")
    return ResourceInfo(GVR(group, version, plural, kind != "PriorityClass", kind), kind.lower())


def post(options: Options, session: Session, found: Found, obj: Obj) -> Obj:
    query = [("fieldManager", options.field_manager), *validation_query(options), *dry_run_query(options)]
    return session.rest.request("POST", found.info.gvr.path(found.namespace), query, obj)


def validation_query(options: Options) -> list[tuple[str, str]]:
    validation = VALIDATION.get(options.validate)
    if validation is None:
        raise Failure(f"--validate is strict, warn or ignore, not {options.validate!r}")
    return [("fieldValidation", validation)]


def with_saved_config(obj: Obj) -> Obj:
    from kctl.verbs.apply import with_annotation

    return with_annotation(obj)


def with_hash(obj: Obj, fields: tuple[str, ...]) -> Obj:
    """`--append-hash`: a name that tells the content, by kubectl's own digest of `fields`."""
    import hashlib

    content: Obj = {"kind": obj["kind"], "name": obj["metadata"]["name"]}
    always: Obj = {"data": {}, "type": ""}
    for field in fields:
        if field in always or obj.get(field):
            content[field] = obj.get(field, always.get(field))
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character, escape in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(character, escape)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10].translate(str.maketrans("013ae", "ghkmt"))
    return {**obj, "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}-{digest}"}}
