"""`kctl logs`: what containers print, of one pod or of all that a selector selects."""

from __future__ import annotations

import sys
import threading
from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.pods_of import choose_container, containers_of, pods_of
from kctl.rest import Rest
from kctl.session import Session, explain_failure
from machinery.errors import NotFound

Obj = dict[str, Any]
USAGE = "logs (POD | TYPE/NAME | -l SELECTOR) [-c CONTAINER] [flags]"
EXAMPLES = (
    ("Of a pod", "kctl logs web-0"),
    ("Follow the last lines of a Deployment's pods", "kctl logs -f --tail=20 -l app=web --prefix"),
    ("Of the container before its restart", "kctl logs -p web-0"),
)
FLAGS = (
    Flag("follow", "f", type="bool", default=False, help="go on printing what comes"),
    Flag("previous", "p", type="bool", default=False, help="of the container before the last restart"),
    Flag("container", "c", default="", help="the container"),
    Flag("all-containers", type="bool", default=False, help="all containers of the pods"),
    Flag("all-pods", type="bool", default=False, help="all pods of the named object"),
    Flag("since", type="duration", default=0.0, help="only what is newer, such as 5m"),
    Flag("since-time", default="", help="only what is newer than this RFC 3339 time"),
    Flag("tail", type="int", default=-1, help="only the last lines; -1 for all"),
    Flag("limit-bytes", type="int", default=0, help="only so many bytes"),
    Flag("timestamps", type="bool", default=False, help="the time before each line"),
    Flag("prefix", type="bool", default=False, help="pod and container before each line"),
    Flag("selector", "l", default="", help="label selector"),
    Flag("max-log-requests", type="int", default=5, help="most logs to follow at once"),
    Flag("ignore-errors", type="bool", default=False, help="go on with the others when one fails"),
    Flag("pod-running-timeout", default="", help="accepted for kubectl's sake", hidden=True),
)

_REFUSAL = "is not valid for"


def run(options: Options, session: Session) -> int:
    if options.since and options.since_time:
        raise Failure("at most one of --since and --since-time may be used")
    sources = _sources(options, session)
    if options.follow and len(sources) > options.max_log_requests:
        raise Failure(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
            f"{options.max_log_requests}, use --max-log-requests to increase the limit"
        )
    if options.follow and len(sources) > 1:
        return _follow_all(options, session, sources)
    code = 0
    for pod, container in sources:
        try:
            _copy(options, session.rest, session.namespace, pod, container)
        except Exception as error:
            text = explain_failure(error)
            if text is None or not options.ignore_errors:
                raise
            print(text, file=session.err)
            code = 1
    return code


def _sources(options: Options, session: Session) -> list[tuple[str, str]]:
    """(pod, container) pairs."""
    if options.selector:
        if options.args:
            raise Failure("only a selector (-l) or a POD name is allowed")
        path = session.mapper.find("pods").gvr.path(session.namespace)
        pods: list[Obj] = session.rest.get(path, [("labelSelector", options.selector)])["items"]
        if not pods:
            print(f"No resources found in {session.namespace} namespace.", file=session.err)
        return [(p["metadata"]["name"], c) for p in pods for c in _containers(options, session, p)]
    words = options.args
    wanted = options.container
    if len(words) == 2 and "/" not in words[0] and not wanted:  # kubectl logs POD CONTAINER
        words, wanted = words[:1], words[1]
    if not words:
        raise Failure("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]': a pod must be named")
    try:
        pods = pods_of(session, words)
    except NotFound as error:
        raise Failure(
            f'error from server (NotFound): {error.message} in namespace "{session.namespace}"'
        ) from error
    if len(pods) > 1 and not options.all_pods:
        names = [p["metadata"]["name"] for p in pods]
        print(f"Found {len(pods)} pods, using pod/{names[0]}", file=session.err)
        pods = pods[:1]
    if wanted and not options.container:
        return [(pods[0]["metadata"]["name"], choose_container(session, pods[0], wanted, refusal=_REFUSAL))]
    return [(p["metadata"]["name"], c) for p in pods for c in _containers(options, session, p)]


def _containers(options: Options, session: Session, pod: Obj) -> list[str]:
    if options.all_containers:
        return containers_of(pod)
    return [choose_container(session, pod, options.container, refusal=_REFUSAL)]


def _query(options: Options, container: str) -> list[tuple[str, str]]:
    tail = options.tail
    if tail < 0 and options.selector and "tail" not in options.given:
        tail = 10
    wanted = {
        "container": container,
        "follow": "true" if options.follow else "",
        "previous": "true" if options.previous else "",
        "sinceSeconds": str(max(1, round(options.since))) if options.since else "",
        "sinceTime": options.since_time,
        "tailLines": str(tail) if tail >= 0 else "",
        "limitBytes": str(options.limit_bytes) if options.limit_bytes else "",
        "timestamps": "true" if options.timestamps else "",
    }
    return [(key, value) for key, value in wanted.items() if value]


def _copy(options: Options, rest: Rest, namespace: str, pod: str, container: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
    out = sys.stdout.buffer
    query = _query(options, container)
    if not options.prefix:
        for chunk in rest.chunks(path, query):
            out.write(chunk)
            out.flush()
        return
    prefix = f"[pod/{pod}/{container}] ".encode()
    for line in rest.lines(path, query, "*/*"):
        out.write(prefix + line)
        out.flush()


def _follow_all(options: Options, session: Session, sources: list[tuple[str, str]]) -> int:
    """One connection and one thread a log; whole lines are written at a time."""
    failures: list[Exception] = []

    def follow(pod: str, container: str) -> None:
        rest = Rest(session.config)
        try:
            _copy(options, rest, session.namespace, pod, container)
        except Exception as error:
            failures.append(error)
        finally:
            rest.close()

    threads = [threading.Thread(target=follow, args=source, daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures and not options.ignore_errors:
        raise failures[0]
    return 0
