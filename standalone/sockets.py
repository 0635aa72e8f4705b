"""The ports of a cluster, held from the moment they are chosen until it ends.

A port that is looked for and bound later belongs to whoever is faster: two clusters that start at once would choose the same.
So `kctl up` listens at once, the supervisor keeps the sockets for as long as it lives, and a component finds its own in
`client/listening.py`. A component that is started anew, or one of several API servers that dies, leaves no gap in which
callers are refused: they wait in the socket's queue for the next who takes them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

from client.listening import listen
from standalone.config import ConfigError

Address = tuple[str, int]
_RELEASED_WITHIN_S = 1.0  # what a killed cluster's last process still holds


class Sockets:
    """Descriptors by (host, port). They survive a fork, not an exec."""

    def __init__(self) -> None:
        self._held: dict[Address, int] = {}

    @property
    def held(self) -> Mapping[Address, int]:
        return self._held

    def hold(self, host: str, port: int, *, wait_s: float = 0.0) -> int | None:
        """Holds `port` (0: any); the port, None where somebody else has it."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                with listen(host, port) as sock:
                    held = int(sock.getsockname()[1])
                    self._held[host, held] = sock.detach()
                    return held
            except OSError:
                if time.monotonic() >= deadline:
                    return None
            time.sleep(0.02)

    def again(self, host: str, port: int) -> int | None:
        """As `hold`, for a port that was ours before: whoever of us is dying may have it for a moment."""
        return self.hold(host, port, wait_s=_RELEASED_WITHIN_S)

    def choose(self, preferred: int = 0, host: str = "127.0.0.1") -> int:
        """`preferred` where it can be had, else one the kernel picks. Raises ConfigError."""
        port = (self.hold(host, preferred) if preferred else None) or self.hold(host, 0)
        if port is None:
            raise ConfigError(f"no free TCP port on {host}")
        return port

    def close(self) -> None:
        """This process's copies; what was handed on stays open."""
        for descriptor in self._held.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._held.clear()
