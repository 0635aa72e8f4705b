"""`kctl node kubeconfig NAME --address ADDRESS`: what a machine needs to join, to standard output."""

from __future__ import annotations

import json
import sys

from kctl.cluster.chosen import chosen
from kctl.flags import Flag, Options, UsageError

LOCAL = True
USAGE = "node kubeconfig NODE --address ADDRESS [flags]"
EXAMPLES = (
    (
        "For a machine that is to join",
        "kctl node kubeconfig worker-1 --address 192.168.1.11 > worker-1.kubeconfig",
    ),
)
FLAGS = (
    Flag("address", default="", help="the machine's address, under which the other machines reach it"),
    Flag("cluster", "c", default="", help="the cluster to join"),
    Flag("data-dir", help="where that cluster keeps its data"),
)


def run(options: Options) -> int:
    if len(options.args) != 1 or not options.address:
        raise UsageError("node kubeconfig takes the node's name and --address")
    from standalone import config as cluster_config
    from standalone.node_credentials import issue
    from standalone.pki import PKIError

    name, layout = chosen(options.cluster, options)
    try:
        config = cluster_config.load(layout)
        if config is None:
            print(f"error: there is no cluster {name!r} at {layout.root}", file=sys.stderr)
            return 1
        credentials = issue(layout, config, options.args[0], options.address)
    except (cluster_config.ConfigError, PKIError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(credentials, indent=2))
    print(
        "Whoever has this is that node: carry it over by a safe way, and keep it from others.",
        file=sys.stderr,
    )
    return 0
