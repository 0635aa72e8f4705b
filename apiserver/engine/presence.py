"""That this API server is there: its address among the endpoints of `kubernetes`, and the Lease of its identity.

Every server renews a lease for its address in the store. Every server writes the addresses whose leases live into the
endpoints: so they agree, and a dead server's address goes by itself. A lease lives until nobody has renewed it for
15 s by this server's own clock; the clocks of the servers need not agree.

The identity (apiserver-HASH in kube-system) tells people and components which servers there are.

Source: Kubernetes' lease endpoint reconciler; KEP-1965 "kube-apiserver identity".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress

import orjson

from api.resource import Obj
from apiserver.engine.bootstrap import SELF, ensure, ensure_endpoints
from apiserver.engine.delete import delete
from apiserver.engine.delete_options import DeleteOptions
from apiserver.engine.engine import Call, Engine, WriteOptions
from apiserver.engine.keeping import every, keep
from apiserver.engine.update import update
from apiserver.storage.store import StaleRevision, Store
from machinery.clock import parse_rfc3339, rfc3339, rfc3339_micro
from machinery.errors import NotFound

RENEW_S = 10.0
LEASE_S = 15.0
IDENTITY_S = 3600
IDENTITY_LABEL = "apiserver.kubernetes.io/identity"
_OPTIONS = WriteOptions(field_manager="kube-apiserver")
_NAMESPACE = "kube-system"


def identity_of(server: str) -> str:
    """apiserver-HASH, the same for the same server at every start."""
    digest = base64.b32encode(hashlib.sha256(server.encode()).digest()).decode()
    return f"apiserver-{digest[:26].lower()}"


def plan_live(
    seen: Mapping[str, tuple[int, float]], there: Mapping[str, int], now_s: float
) -> tuple[dict[str, tuple[int, float]], list[str]]:
    """In: leases as last seen (revision, since when), and as they stand (revision). Out: the same anew, and the dead."""
    noted = {
        name: seen[name] if name in seen and seen[name][0] == revision else (revision, now_s)
        for name, revision in there.items()
    }
    return noted, [name for name, (_, since_s) in sorted(noted.items()) if now_s - since_s >= LEASE_S]


class Presence:
    """`addresses`: where this server is reached; `port` there."""

    def __init__(
        self,
        engine: Engine,
        leases: Store,
        addresses: Sequence[str],
        port: int,
        server: str,
    ) -> None:
        self._engine = engine
        self._leases = leases
        self._addresses = list(addresses)
        self._port = port
        self._server = server
        self.identity = identity_of(server)
        self._holder = f"{self.identity}_{engine.new_uid()}"
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Until cancelled. What cannot be written now is tried again in the next round."""
        identity = keep("the Lease of this server's identity", self._announced, retry_s=RENEW_S)
        addresses = keep("this server's address", every(RENEW_S, self.reconcile), retry_s=RENEW_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(identity, name="identity")
            group.create_task(addresses, name="address")

    async def _announced(self) -> float:
        await self.announce()
        return RENEW_S

    async def reconcile(self) -> None:
        """Renew, judge the others, write the endpoints. Raises ApiError, StoreUnavailable."""
        for address in self._addresses:
            await self._renew(address)
        listed = (await self._leases.list()).entries
        there = {entry.name: entry.revision for entry in listed}
        self._seen, dead = plan_live(self._seen, there, self._engine.clock.monotonic())
        for address in dead:
            with suppress(StaleRevision):  # renewed just now
                await self._leases.delete("", address, there[address])
        live = [name for name in there if name not in dead]
        await ensure_endpoints(self._engine, sorted({*live, *self._addresses}), self._port)

    async def leave(self) -> None:
        """This server is about to stop: others take its address out at once. A lone one leaves its own behind."""
        others = {entry.name for entry in (await self._leases.list()).entries} - set(self._addresses)
        for address in self._addresses:
            entry = await self._leases.get("", address)
            if entry is not None and others:
                with suppress(StaleRevision):
                    await self._leases.delete("", address, entry.revision)
        if others:
            await ensure_endpoints(self._engine, sorted(others), self._port)

    async def _renew(self, address: str) -> None:
        said = {"renewTime": rfc3339_micro(self._engine.clock.now())}
        entry = await self._leases.get("", address)
        with suppress(StaleRevision):  # another server at the same address was first
            if entry is None:
                lease = {"kind": "MasterLease", "apiVersion": "v1", "metadata": {"name": address}, **said}
                await self._leases.create("", address, lease)
            else:
                await self._leases.update("", address, {**orjson.loads(entry.data), **said}, entry.revision)

    async def announce(self) -> None:
        """Renew the Lease of this server's identity; take away those of servers that are long gone."""
        engine = self._engine
        served = engine.catalog.find("coordination.k8s.io", "leases")
        if served is None:
            return
        now = engine.clock.now()
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": IDENTITY_S,
            "renewTime": rfc3339_micro(now),
        }
        labels = {IDENTITY_LABEL: "kube-apiserver", "kubernetes.io/hostname": self._server.partition("/")[0]}
        entry = await served.store.get(_NAMESPACE, self.identity)
        if entry is None:
            metadata = {"name": self.identity, "labels": labels}
            await ensure(
                engine, "coordination.k8s.io", "leases", _NAMESPACE, {"metadata": metadata, "spec": spec}
            )
        else:
            call = Call(served, SELF, _NAMESPACE, self.identity, options=_OPTIONS)
            await update(engine, call, {**served.load(entry), "spec": spec})
        marked = await served.store.list(
            _NAMESPACE, predicate=lambda labels, fields: labels.get(IDENTITY_LABEL) == "kube-apiserver"
        )
        for each in marked.entries:
            if is_expired(served.load(each), now):
                with suppress(NotFound):
                    call = Call(served, SELF, _NAMESPACE, each.name, options=_OPTIONS)
                    await delete(engine, call, DeleteOptions())


def is_expired(lease: Obj, now: float) -> bool:
    spec = lease.get("spec") or {}
    renewed = spec.get("renewTime") or lease["metadata"].get("creationTimestamp") or rfc3339(now)
    return now > parse_rfc3339(renewed) + float(spec.get("leaseDurationSeconds") or IDENTITY_S)
