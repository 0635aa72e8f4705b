"""`kctl join`: make this machine a node of a cluster, or resume being one after a crash or a reboot."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kctl.cluster.staying import stay
from kctl.flags import Flag, Options, UsageError

if TYPE_CHECKING:
    from standalone.join import JoinRequest

LOCAL = True
USAGE = "join [HOST:PORT] [flags]"
EXAMPLES = (
    (
        "With a token, as `kctl token create --print-join-command` says it",
        "kctl join 192.168.1.10:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash sha256:...",
    ),
    ("With what `kctl node kubeconfig` made for it", "kctl join --kubeconfig worker-1.kubeconfig"),
    ("To be a node again after a reboot", "kctl join"),
)
FLAGS = (
    Flag("token", default="", help="a bootstrap token"),
    Flag(
        "discovery-token-ca-cert-hash",
        type="list",
        default=[],
        help="sha256:... of the public key of the cluster's CA; may be repeated",
    ),
    Flag("node-name", default="", help="the node's name (default: this machine's)"),
    Flag("node-ip", default="", help="its address (default: the one it reaches the API server from)"),
    Flag("cluster-cidr", default="", help="the addresses of all pods, where they are not 10.244.0.0/16"),
    Flag(
        "kubeconfig", default="", help="credentials instead of a token, as `kctl node kubeconfig` makes them"
    ),
    Flag("data-dir", help="where the node keeps its data (default: $KCTL_HOME/joined/NODE)"),
    Flag("timeout", type="duration", default=90.0, help="how long the node may take to be Ready"),
    Flag("foreground", type="bool", default=False, help="stay until interrupted, then stop the node"),
)


def plan_request(options: Options, here: Sequence[str], machine: str) -> JoinRequest:
    """`here` are the nodes that this machine has been, `machine` is its own name. Raises UsageError."""
    from standalone.join import JoinRequest, Token

    place = Path(options.data_dir) if options.data_dir else None
    pins = tuple(options.discovery_token_ca_cert_hash)
    if options.kubeconfig:
        if options.args or options.token:
            raise UsageError("--kubeconfig holds all that is needed: leave the address and --token out")
        return JoinRequest(
            Path(options.kubeconfig), data_dir=place, foreground=options.foreground, timeout_s=options.timeout
        )
    if not options.args and not options.token:
        name = options.node_name or (here[0] if len(here) == 1 else "")
        if not name:
            raise UsageError(
                f"join takes HOST:PORT and --token, or --kubeconfig; nodes here: {', '.join(here) or 'none'}"
            )
        return JoinRequest(
            node_name=name, data_dir=place, foreground=options.foreground, timeout_s=options.timeout
        )
    if len(options.args) != 1 or not options.token or not pins:
        raise UsageError("join takes HOST:PORT, --token and --discovery-token-ca-cert-hash")
    networks = {"cluster_cidr": options.cluster_cidr} if options.cluster_cidr else {}
    token = Token(options.args[0], options.token, pins, options.node_ip, **networks)
    name = options.node_name or machine
    return JoinRequest(
        token=token, node_name=name, data_dir=place, foreground=options.foreground, timeout_s=options.timeout
    )


def run(options: Options) -> int:
    from client.kubeconfig import KubeconfigError
    from standalone.config import ConfigError
    from standalone.join import JoinFailed, join, joined_nodes
    from standalone.supervisor import AlreadyRunning

    started = time.monotonic()
    request = plan_request(options, joined_nodes(), socket.gethostname().partition(".")[0].lower())
    try:
        result = join(request, lambda what, took: print(f"  {what:<20} {took * 1000:6.0f} ms", flush=True))
    except AlreadyRunning as error:
        where = f" (supervisor pid {error.pid})" if error.pid else ""
        print(f"error: this machine is that node already{where}. `kctl leave` ends it", file=sys.stderr)
        return 1
    except (JoinFailed, ConfigError, KubeconfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    node = result.node
    print(
        f"node {node.name!r} is Ready: {node.ip}, pods {node.pod_cidr}, {result.server}, "
        f"{time.monotonic() - started:.2f} s"
    )
    return stay(result.supervisor_pid) if request.foreground else 0
