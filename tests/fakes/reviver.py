"""A process that starts the API server over and over: one line on stdin, one fork, its pid on stdout.

It has loaded what the server needs, as the supervisor of a cluster has, so that a start takes as long as opening the
store. Ends, and its last child with it, when stdin does. `python reviver.py DATA_DIR`
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from api import registry
from apiserver import __main__ as apiserver  # noqa: F401 - loaded before the first fork
from standalone.config import ClusterConfig, free_port, with_nodes
from standalone.kubeconfigs import write_kubeconfigs
from standalone.layout import Layout
from standalone.pki import component_leaves, ensure_pki, server_leaves, utc_now
from standalone.process import spawn
from standalone.programs import api_server_names, plan_programs


def main(root: Path) -> None:
    layout = Layout(root)
    layout.make()
    config = with_nodes(ClusterConfig("revived", "fake", "sqlite", free_port(), 0), 1)
    servers = server_leaves(api_server_names(config), [])
    ensure_pki(layout.pki, component_leaves(["node-1"]) + servers, utc_now())
    write_kubeconfigs(layout, config)
    program = next(p for p in plan_programs(layout, config) if p.name == "apiserver")
    registry.load()
    child = 0
    for _ in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = spawn(program)
        print(child, flush=True)
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
