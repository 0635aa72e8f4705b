"""`kctl status [NAME]`: what of a cluster runs. Exit code 0 when all of it does, 1 otherwise."""

from __future__ import annotations

import sys

from kctl.cluster.chosen import chosen
from kctl.flags import Flag, Options

LOCAL = True
USAGE = "status [NAME] [flags]"
EXAMPLES = (("The default cluster", "kctl status"),)
FLAGS = (Flag("data-dir", help="where the cluster keeps its data"),)


def run(options: Options) -> int:
    from kctl.printers.table import TablePrinter
    from standalone import config as cluster_config
    from standalone.probe import Prober
    from standalone.supervisor import read_state, running_pid

    name, layout = chosen(options.args[0] if options.args else "", options)
    try:
        config = cluster_config.load(layout)
    except cluster_config.ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if config is None:
        print(f"there is no cluster {name!r} at {layout.root}; `kctl up {name}` makes it")
        return 1
    pid = running_pid(layout)
    if pid is None:
        print(
            f"cluster {name!r} is stopped ({len(config.nodes)} nodes, {config.store}); `kctl up {name}` resumes it"
        )
        return 1
    prober = Prober(layout, config)
    ready = prober.is_api_ready()
    print(f"cluster {name!r} runs: {config.server_url}, supervisor pid {pid}, data in {layout.root}")
    rows = [
        (
            part["name"],
            "running" if part["pid"] else "restarting",
            part["pid"] or "",
            part["restarts"],
            part["health"],
        )
        for part in read_state(layout).get("components", ())
    ]
    TablePrinter(sys.stdout).print(("COMPONENT", "STATUS", "PID", "RESTARTS", "HEALTH AND METRICS"), rows)
    nodes = prober.nodes() or []
    print()
    health = {node.name: node for node in nodes}
    TablePrinter(sys.stdout).print(
        ("NODE", "STATUS", "ADDRESS", "PODS", "MESSAGE"),
        [
            (
                node.name,
                "Ready" if node.name in health and health[node.name].ready else "NotReady",
                node.ip,
                node.pod_cidr,
                health[node.name].message if node.name in health else "not registered",
            )
            for node in config.nodes
        ],
    )
    prober.close()
    if not ready:
        print(f"\nthe API server does not answer; its log is {layout.log('apiserver')}", file=sys.stderr)
    all_well = (
        ready
        and all(row[2] for row in rows)
        and all(health[n.name].ready for n in config.nodes if n.name in health)
    )
    return 0 if all_well and len(health) >= len(config.nodes) else 1
