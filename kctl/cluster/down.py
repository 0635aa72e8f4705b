"""`kctl down [NAME]`: stop a cluster and leave nothing of it in the kernel."""

from __future__ import annotations

import sys

from kctl.cluster.chosen import chosen
from kctl.flags import Flag, Options

LOCAL = True
USAGE = "down [NAME] [flags]"
EXAMPLES = (
    ("Stop, and keep all objects for the next `kctl up`", "kctl down"),
    ("Stop, and remove everything", "kctl down --delete"),
)
FLAGS = (
    Flag("data-dir", help="where the cluster keeps its data"),
    Flag("delete", type="bool", default=False, help="remove the cluster's data too"),
)


def run(options: Options) -> int:
    from standalone.config import ConfigError
    from standalone.down import DownFailed, down
    from standalone.topology import TopologyError

    name, layout = chosen(options.args[0] if options.args else "", options)
    if not layout.root.exists():
        print(f"error: there is no cluster {name!r} at {layout.root}", file=sys.stderr)
        return 1
    try:
        result = down(
            layout,
            delete=options.delete,
            on_stage=lambda what, took: print(f"  {what:<32} {took * 1000:6.0f} ms", flush=True),
        )
    except (ConfigError, DownFailed, TopologyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.remains:
        print("error: some things would not go:", file=sys.stderr)
        for what in result.remains:
            print(f"  {what}", file=sys.stderr)
        return 1
    what = "was stopped" if result.was_running else "was not running"
    print(f"cluster {name!r} {what}" + (" and its data removed" if options.delete else ""))
    return 0
