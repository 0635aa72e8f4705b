"""The same questions of every kind of kinds.yaml, as scenarios that upstream_scenario.py runs.

`a` is made of the minimal document, `b` of the rich one, `c` is applied. What is asked of them, in this order: what is there after a create;
replacing with nothing changed, with a change, with something that may not be, of another state, under another name; the status by
its own endpoint and by the main one; patches of each type; two appliers; a table; verbs that are not served; deletes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kube120_older import OLDER
from upstream_cases import expanded
from upstream_scenario import load_yaml

Obj = dict[str, Any]

HERE = Path(__file__).parent
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
_TABLE_PARTS = [
    "columnDefinitions.*.name",
    "columnDefinitions.*.type",
    "columnDefinitions.*.format",
    "columnDefinitions.*.priority",
    "rows.*.cells",
]


def scenarios(old: bool = False) -> list[Obj]:
    """`old`: under the paths and versions of 1.20."""
    kinds = load_yaml(HERE / "kinds.yaml")["kinds"]
    return expanded([_scenario(kind, old) for kind in kinds])


def tables(old: bool = False) -> list[Obj]:
    """What tables show of the objects of tables.yaml."""
    return expanded([_table(told, old) for told in load_yaml(HERE / "tables.yaml")])


def _table(told: Obj, old: bool) -> Obj:
    path, name = _path(told, old), f"table-{told['kind'].lower()}"
    document = {"apiVersion": _api_version(path), "kind": told["kind"], **told["from"]}
    steps: list[Obj] = []
    for number, case in enumerate(told["cases"]):
        at = f"{path}/{name}-{number}"
        change = {**case.get("with", {}), "metadata/name": f"{name}-{number}"}
        steps.append({"do": f"POST {path}", "from": "made", "with": change, "quiet": True})
        if "status" in case:
            change = {"status": case["status"]}
            steps.append(
                {"now": at, "do": f"PUT {at}/status", "from": "${now}", "with": change, "quiet": True}
            )
        shown = {"do": f"GET {at}?includeObject=None", "headers": TABLE, "pick": _TABLE_PARTS}
        steps.append({**shown, "note": case["note"]})
        if "$NS" not in path:
            steps.append({"do": f"DELETE {at}", "quiet": "any"})
    return {"name": name, "let": {"made": document}, "setup": [_ACCOUNT], "steps": steps}


def _path(told: Obj, old: bool) -> str:
    path: str = told["path"]
    version = _api_version(path)
    older = OLDER.get(f"{version} {told['kind']}")
    return path.replace(version, older) if old and older else path


def _api_version(path: str) -> str:
    _, root, *rest = path.split("/")
    return rest[0] if root == "api" else "/".join(rest[:2])


def _scenario(kind: Obj, old: bool) -> Obj:
    path = _path(kind, old)
    name = kind.get("name", kind["kind"].lower())
    asked = _Kind(kind, path, kind.get("names") or [f"{name}-{each}" for each in "abc"])
    applied = asked.document("applied", asked.names[2])
    return {"name": name, "let": {"applied": applied}, "setup": [_ACCOUNT], "steps": list(asked.steps())}


_ACCOUNT = {
    "do": "POST /api/v1/namespaces/$NS/serviceaccounts",
    "body": {"metadata": {"name": "default"}, "automountServiceAccountToken": False},
    "quiet": "any",
}


class _Kind:
    def __init__(self, told: Obj, path: str, names: list[str]) -> None:
        self.told, self.path, self.names = told, path, names
        self.a, self.b, self.c = (f"{path}/{name}" for name in names)

    def document(self, which: str, name: str) -> Obj:
        document: Obj = self.told[which if which in self.told else "minimal"]
        meta = {**document.get("metadata", {}), "name": name}
        return {
            "apiVersion": _api_version(self.path),
            "kind": self.told["kind"],
            **document,
            "metadata": meta,
        }

    def _put(
        self, note: str, change: Obj | None = None, *, sub: str = "", without: Sequence[str] = ()
    ) -> Obj:
        return {
            "now": self.a,
            "do": f"PUT {self.a}{sub}",
            "from": "${now}",
            "note": note,
            "with": change or {},
            "without": without,
        }

    def steps(self) -> Iterator[Obj]:
        told, path, a, b, c = self.told, self.path, self.a, self.b, self.c
        minimal = self.document("minimal", self.names[0])
        yield {"do": f"POST {path}?fieldManager=one", "note": "minimal", "body": minimal}
        yield {
            "do": f"POST {path}?fieldManager=one",
            "note": "rich",
            "body": self.document("rich", self.names[1]),
        }
        yield {"do": f"POST {path}", "note": "there already", "body": minimal}
        yield {"do": f"POST {path}", "note": "of another kind", "body": {**minimal, "kind": "Other"}}
        yield {"do": f"POST {path}", "note": "of another group", "body": {**minimal, "apiVersion": "x.y/v1"}}
        yield {"do": f"GET {path}/none"}
        yield self._put("unchanged")
        yield self._put("changed", told["change"])
        if "wrong" in told:
            yield self._put("wrong", told["wrong"])
        yield self._put("of another state", {"metadata/resourceVersion": "1"})
        yield self._put("of no state", without=["metadata/resourceVersion"])
        yield self._put("under another name", {"metadata/name": "other"})
        yield self._put("of another object", {"metadata/uid": "00000000-0000-0000-0000-000000000000"})
        yield {**self._put("gone"), "do": f"PUT {path}/none", "with": {"metadata/name": "none"}}
        yield from self._status()
        yield {
            "do": f"PATCH:merge {a}",
            "body": {"metadata": {"labels": {"m": "n"}, "annotations": {"o": "p"}}},
        }
        yield {
            "do": f"PATCH:json {a}",
            "body": [{"op": "replace", "path": "/metadata/labels/m", "value": "q"}],
        }
        yield {
            "do": f"PATCH:json {a}",
            "note": "missing",
            "body": [{"op": "remove", "path": "/metadata/labels/z"}],
        }
        yield {
            "do": f"PATCH:strategic {a}",
            "body": told.get("strategic", {"metadata": {"labels": {"m": None}}}),
        }
        yield {"do": f"PATCH:merge {path}/none", "body": {"metadata": {"labels": {"m": "n"}}}}
        yield from self._applied()
        if told.get("scale"):
            yield from self._scaled()
        yield {"do": f"GET {a}?includeObject=None", "note": "table", "headers": TABLE, "pick": _TABLE_PARTS}
        yield {"do": f"GET {b}?includeObject=None", "note": "table", "headers": TABLE, "pick": _TABLE_PARTS}
        for line in (
            f"PUT {path}",
            f"PATCH:merge {path}",
            f"POST {a}",
            f"PUT {a}/nothing",
            f"GET {a}/nothing",
        ):
            yield {"do": line, "body": {}} if not line.startswith("GET") else {"do": line}
        yield {"do": f"DELETE {a}?dryRun=All", "only": "status"}
        yield {"do": f"DELETE {a}", "note": "another object", "body": {"preconditions": {"uid": "x"}}}
        yield {"do": f"DELETE {a}", "note": "now"}
        yield {"do": f"DELETE {path}/none"}
        if "$NS" in path:
            yield {
                "do": f"DELETE {path}",
                "note": "all that are left",
                "pick": ["kind", "items.*.metadata.name", "status"],
            }
        else:
            yield {"do": f"DELETE {b}", "quiet": "any"}
            yield {"do": f"DELETE {c}", "quiet": "any"}

    def _status(self) -> Iterator[Obj]:
        yield {"do": f"GET {self.a}/status", "pick": ["kind", "metadata.name", "message", "code"]}
        if "status" not in self.told:
            return
        change = {
            "status": self.told["status"],
            "metadata/labels": {"by": "status"},
            "metadata/annotations": {"by": "status"},
        }
        yield self._put("status", {**self.told["change"], **change}, sub="/status?fieldManager=two")
        yield self._put("no status", without=["status"])
        yield {
            "do": f"PATCH:merge {self.a}/status",
            "body": {"status": self.told["status"], "metadata": {"labels": {"by": "patch"}}},
        }

    def _applied(self) -> Iterator[Obj]:
        document = self.document("applied", self.names[2])
        first = {"do": f"PATCH:apply {self.c}?fieldManager=one", "body": document}
        yield {**first, "note": "new"}
        yield {**first, "note": "the same"}
        second = {
            "do": f"PATCH:apply {self.c}?fieldManager=two",
            "from": "applied",
            "with": self.told["change"],
        }
        yield {**second, "note": "another"}
        yield {**second, "do": f"{second['do']}&force=true", "note": "with force"}
        bare = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
        yield {"do": f"PATCH:apply {self.c}?fieldManager=two", "note": "nothing any more", "body": bare}

    def _scaled(self) -> Iterator[Obj]:
        a = self.a
        yield {"do": f"GET {a}/scale"}
        yield {"now": f"{a}/scale", "do": f"PUT {a}/scale", "from": "${now}", "with": {"spec/replicas": 7}}
        yield {
            "now": f"{a}/scale",
            "do": f"PUT {a}/scale",
            "from": "${now}",
            "note": "wrong",
            "with": {"spec/replicas": -7},
        }
        yield {"do": f"PATCH:merge {a}/scale", "body": {"spec": {"replicas": 2}}}
        yield {"do": f"GET {a}", "note": "scaled", "pick": ["spec.replicas", "metadata.generation"]}
