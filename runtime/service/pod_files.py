"""The files that every container of a pod sees: resolv.conf, hostname, hosts. Pure.

Where the pod says nothing about DNS the node's own resolv.conf is used, as the CRI asks. `hosts` is only
for pods whose agent mounts none.
"""

from __future__ import annotations

from runtime.cri import DnsConfig, SandboxConfig


def plan_pod_files(
    config: SandboxConfig, address: str, host_resolv_conf: str, host_hosts: str
) -> dict[str, str]:
    """File name → text."""
    if config.namespaces.host_network:
        hosts = host_hosts
    else:
        hosts = _hosts(config.hostname, address)
    return {
        "resolv.conf": resolv_conf(config.dns) or host_resolv_conf,
        "hostname": f"{config.hostname}\n",
        "hosts": hosts,
    }


def resolv_conf(dns: DnsConfig) -> str:
    """ "" where nothing is said."""
    lines = []
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}")
    lines += [f"nameserver {server}" for server in dns.servers]
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    return "".join(f"{line}\n" for line in lines)


def _hosts(hostname: str, address: str) -> str:
    lines = [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    if address:
        lines.append(f"{address}\t{hostname}")
    return "".join(f"{line}\n" for line in lines)
