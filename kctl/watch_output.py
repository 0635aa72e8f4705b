"""`kctl get -w`: what is there, then every change of it, in the format asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kctl.failure import Failure
from kctl.flags import Options
from kctl.printers.printer import OutputFormat
from kctl.printers.table import TablePrinter
from kctl.rest import JSON, TABLE
from kctl.session import Session
from kctl.targets import Target
from kctl.verbs.get import Layout, namespace_of, query_of, type_of_items

Obj = dict[str, Any]


def watch(options: Options, session: Session, targets: Sequence[Target], output: OutputFormat) -> int:
    if len(targets) != 1 or len(targets[0].names) > 1:
        raise Failure("watch is only supported on individual resources and resource collections")
    target = targets[0]
    gvr, namespace = target.resource.gvr, namespace_of(options, session, target)
    accept = TABLE if output.is_table else JSON
    query = query_of(options)
    if target.names:
        query.append(("fieldSelector", f"metadata.name={target.names[0]}"))
    printer = TablePrinter(session.out, headers=not options.no_headers)
    first = session.rest.get(gvr.path(namespace), query, accept)
    columns = first.get("columnDefinitions") or []
    if target.names and not (first.get("rows") or first.get("items")) and not options.ignore_not_found:
        session.rest.get(gvr.path(namespace, target.names[0]))  # raises the server's own NotFound

    def show(event_type: str, body: Obj) -> None:
        nonlocal columns
        if not output.is_table:
            whole = options.output_watch_events and output.kind in ("json", "yaml")
            shown = {"type": event_type, "object": body} if whole else body
            if output.kind == "yaml" and session.documents:
                session.out.write("---\n")
            session.documents += 1
            output.print_all(
                session.out,
                [shown],
                as_list=False,
                keep_managed_fields=options.show_managed_fields,
                headers=False,
            )
        else:
            columns = body.get("columnDefinitions") or columns
            layout = Layout(options, target, columns, output.wide, several=False)
            events = options.output_watch_events
            header = (["EVENT"] if events else []) + layout.header
            printer.print(
                header, [([event_type] if events else []) + layout.cells(row) for row in body["rows"]]
            )
        session.out.flush()

    if not options.watch_only:
        items = [first] if output.is_table else [{**type_of_items(first), **item} for item in first["items"]]
        for item in items:
            if not output.is_table or item["rows"]:
                show("ADDED", item)
    version = first["metadata"].get("resourceVersion", "")
    watching = [*query, ("watch", "true"), ("resourceVersion", version)]
    for line in session.rest.lines(gvr.path(namespace), watching, accept):
        event = json.loads(line)
        if event["type"] == "BOOKMARK":
            continue
        if event["type"] == "ERROR":
            print(f"error: {event['object'].get('message', 'the watch ended')}", file=session.err)
            return 1
        show(event["type"], event["object"])
    return 0
