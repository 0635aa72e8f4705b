"""`kctl create priorityclass`: a name for a priority of pods."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.flags import Flag, Options
from kctl.session import Session

USAGE = "create priorityclass NAME --value=VALUE [--global-default] [flags]"
EXAMPLES = (("High", "kctl create priorityclass high --value=1000 --description='goes first'"),)
FLAGS = (
    Flag("value", type="int", default=0, help="the priority; more goes first"),
    Flag("global-default", type="bool", default=False, help="for pods that name no class"),
    Flag("description", default="", help="when to use it"),
    Flag(
        "preemption-policy",
        default="PreemptLowerPriority",
        choices=("PreemptLowerPriority", "Never"),
        help="whether pods of lower priority may be ended for its pods",
    ),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": one_name(options, "priorityclass")},
        "value": options.value,
        "preemptionPolicy": options.preemption_policy,
    }
    if options.global_default:
        obj["globalDefault"] = True
    if options.description:
        obj["description"] = options.description
    return obj
