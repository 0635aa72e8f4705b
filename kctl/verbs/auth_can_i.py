"""`kctl auth can-i`: yes or no; exit code 1 for no."""

from __future__ import annotations

from typing import Any

from kctl.failure import Failure
from kctl.flags import Flag, Options
from kctl.printers.table import TablePrinter
from kctl.session import Session

USAGE = "auth can-i VERB (TYPE | TYPE/NAME | NONRESOURCEURL) [flags]"
EXAMPLES = (
    ("May I create pods here", "kctl auth can-i create pods"),
    ("All I may", "kctl auth can-i --list"),
)
FLAGS = (
    Flag("all-namespaces", "A", type="bool", default=False, help="in all namespaces"),
    Flag("subresource", default="", help="a subresource, such as log"),
    Flag("list", type="bool", default=False, help="list everything that is allowed"),
    Flag("quiet", "q", type="bool", default=False, help="answer by the exit code alone"),
    Flag("no-headers", type="bool", default=False, help="rows without the header"),
)
_GROUP = "/apis/authorization.k8s.io/v1"


def run(options: Options, session: Session) -> int:
    namespace = "" if options.all_namespaces else session.namespace
    if options.list:
        return _list(options, session, namespace)
    if len(options.args) not in (2, 3):
        raise Failure("you must specify two or three arguments: verb, resource, and optional resourceName")
    verb, what = options.args[0], options.args[1]
    spec: dict[str, Any]
    if what.startswith("/"):
        spec = {"nonResourceAttributes": {"verb": verb, "path": what}}
    else:
        kind, _, name = what.partition("/")
        name = options.args[2] if len(options.args) == 3 else name
        spec = {
            "resourceAttributes": {
                "verb": verb,
                **_resource(session, kind, namespace),
                "name": name,
                "subresource": options.subresource,
            }
        }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    status = session.rest.request("POST", f"{_GROUP}/selfsubjectaccessreviews", (), review)["status"]
    allowed = bool(status.get("allowed"))
    if not options.quiet:
        reason = f" - {status['reason']}" if not allowed and status.get("reason") else ""
        print("yes" if allowed else f"no{reason}", file=session.out)
    return 0 if allowed else 1


def _resource(session: Session, word: str, namespace: str) -> dict[str, str]:
    if word == "*":
        return {"group": "*", "resource": "*", "namespace": namespace}
    try:
        gvr = session.mapper.find(word).gvr
    except Failure:
        session.warn(f"the server doesn't have a resource type '{word}'")
        return {"resource": word, "namespace": namespace}
    if not gvr.namespaced:
        session.warn(
            f"resource '{gvr.resource}' is not namespace scoped"
            + (f" in group '{gvr.group}'" if gvr.group else "")
        )
        namespace = ""
    return {"group": gvr.group, "resource": gvr.resource, "namespace": namespace}


def _list(options: Options, session: Session, namespace: str) -> int:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace or "default"},
    }
    status = session.rest.request("POST", f"{_GROUP}/selfsubjectrulesreviews", (), review)["status"]

    def show(words: list[str] | None) -> str:
        return "[" + " ".join(words or ()) + "]"

    rows = [
        (
            f"{resource}.{group}" if group else resource,
            "[]",
            show(rule.get("resourceNames")),
            show(rule.get("verbs")),
        )
        for rule in status.get("resourceRules") or ()
        for group in rule.get("apiGroups") or [""]
        for resource in rule.get("resources") or ()
    ]
    rows += [
        ("", show(r.get("nonResourceURLs")), "[]", show(r.get("verbs")))
        for r in status.get("nonResourceRules") or ()
    ]
    header = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
    TablePrinter(session.out, headers=not options.no_headers).print(header, rows)
    return 0
