"""`kctl rollout undo`: puts back the pod template of an earlier revision."""

from __future__ import annotations

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.rollouts import CHANGE_CAUSE, revisions
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, dry_run_query, report, select
from kctl.session import Session

USAGE = "rollout undo (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (
    ("To the revision before", "kctl rollout undo deployment/web"),
    ("To a certain one", "kctl rollout undo deployment/web --to-revision=2"),
)
FLAGS = (
    Flag("to-revision", type="int", default=0, help="0 for the one before"),
    *FILE_FLAGS,
    DRY_RUN,
    OUTPUT,
)
_HASH = "pod-template-hash"


def run(options: Options, session: Session) -> int:
    for found in select(options, session, read=True):
        deployment = found.obj
        assert deployment is not None
        if deployment["spec"].get("paused"):
            raise Failure(
                f'you cannot rollback a paused deployment; resume it first with "kctl rollout resume {found}" and try again'
            )
        known = revisions(session, found, deployment)
        numbers = sorted(known)
        wanted = options.to_revision or (numbers[-2] if len(numbers) > 1 else 0)
        if wanted not in known:
            if options.to_revision:
                raise Failure(f"unable to find specified revision {wanted} in history")
            raise Failure(f"no rollout history found for {found}")
        template = known[wanted]["spec"]["template"]
        labels = {k: v for k, v in (template["metadata"].get("labels") or {}).items() if k != _HASH}
        template = {**template, "metadata": {**template["metadata"], "labels": labels}}
        if template["spec"] == deployment["spec"]["template"]["spec"]:
            report(
                options,
                session,
                found,
                f"skipped rollback (current template already matches revision {wanted})",
                deployment,
            )
            continue
        if options.dry_run == "client":
            report(options, session, found, "rolled back", deployment)
            continue
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        annotations = deployment["metadata"].get("annotations") or {}
        cause = (known[wanted]["metadata"].get("annotations") or {}).get(CHANGE_CAUSE)
        if cause and annotations:
            patch.append(
                {
                    "op": "replace",
                    "path": "/metadata/annotations",
                    "value": {**annotations, CHANGE_CAUSE: cause},
                }
            )
        answer = session.rest.request(
            "PATCH", found.path, dry_run_query(options), patch, content_type="application/json-patch+json"
        )
        report(options, session, found, "rolled back", answer)
    return 0
