"""After the death of an earlier spawner, or a reboot: what it left is ended and recorded, nothing is adopted.

Containers that were running are killed through their cgroups and recorded as EXITED 137; their sandboxes
become NOTREADY, their links are deleted. Records stay until the agent removes them, so that a pod's
last state can still be told.
"""

from __future__ import annotations

import os
import time

from runtime.spawner import sandbox as sandboxes
from runtime.spawner.container import Container, plan_lost
from runtime.spawner.host import Host
from runtime.spawner.sandbox import Sandbox


def recover(host: Host) -> None:
    """Fills a fresh host from the records on disk."""
    for container_id, (spec, state) in host.records.containers().items():
        rebooted = state.pop("boot_id", "") != host.boot_id
        why = "the node was restarted" if rebooted else "the node's container supervisor ended"
        container = Container(spec)
        container.state = plan_lost(state, why, time.time_ns())
        host.containers[container_id] = container
        host.tree.kill(container.group)
        host._remove_group(container.group)
        host._save(container)
    for sandbox_id, record in host.records.sandboxes().items():
        state = record["state"]
        directory = f"{host.directory}/pods/{sandbox_id}"
        sandbox = Sandbox(record["request"], directory)
        sandbox.created_at_ns = state["created_at_ns"]
        sandbox.link = state["link"]
        if state["state"] == "READY" and sandbox.link:
            host.pool.drop(sandbox.link)
        sandbox.state = "NOTREADY"
        host.parents.add(os.path.dirname(sandbox.group))
        sandboxes.remove_files(directory, host.syscalls)
        host._remove_group(sandbox.group)
        host.sandboxes[sandbox_id] = sandbox
        host._save_sandbox(sandbox)
