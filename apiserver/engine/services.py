"""Cluster addresses and node ports of Services: reserved before a Service is stored, given back when it goes.

Reservations live in memory and follow the Service store, which is the truth: on start every stored Service's numbers
are taken. A write reserves first (`before_*`), so that two concurrent creations never get the same number, and its
undo gives back what did not get stored.

Fresh addresses come from the upper part of the range while it has any, so that the lower part stays free for those
who ask for an address by name.
Source: Kubernetes, "Service ClusterIP allocation" (KEP-3070), "Avoid collisions assigning ports to NodePort" (KEP-3668).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from typing import Any

from api.resource import Obj
from apiserver.engine.bitmap import Bitmap
from apiserver.engine.engine import Call, Undo, WriteHook
from machinery import field_errors
from machinery.errors import Cause, InternalError, invalid

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_ADDRESSES = 1 << 20


class Addresses:
    """The pool of one service CIDR. The network's own address and the broadcast address are never given."""

    def __init__(self, network: _Network, rng: random.Random) -> None:
        self.network = network
        self._rng = rng
        self._base = int(network.network_address) + 1
        self._size = min(network.num_addresses - 2, _MAX_ADDRESSES)
        self._taken = Bitmap(self._size)
        # min(max(16, size/16), 256): the lower band
        self._band = min(max(16, self._size // 16), 256) if self._size > 16 else 0

    def take(self, address: str) -> str:
        """Reserve a chosen address; returns what is wrong with it, "" if nothing."""
        try:
            number = int(ipaddress.ip_address(address)) - self._base
        except ValueError:
            return "must be a valid IP address"
        if not 0 <= number < self._size:
            return f"failed to allocate IP {address}: the provided IP is not in the valid range. The range of valid IPs is {self.network}"
        return (
            ""
            if self._taken.take(number)
            else f"failed to allocate IP {address}: provided IP is already allocated"
        )

    def take_any(self) -> str | None:
        number = self._taken.take_any(self._rng, self._band, self._size)
        if number is None:
            number = self._taken.take_any(self._rng, 0, self._band)
        return None if number is None else str(ipaddress.ip_address(self._base + number))

    def give_back(self, address: str) -> None:
        try:
            number = int(ipaddress.ip_address(address)) - self._base
        except ValueError:
            return
        if 0 <= number < self._size:
            self._taken.give_back(number)

    @property
    def used(self) -> int:
        return self._taken.used


class Ports:
    """Node ports low..high. A number may be held under several protocols; a fresh one is free under all."""

    def __init__(self, low: int, high: int, rng: random.Random) -> None:
        self._low, self._high = low, high
        self._rng = rng
        self._taken = Bitmap(high - low + 1)
        size = high - low + 1
        self._band = min(max(16, size // 32), 128) if size > 16 else 0
        self._protocols: dict[int, set[str]] = {}

    def take(self, port: int, protocol: str) -> str:
        if not self._low <= port <= self._high:
            return f"provided port is not in the valid range. The range of valid ports is {self._low}-{self._high}"
        held = self._protocols.setdefault(port, set())
        if protocol in held:
            return "provided port is already allocated"
        held.add(protocol)
        self._taken.take(port - self._low)
        return ""

    def take_any(self, protocol: str) -> int | None:
        size = self._high - self._low + 1
        number = self._taken.take_any(self._rng, self._band, size)
        if number is None:
            number = self._taken.take_any(self._rng, 0, self._band)
        if number is None:
            return None
        self._protocols.setdefault(self._low + number, set()).add(protocol)
        return self._low + number

    def give_back(self, port: int, protocol: str) -> None:
        held = self._protocols.get(port)
        if held is None:
            return
        held.discard(protocol)
        if not held:
            del self._protocols[port]
            self._taken.give_back(port - self._low)


class ServiceNumbers(WriteHook):
    def __init__(
        self, network: _Network, rng: random.Random, ports: tuple[int, int] = (30000, 32767)
    ) -> None:
        self.addresses = Addresses(network, rng)
        self.ports = Ports(*ports, rng)
        self._family = f"IPv{network.version}"

    def load(self, services: Iterable[Obj]) -> None:
        """Take what stored Services hold."""
        for service in services:
            for address in addresses_of(service):
                self.addresses.take(address)
            for port, protocol in ports_of(service):
                self.ports.take(port, protocol)

    def before_create(self, call: Call, obj: Obj) -> Undo | None:
        return self._reserve(call, obj, None)

    def before_update(self, call: Call, obj: Obj, old: Obj) -> Undo | None:
        return self._reserve(call, obj, old)

    async def after_write(self, call: Call, obj: Obj, old: Obj | None) -> None:
        """What the old version held and the new one does not is free again."""
        if old is not None:
            self.release(
                set(addresses_of(old)) - set(addresses_of(obj)), set(ports_of(old)) - set(ports_of(obj))
            )

    async def after_delete(self, call: Call, obj: Obj) -> None:
        self.release(set(addresses_of(obj)), set(ports_of(obj)))

    def release(self, addresses: set[str], ports: set[tuple[int, str]]) -> None:
        for address in sorted(addresses):
            self.addresses.give_back(address)
        for port, protocol in sorted(ports):
            self.ports.give_back(port, protocol)

    def _reserve(self, call: Call, obj: Obj, old: Obj | None) -> Undo | None:
        """Raises Invalid where an asked number cannot be had."""
        spec = obj.setdefault("spec", {})
        held_addresses = set(addresses_of(old)) if old is not None else set()
        held_ports = set(ports_of(old)) if old is not None else set()
        taken_addresses: set[str] = set()
        taken_ports: set[tuple[int, str]] = set()
        causes: list[Cause] = []

        def undo() -> None:
            self.release(taken_addresses, taken_ports)

        try:
            self._address(spec, old, held_addresses, taken_addresses, causes)
            self._node_ports(spec, old, held_ports, taken_ports, causes)
            if causes:
                raise invalid("", "Service", obj["metadata"].get("name", ""), causes)
        except BaseException:
            undo()
            raise
        if call.options.dry_run:
            undo()
            return None
        return undo if taken_addresses or taken_ports else None

    def _address(
        self, spec: dict[str, Any], old: Obj | None, held: set[str], taken: set[str], causes: list[Cause]
    ) -> None:
        if spec.get("type") == "ExternalName":
            for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(key, None)
            return
        was = (old or {}).get("spec") or {}
        if not spec.get("clusterIP") and spec.get("clusterIPs"):
            spec["clusterIP"] = spec["clusterIPs"][0]
        if not spec.get("clusterIP") and was.get("clusterIP") and was.get("type") != "ExternalName":
            # An update that does not speak of the address keeps it.
            spec["clusterIP"] = was["clusterIP"]
        spec.setdefault("ipFamilies", was.get("ipFamilies") or [self._family])
        spec.setdefault("ipFamilyPolicy", was.get("ipFamilyPolicy") or "SingleStack")
        address = spec.get("clusterIP", "")
        before = was.get("clusterIP") if was.get("type") != "ExternalName" else None
        if before and address != before:
            spec["clusterIPs"] = [address]  # nothing to reserve: validation refuses the change
            return
        if address == "None":
            spec["clusterIPs"] = ["None"]
            return
        if address and address not in held:
            wrong = self.addresses.take(address)
            if wrong:
                causes.append(field_errors.invalid_value("spec.clusterIPs", [address], wrong))
                return
            taken.add(address)
        elif not address:
            fresh = self.addresses.take_any()
            if fresh is None:
                raise InternalError(
                    f"failed to allocate a serviceIP: range is full: {self.addresses.network}"
                )
            taken.add(fresh)
            address = spec["clusterIP"] = fresh
        spec["clusterIPs"] = [address]

    def _node_ports(
        self,
        spec: dict[str, Any],
        old: Obj | None,
        held: set[tuple[int, str]],
        taken: set[tuple[int, str]],
        causes: list[Cause],
    ) -> None:
        kind = spec.get("type", "ClusterIP")
        wants = kind == "NodePort" or (
            kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True) is not False
        )
        ports = spec.get("ports") or []
        if not wants:
            if old is not None and kind == "ClusterIP":
                # Ports that a former NodePort type gave go with it.
                was = {port for port, _ in held}
                for port in ports:
                    if port.get("nodePort") in was:
                        port.pop("nodePort")
            return
        known = {
            _identity(port): port.get("nodePort")
            for port in ((old or {}).get("spec") or {}).get("ports") or ()
        }
        shared: dict[int, int] = {}
        for at, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            number = port.get("nodePort") or known.get(_identity(port))
            if number:
                port["nodePort"] = number
                if (number, protocol) in held or (number, protocol) in taken:
                    continue
                wrong = self.ports.take(number, protocol)
                if wrong:
                    causes.append(field_errors.invalid_value(f"spec.ports[{at}].nodePort", number, wrong))
                else:
                    taken.add((number, protocol))
                continue
            # The same port under another protocol gets the same number.
            fresh = shared.get(port["port"])
            if fresh is not None and not self.ports.take(fresh, protocol):
                port["nodePort"] = fresh
            else:
                fresh = self.ports.take_any(protocol)
                if fresh is None:
                    raise InternalError("failed to allocate a nodePort: range is full")
                port["nodePort"] = fresh
            shared[port["port"]] = fresh
            taken.add((fresh, protocol))


def _identity(port: dict[str, Any]) -> tuple[Any, ...]:
    return port.get("protocol", "TCP"), port.get("port"), port.get("name", "")


def addresses_of(service: Obj) -> list[str]:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return []
    found = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    return [address for address in found if address and address != "None"]


def ports_of(service: Obj) -> list[tuple[int, str]]:
    spec = service.get("spec") or {}
    found = [
        (port["nodePort"], port.get("protocol", "TCP"))
        for port in spec.get("ports") or ()
        if port.get("nodePort")
    ]
    if spec.get("healthCheckNodePort"):
        found.append((spec["healthCheckNodePort"], "TCP"))
    return found
