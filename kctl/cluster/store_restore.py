"""`kctl store restore FILE`: a stopped cluster's objects become what they were in a snapshot."""

from __future__ import annotations

from pathlib import Path

from kctl.cluster.chosen import chosen
from kctl.cluster.store import CLUSTER_FLAGS, moved
from kctl.flags import Options, UsageError

LOCAL = True
USAGE = "store restore FILE [flags]"
EXAMPLES = (("Into the default cluster", "kctl down && kctl store restore monday.db && kctl up"),)
FLAGS = CLUSTER_FLAGS


def run(options: Options) -> int:
    if len(options.args) != 1:
        raise UsageError("store restore takes the name of a file that `kctl store snapshot` wrote")
    from standalone.store_move import restore

    name, where = chosen(options.cluster, options)
    file = Path(options.args[0])
    done = moved(lambda now: restore(where, file, now))
    if done is None:
        return 1
    print(
        f"{done.objects} objects as of revision {done.revision} are back; `kctl up {name}` starts with them"
    )
    if done.kept:
        print(f"what stood there before is kept at {done.kept}")
    return 0
