"""The server's TLS while it runs: certificate, key and the CAs of clients are read again when their files change.

A connection keeps what it began with; each new handshake takes the newest. Files that do not fit together (a new
certificate beside the old key, for the moment between two writes) are left alone until they do.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from apiserver.config_file import ConfigFileError
from apiserver.http.serve import server_context


class LiveContext:
    """`context` is what a listener is given, for ever."""

    def __init__(self, certificate: Path, key: Path, client_cas: Iterable[Path | None]) -> None:
        """`client_cas`: files of CAs that sign clients' certificates; None for one that is not given. Raises OSError, ssl.SSLError."""
        self._certificate = certificate
        self._key = key
        self._client_cas = [path for path in client_cas if path is not None]
        self.context = server_context(certificate, key, self._client_cas)
        self._newest = self.context

    @property
    def files(self) -> list[Path]:
        return [self._certificate, self._key, *self._client_cas]

    def reload(self) -> None:
        """Raises ConfigFileError, and then nothing changes."""
        try:
            self._newest = server_context(self._certificate, self._key, self._client_cas)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(path) for path in self.files)
            raise ConfigFileError(f"{names} cannot be used: {error}") from error
        # Called in each handshake, also where the client names no server: there the newest context is put in place.
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str, begun: ssl.SSLContext) -> None:
        connection.context = self._newest
