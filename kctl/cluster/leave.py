"""`kctl leave [NODE]`: this machine stops being a node, and nothing of it stays in the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

from kctl.flags import Flag, Options, UsageError

LOCAL = True
USAGE = "leave [NODE] [flags]"
EXAMPLES = (
    ("After `kctl drain worker-1`", "kctl leave"),
    ("Also remove images, logs and credentials", "kctl leave --delete"),
)
FLAGS = (
    Flag("data-dir", help="where the node keeps its data"),
    Flag("delete", type="bool", default=False, help="remove the node's data too"),
)


def run(options: Options) -> int:
    from client.kubeconfig import KubeconfigError
    from standalone.config import ConfigError
    from standalone.down import DownFailed
    from standalone.join import joined_layout, joined_nodes
    from standalone.layout import JOINED, kctl_home
    from standalone.leave import leave

    data_dir = Path(options.data_dir) if options.data_dir else None
    here = joined_nodes()
    if len(options.args) > 1 or (not options.args and not data_dir and len(here) > 1):
        raise UsageError(f"leave takes one node's name; here are {', '.join(here)}")
    name = options.args[0] if options.args else here[0] if here else ""
    if not name and not data_dir:
        print(f"error: this machine is no node: there is nothing in {kctl_home() / JOINED}", file=sys.stderr)
        return 1
    try:
        result = leave(
            joined_layout(name, data_dir), delete=options.delete, on_stage=lambda what: print(f"  {what}")
        )
    except (ConfigError, DownFailed, KubeconfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.remains:
        print("error: some things would not go:", *result.remains, sep="\n  ", file=sys.stderr)
        return 1
    print("this machine is no node any more" + (", and its data is removed" if options.delete else ""))
    if result.still_known:
        print(
            f"warning: {result.still_known}: `kctl delete node {result.node}` removes it there",
            file=sys.stderr,
        )
    return 0
