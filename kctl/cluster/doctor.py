"""`kctl doctor`: what this machine must offer. Exit code 1 if something is missing that a cluster needs."""

from __future__ import annotations

import sys

from kctl.flags import Options

LOCAL = True
USAGE = "doctor"
EXAMPLES = (("Check this machine", "kctl doctor"),)
FLAGS = ()
_MARKS = {"ok": "✓", "warning": "!", "error": "✗"}
_COLOURS = {"ok": "32", "warning": "33", "error": "31"}


def run(options: Options) -> int:
    from standalone.doctor import examine
    from standalone.layout import kctl_home

    findings = examine(kctl_home())
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = _MARKS[finding.level]
        if sys.stdout.isatty():
            mark = f"\033[{_COLOURS[finding.level]}m{mark}\033[0m"
        print(f"{mark} {finding.check:<{width}}  {finding.detail}")
        if finding.cure:
            print(f"  {'':<{width}}  → {finding.cure}")
    return 1 if any(finding.level == "error" for finding in findings) else 0
