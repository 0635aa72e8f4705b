"""`kctl join --kubeconfig FILE`: make this machine a node of a cluster, or resume being one after a crash or a reboot."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kctl.cluster.staying import stay
from kctl.flags import Flag, Options, UsageError

LOCAL = True
USAGE = "join --kubeconfig FILE [flags]"
EXAMPLES = (("With what `kctl node kubeconfig` made for it", "kctl join --kubeconfig worker-1.kubeconfig"),)
FLAGS = (
    Flag("kubeconfig", default="", help="the node's credentials, as `kctl node kubeconfig` made them"),
    Flag("data-dir", help="where the node keeps its data (default: $KCTL_HOME/joined/NODE)"),
    Flag("foreground", type="bool", default=False, help="stay until interrupted, then stop the node"),
)


def run(options: Options) -> int:
    if options.args or not options.kubeconfig:
        raise UsageError("join takes --kubeconfig and no other words")
    from client.kubeconfig import KubeconfigError
    from standalone.config import ConfigError
    from standalone.join import JoinFailed, JoinRequest, join
    from standalone.supervisor import AlreadyRunning

    started = time.monotonic()
    request = JoinRequest(
        kubeconfig=Path(options.kubeconfig),
        data_dir=Path(options.data_dir) if options.data_dir else None,
        foreground=options.foreground,
    )
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
