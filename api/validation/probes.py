"""Probes and lifecycle hooks: what an action may be, and the numbers around it."""

from __future__ import annotations

from typing import Any

from api.validation.errors import Errors
from machinery import names

Obj = dict[str, Any]

_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probes(errors: Errors, container: Obj, path: str, grace_s: int) -> None:
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe, at = container.get(name), f"{path}.{name}"
        if probe is None:
            continue
        _validate_probe(errors, probe, at, grace_s)
        if name == "readinessProbe":
            value = probe.get("terminationGracePeriodSeconds")
            if value is not None:
                message = "must not be set for readinessProbes"
                errors.invalid(f"{at}.terminationGracePeriodSeconds", value, message)
        elif probe.get("successThreshold", 1) != 1:
            errors.invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")


def _validate_probe(errors: Errors, probe: Obj, path: str, grace_s: int) -> None:
    _validate_action(errors, probe, path, grace_s)
    for field in _NUMBERS:
        errors.non_negative(f"{path}.{field}", probe.get(field))
    errors.positive(f"{path}.terminationGracePeriodSeconds", probe.get("terminationGracePeriodSeconds"))


def validate_lifecycle(errors: Errors, lifecycle: Obj | None, path: str, grace_s: int) -> None:
    for name in ("postStart", "preStop"):
        hook = (lifecycle or {}).get(name)
        if hook is not None:
            _validate_action(errors, hook, f"{path}.{name}", grace_s)


def _validate_action(errors: Errors, handler: Obj, path: str, grace_s: int) -> None:
    named = [name for name in _ACTIONS if handler.get(name) is not None]
    if not named:
        errors.required(path, "must specify a handler type")
        return
    action, at = handler[named[0]], f"{path}.{named[0]}"
    match named[0]:
        case "exec":
            if not action.get("command"):
                errors.required(f"{at}.command")
        case "httpGet":
            _validate_http(errors, action, at)
        case "tcpSocket":
            validate_port(errors, action.get("port"), f"{at}.port")
        case "grpc":
            validate_port(errors, action.get("port"), f"{at}.port")
        case "sleep":
            seconds = action.get("seconds", 0)
            if not 0 <= seconds <= grace_s:
                message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
                errors.invalid(at, seconds, message)
    for extra in named[1:]:
        errors.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")


def _validate_http(errors: Errors, action: Obj, path: str) -> None:
    if not action.get("path"):
        errors.required(f"{path}.path")
    validate_port(errors, action.get("port"), f"{path}.port")
    if (scheme := action.get("scheme", "")) not in ("HTTP", "HTTPS"):
        errors.not_supported(f"{path}.scheme", scheme, ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or ():
        name = header.get("name", "")
        errors.invalid_each(f"{path}.httpHeaders", name, names.http_header_name(name))


def validate_port(errors: Errors, port: int | str | None, path: str) -> None:
    """A port by number or by name."""
    if isinstance(port, str):
        errors.invalid_each(path, port, names.port_name(port))
    else:
        errors.invalid_each(path, port or 0, names.port_number(port or 0))
