"""OpenAPI v3 (index with hashes, one document a group-version) and v2, made from what the catalog serves.

Documents are made when first asked for and kept until what their group-version serves has changed. The index names
each by the hash of its content, so that clients may keep them for good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from api.resource import Resource
from apiserver.aggregation.documents import merged_v2, remote_v3
from apiserver.aggregation.remote import Remotes
from apiserver.engine.catalog import Catalog
from apiserver.http.negotiation import media_ranges
from apiserver.http.reply import JSON, Reply
from apiserver.http.request import Request
from machinery.errors import NotFound

# Asked for with an "@" before the version, which is no valid media type; so it is answered with a dot.
_PROTOBUF = b"application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


@dataclass(frozen=True, slots=True)
class _Document:
    """`made_of` are the resources it describes: it is made anew when they are others."""

    made_of: tuple[Resource, ...]
    body: bytes
    hash: str


class OpenApi:
    def __init__(self, catalog: Catalog, remotes: Remotes) -> None:
        self._catalog = catalog
        self._remotes = remotes
        self._v3: dict[str, _Document] = {}
        self._v2: _Document | None = None
        self._v2_told: tuple[tuple[str, str, int], ...] = ()
        self._v2_protobuf: tuple[str, bytes] = ("", b"")

    def reply(self, request: Request) -> Reply | None:
        path = request.info.path.rstrip("/")
        if path == "/openapi/v3":
            return self._index(request)
        if path.startswith("/openapi/v3/"):
            return self._group_version(path.removeprefix("/openapi/v3/"), request)
        if path == "/openapi/v2":
            return self._swagger(request)
        return None

    def _group_versions(self) -> dict[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for served in self._catalog.all():
            gvr = served.resource.gvr
            key = f"apis/{gvr.group}/{gvr.version}" if gvr.group else f"api/{gvr.version}"
            found.setdefault(key, []).append(served.resource)
        return {key: tuple(resources) for key, resources in found.items()}

    def _document(self, key: str, resources: tuple[Resource, ...]) -> _Document:
        known = self._v3.get(key)
        if known is None or known.made_of != resources:
            from api.openapi import document_v3

            body = orjson.dumps(document_v3(resources))
            known = self._v3[key] = _Document(resources, body, _hash(body))
        return known

    def _index(self, request: Request) -> Reply:
        paths = {
            key: {"serverRelativeURL": f"/openapi/v3/{key}?hash={self._document(key, resources).hash}"}
            for key, resources in sorted(self._group_versions().items())
        }
        for remote in self._remotes:
            digest, _ = remote_v3(remote)
            if digest:
                key = "apis/{}/{}".format(*remote.group_version)
                paths[key] = {"serverRelativeURL": f"/openapi/v3/{key}?hash={digest}"}
        return _cacheable(request, orjson.dumps({"paths": paths}), JSON)

    def _group_version(self, key: str, request: Request) -> Reply:
        resources = self._group_versions().get(key)
        remote = self._remotes.of_path(f"/{key}") if resources is None else None
        if remote is not None and remote.openapi_v3[0]:
            return _document_reply(request, key, *remote_v3(remote))
        if resources is None:
            raise NotFound("the server could not find the requested resource")
        document = self._document(key, resources)
        return _document_reply(request, key, document.hash, document.body)

    def _swagger(self, request: Request) -> Reply:
        resources = tuple(served.resource for served in self._catalog.all())
        told = tuple(
            (remote.name, remote.openapi_v2[0], id(remote.openapi_v2[1])) for remote in self._remotes
        )
        if self._v2 is None or self._v2.made_of != resources or self._v2_told != told:
            from api.openapi import document_v2

            whole = document_v2(resources)
            for remote in self._remotes:
                whole = merged_v2(whole, remote)
            body = orjson.dumps(whole)
            self._v2 = _Document(resources, body, _hash(body))
            self._v2_told = told
        document = self._v2
        accept = request.header(b"accept")
        if "proto-openapi.spec.v2" in accept and not _wants_json(accept):
            if self._v2_protobuf[0] != document.hash:
                from api.openapi import gnostic

                self._v2_protobuf = (document.hash, gnostic.encode(orjson.loads(document.body)))
            return _cacheable(request, self._v2_protobuf[1], _PROTOBUF)
        return _cacheable(request, document.body, JSON, document.hash)


def _wants_json(accept: str) -> bool:
    """Whether plain JSON comes before protobuf in the client's list."""
    for media, _ in media_ranges(accept):
        if media in ("application/json", "*/*"):
            return True
        if "proto-openapi" in media:
            return False
    return True


def _hash(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()


def _document_reply(request: Request, key: str, digest: str, body: bytes) -> Reply:
    """One that is asked for by its hash may be kept for good; by another's hash, the asker is sent to this one."""
    asked = request.query.get("hash")
    if asked and asked != digest:
        where = f"/openapi/v3/{key}?hash={digest}".encode()
        return Reply(301, b"", JSON, [(b"location", where)])
    return _cacheable(request, body, JSON, digest, forever=bool(asked))


def _cacheable(
    request: Request, body: bytes, content_type: bytes, digest: str = "", *, forever: bool = False
) -> Reply:
    etag = f'"{digest or _hash(body)}"'
    headers = [(b"etag", etag.encode()), (b"vary", b"Accept")]
    if forever:
        headers.append((b"cache-control", b"public, immutable, max-age=31536000"))
    if etag in request.header(b"if-none-match"):
        return Reply(304, b"", content_type, headers)
    return Reply(200, body, content_type, headers)
