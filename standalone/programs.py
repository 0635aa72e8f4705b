"""Which processes a cluster consists of, and with which flags: a pure function of its description."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from standalone.config import API_SERVICE_IP, CLUSTER_DNS, SERVICE_CIDR, ClusterConfig, NodeConfig
from standalone.layout import Layout
from standalone.process import Program
from standalone.remains import node_cgroup_root
from standalone.store_etcd import etcd_address, etcd_programs, is_etcd

# Where each answers /healthz, /readyz, /livez and /metrics on loopback: Kubernetes' own ports, where they are free.
_HEALTH_PORTS = {"controllers": 10257, "scheduler": 10259, "network": 10256}
_LOOPBACK = "127.0.0.1"
# So that another leads within five seconds of a leader's death (upstream's 15 s, 10 s and 2 s are for many machines).
_ELECTION = (
    "--leader-elect",
    "--leader-elect-lease-duration=3s",
    "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=500ms",
)


def plan_programs(
    layout: Layout, config: ClusterConfig, choose_port: Callable[[int], int] = lambda preferred: preferred
) -> list[Program]:
    """In the order of their start. All begin at once: who comes before an API server is ready waits in its socket."""
    return [
        *etcd_programs(layout, config),
        *(_apiserver(layout, config, number) for number in range(1, config.apiservers + 1)),
        *_replicas(layout, "controllers", config.controllers, choose_port, _controllers(layout, config)),
        *_replicas(layout, "scheduler", config.schedulers, choose_port),
        *_network(layout, config, choose_port),
        *(
            Program(
                f"nodeagent-{node.name}",
                "nodeagent.__main__",
                _nodeagent(layout, config, node),
                layout.log(f"nodeagent-{node.name}"),
                netns=config.netns(node) if config.runtime == "native" else "",
                listen=((node.ip, node.kubelet_port),),
                watched=True,
            )
            for node in config.nodes
        ),
    ]


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _replicas(
    layout: Layout, name: str, count: int, choose_port: Callable[[int], int], own: Sequence[str] = ()
) -> list[Program]:
    """Of several one leads, and the others wait for its end."""
    found = []
    for number in range(1, count + 1):
        port = choose_port(_HEALTH_PORTS[name] if number == 1 else 0)
        argv = (f"--kubeconfig={layout.component_kubeconfig(name)}", f"--port={port}", *own)
        found.append(
            Program(
                _numbered(name, number),
                f"{name}.__main__",
                (*argv, *_ELECTION) if count > 1 else argv,
                layout.log(_numbered(name, number)),
                listen=((_LOOPBACK, port),),
                health_port=port,
                watched=True,
            )
        )
    return found


def _controllers(layout: Layout, config: ClusterConfig) -> Sequence[str]:
    """Nodes of this machine come with a range of their own, those that join are given one. Where none can join, the
    cluster is publicly known as one of this machine, though its nodes reach it over their bridge."""
    pki = layout.pki
    signing = (
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--public-api-server=https://{config.advertise or _LOOPBACK}:{config.api_port}",
    )
    ranges = ("--allocate-node-cidrs", f"--cluster-cidr={config.pod_network}") if config.advertise else ()
    return (*signing, *ranges)


def _network(layout: Layout, config: ClusterConfig, choose_port: Callable[[int], int]) -> list[Program]:
    """One for all nodes of this host: it enters their namespaces only to hand over rules and to open sockets."""
    if config.runtime != "native" or not config.nodes:
        return []
    port = choose_port(_HEALTH_PORTS["network"])
    nodes = [f"--node={node.name}=/run/netns/{config.netns(node)}" for node in config.nodes]
    dns = [f"--dns={node.name}={node.ip}" for node in config.nodes if config.dns]
    argv = (
        f"--kubeconfig={layout.component_kubeconfig('network')}",
        f"--port={port}",
        *nodes,
        *dns,
        f"--cluster-cidr={config.pod_network}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
    )
    log = layout.log("network")
    listen = ((_LOOPBACK, port),)
    return [Program("network", "network.__main__", argv, log, listen=listen, health_port=port, watched=True)]


def api_addresses(config: ClusterConfig) -> list[str]:
    """Where all API servers of the cluster listen, on the same sockets."""
    others = [config.gateway, config.advertise] if config.runtime == "native" else [config.advertise]
    return [_LOOPBACK, *(address for address in others if address not in ("", _LOOPBACK))]


def _apiserver(layout: Layout, config: ClusterConfig, number: int) -> Program:
    name, addresses = _numbered("apiserver", number), api_addresses(config)
    argv = _apiserver_flags(layout, config, addresses, _numbered("audit", number))
    listen = tuple((address, config.api_port) for address in addresses)
    return Program(name, "apiserver.__main__", argv, layout.log(name), listen=listen, watched=True)


def _apiserver_flags(
    layout: Layout, config: ClusterConfig, addresses: Sequence[str], audit: str
) -> tuple[str, ...]:
    pki = layout.pki
    return (
        f"--data-dir={layout.store}",
        *_store(layout, config),
        *(f"--bind-address={address}" for address in addresses),
        f"--port={config.api_port}",
        f"--advertise-address={config.api_host}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--enable-bootstrap-token-auth",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        *([f"--cluster-dns={CLUSTER_DNS}"] if config.dns and config.runtime == "native" else ()),
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        f"--audit-log-path={layout.log(audit)}",
        "--audit-log-maxbackup=2",
        *(f"--{arg.removeprefix('--')}" for arg in config.apiserver_args),
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
    return ["localhost", *names, "127.0.0.1", API_SERVICE_IP, *api_addresses(config)[1:]]
