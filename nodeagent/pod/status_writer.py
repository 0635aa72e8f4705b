"""Writes one pod's status to the API: the newest wins, at once, one PATCH at a time.

What the server answers is the base of the next patch, so that only differences travel. A refusal that more
trying cannot mend (the pod is gone, or is another's) ends the writing; anything else is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from client.transport import TransportError
from machinery.errors import ApiError, Conflict, NotFound
from machinery.gvk import PODS
from nodeagent import podspec
from nodeagent.pod.deps import Deps
from nodeagent.podspec import Obj
from nodeagent.state.status_patch import plan_status_patch

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class StatusWriter:
    """`base` is the pod as last seen on the server; `on_written` is told each answer."""

    def __init__(self, deps: Deps, pod: Obj, on_written: Callable[[Obj], None]) -> None:
        self.base = pod
        self.gone = False
        self._deps = deps
        self._on_written = on_written
        self._wanted: Obj | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def seen(self, pod: Obj) -> None:
        """News from the watch; older than what our own write answered is ignored."""
        if is_newer(pod, self.base):
            self.base = pod

    def offer(self, status: Obj) -> None:
        """The status that shall stand on the server. Costs nothing when it does already."""
        if self.gone:
            return
        self._wanted = status
        if self._idle.is_set() and self._patch() is None:
            return
        self._idle.clear()
        self._wake.set()

    async def flushed(self) -> None:
        """Returns when the newest status stands on the server, or never can."""
        await self._idle.wait()

    async def run(self) -> None:
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            patch = self._patch()
            if patch is None or self.gone:
                self._idle.set()
                continue
            try:
                answer = await self._deps.client.patch(
                    PODS,
                    podspec.name_of(self.base),
                    patch,
                    podspec.namespace_of(self.base),
                    type="strategic",
                    subresource="status",
                )
            except (NotFound, Conflict):
                self.gone = True
                self._wake.set()
            except (ApiError, TransportError) as error:
                self._deps.log.warning(
                    "a pod's status could not be written, trying again",
                    pod=podspec.full_name(self.base),
                    why=str(error),
                )
                await self._deps.clock.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                self._wake.set()
            else:
                failures = 0
                self.seen(answer)
                self._on_written(answer)
                self._wake.set()

    def _patch(self) -> Obj | None:
        if self._wanted is None:
            return None
        return plan_status_patch(podspec.uid_of(self.base), self.base.get("status") or {}, self._wanted)


def is_newer(pod: Obj, than: Obj) -> bool:
    try:
        return int(pod["metadata"]["resourceVersion"]) >= int(than["metadata"]["resourceVersion"])
    except (KeyError, ValueError):
        return True
