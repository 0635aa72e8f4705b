"""The same autoscaler as autoscaling/v1 and as autoscaling/v2, in place and without loss.

What v1 has no fields for (metrics other than cpu, behavior, conditions) it carries in annotations, as upstream does:
metrics in the flat form that v1 had for them, behavior under capitalised names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from api.validation.autoscaler import default_autoscaler

Obj = dict[str, Any]

_DOMAIN = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT = _DOMAIN + "metrics", _DOMAIN + "current-metrics"
_BEHAVIOR, _CONDITIONS = _DOMAIN + "behavior", _DOMAIN + "conditions"
_SPEC_ANNOTATIONS = (_METRICS, _BEHAVIOR)
_STATUS_ANNOTATIONS = (_CURRENT, _CONDITIONS)
_V1, _V2 = "autoscaling/v1", "autoscaling/v2"
# What v1 called the parts of a v2 source: (name in v1, path in v2).
_FLAT: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "resource": (
        ("name", ("name",)),
        ("targetAverageUtilization", ("target", "averageUtilization")),
        ("targetAverageValue", ("target", "averageValue")),
        ("currentAverageUtilization", ("current", "averageUtilization")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
    "pods": (
        ("metricName", ("metric", "name")),
        ("selector", ("metric", "selector")),
        ("targetAverageValue", ("target", "averageValue")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
    "object": (
        ("target", ("describedObject",)),
        ("metricName", ("metric", "name")),
        ("selector", ("metric", "selector")),
        ("targetValue", ("target", "value")),
        ("averageValue", ("target", "averageValue")),
        ("currentValue", ("current", "value")),
        ("averageValue", ("current", "averageValue")),
    ),
    "external": (
        ("metricName", ("metric", "name")),
        ("metricSelector", ("metric", "selector")),
        ("targetValue", ("target", "value")),
        ("targetAverageValue", ("target", "averageValue")),
        ("currentValue", ("current", "value")),
        ("currentAverageValue", ("current", "averageValue")),
    ),
}
_FLAT["containerResource"] = (*_FLAT["resource"], ("container", ("container",)))


def to_v1(obj: Obj) -> Obj:
    """A v2 autoscaler as v1."""
    spec, status = obj.get("spec") or {}, obj.get("status")
    notes: dict[str, str] = {}
    obj["apiVersion"] = _V1
    rest = []
    for metric in spec.pop("metrics", None) or ():
        share = _cpu(metric, "target")
        if share is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = share
        else:
            rest.append(_flattened(metric, "target"))
    if rest:
        notes[_METRICS] = _dumps(rest)
    behavior = spec.pop("behavior", None)
    if behavior is not None:
        notes[_BEHAVIOR] = _dumps(_renamed(behavior, str.upper))
    if status is not None:
        _status_to_v1(status, notes)
    if notes:
        obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), **notes}
    return obj


def _status_to_v1(status: Obj, notes: dict[str, str]) -> None:
    rest = []
    for metric in status.pop("currentMetrics", None) or ():
        share = _cpu(metric, "current")
        if share is not None and "currentCPUUtilizationPercentage" not in status:
            status["currentCPUUtilizationPercentage"] = share
        rest.append(_flattened(metric, "current"))
    if rest:
        notes[_CURRENT] = _dumps(rest)
    conditions = status.pop("conditions", None)
    if conditions:
        notes[_CONDITIONS] = _dumps(conditions)
    status.setdefault("currentReplicas", 0)


def to_v2(obj: Obj) -> Obj:
    """A v1 autoscaler as v2, with the defaults of v2."""
    meta, spec, status = obj["metadata"], obj.setdefault("spec", {}), obj.get("status")
    notes = dict(meta.get("annotations") or {})
    obj["apiVersion"] = _V2
    metrics = []
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        target = {"type": "Utilization", "averageUtilization": share}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    metrics += [_nested(each, "target") for each in _objects(notes.get(_METRICS))]
    if metrics:
        spec["metrics"] = metrics
    behavior = _loads(notes.get(_BEHAVIOR))
    if isinstance(behavior, dict):
        spec["behavior"] = _renamed(behavior, str.lower)
    default_autoscaler(spec)
    if status is not None:
        _status_to_v2(status, notes)
    kept = {k: v for k, v in notes.items() if k not in (*_SPEC_ANNOTATIONS, *_STATUS_ANNOTATIONS)}
    if kept:
        meta["annotations"] = kept
    else:
        meta.pop("annotations", None)
    return obj


def _status_to_v2(status: Obj, notes: dict[str, str]) -> None:
    share = status.pop("currentCPUUtilizationPercentage", None)
    metrics = [_nested(each, "current") for each in _objects(notes.get(_CURRENT))]
    if share is not None and not any(_cpu(metric, "current") is not None for metric in metrics):
        metrics.insert(
            0, {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": share}}}
        )
    if metrics:
        status["currentMetrics"] = metrics
    conditions = _objects(notes.get(_CONDITIONS))
    if conditions:
        status["conditions"] = conditions


def _cpu(metric: Obj, part: str) -> Any:
    """The utilization of a metric that is the cpu of whole pods, None for any other."""
    source = metric.get("resource") or {}
    if metric.get("type") != "Resource" or source.get("name") != "cpu":
        return None
    return (source.get(part) or {}).get("averageUtilization")


def _source(metric: Obj) -> str:
    kind: str = metric.get("type", "")
    return kind[:1].lower() + kind[1:]


def _flattened(metric: Obj, part: str) -> Obj:
    source = _source(metric)
    flat: Obj = {}
    for name, path in _FLAT.get(source, ()):
        if path[0] in ("target", "current") and path[0] != part:
            continue
        value: Any = metric.get(source) or {}
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            flat[name] = value
    return {"type": metric.get("type", ""), source: flat}


def _nested(metric: Obj, part: str) -> Obj:
    source = _source(metric)
    flat = metric.get(source) or {}
    whole: Obj = {}
    for name, path in _FLAT.get(source, ()):
        if name not in flat or (path[0] in ("target", "current") and path[0] != part):
            continue
        at = whole
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = flat[name]
    if part == "target":
        target = whole.setdefault("target", {})
        present = (
            ("averageUtilization", "Utilization"),
            ("averageValue", "AverageValue"),
            ("value", "Value"),
        )
        target["type"] = next((kind for field, kind in present if field in target), "")
    return {"type": metric.get("type", ""), source: whole}


def _renamed(value: Any, change: Any) -> Any:
    """Keys with another first letter, all the way down."""
    if isinstance(value, dict):
        return {change(k[:1]) + k[1:]: _renamed(v, change) for k, v in value.items() if v is not None}
    return [_renamed(each, change) for each in value] if isinstance(value, list) else value


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _loads(text: str | None) -> Any:
    """What an annotation holds; None for none, or for nonsense that somebody put there."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _objects(text: str | None) -> list[Obj]:
    found: Iterable[Any] = _loads(text) or ()
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
