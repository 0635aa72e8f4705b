"""`kctl config rename-context`: gives a context another name."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, change, file_of, merged

LOCAL = True
USAGE = "config rename-context OLD NEW"
EXAMPLES = (("A shorter name", "kctl config rename-context kctl-default here"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    if len(options.args) != 2:
        raise Failure("two names are required: kctl config rename-context OLD NEW")
    old, new = options.args
    config = merged(options.kubeconfig)
    file = file_of(options.kubeconfig, "contexts", old)
    if old not in config["contexts"]:
        raise Failure(f'cannot rename the context "{old}", it\'s not in {file}')
    if new in config["contexts"]:
        raise Failure(f'cannot rename the context "{old}", the context "{new}" already exists in {file}')

    def rename(content: dict[str, Any]) -> None:
        for entry in content.get("contexts") or ():
            if entry.get("name") == old:
                entry["name"] = new

    def follow(content: dict[str, Any]) -> None:
        content["current-context"] = new

    change(file, rename)
    if config["current-context"] == old:
        change(file_of(options.kubeconfig), follow)
    print(f'Context "{old}" renamed to "{new}".')
    return 0
