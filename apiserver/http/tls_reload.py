"""The server's TLS while it runs: certificate, key and the CA of clients are read again when their files change.

A connection keeps what it began with; each new handshake takes the newest. Files that do not fit together (a new
certificate beside the old key, for the moment between two writes) are left alone until they do.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from apiserver.config_file import ConfigFileError
from apiserver.http.serve import server_context


class LiveContext:
    """`context` is what a listener is given, for ever."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        """Raises OSError, ssl.SSLError."""
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self.context = server_context(certificate, key, client_ca)
        self._newest = self.context

    @property
    def files(self) -> list[Path]:
        return [path for path in (self._certificate, self._key, self._client_ca) if path is not None]

    def reload(self) -> None:
        """Raises ConfigFileError, and then nothing changes."""
        try:
            self._newest = server_context(self._certificate, self._key, self._client_ca)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(path) for path in self.files)
            raise ConfigFileError(f"{names} cannot be used: {error}") from error
        # Called in each handshake, also where the client names no server: there the newest context is put in place.
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str, begun: ssl.SSLContext) -> None:
        connection.context = self._newest
