"""`kctl config set-context`: sets cluster, user and namespace of a context; makes it where there is none."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, change, entry_of, file_of, merged

LOCAL = True
USAGE = "config set-context (NAME | --current) [--cluster=NAME] [--user=NAME] [--namespace=NAME]"
EXAMPLES = (("Another namespace for all that follows", "kctl config set-context --current --namespace=shop"),)
FLAGS = (
    *CONFIG_FLAGS,
    Flag("current", type="bool", default=False, help="change the current context"),
    Flag("cluster", help="cluster of the context"),
    Flag("user", help="user of the context"),
    Flag("namespace", "n", help="namespace of the context"),
)


def run(options: Options) -> int:
    if len(options.args) > 1 or (options.args and options.current) or not (options.args or options.current):
        raise Failure("either one NAME or --current is required: kctl config set-context NAME")
    config = merged(options.kubeconfig)
    name = config["current-context"] if options.current else options.args[0]
    if not name:
        raise Failure("no current context is set")

    def set_fields(content: dict[str, Any]) -> None:
        context = entry_of(content, "contexts", name, create=True)
        assert context is not None
        for field in ("cluster", "user", "namespace"):
            value = getattr(options, field)
            if value is not None:
                context[field] = value

    change(file_of(options.kubeconfig, "contexts", name), set_fields)
    print(f'Context "{name}" {"modified" if name in config["contexts"] else "created"}.')
    return 0
