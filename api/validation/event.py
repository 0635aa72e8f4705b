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
# Names of the new group's fields, in the order in which they may not change, and the core group's, by which upstream tells of them.
_FIXED = {
    "regarding": "involvedObject",
    "reason": "reason",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "type": "type",
    "eventTime": "eventTime",
    "action": "action",
    "related": "related",
    "reportingController": "reportingController",
    "reportingInstance": "reportingInstance",
}
_DEPRECATED = ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount", "deprecatedSource")


def validate_core_event(event: Obj) -> Sequence[Cause]:
    errors = Errors()
    _validate_sense(errors, event, event.get("message", ""), "involvedObject", "reportingComponent")
    return errors.causes


def _validate_sense(errors: Errors, event: Obj, message: str, of: str, reporter: str) -> None:
    """What events of both groups must be. `of`, `reporter`: the fields that say whose it is, and who tells."""
    of_object = (event.get(of) or {}).get("namespace", "")
    namespace = event["metadata"].get("namespace", "")
    if not event.get("eventTime"):
        if of_object not in ("", namespace) or (not of_object and namespace not in ("", "default")):
            errors.invalid("involvedObject.namespace", of_object, "does not match event.namespace")
        return
    if not of_object and namespace not in ("default", "kube-system"):
        errors.invalid("involvedObject.namespace", of_object, "does not match event.namespace")
    controller = event.get(reporter, "")
    if not controller:
        errors.required(reporter)
    errors.invalid_each(reporter, controller, names.qualified_name(controller))
    for field in ("reportingInstance", "action", "reason"):
        value = event.get(field, "")
        if not value:
            errors.required(field)
        if len(value.encode()) > _WORD_LIMIT:
            errors.invalid(field, "", f"can have at most {_WORD_LIMIT} characters")
    if len(message.encode()) > _NOTE_LIMIT:
        errors.invalid("message", "", f"can have at most {_NOTE_LIMIT} characters")


def validate_event(event: Obj) -> Sequence[Cause]:
    """A new event of events.k8s.io/v1."""
    errors = Errors()
    _validate_sense(errors, event, event.get("note", ""), "regarding", "reportingController")
    _validate_series(errors, event)
    if not event.get("eventTime"):
        errors.required("eventTime")
    kind = event.get("type", "")
    if kind not in ("Normal", "Warning"):
        errors.invalid("type", "", f"has invalid value: {kind}")
    for field in _DEPRECATED:
        if event.get(field):
            errors.invalid(_FIXED[field], "", "needs to be unset")
    return errors.causes


def _validate_series(errors: Errors, event: Obj) -> None:
    series = event.get("series")
    if series is not None:
        if series.get("count", 0) < 2:
            errors.invalid("series.count", "", "should be at least 2")
        if not series.get("lastObservedTime"):
            errors.required("series.lastObservedTime")


def validate_event_update(event: Obj, old: Obj) -> Sequence[Cause]:
    """Only the series and the metadata may change."""
    errors = Errors()
    _validate_sense(errors, event, event.get("note", ""), "regarding", "reportingController")
    if event.get("series") != old.get("series"):
        _validate_series(errors, event)
    for field, shown in _FIXED.items():
        errors.immutable(shown, event.get(field), old.get(field))
    return errors.causes
