"""TODO module"""

from collections.abc import Sequence
from typing import Annotated, Any, Required, TypedDict

from api.annotations import Int32, MicroTime, Proto, Time
from api.builtin import builtin
from api.columns import UNKNOWN, meta_name, since
from api.core.v1.reference import ObjectReference
from api.meta.v1 import ObjectMeta
from api.resource import Column, Strategy
from api.validation.event import validate_core_event
from machinery.errors import Cause
from machinery.gvk import EVENTS


class EventSource(TypedDict, total=False):
    """TODO EventSource"""

    component: Annotated[str, Proto(1)]
    host: Annotated[str, Proto(2)]


class EventSeries(TypedDict, total=False):
    """TODO EventSeries"""

    count: Annotated[Int32, Proto(1)]
    lastObservedTime: Annotated[MicroTime, Proto(2)]


class Event(TypedDict, total=False):
    """TODO Event"""

    apiVersion: str
    kind: str
    metadata: Required[Annotated[ObjectMeta, Proto(1)]]
    involvedObject: Required[Annotated[ObjectReference, Proto(2)]]
    reason: Annotated[str, Proto(3)]
    message: Annotated[str, Proto(4)]
    source: Annotated[EventSource, Proto(5)]
    firstTimestamp: Annotated[Time, Proto(6)]
    lastTimestamp: Annotated[Time, Proto(7)]
    count: Annotated[Int32, Proto(8)]
    type: Annotated[str, Proto(9)]
    eventTime: Annotated[MicroTime, Proto(10)]
    series: Annotated[EventSeries, Proto(11)]
    action: Annotated[str, Proto(12)]
    related: Annotated[ObjectReference, Proto(13)]
    reportingComponent: Annotated[str, Proto(14)]
    reportingInstance: Annotated[str, Proto(15)]


Obj = dict[str, Any]

# Events are news, not state: they are dropped after an hour.
EVENT_TTL_S = 3600


class EventStrategy(Strategy):
    has_generation = False
    allow_create_on_update = True

    def validate(self, obj: Obj) -> Sequence[Cause]:
        return validate_core_event(obj)


def _first_seen(event: Obj, now: float) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Obj, now: float) -> str:
    series = event.get("series")
    if series:
        return since(series.get("lastObservedTime"), now)
    shown = since(event.get("lastTimestamp"), now)
    return _first_seen(event, now) if shown == UNKNOWN else shown


def _count(event: Obj, now: float) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _object(event: Obj, now: float) -> str:
    involved = event.get("involvedObject") or {}
    kind, name = involved.get("kind", "").lower(), involved.get("name", "")
    return f"{kind}/{name}" if name else kind


def _field_path(event: Obj, now: float) -> str:
    path: str = (event.get("involvedObject") or {}).get("fieldPath", "")
    return path


def _source(event: Obj, now: float) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    instance = source.get("host") or event.get("reportingInstance") or ""
    return ", ".join(part for part in (component, instance) if part)


EVENT_COLUMNS = (
    Column("Last Seen", _last_seen, description="When it happened last."),
    Column("Type", lambda event, now: event.get("type", ""), description="Normal or Warning."),
    Column("Reason", lambda event, now: event.get("reason", ""), description="Why, in a word for machines."),
    Column("Object", _object, description="What it is about."),
    Column("Subobject", _field_path, priority=1, description="The part of the object."),
    Column("Source", _source, priority=1, description="Who reports it, and from where."),
    Column("Message", lambda event, now: event.get("message", "").strip(), description="What happened."),
    Column("First Seen", _first_seen, priority=1, description="When it happened first."),
    Column("Count", _count, type="integer", priority=1, description="How often it happened."),
    Column("Name", meta_name, format="name", priority=1, description="The event's own name."),
)

EVENT = builtin(
    EVENTS,
    Event,
    strategy=EventStrategy(),
    columns=EVENT_COLUMNS,
    short_names=("ev",),
    selectable_fields={
        "involvedObject.kind": ".involvedObject.kind",
        "involvedObject.namespace": ".involvedObject.namespace",
        "involvedObject.name": ".involvedObject.name",
        "involvedObject.uid": ".involvedObject.uid",
        "involvedObject.apiVersion": ".involvedObject.apiVersion",
        "involvedObject.resourceVersion": ".involvedObject.resourceVersion",
        "involvedObject.fieldPath": ".involvedObject.fieldPath",
        "reason": ".reason",
        "reportingComponent": ".reportingComponent",
        "source": ".source.component",
        "type": ".type",
    },
    storage_prefix="events",
    ttl_s=EVENT_TTL_S,
)
