"""`kctl run`: an image as a pod; with -i or --attach joined to this terminal, with --rm gone afterwards."""

from __future__ import annotations

import json
import sys
from typing import Any

from kctl.creating import CREATE_FLAGS, place_planned, post, with_saved_config
from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.rest import Unreachable
from kctl.selection import Found, report
from kctl.session import Session
from kctl.verbs.expose import pairs
from machinery.errors import ApiError

Obj = dict[str, Any]
COMMAND_AFTER_DASHES = True
USAGE = "run NAME --image=IMAGE [flags] [-- ARG... | --command -- COMMAND ARG...]"
EXAMPLES = (
    ("A pod", "kctl run web --image=web:1 --port=80"),
    ("A shell that is gone afterwards", "kctl run tool --rm -it --image=busybox --restart=Never -- sh"),
)
FLAGS = (
    Flag("image", default="", help="image of the container"),
    Flag("image-pull-policy", default="", help="Always, IfNotPresent or Never"),
    Flag("command", type="bool", default=False, help="what follows -- is the command, not its arguments"),
    Flag("env", type="array", default=[], help="a KEY=VALUE variable; may be repeated"),
    Flag("port", default="", help="port that the container listens on"),
    Flag("expose", type="bool", default=False, help="make a Service for the port too"),
    Flag("labels", "l", default="", help="labels of the pod, as KEY=VALUE,..."),
    Flag("annotations", type="array", default=[], help="a KEY=VALUE annotation; may be repeated"),
    Flag("restart", default="Always", choices=("Always", "OnFailure", "Never"), help="the pod's restartPolicy"),
    Flag("privileged", type="bool", default=False, help="run it privileged"),
    Flag("overrides", default="", help="JSON that is merged into the pod"),
    Flag("override-type", default="merge", choices=("merge", "strategic", "json"), help="how: merge, strategic or json"),
    Flag("attach", type="bool", default=False, help="show what it prints"),
    Flag("stdin", "i", type="bool", default=False, help="pass standard input on"),
    Flag("tty", "t", type="bool", default=False, help="give it a terminal"),
    Flag("leave-stdin-open", type="bool", default=False, help="keep its standard input after the first attach"),
    Flag("rm", type="bool", default=False, help="delete the pod afterwards"),
    Flag("quiet", "q", type="bool", default=False, help="say nothing of our own"),
    Flag("pod-running-timeout", type="duration", default=60.0, help="how long to wait for the pod"),
    *(flag for flag in CREATE_FLAGS if flag.name != "field-manager"),
    Flag("field-manager", default="kubectl-run", help="name that owns the fields"),
)  # fmt: skip


def run(options: Options, session: Session) -> int:
    attach = options.attach or options.stdin
    if options.rm and not attach:
        raise Failure("--rm should only be used for attached containers")
    if options.rm and options.dry_run != "none":
        raise Failure("--rm can only be used without --dry-run")
    if attach and options.dry_run != "none":
        raise Failure(
            "--dry-run can't be used with attached containers options (--attach, --stdin, or --tty)"
        )
    pod = plan(options)
    found = place_planned(options, session, pod)
    saved = with_saved_config(pod) if options.save_config else pod
    answer = saved if options.dry_run == "client" else post(options, session, found, saved)
    if options.expose:
        _expose(options, session, found)
    if not attach:
        report(options, session, found, "created", answer)
        return 0
    try:
        return _attach(options, session, found)
    finally:
        if options.rm:
            session.rest.request("DELETE", found.path, (), {"propagationPolicy": "Background"})
            if not options.quiet:
                print(f'pod "{found.name}" deleted from {found.namespace} namespace', file=session.out)


def plan(options: Options) -> Obj:
    """The Pod. Raises Failure."""
    if not options.args:
        raise Failure("NAME is required for run")
    if len(options.args) > 1:
        raise Failure(
            f"exactly one NAME is required; arguments of the container follow --: {options.args[1:]}"
        )
    if not options.image:
        raise Failure("--image is required")
    if options.tty and not options.stdin:
        raise Failure("-i/--stdin is required for containers with -t/--tty=true")
    name = options.args[0]
    container: Obj = {"image": options.image, "name": name, "resources": {}}
    if options.rest:
        container["command" if options.command else "args"] = list(options.rest)
    if options.env:
        container["env"] = [_variable(text) for text in options.env]
    if options.port:
        if not options.port.isdigit():
            raise Failure(f"invalid --port={options.port}: a number is expected")
        container["ports"] = [{"containerPort": int(options.port)}]
    elif options.expose:
        raise Failure("--port must be set when exposing a service")
    if options.image_pull_policy:
        container["imagePullPolicy"] = options.image_pull_policy
    if options.privileged:
        container["securityContext"] = {"privileged": True}
    if options.stdin:
        container["stdin"] = True
        if not options.leave_stdin_open:
            container["stdinOnce"] = True
    if options.tty:
        container["tty"] = True
    meta: Obj = {"labels": pairs(options.labels, "--labels") or {"run": name}, "name": name}
    if options.annotations:
        meta["annotations"] = pairs(",".join(options.annotations), "--annotations")
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": options.restart},
        "status": {},
    }
    return _overridden(pod, options.overrides, options.override_type) if options.overrides else pod


def _variable(text: str) -> Obj:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"invalid env: {text}")
    return {"name": name, "value": value}


def _overridden(pod: Obj, text: str, kind: str) -> Obj:
    from api.core.v1.pod import POD
    from machinery.patch import json_patch, merge, strategic

    try:
        patch = json.loads(text)
    except ValueError as error:
        raise Failure(f"--overrides is no JSON: {error}") from error
    if kind == "json":
        return dict(json_patch.apply(pod, patch))
    if kind == "strategic":
        return dict(strategic.apply(pod, patch, POD.schema()))
    return dict(merge.apply(pod, patch))


def _expose(options: Options, session: Session, pod: Found) -> None:
    assert pod.obj is not None
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": pod.name},
        "spec": {
            "selector": pod.obj["metadata"]["labels"],
            "ports": [{"protocol": "TCP", "port": int(options.port), "targetPort": int(options.port)}],
        },
        "status": {"loadBalancer": {}},
    }
    found = place_planned(options, session, service)
    answer = service if options.dry_run == "client" else post(options, session, found, service)
    report(options, session, found, "created", answer)


def _attach(options: Options, session: Session, found: Found) -> int:
    """Waits until the pod runs (or has run), joins it, and gives back its container's exit code where it ends."""
    from kctl.watching import deadline_after, states

    name = found.name
    for pod in states(session, found, deadline_after(options.pod_running_timeout)):
        if pod is None:
            raise Failure(f'pod "{name}" was deleted')
        phase = (pod.get("status") or {}).get("phase")
        if phase == "Running" and not _exit_code(pod, name):
            return _join(options, session, found)
        if phase in ("Succeeded", "Failed", "Running"):
            _print_logs(session, found)
            return _exit_code(pod, name) or 0
    raise Failure(f'timed out waiting for the condition: pod "{name}" does not run')


def _join(options: Options, session: Session, found: Found) -> int:
    from kctl.verbs.exec_ import stream
    from kctl.watching import deadline_after, states

    if not options.quiet:
        print("If you don't see a command prompt, try pressing enter.", file=session.err)
    tty = options.tty and sys.stdin.isatty()
    try:
        stream(session, found.name, "attach", found.name, [], stdin=options.stdin, tty=tty)
    except (ApiError, Unreachable) as error:  # it has ended before we came
        print(
            f"warning: couldn't attach to pod/{found.name}, falling back to streaming logs: {error}",
            file=session.err,
        )
        _print_logs(session, found)
    if options.restart != "Never":
        return 0
    for pod in states(session, found, deadline_after(10.0)):
        code = None if pod is None else _exit_code(pod, found.name)
        if pod is None or code is not None:
            if code and not options.quiet:
                print(f"pod {found.namespace}/{found.name} terminated (Error)", file=session.err)
            return code or 0
    return 0


def _exit_code(pod: Obj, container: str) -> int | None:
    """None while it has not ended."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (status.get("state") or {}).get("terminated")
        if status["name"] == container and ended:
            return int(ended.get("exitCode", 0))
    return None


def _print_logs(session: Session, found: Found) -> None:
    session.out.flush()
    for chunk in session.rest.chunks(f"{found.path}/log", [("container", found.name), ("follow", "true")]):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
