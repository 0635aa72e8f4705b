"""A process that starts API servers over and over: the number of one on stdin, one fork, its pid on stdout.

It has loaded what a server needs, as the supervisor of a cluster has, so that a start takes as long as opening the
store. Ends, and its children with it, when stdin does. `python reviver.py DATA_DIR [ETCD_URL COUNT]`: one server on
sqlite, or several on one etcd, each on a port of its own: `kubeconfig`, `kubeconfig-1`, ... lead to them.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from api import registry
from apiserver import __main__ as apiserver  # noqa: F401 - loaded before the first fork
from apiserver.backends import etcd  # noqa: F401
from standalone.config import ClusterConfig, free_port, with_nodes
from standalone.kubeconfigs import write_kubeconfigs
from standalone.layout import Layout
from standalone.pki import component_leaves, ensure_pki, server_leaves, utc_now
from standalone.process import Program, spawn
from standalone.programs import api_server_names, plan_programs


def main(root: Path, store: str = "sqlite", count: int = 1) -> None:
    layout = Layout(root)
    layout.make()
    config = with_nodes(ClusterConfig("revived", "fake", store, free_port(), 0), 1)
    servers = server_leaves(api_server_names(config), [])
    ensure_pki(layout.pki, component_leaves(["node-1"]) + servers, utc_now())
    write_kubeconfigs(layout, config)
    first = next(p for p in plan_programs(layout, config) if p.name == "apiserver")
    programs = [first, *(beside(first, layout, config.api_port, number) for number in range(1, count))]
    registry.load()
    children: dict[int, int] = {}
    for line in sys.stdin:
        number = int(line)
        if number in children:
            os.waitpid(children[number], 0)
        children[number] = spawn(programs[number])
        print(children[number], flush=True)
    for child in children.values():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def beside(first: Program, layout: Layout, port: int, number: int) -> Program:
    """The same server on another port, with a kubeconfig of its own."""
    own = free_port()
    kubeconfig = (layout.root / "kubeconfig").read_text()
    (layout.root / f"kubeconfig-{number}").write_text(kubeconfig.replace(f":{port}", f":{own}"))
    changed = {"--port": own, "--audit-log-path": layout.log(f"audit-{number}")}
    argv = tuple(
        f"{name}={changed.get(name, value)}" if value else name
        for name, _, value in (each.partition("=") for each in first.argv)
    )
    name = f"apiserver-{number}"
    return replace(first, name=name, argv=argv, log=layout.log(name), listen=())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
