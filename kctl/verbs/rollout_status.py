"""`kctl rollout status`: follows a rollout until it is done; exit code 1 when it cannot finish."""

from __future__ import annotations

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.rollouts import check_kind, progress
from kctl.selection import FILE_FLAGS, SELECTOR_FLAGS, select
from kctl.session import Session
from kctl.watching import deadline_after, states

USAGE = "rollout status (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (("Until it is done", "kctl rollout status deployment/web"),)
FLAGS = (
    Flag("watch", "w", type="bool", default=True, help="wait until it is done"),
    Flag("timeout", type="duration", default=0.0, help="how long to wait; 0 for no limit"),
    Flag("revision", type="int", default=0, help="follow this revision; fail if another takes its place"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
)


def run(options: Options, session: Session) -> int:
    for found in select(options, session):
        check_kind(found, "rollout status")
        shown = ""
        for obj in states(session, found, deadline_after(options.timeout)):
            if obj is None:
                raise Failure(f'{found.info.gvr.resource}.{found.info.gvr.group} "{found.name}" not found')
            text, done = progress(obj)
            if text != shown:
                print(text, file=session.out, flush=True)
                shown = text
            if done or not options.watch:
                break
        else:
            raise Failure("timed out waiting for the condition")
    return 0
