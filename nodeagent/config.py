"""What a node agent is told from outside: one frozen value, made by `__main__` or by the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

SAFE_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    node_name: str
    data_dir: PurePosixPath
    node_ips: tuple[str, ...] = ()
    hostname: str = ""
    pod_cidr: str = ""
    port: int = 10250
    max_pods: int = 110
    pod_pids_limit: int = 4096
    cgroup_root: str = ""  # "" : /kctl/NODE
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    api_host: str = ""  # what pods see as KUBERNETES_SERVICE_HOST; "" leaves the Service's own address
    api_port: int = 0
    host_resolv_conf: str = "/etc/resolv.conf"
    node_labels: Mapping[str, str] = field(default_factory=dict)
    register_taints: tuple[Mapping[str, Any], ...] = ()
    allowed_sysctls: tuple[str, ...] = ()
    seccomp_default: bool = True
    system_reserved_memory_bytes: int = 256 << 20
    heartbeat_s: float = 10.0
    lease_duration_s: int = 40
    status_report_s: float = 300.0
    relist_s: float = 300.0  # the safety net below the runtime's events
    evict_memory_available_bytes: int = 100 << 20
    evict_disk_available_fraction: float = 0.10
    image_gc_high: float = 0.85
    image_gc_low: float = 0.80

    @property
    def pods_dir(self) -> PurePosixPath:
        return self.data_dir / "pods"

    @property
    def logs_dir(self) -> PurePosixPath:
        return self.data_dir / "logs" / "pods"

    def pod_dir(self, uid: str) -> PurePosixPath:
        return self.pods_dir / uid

    def pod_memory_dir(self, uid: str) -> PurePosixPath:
        """On the node's own tmpfs: what must not touch a disk, and what is small and void with the node's next start."""
        return self.data_dir / "memory" / "pods" / uid

    def pod_log_dir(self, namespace: str, name: str, uid: str) -> PurePosixPath:
        return self.logs_dir / f"{namespace}_{name}_{uid}"
