"""`kctl store migrate [CLUSTER] --to STORE`: another store for a stopped cluster, with all its objects."""

from __future__ import annotations

from kctl.cluster.chosen import chosen
from kctl.cluster.store import DATA_DIR, ETCD_FLAGS, etcd_files, moved
from kctl.flags import Flag, Options, UsageError

LOCAL = True
USAGE = "store migrate [CLUSTER] --to STORE [flags]"
EXAMPLES = (
    ("To an etcd of the cluster's own", "kctl store migrate --to etcd"),
    ("To one that runs somewhere", "kctl store migrate lab --to http://10.0.0.5:2379"),
    ("And back", "kctl store migrate --to sqlite"),
)
FLAGS = (
    Flag("to", help="sqlite, etcd, or the address of an etcd"),
    DATA_DIR,
    *ETCD_FLAGS,
)


def run(options: Options) -> int:
    if not options.to or len(options.args) > 1:
        raise UsageError("store migrate takes one cluster name, and --to says where its objects go")
    from standalone.store_move import migrate

    name, where = chosen(options.args[0] if options.args else "", options)
    done = moved(lambda now: migrate(where, options.to, now, etcd_files(options)))
    if done is None:
        return 1
    print(f"{done.objects} objects moved to {options.to}; `kctl up {name}` uses it from now on")
    if done.kept:
        print(f"the old store is still at {done.kept}")
    return 0
