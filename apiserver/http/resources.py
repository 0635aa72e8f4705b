"""From an authorized resource request to the engine's verb, and from its result to a Reply.

Dispatch is by the catalog: a resource is served if it stands there, a verb if the Resource lists it, a
subresource if the Resource has it. Named actions (binding, eviction, token, log, ...) are looked up in one table
given from outside; `status` and `scale` are generic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.builtin import Body
from api.resource import Column, Obj
from apiserver.engine.bodies import DELETE_OPTIONS, SCALE, BodyName, body
from apiserver.engine.catalog import Served
from apiserver.engine.create import check_namespace, create
from apiserver.engine.decode import decode, parse_json
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import parse_delete
from apiserver.engine.deletecollection import delete_collection
from apiserver.engine.engine import Call, Engine, Written
from apiserver.engine.get import get
from apiserver.engine.list import list_entries, list_pieces
from apiserver.engine.patch import Patch, patch
from apiserver.engine.query import Query
from apiserver.engine.revisions import encode_token, parse_list
from apiserver.engine.scale import SCALE_COLUMNS, get_scale, write_scale
from apiserver.engine.update import update
from apiserver.engine.write import admission_request, admit, own_scope, status_scope
from apiserver.http.body import parse_body, parse_yaml
from apiserver.http.dispatch import find
from apiserver.http.negotiation import Accepted, accepted, patch_type
from apiserver.http.reply import Reply, in_yaml
from apiserver.http.request import Request
from apiserver.http.request_info import RequestInfo
from apiserver.http.table import included, partial_list, partial_of, table_of
from apiserver.http.write_options import dry, write_options
from machinery.durations import parse_duration
from machinery.errors import BadRequest, MethodNotAllowed, NotAcceptable

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
        return find(self._engine.catalog, info)

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
            body_bytes=len(request.body),
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
        if request.query:
            _refuse_unreadable_timeout(request.query)
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
            written = await update(self._engine, call, await self._decoded(request, call))
            return self._written(request, call, shape, written)
        if verb == "patch":
            written = await patch(self._engine, call, await self._patch(request, call), None)
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
            if shape.shape == "object":
                return self._reply(shape, 200, written.data)
            metadata = {key: value for key, value in written.obj["metadata"].items() if value}
            return self._items(request, call, shape, written.obj["items"], metadata)
        raise MethodNotAllowed("the server does not allow this method on the requested resource")

    async def _create(self, request: Request, call: Call, shape: Accepted) -> Reply:
        obj = await self._decoded(request, call)
        creator = self._creators.get((call.group, call.plural))
        if creator is not None and shape.shape != "object":
            # An answer, no object: it has no metadata and no columns.
            raise NotAcceptable(
                "only the following media types are accepted: application/json, application/yaml"
            )
        if creator is None:
            written = await create(self._engine, call, obj)
        else:
            check_namespace(call, obj)
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
                written = await update(self._engine, call, await self._decoded(request, call), scope)
            else:
                written = await patch(self._engine, call, await self._patch(request, call), scope)
            return self._written(request, call, shape, written)
        spec = self._actions.get((call.group, call.plural, name))
        if spec is None or verb != "create":
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        obj = await self._decoded(request, call, body(spec.body))
        check_namespace(call, obj)
        await admit(self._engine, admission_request(self._engine, call, "CREATE", obj, None))
        written = await spec.action(self._engine, call, obj)
        return self._written(request, call, shape, written)

    async def _scale(self, request: Request, call: Call, shape: Accepted) -> Reply:
        if request.info.verb == "get":
            return self._scale_reply(request, call, shape, 200, orjson.dumps(await get_scale(call)))
        change: Obj | Patch
        if request.info.verb == "update":
            change = await self._decoded(request, call, body(SCALE))
        else:
            change = await self._patch(request, call)
        written = await write_scale(self._engine, call, change)
        return self._scale_reply(request, call, shape, written.status, written.data)

    def _scale_reply(self, request: Request, call: Call, shape: Accepted, status: int, data: bytes) -> Reply:
        if shape.shape == "object":
            return self._reply(shape, status, data)
        return self._object(request, call, shape, status, orjson.loads(data), SCALE_COLUMNS)

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
        return self._items(request, call, shape, objects, metadata)

    def _items(
        self, request: Request, call: Call, shape: Accepted, objects: list[Obj], metadata: Obj
    ) -> Reply:
        if shape.shape == "Table":
            now = self._engine.clock.now()
            include = included(request.query, shape)
            value = table_of(call.served.resource.columns, objects, now, shape.version, include, metadata)
        else:
            _refuse_other_number(shape, call, is_list=True)
            value = partial_list(objects, shape.version, metadata)
        return self._reply(shape, 200, orjson.dumps(value))

    def _written(self, request: Request, call: Call, shape: Accepted, written: Written) -> Reply:
        if shape.shape == "object" or written.obj.get("kind") == "Status":
            return self._reply(shape, written.status, written.data)
        return self._object(request, call, shape, written.status, orjson.loads(written.data))

    def _object(
        self,
        request: Request,
        call: Call,
        shape: Accepted,
        status: int,
        obj: Any,
        columns: Sequence[Column] | None = None,
    ) -> Reply:
        if shape.shape == "Table":
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            include = included(request.query, shape)
            now = self._engine.clock.now()
            columns = columns if columns is not None else call.served.resource.columns
            value = table_of(columns, [obj], now, shape.version, include, metadata)
        else:
            _refuse_other_number(shape, call, is_list=False)
            value = partial_of(obj, shape.version)
        return self._reply(shape, status, orjson.dumps(value))

    def _reply(self, shape: Accepted, status: int, data: bytes) -> Reply:
        reply = Reply(status, data)
        return in_yaml(reply) if shape.yaml else reply

    async def _decoded(self, request: Request, call: Call, form: Body | None = None) -> Obj:
        resource = call.served.resource
        schema, kind = (resource.schema, resource.kind) if form is None else (form.schema, form.kind)
        request.schema = schema

        def read() -> Obj:
            parsed = parse_body(request.body, request.header(b"content-type"), schema)
            if parsed is None:
                raise BadRequest(
                    f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
                    "json parse error: unexpected end of JSON input (<empty>)"
                )
            return decode(call, parsed.data, parsed, form)

        return await self._engine.do(len(request.body), read)

    def _delete_body(self, request: Request) -> Any:
        if not request.body:
            return None
        parsed = parse_body(request.body, request.header(b"content-type"), delete_options_schema)
        return None if parsed is None else parsed.data

    async def _patch(self, request: Request, call: Call) -> Patch:
        kind = patch_type(request.header(b"content-type"), strategic=not call.served.resource.custom)
        if not request.body:
            raise BadRequest("error decoding patch: unexpected end of JSON input")
        parse = parse_yaml if kind == "apply-patch" else parse_json
        parsed = await self._engine.do(len(request.body), lambda: parse(request.body))
        return Patch(kind, parsed.data, parsed)


def _refuse_other_number(shape: Accepted, call: Call, *, is_list: bool) -> None:
    """Raises NotAcceptable where metadata of an object is wanted of a list, or the other way round."""
    wanted = "PartialObjectMetadataList" if is_list else "PartialObjectMetadata"
    if shape.shape == wanted:
        return
    resource = call.served.resource
    kind, custom = (resource.list_kind, "UnstructuredList") if is_list else (resource.kind, "Unstructured")
    form = f"*unstructured.{custom}" if resource.custom else f"*{resource.gvr.version}.{kind}"
    number = "a list" if is_list else "not a list"
    raise NotAcceptable(f"you requested {shape.shape}, but the requested object is {number} ({form})")


def _refuse_unreadable_timeout(query: Query) -> None:
    """The server's own limits end a request; what is said must be a duration all the same."""
    try:
        parse_duration(query.get("timeout") or "0")
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from None


def delete_options_schema() -> Any:
    return body(DELETE_OPTIONS).schema()
