"""What this server serves right now: the table from group, version and plural to a resource and its store.

Built-in resources are put in once; a CustomResourceDefinition puts its versions in and takes them out
while the server runs. Discovery, OpenAPI and dispatch read nothing else, so whatever is in the table is
served, found and explained, and `generation` tells them when to look again.

Two resources that name the same `storage_prefix` share one store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from api.resource import Obj, Resource
from apiserver.storage.store import Entry, Store


@dataclass(slots=True, eq=False)
class Served:
    """A resource with its store, which shows and takes objects in this resource's form. `base`: the form of what is stored."""

    resource: Resource
    store: Store
    base: Resource
    # What a list has before and after the digits of its resourceVersion, if no page follows.
    list_head: bytes = b""
    list_end: bytes = b""
    # "Deprecated" notices sent with every answer of this version (CRD versions may carry one).
    deprecation: str = ""
    # False while its CustomResourceDefinition is being deleted: reads and deletes go on, creation stops.
    creatable: bool = True
    # By api version, the forms that a definition has and nobody is served: fields may be owned in them still.
    unserved: Mapping[str, Resource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        head = {"kind": self.resource.list_kind, "apiVersion": self.resource.gvr.api_version}
        self.list_head = orjson.dumps(head)[:-1] + b',"metadata":{"resourceVersion":"'
        # Upstream's lists of custom resources are not typed, and have the field even where it says nothing.
        self.list_end = b'","continue":""},"items":[' if self.resource.custom else b'"},"items":['

    def load(self, entry: Entry) -> Obj:
        """A fresh dict of a stored object."""
        obj: Obj = orjson.loads(entry.data)
        return obj


class Catalog:
    def __init__(self) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        self._versions: Counter[tuple[str, str]] = Counter()
        self.generation = 0
        self.listeners: list[Callable[[], None]] = []  # called after every change

    def add(self, resource: Resource, store: Store, base: Resource | None = None) -> Served:
        """Serve `resource`, replacing what stood under its name."""
        served = Served(resource, store, base or resource, deprecation=resource.deprecation)
        gvr = resource.gvr
        key = (gvr.group, gvr.version, gvr.resource)
        if key not in self._served:
            self._versions[key[:2]] += 1
        self._served[key] = served
        self._changed()
        return served

    def remove(self, group: str, version: str, plural: str) -> Served | None:
        served = self._served.pop((group, version, plural), None)
        if served is not None:
            self._versions[group, version] -= 1
            self._changed()
        return served

    def _changed(self) -> None:
        self.generation += 1
        for tell in self.listeners:
            tell()

    def has_version(self, group: str, version: str) -> bool:
        return self._versions[group, version] > 0

    def get(self, group: str, version: str, plural: str) -> Served | None:
        return self._served.get((group, version, plural))

    def find(self, group: str, plural: str) -> Served | None:
        """Any served version of the resource."""
        for (each_group, _, each_plural), served in self._served.items():
            if each_group == group and each_plural == plural:
                return served
        return None

    def for_kind(self, group: str, version: str, kind: str) -> Served | None:
        for (each_group, each_version, _), served in self._served.items():
            if each_group == group and each_version == version and served.resource.kind == kind:
                return served
        return None

    def all(self) -> Iterable[Served]:
        return self._served.values()

    def versions_of(self, group: str) -> list[str]:
        """Served versions of a group, the preferred one first."""
        return sorted({v for g, v, _ in self._served if g == group}, key=version_priority, reverse=True)

    def groups(self) -> list[str]:
        """Served groups but the core one: built-ins in the order they were added, then custom ones by name."""
        built_in: dict[str, None] = {}
        custom: dict[str, None] = {}
        for (group, _, _), served in self._served.items():
            if group:
                (custom if served.resource.custom else built_in)[group] = None
        return list(built_in) + sorted(group for group in custom if group not in built_in)

    def in_version(self, group: str, version: str) -> list[Served]:
        return [served for (g, v, _), served in self._served.items() if g == group and v == version]


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > anything else by name."""
    text = version.removeprefix("v")
    if text == version:
        return (0, 0, 0, version)
    for word, stage in (("beta", 2), ("alpha", 1)):
        major, found, minor = text.partition(word)
        if found and major.isdigit() and (minor.isdigit() or not minor):
            return (stage, int(major), int(minor or 0), "")
    return (3, int(text), 0, "") if text.isdigit() else (0, 0, 0, version)
