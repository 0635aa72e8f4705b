"""`kctl config delete-user`: removes a user from the kubeconfig."""

from __future__ import annotations

from kctl.flags import Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, delete_entry

LOCAL = True
USAGE = "config delete-user NAME"
EXAMPLES = (("One that is gone", "kctl config delete-user lab"),)
FLAGS = CONFIG_FLAGS


def run(options: Options) -> int:
    return delete_entry(options, "users")
