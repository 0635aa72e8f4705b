"""Probes: the thresholds as a pure machine, and one attempt as an effect.

A verdict changes after `successThreshold` good or `failureThreshold` bad attempts in a row. An attempt is a
command in the container, an HTTP GET, a TCP connection, or a gRPC health check (see `grpc_health.py`).
Source: Kubernetes "Configure Liveness, Readiness and Startup Probes"; kubelet prober.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from nodeagent.grpc_health import check_health
from nodeagent.network import CallFailed, Headers, Network
from nodeagent.podspec import Obj
from runtime.cri import RuntimeFailure, RuntimeService

ProbeKind = Literal["startup", "liveness", "readiness"]
FIELDS: Mapping[ProbeKind, str] = {
    "startup": "startupProbe",
    "liveness": "livenessProbe",
    "readiness": "readinessProbe",
}
OUTPUT_LIMIT = 10 * 1024


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: Obj) -> ProbeSettings:
        def number(name: str, default: int) -> int:
            value = probe.get(name)
            return default if value is None else int(value)

        return cls(
            number("initialDelaySeconds", 0),
            max(number("periodSeconds", 10), 1),
            max(number("timeoutSeconds", 1), 1),
            max(number("successThreshold", 1), 1),
            max(number("failureThreshold", 3), 1),
        )


@dataclass(frozen=True, slots=True)
class ProbeState:
    """`verdict` None: not decided yet. `run` counts equal results in a row."""

    verdict: bool | None = None
    last: bool | None = None
    run: int = 0


def after_attempt(state: ProbeState, ok: bool, settings: ProbeSettings) -> ProbeState:
    run = state.run + 1 if state.last is ok else 1
    needed = settings.success_threshold if ok else settings.failure_threshold
    verdict = ok if run >= needed else state.verdict
    return replace(state, verdict=verdict, last=ok, run=run)


@dataclass(frozen=True, slots=True)
class Attempt:
    ok: bool
    output: str = ""


async def attempt(
    probe: Obj, container: Obj, container_id: str, pod_ip: str, runtime: RuntimeService, network: Network
) -> Attempt:
    """One try; never raises for a probe that fails, whatever the way."""
    timeout_s = ProbeSettings.of(probe).timeout_s
    try:
        if command := probe.get("exec"):
            return await _exec(command.get("command") or [], container_id, runtime, timeout_s)
        if action := probe.get("httpGet"):
            return await _http(action, container, pod_ip, network, timeout_s)
        if action := probe.get("tcpSocket"):
            host = action.get("host") or pod_ip
            await network.tcp(host, port_number(action["port"], container), timeout_s)
            return Attempt(True)
        if action := probe.get("grpc"):
            await check_health(pod_ip, int(action["port"]), action.get("service") or "", timeout_s)
            return Attempt(True)
    except CallFailed as error:
        return Attempt(False, str(error))
    except TimeoutError:
        return Attempt(
            False,
            f"command timed out after {timeout_s:g}s"
            if "exec" in probe
            else "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        )
    except (RuntimeFailure, ValueError) as error:
        return Attempt(False, str(error))
    return Attempt(False, "the probe names no action")


async def _exec(command: list[str], container_id: str, runtime: RuntimeService, timeout_s: float) -> Attempt:
    result = await runtime.exec_sync(container_id, command, timeout_s)
    output = (result.stdout + result.stderr)[:OUTPUT_LIMIT].decode("utf-8", "replace")
    return Attempt(result.exit_code == 0, output)


async def _http(action: Obj, container: Obj, pod_ip: str, network: Network, timeout_s: float) -> Attempt:
    status, _ = await network.http(*http_target(action, container, pod_ip), timeout_s)
    if 200 <= status < 400:
        return Attempt(True)
    return Attempt(False, f"HTTP probe failed with statuscode: {status}")


def http_target(action: Obj, container: Obj, pod_ip: str) -> tuple[str, str, int, str, Headers]:
    headers = [(h["name"], h["value"]) for h in action.get("httpHeaders") or ()]
    return (
        action.get("scheme") or "HTTP",
        action.get("host") or pod_ip,
        port_number(action["port"], container),
        action.get("path") or "/",
        headers,
    )


def port_number(port: int | str, container: Obj) -> int:
    """A number, or the name of one of the container's ports. ValueError where there is none."""
    if isinstance(port, int):
        return port
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    if port.isdigit():
        return int(port)
    raise ValueError(f"couldn't find port: {port!r} in container {container['name']}")
