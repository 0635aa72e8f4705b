"""Keeps a zone equal to the Services and EndpointSlices that informers show.

A change only marks its Service; what is marked is worked out when the next question comes. So a hundred changes of one
Service between two questions cost one, and a cluster whose DNS nobody uses pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from client.informer import Informer
from client.logs import get_logger
from machinery.gvk import Key, key_of
from network.dns.offer import SERVICE
from network.dns.records import SERVICE_NAME, address_record, cluster_addresses, plan_records
from network.dns.zone import Zone

Obj = dict[str, Any]
_INDEX = "dns-service"
log = get_logger("network")


def _service_of(each: Obj) -> Key:
    meta = each["metadata"]
    return Key(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_NAME, ""))


def _index(each: Obj) -> Iterable[str]:
    return (str(_service_of(each)),)


class ZoneKeeper:
    """Follows from its making on; both informers have what is there already told again."""

    def __init__(self, zone: Zone, services: Informer, slices: Informer) -> None:
        self._zone = zone
        self._services = services.lister
        self._slices = slices.lister
        self._marked: dict[Key, None] = {}
        slices.add_index(_INDEX, _index)

        def mark(*objects: Obj) -> None:
            for obj in objects:
                self._marked[key_of(obj)] = None

        def mark_service(*objects: Obj) -> None:
            for obj in objects:
                self._marked[_service_of(obj)] = None

        services.add_handler(on_add=mark, on_update=mark, on_delete=mark)
        slices.add_handler(on_add=mark_service, on_update=mark_service, on_delete=mark_service)

    def current(self) -> Zone:
        while self._marked:
            key = next(iter(self._marked))
            del self._marked[key]
            try:
                self._renew(key)
            except Exception:  # whatever one Service's objects hold must not keep the names of others back
                log.exception("the names of a service stay as they were", service=str(key))
        return self._zone

    def _renew(self, key: Key) -> None:
        service = self._services.get(key.namespace, key.name)
        slices = self._slices.by_index(_INDEX, str(key)) if service else []
        records = plan_records(service, slices, self._zone.domain) if service else ()
        self._zone.put(key, records)
        if key == SERVICE:
            addresses = cluster_addresses(service) if service else ()
            own = [address_record(self._zone.server, each) for each in addresses]
            self._zone.put("name server", own)
