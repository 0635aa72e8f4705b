"""`kctl config delete-cluster`: removes a cluster from the kubeconfig."""

from __future__ import annotations

from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, delete_entry

LOCAL = True
USAGE = "config delete-cluster NAME"
EXAMPLES = (("One that is gone", "kctl config delete-cluster lab"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    return delete_entry(options, "clusters")
