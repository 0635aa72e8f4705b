"""`kctl config get-users`: the names of the users."""

from __future__ import annotations

from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, merged

LOCAL = True
USAGE = "config get-users"
EXAMPLES = (("All", "kctl config get-users"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    print("NAME")
    for name in sorted(merged(options.kubeconfig)["users"]):
        print(name)
    return 0
