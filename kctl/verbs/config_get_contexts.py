"""`kctl config get-contexts`: the contexts, and which of them is the current one."""

from __future__ import annotations

import sys

from kctl.flags import Flag, Options
from kctl.kubeconfig_edit import CONFIG_FLAGS, merged
from kctl.printers.table import TablePrinter

LOCAL = True
USAGE = "config get-contexts [NAME...] [flags]"
EXAMPLES = (("All", "kctl config get-contexts"), ("Their names", "kctl config get-contexts -o name"))
FLAGS = (
    *CONFIG_FLAGS,
    Flag("output", "o", default="", choices=("", "name"), help="name prints names only"),
    Flag("no-headers", type="bool", default=False, help="rows without the header"),
)


def run(options: Options) -> int:
    config = merged(options.kubeconfig)
    contexts = config["contexts"]
    names = options.args or sorted(contexts)
    missing = [name for name in names if name not in contexts]
    found = [name for name in names if name in contexts]
    if options.output == "name":
        print(*found, sep="\n", end="\n" if found else "")
    else:
        rows = [
            (
                "*" if name == config["current-context"] else "",
                name,
                contexts[name].get("cluster", ""),
                contexts[name].get("user", ""),
                contexts[name].get("namespace", ""),
            )
            for name in found
        ]
        header = ("CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE")
        TablePrinter(sys.stdout, headers=not options.no_headers).print(header, rows)
    for name in missing:
        print(f"error: context {name} not found", file=sys.stderr)
    return 1 if missing else 0
