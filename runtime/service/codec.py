"""CRI dataclasses ↔ plain JSON, for the spawner's records.

`encode` leaves out what equals its default; `decode` gives back an equal value, with tuples where the
field is a sequence. Values of a newer version that this one does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from runtime.cri import (
    ContainerConfig,
    Device,
    DnsConfig,
    LinuxResources,
    Mount,
    Namespaces,
    PortMapping,
    SandboxConfig,
    SeccompProfile,
    SecurityContext,
)

T = TypeVar("T")


def encode(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        out = {}
        for name, default in _defaults(type(value)):
            item = getattr(value, name)
            if item != default:
                out[name] = encode(item)
        return out
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], data: Mapping[str, Any]) -> T:
    wanted: Any = kind
    known = {name for name, _ in _defaults(wanted)}
    nested = _NESTED.get(kind, {})
    values = {}
    for name, item in data.items():
        if name in known:
            values[name] = nested[name](item) if name in nested else _plain(item)
    return kind(**values)


def _plain(item: Any) -> Any:
    return tuple(_plain(entry) for entry in item) if isinstance(item, list) else item


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    found = []
    for entry in fields(kind):
        default: Any = entry.default
        factory = entry.default_factory
        if factory is not MISSING:
            default = factory()
        found.append((entry.name, default))
    return tuple(found)


def _one(kind: type) -> Callable[[Any], Any]:
    return lambda item: None if item is None else decode(kind, item)


def _many(kind: type) -> Callable[[Any], Any]:
    return lambda items: tuple(decode(kind, item) for item in items)


def _pairs(items: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {name: (int(pair[0]), int(pair[1])) for name, pair in items.items()}


_NESTED: dict[type, dict[str, Callable[[Any], Any]]] = {
    SandboxConfig: {
        "dns": _one(DnsConfig),
        "port_mappings": _many(PortMapping),
        "namespaces": _one(Namespaces),
        "resources": _one(LinuxResources),
    },
    ContainerConfig: {
        "mounts": _many(Mount),
        "devices": _many(Device),
        "resources": _one(LinuxResources),
        "security": _one(SecurityContext),
    },
    SecurityContext: {"seccomp": _one(SeccompProfile), "rlimits": _pairs},
}
