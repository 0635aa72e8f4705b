"""The scale subresource: any kind that says where its replica counts are, seen as an autoscaling/v1 Scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from api.columns import AGE, NAME
from api.resource import Column, Obj, Subresource
from apiserver.engine.bodies import SCALE, body
from apiserver.engine.create import check_namespace, nameless
from apiserver.engine.decode import decode
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.get import get
from apiserver.engine.metadata import metadata_of, refuse_other
from apiserver.engine.patch import (
    Patch,
    apply_config,
    apply_to,
    decode_patched,
    need_manager,
    refuse_strategic,
)
from apiserver.engine.write import Change, guaranteed_update, main_scope
from apiserver.storage.store import Entry
from machinery.errors import BadRequest, Cause, UnsupportedMediaType, invalid
from machinery.objects import get_path, set_path

_MAX_REPLICAS = 2**31 - 1
SCALE_COLUMNS = (
    NAME,
    Column("Desired", ".spec.replicas", type="integer", description="Number of desired replicas"),
    Column("Available", ".status.replicas", type="integer", description="Number of actual replicas"),
    replace(AGE, type="date"),
)


def _keys(path: str) -> list[str]:
    return [key for key in path.split(".") if key]


def scale_of(obj: Obj, sub: Subresource) -> dict[str, Any]:
    """The Scale that shows `obj`."""
    meta = obj["metadata"]
    shown = {
        key: meta[key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in meta
    }
    status: dict[str, Any] = {"replicas": get_path(obj, _keys(sub.status_replicas_path)) or 0}
    selector = get_path(obj, _keys(sub.label_selector_path)) if sub.label_selector_path else None
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    spec_replicas = get_path(obj, _keys(sub.spec_replicas_path))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": {"replicas": spec_replicas} if spec_replicas else {},
        "status": status,
    }


def selector_text(selector: dict[str, Any]) -> str:
    """A label selector (or a plain map, as ReplicationControllers have) in its string form."""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(sorted(each.get("values") or ()))
        match each["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


async def get_scale(call: Call) -> dict[str, Any]:
    return scale_of(call.served.load(await get(call)), _sub(call))


async def write_scale(engine: Engine, call: Call, change: Obj | Patch) -> Written:
    """PUT (a decoded Scale) or PATCH: sets the replicas of the object, by the rules of an update of it."""
    sub = _sub(call)
    if isinstance(change, Patch):
        refuse_strategic(call.served.resource, change)
        if change.kind == "apply-patch":
            return await _apply_scale(engine, call, change, sub)

    def changer(old: Obj, entry: Entry) -> Change:
        scale = change if not isinstance(change, Patch) else _patched(call, scale_of(old, sub), change)
        meta = metadata_of(scale)
        if not meta.get("name"):
            raise nameless(call)
        if meta["name"] != call.name:
            raise BadRequest(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({call.name})"
            )
        check_namespace(call, scale)
        refuse_other(call.group, call.plural, str(meta.get("uid") or ""), old)
        replicas = _replicas(call, scale)
        expect = str(meta.get("resourceVersion") or "") if _is_conditional(change) else ""
        set_path(old, _keys(sub.spec_replicas_path), replicas)
        return Change(old, expect)

    written = await guaranteed_update(engine, call, changer, main_scope(call.served.resource))
    return _shown(written, sub)


async def _apply_scale(engine: Engine, call: Call, change: Patch, sub: Subresource) -> Written:
    """The Scale's replicas, applied to where the object has them: its manager owns that field through this endpoint."""
    need_manager(call)
    if not isinstance(change.data, dict):
        raise BadRequest("the applied configuration must be an object")
    scale = decode(call, change.data, change.source, body(SCALE))
    resource = call.served.resource
    meta = {"name": call.name, **({"namespace": call.namespace} if call.namespace else {})}
    config: Obj = {"apiVersion": resource.gvr.api_version, "kind": resource.kind, "metadata": meta}
    if "replicas" in (scale.get("spec") or {}):
        set_path(config, _keys(sub.spec_replicas_path), _replicas(call, scale))

    async def changer(old: Obj, entry: Entry) -> Change:
        return Change(await apply_config(engine, call, old, config), manager_op="")

    return _shown(await guaranteed_update(engine, call, changer, main_scope(resource)), sub)


def _shown(written: Written, sub: Subresource) -> Written:
    scale = scale_of(orjson.loads(written.data), sub)
    return Written(200, orjson.dumps(scale), scale)


def _replicas(call: Call, scale: Obj) -> int:
    replicas: int = (scale.get("spec") or {}).get("replicas", 0)
    if call.served.resource.custom:
        return replicas  # judged with the object
    if not 0 <= replicas <= _MAX_REPLICAS:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid("autoscaling", "Scale", call.name, [Cause("FieldValueInvalid", text, "spec.replicas")])
    return replicas


def _is_conditional(change: Obj | Patch) -> bool:
    if not isinstance(change, Patch):
        return True
    meta = change.data.get("metadata") if isinstance(change.data, dict) else None
    return isinstance(meta, dict) and "resourceVersion" in meta


def _patched(call: Call, scale: Obj, change: Patch) -> Obj:
    if change.kind not in ("merge-patch", "json-patch", "strategic-merge-patch"):
        raise UnsupportedMediaType(f"a Scale cannot be patched by {change.kind}")
    return decode_patched(call, apply_to(None, scale, change, body(SCALE).schema), change, body(SCALE))


def _sub(call: Call) -> Subresource:
    return call.served.resource.subresources["scale"]
