"""`kctl rollout pause`: changes of a Deployment's template wait until it is resumed."""

from __future__ import annotations

from typing import Any

from kctl.flags import Flag, Options
from kctl.patching import STRATEGIC, send_patch
from kctl.rollouts import check_kind
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, Found, report, select
from kctl.session import Session

USAGE = "rollout pause (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (("Hold a rollout", "kctl rollout pause deployment/web"),)
FLAGS = (
    Flag("field-manager", default="kubectl-rollout", help="name that owns the change"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)


def run(options: Options, session: Session) -> int:
    return set_paused(options, session, True, "paused")


def set_paused(options: Options, session: Session, wanted: bool, word: str) -> int:
    code = 0
    for found in select(options, session, read=True):
        check_kind(found, word, ("Deployment",))
        assert found.obj is not None
        if bool(found.obj["spec"].get("paused")) == wanted:
            state = "already paused" if wanted else "not paused"
            print(
                f'error: {found.info.gvr.resource}.{found.info.gvr.group} "{found.name}" is {state}',
                file=session.err,
            )
            code = 1
            continue
        patch_template(options, session, found, {"spec": {"paused": wanted or None}}, word)
    return code


def patch_template(
    options: Options, session: Session, found: Found, patch: dict[str, Any], word: str
) -> None:
    answer = send_patch(options, session, found, patch, STRATEGIC, manager=options.field_manager)
    report(options, session, found, word, answer)
