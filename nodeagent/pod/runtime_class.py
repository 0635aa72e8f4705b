"""The handler of a pod's RuntimeClass. Whether the runtime knows such a handler is the runtime's to say.

Read when a sandbox is made, not kept: few pods name one, and a class that appears later mends the pod.
Source: kubelet runtimeclass_manager.go.
"""

from __future__ import annotations

from client.client import Client
from machinery.gvk import RUNTIMECLASSES
from nodeagent import podspec
from nodeagent.podspec import Obj


async def runtime_handler(client: Client, pod: Obj) -> str:
    """ "" where the pod names no class. Raises ApiError (NotFound), TransportError."""
    name = podspec.spec_of(pod).get("runtimeClassName")
    if not name:
        return ""
    return str((await client.get(RUNTIMECLASSES, name)).get("handler") or "")
