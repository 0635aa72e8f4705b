"""`kctl create quota`: a ResourceQuota of hard limits."""

from __future__ import annotations

from typing import Any

from kctl.creating import CREATE_FLAGS, create_planned, one_name
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.session import Session

USAGE = "create quota NAME [--hard=KEY=VALUE,...] [--scopes=SCOPE,...] [flags]"
EXAMPLES = (("Two cores and ten pods", "kctl create quota small --hard=cpu=2,pods=10"),)
FLAGS = (
    Flag("hard", type="list", default=[], help="limits, as RESOURCE=AMOUNT,..."),
    Flag("scopes", type="list", default=[], help="which pods count, such as BestEffort"),
    *CREATE_FLAGS,
)


def run(options: Options, session: Session) -> int:
    return create_planned(options, session, plan(options))


def plan(options: Options) -> dict[str, Any]:
    name = one_name(options, "quota")
    spec: dict[str, Any] = {}
    if options.hard:
        spec["hard"] = dict(_pair(text) for text in options.hard)
    if options.scopes:
        spec["scopes"] = list(options.scopes)
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": spec,
        "status": {},
    }


def _pair(text: str) -> tuple[str, str]:
    from machinery.quantity import QuantityError, parse

    resource, equals, amount = text.partition("=")
    if not resource or not equals:
        raise Failure(f"Invalid argument syntax {text}, expected <resource>=<value>")
    try:
        parse(amount)
    except QuantityError as error:
        raise Failure(f"--hard {text}: {error}") from error
    return resource, amount
