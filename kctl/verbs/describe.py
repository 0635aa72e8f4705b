"""`kctl describe`: an object for people, with what belongs to it: owners, pods, events."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.mapper import ResourceInfo
from kctl.selection import FILE_FLAGS
from kctl.session import Session, explain_failure
from kctl.targets import Target, parse_targets
from kctl.verbs.get import pages
from machinery.errors import ApiError, NotFound

Obj = dict[str, Any]
USAGE = "describe (TYPE [NAME_OR_PREFIX...] | TYPE/NAME... | -f FILE) [flags]"
EXAMPLES = (
    ("A pod", "kctl describe pod web-0"),
    ("All whose name begins so", "kctl describe pods web"),
    ("What a file made", "kctl describe -f deploy.yaml"),
)
FLAGS = (
    *FILE_FLAGS,
    Flag("selector", "l", default="", help="label selector, such as app=web"),
    Flag("all-namespaces", "A", type="bool", default=False, help="objects of all namespaces"),
    Flag("show-events", type="bool", default=True, help="show the object's events"),
    Flag("chunk-size", type="int", default=500, help="objects asked for at a time; 0 for all"),
)


def run(options: Options, session: Session) -> int:
    shown = failed = 0
    for info, obj in _objects(options, session):
        if isinstance(obj, ApiError):
            print(explain_failure(obj), file=session.err)
            failed += 1
            continue
        text = describe(session, info, obj, events=options.show_events)
        session.out.write(("\n\n" if shown else "") + text)
        shown += 1
    if not shown and not failed:
        where = "" if options.all_namespaces else f" in {session.namespace} namespace."
        print(f"No resources found{where}", file=session.err)
    return 1 if failed else 0


def describe(session: Session, info: ResourceInfo, obj: Obj, *, events: bool) -> str:
    """The whole text."""
    from kctl.describe import parts
    from kctl.describe.kinds import DESCRIBERS, GENERIC
    from kctl.describe.page import Page

    obj = {"apiVersion": info.gvr.api_version, "kind": info.gvr.kind, **obj}
    module, has_events = DESCRIBERS.get((info.gvr.group, info.gvr.kind), GENERIC)
    text = io.StringIO()
    page = Page(text)
    importlib.import_module(f"kctl.describe.{module}").describe(page, session, obj)
    if events and has_events:
        try:
            found = parts.events_of(session, obj)
            if info.gvr.kind == "Node":  # a node agent knows its node's name only
                found += parts.events_of(session, obj, uid=obj["metadata"]["name"])
        except ApiError:
            pass  # somebody who may not read events may still read the object
        else:
            parts.show_events(page, found)
    page.flush()
    return text.getvalue()


def _objects(options: Options, session: Session) -> Iterator[tuple[ResourceInfo, Obj | ApiError]]:
    if options.filename:
        from kctl.manifest_files import read_manifests
        from kctl.selection import place

        for manifest in read_manifests(options.filename, recursive=options.recursive):
            found = place(session, manifest.obj, manifest.source)
            try:
                yield found.info, session.rest.get(found.path)
            except ApiError as error:
                yield found.info, error
        return
    for target in parse_targets(session.mapper, options.args):
        yield from _of_target(options, session, target)


def _of_target(
    options: Options, session: Session, target: Target
) -> Iterator[tuple[ResourceInfo, Obj | ApiError]]:
    info = target.resource
    namespace = session.namespace if info.gvr.namespaced and not options.all_namespaces else ""
    if target.names and options.selector:
        raise Failure("name cannot be provided when a selector is specified")
    if not target.names:
        query = [("labelSelector", options.selector)] if options.selector else []
        for answer in pages(
            session.rest, info.gvr.path(namespace), query, "application/json", options.chunk_size
        ):
            for item in answer["items"]:
                yield info, item
        return
    for name in target.names:
        try:
            yield info, session.rest.get(info.gvr.path(namespace, name))
        except NotFound as error:
            items = session.rest.get(info.gvr.path(namespace))["items"]
            alike = [item for item in items if item["metadata"]["name"].startswith(name)]
            yield from ((info, item) for item in alike)
            if not alike:
                yield info, error
        except ApiError as error:
            yield info, error
