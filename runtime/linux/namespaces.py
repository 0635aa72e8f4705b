"""Making and entering namespaces from a process of one thread.

`made_aside` gives handles of fresh namespaces and brings the caller back to its own: the caller never
stays in a namespace it made. A failure to come back is fatal by design: a spawner in a pod's network
would be worse than none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.linux.constants import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS
from runtime.linux.syscalls import Syscalls

FILES = {CLONE_NEWNET: "net", CLONE_NEWIPC: "ipc", CLONE_NEWUTS: "uts"}


class OwnNamespaces:
    """Handles of the caller's own namespaces, opened once."""

    def __init__(self, syscalls: Syscalls) -> None:
        self._syscalls = syscalls
        self._own = {kind: _open(name) for kind, name in FILES.items()}
        self.pid_for_children = _open("pid_for_children")

    def made_aside(self, kinds: int, hostname: str = "") -> dict[int, int]:
        """Kind → handle for each namespace in `kinds`; the new UTS namespace gets the host name."""
        self._syscalls.unshare(kinds)
        try:
            if hostname and kinds & CLONE_NEWUTS:
                self._syscalls.sethostname(hostname)
            return {kind: _open(name) for kind, name in FILES.items() if kinds & kind}
        finally:
            self._come_back(kinds)

    @contextmanager
    def inside(self, handles: dict[int, int]) -> Iterator[None]:
        """For the body, the caller is in these namespaces (kind → handle)."""
        entered = 0
        try:
            for kind, handle in handles.items():
                self._syscalls.setns(handle, kind)
                entered |= kind
            yield
        finally:
            self._come_back(entered)

    def _come_back(self, kinds: int) -> None:
        for kind, handle in self._own.items():
            if kinds & kind:
                try:
                    self._syscalls.setns(handle, kind)
                except OSError:
                    os._exit(70)


def _open(name: str) -> int:
    return os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
