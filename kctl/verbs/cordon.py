"""`kctl cordon` and `uncordon`: keep new pods off a node, or let them on again."""

from __future__ import annotations

from collections.abc import Sequence

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import DRY_RUN, Found, dry_run_query
from kctl.session import Session

USAGE = "cordon (NODE... | -l SELECTOR) [flags]"
EXAMPLES = (("Before maintenance", "kctl cordon node-1"),)
FLAGS = (Flag("selector", "l", default="", help="label selector of nodes"), DRY_RUN)


def run(options: Options, session: Session) -> int:
    return set_unschedulable(options, session, True, "cordoned", node_names(options, session))


def node_names(options: Options, session: Session) -> list[str]:
    """From words or the selector. Raises Failure."""
    if bool(options.args) == bool(options.selector):
        raise Failure("nodes must be named, or selected by -l")
    if options.args:
        return [name.removeprefix("node/") for name in options.args]
    path = session.mapper.find("nodes").gvr.path()
    items = session.rest.get(path, [("labelSelector", options.selector)])["items"]
    return [item["metadata"]["name"] for item in items]


def set_unschedulable(
    options: Options, session: Session, wanted: bool, word: str, names: Sequence[str]
) -> int:
    info = session.mapper.find("nodes")
    suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
    for name in names:
        found = Found(info, "", name)
        node = session.rest.get(found.path)
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
