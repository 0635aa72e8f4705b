"""From an authorized resource request to the engine's verb, and from its result to a Reply.

Dispatch is by the catalog: a resource is served if it stands there, a verb if the Resource lists it, a
subresource if the Resource has it. Named actions (binding, eviction, token, log, ...) are looked up in one table
given from outside; `status` and `scale` are generic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from api.builtin import Body
from api.resource import Obj
from apiserver.engine.bodies import DELETE_OPTIONS, SCALE, BodyName, body
from apiserver.engine.catalog import Served
from apiserver.engine.create import create
from apiserver.engine.decode import decode, parse_json
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import parse_delete
from apiserver.engine.deletecollection import delete_collection
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.get import get
from apiserver.engine.list import list_entries, list_pieces
from apiserver.engine.patch import Patch, patch
from apiserver.engine.revisions import encode_token, parse_list
from apiserver.engine.scale import get_scale, write_scale
from apiserver.engine.update import update
from apiserver.engine.write import admission_request, admit, own_scope, status_scope
from apiserver.http.body import parse_body, parse_yaml
from apiserver.http.negotiation import Accepted, accepted, patch_type
from apiserver.http.reply import Reply
from apiserver.http.request import Request
from apiserver.http.request_info import RequestInfo
from apiserver.http.table import partial_list, partial_of, table_of
from apiserver.http.write_options import dry, write_options
from machinery.errors import BadRequest, MethodNotAllowed, NotAcceptable, NotFound

# An action of a subresource, or the creation of an object that is only an answer (access reviews).
Action = Callable[[Engine, Call, Any], Awaitable[Written]]


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What POST to a subresource does: the type of its body, and the action that gets the decoded body."""

    action: Action
    body: BodyName


class Resources:
    def __init__(
        self,
        engine: Engine,
        actions: Mapping[tuple[str, str, str], ActionSpec],
        creators: Mapping[tuple[str, str], Action],
    ) -> None:
        """`actions`: (group, resource, subresource) → POST. `creators`: (group, resource) → POST that stores nothing."""
        self._engine = engine
        self._actions = actions
        self._creators = creators

    def find(self, info: RequestInfo) -> Served:
        """Raises NotFound for what is not served, MethodNotAllowed for a verb it does not have."""
        served = self._engine.catalog.get(info.group, info.version, info.resource)
        if served is None:
            raise NotFound("the server could not find the requested resource")
        resource = served.resource
        if info.subresource:
            sub = resource.subresources.get(info.subresource)
            if sub is None:
                raise NotFound("the server could not find the requested resource")
            if info.verb not in sub.verbs:
                raise MethodNotAllowed("the server does not allow this method on the requested resource")
        elif info.verb not in resource.verbs or not _is_addressed(info):
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        if resource.namespaced:
            if not info.namespace and (info.name or info.verb == "create"):
                raise NotFound("the server could not find the requested resource")
        elif info.namespace and info.resource != "namespaces":
            raise NotFound("the server could not find the requested resource")
        return served

    def call(self, request: Request, served: Served) -> Call:
        info = request.info
        namespace = info.namespace if served.resource.namespaced else ""
        call = Call(
            served,
            request.user,
            namespace,
            info.name,
            info.subresource,
            warnings=request.warnings,
            annotations=request.annotations,
        )
        if served.deprecation:
            call.warnings.append(served.deprecation)
        if info.verb not in ("get", "list", "watch"):
            call.options = write_options(request)
        return call

    async def handle(self, request: Request) -> Reply:
        served = self.find(request.info)
        call = self.call(request, served)
        shape = accepted(request.header(b"accept"))
        verb, subresource = request.info.verb, request.info.subresource
        if subresource:
            return await self._subresource(request, call, shape)
        if verb == "get":
            entry = await get(call, parse_list(request.query) if request.query else None)
            if shape.shape == "object":
                return self._reply(shape, 200, entry.data)
            return self._object(request, call, shape, 200, served.load(entry))
        if verb == "list":
            return await self._list(request, call, shape)
        if verb == "create":
            return await self._create(request, call, shape)
        if verb == "update":
            written = await update(self._engine, call, self._decoded(request, call))
            return self._written(request, call, shape, written)
        if verb == "patch":
            written = await patch(self._engine, call, self._patch(request, call), None)
            return self._written(request, call, shape, written)
        if verb == "delete":
            options = parse_delete(self._delete_body(request), request.query)
            if options.dry_run:
                call.options = dry(call.options)
            written = await delete(self._engine, call, options)
            return self._written(request, call, shape, written)
        if verb == "deletecollection":
            options = parse_delete(self._delete_body(request), request.query)
            if options.dry_run:
                call.options = dry(call.options)
            written = await delete_collection(self._engine, call, parse_list(request.query), options)
            return Reply(written.status, written.data)
        raise MethodNotAllowed("the server does not allow this method on the requested resource")

    async def _create(self, request: Request, call: Call, shape: Accepted) -> Reply:
        obj = self._decoded(request, call)
        creator = self._creators.get((call.group, call.plural))
        if creator is not None and shape.shape != "object":
            # An answer, no object: it has no metadata and no columns.
            raise NotAcceptable(
                "only the following media types are accepted: application/json, application/yaml"
            )
        if creator is None:
            written = await create(self._engine, call, obj)
        else:
            await admit(self._engine, admission_request(self._engine, call, "CREATE", obj, None))
            written = await creator(self._engine, call, obj)
        return self._written(request, call, shape, written)

    async def _subresource(self, request: Request, call: Call, shape: Accepted) -> Reply:
        served, verb, name = call.served, request.info.verb, request.info.subresource
        if name == "scale":
            return await self._scale(request, call, shape)
        rules = served.resource.subresources[name].strategy
        if name == "status" or rules is not None:
            if verb == "get":
                entry = await get(call)
                if shape.shape == "object":
                    return self._reply(shape, 200, entry.data)
                return self._object(request, call, shape, 200, served.load(entry))
            scope = status_scope(served.resource) if rules is None else own_scope(served.resource, rules)
            if verb == "update":
                written = await update(self._engine, call, self._decoded(request, call), scope)
            else:
                written = await patch(self._engine, call, self._patch(request, call), scope)
            return self._written(request, call, shape, written)
        spec = self._actions.get((call.group, call.plural, name))
        if spec is None or verb != "create":
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        obj = self._decoded(request, call, body(spec.body))
        await admit(self._engine, admission_request(self._engine, call, "CREATE", obj, None))
        written = await spec.action(self._engine, call, obj)
        return self._written(request, call, shape, written)

    async def _scale(self, request: Request, call: Call, shape: Accepted) -> Reply:
        if request.info.verb == "get":
            return self._reply(shape, 200, orjson.dumps(await get_scale(call)))
        change: Obj | Patch
        if request.info.verb == "update":
            change = self._decoded(request, call, body(SCALE))
        else:
            change = self._patch(request, call)
        written = await write_scale(self._engine, call, change)
        return self._reply(shape, written.status, written.data)

    async def _list(self, request: Request, call: Call, shape: Accepted) -> Reply:
        options = parse_list(request.query)
        if shape.shape == "object":
            pieces = await list_pieces(call, options)
            if shape.yaml:
                return self._reply(shape, 200, b"".join([piece.data for piece in pieces]))
            return Reply(200, b"", shape.content_type, pieces=pieces)
        result = await list_entries(call, options)
        objects = [call.served.load(entry) for entry in result.entries]
        metadata: dict[str, Any] = {"resourceVersion": str(result.revision)}
        if result.next_key:
            metadata["continue"] = encode_token(result.revision, result.next_key)
            if result.remaining is not None:
                metadata["remainingItemCount"] = result.remaining
        if shape.shape == "Table":
            now = self._engine.clock.now()
            include = request.query.get("includeObject", "Metadata")
            value = table_of(call.served, objects, now, shape.version, include, metadata)
        else:
            value = partial_list(objects, shape.version, metadata)
        return self._reply(shape, 200, orjson.dumps(value))

    def _written(self, request: Request, call: Call, shape: Accepted, written: Written) -> Reply:
        if shape.shape == "object" or written.obj.get("kind") == "Status":
            return self._reply(shape, written.status, written.data)
        return self._object(request, call, shape, written.status, orjson.loads(written.data))

    def _object(self, request: Request, call: Call, shape: Accepted, status: int, obj: Any) -> Reply:
        if shape.shape == "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            include = request.query.get("includeObject", "Metadata")
            now = self._engine.clock.now()
            value = table_of(call.served, [obj], now, shape.version, include, metadata)
        else:
            value = partial_of(obj, shape.version)
        return self._reply(shape, status, orjson.dumps(value))

    def _reply(self, shape: Accepted, status: int, data: bytes) -> Reply:
        if shape.yaml:
            import yaml

            dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
            text = yaml.dump(orjson.loads(data), Dumper=dumper, sort_keys=False, allow_unicode=True)
            return Reply(status, text.encode(), shape.content_type)
        return Reply(status, data, shape.content_type)

    def _decoded(self, request: Request, call: Call, form: Body | None = None) -> Obj:
        resource = call.served.resource
        schema, kind = (resource.schema, resource.kind) if form is None else (form.schema, form.kind)
        request.schema = schema
        parsed = parse_body(request.body, request.header(b"content-type"), schema)
        if parsed is None:
            raise BadRequest(f"the request has no body: a {kind} is expected")
        return decode(call, parsed.data, parsed, form)

    def _delete_body(self, request: Request) -> Any:
        if not request.body:
            return None
        parsed = parse_body(request.body, request.header(b"content-type"), delete_options_schema)
        return None if parsed is None else parsed.data

    def _patch(self, request: Request, call: Call) -> Patch:
        kind = patch_type(request.header(b"content-type"))
        if not request.body:
            raise BadRequest("the request has no body: a patch is expected")
        parsed = parse_yaml(request.body) if kind == "apply-patch" else parse_json(request.body)
        return Patch(kind, parsed.data, parsed)


def _is_addressed(info: RequestInfo) -> bool:
    """POST goes to a collection, PUT and PATCH to an object; the other verbs were told apart by their path."""
    if info.verb == "create":
        return not info.name
    return bool(info.name) or info.verb not in ("update", "patch")


def delete_options_schema() -> Any:
    return body(DELETE_OPTIONS).schema()
