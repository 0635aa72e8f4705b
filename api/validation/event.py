"""Events of both groups. The core group's are judged leniently, as they always were; the new group's strictly.

Source: Kubernetes "Event" (core/v1 and events.k8s.io/v1), KEP-383.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.validation.errors import Errors
from machinery import names
from machinery.errors import Cause

Obj = dict[str, Any]

_WORD_LIMIT, _NOTE_LIMIT = 128, 1024
_DEPRECATED = (
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
    "deprecatedSource",
)


def validate_core_event(event: Obj) -> Sequence[Cause]:
    errors = Errors()
    of_object = (event.get("involvedObject") or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    if not event.get("eventTime"):
        if of_object not in ("", namespace) or (not of_object and namespace not in ("", "default")):
            errors.invalid("involvedObject.namespace", of_object, "does not match event.namespace")
        return errors.causes
    if not of_object and namespace not in ("default", "kube-system"):
        errors.invalid("involvedObject.namespace", of_object, "does not match event.namespace")
    controller = event.get("reportingComponent", "")
    if not controller:
        errors.required("reportingComponent")
    errors.invalid_each("reportingComponent", controller, names.qualified_name(controller))
    for field, shown in (
        ("reportingInstance", "repotingIntance"),
        ("action", "action"),
        ("reason", "reason"),
    ):
        value = event.get(field, "")
        if not value:
            errors.required(field)
        if len(value.encode()) > _WORD_LIMIT:
            errors.invalid(shown, "", f"can have at most {_WORD_LIMIT} characters")
    if len(event.get("message", "").encode()) > _NOTE_LIMIT:
        errors.invalid("message", "", f"can have at most {_NOTE_LIMIT} characters")
    return errors.causes


def _validate_namespace(errors: Errors, event: Obj, field: str) -> None:
    """An event lies in its object's namespace; events of cluster-wide objects in `default` or `kube-system`."""
    namespace = event["metadata"].get("namespace", "")
    of_object = (event.get(field) or {}).get("namespace", "")
    if of_object:
        if of_object != namespace:
            errors.invalid(f"{field}.namespace", of_object, "does not match event.namespace")
    elif namespace not in ("", "default", "kube-system"):
        errors.invalid(f"{field}.namespace", of_object, "does not match event.namespace")


def validate_event(event: Obj) -> Sequence[Cause]:
    """A new event of events.k8s.io/v1."""
    errors = Errors()
    _validate_namespace(errors, event, "regarding")
    if not event.get("eventTime"):
        errors.required("eventTime")
    if event.get("type") not in ("Normal", "Warning"):
        errors.invalid("type", event.get("type", ""), "has invalid value: " + str(event.get("type", "")))
    for field in _DEPRECATED:
        if event.get(field):
            errors.invalid(field, event[field], "needs to be unset")
    controller = event.get("reportingController", "")
    if not controller:
        errors.required("reportingController")
    else:
        errors.invalid_each("reportingController", controller, names.qualified_name(controller))
    for field in ("reportingInstance", "action", "reason"):
        value = event.get(field, "")
        if not value:
            errors.required(field)
        elif len(value) > _WORD_LIMIT:
            errors.invalid(field, "", f"can have at most {_WORD_LIMIT} characters")
    if len(event.get("note", "")) > _NOTE_LIMIT:
        errors.invalid("note", "", f"can have at most {_NOTE_LIMIT} characters")
    _validate_series(errors, event)
    return errors.causes


def _validate_series(errors: Errors, event: Obj) -> None:
    series = event.get("series")
    if series is not None:
        if series.get("count", 0) < 2:
            errors.invalid("series.count", str(series.get("count", 0)), "should be at least 2")
        if not series.get("lastObservedTime"):
            errors.required("series.lastObservedTime")


def validate_event_update(event: Obj, old: Obj) -> Sequence[Cause]:
    """Only the series and the metadata may change."""
    errors = Errors()
    if not old.get("eventTime"):
        return ()
    for field in (
        "regarding",
        "reason",
        "note",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingController",
    ):
        errors.immutable(field, event.get(field), old.get(field))
    errors.immutable("reportingInstance", event.get("reportingInstance"), old.get("reportingInstance"))
    for field in _DEPRECATED:
        errors.immutable(field, event.get(field), old.get(field))
    _validate_series(errors, event)
    return errors.causes
