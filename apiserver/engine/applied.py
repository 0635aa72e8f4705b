"""An applied configuration, from its body to a clean object: server-side apply owns what was said, so it must know all
of it. A field that the schema does not declare is refused whatever fieldValidation says; keys that stand twice are judged
by it.

Source: apimachinery managedfields/internal/structuredmerge.go (words), structured-merge-diff typed/validate.go.
"""

from __future__ import annotations

import re
from typing import Any

from api.apiextensions.v1.pruning import misplaced_nulls
from api.resource import Obj
from apiserver.engine.decode import Parsed, judge_fields
from apiserver.engine.engine import Call
from machinery.errors import BadRequest, invalid
from machinery.patch.apply import sets, typed
from machinery.schema import Schema

_TOLD_WITH_STATUS = ("apiVersion", "kind", "metadata", "status")
# With the status of a custom resource: only which object is meant.
_TOLD_OF_METADATA = ("name", "namespace", "uid", "resourceVersion", "managedFields")
_STEP = re.compile(r"\[(\d+)\]|([^.\[]+)")


def decode_applied(call: Call, raw: Any, source: Parsed | None) -> Obj:
    """Raises BadRequest for what is no configuration of this resource."""
    resource = call.served.resource
    if not isinstance(raw, dict):
        raise BadRequest("the applied configuration must be an object")
    wanted, said = resource.gvr.api_version, raw.get("apiVersion") or ""
    kind = raw.get("kind") or ""
    if said != wanted or kind != resource.kind:
        group, _, version = str(said).rpartition("/")
        raise BadRequest(f"invalid object type: {group}/{version}, Kind={kind}")
    schema = resource.schema()
    if resource.custom and (causes := list(misplaced_nulls(raw, schema))):
        raise invalid(call.group, resource.kind, call.name, causes)
    # The codec may change what it reads, and the names of list elements are wanted as they were said.
    obj, unknown = resource.codec().decode(raw)
    if unknown:
        paths = [_shown(path, obj, schema) for path in unknown]
        raise refuse_untyped(call, obj, [f"{path}: field not declared in schema" for path in paths])
    judge_fields(call, resource.kind, wanted, [], source, applied=True)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    return _heard(call, obj)


def _heard(call: Call, obj: Obj) -> Obj:
    """Without what the endpoint does not change: what is not heard is not owned."""
    if "status" not in call.served.resource.subresources:
        return obj
    if not call.subresource:
        obj.pop("status", None)
    elif call.subresource == "status":
        heard = {key: value for key, value in obj.items() if key in _TOLD_WITH_STATUS}
        if call.served.resource.custom:
            heard["metadata"] = {k: v for k, v in obj["metadata"].items() if k in _TOLD_OF_METADATA}
        return heard
    return obj


def refuse_untyped(call: Call, obj: Obj, wrong: list[str]) -> BadRequest:
    """The configuration does not fit its schema."""
    gvr, meta = call.served.resource.gvr, obj.get("metadata") or {}
    where = meta.get("namespace", "") if isinstance(meta, dict) else ""
    what = f"{where}/{call.name}; {gvr.group}/{gvr.version}, Kind={call.served.resource.kind}"
    text = wrong[0] if len(wrong) == 1 else "\n  ".join(["errors:", *wrong])
    return BadRequest(f"failed to create typed patch object ({what}): {text}")


def _shown(path: str, obj: Any, schema: Schema | None) -> str:
    """`spec.ports[0].x` as apply names it: `.spec.ports[port=80,protocol="TCP"].x`."""
    out = ""
    for index, name in _STEP.findall(path):
        if name:
            out += f".{name}"
            obj = obj.get(name) if isinstance(obj, dict) else None
            schema = typed.child_of(schema, name)
            continue
        out += _element(int(index), obj, schema)
        obj = obj[int(index)] if isinstance(obj, list) and int(index) < len(obj) else None
        schema = schema.items if schema is not None else None
    return out


def _element(index: int, items: Any, schema: Schema | None) -> str:
    if isinstance(items, list) and schema is not None and schema.list_type == "map":
        names = typed.elements(items, schema)
        if names is not None and index < len(names):
            return sets.show((names[index],))
    return f"[{index}]"
