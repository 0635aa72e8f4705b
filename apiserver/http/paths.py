"""Handlers of the paths that are no resources: version, health, discovery, OpenAPI, metrics, token keys."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from apiserver.http.discovery import Discovery
from apiserver.http.health import Health
from apiserver.http.metrics import Metrics
from apiserver.http.negotiation import accepted
from apiserver.http.reply import JSON, Reply, in_yaml, json_reply
from apiserver.http.request import Request
from machinery.version import KUBERNETES_VERSION

# What anybody may read: enough to see that the server lives, and which one it is.
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})


class Keys(Protocol):
    """The public half of what signs ServiceAccount tokens."""

    def jwks(self) -> dict[str, Any]: ...

    def openid_configuration(self) -> dict[str, Any]: ...


def version_info() -> dict[str, str]:
    major, minor = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": KUBERNETES_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{machine}",
    }


class Paths:
    def __init__(
        self,
        discovery: Discovery,
        health: Health,
        metrics: Metrics,
        openapi: Callable[[Request], Reply | None],
        keys: Keys | None,
        debug: Sequence[Callable[[str], Reply | None]] = (),
    ) -> None:
        """`debug` answer paths below /debug/."""
        self._discovery = discovery
        self._health = health
        self._metrics = metrics
        self._openapi = openapi
        self._keys = keys
        self._debug = debug
        self._version = orjson.dumps(version_info())

    async def handle(self, request: Request) -> Reply | None:
        path = request.info.path
        if request.method not in ("GET", "HEAD"):
            return None
        if path.startswith("/api"):
            accept = request.header(b"accept")
            reply = self._discovery.reply(path, accept, request.header(b"if-none-match"))
            if reply is None or path.count("/") < 2 or path in ("/api/", "/apis/"):
                return reply
            return in_yaml(reply) if accepted(accept).yaml else reply
        if path == "/version" or path == "/version/":
            return Reply(200, self._version)
        if path.startswith(("/healthz", "/livez", "/readyz")):
            return await self._health.reply(path, request.query)
        if path == "/metrics":
            body, content_type = self._metrics.render()
            return Reply(200, body, content_type)
        if path == "/metrics/slis":
            return Reply(200, (await self._health.slis()).encode(), b"text/plain; version=0.0.4")
        if path.startswith("/debug/"):
            return next((reply for each in self._debug if (reply := each(path)) is not None), None)
        if path.startswith("/openapi/"):
            return self._openapi(request)
        if self._keys is not None and path == "/openid/v1/jwks":
            return Reply(200, orjson.dumps(self._keys.jwks()), b"application/jwk-set+json")
        if self._keys is not None and path == "/.well-known/openid-configuration":
            return Reply(200, orjson.dumps(self._keys.openid_configuration()), JSON)
        if path == "/":
            return json_reply({"paths": self._paths()})
        return None

    def _paths(self) -> list[str]:
        keys = ["/.well-known/openid-configuration", "/openid/v1/jwks"] if self._keys is not None else []
        fixed = ["/metrics", "/metrics/slis", "/openapi/v2", "/openapi/v3", "/version"]
        return sorted([*keys, *fixed, *self._health.paths(), *self._discovery.paths()])
