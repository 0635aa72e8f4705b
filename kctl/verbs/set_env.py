"""`kctl set env`: sets (`KEY=VALUE`), takes from a ConfigMap or Secret, removes (`KEY-`) or lists variables."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Iterator
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import STRATEGIC, send_patch
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, Found, report, select
from kctl.session import Session
from kctl.targets import one_target
from kctl.verbs.set_image import pod_spec_path

Obj = dict[str, Any]
USAGE = "set env (-f FILE | TYPE NAME) KEY=VALUE... KEY-... [flags]"
EXAMPLES = (
    ("A variable", "kctl set env deployment/web COLOUR=blue"),
    ("All keys of a ConfigMap", "kctl set env --from=configmap/settings deployment/web"),
    ("Without it", "kctl set env deployment/web COLOUR-"),
)
FLAGS = (
    Flag("containers", "c", default="*", help="containers to change, by name with wildcards"),
    Flag("env", "e", type="array", default=[], help="a KEY=VALUE variable; may be repeated"),
    Flag("from", default="", help="configmap/NAME or secret/NAME to take variables from"),
    Flag("keys", type="list", default=[], help="with --from: only these keys"),
    Flag("prefix", default="", help="with --from: put this before the names"),
    Flag("list", type="bool", default=False, help="print the variables"),
    Flag("overwrite", type="bool", default=True, help="change variables that are there already"),
    Flag("field-manager", default="kubectl-set", help="name that owns the change"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def run(options: Options, session: Session) -> int:
    names, words = split_words(options.args)
    changes = [_change(word) for word in (*_from_stdin(words), *options.env)]
    changes += _from_object(options, session)
    if not changes and not options.list:
        raise Failure("at least one environment variable must be provided")
    for found in select(options, session, read=True, args=names):
        assert found.obj is not None
        chosen = list(_containers(options, found))
        if not chosen:
            print(
                f'Warning: {found.info.gvr.kind}/{found.name} does not have any containers matching "{options.containers}"',
                file=session.err,
            )
            continue
        if options.list:
            _print(session, found, [container for _, container in chosen])
            continue
        patch = plan(found, chosen, changes, overwrite=options.overwrite)
        answer = send_patch(options, session, found, patch, STRATEGIC, manager=options.field_manager)
        report(options, session, found, "env updated", answer)
    return 0


def split_words(args: list[str]) -> tuple[list[str], list[str]]:
    """(words that name objects, changes)."""
    changes = [word for word in args if "=" in word or (word.endswith("-") and "/" not in word)]
    return [word for word in args if word not in changes], changes


def _from_stdin(words: list[str]) -> Iterator[str]:
    for word in words:
        if word != "-":
            yield word
            continue
        for line in sys.stdin.read().splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                yield line.strip()


def _change(word: str) -> Obj:
    """An entry of a strategic merge patch."""
    name, equals, value = word.partition("=")
    if not equals:
        name = word.removesuffix("-")
    if not _NAME.fullmatch(name):
        raise Failure(f'"{name}" is not a valid name of an environment variable')
    return {"name": name, "value": value, "valueFrom": None} if equals else {"name": name, "$patch": "delete"}


def _from_object(options: Options, session: Session) -> list[Obj]:
    source = getattr(options, "from")
    if not source:
        return []
    info, name = one_target(session.mapper, [source])
    if info.gvr.kind not in ("ConfigMap", "Secret"):
        raise Failure(
            f"unsupported resource specified in --from: {source}; configmap/NAME or secret/NAME is expected"
        )
    data = session.rest.get(info.gvr.path(session.namespace, name)).get("data") or {}
    field = "configMapKeyRef" if info.gvr.kind == "ConfigMap" else "secretKeyRef"
    missing = [key for key in options.keys if key not in data]
    if missing:
        raise Failure(f"{info.full_name}/{name} has no key {missing[0]}")
    for key in sorted(data):
        if key.upper() != key and (not options.keys or key in options.keys):
            session.warn(f"key {key} transferred to {_variable_name(key)}")
    return [
        {
            "name": options.prefix + _variable_name(key),
            "value": None,
            "valueFrom": {field: {"name": name, "key": key}},
        }
        for key in sorted(data)
        if not options.keys or key in options.keys
    ]


def _variable_name(key: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", key.upper())


def _containers(options: Options, found: Found) -> Iterator[tuple[str, Obj]]:
    """(field of the pod spec, container)."""
    assert found.obj is not None
    spec: Any = found.obj
    for field in pod_spec_path(found.obj):
        spec = spec.get(field) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        raise Failure(f"{found} has no pod template")
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            if fnmatch.fnmatchcase(container["name"], options.containers):
                yield field, container


def plan(found: Found, chosen: list[tuple[str, Obj]], changes: list[Obj], *, overwrite: bool) -> Obj:
    """The patch. Raises Failure where a variable is there already and must not be changed."""
    assert found.obj is not None
    lists: dict[str, list[Obj]] = {}
    for field, container in chosen:
        present = {entry["name"]: entry for entry in container.get("env") or ()}
        wanted = []
        for change in changes:
            there = present.get(change["name"])
            if "$patch" in change and there is None:
                continue
            if there is not None and "$patch" not in change and not overwrite:
                raise Failure(
                    f"'{change['name']}' already has a value ({there.get('value', '')}), and --overwrite is false"
                )
            wanted.append({k: v for k, v in change.items() if v is not None or (there and k in there)})
        if wanted:
            gone = {change["name"] for change in wanted if "$patch" in change}
            order = [
                name for name in dict.fromkeys([*present, *(c["name"] for c in wanted)]) if name not in gone
            ]
            entry: Obj = {"name": container["name"], "env": wanted}
            entry["$setElementOrder/env"] = [{"name": name} for name in order]
            lists.setdefault(field, []).append(entry)
    patch: Obj = dict(lists)
    for field in reversed(pod_spec_path(found.obj)):
        patch = {field: patch}
    return patch


def _print(session: Session, found: Found, containers: list[Obj]) -> None:
    for container in containers:
        print(f"# {found.info.gvr.kind} {found.name}, container {container['name']}", file=session.out)
        for variable in container.get("env") or ():
            source = _source_text(variable.get("valueFrom") or {})
            name = variable["name"]
            print(
                f"# {name} from {source}" if source else f"{name}={variable.get('value', '')}",
                file=session.out,
            )


def _source_text(source: Obj) -> str:
    for field, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if field in source:
            return f"{kind} {source[field].get('name', '')}, key {source[field]['key']}"
    if "fieldRef" in source:
        return f"field path {source['fieldRef']['fieldPath']}"
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        container = f"{reference['containerName']}/" if reference.get("containerName") else ""
        return f"resource field {container}{reference['resource']}"
    return ""
