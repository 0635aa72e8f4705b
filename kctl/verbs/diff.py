"""`kctl diff`: what an apply would change, as the server would store it. Exit code 1 when there is a difference."""

from __future__ import annotations

import difflib
from typing import Any

from kctl.failure import Failure
from kctl.flags import Options
from kctl.manifest_files import read_manifests
from kctl.selection import FILE_FLAGS, place
from kctl.session import Session
from kctl.verbs.apply import plan_patch, with_annotation
from machinery.errors import NotFound

USAGE = "diff -f FILE [flags]"
EXAMPLES = (("Before applying", "kctl diff -f deploy.yaml"),)
FLAGS = FILE_FLAGS


def run(options: Options, session: Session) -> int:
    if not options.filename:
        raise Failure("diff takes its objects from -f: kctl diff -f FILE")
    changed = False
    for manifest in read_manifests(options.filename, recursive=options.recursive):
        found = place(session, manifest.obj, manifest.source)
        dry = [("dryRun", "All")]
        modified = with_annotation(manifest.obj)
        try:
            live: dict[str, Any] = session.rest.get(found.path)
        except NotFound:
            live, after = (
                {},
                session.rest.request("POST", found.info.gvr.path(found.namespace), dry, modified),
            )
        else:
            patch, content_type = plan_patch(found, modified, live)
            after = (
                session.rest.request("PATCH", found.path, dry, patch, content_type=content_type)
                if patch
                else live
            )
        changed = _print(session, str(found), live, after) or changed
    return 1 if changed else 0


def _print(session: Session, name: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    from machinery.codec.yaml_ import dump

    texts: list[list[str]] = []
    for obj in (before, after):
        meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k != "managedFields"}
        texts.append(dump({**obj, "metadata": meta}).splitlines(keepends=True) if obj else [])
    lines = list(difflib.unified_diff(texts[0], texts[1], f"LIVE/{name}", f"MERGED/{name}"))
    session.out.writelines(lines)
    return bool(lines)
