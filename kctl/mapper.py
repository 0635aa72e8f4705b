"""From the words people type (`po`, `deploy`, `deployments.v1.apps`, `Deployment`) to resources.

The kinds that kctl itself serves are known without asking; anything else is looked up in the server's
discovery documents, asked for once per call and only then, so a CustomResourceDefinition created a moment ago
is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

from kctl.failure import Failure
from kctl.rest import Rest
from machinery.gvk import GVR

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ResourceInfo(NamedTuple):
    """A resource with the names it goes by. `preferred`: of its group's preferred version."""

    gvr: GVR
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    preferred: bool = True

    @property
    def full_name(self) -> str:
        """As `-o name` and messages print it: `deployment.apps`, `pod`."""
        return f"{self.singular}.{self.gvr.group}" if self.gvr.group else self.singular


def _known(
    group: str,
    version: str,
    plural: str,
    kind: str,
    shorts: str = "",
    *,
    namespaced: bool = True,
    all_: bool = False,
) -> ResourceInfo:
    gvr = GVR(group, version, plural, namespaced, kind)
    return ResourceInfo(gvr, kind.lower(), tuple(shorts.split()), ("all",) if all_ else ())


_RBAC = "rbac.authorization.k8s.io"
KNOWN: tuple[ResourceInfo, ...] = (
    _known("", "v1", "pods", "Pod", "po", all_=True),
    _known("", "v1", "services", "Service", "svc", all_=True),
    _known("", "v1", "nodes", "Node", "no", namespaced=False),
    _known("", "v1", "namespaces", "Namespace", "ns", namespaced=False),
    _known("", "v1", "configmaps", "ConfigMap", "cm"),
    _known("", "v1", "secrets", "Secret"),
    _known("", "v1", "serviceaccounts", "ServiceAccount", "sa"),
    _known("", "v1", "events", "Event", "ev"),
    _known("apps", "v1", "deployments", "Deployment", "deploy", all_=True),
    _known("apps", "v1", "replicasets", "ReplicaSet", "rs", all_=True),
    _known("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    _known("coordination.k8s.io", "v1", "leases", "Lease"),
    _known(_RBAC, "v1", "roles", "Role"),
    _known(_RBAC, "v1", "rolebindings", "RoleBinding"),
    _known(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    _known(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    _known(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd crds",
        namespaced=False,
    ),
)  # fmt: skip


class Mapper:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @cached_property
    def discovered(self) -> list[ResourceInfo]:
        """Everything the server serves, in its order: core first."""
        found: list[ResourceInfo] = []
        for path in ("/api", "/apis"):
            document = self._rest.get(path, accept=f"{_DISCOVERY},application/json")
            for group in document.get("items", ()):
                found += _of_group(group)
        return found

    def find(self, word: str) -> ResourceInfo:
        """One resource. Raises Failure, with a suggestion, where there is none."""
        return _match(word, KNOWN) or _match(word, self.discovered) or self._refuse(word)

    def expand(self, word: str) -> list[ResourceInfo]:
        """As find, but a category (`all`) stands for all of its resources."""
        found = _match(word, KNOWN) or _match(word, self.discovered)
        if found:
            return [found]
        members = [i for i in self.discovered if word in i.categories and i.preferred and "list" in i.verbs]
        return members or [self._refuse(word)]

    def find_kind(self, api_version: str, kind: str) -> ResourceInfo:
        """The resource of a manifest's apiVersion and kind."""
        for table in (KNOWN, self.discovered):
            for info in table:
                if info.gvr.kind == kind and info.gvr.api_version == api_version:
                    return info
        from difflib import get_close_matches

        kinds = {info.gvr.kind for info in self.discovered}
        near = get_close_matches(kind, sorted(kinds), 1, 0.7)
        hint = f". Did you mean {near[0]}?" if near and near[0] != kind else ""
        raise Failure(
            f'no matches for kind "{kind}" in version "{api_version}"{hint}\nensure CRDs are installed first'
        )

    def _refuse(self, word: str) -> ResourceInfo:
        from difflib import get_close_matches

        names = [n for i in self.discovered for n in (i.gvr.resource, i.singular, *i.short_names)]
        near = get_close_matches(word.lower(), names, 1, 0.7)
        hint = f". Did you mean {near[0]}?" if near else ""
        raise Failure(f'the server doesn\'t have a resource type "{word}"{hint}')


def _match(word: str, table: Iterable[ResourceInfo]) -> ResourceInfo | None:
    """`word` is a plural, singular, kind or short name, optionally with .group or .version.group."""
    wanted = word.lower()
    name, _, qualifier = wanted.partition(".")
    candidates = [
        info
        for info in table
        if name in (info.gvr.resource, info.singular, info.gvr.kind.lower(), *info.short_names)
    ]
    if qualifier:
        candidates = [
            info
            for info in candidates
            if qualifier in (info.gvr.group, f"{info.gvr.version}.{info.gvr.group}".rstrip("."))
        ]
    preferred = [info for info in candidates if info.preferred]
    return next(iter(preferred or candidates), None)


def _of_group(group: dict[str, Any]) -> list[ResourceInfo]:
    name = group.get("metadata", {}).get("name", "")
    found = []
    for index, version in enumerate(group.get("versions", ())):
        for resource in version.get("resources", ()):
            kind = resource.get("responseKind", {}).get("kind", "")
            gvr = GVR(
                name, version["version"], resource["resource"], resource.get("scope") == "Namespaced", kind
            )
            found.append(
                ResourceInfo(
                    gvr,
                    resource.get("singularResource") or kind.lower(),
                    tuple(resource.get("shortNames") or ()),
                    tuple(resource.get("categories") or ()),
                    tuple(resource.get("verbs") or ()),
                    index == 0,
                )
            )
    return found
