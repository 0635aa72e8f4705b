"""The requests that the load generators send, as bytes, and the TLS they send them through."""

from __future__ import annotations

import ssl
from typing import Any

from benchmarks.bodies import custom_body, large_body, small_body

_BODIES = {"small": small_body, "large": large_body, "custom": custom_body}


class Messages:
    """Of one job: `port`, `ca`, `cert`, `key`, `body`, `name_prefix`, `gzip`."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._names = 0
        self._bodies = _BODIES[job.get("body", "small")]()
        self._head = f"Host: 127.0.0.1:{job['port']}\r\nUser-Agent: bench\r\nAccept: application/json\r\n" + (
            "Accept-Encoding: gzip\r\n" if job.get("gzip") else ""
        )
        self.context = ssl.create_default_context(cafile=job["ca"])
        self.context.load_cert_chain(job["cert"], job["key"])

    def get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode()

    def post(self, path: str) -> bytes:
        """Each with another name: NAME_PREFIX-1, NAME_PREFIX-2, ..."""
        self._names += 1
        before, after = self._bodies
        body = before + f"{self._job['name_prefix']}-{self._names}".encode() + after
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body
