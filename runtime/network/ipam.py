"""Which pod address is whose: the host-local plan of one node's pod CIDR.

Pure: a value in memory, no files. The first usable address is the gateway's; the others go round
robin, so that an address that was just freed is the last to be given again (late packets and stale
caches of the old owner must not reach the new one).

Source: the CNI host-local plugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, ip_network


class AddressesExhausted(Exception):
    """Every address of the pod CIDR has an owner."""


class AddressPool:
    """Owners are sandbox ids. `snapshot()` and `restore` make it survive a restart."""

    def __init__(self, cidr: str) -> None:
        network = ip_network(cidr, strict=False)
        if not isinstance(network, IPv4Network):
            raise ValueError(f"pod CIDR {cidr}: only IPv4 is supported")
        if network.num_addresses < 4:
            raise ValueError(f"pod CIDR {cidr} has no room for a gateway and a pod")
        self.network = network
        self.gateway = str(network.network_address + 1)
        self._first = int(network.network_address) + 2
        self._count = network.num_addresses - 3  # without network, gateway and broadcast
        self._next = 0
        self._by_owner: dict[str, str] = {}
        self._used: dict[str, str] = {}

    def allocate(self, owner: str) -> str:
        """The owner's address; the same one when asked again."""
        if held := self._by_owner.get(owner):
            return held
        for step in range(self._count):
            index = (self._next + step) % self._count
            address = str(IPv4Address(self._first + index))
            if address not in self._used:
                self._next = (index + 1) % self._count
                self._used[address] = owner
                self._by_owner[owner] = address
                return address
        raise AddressesExhausted(f"no address is left in {self.network}: {len(self._used)} are in use")

    def release(self, owner: str) -> None:
        address = self._by_owner.pop(owner, None)
        if address is not None:
            del self._used[address]

    def owner_of(self, address: str) -> str | None:
        return self._used.get(address)

    def restore(self, owner: str, address: str) -> None:
        """Marks an address as held, e.g. by a sandbox found again. Addresses outside the CIDR are kept too."""
        self._by_owner[owner] = address
        self._used[address] = owner
        index = int(IPv4Address(address)) - self._first
        if 0 <= index < self._count:
            self._next = (index + 1) % self._count

    def snapshot(self) -> Mapping[str, str]:
        """Owner → address."""
        return dict(self._by_owner)
