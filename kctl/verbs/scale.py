"""`kctl scale`: sets the number of replicas through the scale subresource."""

from __future__ import annotations

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import DRY_RUN, FILE_FLAGS, OUTPUT, SELECTOR_FLAGS, dry_run_query, report, select
from kctl.session import Session

USAGE = "scale --replicas=COUNT (-f FILE | TYPE NAME) [flags]"
EXAMPLES = (
    ("Five replicas", "kctl scale deployment/web --replicas=5"),
    ("Only if there are three now", "kctl scale deployment/web --current-replicas=3 --replicas=5"),
)
FLAGS = (
    Flag("replicas", type="int", help="the number wanted"),
    Flag("current-replicas", type="int", default=-1, help="only if the present number is this"),
    Flag("resource-version", default="", help="only if the object has this resourceVersion"),
    Flag("timeout", type="duration", default=0.0, help="accepted for kubectl's sake", hidden=True),
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    OUTPUT,
)


def run(options: Options, session: Session) -> int:
    if options.replicas is None or options.replicas < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    for found in select(options, session):
        path = found.info.gvr.path(found.namespace, found.name, "scale")
        if options.dry_run == "client":
            report(options, session, found, "scaled", session.rest.get(found.path))
            continue
        patch = {"spec": {"replicas": options.replicas}}
        if options.current_replicas >= 0 or options.resource_version:
            scale = session.rest.get(path)
            there = scale.get("spec", {}).get("replicas", 0)
            if options.current_replicas >= 0 and there != options.current_replicas:
                raise Failure(f"Expected replicas to be {options.current_replicas}, was {there}")
            version = scale["metadata"]["resourceVersion"]
            if options.resource_version and version != options.resource_version:
                raise Failure(f"Expected resource version to be {options.resource_version}, was {version}")
            patch["metadata"] = {"resourceVersion": version}
        answer = session.rest.request(
            "PATCH", path, dry_run_query(options), patch, content_type="application/merge-patch+json"
        )
        report(options, session, found, "scaled", answer)
    return 0
