"""Whom to ask for names that are not the cluster's: the `nameserver` lines of this machine's resolv.conf.

The file is looked at again when it is needed, at most once a second, so that an idle cluster costs nothing. Servers that did not
answer lately come last. Never asked are our own addresses: that would be a loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from ipaddress import ip_address
from pathlib import Path

from client.logs import get_logger
from machinery.clock import Clock

log = get_logger("network")
RESOLV_CONF = Path("/etc/resolv.conf")
_LOOK_EVERY_S = 1.0
_AVOID_S = 10.0
_MOST = 3  # as the C library


def parse_servers(text: str) -> list[str]:
    """The addresses that can be used as they stand; one with a zone (fe80::1%eth0) can."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ip_address(words[1])
            except ValueError:
                continue
            found.append(words[1])
    return list(dict.fromkeys(found))


class Resolvers:
    """`own` are addresses under which this server itself is found."""

    def __init__(
        self,
        clock: Clock,
        own: Collection[str],
        path: Path = RESOLV_CONF,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._own = frozenset(own)
        self._path = path
        self._on_change = on_change
        self._looked_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None
        self._servers: list[str] = []
        self._silent_until: dict[str, float] = {}

    def in_order(self) -> list[str]:
        """At most three; those that kept silent lately at the end."""
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            self._reload()
        return sorted(self._servers, key=lambda server: self._silent_until.get(server, 0.0) > now)

    def was_silent(self, server: str) -> None:
        self._silent_until[server] = self._clock.monotonic() + _AVOID_S

    def answered(self, server: str) -> None:
        self._silent_until.pop(server, None)

    def _reload(self) -> None:
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            text = self._path.read_text(errors="replace")
        except OSError as error:
            stamp, text = (0, 0, 0), ""
            if stamp != self._stamp:
                log.warning("no resolvers", file=str(self._path), why=str(error))
        self._stamp = stamp
        named = parse_servers(text)
        for server in self._own & set(named):
            log.warning(
                "a resolver is the cluster's own DNS, and is not asked: it would be a loop", server=server
            )
        servers = [server for server in named if server not in self._own][:_MOST]
        if servers != self._servers:
            self._servers = servers
            self._silent_until.clear()
            self._on_change()
            log.info("resolvers for names outside of the cluster", servers=servers)
