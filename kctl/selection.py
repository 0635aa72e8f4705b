"""Objects a verb acts on, from words, selectors or files: looked up, one by one or as a collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.mapper import ResourceInfo
from kctl.session import Session
from kctl.targets import parse_targets

Obj = dict[str, Any]

FILE_FLAGS: tuple[Flag, ...] = (
    Flag("filename", "f", type="list", default=[], help="files, folders, URLs or - for standard input"),
    Flag("recursive", "R", type="bool", default=False, help="look into folders of folders"),
)
SELECTOR_FLAGS: tuple[Flag, ...] = (
    Flag("selector", "l", default="", help="label selector, such as app=web"),
    Flag("field-selector", default="", help="field selector"),
    Flag("all", type="bool", default=False, help="all objects of the type in the namespace"),
    Flag("all-namespaces", "A", type="bool", default=False, help="in all namespaces"),
)
DRY_RUN = Flag(
    "dry-run",
    bare="client",
    default="none",
    choices=("none", "client", "server"),
    help="none, client or server",
)
OUTPUT = Flag("output", "o", default="", help="json, yaml, name, jsonpath=, ...")


class Found(NamedTuple):
    """`obj` is None where the verb did not ask for it to be read."""

    info: ResourceInfo
    namespace: str
    name: str
    obj: Obj | None = None

    @property
    def path(self) -> str:
        return self.info.gvr.path(self.namespace, self.name)

    def __str__(self) -> str:
        """`deployment.apps/web`."""
        return f"{self.info.full_name}/{self.name}"


def select(
    options: Options, session: Session, *, read: bool = False, args: Sequence[str] | None = None
) -> Iterator[Found]:
    """What the command line means, in order. Raises Failure, ApiError."""
    words = options.args if args is None else args
    if getattr(options, "filename", None):
        if words:
            raise Failure("when files are given with -f, objects cannot be named as well")
        yield from _from_files(options, session, read)
        return
    selector = getattr(options, "selector", "")
    fields = getattr(options, "field_selector", "")
    everything = getattr(options, "all", False)
    for target in parse_targets(session.mapper, words):
        gvr = target.resource.gvr
        namespace = session.namespace if gvr.namespaced else ""
        if target.names:
            if selector or everything:
                raise Failure("a selector or --all cannot be given with names")
            for name in target.names:
                found = Found(target.resource, namespace, name)
                yield found._replace(obj=session.rest.get(found.path)) if read else found
            continue
        if not (selector or fields or everything):
            raise Failure(
                "resource(s) were provided, but no name was specified; name one, or give -l or --all"
            )
        where = "" if getattr(options, "all_namespaces", False) else namespace
        query = [(k, v) for k, v in (("labelSelector", selector), ("fieldSelector", fields)) if v]
        answer = session.rest.get(gvr.path(where), query)
        for item in answer["items"]:
            meta = item["metadata"]
            whole = {"apiVersion": gvr.api_version, "kind": gvr.kind, **item}
            yield Found(target.resource, meta.get("namespace", ""), meta["name"], whole)


def _from_files(options: Options, session: Session, read: bool) -> Iterator[Found]:
    from kctl.manifest_files import read_manifests

    for manifest in read_manifests(options.filename, recursive=options.recursive):
        found = place(session, manifest.obj, manifest.source)
        yield found._replace(obj=session.rest.get(found.path)) if read else found


def place(session: Session, obj: Obj, source: str) -> Found:
    """Where a manifest's object belongs. Its namespace wins over the context's, and must equal the flag's."""
    info = session.mapper.find_kind(obj["apiVersion"], obj["kind"])
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise Failure(f"{source}: metadata is not an object")
    namespace = ""
    if info.gvr.namespaced:
        flag = session.options.namespace
        namespace = meta.get("namespace") or session.namespace
        if flag and namespace != flag:
            raise Failure(
                f'{source}: the namespace from the provided object "{namespace}" does not match the namespace '
                f"\"{flag}\". You must pass '--namespace={namespace}' to perform this operation."
            )
        meta["namespace"] = namespace
    name = meta.get("name", "")
    if not name and not meta.get("generateName"):
        raise Failure(f"{source}: resource name may not be empty")
    return Found(info, namespace, name, obj)


def dry_run_query(options: Options) -> list[tuple[str, str]]:
    return [("dryRun", "All")] if options.dry_run == "server" else []


def report(options: Options, session: Session, found: Found, done: str, answer: Obj) -> None:
    """`deployment.apps/web scaled`, or the object in the format asked for."""
    if options.output:
        from kctl.printers.printer import parse_output

        typed = {"apiVersion": found.info.gvr.api_version, "kind": found.info.gvr.kind, **answer}
        output = parse_output(options.output)
        if output.kind == "yaml" and session.documents:
            session.out.write("---\n")
        session.documents += 1
        output.print_all(session.out, [typed], as_list=False)
        return
    name = answer.get("metadata", {}).get("name") or found.name
    mode = getattr(options, "dry_run", "none")
    suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[mode]
    print(f"{found.info.full_name}/{name} {done}{suffix}", file=session.out)
