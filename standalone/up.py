"""`kctl up`: from nothing, or from what a crash left, to a cluster whose API answers and whose nodes are Ready.

The calling process prepares everything on disk and in the kernel, forks the supervisor, and waits as
a client. Every step is idempotent: the same call makes a new cluster, resumes one after a crash or a
reboot, and mends a directory that an interrupted call left half made.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import ipaddress
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from standalone import config as cluster_config
from standalone import topology
from standalone.config import ClusterConfig, ConfigError, NodeConfig
from standalone.daemon import Died, check_lives, fork_supervisor, tail
from standalone.kubeconfigs import write_kubeconfigs
from standalone.layout import JOINED, Layout, kctl_home, layout_of
from standalone.pki import component_leaves, ensure_pki, server_leaves, utc_now
from standalone.probe import Prober, wait_until
from standalone.programs import api_addresses, api_server_names, plan_programs
from standalone.sockets import Sockets
from standalone.stages import OnStage, timed
from standalone.store_etcd import check_answers, check_store, is_etcd
from standalone.supervisor import AlreadyRunning, Lock

READY_TIMEOUT_S = 60.0
_FORWARDING_MARK = "ip-forward-was-off"
_NETWORKS_LOCK = Path("/run/kctl-networks.lock")
_LOOPBACK = "127.0.0.1"


class UpFailed(Exception):
    """The cluster did not come up; str() says which part, why, and where its log is."""


@dataclass(frozen=True, slots=True)
class UpRequest:
    name: str = "default"
    nodes: int | None = None  # None: as before, 1 for a new cluster, 0 where other machines join
    api_port: int | None = None
    data_dir: Path | None = None
    foreground: bool = False
    fake_runtime: bool | None = None  # None: as before, real containers for a new cluster
    timeout_s: float = READY_TIMEOUT_S
    store: str = ""  # "": as before, sqlite for a new cluster
    etcd_tls: tuple[str, str, str] = ("", "", "")  # files for an https etcd: CA, certificate, key
    advertise: str | None = (
        None  # this machine's address for nodes on others; None: as before, none for a new cluster
    )
    # how many of each; None: as before, 1 for a new cluster
    apiservers: int | None = None
    apiserver_args: tuple[str, ...] | None = None  # None: as before; empty: none any more
    controllers: int | None = None
    schedulers: int | None = None
    dns: bool | None = None  # None: as before, True for a new cluster


@dataclass(frozen=True, slots=True)
class UpResult:
    layout: Layout
    config: ClusterConfig
    supervisor_pid: int


def up(request: UpRequest, on_stage: OnStage) -> UpResult:
    """Returns when the API answers and every node is Ready. Raises UpFailed, ConfigError, AlreadyRunning."""
    done = timed(on_stage)

    cluster_config.check_name(request.name)
    if request.name == JOINED and request.data_dir is None:
        raise ConfigError(f"{JOINED!r} is where `kctl join` keeps this machine's nodes: choose another name")
    layout = layout_of(request.name, request.data_dir)
    request = _with_runtime(request, layout)
    _check_privileges(request)
    layout.make()
    lock = Lock(layout.lock)
    with contextlib.closing(Sockets()) as sockets:
        with _choosing_networks(request):
            config = _describe(request, layout, sockets)
            check_answers(config)
            cluster_config.save(layout, config)
            _make_credentials(layout, config)
            done("certificates")
            if config.runtime == "native":
                if topology.apply(config):
                    (layout.root / _FORWARDING_MARK).touch()
                _hold_addresses(config, sockets)
                done("network")
        programs = plan_programs(layout, config, sockets.choose)
        renew = functools.partial(_make_credentials, layout, config)
        pid = fork_supervisor(layout, programs, lock, sockets, detach=not request.foreground, renew=renew)
    lock.release()  # the supervisor's copy keeps it held
    _wait_ready(layout, config, pid, request.timeout_s, done)
    return UpResult(layout, config, pid)


@contextlib.contextmanager
def _choosing_networks(request: UpRequest) -> Iterator[None]:
    """Networks are the whole host's: who chooses them sets them up before the next one looks."""
    if request.fake_runtime:
        yield
        return
    with _NETWORKS_LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _hold_addresses(config: ClusterConfig, sockets: Sockets) -> None:
    """The API server's addresses but loopback, where its port was chosen."""
    for address in api_addresses(config)[1:]:
        if sockets.again(address, config.api_port) is None:
            raise ConfigError(
                f"port {config.api_port} of {address} is taken by another program, or {address} is not an address of "
                "this machine: choose another --api-port or --advertise-address"
            )


def _with_runtime(request: UpRequest, layout: Layout) -> UpRequest:
    if request.fake_runtime is not None:
        return request
    remembered = cluster_config.load(layout)
    return replace(request, fake_runtime=remembered is not None and remembered.runtime == "fake")


def _check_privileges(request: UpRequest) -> None:
    if os.geteuid() != 0 and not request.fake_runtime:
        raise UpFailed(
            "real containers need root (namespaces, cgroups, mounts), and this is user "
            f"{os.geteuid()}. Run it with sudo, or use `kctl up --fake-runtime` for a cluster whose containers "
            "are simulated"
        )


def _describe(request: UpRequest, layout: Layout, sockets: Sockets) -> ClusterConfig:
    """The remembered cluster, changed as asked; or a new one. Its ports on loopback are held from now on."""
    config = cluster_config.load(layout)
    check_store(request.store or (config.store if config else "sqlite"))
    runtime = "fake" if request.fake_runtime else "native"
    if config is None:
        routes = topology.host_routes() if runtime == "native" else ()
        index = cluster_config.free_network_index(kctl_home(), routes)
        store = request.store or "sqlite"
        config = ClusterConfig(
            request.name,
            runtime,
            store,
            0,
            index,
            etcd_tls=request.etcd_tls,
            identity=cluster_config.identity_of(layout),
        )
        count = request.nodes if request.nodes is not None else 0 if request.advertise else 1
        config = cluster_config.with_nodes(config, count, sockets.choose)
    elif config.runtime != runtime:
        raise ConfigError(
            f"cluster {config.name!r} was made with the {config.runtime} runtime. Use it so, "
            f"or give the other one a name of its own"
        )
    elif request.nodes is not None and request.nodes != len(config.nodes):
        config = cluster_config.with_nodes(config, request.nodes, sockets.choose)
    if request.store and request.store != config.store:
        raise ConfigError(
            f"cluster {config.name!r} keeps its objects in {config.store}, not {request.store}: "
            f"`kctl store migrate {config.name} --to {request.store}` moves them"
        )
    if any(request.etcd_tls):
        config = replace(config, etcd_tls=request.etcd_tls)
    if request.advertise is not None:
        config = replace(config, advertise=request.advertise)
    if config.advertise and config.nodes:
        raise ConfigError(
            "nodes that `kctl up` makes stand behind this machine, where pods of other machines cannot reach them. "
            "Use --nodes 0 with --advertise-address, and `kctl join` on each machine that is to run pods, this one too"
        )
    config = _with_replicas(request, config)
    if runtime == "native":
        _check_networks(config)
    port = _choose_port(request, config, sockets)
    return replace(config, api_port=port, nodes=tuple(_with_port(node, sockets) for node in config.nodes))


def _with_replicas(request: UpRequest, config: ClusterConfig) -> ClusterConfig:
    config = replace(
        config,
        apiservers=request.apiservers or config.apiservers,
        apiserver_args=config.apiserver_args if request.apiserver_args is None else request.apiserver_args,
        controllers=config.controllers if request.controllers is None else request.controllers,
        schedulers=config.schedulers if request.schedulers is None else request.schedulers,
        dns=config.dns if request.dns is None else request.dns,
    )
    if config.apiservers > 1 and not is_etcd(config.store):
        raise ConfigError(
            f"{config.apiservers} API servers need a store that they can share, and {config.store} is one server's own. "
            f"Use etcd (`--store etcd` for a new cluster, `kctl store migrate {config.name} --to etcd` for this one), "
            f"or `kctl up {config.name} --apiservers 1`"
        )
    return config


def _check_networks(config: ClusterConfig) -> None:
    """Another cluster may have taken the networks while this one was stopped."""
    for route in topology.host_routes(but=config.bridge):
        theirs = ipaddress.IPv4Network(route, strict=False)
        if any(theirs.overlaps(mine) for mine in (config.node_network, config.pod_network)):
            raise ConfigError(
                f"this machine routes {route} elsewhere, and cluster {config.name!r} was made with "
                f"{config.node_network} and {config.pod_network}: stop what uses it (another cluster?) first"
            )


def _with_port(node: NodeConfig, sockets: Sockets) -> NodeConfig:
    """Simulated nodes share loopback: each needs a port there."""
    if node.ip != _LOOPBACK or (node.ip, node.kubelet_port) in sockets.held:
        return node
    return replace(node, kubelet_port=sockets.again(node.ip, node.kubelet_port) or sockets.choose())


def _choose_port(request: UpRequest, config: ClusterConfig, sockets: Sockets) -> int:
    if request.api_port is None:
        remembered = sockets.again(_LOOPBACK, config.api_port) if config.api_port else None
        return remembered or sockets.choose(cluster_config.DEFAULT_API_PORT)
    if sockets.again(_LOOPBACK, request.api_port) is None:
        raise ConfigError(
            f"port {request.api_port} is taken by another program. Choose another --api-port, "
            "or leave the flag out to get a free one"
        )
    return request.api_port


def _make_credentials(layout: Layout, config: ClusterConfig) -> None:
    servers = server_leaves(api_server_names(config), [(node.name, node.ip) for node in config.nodes])
    ensure_pki(layout.pki, component_leaves([n.name for n in config.nodes]) + servers, utc_now())
    write_kubeconfigs(layout, config)


def _wait_ready(
    layout: Layout, config: ClusterConfig, pid: int, timeout_s: float, done: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + timeout_s
    started_at = int(time.time())  # reports have whole seconds

    def raise_if_dead() -> None:
        try:
            check_lives(layout, pid)
        except Died as died:
            raise UpFailed(str(died)) from None

    prober = Prober(layout, config)
    if not wait_until(prober.is_api_ready, deadline, stop=raise_if_dead):
        raise UpFailed(
            f"the API server does not answer; its log is {layout.log('apiserver')}\n{tail(layout, 'apiserver')}"
        )
    done("API answering")
    wanted = {node.name for node in config.nodes}

    def all_ready() -> bool:
        """By their own word from now on: a resumed cluster remembers nodes that were Ready before."""
        nodes = prober.nodes() or ()
        return wanted <= {n.name for n in nodes if n.ready and n.reported_at >= started_at}

    if not wait_until(all_ready, deadline, stop=raise_if_dead):
        states = {node.name: node.message for node in prober.nodes() or () if not node.ready}
        for name in sorted(wanted - states.keys()):
            states.setdefault(name, f"not registered; its log is {layout.log(f'nodeagent-{name}')}")
        raise UpFailed("; ".join(f"{name} is not Ready: {why}" for name, why in states.items()))
    prober.close()
    done("nodes Ready")


__all__ = ["AlreadyRunning", "ConfigError", "UpFailed", "UpRequest", "UpResult", "up"]
