"""What a Service is given before it is stored, and gives back when it goes: its cluster address and node ports.

A write takes first (`before_*`), so that two concurrent creations never get the same number, and its undo gives back
what did not get stored. The numbers themselves are kept by `addresses.py` and `nodeports.py`, in the store.

This server gives addresses of one family (service_families.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from api.resource import Obj
from api.validation.service_addresses import is_headless
from apiserver.backends.backend import StoreUnavailable
from apiserver.engine.addresses import Addresses, Network, Owner
from apiserver.engine.engine import Call, Undo, WriteHook
from apiserver.engine.nodeports import Ports, PortTaken, RangeFull
from apiserver.engine.service_families import link, plan_families
from machinery import field_errors
from machinery.clock import Clock
from machinery.errors import Cause, InternalError, invalid


class ServiceNumbers(WriteHook):
    def __init__(
        self,
        network: Network,
        rng: random.Random,
        clock: Clock,
        new_uid: Callable[[], str],
        ports: tuple[int, int] = (30000, 32767),
    ) -> None:
        self.addresses = Addresses(network, rng, clock, new_uid)
        self.ports = Ports(*ports, rng)
        self._family = f"IPv{network.version}"

    async def before_create(self, call: Call, obj: Obj) -> Undo | None:
        return await self._reserve(call, obj, None)

    async def before_update(self, call: Call, obj: Obj, old: Obj) -> Undo | None:
        return await self._reserve(call, obj, old)

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        """What the old version held and the new one does not is free again."""
        if old is not None:
            gone = set(addresses_of(old)) - set(addresses_of(obj))
            await self._release(_owner(obj), gone, set(ports_of(old)) - set(ports_of(obj)))

    async def after_delete(self, call: Call, obj: Obj) -> None:
        await self._release(_owner(obj), set(addresses_of(obj)), set(ports_of(obj)))

    async def _release(self, owner: Owner, addresses: set[str], ports: set[int]) -> None:
        # The write is done: what cannot be given back now is found by the repair.
        with suppress(StoreUnavailable):
            for address in sorted(addresses):
                await self.addresses.give_back(address, owner)
            await self.ports.give_back(sorted(ports))

    async def _reserve(self, call: Call, obj: Obj, old: Obj | None) -> Undo | None:
        """Raises Invalid where an asked number cannot be had."""
        spec = obj.setdefault("spec", {})
        owner = (call.namespace, obj["metadata"].get("name", ""))
        addresses: set[str] = set()
        ports: set[int] = set()
        causes: list[Cause] = []
        keep = not call.options.dry_run

        async def undo() -> None:
            await self._release(owner, addresses, ports)

        try:
            taken = await self._address(spec, old, owner, causes, keep)
            if taken:
                addresses.add(taken)
            if not causes:
                ports.update(await self._node_ports(spec, old, causes, keep))
            if causes:
                raise invalid("", "Service", owner[1], causes)
        except BaseException:
            if keep:
                await undo()
            raise
        return undo if keep and (addresses or ports) else None

    async def _address(
        self, spec: Obj, old: Obj | None, owner: Owner, causes: list[Cause], keep: bool
    ) -> str:
        """The address taken for this write, "" if none."""
        was = old["spec"] if old is not None else None
        if spec.get("type") == "ExternalName":  # it has none; validation refuses what it says
            link(spec, was)
            return ""
        causes += plan_families(spec, was, self._family)
        if causes or is_headless(spec):
            return ""
        if was is not None and was.get("type") != "ExternalName" and was.get("clusterIP"):
            return ""  # it has one: where another is asked for, validation refuses the change
        address = spec.get("clusterIP", "")
        taken = ""
        if address and address not in (addresses_of(old) if old is not None else ()):
            wrong = await self.addresses.take(address, owner, keep=keep)
            if wrong:
                causes.append(field_errors.invalid_value("spec.clusterIPs", [address], wrong))
                return ""
            taken = address
        elif not address:
            fresh = await self.addresses.take_any(owner, keep=keep)
            if fresh is None:
                ranges = ", ".join(str(each) for each in await self.addresses.networks())
                raise InternalError(f"failed to allocate a serviceIP: range is full: {ranges}")
            taken = address = fresh
        spec["clusterIP"] = address
        spec["clusterIPs"] = [address]
        return taken

    async def _node_ports(self, spec: Obj, old: Obj | None, causes: list[Cause], keep: bool) -> list[int]:
        """The numbers taken for this write."""
        kind = spec.get("type", "ClusterIP")
        wants = kind == "NodePort" or (
            kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True) is not False
        )
        checks = kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
        held = set(ports_of(old)) if old is not None else set()
        ports: list[dict[str, Any]] = spec.get("ports") or []
        if not wants and kind == "ClusterIP" and old is not None:
            # Ports that a former NodePort type gave go with it.
            for port in ports:
                if port.get("nodePort") in held:
                    port.pop("nodePort")
        was = (old or {}).get("spec") or {}
        known = _left_out(ports, was) if wants else {}
        chosen: dict[int, str] = {}
        shared: dict[int, list[dict[str, Any]]] = {}  # ports that get one fresh number together
        for at, number in known.items():
            ports[at]["nodePort"] = number
        # The same port under another protocol gets the same number.
        beside: dict[int, int] = {}
        for port in ports:
            if port.get("nodePort"):
                beside.setdefault(port["port"], port["nodePort"])
        for at, port in enumerate(ports):
            number = port.get("nodePort") or (beside.get(port["port"], 0) if wants else 0)
            if number:
                port["nodePort"] = number
                if number not in held:
                    chosen.setdefault(number, f"spec.ports[{at}].nodePort")
            elif wants:
                shared.setdefault(port["port"], []).append(port)
        if checks and not spec.get("healthCheckNodePort") and was.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = was["healthCheckNodePort"]
        health = spec.get("healthCheckNodePort")
        if health and health not in held:
            chosen.setdefault(health, "spec.healthCheckNodePort")
        fresh = len(shared) + (1 if checks and not health else 0)
        if not chosen and not fresh:
            return []
        try:
            given = await self.ports.take(list(chosen), fresh, keep=keep)
        except PortTaken as taken:
            causes.append(field_errors.invalid_value(chosen[taken.port], taken.port, str(taken)))
            return []
        except RangeFull:
            raise InternalError("failed to allocate a nodePort: range is full") from None
        numbers = iter(given)
        for group in shared.values():
            number = next(numbers)
            for port in group:
                port["nodePort"] = number
        if checks and not health:
            spec["healthCheckNodePort"] = next(numbers)
        return [*chosen, *given]


def _left_out(ports: list[Obj], was: Obj) -> dict[int, int]:
    """Numbers that ports had under their names, of those that say none now and by their place; none is given twice."""
    had = {port.get("name", ""): port["nodePort"] for port in was.get("ports") or () if port.get("nodePort")}
    said = {port["nodePort"] for port in ports if port.get("nodePort")}
    found: dict[int, int] = {}
    for at, port in enumerate(ports):
        number = had.get(port.get("name", ""))
        if number and not port.get("nodePort") and number not in said:
            found[at] = number
            said.add(number)
    return found


def _owner(service: Obj) -> Owner:
    meta = service["metadata"]
    return meta.get("namespace", ""), meta.get("name", "")


def addresses_of(service: Obj) -> list[str]:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in found if address and address != "None"]


def ports_of(service: Obj) -> list[int]:
    spec = service.get("spec") or {}
    found = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        found.add(spec["healthCheckNodePort"])
    return sorted(found)
