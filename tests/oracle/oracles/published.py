"""What is published of a definition: the components of its kind and of its lists, and its operations, in OpenAPI v3 and v2. Asked of
apiextensions-apiserver's builders.

Not compared: descriptions that are upstream's own sentences (only the author's are), types that are not the definition's, and what
`_ACCEPTED` names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from oracles.process import Answer, Ask, Request

from api.apiextensions.v1.customresource import resources_of
from api.apiextensions.v1.schema_words import is_readable
from api.openapi import document_v2, document_v3

Json = dict[str, Any]
_ENVELOPE = ("apiVersion", "kind", "metadata")
_METHODS = ("get", "put", "post", "delete", "patch")
# Parameters of features that are off in both (shards, unsafe deletes).
_ACCEPTED = {"shardSelector", "ignoreStoreReadErrorWithClusterBreakingPotential"}


def fresh(rng: random.Random, ask: Ask) -> Iterator[tuple[Request, Answer]]:
    definition = definition_of(rng)
    for version in definition["spec"]["versions"]:
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None and not is_readable(schema):
            continue  # refused by both
        for v2 in (False, True):
            request = {"fn": "published", "definition": definition, "version": version["name"], "v2": v2}
            answer = ask(request)
            yield request, {"out": _shown(answer["out"], definition, v2=v2)} if "out" in answer else answer


def definition_of(rng: random.Random) -> Json:
    group = rng.choice(("example.com", "a.b.example.k8s.io", "my-group.io", "x1.io"))
    kind = rng.choice(("Widget", "Ingress", "Odd", "URLMap"))
    plural = kind.lower() + "s"
    names = {
        "plural": plural,
        "kind": kind,
        "listKind": rng.choice((f"{kind}List", "Several")),
        "singular": kind.lower(),
    }
    spec: Json = {
        "group": group,
        "scope": rng.choice(("Namespaced", "Cluster")),
        "names": names,
        "versions": [
            _version(rng, name, storage=name == "v1") for name in ("v1", "v1beta1")[: rng.randint(1, 2)]
        ],
    }
    if rng.random() < 0.1:
        spec["preserveUnknownFields"] = True
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


def _version(rng: random.Random, name: str, *, storage: bool) -> Json:
    out: Json = {"name": name, "served": True, "storage": storage}
    if rng.random() < 0.2:
        out["deprecated"] = True
    if rng.random() < 0.9:
        root = _node(rng, 3, "object")
        for word in ("additionalProperties", "x-kubernetes-embedded-resource"):
            root.pop(word, None)
        if metadata := (root.get("properties") or {}).get("metadata"):
            # Lists of nothing forbid there, until the definition is read again from where it is stored without them.
            root["properties"]["metadata"] = {word: value for word, value in metadata.items() if value != []}
        if rng.random() < 0.1:
            root[rng.choice(("type", "description"))] = rng.choice(("", "string", "object"))
        out["schema"] = {"openAPIV3Schema": root}
    sub: Json = {}
    if rng.random() < 0.4:
        sub["status"] = {}
    if rng.random() < 0.3:
        sub["scale"] = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    if sub or rng.random() < 0.2:
        out["subresources"] = sub
    if rng.random() < 0.2:
        out["selectableFields"] = [
            {"jsonPath": path} for path in (".spec.a", ".spec.b.c")[: rng.randint(1, 2)]
        ]
    return out


def _node(rng: random.Random, depth: int, kind: str = "") -> Json:
    kind = kind or rng.choice(
        ("object",) * 3 + ("array", "string", "string", "integer", "number", "boolean", "", "")
    )
    out: Json = {"type": kind} if kind else {}
    if kind == "" and rng.random() < 0.7:
        out["x-kubernetes-int-or-string"] = True
    elif (kind in ("object", "") and rng.random() < 0.25) or kind == "":
        out["x-kubernetes-preserve-unknown-fields"] = True
    _generic(rng, out)
    if depth and kind == "object":
        if rng.random() < 0.2:
            out["additionalProperties"] = rng.choice((True, False, _node(rng, depth - 1)))
        else:
            names = rng.sample(("spec", "status", "a", "b", "c", *_ENVELOPE), rng.randint(0, 4))
            out["properties"] = {
                name: _node(rng, depth - 1, "object" if name == "metadata" else "") for name in names
            }
            if rng.random() < 0.5:
                out["required"] = rng.sample(("a", "b", "kind", "status"), rng.randint(0, 3))
        if rng.random() < 0.2:
            out["x-kubernetes-embedded-resource"] = True
        if rng.random() < 0.15:
            out["x-kubernetes-map-type"] = rng.choice(("granular", "atomic"))
    elif kind == "object":
        if rng.random() < 0.2:
            out["x-kubernetes-embedded-resource"] = True
    elif kind == "array":
        out["items"] = _node(rng, max(depth - 1, 0))
        if rng.random() < 0.3:
            out["x-kubernetes-list-type"] = rng.choice(("atomic", "set", "map"))
        if rng.random() < 0.2:
            out["x-kubernetes-list-map-keys"] = rng.choice((["a"], ["a", "b"], []))
    if rng.random() < 0.3:
        out |= _values(rng, 2)
    if rng.random() < 0.15 and out.get("x-kubernetes-int-or-string"):
        either = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
        out |= rng.choice((either, {"allOf": [either]}, {"allOf": [either, {"minimum": 1}]}))
    return out


def _generic(rng: random.Random, out: Json) -> None:
    for word, values in (
        ("description", ("What it is.", "")),
        ("title", ("T", "")),
        ("nullable", (True, True, False)),
        ("default", (1, "x", {"a": None, "b": {}}, [], False, None)),
        ("example", ("e", {"x": 1}, None)),
        ("externalDocs", ({"description": "d", "url": "u"},)),
        ("format", ("int32", "date-time", "")),
        ("x-kubernetes-validations", ([{"rule": "self == self", "message": "m"}], [])),
    ):
        if rng.random() < 0.12:
            out[word] = rng.choice(values)


def _values(rng: random.Random, depth: int) -> Json:
    out: Json = {}
    for word, values in (
        ("minimum", (0, 1.5, -2)),
        ("maximum", (0, 10)),
        ("exclusiveMinimum", (True, False)),
        ("exclusiveMaximum", (True, False)),
        ("minLength", (0, 3)),
        ("maxLength", (0, 9)),
        ("pattern", ("^a$", "")),
        ("minItems", (0, 1)),
        ("maxItems", (0, 5)),
        ("uniqueItems", (False,)),
        ("multipleOf", (2, 0.5)),
        ("enum", (["a", None, 1, {"x": 1}], [])),
        ("minProperties", (0, 1)),
        ("maxProperties", (0, 4)),
        ("required", (["a"], ["b", "a"], [])),
        ("format", ("ipv4",)),
    ):
        if rng.random() < 0.12:
            out[word] = rng.choice(values)
    if depth:
        for word in ("allOf", "anyOf", "oneOf"):
            if rng.random() < 0.15:
                out[word] = [_values(rng, depth - 1) for _ in range(rng.randint(0, 2))]
        if rng.random() < 0.15:
            out["not"] = _values(rng, depth - 1)
    return out


def ours(request: Request) -> Answer:
    definition = request["definition"]
    resources = [each for each in resources_of(definition) if each.gvr.version == request["version"]]
    document = (document_v2 if request["v2"] else document_v3)(resources)
    return {"out": _shown(document, definition, v2=request["v2"])}


def difference(request: Request, theirs: Answer, mine: Answer) -> str:
    if theirs == mine:
        return ""
    if "out" not in theirs:
        return f"theirs {theirs}"
    return "\n".join(_differences(theirs["out"], mine["out"], "")[:12])


def _differences(theirs: Any, mine: Any, path: str) -> list[str]:
    if isinstance(theirs, dict) and isinstance(mine, dict):
        return [
            line
            for key in sorted(theirs.keys() | mine.keys())
            for line in _differences(theirs.get(key, "<absent>"), mine.get(key, "<absent>"), f"{path}/{key}")
        ]
    return [] if theirs == mine else [f"{path}\n  theirs {theirs!r}\n  mine   {mine!r}"]


def _shown(document: Json, definition: Json, *, v2: bool) -> Json:
    """What is compared of a whole document."""
    schemas = document["definitions"] if v2 else document["components"]["schemas"]
    own = ".".join(reversed(definition["spec"]["group"].split("."))) + "."
    shared = {f"#/parameters/{name}": each for name, each in document.get("parameters", {}).items()}
    return {
        "schemas": {name: _schema(each) for name, each in schemas.items() if name.startswith(own)},
        "operations": {
            f"{method.upper()} {path}": _operation(item, item[method], shared, v2=v2)
            for path, item in document["paths"].items()
            for method in _METHODS
            if method in item
        },
    }


def _schema(schema: Json) -> Json:
    """Without the descriptions of what every object and every list has, which are each server's own."""
    out = dict(schema)
    gvks = out.get("x-kubernetes-group-version-kind") or ()
    if any(gvk["kind"] in ("Several",) or gvk["kind"].endswith("List") for gvk in gvks):
        out.pop("description", None)
        out["properties"] = {name: _undescribed(each) for name, each in out["properties"].items()}
    return _without_own(out, whole=bool(gvks))


def _without_own(node: Any, *, whole: bool = False) -> Any:
    if isinstance(node, list):
        return [_without_own(each) for each in node]
    if not isinstance(node, dict):
        return node
    out = {key: _without_own(value) for key, value in node.items()}
    if (whole or out.get("x-kubernetes-embedded-resource")) and isinstance(out.get("properties"), dict):
        properties = out["properties"]
        out["properties"] = {k: _undescribed(v) if k in _ENVELOPE else v for k, v in properties.items()}
    return out


def _undescribed(node: Json) -> Json:
    return {key: value for key, value in node.items() if key != "description"}


def _operation(item: Json, operation: Json, shared: Json, *, v2: bool) -> Json:
    told = [
        shared.get(each.get("$ref"), each)
        for each in (*item.get("parameters", ()), *operation.get("parameters", ()))
    ]
    parameters = {
        f"{each['in']} {each['name']}": [
            each.get("required", False),
            (each.get("schema") or each).get("type"),
        ]
        for each in told
        if each["name"] not in _ACCEPTED
    }
    out = {
        "parameters": parameters,
        "action": operation["x-kubernetes-action"],
        "kind": operation["x-kubernetes-group-version-kind"],
        "id": operation["operationId"],
        "tags": operation["tags"],
    }
    if v2:
        bodies = [each["schema"] for each in told if each["in"] == "body"]
        out["body"] = [sorted(operation["consumes"]), bodies]
        out["answers"] = {code: each.get("schema") for code, each in operation["responses"].items()}
        out["produces"] = sorted(operation["produces"])
    else:
        out["body"] = operation.get("requestBody")
        out["answers"] = {code: each.get("content") for code, each in operation["responses"].items()}
    return out
