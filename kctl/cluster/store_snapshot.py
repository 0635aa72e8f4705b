"""`kctl store snapshot FILE`: all objects of a cluster, running or not, as of one moment."""

from __future__ import annotations

from pathlib import Path

from kctl.cluster.chosen import chosen
from kctl.cluster.store import CLUSTER_FLAGS, moved
from kctl.flags import Options, UsageError

LOCAL = True
USAGE = "store snapshot FILE [flags]"
EXAMPLES = (("Of the default cluster", "kctl store snapshot monday.db"),)
FLAGS = CLUSTER_FLAGS


def run(options: Options) -> int:
    if len(options.args) != 1:
        raise UsageError("store snapshot takes the name of the file to write")
    from standalone.store_move import snapshot

    (_, where), file = chosen(options.cluster, options), Path(options.args[0])
    done = moved(lambda now: snapshot(where, file, now))
    if done is None:
        return 1
    print(f"{done.objects} objects as of revision {done.revision} are in {file}")
    if (where.store / "encryption.key").exists():
        print(f"Secrets in it are sealed: keep {where.store / 'encryption.key'} too")
    return 0
