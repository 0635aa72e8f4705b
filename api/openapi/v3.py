"""One group-version as an OpenAPI 3.0 document. Source: Kubernetes KEP-2896."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.openapi.paths import PARAMETERS, Operation, operations
from api.openapi.schemas import META, Components, Dialect
from api.resource import Resource
from machinery.schema import Schema

Json = dict[str, Any]

CODES = {200: "OK", 201: "Created", 202: "Accepted"}
_DIALECT = Dialect("#/components/schemas/", is_v3=True)


def document_v3(resources: Iterable[Resource], version: str = "v1.36.0") -> Json:
    """The document of one group-version; `resources` are all that it serves."""
    components = Components(_DIALECT)
    paths: dict[str, Json] = {}
    refs = _common_refs(components)
    for resource in resources:
        here = {
            **refs,
            "object": components.add_kind(resource),
            "list": components.add_list(resource),
        }
        for operation in operations(resource):
            at = paths.setdefault(operation.path, _path_item(operation))
            at[operation.method] = _operation(operation, here, components)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.found.items()))},
    }


def _common_refs(components: Components) -> dict[str, Json]:
    from api.meta.v1 import DeleteOptions, Status
    from api.schema import schema_of

    name = f"{META}.Patch"
    components.found[name] = {"description": "A patch, in the form its content type says.", "type": "object"}
    return {
        "delete": components.add(schema_of(DeleteOptions)),
        "status": components.add(schema_of(Status)),
        "patch": components.ref(name),
        "text": {"type": "string"},
        "any": {"type": "object"},
    }


def subresource_schema(kind: str, group: str, version: str) -> Schema | None:
    """The type that a subresource of another kind speaks: Scale, Binding, Eviction, TokenRequest."""
    from api import registry

    found = registry.bodies().get((group, version, kind))
    return found.schema() if found else None


def _path_item(operation: Operation) -> Json:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"{name} of the object" if name == "name" else "the namespace it is in",
            "schema": {"type": "string", "uniqueItems": True},
        }
        for name in operation.path_parameters()
    ]
    return {"parameters": [*parameters, _query("pretty")]}


def _query(name: str) -> Json:
    kind, description = PARAMETERS[name]
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": kind, "uniqueItems": True},
    }


def _operation(operation: Operation, refs: dict[str, Json], components: Components) -> Json:
    refs = _refs_for(operation, refs, components)
    out: Json = {
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
    }
    if operation.query:
        out["parameters"] = [_query(name) for name in operation.query]
    if operation.body:
        out["requestBody"] = {
            "content": {each: {"schema": refs[operation.body]} for each in operation.consumes},
            **({"required": True} if operation.body != "delete" else {}),
        }
    answers = {str(code): _answer(refs[operation.answer], CODES[code]) for code in operation.codes}
    out["responses"] = {**answers, "401": {"description": "Unauthorized"}}
    out["x-kubernetes-action"] = operation.action
    out["x-kubernetes-group-version-kind"] = {
        "group": operation.group,
        "kind": operation.kind,
        "version": operation.version,
    }
    return out


def _refs_for(operation: Operation, refs: dict[str, Json], components: Components) -> dict[str, Json]:
    if "any" not in (operation.body, operation.answer):
        return refs
    schema = subresource_schema(*operation.spoken)
    return refs if schema is None else {**refs, "any": components.add(schema)}


def _answer(schema: Json, description: str) -> Json:
    if schema == {"type": "string"}:
        return {"description": description, "content": {"text/plain": {"schema": schema}}}
    types = ("application/json", "application/yaml")
    return {"description": description, "content": {each: {"schema": schema} for each in types}}
