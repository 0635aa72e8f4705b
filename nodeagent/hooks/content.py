"""Config maps, secrets and the downward API as files: pure functions from objects to payloads."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from nodeagent import podspec
from nodeagent.env import Sources
from nodeagent.fieldref import FieldError, field_value, resource_value
from nodeagent.hooks.atomic_writer import File
from nodeagent.hooks.hook import VolumeError
from nodeagent.podspec import Obj

DEFAULT_MODE = 0o644


def config_map_files(pod: Obj, source: Obj, sources: Sources, default_mode: int) -> dict[str, File]:
    name = source.get("name", "")
    found = sources.config_map(name)
    if found is None:
        if source.get("optional"):
            return {}
        raise VolumeError(f'configmap "{name}" not found')
    data = {key: text.encode() for key, text in (found.get("data") or {}).items()}
    data |= {key: base64.b64decode(blob) for key, blob in (found.get("binaryData") or {}).items()}
    return _select(data, source, default_mode, "configmap references non-existent config key")


def secret_files(pod: Obj, source: Obj, sources: Sources, default_mode: int) -> dict[str, File]:
    name = source.get("secretName") or source.get("name", "")
    found = sources.secret(name)
    if found is None:
        if source.get("optional"):
            return {}
        raise VolumeError(f'secret "{name}" not found')
    data = {key: base64.b64decode(blob) for key, blob in (found.get("data") or {}).items()}
    return _select(data, source, default_mode, "references non-existent secret key")


def downward_files(pod: Obj, items: Iterable[Obj], sources: Sources, default_mode: int) -> dict[str, File]:
    made: dict[str, File] = {}
    for item in items:
        mode = default_mode if item.get("mode") is None else int(item["mode"])
        try:
            if item.get("fieldRef"):
                text = field_value(
                    pod, item["fieldRef"]["fieldPath"], pod_ips=sources.pod_ips, host_ips=sources.host_ips
                )
            else:
                text = resource_value(pod, item.get("resourceFieldRef") or {}, sources.allocatable)
        except (FieldError, KeyError) as error:
            raise VolumeError(str(error)) from error
        made[clean_path(item["path"])] = File(text.encode(), mode)
    return made


def owner_of(pod: Obj) -> int:
    """The user that all containers run as, or -1 where they differ or do not say: who may own a token."""
    users = set()
    level = (podspec.spec_of(pod).get("securityContext") or {}).get("runAsUser")
    for _, container in podspec.all_containers(pod):
        own = (container.get("securityContext") or {}).get("runAsUser")
        users.add(own if own is not None else level)
    only = users.pop() if len(users) == 1 else None
    return -1 if only is None else int(only)


def clean_path(path: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or path.startswith("/"):
        raise VolumeError(f"invalid path {path!r}: must be relative, without '..'")
    return "/".join(parts)


def _select(data: Mapping[str, bytes], source: Obj, default_mode: int, missing: str) -> dict[str, File]:
    items = source.get("items")
    if not items:
        return {key: File(data[key], default_mode) for key in sorted(data)}
    chosen: dict[str, File] = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise VolumeError(f"{missing}: {item['key']}")
        mode = default_mode if item.get("mode") is None else int(item["mode"])
        chosen[clean_path(item["path"])] = File(data[item["key"]], mode)
    return chosen


def mode_of(source: Obj) -> int:
    mode = source.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)
