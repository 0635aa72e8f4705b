"""`kctl config current-context`: the name of the current context."""

from __future__ import annotations

from kctl.failure import Failure
from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, merged

LOCAL = True
USAGE = "config current-context"
EXAMPLES = (("Which one", "kctl config current-context"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    name = merged(options.kubeconfig)["current-context"]
    if not name:
        raise Failure("current-context is not set")
    print(name)
    return 0
