"""One wording for what kubectl's releases say differently, so that the same expectations hold for 1.32 to 1.36.

Only kubectl's own words are here: what the server says is compared as it is.
"""

from __future__ import annotations

import re

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # from where something was deleted, since 1.33
        (r'^(\S+ "[^"]+")( force)? deleted from \S+ namespace', r"\1\2 deleted"),
        (r"^Error: unknown (command|flag|shorthand)", r"error: unknown \1"),
        (r"^Flag --cpu-percent has been deprecated.*\n", ""),
        # a container that is not there, and those that are
        (r"(container \S+ is not valid for pod \S+) out of: .*", r"\1"),
        (r"^Error from server \(BadRequest\): (container \S+ is not valid for pod)", r"error: \1"),
        (r"^error: no objects passed to scale (\S+ \S+ not found)", r"Error from server (NotFound): \1"),
        (r"^cannot delete cannot delete ", "cannot delete "),
        # describe: names of ports, of an event's container; fields that say nothing
        (r"((?:Host )?Port:[ \t]+\d+/\w+) \(\S+\)$", r"\1"),
        (r"(kubelet +)spec\.\w+\{[^}]+\}: ", r"\1"),
        (r"^( *)ConfigMapOptional: ( *)<nil>$", r"\1Optional: \2false"),
        (r"^(Mountable secrets|Tokens): +<none>\n", ""),
        (r"^ *Kube-Proxy Version:.*\n", ""),
        # empty creation times, until 1.33
        (r"metadata:\n *creationTimestamp: null\n( *)(spec|status):", r"metadata: {}\n\1\2:"),
        (r"^ *creationTimestamp: null\n", ""),
        (r"^preferences: \{\}\n", ""),
    )
)


def one_wording(text: str) -> str:
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
