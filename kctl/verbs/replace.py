"""`kctl replace`: puts a file's object in the place of the one that is there."""

from __future__ import annotations

import time

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.manifest_files import read_manifests
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, dry_run_query, place, report
from kctl.session import Session
from machinery.errors import NotFound

USAGE = "replace -f FILE [flags]"
EXAMPLES = (
    ("By a file", "kctl replace -f pod.yaml"),
    ("Delete and create anew", "kctl replace --force -f pod.yaml"),
)
FLAGS = (
    *FILE_FLAGS,
    DRY_RUN,
    OUTPUT,
    Flag("force", type="bool", default=False, help="delete the object and create it anew"),
    Flag("grace-period", type="int", default=-1, help="with --force: seconds for a graceful end"),
    Flag("subresource", default="", help="replace a subresource: status or scale"),
    Flag("field-manager", default="kubectl-replace", help="name that owns the change"),
    Flag("validate", bare="strict", default="strict", help="strict, warn or ignore unknown fields"),
)


def run(options: Options, session: Session) -> int:
    if not options.filename:
        raise Failure("replace takes its objects from -f: kctl replace -f FILE")
    for manifest in read_manifests(options.filename, recursive=options.recursive):
        found = place(session, manifest.obj, manifest.source)
        query = [("fieldManager", options.field_manager), ("fieldValidation", options.validate.capitalize())]
        query += dry_run_query(options)
        if options.dry_run == "client":
            report(options, session, found, "replaced", manifest.obj)
            continue
        if options.force:
            body = {"gracePeriodSeconds": options.grace_period} if options.grace_period >= 0 else {}
            try:
                session.rest.request("DELETE", found.path, (), body)
                _wait_gone(session, found.path)
            except NotFound:
                pass
            answer = session.rest.request("POST", found.info.gvr.path(found.namespace), query, manifest.obj)
        else:
            path = found.info.gvr.path(found.namespace, found.name, options.subresource)
            answer = session.rest.request("PUT", path, query, manifest.obj)
        report(options, session, found, "replaced", answer)
    return 0


def _wait_gone(session: Session, path: str) -> None:
    """Returns by NotFound."""
    while True:
        session.rest.get(path)
        time.sleep(0.05)
