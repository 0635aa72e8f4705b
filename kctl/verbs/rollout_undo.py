"""`kctl rollout undo`: puts back the pod template of an earlier revision."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.patching import JSON, STRATEGIC, send_patch
from kctl.rollouts import CHANGE_CAUSE, Revision, revisions
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, Found, report, select
from kctl.session import Session

Obj = dict[str, Any]
USAGE = "rollout undo (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (
    ("To the revision before", "kctl rollout undo deployment/web"),
    ("To a certain one", "kctl rollout undo deployment/web --to-revision=2"),
)
FLAGS = (
    Flag("to-revision", type="int", default=0, help="0 for the one before"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)
_HASH = "pod-template-hash"


def run(options: Options, session: Session) -> int:
    for found in select(options, session, read=True):
        assert found.obj is not None
        if found.obj["spec"].get("paused"):
            raise Failure(
                f'you cannot rollback a paused {found.info.gvr.kind.lower()}; resume it first with "kctl rollout '
                f'resume {found}" and try again'
            )
        wanted = _choose(found, revisions(session, found, found.obj), options.to_revision)
        template = _without_hash(wanted.template)
        if template == found.obj["spec"]["template"]:
            word = f"skipped rollback (current template already matches revision {wanted.number})"
            report(options, session, found, word, found.obj)
            continue
        if found.info.gvr.kind == "Deployment":
            patch, content_type = _deployment_patch(found.obj, wanted, template), JSON
        else:
            patch, content_type = wanted.source["data"], STRATEGIC
        answer = send_patch(options, session, found, patch, content_type)
        report(options, session, found, "rolled back", answer)
    return 0


def _choose(found: Found, known: dict[int, Revision], to_revision: int) -> Revision:
    numbers = sorted(known)
    if to_revision and to_revision not in known:
        raise Failure(f"unable to find specified revision {to_revision} in history")
    if not to_revision and len(numbers) < 2:
        raise Failure(f'no rollout history found for {found.info.gvr.kind.lower()} "{found.name}"')
    return known[to_revision or numbers[-2]]


def _without_hash(template: Obj) -> Obj:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


def _deployment_patch(deployment: Obj, wanted: Revision, template: Obj) -> list[Obj]:
    patch: list[Obj] = [{"op": "replace", "path": "/spec/template", "value": template}]
    annotations = deployment["metadata"].get("annotations") or {}
    if wanted.cause and annotations:
        value = {**annotations, CHANGE_CAUSE: wanted.cause}
        patch.append({"op": "replace", "path": "/metadata/annotations", "value": value})
    return patch
