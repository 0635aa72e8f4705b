"""What is not Kubernetes' API: /api-extra and its interactive description at /docs. Here FastAPI is used, and only here.

It is imported with the first request to one of these paths: it costs more to import than the rest of the server,
and Kubernetes' own requests never come near it.

    GET /api-extra/revisions           the newest and the oldest revision that can be read
    GET /api-extra/history?path=...    every kept state of one object, by its API path; needs `get` on it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from apiserver.auth.seams import Authorizer, decide
from apiserver.auth.user import Attributes, User
from apiserver.backends.backend import Backend
from apiserver.engine.catalog import Catalog
from apiserver.engine.query import parse_query
from apiserver.http.denial import refuse
from apiserver.http.reply import Receive, Scope, Send
from apiserver.http.request_info import parse_request
from machinery.errors import BadRequest, NotFound, not_found

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIXES = ("/api-extra", "/docs", "/openapi-extra.json")


class Extra:
    def __init__(self, backend: Backend, catalog: Catalog, authorizer: Authorizer) -> None:
        self._backend = backend
        self._catalog = catalog
        self._authorizer = authorizer
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send, user: User) -> None:
        if self._app is None:
            self._app = self._make()
        scope.setdefault("state", {})["user"] = user
        await self._app(scope, receive, send)

    async def revisions(self) -> dict[str, int]:
        return {"newest": await self._backend.revision(), "oldest": await self._backend.oldest_revision()}

    async def history(self, path: str, user: User, limit: int) -> dict[str, Any]:
        """The last `limit` states of the object at `path`, oldest first. Raises Forbidden, NotFound, BadRequest."""
        info = parse_request("GET", path, parse_query(b""))
        if not info.is_resource or not info.name or info.subresource:
            raise BadRequest(f"{path} is not the path of an object")
        served = self._catalog.get(info.group, info.version, info.resource)
        if served is None:
            raise NotFound("the server could not find the requested resource")
        attributes = Attributes(
            user, "get", info.group, info.version, info.resource, "", info.namespace, info.name
        )
        decision = await decide(self._authorizer, attributes)
        if not decision.allowed:
            raise refuse(attributes, decision.reason)
        namespace = info.namespace if served.resource.namespaced else ""
        states: list[dict[str, Any]] = []
        revision = await self._backend.revision()
        oldest = await self._backend.oldest_revision()
        while revision > 0 and revision >= oldest and len(states) < limit:
            entry = await served.store.get(namespace, info.name, revision=revision)
            if entry is None:
                break
            obj = served.load(entry)
            states.append({"revision": entry.revision, "object": obj})
            revision = entry.revision - 1
        if not states:
            raise not_found(info.group, info.resource, info.name)
        states.reverse()
        return {"path": path, "states": states}

    def _make(self) -> FastAPI:
        from fastapi import FastAPI, Query, Request
        from fastapi.responses import Response

        from machinery.errors import ApiError

        app = FastAPI(
            title="kctl extras", docs_url="/docs", redoc_url=None, openapi_url="/openapi-extra.json"
        )

        def answer(value: object, status: int = 200) -> Response:
            return Response(orjson.dumps(value), status, media_type="application/json")

        async def refused(request: Request, error: Exception) -> Response:
            assert isinstance(error, ApiError)
            return answer(error.to_status(), error.code)

        app.add_exception_handler(ApiError, refused)

        async def revisions() -> Response:
            return answer(await self.revisions())

        async def history(request: Request, path: str, limit: int = Query(100, ge=1, le=1000)) -> Response:
            return answer(await self.history(path, request.state.user, limit))

        # FastAPI reads the annotations, which are strings here and name what this function imported.
        history.__annotations__.update(request=Request, path=str, limit=int, **{"return": Response})
        revisions.__annotations__.update(**{"return": Response})
        app.get("/api-extra/revisions", summary="What can be read")(revisions)
        app.get("/api-extra/history", summary="Every kept state of one object")(history)
        return app
