"""`kctl exec`: runs a command in a container; the exit code is the command's."""

from __future__ import annotations

import sys

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.pods_of import choose_container, one_pod
from kctl.session import Session

COMMAND_AFTER_DASHES = True
USAGE = "exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [ARG...]"
EXAMPLES = (
    ("A command", "kctl exec web-0 -- date"),
    ("A shell", "kctl exec -it web-0 -- sh"),
)
FLAGS = (
    Flag("container", "c", default="", help="the container"),
    Flag("stdin", "i", type="bool", default=False, help="pass standard input on"),
    Flag("tty", "t", type="bool", default=False, help="give it a terminal"),
    Flag("quiet", "q", type="bool", default=False, help="say nothing of our own"),
    Flag("pod-running-timeout", default="", help="accepted for kubectl's sake", hidden=True),
)


def run(options: Options, session: Session) -> int:
    command = options.rest
    if not options.args:
        raise Failure("a pod must be named: kctl exec POD -- COMMAND")
    if not command:
        raise Failure("you must specify at least one command for the container, after --")
    if len(options.args) != 1:
        raise Failure("exec [POD] [COMMAND] is not supported any more: write the command after --")
    pod = one_pod(session, options.args)
    phase = pod.get("status", {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise Failure(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = choose_container(session, pod, options.container, quiet=options.quiet)
    tty = options.tty
    if tty and not (options.stdin and sys.stdin.isatty()):
        if options.stdin and not options.quiet:
            print("Unable to use a TTY - input is not a terminal or the right kind of file", file=session.err)
        tty = False
    return stream(session, pod["metadata"]["name"], "exec", container, command, stdin=options.stdin, tty=tty)


def stream(
    session: Session, pod: str, kind: str, container: str, command: list[str], *, stdin: bool, tty: bool
) -> int:
    """exec or attach, joined to this terminal; returns the exit code."""
    from kctl.streaming import EXEC_PROTOCOLS, connect, run_session

    query = [("command", word) for word in command]
    query += [("container", container), ("stdout", "true")]
    query += [
        (name, "true") for name, wanted in (("stdin", stdin), ("tty", tty), ("stderr", not tty)) if wanted
    ]
    path = f"/api/v1/namespaces/{session.namespace}/pods/{pod}/{kind}"
    with connect(session.config, path, query, EXEC_PROTOCOLS) as socket:
        code = run_session(socket, stdin=stdin, tty=tty)
    if code and kind == "exec":
        print(f"command terminated with exit code {code}", file=session.err)
    return code
