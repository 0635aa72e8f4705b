"""Where an image may be fetched from: mirrors first, then the registry its name says. Pure.

Plain http is spoken only to hosts that the configuration names and to this machine's own loopback.
A login for a registry is never sent to its mirrors.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.cri import Auth, ImageFailure
from runtime.images.failures import UNUSABLE_STORE
from runtime.images.reference import DOCKER_HUB, Reference
from runtime.images.registry import Endpoint

_HUB_HOST = "registry-1.docker.io"
_MIRROR_TRIES = 2


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """Hosts are written as in references (`docker.io`, `localhost:5000`); mirrors as URLs without /v2."""

    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    plain_http: Sequence[str] = ()
    ca_files: Mapping[str, str] = field(default_factory=dict)
    logins: Mapping[str, Auth] = field(default_factory=dict)  # where a pull brings none of its own

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> RegistryConfig:
        """From a settings file: {mirrors: {docker.io: [https://...]}, plainHTTP: [...], caFiles: {...}}.
        Raises ValueError that names the key."""
        unknown = sorted(set(document) - {"mirrors", "plainHTTP", "caFiles"})
        if unknown:
            raise ValueError(f"unknown registry settings: {', '.join(unknown)}")
        mirrors = document.get("mirrors") or {}
        for host, urls in mirrors.items():
            if not isinstance(urls, list) or not all(
                str(u).startswith(("https://", "http://")) for u in urls
            ):
                raise ValueError(f"mirrors[{host!r}] must be a list of http(s) URLs")
        return RegistryConfig(
            mirrors={str(host): tuple(map(str, urls)) for host, urls in mirrors.items()},
            plain_http=tuple(map(str, document.get("plainHTTP") or ())),
            ca_files={str(k): str(v) for k, v in (document.get("caFiles") or {}).items()},
        )


def read_registries(path: Path) -> RegistryConfig:
    """The settings file of a store, or the defaults where there is none. Raises ImageFailure."""
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        return RegistryConfig.from_dict(document)
    except FileNotFoundError:
        return RegistryConfig()
    except (ValueError, TypeError, AttributeError) as error:
        raise ImageFailure(UNUSABLE_STORE, f"the registry settings {path} cannot be used: {error}") from error


def plan_endpoints(reference: Reference, config: RegistryConfig, auth: Auth | None) -> list[Endpoint]:
    """In the order to try."""
    registry = reference.registry
    mirrors = [Endpoint(url.rstrip("/"), tries=_MIRROR_TRIES) for url in config.mirrors.get(registry, ())]
    host = _HUB_HOST if registry == DOCKER_HUB else registry
    is_plain = registry in config.plain_http or (is_loopback(host) and host not in config.ca_files)
    login = auth or config.logins.get(registry) or Auth()
    return [*mirrors, Endpoint(f"{'http' if is_plain else 'https'}://{host}", login)]


def is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
