"""`kctl rollout history`: the revisions of a workload, or the pod template of one of them."""

from __future__ import annotations

from typing import Any

from kctl.describe.page import Page
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.rollouts import Revision, revisions
from kctl.selection import FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, select
from kctl.session import Session

USAGE = "rollout history (TYPE NAME | TYPE/NAME) [flags]"
EXAMPLES = (
    ("All revisions", "kctl rollout history deployment/web"),
    ("One of them", "kctl rollout history deployment/web --revision=2"),
)
FLAGS = (
    Flag("revision", type="int", default=0, help="show this revision's pod template"),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    OUTPUT,
)


def run(options: Options, session: Session) -> int:
    for found in select(options, session, read=True):
        assert found.obj is not None
        known = revisions(session, found, found.obj)
        if options.revision and options.revision not in known:
            raise Failure(f"unable to find the specified revision {options.revision}")
        if options.output:
            from kctl.printers.printer import parse_output

            wanted = options.revision or max(known, default=0)
            source: dict[str, Any] = {"metadata": {}, "apiVersion": "apps/v1", "kind": "ReplicaSet" if found.info.gvr.kind == "Deployment" else "ControllerRevision"}  # fmt: skip
            if wanted in known:
                source = {**source, **known[wanted].source}
            parse_output(options.output).print_all(session.out, [source], as_list=False)
        elif options.revision:
            print(f"{found} with revision #{options.revision}", file=session.out)
            _template(session, known[options.revision])
        else:
            print(f"{found} ", file=session.out)
            _table(session, known)
    return 0


def _template(session: Session, revision: Revision) -> None:
    from kctl.describe.pod_template import pod_template

    page = Page(session.out)
    annotations = dict(revision.template.get("metadata", {}).get("annotations") or {})
    if revision.cause:
        annotations["kubernetes.io/change-cause"] = revision.cause
    meta = {**revision.template.get("metadata", {}), "annotations": annotations}
    pod_template(page, {**revision.template, "metadata": meta})
    session.out.write(page.unaligned() + "\n")


def _table(session: Session, known: dict[int, Revision]) -> None:
    page = Page(session.out)
    page.line(0, "REVISION\tCHANGE-CAUSE")
    for number in sorted(known):
        page.line(0, f"{number}\t{known[number].cause or '<none>'}")
    page.flush()
    session.out.write("\n")
