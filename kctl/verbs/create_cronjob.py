"""`kctl create cronjob`: a Job of an image, on a schedule."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

COMMAND_AFTER_DASHES = True
USAGE = "create cronjob NAME --image=IMAGE --schedule='*/5 * * * *' [flags] [-- COMMAND [ARG...]]"
EXAMPLES = (("Every hour", "kctl create cronjob hello --image=busybox --schedule='0 * * * *' -- date"),)
FLAGS = (
    Flag("image", default="", help="image of the job's container"),
    Flag("schedule", default="", help="when to run, in cron's five fields"),
    Flag("restart", default="", choices=("", "OnFailure", "Never"), help="the pods' restartPolicy"),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "cronjob")
    missing = [flag for flag in ("image", "schedule") if not getattr(options, flag)]
    if missing:
        raise Failure("required flag(s) " + ", ".join(f'"{flag}"' for flag in missing) + " not set")
    container: dict[str, Any] = {"image": options.image, "name": name, "resources": {}}
    if options.rest:
        container["command"] = list(options.rest)
    pod = {"containers": [container], "restartPolicy": options.restart or "OnFailure"}
    template = {"metadata": {"name": name}, "spec": {"template": {"metadata": {}, "spec": pod}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": options.schedule, "jobTemplate": template},
        "status": {},
    }
