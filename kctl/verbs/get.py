"""`kctl get`: objects as a table, or in any of kubectl's output formats; once, or as they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.printers.printer import OutputFormat, parse_output
from kctl.printers.table import TablePrinter
from kctl.rest import JSON, TABLE, Rest
from kctl.session import Session
from kctl.targets import Target, parse_targets
from machinery.errors import ApiError, NotFound

Obj = dict[str, Any]
USAGE = "get (TYPE [NAME...] | TYPE/NAME... | -f FILE) [flags]"
EXAMPLES = (
    ("Pods of the namespace", "kctl get pods"),
    ("Pods of all namespaces, with their nodes", "kctl get pods -A -o wide"),
    ("One Deployment as YAML", "kctl get deployment web -o yaml"),
    ("Follow what changes", "kctl get pods -w"),
    ("One field of every pod", "kctl get pods -o jsonpath='{.items[*].status.podIP}'"),
)
FLAGS = (
    Flag("output", "o", default="", help="json, yaml, wide, name, jsonpath=, custom-columns=, ..."),
    Flag("all-namespaces", "A", type="bool", default=False, help="objects of all namespaces"),
    Flag("selector", "l", default="", help="label selector, such as app=web,tier!=db"),
    Flag("field-selector", default="", help="field selector, such as status.phase=Running"),
    Flag("watch", "w", type="bool", default=False, help="go on printing what changes"),
    Flag("watch-only", type="bool", default=False, help="print changes only, not what is there"),
    Flag("output-watch-events", type="bool", default=False, help="print the type of each change"),
    Flag("sort-by", default="", help="JSONPath to sort by, such as .metadata.creationTimestamp"),
    Flag("show-labels", type="bool", default=False, help="a column with all labels"),
    Flag("label-columns", "L", type="list", default=[], help="labels to show as columns"),
    Flag("no-headers", type="bool", default=False, help="rows without the header"),
    Flag("show-kind", type="bool", default=False, help="TYPE/NAME in the first column"),
    Flag("show-managed-fields", type="bool", default=False, help="keep managedFields in json and yaml"),
    Flag("ignore-not-found", type="bool", default=False, help="an absent object is no error"),
    Flag("chunk-size", type="int", default=500, help="objects asked for at a time; 0 for all"),
    Flag("filename", "f", type="list", default=[], help="files that name the objects"),
    Flag("recursive", "R", type="bool", default=False, help="look into folders of folders"),
    Flag("raw", default="", help="GET this path and print the answer"),
    Flag("subresource", default="", help="status or scale instead of the object"),
    Flag("template", default="", help="template of jsonpath output"),
)


def run(options: Options, session: Session) -> int:
    if options.raw:
        session.out.write(session.rest.raw("GET", options.raw).decode(errors="replace"))
        return 0
    output = parse_output(options.output, options.template)
    targets = _targets(options, session)
    if options.watch or options.watch_only:
        from kctl.watch_output import watch

        return watch(options, session, targets, output)
    if output.is_table:
        return _print_tables(options, session, targets, output)
    return _print_objects(options, session, targets, output)


def _targets(options: Options, session: Session) -> list[Target]:
    if not options.filename:
        return parse_targets(session.mapper, options.args)
    from kctl.manifest_files import read_manifests

    targets = []
    for manifest in read_manifests(options.filename, recursive=options.recursive):
        info = session.mapper.find_kind(manifest.obj["apiVersion"], manifest.obj["kind"])
        targets.append(Target(info, (manifest.obj["metadata"]["name"],)))
    return targets


def namespace_of(options: Options, session: Session, target: Target) -> str:
    return session.namespace if target.resource.gvr.namespaced and not options.all_namespaces else ""


def query_of(options: Options) -> list[tuple[str, str]]:
    query = []
    if options.selector:
        query.append(("labelSelector", options.selector))
    if options.field_selector:
        query.append(("fieldSelector", options.field_selector))
    return query


def _answers(
    options: Options, session: Session, target: Target, accept: str, failures: list[ApiError]
) -> Iterator[Obj]:
    """One answer a named object, or a collection page by page. What cannot be read goes to `failures`."""
    gvr, namespace = target.resource.gvr, namespace_of(options, session, target)
    wide = [("includeObject", "Object")] if options.sort_by and "as=Table" in accept else []
    if target.names and options.all_namespaces and gvr.namespaced:
        raise Failure("a resource cannot be retrieved by name across all namespaces")
    for name in target.names:
        try:
            yield session.rest.get(gvr.path(namespace, name, options.subresource), wide, accept)
        except NotFound as error:
            if not options.ignore_not_found:
                failures.append(_nearer_cause(session, namespace, error))
        except ApiError as error:
            failures.append(error)
    if target.names:
        return
    try:
        query = [*query_of(options), *wide]
        yield from pages(session.rest, gvr.path(namespace), query, accept, options.chunk_size)
    except ApiError as error:
        failures.append(error)


def _nearer_cause(session: Session, namespace: str, error: ApiError) -> ApiError:
    """Where the namespace itself is not there, that is what to say."""
    if namespace:
        try:
            session.rest.get(f"/api/v1/namespaces/{namespace}")
        except NotFound as nearer:
            return nearer
        except ApiError:
            pass
    return error


def _report(session: Session, failures: Sequence[ApiError]) -> int:
    """The exit code."""
    if failures:
        from kctl.session import explain_failure

        session.out.flush()
        for text in dict.fromkeys(map(explain_failure, failures)):
            print(text, file=session.err)
    return 1 if failures else 0


def pages(rest: Rest, path: str, query: Sequence[tuple[str, str]], accept: str, chunk: int) -> Iterator[Obj]:
    """A collection, `chunk` objects an answer."""
    token = ""
    while True:
        limits = [("limit", str(chunk))] if chunk else []
        if token:
            limits.append(("continue", token))
        answer = rest.get(path, [*query, *limits], accept)
        yield answer
        token = answer.get("metadata", {}).get("continue", "")
        if not token:
            return


def _print_tables(options: Options, session: Session, targets: Sequence[Target], output: OutputFormat) -> int:
    shown = 0
    failures: list[ApiError] = []
    several = len({target.resource for target in targets}) > 1
    for target in targets:
        printer = TablePrinter(session.out, headers=not options.no_headers)
        rows: list[Obj] = []
        columns: list[Obj] = []
        for answer in _answers(options, session, target, TABLE, failures):
            table = answer if "columnDefinitions" in answer or "rows" in answer else _plain_table(answer)
            columns = table.get("columnDefinitions") or columns
            rows += table["rows"]
        if not rows:
            continue
        if shown and several:
            session.out.write("\n")
        if options.sort_by:
            rows = _sorted(rows, options.sort_by)
        layout = Layout(options, target, columns, output.wide, several)
        printer.print(layout.header, [layout.cells(row) for row in rows])
        shown += len(rows)
    if not shown and not failures and not options.ignore_not_found:
        namespace = namespace_of(options, session, targets[0])
        where = f" in {namespace} namespace" if namespace else ""
        print(f"No resources found{where}" + ("." if where else ""), file=session.err)
    return _report(session, failures)


def _plain_table(answer: Obj) -> Obj:
    """From a server that makes no tables: names and ages."""
    from kctl.ages import age

    columns = [{"name": "Name"}, {"name": "Age"}]
    rows = [
        {"cells": [o["metadata"]["name"], age(o["metadata"].get("creationTimestamp"))], "object": o}
        for o in answer.get("items", [answer])
    ]
    return {"columnDefinitions": columns, "rows": rows}


class Layout:
    """Which of the server's columns are shown, and what is added to them."""

    def __init__(
        self, options: Options, target: Target, columns: Sequence[Obj], wide: bool, several: bool
    ) -> None:
        self._kept = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
        self._options = options
        self._prefix = f"{target.resource.full_name}/" if several or options.show_kind else ""
        self._namespaced = options.all_namespaces and target.resource.gvr.namespaced
        names = [columns[i]["name"].upper() for i in self._kept]
        extra = [label.rpartition("/")[2].upper() for label in options.label_columns]
        self.header = [
            *(["NAMESPACE"] if self._namespaced else []),
            *names,
            *extra,
            *(["LABELS"] if options.show_labels else []),
        ]

    def cells(self, row: Obj) -> list[Any]:
        meta = row.get("object", {}).get("metadata", {})
        labels = meta.get("labels") or {}
        cells = [row["cells"][i] for i in self._kept]
        if self._prefix and cells:
            cells[0] = f"{self._prefix}{cells[0]}"
        if self._namespaced:
            cells.insert(0, meta.get("namespace", ""))
        cells += [labels.get(name, "") for name in self._options.label_columns]
        if self._options.show_labels:
            cells.append(",".join(f"{k}={v}" for k, v in sorted(labels.items())) or "<none>")
        return cells


def _print_objects(
    options: Options, session: Session, targets: Sequence[Target], output: OutputFormat
) -> int:
    objects: list[Obj] = []
    failures: list[ApiError] = []
    single = len(targets) == 1 and len(targets[0].names) == 1
    for target in targets:
        for answer in _answers(options, session, target, JSON, failures):
            if "items" in answer and not target.names:
                objects += [{**type_of_items(answer), **item} for item in answer["items"]]
            else:
                objects.append(answer)
    if options.sort_by:
        objects = [row["object"] for row in _sorted([{"object": o} for o in objects], options.sort_by)]
    if objects or not (single or failures):
        output.print_all(
            session.out,
            objects,
            as_list=not single,
            keep_managed_fields=options.show_managed_fields,
            headers=not options.no_headers,
        )
    return _report(session, failures)


def type_of_items(collection: Obj) -> Obj:
    """The apiVersion and kind of a list's items, which the server leaves out."""
    return {"apiVersion": collection["apiVersion"], "kind": collection["kind"].removesuffix("List")}


def _sorted(rows: list[Obj], path: str) -> list[Obj]:
    from machinery.jsonpath import compile as compile_path

    text = path if path.startswith("{") else "{" + (path if path.startswith(".") else "." + path) + "}"
    find = compile_path(text)

    def key(row: Obj) -> tuple[int, Any]:
        found = find.values(row["object"])
        if not found:
            return (0, "")
        value = found[0]
        return (
            (1, value) if isinstance(value, int | float) and not isinstance(value, bool) else (2, str(value))
        )

    return sorted(rows, key=key)
