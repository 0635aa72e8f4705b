"""The APIServices as they stand: who else serves which group and version, and how that is going.

Follows the stored objects; what the checks found out (`availability.py`) is kept beside each. Everything that asks
whether a path, a group or a version belongs to somebody else asks here.

Invariant: a group and version that this server serves itself is never anybody else's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.resource import Obj
from apiserver.engine.catalog import Catalog

GroupVersion = tuple[str, str]


@dataclass(slots=True, eq=False)
class Remote:
    """One APIService with a service behind it."""

    obj: Obj
    available: bool = False
    checked: bool = False
    resources: list[Obj] = field(default_factory=list)  # of its APIResourceList, as last seen
    openapi_hash: str = ""  # of the v3 document below, once asked for
    openapi_v3: tuple[str, bytes] = ("", b"")  # its URL with the hash, document
    openapi_v2: tuple[str, Obj] = ("", {})  # ETag, document

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def group_version(self) -> GroupVersion:
        spec = self.obj["spec"]
        return spec.get("group", ""), spec["version"]

    @property
    def place(self) -> tuple[int, int]:
        spec = self.obj["spec"]
        return spec.get("groupPriorityMinimum", 0), spec.get("versionPriority", 0)

    @property
    def service(self) -> tuple[str, str, int]:
        """(namespace, name, port)"""
        service = self.obj["spec"]["service"]
        return service["namespace"], service["name"], int(service.get("port") or 443)

    @property
    def trust(self) -> tuple[str, bool]:
        """(caBundle, insecureSkipTLSVerify)"""
        spec = self.obj["spec"]
        return spec.get("caBundle") or "", bool(spec.get("insecureSkipTLSVerify"))


class Remotes:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.objects: dict[str, Obj] = {}  # every APIService, local ones too
        self.remote: dict[GroupVersion, Remote] = {}  # with a service; those that are served here as well
        self.news = asyncio.Event()
        self.lost: Counter[tuple[str, str]] = Counter()  # (name, reason): how often one became unavailable
        self.listeners: list[Callable[[], None]] = []
        self.generation = 0

    def on_change(self, namespace: str, name: str, obj: Obj | None) -> None:
        """For a Follower of the APIServices."""
        before = self.objects.pop(name, None)
        if obj is None and before is not None:
            self.remote.pop(_group_version(before), None)
        if obj is not None:
            self.objects[name] = obj
            key = _group_version(obj)
            known = self.remote.get(key)
            if not obj["spec"].get("service"):
                self.remote.pop(key, None)
            elif known is None:
                self.remote[key] = Remote(obj)
            else:
                known.obj = obj
        if before is None or obj is None or before["spec"] != obj["spec"]:
            self.changed()

    def changed(self) -> None:
        """What discovery shows is no longer what it was; the checks look again."""
        self.generation += 1
        self.news.set()
        for tell in self.listeners:
            tell()

    def __iter__(self) -> Iterator[Remote]:
        """Those that are not served here, by name."""
        for remote in sorted(self.remote.values(), key=lambda each: each.name):
            if not self.is_local(*remote.group_version):
                yield remote

    def get(self, group: str, version: str) -> Remote | None:
        remote = self.remote.get((group, version))
        return None if remote is None or self.is_local(group, version) else remote

    def of_path(self, path: str) -> Remote | None:
        """Who serves a path below /apis/GROUP/VERSION."""
        parts = path.split("/", 4)
        if len(parts) < 4 or parts[1] != "apis":
            return None
        return self.get(parts[2], parts[3])

    def is_local(self, group: str, version: str) -> bool:
        return self._catalog.has_version(group, version)

    def by_group(self) -> Mapping[str, list[Remote]]:
        found: dict[str, list[Remote]] = {}
        for remote in self:
            found.setdefault(remote.group_version[0], []).append(remote)
        return found


def _group_version(obj: Obj) -> GroupVersion:
    spec: dict[str, Any] = obj["spec"]
    return spec.get("group", ""), spec["version"]
