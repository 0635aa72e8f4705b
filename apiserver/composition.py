"""The parts that a process and a simulated cluster choose alike: how a store is made of a backend, which admission
plugins run, and how a CustomResourceDefinition becomes resources.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from api.resource import Obj, Resource
from apiserver.admission.admission import AdmissionPlugin
from apiserver.auth.chain import Security
from apiserver.backends.backend import Backend
from apiserver.engine.catalog import Catalog
from apiserver.engine.engine import Engine
from apiserver.storage.cacher import Cacher
from apiserver.storage.encoding import Cipher
from apiserver.storage.extract import extractor
from apiserver.storage.store import Store
from machinery.clock import Clock

if TYPE_CHECKING:
    from apiserver.admission.policy import FindParams
    from apiserver.admission.policy_types import FindKind, FindResource


def make_cacher(
    backend: Backend, resource: Resource, clock: Clock, rng: random.Random, cipher: Cipher | None = None
) -> Cacher:
    return Cacher(
        backend,
        prefix=f"/registry/{resource.storage_prefix}/",
        namespaced=resource.namespaced,
        extract=extractor(resource.selectable_fields, namespaced=resource.namespaced),
        clock=clock,
        rng=rng,
        ttl_s=resource.ttl_s,
        cipher=cipher,
    )


def make_admission(engine: Engine, security: Security) -> Sequence[AdmissionPlugin]:
    """Every plugin, over the stores that the engine serves."""
    from apiserver.admission.chain import Outside, admission_chain
    from apiserver.auth.escalation import EscalationCheck

    def find(group: str, plural: str) -> Store | None:
        served = engine.catalog.find(group, plural)
        return served.store if served is not None else None

    escalation = EscalationCheck(security.rbac, security.authorizer)
    outside = Outside(
        engine.clock,
        engine.rng,
        escalation,
        security.authorizer,
        other_versions(engine.catalog),
        engine.conversions,
        params_in(engine.catalog),
        engine.webhooks,
        find=resource_in(engine.catalog),
        find_kind=kind_in(engine.catalog),
    )
    return admission_chain(find, outside)


def other_versions(catalog: Catalog) -> Callable[[Resource], Sequence[Resource]]:
    """Who shares a resource's store: its kind in other versions or groups. Worked out anew when the catalog changes."""
    known: dict[str, list[Resource]] = {}
    generation = -1

    def others(resource: Resource) -> Sequence[Resource]:
        nonlocal generation
        if generation != catalog.generation:
            generation = catalog.generation
            known.clear()
            for served in catalog.all():
                known.setdefault(served.resource.storage_prefix, []).append(served.resource)
        return [each for each in known.get(resource.storage_prefix, ()) if each.gvr != resource.gvr]

    return others


def resource_in(catalog: Catalog) -> FindResource:
    def find(group: str, version: str, plural: str) -> Resource | None:
        served = catalog.get(group, version, plural)
        return served.resource if served is not None else None

    return find


def kind_in(catalog: Catalog) -> FindKind:
    def find(api_version: str, kind: str) -> Resource | None:
        group, _, version = api_version.rpartition("/")
        served = catalog.for_kind(group, version, kind)
        return served.resource if served is not None else None

    return find


def params_in(catalog: Catalog) -> FindParams:
    """Any kind that is served may hold the parameters of policies."""
    from apiserver.admission.policy import ParamStore

    def find(api_version: str, kind: str) -> ParamStore | None:
        group, _, version = api_version.rpartition("/")
        served = catalog.for_kind(group, version, kind)
        if served is None:
            return None

        async def get(namespace: str, name: str) -> Obj | None:
            entry = await served.store.get(namespace, name)
            return served.load(entry) if entry is not None else None

        async def all_in(namespace: str) -> list[Obj]:
            return [served.load(entry) for entry in (await served.store.list(namespace)).entries]

        return ParamStore(served.resource.namespaced, get, all_in)

    return find


def resources_of(crd: Obj) -> Sequence[Resource]:
    from api.apiextensions.v1.customresource import resources_of as built

    return built(crd)
