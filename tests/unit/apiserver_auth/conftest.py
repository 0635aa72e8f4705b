"""Stores over a memory backend, with the objects that security decides by."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from apiserver.auth.bootstrap import ensure_policy
from apiserver.auth.chain import Security, SecurityStores
from apiserver.auth.signing import TokenSigner
from apiserver.auth.user import Attributes, User
from apiserver.backends.memory import MemoryBackend
from apiserver.storage.cacher import Cacher
from apiserver.storage.extract import extractor
from machinery.clock import LoopClock
from machinery.virtual_loop import DEFAULT_EPOCH_S, run

Obj = dict[str, Any]
NAMES = {
    "roles": True,
    "role_bindings": True,
    "cluster_roles": False,
    "cluster_role_bindings": False,
    "service_accounts": True,
    "pods": True,
    "secrets": True,
    "nodes": False,
}


class Cluster:
    def __init__(self, clock: LoopClock, pem: bytes) -> None:
        self.clock = clock
        self.rng = random.Random(5)
        backend = MemoryBackend(clock)
        self.caches = {
            name: Cacher(
                backend,
                prefix=f"/registry/{name}/",
                namespaced=namespaced,
                extract=extractor(
                    {"spec.nodeName": ".spec.nodeName"} if name == "pods" else {}, namespaced=namespaced
                ),
                clock=clock,
                rng=self.rng,
            )
            for name, namespaced in NAMES.items()
        }
        self.stores = SecurityStores(**self.caches)
        self.signer = TokenSigner(pem, "https://kubernetes.default.svc")
        self.security = Security(self.stores, self.signer, clock, self.rng)

    async def put(self, name: str, obj: Obj) -> None:
        metadata = obj["metadata"]
        metadata.setdefault("uid", f"uid-{metadata['name']}")
        store = self.caches[name]
        namespace = metadata.get("namespace", "")
        there = await store.get(namespace, metadata["name"])
        if there is None:
            await store.create(namespace, metadata["name"], obj)
        else:
            await store.update(namespace, metadata["name"], obj, there.revision)
        await asyncio.sleep(0.001)

    async def drop(self, name: str, namespace: str, object_name: str) -> None:
        entry = await self.caches[name].get(namespace, object_name)
        assert entry is not None
        await self.caches[name].delete(namespace, object_name, entry.revision)
        await asyncio.sleep(0.001)

    def may(self, user: User, verb: str, resource: str, **more: str) -> bool:
        return self.security.authorizer.authorize(Attributes(user, verb, resource=resource, **more)).allowed


def _with_cluster(
    body: Callable[[Cluster], Awaitable[None]], pem: bytes = b"", *, policy: bool = False
) -> None:
    async def main() -> None:
        cluster = Cluster(LoopClock(asyncio.get_running_loop(), DEFAULT_EPOCH_S), pem)
        for cache in cluster.caches.values():
            await cache.start()
        tasks = [asyncio.create_task(cache.run()) for cache in cluster.caches.values()]
        if policy:
            await ensure_policy(cluster.stores, cluster.clock, cluster.rng)
        tasks.append(asyncio.create_task(cluster.security.run()))
        await cluster.security.wait_synced()
        await body(cluster)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


@pytest.fixture
def with_cluster() -> Callable[..., None]:
    """`with_cluster(body, pem, policy=)` runs `await body(cluster)` in virtual time."""
    return _with_cluster


@pytest.fixture(scope="session")
def ec_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
