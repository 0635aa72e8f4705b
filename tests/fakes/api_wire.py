"""Requests to an API server as they are on the wire, with nothing of a client between: what was sent, what came back."""

from __future__ import annotations

import base64
import gzip
import json
import ssl
from collections.abc import Iterator, Mapping
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml


class Answer:
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(
            gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        )


class Wire:
    """Speaks as the user of a kubeconfig, whose credentials it unpacks into `directory`."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        for name in ("client-certificate-data", "client-key-data"):
            (directory / name).write_bytes(base64.b64decode(user[name]))
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=ca)
        self.context.load_cert_chain(directory / "client-certificate-data", directory / "client-key-data")
        self.host, self.port = cluster["server"].removeprefix("https://").split(":")

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = HTTPSConnection(self.host, int(self.port), context=self.context, timeout=15)
        try:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            if raw is not None:
                named.setdefault("content-type", "application/json")
            connection.request(method, path, raw, named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def watch(self, path: str, **headers: str) -> Iterator[dict[str, Any]]:
        """The events of a watch, ended by its timeoutSeconds."""
        for line in self.send("GET", path, **headers).body.splitlines():
            yield json.loads(line)
