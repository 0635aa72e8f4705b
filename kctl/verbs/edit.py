"""`kctl edit`: the object as YAML in your editor; what you change is sent as a patch."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kinds import schema_of
from kctl.selection import FILE_FLAGS, Found, select
from kctl.session import Session, explain_failure
from machinery.errors import ApiError

USAGE = "edit (TYPE NAME | TYPE/NAME | -f FILE) [flags]"
EXAMPLES = (
    ("A Deployment", "kctl edit deployment/web"),
    ("With nano", "KUBE_EDITOR=nano kctl edit deployment/web"),
)
FLAGS = (*FILE_FLAGS, Flag("field-manager", default="kubectl-edit", help="name that owns the change"))
_HEADER = (
    "# Edit the object below. Lines beginning with a '#' are ignored; an empty file ends the edit.\n"
    "# If saving fails, this file is opened again with what was wrong.\n#\n"
)


def run(options: Options, session: Session) -> int:
    for found in select(options, session, read=True):
        _edit(options, session, found)
    return 0


def _edit(options: Options, session: Session, found: Found) -> None:
    from machinery.codec.yaml_ import YamlError, dump, load_documents

    live = found.obj
    assert live is not None
    live["metadata"].pop("managedFields", None)
    text, complaint = dump(live), ""
    while True:
        edited = _in_editor(_HEADER + complaint + text)
        body = "".join(line for line in edited.splitlines(keepends=True) if not line.startswith("#"))
        if not body.strip():
            raise Failure("Edit cancelled, saved file was empty.")
        if body == text and not complaint:
            print("Edit cancelled, no changes made.", file=session.err)
            return
        try:
            documents = [d.value for d in load_documents(body.encode())]
            if len(documents) != 1 or not isinstance(documents[0], dict):
                raise Failure("one object is expected")
            answer = _send(options, session, found, live, documents[0])
        except (YamlError, Failure, ApiError) as error:
            reason = explain_failure(error) or str(error)
            if body == text and complaint:
                kept = _keep(body)
                raise Failure(f"{reason}\nA copy of your changes has been stored to {kept}") from error
            text, complaint = body, "".join(f"# {line}\n" for line in reason.splitlines()) + "#\n"
            continue
        same = answer["metadata"].get("resourceVersion") == live["metadata"].get("resourceVersion")
        print(f"{found} {'unchanged' if same else 'edited'}", file=session.out)
        return


def _send(
    options: Options, session: Session, found: Found, live: dict[str, Any], wanted: dict[str, Any]
) -> Any:
    from machinery.patch import PatchError, merge, strategic_diff

    schema = schema_of(found.info.gvr)
    if schema is None:
        patch, content_type = merge.diff(live, wanted), "application/merge-patch+json"
    else:
        try:
            patch = strategic_diff.two_way(live, wanted, schema)
        except PatchError as error:
            raise Failure(f"cannot make a patch for {found}: {error}") from error
        content_type = "application/strategic-merge-patch+json"
    if not patch:
        return live
    query = [("fieldManager", options.field_manager)]
    return session.rest.request("PATCH", found.path, query, patch, content_type=content_type)


def _in_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.NamedTemporaryFile("w+", prefix="kctl-edit-", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        try:
            done = subprocess.run([*shlex.split(editor), file.name], check=False)
        except FileNotFoundError:
            raise Failure(f"there is no editor {editor!r}; set KUBE_EDITOR or EDITOR") from None
        if done.returncode:
            raise Failure(f"the editor {editor!r} ended with exit code {done.returncode}")
        return Path(file.name).read_text()


def _keep(text: str) -> str:
    handle, name = tempfile.mkstemp(prefix="kctl-edit-", suffix=".yaml")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return name
