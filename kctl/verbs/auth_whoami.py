"""`kctl auth whoami`: who the API server takes this caller for."""

from __future__ import annotations

from kctl.flags import Options
from kctl.printers.table import TablePrinter
from kctl.selection import OUTPUT
from kctl.session import Session

USAGE = "auth whoami [flags]"
EXAMPLES = (("Who am I", "kctl auth whoami"),)
FLAGS = (OUTPUT,)


def run(options: Options, session: Session) -> int:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = session.rest.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", (), review)
    if options.output:
        from kctl.printers.printer import parse_output

        parse_output(options.output).print_all(session.out, [answer], as_list=False)
        return 0
    info = answer["status"]["userInfo"]
    rows: list[tuple[str, str]] = [("Username", info.get("username", ""))]
    if info.get("uid"):
        rows.append(("UID", info["uid"]))
    rows.append(("Groups", "[" + " ".join(info.get("groups") or ()) + "]"))
    rows += [(f"Extra: {k}", "[" + " ".join(v) + "]") for k, v in sorted((info.get("extra") or {}).items())]
    TablePrinter(session.out).print(("ATTRIBUTE", "VALUE"), rows)
    return 0
