"""`kctl config use-context`: chooses the current context."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, change, file_of, merged

LOCAL = True
USAGE = "config use-context NAME"
EXAMPLES = (("Another cluster", "kctl config use-context lab"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    if len(options.args) != 1 or not options.args[0]:
        raise Failure("exactly one context must be named: kctl config use-context NAME")
    name = options.args[0]
    known = merged(options.kubeconfig)["contexts"]
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, list(known), 1, 0.6)
        hint = f". Did you mean {near[0]}?" if near else ""
        raise Failure(f'no context exists with the name: "{name}"{hint}')

    def choose(content: dict[str, Any]) -> None:
        content["current-context"] = name

    change(file_of(options.kubeconfig), choose)
    print(f'Switched to context "{name}".')
    return 0
