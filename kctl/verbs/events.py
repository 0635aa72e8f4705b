"""`kctl events`: what happened, oldest first, of a namespace or about one object."""

from __future__ import annotations

import json
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.printers.printer import parse_output
from kctl.printers.table import TablePrinter
from kctl.session import Session
from kctl.verbs.get import pages

Obj = dict[str, Any]
USAGE = "events [--for TYPE/NAME] [flags]"
EXAMPLES = (
    ("About a pod", "kctl events --for pod/web-0"),
    ("Warnings everywhere", "kctl events -A --types=Warning"),
)
FLAGS = (
    Flag("all-namespaces", "A", type="bool", default=False, help="of all namespaces"),
    Flag("for", default="", help="only about TYPE/NAME"),
    Flag("types", type="list", default=[], help="only Normal, or only Warning"),
    Flag("watch", "w", type="bool", default=False, help="go on printing what happens"),
    Flag("no-headers", type="bool", default=False, help="rows without the header"),
    Flag("chunk-size", type="int", default=500, help="events asked for at a time"),
    Flag("output", "o", default="", help="json, yaml, name, jsonpath=, ..."),
)


def run(options: Options, session: Session) -> int:
    namespace = "" if options.all_namespaces else session.namespace
    path = session.mapper.find("events").gvr.path(namespace)
    query = _query(options, session)
    events: list[Obj] = []
    version = ""
    for answer in pages(session.rest, path, query, "application/json", options.chunk_size):
        events += answer["items"]
        version = answer["metadata"]["resourceVersion"]
    events = sorted((e for e in events if _wanted(options, e)), key=last_seen)
    if options.output:
        typed = [{"apiVersion": "v1", "kind": "Event", **event} for event in events]
        parse_output(options.output).print_all(session.out, typed, as_list=True)
        return 0
    if not events and not options.watch:
        where = "" if options.all_namespaces else f" in {namespace} namespace."
        print(f"No events found{where}", file=session.err)
        return 0
    printer = TablePrinter(session.out, headers=not options.no_headers)
    header = [
        *(["NAMESPACE"] if options.all_namespaces else []),
        "LAST SEEN",
        "TYPE",
        "REASON",
        "OBJECT",
        "MESSAGE",
    ]
    printer.print(header, [_row(options, event) for event in events])
    if options.watch:
        session.out.flush()
        for line in session.rest.lines(path, [*query, ("watch", "true"), ("resourceVersion", version)]):
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED") and _wanted(options, event["object"]):
                printer.print(header, [_row(options, event["object"])])
                session.out.flush()
    return 0


def _query(options: Options, session: Session) -> list[tuple[str, str]]:
    about = getattr(options, "for")
    if not about:
        return []
    kind, slash, name = about.partition("/")
    if not slash or not name:
        raise Failure(f"--for takes TYPE/NAME, not {about!r}")
    info = session.mapper.find(kind)
    return [("fieldSelector", f"involvedObject.kind={info.gvr.kind},involvedObject.name={name}")]


def _wanted(options: Options, event: Obj) -> bool:
    return not options.types or event.get("type", "").lower() in [t.lower() for t in options.types]


def last_seen(event: Obj) -> str:
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp", "")
    )


def _row(options: Options, event: Obj) -> list[Any]:
    from kctl.ages import age

    about = event.get("involvedObject") or {}
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    seen = age(last_seen(event))
    if count > 1:
        first = event.get("firstTimestamp") or event.get("eventTime") or ""
        seen = f"{seen} (x{count} over {age(first)})"
    namespace = [event["metadata"].get("namespace", "")] if options.all_namespaces else []
    where = f"{about.get('kind', '')}/{about.get('name', '')}"
    return [
        *namespace,
        seen,
        event.get("type", ""),
        event.get("reason", ""),
        where,
        event.get("message", "").strip(),
    ]
