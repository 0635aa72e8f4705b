"""uvicorn's protocols with what they leave out: the client's certificate in the scope.

`scope["extensions"]["tls"] = {"der": bytes}` is set when the client showed a certificate, which the TLS layer has
verified against the client CA. Used by `http/serve.py` only.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from client.subprotocols import accept_kubernetes_subprotocols

accept_kubernetes_subprotocols()


def peer_certificate(transport: Any) -> dict[str, Any] | None:
    ssl_object = transport.get_extra_info("ssl_object")
    der = ssl_object.getpeercert(True) if ssl_object is not None else None
    return {"tls": {"der": der}} if der else None


class HttpProtocol(HttpToolsProtocol):
    _extensions: dict[str, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._extensions = peer_certificate(transport)

    def on_headers_complete(self) -> None:
        if self._extensions is not None:
            self.scope["extensions"] = self._extensions
        super().on_headers_complete()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """The application chooses among the offered subprotocols. The library would refuse
    `SPDY/3.1+portforward.k8s.io`, in which a slash stands that RFC 6455 does not allow."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.conn.process_subprotocol = lambda headers: None  # type: ignore[method-assign]

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        extensions = peer_certificate(self.transport)
        if extensions is not None and getattr(self, "scope", None) is not None:
            self.scope["extensions"].update(extensions)
