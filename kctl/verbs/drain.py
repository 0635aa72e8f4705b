"""`kctl drain`: keeps new pods off a node, and ends those that are there, as their disruption budgets allow."""

from __future__ import annotations

import time
from typing import Any

from kctl.draining import Rules, plan_drain
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.selection import DRY_RUN, Found, select
from kctl.session import Session
from kctl.verbs.cordon import set_unschedulable
from machinery.errors import ApiError, NotFound, TooManyRequests

Obj = dict[str, Any]
USAGE = "drain (NODE... | -l SELECTOR) [flags]"
EXAMPLES = (
    ("Before maintenance", "kctl drain node-1 --ignore-daemonsets --delete-emptydir-data"),
    ("Also pods that nothing starts again", "kctl drain node-1 --force"),
)
FLAGS = (
    Flag("force", type="bool", default=False, help="also pods without a controller, which stay gone"),
    Flag("ignore-daemonsets", type="bool", default=False, help="pass over pods of DaemonSets"),
    Flag("delete-emptydir-data", type="bool", default=False, help="also pods whose emptyDir data is lost"),
    Flag("disable-eviction", type="bool", default=False, help="delete, past disruption budgets"),
    Flag("grace-period", type="int", default=-1, help="seconds for a graceful end; -1 for the pod's own"),
    Flag("timeout", type="duration", default=0.0, help="how long to wait; 0 for no limit"),
    Flag("skip-wait-for-delete-timeout", type="int", default=0, help="do not wait for pods being deleted for longer (seconds)"),
    Flag("selector", "l", default="", help="label selector of nodes"),
    Flag("pod-selector", default="", help="only pods with these labels"),
    Flag("chunk-size", type="int", default=500, help="pods asked for at a time"),
    DRY_RUN,
)  # fmt: skip
_RETRY_S = 5.0


def run(options: Options, session: Session) -> int:
    if not options.args and not options.selector:
        raise Failure("a node must be named: kctl drain NODE")
    if options.args and options.selector:
        raise Failure("error: cannot specify both a node name and a --selector option")
    words = [f"nodes/{name.removeprefix('node/')}" for name in options.args] or ["nodes"]
    nodes = list(select(options, session, read=True, args=words))
    set_unschedulable(options, session, True, "cordoned", [node.name for node in nodes])
    failed: dict[str, str] = {}
    for node in nodes:
        problem = _drain(options, session, node)
        if problem:
            failed[node.name] = problem
            print(
                f'error: unable to drain node "{node.name}" due to error: {problem}, continuing command...',
                file=session.err,
            )
            continue
        suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
        print(f"node/{node.name} drained{suffix}", file=session.out)
    if failed:
        print("There are pending nodes to be drained:", file=session.err)
        print(*(f" {name}" for name in failed), *failed.values(), sep="\n", file=session.err)
    return 1 if failed else 0


def _drain(options: Options, session: Session, node: Found) -> str:
    """What forbade it; empty when it is done."""
    from kctl.verbs.get import pages

    query = [("fieldSelector", f"spec.nodeName={node.name}")]
    if options.pod_selector:
        query.append(("labelSelector", options.pod_selector))
    path = session.mapper.find("pods").gvr.path()
    pods = [
        pod
        for answer in pages(session.rest, path, query, "application/json", options.chunk_size)
        for pod in answer["items"]
    ]
    rules = Rules(options.force, options.ignore_daemonsets, options.delete_emptydir_data)
    plan = plan_drain(pods, rules)
    if plan.refusals:
        return "[" + ", ".join(plan.refusals) + "]" if len(plan.refusals) > 1 else plan.refusals[0]
    if plan.warnings:
        print("Warning: " + "; ".join(plan.warnings), file=session.err)
    deadline = time.monotonic() + options.timeout if options.timeout else None
    try:
        waited_for = _end_all(options, session, plan.evict, deadline)
        if options.dry_run == "none":
            for pod in waited_for:
                _wait_gone(options, session, pod, deadline)
    except TimeoutError:
        return f"drain did not complete within {options.timeout:g}s"
    except ApiError as error:
        return error.message
    return ""


def _end_all(options: Options, session: Session, pods: list[Obj], deadline: float | None) -> list[Obj]:
    """Asks for the end of every pod, again and again where a budget forbids it; (those to wait for)."""
    waiting = list(pods)
    asked: list[Obj] = []
    while waiting:
        refused = []
        for pod in waiting:
            meta = pod["metadata"]
            word = "deleting" if options.disable_eviction else "evicting"
            suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[options.dry_run]
            print(f"{word} pod {meta['namespace']}/{meta['name']}{suffix}", file=session.out, flush=True)
            if options.dry_run == "client":
                continue
            try:
                _end(options, session, meta)
            except NotFound:
                continue
            except TooManyRequests as error:
                print(
                    f'error when evicting pods/"{meta["name"]}" -n "{meta["namespace"]}" '
                    f"(will retry after {_RETRY_S:g}s): {error.message}",
                    file=session.err,
                )
                refused.append(pod)
                continue
            asked.append(pod)
        waiting = refused
        if waiting:
            if deadline is not None and time.monotonic() + _RETRY_S > deadline:
                raise TimeoutError
            time.sleep(_RETRY_S)
    return asked


def _end(options: Options, session: Session, meta: Obj) -> None:
    body: Obj = {"gracePeriodSeconds": options.grace_period} if options.grace_period >= 0 else {}
    if options.dry_run == "server":
        body["dryRun"] = ["All"]
    path = session.mapper.find("pods").gvr.path(meta["namespace"], meta["name"])
    if options.disable_eviction:
        session.rest.request("DELETE", path, (), body)
        return
    eviction: Obj = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }
    if body:
        eviction["deleteOptions"] = body
    session.rest.request("POST", f"{path}/eviction", (), eviction)


def _wait_gone(options: Options, session: Session, pod: Obj, deadline: float | None) -> None:
    meta = pod["metadata"]
    path = session.mapper.find("pods").gvr.path(meta["namespace"], meta["name"])
    pause = 0.05
    while True:
        try:
            current = session.rest.get(path)
        except NotFound:
            break
        if current["metadata"]["uid"] != meta["uid"] or _deleted_long_ago(options, current):
            break
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)
    word = "deleted" if options.disable_eviction else "evicted"
    print(f"pod/{meta['name']} {word}", file=session.out, flush=True)


def _deleted_long_ago(options: Options, pod: Obj) -> bool:
    since = pod["metadata"].get("deletionTimestamp")
    if not since or not options.skip_wait_for_delete_timeout:
        return False
    from machinery.clock import parse_rfc3339

    return time.time() - parse_rfc3339(since) > float(options.skip_wait_for_delete_timeout)
