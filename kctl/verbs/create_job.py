"""`kctl create job`: of an image, or at once from a CronJob's template."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

COMMAND_AFTER_DASHES = True
USAGE = "create job NAME (--image=IMAGE | --from=cronjob/NAME) [flags] [-- COMMAND [ARG...]]"
EXAMPLES = (
    ("A job", "kctl create job hello --image=busybox -- echo hello"),
    ("A CronJob's job now", "kctl create job backup-now --from=cronjob/backup"),
)
FLAGS = (
    Flag("image", default="", help="image of the job's container"),
    Flag("from", default="", help="the CronJob to take the job from, as cronjob/NAME"),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    name = one_name(options, "job")
    source = getattr(options, "from")
    if bool(options.image) == bool(source):
        raise Failure("either --image or --from must be specified")
    if not source:
        return create_planned(options, session, plan(name, options.image, options.rest))
    if options.rest:
        raise Failure("cannot specify --from and command")
    kind, _, cronjob_name = source.partition("/")
    info = session.mapper.find(kind)
    if info.gvr.kind != "CronJob" or not cronjob_name:
        raise Failure("from must be an existing cronjob: --from=cronjob/NAME")
    cronjob = session.rest.get(info.gvr.path(session.namespace, cronjob_name))
    return create_planned(options, session, plan_from(name, cronjob))


def plan(name: str, image: str, command: list[str]) -> dict[str, Any]:
    container: dict[str, Any] = {"image": image, "name": name, "resources": {}}
    if command:
        container["command"] = list(command)
    spec = {"template": {"metadata": {}, "spec": {"containers": [container], "restartPolicy": "Never"}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": spec,
        "status": {},
    }


def plan_from(name: str, cronjob: dict[str, Any]) -> dict[str, Any]:
    template = cronjob["spec"]["jobTemplate"]
    there = template.get("metadata") or {}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cronjob["metadata"]["name"],
        "uid": cronjob["metadata"]["uid"],
        "controller": True,
    }
    meta: dict[str, Any] = {
        "name": name,
        "annotations": {**(there.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
        "ownerReferences": [owner],
    }
    if there.get("labels"):
        meta["labels"] = there["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": template["spec"]}
