"""`kctl config get-clusters`: the names of the clusters."""

from __future__ import annotations

from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, merged

LOCAL = True
USAGE = "config get-clusters"
EXAMPLES = (("All", "kctl config get-clusters"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    print("NAME")
    for name in sorted(merged(options.kubeconfig)["clusters"]):
        print(name)
    return 0
