"""A container's environment: from services, config maps, secrets, fields, plain values. Pure.

What it reads of the API comes in as `Sources`; what is missing and not optional is a ConfigError in
upstream's words. Order: services first, then envFrom, then env, the later winning.
Source: kubelet makeEnvironmentVariables, envvars.FromServices.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeagent import podspec
from nodeagent.config import AgentConfig
from nodeagent.cri_security import ConfigError
from nodeagent.expansion import expand
from nodeagent.fieldref import FieldError, field_value, resource_value
from nodeagent.podspec import Obj

Lookup = Callable[[str], Obj | None]  # name, in the pod's namespace → object or None


@dataclass(frozen=True, slots=True)
class Sources:
    """What an environment may draw on beside the pod."""

    config_map: Lookup
    secret: Lookup
    services: Iterable[Obj] = ()
    allocatable: Mapping[str, Any] = field(default_factory=dict)
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()


def container_env(pod: Obj, container: Obj, sources: Sources, config: AgentConfig) -> dict[str, str]:
    services = service_env(pod, sources.services, config)
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        values.update(_env_from(pod, source, sources))
    known = {**services, **values}
    for entry in container.get("env") or ():
        value = _env_value(pod, container, entry, known, sources)
        if value is not None:
            values[entry["name"]] = known[entry["name"]] = value
    return {**services, **values}


def service_env(pod: Obj, services: Iterable[Obj], config: AgentConfig) -> dict[str, str]:
    """Variables for the API server always; for the namespace's services unless enableServiceLinks is false."""
    namespace = podspec.namespace_of(pod)
    links = podspec.spec_of(pod).get("enableServiceLinks")
    chosen: dict[str, Obj] = {}
    for service in services:
        meta, spec = service["metadata"], service.get("spec") or {}
        if spec.get("clusterIP") in (None, "", "None") or spec.get("type") == "ExternalName":
            continue
        is_api = meta["namespace"] == "default" and meta["name"] == "kubernetes"
        if meta["namespace"] == namespace and links is not False:
            chosen[meta["name"]] = service
        elif is_api:
            chosen.setdefault("kubernetes", service)
    env: dict[str, str] = {}
    for name in sorted(chosen):
        env.update(_variables_of(name, chosen[name]["spec"]))
    if config.api_host:
        port = str(config.api_port or 443)
        env |= {
            "KUBERNETES_SERVICE_HOST": config.api_host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
        }
    return env


def _variables_of(name: str, spec: Obj) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    host, ports = spec["clusterIP"], spec.get("ports") or []
    env = {f"{prefix}_SERVICE_HOST": host}
    if not ports:
        return env
    bracketed = f"[{host}]" if ":" in host else host
    env[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            env[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for place, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{bracketed}:{port['port']}"
        if place == 0:
            env[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        env |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port["port"]),
            f"{link}_ADDR": host,
        }
    return env


def _env_from(pod: Obj, source: Obj, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    if reference := source.get("configMapRef"):
        found = _required(sources.config_map, "configmap", reference)
        data = (found or {}).get("data") or {}
    elif reference := source.get("secretRef"):
        found = _required(sources.secret, "secret", reference)
        data = {key: _decode(value) for key, value in ((found or {}).get("data") or {}).items()}
    else:
        return {}
    return {f"{prefix}{key}": data[key] for key in sorted(data) if "=" not in key}


def _required(lookup: Lookup, kind: str, reference: Obj) -> Obj | None:
    found = lookup(reference["name"])
    if found is None and not reference.get("optional"):
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    return found


def _env_value(
    pod: Obj, container: Obj, entry: Obj, known: Mapping[str, str], sources: Sources
) -> str | None:
    """None: an optional source that is not there leaves the variable unset."""
    source = entry.get("valueFrom")
    if not source:
        return expand(entry.get("value") or "", known)
    try:
        if reference := source.get("fieldRef"):
            return field_value(
                pod, reference["fieldPath"], pod_ips=sources.pod_ips, host_ips=sources.host_ips
            )
        if reference := source.get("resourceFieldRef"):
            return resource_value(pod, reference, sources.allocatable, container)
    except FieldError as error:
        raise ConfigError(str(error)) from error
    namespace = podspec.namespace_of(pod)
    if reference := source.get("configMapKeyRef"):
        found = _required(sources.config_map, "configmap", reference)
        return _key(found, reference, "ConfigMap", namespace, str)
    if reference := source.get("secretKeyRef"):
        found = _required(sources.secret, "secret", reference)
        return _key(found, reference, "Secret", namespace, _decode)
    raise ConfigError(f"environment variable {entry['name']} has a source this node does not know")


def _key(
    found: Obj | None, reference: Obj, kind: str, namespace: str, decode: Callable[[str], str]
) -> str | None:
    if found is None:
        return None
    value = (found.get("data") or {}).get(reference["key"])
    if value is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return decode(value)


def _decode(value: str) -> str:
    return base64.b64decode(value).decode("utf-8", "surrogateescape")
