"""`kctl status [NAME]`: what of a cluster runs. Exit code 0 when all of it does, 1 otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kctl.cluster.chosen import chosen
from kctl.flags import Flag, Options

if TYPE_CHECKING:
    from standalone.probe import NodeHealth

LOCAL = True
_PATIENCE_S = 7.0  # an API server asks its store for five seconds before it says that there is none
USAGE = "status [NAME] [flags]"
EXAMPLES = (("The default cluster", "kctl status"),)
FLAGS = (Flag("data-dir", help="where the cluster keeps its data"),)


def run(options: Options) -> int:
    from kctl.printers.table import TablePrinter
    from standalone import config as cluster_config
    from standalone.files import why_not_writable
    from standalone.probe import NO_ANSWER, Prober
    from standalone.supervisor import is_alive, read_state, running_pid

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
    trouble = prober.why_not_ready(_PATIENCE_S)
    print(f"cluster {name!r} runs: {config.server_url}, supervisor pid {pid}, data in {layout.root}")
    rows = []
    for part in read_state(layout).get("components", ()):
        # What was written last may be older than a full disk.
        alive = part["pid"] if part["pid"] and is_alive(part["pid"]) else 0
        status = "running" if alive else "restarting"
        rows.append((part["name"], status, alive or "", part["restarts"], part["health"]))
    TablePrinter(sys.stdout).print(("COMPONENT", "STATUS", "PID", "RESTARTS", "HEALTH AND METRICS"), rows)
    nodes = prober.nodes() if trouble != NO_ANSWER else None
    print()
    health = {node.name: node for node in nodes or ()}
    missing = "unknown" if nodes is None else "not registered"
    TablePrinter(sys.stdout).print(
        ("NODE", "STATUS", "ADDRESS", "PODS", "MESSAGE"),
        [
            (
                node.name,
                _ready_word(health.get(node.name), known=nodes is not None),
                node.ip,
                node.pod_cidr,
                health[node.name].message if node.name in health else missing,
            )
            for node in config.nodes
        ],
    )
    prober.close()
    troubles = [f"{trouble}; its log is {layout.log('apiserver')}"] if trouble else []
    troubles += [
        f"{row[0]} has ended and is started again; its log is {layout.log(row[0])}"
        for row in rows
        if not row[2]
    ]
    troubles += [why_not_writable(layout.root)] if why_not_writable(layout.root) else []
    if troubles:
        print("\n" + "\n".join(troubles), file=sys.stderr)
    all_well = (
        not troubles
        and all(row[2] for row in rows)
        and all(health[n.name].ready for n in config.nodes if n.name in health)
    )
    return 0 if all_well and len(health) >= len(config.nodes) else 1


def _ready_word(node: NodeHealth | None, *, known: bool) -> str:
    if node is None:
        return "NotReady" if known else "Unknown"
    return "Ready" if node.ready else "NotReady"
