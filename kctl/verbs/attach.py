"""`kctl attach`: joins this terminal to a running container's own input and output."""

from __future__ import annotations

import sys

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.pods_of import choose_container, one_pod
from kctl.session import Session
from kctl.verbs.exec_ import stream

USAGE = "attach (POD | TYPE/NAME) [-c CONTAINER] [flags]"
EXAMPLES = (("See what it prints", "kctl attach web-0"),)
FLAGS = (
    Flag("container", "c", default="", help="the container"),
    Flag("stdin", "i", type="bool", default=False, help="pass standard input on"),
    Flag("tty", "t", type="bool", default=False, help="its input is a terminal"),
    Flag("quiet", "q", type="bool", default=False, help="say nothing of our own"),
)


def run(options: Options, session: Session) -> int:
    if len(options.args) != 1:
        raise Failure("exactly one pod must be named: kctl attach POD")
    pod = one_pod(session, options.args)
    container = choose_container(session, pod, options.container, quiet=options.quiet)
    if not options.quiet:
        print("If you don't see a command prompt, try pressing enter.", file=session.err)
    tty = options.tty and options.stdin and sys.stdin.isatty()
    return stream(session, pod["metadata"]["name"], "attach", container, [], stdin=options.stdin, tty=tty)
