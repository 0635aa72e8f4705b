"""`kctl up [NAME]`: start a cluster, or resume one after a crash or a reboot."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kctl.cluster.staying import stay
from kctl.cluster.store import ETCD_FLAGS, etcd_files
from kctl.flags import Flag, Options, UsageError

LOCAL = True
USAGE = "up [NAME] [flags]"
EXAMPLES = (
    ("A cluster of one node", "kctl up"),
    ("Another one, of three nodes", "kctl up lab --nodes 3"),
    ("One that keeps its objects in etcd", "kctl up lab --store etcd"),
    (
        "One that loses no API server, controller or scheduler for long",
        "kctl up lab --store etcd --apiservers 2 --controllers 2 --schedulers 2",
    ),
    (
        "With an audit policy of one's own",
        "kctl up lab --apiserver-arg audit-policy-file=/etc/kctl/audit.yaml",
    ),
    ("A control plane that machines join", "kctl up lab --advertise-address 192.168.1.10"),
    ("Without root, with simulated containers", "kctl up --fake-runtime"),
)
FLAGS = (
    Flag("nodes", type="int", help="number of nodes (default: as before, 1 for a new cluster)"),
    Flag(
        "advertise-address",
        help="this machine's address for nodes on other machines, which `kctl join` adds (then without nodes of its own)",
    ),
    Flag(
        "api-port", type="int", help="port of the API server (default: as before, else a free one from 6443)"
    ),
    Flag("data-dir", help="where the cluster keeps its data (default: $KCTL_HOME/NAME or ~/.kctl/NAME)"),
    Flag("foreground", type="bool", default=False, help="stay until interrupted, then stop the cluster"),
    Flag("timeout", type="duration", default=60.0, help="how long the API and the nodes may take"),
    Flag("fake-runtime", type="bool", default=False, help="simulate containers: any machine, no root"),
    Flag(
        "store",
        default="",
        help="where objects are kept: sqlite (default), memory, etcd (one of the cluster's own), or the address of one",
    ),
    *ETCD_FLAGS,
    Flag(
        "dns",
        type="bool",
        default=True,
        help="answer the cluster's DNS on every node (default: as before, true for a new cluster)",
    ),
    Flag("apiservers", type="int", help="API servers behind the one address; more than one need etcd"),
    Flag(
        "apiserver-arg",
        type="array",
        default=(),
        help="a flag of `kctl apiserver` as NAME=VALUE, remembered by the cluster; may be given several times",
    ),
    Flag(
        "controllers",
        type="int",
        help="controller managers, of which one leads; 0 leaves it to one of your own",
    ),
    Flag("schedulers", type="int", help="schedulers, of which one leads; 0 leaves it to one of your own"),
)
_FEWEST = {"apiservers": 1, "controllers": 0, "schedulers": 0}


def run(options: Options) -> int:
    if len(options.args) > 1:
        raise UsageError(f"up takes one cluster name, got {' '.join(options.args)}")
    if options.nodes is not None and not 0 <= options.nodes <= 100:
        print(f"error: --nodes must be between 0 and 100, not {options.nodes}", file=sys.stderr)
        return 1
    if options.advertise_address and options.fake_runtime:
        print("error: --advertise-address is for real nodes on other machines", file=sys.stderr)
        return 1
    for name, fewest in _FEWEST.items():
        wanted = getattr(options, name)
        if wanted is not None and not fewest <= wanted <= 16:
            print(f"error: --{name} must be between {fewest} and 16, not {wanted}", file=sys.stderr)
            return 1
    from standalone.config import ConfigError
    from standalone.pki import PKIError
    from standalone.supervisor import AlreadyRunning
    from standalone.topology import TopologyError
    from standalone.up import UpFailed, UpRequest, up

    request = UpRequest(
        name=options.args[0] if options.args else "default",
        nodes=options.nodes,
        api_port=options.api_port,
        data_dir=Path(options.data_dir) if options.data_dir else None,
        foreground=options.foreground,
        fake_runtime=options.fake_runtime if "fake_runtime" in options.given else None,
        timeout_s=options.timeout,
        store=options.store,
        etcd_tls=etcd_files(options),
        advertise=options.advertise_address or None,
        apiserver_args=tuple(filter(None, options.apiserver_arg))
        if "apiserver_arg" in options.given
        else None,
        dns=options.dns if "dns" in options.given else None,
        **{name: getattr(options, name) for name in _FEWEST},
    )
    started = time.monotonic()
    try:
        result = up(request, lambda what, took: print(f"  {what:<20} {took * 1000:6.0f} ms", flush=True))
    except AlreadyRunning as error:
        where = f" (supervisor pid {error.pid})" if error.pid else ""
        print(
            f"error: cluster {request.name!r} is already running{where}. `kctl status {request.name}` shows it, "
            f"`kctl down {request.name}` stops it",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        print(f"error: {f'{error.filename}: {error.strerror}' if error.filename else error}", file=sys.stderr)
        return 1
    except (UpFailed, ConfigError, PKIError, TopologyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    nodes = len(result.config.nodes)
    print(
        f"cluster {result.config.name!r} is up: {nodes} node{'' if nodes == 1 else 's'}, "
        f"{result.config.server_url}, {time.monotonic() - started:.2f} s"
    )
    print(f"export KUBECONFIG={result.layout.kubeconfig}")
    if not nodes and result.config.advertise:
        print(
            "`kctl token create --print-join-command` says what to run on each machine that is to be a node"
        )
    for kind, component in (("controllers", "controllers"), ("schedulers", "scheduler")):
        if not getattr(result.config, kind):
            print(f"without {kind}: run your own with {result.layout.component_kubeconfig(component)}")
    return stay(result.supervisor_pid) if request.foreground else 0
