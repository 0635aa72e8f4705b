"""Which processes a cluster consists of, and with which flags: a pure function of its description."""

from __future__ import annotations

from collections.abc import Callable

from standalone.config import API_SERVICE_IP, CLUSTER_DNS, SERVICE_CIDR, ClusterConfig, NodeConfig
from standalone.layout import Layout
from standalone.process import Program
from standalone.remains import node_cgroup_root
from standalone.store_etcd import etcd_address, etcd_programs, is_etcd

# Where each answers /healthz, /readyz, /livez and /metrics on loopback: Kubernetes' own ports, where they are free.
_HEALTH_PORTS = {"controllers": 10257, "scheduler": 10259, "network": 10256}


def plan_programs(
    layout: Layout, config: ClusterConfig, choose_port: Callable[[int], int] = lambda preferred: preferred
) -> list[Program]:
    """In the order of their start. All but the API server load while it does, and begin when it listens."""
    api = (config.gateway, config.api_port)
    ports = {name: choose_port(port) for name, port in _HEALTH_PORTS.items()}
    return [
        *etcd_programs(layout, config),
        Program("apiserver", "apiserver.__main__", _apiserver(layout, config), layout.log("apiserver")),
        Program(
            "controllers",
            "controllers.__main__",
            (f"--kubeconfig={layout.component_kubeconfig('controllers')}", f"--port={ports['controllers']}"),
            layout.log("controllers"),
            wait_for=api,
            health_port=ports["controllers"],
        ),
        Program(
            "scheduler",
            "scheduler.__main__",
            (f"--kubeconfig={layout.component_kubeconfig('scheduler')}", f"--port={ports['scheduler']}"),
            layout.log("scheduler"),
            wait_for=api,
            health_port=ports["scheduler"],
        ),
        *_network(layout, config, api, ports["network"]),
        *(
            Program(
                f"nodeagent-{node.name}",
                "nodeagent.__main__",
                _nodeagent(layout, config, node),
                layout.log(f"nodeagent-{node.name}"),
                netns=config.netns(node) if config.runtime == "native" else "",
                wait_for=api,
            )
            for node in config.nodes
        ),
    ]


def _network(layout: Layout, config: ClusterConfig, api: tuple[str, int], port: int) -> list[Program]:
    """One service proxy for all nodes of this host: it enters their namespaces only to hand over rules."""
    if config.runtime != "native":
        return []
    nodes = [f"--node={node.name}=/run/netns/{config.netns(node)}" for node in config.nodes]
    argv = (f"--kubeconfig={layout.component_kubeconfig('network')}", f"--port={port}", *nodes)
    log = layout.log("network")
    return [Program("network", "network.__main__", argv, log, wait_for=api, health_port=port)]


def _apiserver(layout: Layout, config: ClusterConfig) -> tuple[str, ...]:
    pki = layout.pki
    addresses = ["127.0.0.1"] + ([config.gateway] if config.runtime == "native" else [])
    return (
        f"--data-dir={layout.store}",
        *_store(layout, config),
        *(f"--bind-address={address}" for address in addresses),
        f"--port={config.api_port}",
        f"--advertise-address={config.gateway}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-key-file={pki / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--audit-log-path={layout.logs / 'audit.log'}",
    )


def _store(layout: Layout, config: ClusterConfig) -> tuple[str, ...]:
    if is_etcd(config.store):
        return ("--store=etcd", *etcd_address(layout, config).flags())
    return (f"--store={config.store}",)


def _nodeagent(layout: Layout, config: ClusterConfig, node: NodeConfig) -> tuple[str, ...]:
    pki = layout.pki
    return (
        f"--kubeconfig={layout.component_kubeconfig(f'nodeagent-{node.name}')}",
        f"--node-name={node.name}",
        f"--node-ip={node.ip}",
        f"--pod-cidr={node.pod_cidr}",
        f"--cluster-cidr={config.pod_network}",
        f"--data-dir={layout.node(node.name)}",
        f"--image-dir={layout.images}",
        f"--runtime={config.runtime}",
        f"--port={node.kubelet_port}",
        f"--tls-cert-file={pki / f'kubelet-{node.name}.crt'}",
        f"--tls-private-key-file={pki / f'kubelet-{node.name}.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--cluster-dns={CLUSTER_DNS}",
        "--cluster-domain=cluster.local",
        f"--cgroup-root={node_cgroup_root(config, node)}",
    )


def api_server_names(config: ClusterConfig) -> list[str]:
    """Names and addresses the API server's certificate must hold."""
    service = ["kubernetes", "default", "svc", "cluster", "local"]
    names = [".".join(service[:count]) for count in (1, 2, 3, 5)]
    return ["localhost", *names, "127.0.0.1", API_SERVICE_IP, *({config.gateway} - {"127.0.0.1"})]
