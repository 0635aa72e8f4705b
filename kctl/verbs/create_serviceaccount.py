"""`kctl create serviceaccount`: a ServiceAccount by its name."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.flags import Options
from kctl.session import Session

USAGE = "create serviceaccount NAME [flags]"
EXAMPLES = (("A ServiceAccount", "kctl create serviceaccount builder"),)
FLAGS = CREATE_FLAGS


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "serviceaccount")
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
