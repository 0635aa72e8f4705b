"""Asks a running cluster how it is, over TLS as any client would: one connection, stdlib only.

Used while `kctl up` waits and by `kctl status`; it polls every few milliseconds because it waits for
processes that have just been forked.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any

from machinery.clock import parse_rfc3339
from standalone.config import ClusterConfig
from standalone.layout import Layout

NO_ANSWER = "the API server does not answer"


@dataclass(frozen=True, slots=True)
class NodeHealth:
    name: str
    ready: bool
    message: str
    reported_at: float  # epoch seconds of the agent's last report, 0 before the first


class Prober:
    """Requests as the cluster's administrator. `get` returns None while nothing answers."""

    def __init__(self, layout: Layout, config: ClusterConfig, timeout_s: float = 2.0) -> None:
        context = ssl.create_default_context(cafile=layout.pki / "ca.crt")
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        self._context = context
        self._port = config.api_port
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> tuple[int, bytes] | None:
        for fresh in (False, True):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    "127.0.0.1", self._port, context=self._context, timeout=self._timeout_s
                )
                fresh = True
            try:
                self._connection.request("GET", path)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh:
                    return None
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def is_api_ready(self) -> bool:
        answer = self.get("/readyz")
        return answer is not None and answer[0] == 200

    def why_not_ready(self, patience_s: float) -> str:
        """In words; "" where the API server is ready. One that waits for its store takes `patience_s` to say so."""
        alive = self.get("/livez")
        if alive is None:
            return NO_ANSWER
        self.close()
        self._timeout_s = patience_s
        answer = self.get("/readyz?verbose")
        if answer is None:
            return f"the API server lives, but does not say within {patience_s:g} s whether it is ready"
        if answer[0] == 200:
            return ""
        text = answer[1].decode(errors="replace")
        failed = [line.removeprefix("[-]") for line in text.splitlines() if line.startswith("[-]")]
        return f"the API server answers, but is not ready: {'; '.join(failed) or text.strip()}"

    def nodes(self) -> list[NodeHealth] | None:
        """As its cache has them: so they are told also while the store is lost."""
        answer = self.get("/api/v1/nodes?resourceVersion=0")
        if answer is None or answer[0] != 200:
            return None
        return [_health(node) for node in json.loads(answer[1])["items"]]


def _health(node: dict[str, Any]) -> NodeHealth:
    conditions = node.get("status", {}).get("conditions", ())
    ready: dict[str, Any] = next((c for c in conditions if c["type"] == "Ready"), {})
    return NodeHealth(
        node["metadata"]["name"],
        ready.get("status") == "True",
        ready.get("message") or ready.get("reason") or "has not reported yet",
        parse_rfc3339(ready["lastHeartbeatTime"]) if ready.get("lastHeartbeatTime") else 0.0,
    )


def wait_until(check: Any, deadline: float, *, stop: Any = lambda: None, period_s: float = 0.005) -> bool:
    """Calls `check` until it is true or time.monotonic() passes `deadline`; `stop` may raise in between."""
    while not check():
        stop()
        if time.monotonic() > deadline:
            return False
        time.sleep(period_s)
    return True
