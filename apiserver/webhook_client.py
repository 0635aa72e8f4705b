"""Calls the webhooks that objects name (admission, conversion) over HTTPS, and keeps the connections.

A webhook is a URL, or a service: then one of its ready endpoints is called, under the service's DNS name as far as
TLS is concerned. Its certificate must be signed by its caBundle, or by the system's authorities where it has none.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from api.resource import Obj
from apiserver.admission.lookup import Lookup
from apiserver.storage.store import Store
from client.transport import Transport, TransportError

_KEPT = 64
_MAX_BODY = 16 * 1024 * 1024


class CallFailed(Exception):
    """No answer that counts; the message says what went wrong."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook answers. `shown` is its URL as people know it."""

    server: str
    path: str
    shown: str
    hostname: str = ""
    ca_bundle: str = ""


Endpoints = Callable[[str, str], Awaitable[tuple[Obj | None, Sequence[Obj]]]]
Connect = Callable[[Target], Transport]


def connect(target: Target) -> Transport:
    from client.http1 import HttpTransport

    try:
        cadata = base64.b64decode(target.ca_bundle).decode() if target.ca_bundle else None
        context = ssl.create_default_context(cadata=cadata) if target.server.startswith("https") else None
    except (ssl.SSLError, binascii.Error, UnicodeDecodeError) as error:
        raise CallFailed(f"unable to load root certificates: {error}") from error
    return HttpTransport(target.server, ssl_context=context, server_hostname=target.hostname)


class WebhookClient:
    """`endpoints(namespace, name)` gives a Service and its EndpointSlices."""

    def __init__(self, endpoints: Endpoints, rng: random.Random, connect: Connect = connect) -> None:
        self._endpoints = endpoints
        self._rng = rng
        self._connect = connect
        self._transports: dict[Target, Transport] = {}

    async def call(self, config: Obj, body: bytes, timeout_s: float) -> bytes:
        """Raises CallFailed."""
        shown = shown_url(config, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                target = await self._target(config, shown)
                transport = await self._transport(target)
                query = [("timeout", f"{timeout_s:g}s")]
                headers = {"content-type": "application/json", "accept": "application/json"}
                answer = await transport.request(
                    "POST", target.path, query=query, body=body, headers=headers, timeout_s=None
                )
        except TimeoutError:
            raise CallFailed(f'Post "{shown}": context deadline exceeded') from None
        except (TransportError, OSError, ValueError) as error:
            raise CallFailed(f'Post "{shown}": {error}') from error
        if answer.status != 200:
            raise CallFailed(f"the server answered with status {answer.status}")
        if len(answer.body) > _MAX_BODY:
            raise CallFailed("the answer is too large")
        return answer.body

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()
        self._transports.clear()

    async def _transport(self, target: Target) -> Transport:
        transport = self._transports.pop(target, None)
        if transport is None:
            if len(self._transports) >= _KEPT:
                await self._transports.pop(next(iter(self._transports))).close()
            transport = self._connect(target)
        self._transports[target] = transport  # the one used last stays longest
        return transport

    async def _target(self, config: Obj, shown: str) -> Target:
        ca_bundle = config.get("caBundle") or ""
        service = config.get("service")
        if not service:
            url = urlsplit(config.get("url") or "")
            return Target(f"{url.scheme}://{url.netloc}", url.path or "/", shown, "", ca_bundle)
        name, namespace = service["name"], service["namespace"]
        found, slices = await self._endpoints(namespace, name)
        if found is None:
            raise CallFailed(f'Post "{shown}": service "{name}" not found')
        place = plan_endpoint(found, slices, int(service.get("port") or 443), self._rng)
        if place is None:
            raise CallFailed(f'Post "{shown}": no endpoints available for service "{name}"')
        host, port = place
        host = f"[{host}]" if ":" in host else host
        path = service.get("path") or "/"
        path = path if path.startswith("/") else f"/{path}"
        return Target(f"https://{host}:{port}", path, shown, f"{name}.{namespace}.svc", ca_bundle)


def endpoints_in(services: Lookup, slices: Store) -> Endpoints:
    async def endpoints(namespace: str, name: str) -> tuple[Obj | None, Sequence[Obj]]:
        def of_service(labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
            return labels.get("kubernetes.io/service-name") == name

        found = await slices.list(namespace, predicate=of_service)
        return await services(namespace, name), [orjson.loads(entry.data) for entry in found.entries]

    return endpoints


def shown_url(config: Obj, timeout_s: float) -> str:
    service = config.get("service")
    if service:
        port, path = service.get("port") or 443, (service.get("path") or "").lstrip("/")
        base = f"https://{service['name']}.{service['namespace']}.svc:{port}/{path}"
    else:
        base = str(config.get("url", ""))
    return f"{base}?timeout={timeout_s:g}s"


def plan_endpoint(
    service: Obj, slices: Sequence[Obj], port: int, rng: random.Random
) -> tuple[str, int] | None:
    """(address, port) of a ready endpoint behind the Service's port."""
    spec: dict[str, Any] = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return spec.get("externalName", ""), port
    wanted = next((each for each in spec.get("ports") or () if each.get("port") == port), None)
    if wanted is None:
        return None
    found: list[tuple[str, int]] = []
    for each in slices:
        numbers = [
            there["port"]
            for there in each.get("ports") or ()
            if (there.get("name") or "") == (wanted.get("name") or "") and there.get("port")
        ]
        found += [
            (endpoint["addresses"][0], numbers[0])
            for endpoint in each.get("endpoints") or ()
            if numbers and (endpoint.get("conditions") or {}).get("ready") is not False
        ]
    return rng.choice(found) if found else None
