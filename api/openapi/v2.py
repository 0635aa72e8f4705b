"""Everything served as one OpenAPI 2.0 (swagger) document, for clients from before version 3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.openapi.paths import PARAMETERS, Operation, operations
from api.openapi.schemas import META, Components, Dialect
from api.openapi.v3 import CODES, subresource_schema
from api.resource import Resource

Json = dict[str, Any]

_DIALECT = Dialect("#/definitions/", is_v3=False)


def document_v2(resources: Iterable[Resource], version: str = "v1.36.0") -> Json:
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
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(components.found.items())),
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


def _path_item(operation: Operation) -> Json:
    return {
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "type": "string"}
                for name in operation.path_parameters()
            ),
            _query("pretty"),
        ]
    }


def _query(name: str) -> Json:
    return {"name": name, "in": "query", "type": PARAMETERS[name][0], "description": PARAMETERS[name][1]}


def _operation(operation: Operation, refs: dict[str, Json], components: Components) -> Json:
    if "any" in (operation.body, operation.answer):
        schema = subresource_schema(*operation.spoken)
        if schema is not None:
            refs = {**refs, "any": components.add(schema)}
    parameters: list[Json] = []
    if operation.body:
        parameters.append(
            {
                "name": "body",
                "in": "body",
                "schema": refs[operation.body],
                **({"required": True} if operation.body != "delete" else {}),
            }
        )
    parameters += [_query(name) for name in operation.query]
    return {
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
        "consumes": list(operation.consumes),
        "produces": ["application/json", "application/yaml"],
        "parameters": parameters,
        "responses": {
            **{
                str(code): {"description": CODES[code], "schema": refs[operation.answer]}
                for code in operation.codes
            },
            "401": {"description": "Unauthorized"},
        },
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {
            "group": operation.group,
            "kind": operation.kind,
            "version": operation.version,
        },
    }
