"""`kctl cordon` and `uncordon`: keep new pods off a node, or let them on again."""

from __future__ import annotations

from kctl.flags import Options
from kctl.selection import DRY_RUN, Found, dry_run_query
from kctl.session import Session

USAGE = "cordon NODE... [flags]"
EXAMPLES = (("Before maintenance", "kctl cordon node-1"),)
FLAGS = (DRY_RUN,)


def run(options: Options, session: Session) -> int:
    return set_unschedulable(options, session, True, "cordoned")


def set_unschedulable(options: Options, session: Session, wanted: bool, word: str) -> int:
    from kctl.failure import Failure

    if not options.args:
        raise Failure("a node must be named")
    info = session.mapper.find("nodes")
    for name in options.args:
        found = Found(info, "", name.removeprefix("node/"))
        node = session.rest.get(found.path)
        suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
        if bool(node["spec"].get("unschedulable")) == wanted:
            print(f"node/{found.name} already {word}{suffix}", file=session.out)
            continue
        if options.dry_run != "client":
            patch = {"spec": {"unschedulable": wanted or None}}
            session.rest.request(
                "PATCH", found.path, dry_run_query(options), patch,
                content_type="application/strategic-merge-patch+json",
            )  # fmt: skip
        print(f"node/{found.name} {word}{suffix}", file=session.out)
    return 0
