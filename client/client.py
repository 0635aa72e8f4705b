"""The typed verbs over a Transport: dicts in, dicts out, ApiErrors raised.

Resources are named by GVR; objects are plain dicts in wire form. An answer that says when to come
back (429 or 5xx with Retry-After) is waited for and asked again, as client-go does; everything else
is the caller's decision. Time is the event loop's, so a virtual loop steps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

import orjson

from client.headers import retry_after_s
from client.transport import Query, Response, Stream, Transport
from machinery.errors import ApiError, from_status
from machinery.gvk import GVR

Obj = dict[str, Any]
Pairs = list[tuple[str, str]]
PatchType = Literal["merge", "json", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]

_PATCH_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_METADATA_ONLY_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_MAX_RETRIES = 10


class WatchEvent(NamedTuple):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK; an ERROR event is raised as ApiError instead."""

    type: str
    object: Obj


class Client:
    """`on_warning` gets the text of each Warning header."""

    def __init__(
        self,
        transport: Transport,
        *,
        user_agent: str = "kctl",
        field_manager: str = "",
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self.transport = transport
        self._user_agent = user_agent
        self._field_manager = field_manager
        self._on_warning = on_warning

    async def get(self, gvr: GVR, name: str, namespace: str = "", *, subresource: str = "") -> Obj:
        return await self._call("GET", gvr.path(namespace, name, subresource))

    async def list(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> Obj:
        """The List object; `metadata.continue` is set where `limit` cut it."""
        query = _selectors(label_selector, field_selector)
        if limit:
            query.append(("limit", str(limit)))
        if continue_:
            query.append(("continue", continue_))
        if resource_version:
            query.append(("resourceVersion", resource_version))
        accept = _METADATA_ONLY_LIST if metadata_only else ""
        return await self._call("GET", gvr.path(namespace), query=query, accept=accept)

    async def create(
        self, gvr: GVR, obj: Obj, namespace: str = "", *, subresource: str = "", name: str = ""
    ) -> Obj:
        """Creates; with `subresource`, posts to NAME/SUBRESOURCE (binding, eviction, token)."""
        meta = obj.get("metadata") or {}
        namespace = namespace or meta.get("namespace", "")
        if subresource:
            path = gvr.path(namespace, name or meta.get("name", ""), subresource)
        else:
            path = gvr.path(namespace)
        body = orjson.dumps(obj if subresource else _told(gvr, obj))
        return await self._call("POST", path, query=self._manager(), body=body)

    async def update(self, gvr: GVR, obj: Obj, *, subresource: str = "") -> Obj:
        meta = obj["metadata"]
        path = gvr.path(meta.get("namespace", ""), meta["name"], subresource)
        body = orjson.dumps(_told(gvr, obj) if subresource in ("", "status") else obj)
        return await self._call("PUT", path, query=self._manager(), body=body)

    async def patch(
        self,
        gvr: GVR,
        name: str,
        patch: Obj | Sequence[Obj],
        namespace: str = "",
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Obj:
        query = self._manager(field_manager)
        if force:
            query.append(("force", "true"))
        return await self._call(
            "PATCH",
            gvr.path(namespace, name, subresource),
            query=query,
            body=orjson.dumps(patch),
            content_type=_PATCH_TYPES[type],
        )

    async def delete(
        self,
        gvr: GVR,
        name: str,
        namespace: str = "",
        *,
        grace_period_s: int | None = None,
        propagation_policy: Propagation | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Obj:
        """The object where it lives on for a while (grace, finalizers), else a Status."""
        body = _delete_options(grace_period_s, propagation_policy, uid, resource_version)
        return await self._call("DELETE", gvr.path(namespace, name), body=body)

    async def delete_collection(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_s: int | None = None,
        propagation_policy: Propagation | None = None,
    ) -> Obj:
        query = _selectors(label_selector, field_selector)
        body = _delete_options(grace_period_s, propagation_policy, None, None)
        return await self._call("DELETE", gvr.path(namespace), query=query, body=body)

    @asynccontextmanager
    async def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        send_initial_events: bool = False,
        timeout_s: float | None = None,
        metadata_only: bool = False,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Events until the server ends it. ApiError on entering or, as sent by the server, while iterating.

        `timeout_s` is how long the server shall keep it open; a connection that stays silent well
        beyond that is given up with TransportError.
        """
        query = _selectors(label_selector, field_selector)
        query += [("watch", "true"), ("allowWatchBookmarks", "true")]
        if resource_version:
            query.append(("resourceVersion", resource_version))
        if send_initial_events:
            query += [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
        if timeout_s is not None:
            query.append(("timeoutSeconds", str(max(1, int(timeout_s)))))
        idle_timeout_s = timeout_s + 30.0 if timeout_s is not None else None
        headers = self._headers(_METADATA_ONLY if metadata_only else "")
        async with self.transport.stream(
            "GET", gvr.path(namespace), query=query, headers=headers, idle_timeout_s=idle_timeout_s
        ) as stream:
            if stream.status != 200:
                raise _error(stream.status, stream.headers, await stream.read())
            yield _Watch(stream)

    async def get_raw(self, path: str, *, query: Query = (), accept: str = "") -> Obj:
        """GET of any path that answers JSON, e.g. discovery's /apis."""
        return await self._call("GET", path, query=query, accept=accept)

    async def close(self) -> None:
        await self.transport.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes = b"",
        content_type: str = "application/json",
        accept: str = "",
    ) -> Obj:
        headers = self._headers(accept)
        if body:
            headers["content-type"] = content_type
        for attempt in range(_MAX_RETRIES + 1):
            response = await self.transport.request(method, path, query=query, body=body, headers=headers)
            if response.status < 300:
                break
            wait_s = _wait_s(response) if attempt < _MAX_RETRIES else None
            if wait_s is None:
                raise _error(response.status, response.headers, response.body)
            await asyncio.sleep(wait_s)
        if self._on_warning is not None:
            for text in response.warnings:
                self._on_warning(text)
        if not response.body:
            return {}
        decoded: Obj = orjson.loads(response.body)
        return decoded

    def _headers(self, accept: str) -> dict[str, str]:
        return {"accept": accept or "application/json", "user-agent": self._user_agent}

    def _manager(self, field_manager: str = "") -> Pairs:
        manager = field_manager or self._field_manager
        return [("fieldManager", manager)] if manager else []


class _Watch(AsyncIterator[WatchEvent]):
    def __init__(self, stream: Stream) -> None:
        self._lines = stream.lines()

    async def __anext__(self) -> WatchEvent:
        line = b""
        while not line:
            line = await self._lines.__anext__()
        event = orjson.loads(line)
        if event["type"] == "ERROR":
            raise from_status(event["object"])
        return WatchEvent(event["type"], event["object"])


def _selectors(label_selector: str, field_selector: str) -> Pairs:
    query: Pairs = []
    if label_selector:
        query.append(("labelSelector", label_selector))
    if field_selector:
        query.append(("fieldSelector", field_selector))
    return query


def _delete_options(
    grace_period_s: int | None,
    propagation_policy: str | None,
    uid: str | None,
    resource_version: str | None,
) -> bytes:
    options: Obj = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if grace_period_s is not None:
        options["gracePeriodSeconds"] = grace_period_s
    if propagation_policy is not None:
        options["propagationPolicy"] = propagation_policy
    preconditions = {}
    if uid is not None:
        preconditions["uid"] = uid
    if resource_version is not None:
        preconditions["resourceVersion"] = resource_version
    if preconditions:
        options["preconditions"] = preconditions
    return orjson.dumps(options)


def _told(gvr: GVR, obj: Obj) -> Obj:
    """The object with its type, which servers want to hear of custom resources."""
    if "kind" in obj or not gvr.kind:
        return obj
    return {"apiVersion": gvr.api_version, "kind": gvr.kind, **obj}


def _wait_s(response: Response) -> float | None:
    """How long the server asks to wait before trying again; None where it does not."""
    if response.status != 429 and response.status < 500:
        return None
    return retry_after_s(response.headers)


def _error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        decoded = {"message": body.decode(errors="replace").strip()}
    if not isinstance(decoded, dict) or not isinstance(decoded.get("status", ""), str):
        decoded = {}
    error = from_status(decoded, status)
    if not error.retry_after_s and (wait_s := retry_after_s(headers)):
        error.retry_after_s = int(wait_s)
    return error
