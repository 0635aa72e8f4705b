"""Requests as admission plugins see them, for tests that ask one plugin."""

from __future__ import annotations

import asyncio
from typing import Any

from api import registry
from apiserver.admission.admission import AdmissionRequest, Plugin
from apiserver.auth.user import User

Obj = dict[str, Any]
RESOURCES = {(r.gvr.group, r.gvr.resource): r for r in registry.load()}
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))


def asking(operation: Any, plural: str, obj: Obj | None = None, **more: Any) -> AdmissionRequest:
    old = more.pop("old", None)
    metadata = (obj or old or {}).get("metadata") or {}
    return AdmissionRequest(
        operation,
        RESOURCES[more.pop("group", ""), plural],
        more.pop("subresource", ""),
        more.pop("namespace", "a"),
        more.pop("name", metadata.get("name", "")),
        obj,
        old,
        more.pop("user", User("jane")),
    )


def things(*objs: Obj) -> Any:
    by_key = {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in objs}

    async def look_up(namespace: str, name: str) -> Obj | None:
        return by_key.get((namespace, name))

    return look_up


def go(plugin: Plugin, request: AdmissionRequest) -> AdmissionRequest:
    async def main() -> None:
        if plugin.handles(request):
            await plugin.admit(request)
            await plugin.validate(request)

    asyncio.run(main())
    return request
