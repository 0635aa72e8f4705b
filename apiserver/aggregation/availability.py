"""Whether each extension API server can be had: looked into now and then, told in the APIService's Available condition.

    service → its port → its endpoint slices → an address → GET /apis/GROUP/VERSION answers

The answer of the last step is also what discovery shows; OpenAPI is fetched along with it. A change of an APIService
looks again at once; else it is every half minute, and every other second while one cannot be had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from api.resource import Obj
from apiserver.aggregation.reach import Reach, Unreachable, url_of
from apiserver.aggregation.remote import Remote, Remotes
from apiserver.auth.user import User
from apiserver.engine.engine import Call, Engine, WriteOptions
from apiserver.engine.keeping import keep
from apiserver.engine.update import update
from apiserver.engine.write import status_scope
from apiserver.nodeconnector import NodeUnreachable
from machinery.clock import Clock
from machinery.errors import ApiError
from machinery.objects import deep_copy, with_condition

PERIOD_S, HASTY_S = 30.0, 2.0
_TIMEOUT_S = 5.0
_PROBER = User("system:kube-aggregator", ("system:masters",))
_READER = User("system:aggregator", ("system:masters",))
_JSON = (b"accept", b"application/json")
_OPTIONS = WriteOptions(field_manager="kube-aggregator")

LOCAL: Obj = {
    "type": "Available",
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}


def plan_condition(obj: Obj, service: Obj | None, slices: Sequence[Obj]) -> Obj | None:
    """What is wrong before anything is asked; None where a request may go."""
    wanted = obj["spec"]["service"]
    name, namespace, port = wanted["name"], wanted["namespace"], wanted.get("port") or 443
    if service is None:
        return _unavailable("ServiceNotFound", f'service/{name} in "{namespace}" is not present')
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return None
    found = next((each for each in spec.get("ports") or () if each.get("port") == port), None)
    if found is None:
        message = f'service/{name} in "{namespace}" is not listening on port {port}'
        return _unavailable("ServicePortError", message)
    if not slices:
        message = f'cannot find endpointslices for service/{name} in "{namespace}"'
        return _unavailable("EndpointsNotFound", message)
    port_name = found.get("name") or ""
    for each in slices:
        if any((there.get("name") or "") == port_name for there in each.get("ports") or ()):
            ready = ((end.get("conditions") or {}).get("ready") for end in each.get("endpoints") or ())
            if any(said is not False for said in ready):
                return None
    message = (
        f'endpointslices for service/{name} in "{namespace}" have no addresses with port name "{port_name}"'
    )
    return _unavailable("MissingEndpoints", message)


def _unavailable(reason: str, message: str) -> Obj:
    return {"type": "Available", "status": "False", "reason": reason, "message": message}


class Availability:
    def __init__(self, engine: Engine, remotes: Remotes, reach: Reach, clock: Clock) -> None:
        self._engine = engine
        self._remotes = remotes
        self._reach = reach
        self._clock = clock
        self.settled = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        await keep("availability of API services", self._look, self._remotes.news)

    async def _look(self) -> float:
        await self.check_all()
        self.settled.set()
        return HASTY_S if any(not remote.available for remote in self._remotes) else PERIOD_S

    async def check_all(self) -> None:
        remotes = list(self._remotes)
        found = await asyncio.gather(*(self._check(remote) for remote in remotes))
        changed = False
        for remote, condition in zip(remotes, found, strict=True):
            available = condition["status"] == "True"
            if not available and (remote.available or not remote.checked):
                self._remotes.lost[remote.name, condition["reason"]] += 1
            changed |= available != remote.available or not remote.checked
            remote.available, remote.checked = available, True
            await self._tell(remote.obj, condition)
        if changed:
            self._remotes.generation += 1
        for obj in list(self._remotes.objects.values()):
            spec = obj["spec"]
            if self._remotes.is_local(spec.get("group", ""), spec["version"]):
                taken = _unavailable("ServedLocally", "the group and version are served by this API server")
                await self._tell(obj, taken if spec.get("service") else LOCAL)

    async def _tell(self, obj: Obj, condition: Obj) -> None:
        told = with_condition(obj, condition, self._clock.now())
        served = self._engine.catalog.find("apiregistration.k8s.io", "apiservices")
        if told is None or served is None:
            return
        told = deep_copy(told)
        told["metadata"].pop("resourceVersion", None)
        call = Call(served, _PROBER, "", obj["metadata"]["name"], "status", options=_OPTIONS)
        entry = await served.store.get("", call.name)
        if entry is None:
            return
        told["metadata"]["resourceVersion"] = str(entry.revision)
        with suppress(ApiError):  # changed or removed meanwhile: the next look tells
            await update(self._engine, call, told, status_scope(served.resource))

    async def _check(self, remote: Remote) -> Obj:
        namespace, name, _ = remote.service
        service, slices = await self._reach.endpoints(namespace, name)
        wrong = plan_condition(remote.obj, service, slices)
        if wrong is not None:
            return wrong
        group, version = remote.group_version
        path = f"/apis/{group}/{version}"
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, _, body = await self._get(remote, path, _PROBER)
            if not 200 <= status < 300:
                raise Unreachable(f"bad status from {url_of(remote, path)}: {status}")
            before = remote.resources
            remote.resources = _resources(body)
            if before != remote.resources:
                self._remotes.generation += 1
            await self._learn_openapi(remote)
        except (Unreachable, NodeUnreachable, OSError, TimeoutError) as error:
            shown = url_of(remote, path)
            said = str(error) or "context deadline exceeded"
            return _unavailable("FailedDiscoveryCheck", f"failing or missing response from {shown}: {said}")
        message = "all checks passed"
        return {"type": "Available", "status": "True", "reason": "Passed", "message": message}

    async def _get(
        self, remote: Remote, path: str, user: User, *headers: tuple[bytes, bytes]
    ) -> tuple[int, Mapping[str, str], bytes]:
        place = await self._reach.place(remote)
        async with self._reach.exchange(place, "GET", path, headers or (_JSON,), user) as answer:
            return answer.status, answer.headers, await answer.read()

    async def _learn_openapi(self, remote: Remote) -> None:
        """What it tells of its types. One that tells nothing is served all the same."""
        key = "apis/{}/{}".format(*remote.group_version)
        with suppress(Unreachable, NodeUnreachable, OSError, TimeoutError, orjson.JSONDecodeError):
            async with asyncio.timeout(_TIMEOUT_S):
                status, _, body = await self._get(remote, "/openapi/v3", _READER)
                url = _document_url(body, key) if status == 200 else ""
                if url and remote.openapi_v3[0] != url:
                    status, _, document = await self._get(remote, url, _READER)
                    if status == 200 and isinstance(orjson.loads(document), dict):
                        remote.openapi_v3, remote.openapi_hash = (url, document), ""
        with suppress(Unreachable, NodeUnreachable, OSError, TimeoutError, orjson.JSONDecodeError):
            async with asyncio.timeout(_TIMEOUT_S):
                seen = (b"if-none-match", remote.openapi_v2[0].encode("latin-1"))
                status, headers, body = await self._get(remote, "/openapi/v2", _READER, _JSON, seen)
                if status == 200:
                    document_v2: Any = orjson.loads(body)
                    if is_swagger(document_v2):
                        remote.openapi_v2 = (headers.get("etag", ""), document_v2)


def _resources(body: bytes) -> list[Obj]:
    """Of an APIResourceList. Raises Unreachable for what is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"the answer is no JSON: {error}") from error
    found = value.get("resources") if isinstance(value, dict) else None
    named = (each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()
    return [each for each in named if isinstance(each.get("name"), str) and each["name"]]


def _document_url(index: bytes, key: str) -> str:
    """Where the index of /openapi/v3 says that a group and version's document is; "" where it does not."""
    value = orjson.loads(index)
    paths = value.get("paths") if isinstance(value, dict) else None
    entry = paths.get(key) if isinstance(paths, dict) else None
    url = entry.get("serverRelativeURL") if isinstance(entry, dict) else None
    return url if isinstance(url, str) else ""


def is_swagger(document: Any) -> bool:
    """Whether the parts that are put into this server's own document are what they should be."""
    return isinstance(document, dict) and all(
        isinstance(document.get(part) or {}, dict) for part in ("paths", "definitions")
    )
