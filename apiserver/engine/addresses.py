"""Cluster addresses: an address is taken by whoever creates the IPAddress object of its name.

The store lets one such creation win, so several API servers never give the same address twice, and a crash between
the address and its Service leaves an object behind that the repair finds (`number_repair.py`).

Addresses come from the ServiceCIDRs that are in use: every one that is ready and not on its way out, and the server's
own range until there is any. Fresh ones come from the upper part of a range while it has any, so that the lower part
stays free for those who ask for an address by name.

Source: KEP-1880 "Multiple Service CIDRs", KEP-3070 "Reserve Service IP ranges for static and dynamic allocation".
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterable, Sequence

import orjson

from api.resource import Obj
from apiserver.storage.store import StaleRevision, Store
from machinery.clock import Clock, rfc3339

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Owner = tuple[str, str]  # a Service's namespace and name
FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_LABEL = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"
_DRAWS = 16
_MOST = 1 << 20  # of a range, as many addresses are given


def owner_of(address: Obj) -> Owner | None:
    """The Service that an IPAddress belongs to; None where something else has it."""
    parent = (address.get("spec") or {}).get("parentRef") or {}
    if parent.get("resource") != "services" or parent.get("group"):
        return None
    return parent.get("namespace", ""), parent.get("name", "")


def usable(network: Network) -> tuple[int, int]:
    """(first, how many): without the network's own address and the broadcast address."""
    size = network.num_addresses - (2 if network.version == 4 else 1)
    return int(network.network_address) + 1, max(0, min(size, _MOST))


def band(size: int) -> int:
    """How many at the bottom are kept for those who ask: min(max(16, size/16), 256)."""
    return min(max(16, size // 16), 256) if size > 16 else 0


def contains(network: Network, address: str) -> bool:
    first, size = usable(network)
    return 0 <= int(ipaddress.ip_address(address)) - first < size and network.version == (
        6 if ":" in address else 4
    )


def networks_in_use(cidrs: Iterable[Obj], fallback: Network) -> list[Network]:
    """Of the server's own family, by name; the range it was started with where no ServiceCIDR is stored."""
    found: list[Network] = []
    stored = sorted(cidrs, key=lambda each: str(each["metadata"]["name"]))
    for obj in stored:
        if obj["metadata"].get("deletionTimestamp"):
            continue
        for text in (obj.get("spec") or {}).get("cidrs") or ():
            network = ipaddress.ip_network(text)
            if network.version == fallback.version:
                found.append(network)
    return found if stored else [fallback]


class Addresses:
    """`attach` gives the stores of IPAddresses and ServiceCIDRs before anything is asked for."""

    def __init__(
        self, network: Network, rng: random.Random, clock: Clock, new_uid: Callable[[], str]
    ) -> None:
        self.network = network
        self._rng = rng
        self._clock = clock
        self._new_uid = new_uid
        self._stores: tuple[Store, Store] | None = None

    def attach(self, addresses: Store, cidrs: Store) -> None:
        self._stores = (addresses, cidrs)

    @property
    def store(self) -> Store:
        assert self._stores is not None, "attached before the first Service"
        return self._stores[0]

    async def networks(self) -> Sequence[Network]:
        assert self._stores is not None, "attached before the first Service"
        listed = await self._stores[1].list()
        return networks_in_use((orjson.loads(entry.data) for entry in listed.entries), self.network)

    async def take(self, address: str, owner: Owner, *, keep: bool = True) -> str:
        """Take a chosen address; returns what is wrong with it, "" if nothing. Without `keep` it is only looked at."""
        try:
            plain = str(ipaddress.ip_address(address))
        except ValueError:
            return "must be a valid IP address"
        networks = await self.networks()
        if not any(contains(network, plain) for network in networks):
            return f"failed to allocate IP {address}: the provided network does not match the current range"
        if keep:
            taken = not await self._claim(plain, owner)
        else:
            taken = await self.store.get("", plain) is not None
        return f"failed to allocate IP {address}: provided IP is already allocated" if taken else ""

    async def take_any(self, owner: Owner, *, keep: bool = True) -> str | None:
        """None where every range is full."""
        for network in await self.networks():
            first, size = usable(network)
            lower = band(size)
            for low, high in ((lower, size), (0, lower)):
                found = await self._draw(first, low, high, owner, keep)
                if found is not None:
                    return found
        return None

    async def _draw(self, first: int, low: int, high: int, owner: Owner, keep: bool) -> str | None:
        if high <= low:
            return None
        for _ in range(_DRAWS):
            address = str(ipaddress.ip_address(first + self._rng.randrange(low, high)))
            if await self._try(address, owner, keep):
                return address
        taken = {entry.name for entry in (await self.store.list()).entries}
        start = self._rng.randrange(low, high)
        for number in (*range(start, high), *range(low, start)):
            address = str(ipaddress.ip_address(first + number))
            if address not in taken and await self._try(address, owner, keep):
                return address
        return None

    async def _try(self, address: str, owner: Owner, keep: bool) -> bool:
        if keep:
            return await self._claim(address, owner)
        return await self.store.get("", address) is None

    async def _claim(self, address: str, owner: Owner) -> bool:
        try:
            await self.store.create("", address, self.object_of(address, owner))
        except StaleRevision:
            return False
        return True

    def object_of(self, address: str, owner: Owner) -> Obj:
        family = "IPv6" if ":" in address else "IPv4"
        return {
            "kind": "IPAddress",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {
                "name": address,
                "uid": self._new_uid(),
                "generation": 1,
                "creationTimestamp": rfc3339(self._clock.now()),
                "labels": {FAMILY_LABEL: family, MANAGED_LABEL: MANAGER},
            },
            "spec": {
                "parentRef": {
                    "group": "",
                    "resource": "services",
                    "namespace": owner[0],
                    "name": owner[1],
                }
            },
        }

    async def give_back(self, address: str, owner: Owner) -> None:
        """Only from the owner: it may be another's by now."""
        entry = await self.store.get("", address)
        while entry is not None and owner_of(orjson.loads(entry.data)) == owner:
            try:
                await self.store.delete("", address, entry.revision)
                return
            except StaleRevision as stale:
                entry = stale.current
