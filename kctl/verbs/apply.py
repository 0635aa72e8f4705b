"""`kctl apply`: makes objects be as files say.

As kubectl does it: a new object is created with the file's text in an annotation; an existing one is
compared three ways (what was applied last, what the file says, what is there), so that a field removed
from the file is removed from the object, and fields that others set stay. `--server-side` leaves the
merge to the server, which knows who owns each field.
"""

from __future__ import annotations

import json
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kinds import schema_of
from kctl.manifest_files import read_manifests, with_labels
from kctl.printers.printer import parse_output
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, Found, dry_run_query, place, report
from kctl.session import Session, explain_failure
from machinery.errors import AlreadyExists, ApiError, Conflict, NotFound

Obj = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_CLIENT_MANAGER = "kubectl-client-side-apply"
_TRIES = 5
USAGE = "apply -f FILE [flags]"
EXAMPLES = (
    ("A file", "kctl apply -f deploy.yaml"),
    ("From standard input", "cat deploy.yaml | kctl apply -f -"),
    ("Merged by the server", "kctl apply --server-side -f deploy.yaml"),
)
FLAGS = (
    *FILE_FLAGS,
    DRY_RUN,
    OUTPUT,
    Flag("server-side", type="bool", default=False, help="let the server merge, by ownership of fields"),
    Flag(
        "force-conflicts",
        type="bool",
        default=False,
        help="with --server-side: take fields from their owners",
    ),
    Flag("field-manager", default="", help="name that owns the change"),
    Flag("force", type="bool", default=False, help="delete and create anew where a change is refused"),
    Flag("overwrite", type="bool", default=True, help="accepted for kubectl's sake", hidden=True),
    Flag("validate", bare="strict", default="strict", help="strict, warn or ignore unknown fields"),
    Flag("selector", "l", default="", help="only objects with these labels"),
    Flag("wait", type="bool", default=False, help="accepted for kubectl's sake", hidden=True),
)
_VALIDATION = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


class Unpatchable(Failure):
    """No patch makes the object so: of lists whose elements lack their key, say. The other objects are applied."""


def run(options: Options, session: Session) -> int:
    if not options.filename or options.args:
        raise Failure("apply takes its objects from -f: kctl apply -f FILE")
    output = parse_output(options.output) if options.output else None
    printed: list[Obj] = []
    failed = 0
    manifests = read_manifests(options.filename, recursive=options.recursive)
    for manifest in with_labels(manifests, options.selector):
        try:
            found = place(session, manifest.obj, manifest.source)
            word, answer = _apply_one(options, session, found)
        except (ApiError, Unpatchable) as error:
            text = explain_failure(error) if isinstance(error, ApiError) else f"error: {error}"
            print(f"{text}\n  in {manifest.source}" if text else error, file=session.err)
            failed += 1
            continue
        typed = {"apiVersion": found.info.gvr.api_version, "kind": found.info.gvr.kind, **answer}
        if output is None:
            report(options, session, found, word, typed)
        else:
            printed.append(typed)
    if output is not None and printed:
        output.print_all(session.out, printed, as_list=len(printed) > 1)
    return 1 if failed else 0


def _apply_one(options: Options, session: Session, found: Found) -> tuple[str, Obj]:
    """(what happened, the object afterwards)."""
    assert found.obj is not None
    if options.server_side:
        return _server_side(options, session, found)
    if not found.name:
        raise Failure("apply needs a name: generateName cannot be applied; use `kctl create`")
    modified = with_annotation(found.obj)
    for attempt in range(_TRIES):
        try:
            current = session.rest.get(found.path)
        except NotFound:
            try:
                return "created", _create(options, session, found, modified)
            except AlreadyExists:
                continue
        patch, content_type = plan_patch(found, modified, current)
        if not patch:
            return "unchanged", current
        if options.dry_run == "client":
            return "configured", modified
        query = [*_write_query(options), *dry_run_query(options)]
        try:
            answer = session.rest.request("PATCH", found.path, query, patch, content_type=content_type)
        except Conflict:
            if attempt == _TRIES - 1:
                raise
            continue
        return "configured", answer
    raise Failure(f"{found} keeps changing while it is applied; try again")


def _create(options: Options, session: Session, found: Found, modified: Obj) -> Obj:
    if options.dry_run == "client":
        return modified
    query = [*_write_query(options), *dry_run_query(options)]
    return session.rest.request("POST", found.info.gvr.path(found.namespace), query, modified)


def _write_query(options: Options) -> list[tuple[str, str]]:
    validation = _VALIDATION.get(options.validate)
    if validation is None:
        raise Failure(f"--validate is strict, warn or ignore, not {options.validate!r}")
    return [("fieldManager", options.field_manager or _CLIENT_MANAGER), ("fieldValidation", validation)]


def with_annotation(obj: Obj) -> Obj:
    """A copy that remembers, in an annotation, what was applied."""
    meta = dict(obj["metadata"])
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    bare = {**obj, "metadata": {**meta, "annotations": annotations}}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    return {**obj, "metadata": {**meta, "annotations": {**annotations, LAST_APPLIED: text}}}


def plan_patch(found: Found, modified: Obj, current: Obj) -> tuple[Obj, str]:
    """The patch that turns `current` into what the file says ({}: nothing to do), and its media type."""
    from machinery.patch import PatchError, merge, strategic_diff

    text = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        original = json.loads(text) if text else {}
    except ValueError:
        original = {}
    if not isinstance(original, dict):  # anybody may write annotations
        original = {}
    schema = schema_of(found.info.gvr)
    if schema is None:
        return merge.three_way(original, modified, current), "application/merge-patch+json"
    try:
        patch = strategic_diff.three_way(original, modified, current, schema)
    except PatchError as error:
        raise Unpatchable(f"cannot make a patch for {found}: {error}") from error
    return patch, "application/strategic-merge-patch+json"


def _server_side(options: Options, session: Session, found: Found) -> tuple[str, Obj]:
    assert found.obj is not None
    if options.dry_run == "client":
        raise Failure(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )
    query = [
        ("fieldManager", options.field_manager or "kubectl"),
        ("fieldValidation", _VALIDATION.get(options.validate, "Strict")),
        ("force", "true" if options.force_conflicts else "false"),
        *dry_run_query(options),
    ]
    answer = session.rest.request(
        "PATCH", found.path, query, found.obj, content_type="application/apply-patch+yaml"
    )
    return "serverside-applied", answer
