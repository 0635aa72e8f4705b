"""postStart and preStop hooks: run one, and say what went wrong. Source: "Container Lifecycle Hooks"."""

from __future__ import annotations

import asyncio

from nodeagent.network import CallFailed
from nodeagent.pod.deps import Deps
from nodeagent.podspec import Obj
from nodeagent.probing import http_target, port_number
from runtime.cri import RuntimeFailure

HTTP_TIMEOUT_S = 30.0


class HookFailed(Exception):
    """str() is the cause."""


async def run_hook(
    deps: Deps, handler: Obj, container: Obj, container_id: str, pod_ip: str, timeout_s: float = 0.0
) -> None:
    """Raises HookFailed; with `timeout_s`, also when it takes longer."""
    try:
        async with asyncio.timeout(timeout_s or None):
            await _run(deps, handler, container, container_id, pod_ip)
    except TimeoutError as error:
        raise HookFailed(f"timed out after {timeout_s:g}s") from error
    except (CallFailed, RuntimeFailure, ValueError) as error:
        raise HookFailed(str(error)) from error


async def _run(deps: Deps, handler: Obj, container: Obj, container_id: str, pod_ip: str) -> None:
    if action := handler.get("exec"):
        command = action.get("command") or []
        result = await deps.runtime.exec_sync(container_id, command)
        if result.exit_code:
            output = (result.stdout + result.stderr).decode("utf-8", "replace").strip()
            raise HookFailed(f"command {' '.join(command)!r} exited with {result.exit_code}: {output}")
    elif action := handler.get("httpGet"):
        await deps.network.http(*http_target(action, container, pod_ip), HTTP_TIMEOUT_S)
    elif action := handler.get("tcpSocket"):
        host = action.get("host") or pod_ip
        await deps.network.tcp(host, port_number(action["port"], container), HTTP_TIMEOUT_S)
    elif action := handler.get("sleep"):
        await deps.clock.sleep(float(action["seconds"]))
    else:
        raise HookFailed("the hook names no action")
