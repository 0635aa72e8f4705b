"""`kctl api-resources`: the resources that the server serves."""

from __future__ import annotations

from kctl.flags import Flag, Options
from kctl.printers.table import TablePrinter
from kctl.session import Session

USAGE = "api-resources [flags]"
EXAMPLES = (
    ("All of them", "kctl api-resources"),
    ("Namespaced ones of a group", "kctl api-resources --api-group=apps --namespaced"),
)
FLAGS = (
    Flag("api-group", help="only of this group; '' for the core"),
    Flag("namespaced", type="bool", help="only namespaced ones, or (=false) only others"),
    Flag("verbs", type="list", default=[], help="only those with these verbs"),
    Flag("categories", type="list", default=[], help="only of these categories"),
    Flag("output", "o", default="", choices=("", "wide", "name"), help="wide or name"),
    Flag("no-headers", type="bool", default=False, help="rows without the header"),
    Flag("sort-by", default="", choices=("", "name", "kind"), help="name or kind"),
    Flag("cached", type="bool", default=False, help="accepted for kubectl's sake", hidden=True),
)


def run(options: Options, session: Session) -> int:
    infos = [info for info in session.mapper.discovered if info.preferred]
    if options.api_group is not None:
        infos = [info for info in infos if info.gvr.group == options.api_group]
    if options.namespaced is not None:
        infos = [info for info in infos if info.gvr.namespaced == options.namespaced]
    infos = [
        i
        for i in infos
        if set(options.verbs) <= set(i.verbs) and set(options.categories) <= set(i.categories)
    ]
    if options.sort_by == "kind":
        infos.sort(key=lambda info: info.gvr.kind)
    elif options.sort_by == "name":
        infos.sort(key=lambda info: info.gvr.resource)
    else:
        infos.sort(key=lambda info: (info.gvr.group, info.gvr.resource))
    if options.output == "name":
        for info in infos:
            print(str(info.gvr), file=session.out)
        return 0
    header = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    rows: list[list[object]] = [
        [i.gvr.resource, ",".join(i.short_names), i.gvr.api_version, i.gvr.namespaced, i.gvr.kind]
        for i in infos
    ]
    if options.output == "wide":
        header += ["VERBS", "CATEGORIES"]
        for row, info in zip(rows, infos, strict=True):
            row += [",".join(sorted(info.verbs)), ",".join(info.categories)]
    TablePrinter(session.out, headers=not options.no_headers).print(header, rows)
    return 0
