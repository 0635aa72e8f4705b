"""`kctl down`: stops a cluster and leaves nothing of it in the kernel; with `--delete`, nothing on disk.

Works from what is there, not from what is remembered: after a crash, after a reboot, twice in a row.
The order is that of an orderly house: components first (so that nobody restarts what is being taken
down), then containers, then the network they used, then mounts and cgroups that something left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass

from standalone import config as cluster_config
from standalone import topology
from standalone.config import ClusterConfig, ConfigError
from standalone.layout import Layout
from standalone.remains import Remains, find_remains, purge_node
from standalone.stages import OnStage, timed
from standalone.store_etcd import is_address
from standalone.supervisor import running_pid

_STOP_TIMEOUT_S = 60.0
_FORWARDING_MARK = "ip-forward-was-off"


class DownFailed(Exception):
    """Something would not go; str() names it."""


@dataclass(frozen=True, slots=True)
class DownResult:
    was_running: bool
    remains: Remains


def down(layout: Layout, *, delete: bool, on_stage: OnStage) -> DownResult:
    """Raises DownFailed when a process will not end."""
    done = timed(on_stage)

    pid = running_pid(layout)
    if pid:
        stop_supervisor(layout, pid)
        done("components stopped")
    try:
        config = cluster_config.load(layout)
    except ConfigError:
        if not delete:
            raise
        config = None
    remains = Remains()
    if config is not None and config.runtime == "native":
        _take_down_nodes(layout, config)
        done("containers and network removed")
        remains = find_remains(layout, config)
    if delete and config is not None and is_address(config.store):
        _forget_store(layout, config)
        done("objects removed from etcd")
    if delete and layout.root.exists():
        shutil.rmtree(layout.root)
        done("data deleted")
    return DownResult(pid is not None, remains)


def stop_supervisor(layout: Layout, pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while running_pid(layout) is not None:
        if time.monotonic() > deadline:
            raise DownFailed(f"the supervisor (pid {pid}) does not end; see {layout.log('supervisor')}")
        time.sleep(0.01)


def _forget_store(layout: Layout, config: ClusterConfig) -> None:
    from apiserver.backends.backend import StoreUnavailable
    from standalone.store_move import forget

    try:
        forget(layout, config)
    except StoreUnavailable as error:
        raise DownFailed(
            f"the cluster's objects cannot be removed from etcd ({error}). Repeat this when it is back, or remove "
            f"{layout.root} yourself and leave them there"
        ) from error


def _take_down_nodes(layout: Layout, config: ClusterConfig) -> None:
    for node in config.nodes:
        purge_node(layout, config, node)
    mark = layout.root / _FORWARDING_MARK
    topology.remove(config, restore_forwarding=mark.exists())
    mark.unlink(missing_ok=True)
