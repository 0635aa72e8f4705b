"""`kctl delete`: asks for deletion and, unless told otherwise, waits until the objects are gone."""

from __future__ import annotations

import time
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import DRY_RUN, FILE_FLAGS, SELECTOR_FLAGS, Found, dry_run_query, select
from kctl.session import Session
from machinery.errors import NotFound

USAGE = "delete (-f FILE | TYPE [NAME... | -l SELECTOR | --all]) [flags]"
EXAMPLES = (
    ("A pod", "kctl delete pod web-0"),
    ("Everything a file made", "kctl delete -f deploy.yaml"),
    ("Pods with a label, without waiting", "kctl delete pods -l app=web --wait=false"),
)
FLAGS = (
    *FILE_FLAGS,
    *SELECTOR_FLAGS,
    DRY_RUN,
    Flag("cascade", bare="background", default="background", choices=("background", "foreground", "orphan"), help="what happens to what the object owns: background, foreground or orphan"),
    Flag("grace-period", type="int", default=-1, help="seconds for a graceful end; -1 for the object's own"),
    Flag("now", type="bool", default=False, help="one second of grace"),
    Flag("force", type="bool", default=False, help="remove at once, without waiting for the node"),
    Flag("ignore-not-found", type="bool", default=False, help="an absent object is no error"),
    Flag("wait", type="bool", default=True, help="return only when the objects are gone"),
    Flag("timeout", type="duration", default=0.0, help="how long to wait; 0 for no limit"),
    Flag("output", "o", default="", choices=("", "name"), help="name prints names only"),
)  # fmt: skip


def run(options: Options, session: Session) -> int:
    grace = _grace(options, session)
    ignore = options.ignore_not_found or options.all or bool(options.selector)
    deleted: list[tuple[Found, str]] = []
    count = 0
    for found in select(options, session):
        count += 1
        if options.dry_run == "client":
            _say(options, session, found, grace)
            continue
        body: dict[str, Any] = {"propagationPolicy": options.cascade.capitalize()}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            answer = session.rest.request("DELETE", found.path, dry_run_query(options), body)
        except NotFound:
            if not ignore:
                raise
            continue
        _say(options, session, found, grace)
        uid = answer.get("metadata", {}).get("uid") or answer.get("details", {}).get("uid") or ""
        deleted.append((found, uid))
    if not count and not ignore:
        raise Failure("no resources found")
    if not count:
        print("No resources found", file=session.out)
    if options.wait and options.dry_run == "none":
        _wait_gone(options, session, deleted)
    return 0


def _grace(options: Options, session: Session) -> int | None:
    if options.now and options.grace_period >= 0:
        raise Failure("--now and --grace-period cannot be specified together")
    if options.force:
        session.warn(
            "Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely."
        )
        return max(int(options.grace_period), 0)
    if options.now:
        return 1
    if options.grace_period == 0:
        return 1  # as kubectl: 0 without --force is a second, so that the node has its say
    return int(options.grace_period) if options.grace_period > 0 else None


def _say(options: Options, session: Session, found: Found, grace: int | None) -> None:
    if options.output == "name":
        print(found, file=session.out)
        return
    how = " force deleted" if options.force and grace == 0 else " deleted"
    where = f" from {found.namespace} namespace" if found.namespace else ""
    suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
    print(f'{found.info.full_name} "{found.name}"{how}{where}{suffix}', file=session.out)


def _wait_gone(options: Options, session: Session, deleted: list[tuple[Found, str]]) -> None:
    deadline = time.monotonic() + options.timeout if options.timeout else None
    for found, uid in deleted:
        pause = 0.02
        while True:
            try:
                current = session.rest.get(found.path)
            except NotFound:
                break
            if uid and current["metadata"].get("uid") != uid:
                break
            if deadline and time.monotonic() > deadline:
                raise Failure(f"timed out waiting for the condition on {found}")
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)
