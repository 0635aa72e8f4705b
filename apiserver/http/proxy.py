"""The proxy subresources: an HTTP request passed on to a pod, a service or a node, and its answer passed back.

    {namespace}/pods/[SCHEME:]NAME[:PORT]/proxy/PATH         to the pod's address
    {namespace}/services/[SCHEME:]NAME[:PORT]/proxy/PATH     to one of its ready endpoints
    nodes/[SCHEME:]NAME[:PORT]/proxy/PATH                    to the node's agent, or to PORT at its address

`plan_*` are pure. Where an answer leads to the other server, by a redirect or a page's links, it leads through the proxy again
(`rewriting.py`); a path that lacks its first slash is sent to the one that has it, or a page's relative links would miss the proxy.
The other server learns the host that was asked, for whom (X-Forwarded-For) and by which path (X-Forwarded-Uri), and never
the caller's credentials. It may think for four hours, for as long as the caller waits. Upgrades, to websockets or anything else, are relayed byte for byte once the other side has taken
them; a node's agent is asked for none.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote

from api.resource import Obj
from apiserver.engine.catalog import Catalog
from apiserver.http.body import read_body
from apiserver.http.dispatch import find
from apiserver.http.relay import passed_on, relay_answer, relay_upgrade, while_there
from apiserver.http.reply import Header, Receive, Send, end_stream
from apiserver.http.request import Request
from apiserver.http.request_info import RequestInfo
from apiserver.http.rewriting import Through
from apiserver.http.tunnel import IDLE_S
from apiserver.http.watch_stream import Streams
from apiserver.node_http import exchange, shown
from apiserver.nodeconnector import NodeConnector, NodeUnreachable, node_address
from machinery import integers
from machinery.errors import BadRequest, MethodNotAllowed, NotFound, ServiceUnavailable, not_found
from machinery.url_reference import joined

PORTS = (1, 65535)
_DROPPED = frozenset(
    {
        b"host",
        b"authorization",
        b"content-length",
        b"audit-id",
        b"x-forwarded-for",
        b"x-forwarded-uri",
    }
)
_DROPPED_PREFIXES = (b"impersonate-",)
_DROPPED_BACK = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
_PATH_SAFE = "/:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    tls: bool


def split_name(name: str) -> tuple[bool, str, str]:
    """`https:web:8443` → (True, "web", "8443"). Raises BadRequest."""
    parts = name.split(":")
    if len(parts) == 1:
        return False, parts[0], ""
    if len(parts) == 2:
        return False, parts[0], parts[1]
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        return parts[0] == "https", parts[1], parts[2]
    raise BadRequest(f"invalid request {name!r}: expected [scheme:]name[:port]")


def plan_pod(pod: Obj, port: str, tls: bool) -> Target:
    address = (pod.get("status") or {}).get("podIP", "")
    if not address:
        raise BadRequest("address not allowed")
    if not port:
        ports = [
            p["containerPort"] for c in pod["spec"].get("containers") or () for p in c.get("ports") or ()
        ]
        return Target(address, ports[0] if ports else 443 if tls else 80, tls)
    if (number := integers.parse(port, PORTS)) is not None:
        return Target(address, number, tls)
    for container in pod["spec"].get("containers") or ():
        for each in container.get("ports") or ():
            if each.get("name") == port:
                return Target(address, each["containerPort"], tls)
    raise BadRequest(f"pod {pod['metadata']['name']} has no port named {port!r}")


def plan_service(service: Obj, slices: Sequence[Obj], port: str, tls: bool, rng: random.Random) -> Target:
    """A ready endpoint of the port that is named or numbered `port` (the first one if not said)."""
    name = service["metadata"]["name"]
    ports = (service.get("spec") or {}).get("ports") or []
    wanted = next(
        (each for each in ports if not port or port in (each.get("name", ""), str(each["port"]))), None
    )
    if wanted is None:
        raise ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    found: list[Target] = []
    for each in slices:
        for there in each.get("ports") or ():
            if (there.get("name") or "") != (wanted.get("name") or "") or not there.get("port"):
                continue
            for endpoint in each.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    found += [Target(address, there["port"], tls) for address in endpoint["addresses"][:1]]
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return rng.choice(found)


def shown_host(target: Target) -> str:
    return shown(target.host, target.port)


def _prefix(info: RequestInfo) -> str:
    """The request's path up to and with `/proxy`."""
    path = info.path.removesuffix("/")
    return path[: len(path) - len(info.rest.removesuffix("/"))].removesuffix("/") if info.rest else path


def _lacks_slash(info: RequestInfo) -> bool:
    return not info.rest and not info.path.endswith("/")


def _slashed(request: Request) -> bytes:
    query = b"?" + request.raw_query if request.raw_query else b""
    return quote(request.info.path, safe=_PATH_SAFE).encode() + b"/" + query


async def _send_to(where: bytes, send: Send, extra: Sequence[Header]) -> int:
    headers = [(b"location", where), (b"content-length", b"0"), *extra[:1]]
    await send({"type": "http.response.start", "status": 301, "headers": headers})
    await end_stream(send)
    return 301


def _forwarded(request: Request) -> list[Header]:
    """Who asked, and by which path. A connection that is upgraded is told the former alone, as upstream does."""
    before = [value for name, value in request.raw_headers if name == b"x-forwarded-for"]
    via = b", ".join([*before, *([request.client.encode()] if request.client else [])])
    headers = [(b"x-forwarded-for", via)] if via else []
    if request.upgrade is None:
        path = joined(_prefix(request.info), "/" + request.info.rest)
        headers.append((b"x-forwarded-uri", quote(path, safe=_PATH_SAFE).encode()))
    return headers


def _through(request: Request, source: str) -> Through | None:
    """None for what is upgraded: nothing of it is rewritten."""
    if request.upgrade is not None:
        return None
    prefix = _prefix(request.info).encode().decode("latin-1")
    return Through(prefix, request.headers.get(b"host", b"").decode("latin-1"), source)


def _dropped_back(request: Request) -> frozenset[str]:
    """How long an answer is, whose body stays away, is told as it was told."""
    return _DROPPED_BACK - {"content-length"} if request.method == "HEAD" else _DROPPED_BACK


class Proxy:
    def __init__(
        self, catalog: Catalog, connector: NodeConnector, streams: Streams, rng: random.Random
    ) -> None:
        self._catalog = catalog
        self._connector = connector
        self._streams = streams
        self._rng = rng

    async def __call__(self, request: Request, receive: Receive, send: Send, extra: Sequence[Header]) -> int:
        # What was authorized is what the path says: it must be of this pod, service or node, and not of one that is
        # called alike in another group, or of a node "in" a namespace.
        info = request.info
        find(self._catalog, info if info.verb != "options" else replace(info, verb="get"))
        node = await self._agent_asked(request) if info.resource == "nodes" else None
        target = await self._target(request) if node is None else None
        if request.upgrade is None and request.method in ("GET", "HEAD") and _lacks_slash(info):
            return await _send_to(_slashed(request), send, extra)
        if node is not None:
            return await self._ask_agent(node, request, receive, send, extra)
        assert target is not None
        context = None
        if target.tls:
            # Like upstream, the proxy does not know whom the pod's certificate should name.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        path = quote("/" + info.rest, safe=_PATH_SAFE)
        if request.raw_query:
            path = f"{path}?{request.raw_query.decode('latin-1')}"
        body = await read_body(receive, request.headers) if request.method not in ("GET", "HEAD") else b""
        headers = [*passed_on(request, _DROPPED, _DROPPED_PREFIXES), *_forwarded(request)]
        through = _through(request, shown_host(target))
        try:
            async with AsyncExitStack() as stack:
                asked = exchange(
                    target.host,
                    target.port,
                    context,
                    request.method,
                    path,
                    headers,
                    body,
                    asked_host=request.headers.get(b"host", b""),
                    upgrade=request.upgrade or b"",
                    answer_timeout_s=IDLE_S,
                )
                async with while_there(receive, self._streams):
                    answer = await stack.enter_async_context(asked)
                return await relay_upgrade(
                    answer, self._streams, receive, send, _dropped_back(request), extra[:1], through
                )
        except NodeUnreachable as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def _agent_asked(self, request: Request) -> Obj | None:
        """The node whose agent itself is meant: no port, or the agent's own. Anything else listens for anybody."""
        _, name, port = split_name(request.info.name)
        node = await self._load("", "nodes", "", name)
        try:
            _, agent_port = node_address(node)
        except NodeUnreachable as error:
            raise ServiceUnavailable(str(error)) from error
        return node if port in ("", str(agent_port)) else None

    async def _ask_agent(
        self, node: Obj, request: Request, receive: Receive, send: Send, extra: Sequence[Header]
    ) -> int:
        """The agent answers those alone who show the API server's certificate, and is only read from."""
        if request.method != "GET":
            raise MethodNotAllowed(f"{request.method} is not passed on to a node's agent, only GET is")
        if request.upgrade is not None:
            raise BadRequest(
                "upgrades are not passed on to a node's agent: exec, attach and portforward are of pods"
            )
        query = parse_qsl(request.raw_query.decode("latin-1"), keep_blank_values=True)
        try:
            async with self._connector.stream(node, "/" + request.info.rest, query) as answer:
                through = _through(request, shown(*node_address(node)))
                return await relay_answer(
                    answer, self._streams, receive, send, _dropped_back(request), extra[:1], through
                )
        except NodeUnreachable as error:
            raise ServiceUnavailable(f"error trying to reach service: {error}") from error

    async def _target(self, request: Request) -> Target:
        info = request.info
        tls, name, port = split_name(info.name)
        if info.resource == "nodes":
            node = await self._load("", "nodes", "", name)
            try:
                host, default_port = node_address(node)
            except NodeUnreachable as error:
                raise ServiceUnavailable(str(error)) from error
            return Target(host, integers.parse(port, PORTS) or default_port, tls)
        if info.resource == "pods":
            return plan_pod(await self._load("", "pods", info.namespace, name), port, tls)
        service = await self._load("", "services", info.namespace, name)
        served = self._catalog.find("discovery.k8s.io", "endpointslices")
        slices: list[Obj] = []
        if served is not None:
            listing = await served.store.list(
                info.namespace,
                predicate=lambda labels, fields: labels.get("kubernetes.io/service-name") == name,
            )
            slices = [served.load(entry) for entry in listing.entries]
        return plan_service(service, slices, port, tls, self._rng)

    async def _load(self, group: str, plural: str, namespace: str, name: str) -> Obj:
        served = self._catalog.find(group, plural)
        if served is None:
            raise NotFound("the server could not find the requested resource")
        entry = await served.store.get(namespace, name)
        if entry is None:
            raise not_found(group, plural, name)
        return served.load(entry)
