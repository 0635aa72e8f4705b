"""`kctl rollout history`: the revisions of a Deployment, or one of them whole."""

from __future__ import annotations

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.printers.table import TablePrinter
from kctl.rollouts import CHANGE_CAUSE, revisions
from kctl.selection import FILE_FLAGS, select
from kctl.session import Session

USAGE = "rollout history (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (("All revisions", "kctl rollout history deployment/web"),)
FLAGS = (Flag("revision", type="int", default=0, help="show this revision's pod template"), *FILE_FLAGS)


def run(options: Options, session: Session) -> int:
    for found in select(options, session, read=True):
        assert found.obj is not None
        known = revisions(session, found, found.obj)
        print(f"{found.info.full_name}/{found.name} ", file=session.out, end="")
        if options.revision:
            if options.revision not in known:
                raise Failure(f"unable to find the specified revision {options.revision}")
            from machinery.codec.yaml_ import dump

            print(f"with revision #{options.revision}", file=session.out)
            session.out.write(dump({"Pod Template": known[options.revision]["spec"]["template"]}))
            continue
        print(file=session.out)
        rows = [
            (number, (known[number]["metadata"].get("annotations") or {}).get(CHANGE_CAUSE, "<none>"))
            for number in sorted(known)
        ]
        TablePrinter(session.out).print(("REVISION", "CHANGE-CAUSE"), rows)
        print(file=session.out)
    return 0
