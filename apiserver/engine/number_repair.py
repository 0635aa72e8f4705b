"""Brings addresses and node ports in step with the Services that hold them, and keeps the ServiceCIDRs.

A server may end between taking a number and storing its Service, or between deleting a Service and giving back. So at
the start, and every minute after it: what a Service holds is noted as taken; what is noted and held by nobody is
given back, once it was seen so long enough that no creation can still be under way.

A ServiceCIDR is held by a finalizer while an address of it is in use and no other range has it; it is told Ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

import orjson

from api.resource import Obj
from apiserver.engine.addresses import Addresses, Owner, contains, owner_of
from apiserver.engine.bootstrap import SELF
from apiserver.engine.engine import Call, Engine, Undo, WriteHook, WriteOptions
from apiserver.engine.keeping import keep
from apiserver.engine.nodeports import Ports
from apiserver.engine.services import ServiceNumbers, addresses_of, ports_of
from apiserver.engine.update import update
from apiserver.engine.write import status_scope
from apiserver.storage.follow import Follower
from apiserver.storage.store import StaleRevision, Store
from machinery.clock import Clock, parse_rfc3339
from machinery.objects import deep_copy, with_condition

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
_PERIOD_S, _HASTY_S = 60.0, 5.0
GRACE_S = 60.0
_LEAK_ROUNDS = 3
_OPTIONS = WriteOptions(field_manager="kube-apiserver")


@dataclass(frozen=True, slots=True)
class AddressPlan:
    missing: Sequence[tuple[str, Owner]]
    orphans: Sequence[tuple[str, Owner]]


def plan_addresses(
    services: Iterable[Obj], there: Mapping[str, Obj], now: float, grace_s: float
) -> AddressPlan:
    """`there` are the IPAddresses by name. Those of other owners than Services are nobody's business here."""
    held = {
        address: (service["metadata"]["namespace"], service["metadata"]["name"])
        for service in services
        for address in addresses_of(service)
    }
    missing = [(address, owner) for address, owner in held.items() if address not in there]
    orphans = []
    for address, obj in there.items():
        owner = owner_of(obj)
        if owner is None or held.get(address) == owner:
            continue
        since = obj["metadata"].get("creationTimestamp")
        if address in held or since is None or now - parse_rfc3339(since) >= grace_s:
            orphans.append((address, owner))
    return AddressPlan(sorted(missing), sorted(orphans))


def plan_cidr(obj: Obj, others: Iterable[Obj], addresses: Iterable[str], version: int, now: float) -> Obj:
    """The ServiceCIDR as it should be: finalizer and Ready condition."""
    meta = obj["metadata"]
    networks = [ip_network(text) for text in (obj.get("spec") or {}).get("cidrs") or ()]
    kept = list(meta.get("finalizers") or ())
    status, reason, message = "True", "", "Kubernetes Service CIDR is ready"
    if meta.get("deletionTimestamp"):
        spare = [
            ip_network(text)
            for other in others
            if not other["metadata"].get("deletionTimestamp")
            for text in (other.get("spec") or {}).get("cidrs") or ()
        ]
        used = any(
            any(contains(network, address) for network in networks)
            and not any(contains(network, address) for network in spare)
            for address in addresses
        )
        if not used:
            kept = [each for each in kept if each != FINALIZER]
        status, reason = "False", "Terminating"
        message = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
    elif FINALIZER not in kept:
        kept.append(FINALIZER)
    if status == "True" and all(network.version != version for network in networks):
        status, reason = "False", "FamilyNotConfigured"
        message = f"this cluster gives addresses of IPv{version} only"
    told = {"type": "Ready", "status": status, "reason": reason, "message": message}
    metadata = {**{key: value for key, value in meta.items() if key != "finalizers"}}
    if kept:
        metadata["finalizers"] = kept
    return {**(with_condition(obj, told, now) or obj), "metadata": metadata}


class CIDRHook(WriteHook):
    """A new ServiceCIDR is protected from its first moment on."""

    async def before_create(self, call: Call, obj: Obj) -> Undo | None:
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)
        return None


class NumberRepair:
    def __init__(
        self, engine: Engine, services: Store, cidrs: Store, numbers: ServiceNumbers, clock: Clock
    ) -> None:
        self._engine = engine
        self._services = services
        self._cidrs = cidrs
        self._addresses: Addresses = numbers.addresses
        self._ports: Ports = numbers.ports
        self._clock = clock
        self._leaks: dict[int, int] = {}
        self._due_s = 0.0  # monotonic
        self._news = asyncio.Event()
        self.settled = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        follower = Follower(self._cidrs, self._on_cidr)
        async with asyncio.TaskGroup() as group:
            group.create_task(follower.run(), name="service ranges")
            await follower.synced.wait()
            self._due_s = self._clock.monotonic() + _PERIOD_S
            await keep("Services' numbers", self._round, self._news, retry_s=_HASTY_S)

    async def _round(self) -> float:
        terminating = await self.keep_cidrs()
        self.settled.set()
        if self._clock.monotonic() >= self._due_s:
            self._due_s = self._clock.monotonic() + _PERIOD_S
            await self.repair(GRACE_S)
        return _HASTY_S if terminating else _PERIOD_S

    def _on_cidr(self, namespace: str, name: str, obj: Obj | None) -> None:
        self._news.set()

    async def repair(self, grace_s: float) -> None:
        """One round. Raises StoreUnavailable."""
        services = await _all(self._services)
        there = {each["metadata"]["name"]: each for each in await _all(self._addresses.store)}
        plan = plan_addresses(services, there, self._clock.now(), grace_s)
        for address, owner in plan.orphans:
            await self._addresses.give_back(address, owner)
        for address, owner in plan.missing:
            with suppress(StaleRevision):
                made = self._addresses.object_of(address, owner)
                await self._addresses.store.create("", address, made)
        held = {port for service in services for port in ports_of(service)}
        taken = set(await self._ports.taken())
        if missing := held - taken:
            await self._ports.claim(sorted(missing))
        self._leaks = {port: self._leaks.get(port, 0) + 1 for port in taken - held}
        rounds = _LEAK_ROUNDS if grace_s else 1
        await self._ports.give_back(port for port, seen in self._leaks.items() if seen >= rounds)

    async def keep_cidrs(self) -> bool:
        """Whether one waits for its addresses to go."""
        cidrs = await _all(self._cidrs)
        terminating = any(each["metadata"].get("deletionTimestamp") for each in cidrs)
        addresses: list[str] = []
        if terminating:
            addresses = [entry.name for entry in (await self._addresses.store.list()).entries]
        for obj in cidrs:
            others = [each for each in cidrs if each is not obj]
            wanted = plan_cidr(obj, others, addresses, self._addresses.network.version, self._clock.now())
            if wanted.get("status") != obj.get("status"):
                await self._write(wanted, "status")
            if wanted["metadata"].get("finalizers") != obj["metadata"].get("finalizers"):
                await self._write(wanted, "")
        return terminating

    async def _write(self, obj: Obj, subresource: str) -> None:
        served = self._engine.catalog.find("networking.k8s.io", "servicecidrs")
        if served is None:
            return
        call = Call(served, SELF, "", obj["metadata"]["name"], subresource, options=_OPTIONS)
        sent = deep_copy(obj)
        await update(self._engine, call, sent, status_scope(served.resource) if subresource else None)


async def _all(store: Store) -> list[Obj]:
    return [orjson.loads(entry.data) for entry in (await store.list()).entries]
