"""The cluster's names: a tree of records, kept current piece by piece, and asked by name and kind. Pure.

        cluster.local           SOA, NS
        ├── dns-version         TXT
        ├── ns.dns              A       the DNS Service's own address
        ├── svc
        │   └── NAMESPACE
        │       └── SERVICE     A, SRV, CNAME (records.py)
        └── pod
            └── NAMESPACE
                └── 10-1-2-3    A 10.1.2.3, whatever the address ("pods insecure", as kubeadm configures CoreDNS)
        in-addr.arpa, ip6.arpa  PTR     of what the cluster knows; other addresses are somebody else's

A name exists when it has a record or stands above one that has (RFC 8020): what exists without a record of the kind
asked for is NO_DATA, what does not exist is NO_NAME. Namespaces are known by their Services only: one that has none does
not exist below `svc`, and each exists below `pod`.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from network.dns.records import Record, address_record

SCHEMA_VERSION = "1.1.0"
_REVERSE = ("in-addr.arpa", "ip6.arpa")
_POD = re.compile(r"([0-9a-f-]{2,45})\.([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Outcome(Enum):
    FOUND = "found"
    NO_DATA = "no data"
    NO_NAME = "no name"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Found:
    """`records` answer (a CNAME may stand for what was asked), `extra` are the addresses of the names they hold."""

    outcome: Outcome
    records: tuple[Record, ...] = ()
    extra: tuple[Record, ...] = ()
    origin: str = ""  # of the zone that the name is in


class Zone:
    """`version` grows with every change, and is the zone's serial number."""

    def __init__(self, domain: str, version: int) -> None:
        self.domain = domain.strip(".").lower()
        self.version = version & 0x7FFFFFFF
        self._owned: dict[Hashable, tuple[Record, ...]] = {}
        self._names: dict[str, dict[str, dict[str, int]]] = {}  # name → kind → data → how many want it
        self._below: dict[str, int] = {}  # how many records lie below a name
        version_record = Record(f"dns-version.{self.domain}", "TXT", f'"{SCHEMA_VERSION}"')
        self.put("zone", [Record(self.domain, "NS", f"{self.server}."), version_record])
        for branch in ("svc", "pod"):
            self._below[f"{branch}.{self.domain}"] = 1  # also while they are empty

    @property
    def server(self) -> str:
        """The name of who answers for the zone."""
        return f"ns.dns.{self.domain}"

    def put(self, owner: Hashable, records: Iterable[Record]) -> bool:
        """These are the owner's records from now on. Returns whether that changed anything."""
        new = tuple(dict.fromkeys(records))
        old = self._owned.get(owner, ())
        if new == old:
            return False
        before, after = set(old), set(new)
        for record in new:
            if record not in before:
                self._add(record)
        for record in old:
            if record not in after:
                self._drop(record)
        if new:
            self._owned[owner] = new
        else:
            del self._owned[owner]
        self.version = self.version % 0x7FFFFFFF + 1
        return True

    def find(self, name: str, kind: str) -> Found:
        """`name` in lower case, without the dot at the end."""
        origin = self._origin(name)
        if not origin:
            return Found(Outcome.ELSEWHERE)
        kinds = self._names.get(name)
        if kinds is None:
            return self._unlisted(name, kind, origin)
        records = _records(name, kinds, kind)
        if not records and kind != "CNAME":
            records = _records(name, kinds, "CNAME")
        if kind == "SOA" and name == self.domain:
            records = (self.soa(origin),)
        if not records:
            return Found(Outcome.NO_DATA, origin=origin)
        return Found(Outcome.FOUND, records, tuple(self._extra(records)), origin)

    def soa(self, origin: str) -> Record:
        times = "7200 1800 86400 5"
        return Record(origin, "SOA", f"{self.server}. hostmaster.{self.domain}. {self.version} {times}")

    def _origin(self, name: str) -> str:
        if name == self.domain or name.endswith(f".{self.domain}"):
            return self.domain
        reverse = next((zone for zone in _REVERSE if name.endswith(f".{zone}")), "")
        return reverse if name in self._names else ""

    def _unlisted(self, name: str, kind: str, origin: str) -> Found:
        """Names without records, and those of pods, which nobody lists."""
        if self._below.get(name):
            return Found(Outcome.NO_DATA, origin=origin)
        rest = name.removesuffix(f".pod.{self.domain}")
        if rest == name:
            return Found(Outcome.NO_NAME, origin=origin)
        if _NAMESPACE.fullmatch(rest):
            return Found(Outcome.NO_DATA, origin=origin)
        match = _POD.fullmatch(rest)
        address = _dashed_address(match[1]) if match else ""
        if not address:
            return Found(Outcome.NO_NAME, origin=origin)
        record = address_record(name, address)
        if kind not in (record.kind, "ANY"):
            return Found(Outcome.NO_DATA, origin=origin)
        return Found(Outcome.FOUND, (record,), origin=origin)

    def _extra(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            if record.kind in ("SRV", "NS"):
                target = record.data.rpartition(" ")[2].rstrip(".")
                kinds = self._names.get(target, {})
                yield from _records(target, kinds, "A")
                yield from _records(target, kinds, "AAAA")

    def _add(self, record: Record) -> None:
        data = self._names.setdefault(record.name, {}).setdefault(record.kind, {})
        data[record.data] = data.get(record.data, 0) + 1
        for name in _above(record.name):
            self._below[name] = self._below.get(name, 0) + 1

    def _drop(self, record: Record) -> None:
        kinds = self._names[record.name]
        data = kinds[record.kind]
        data[record.data] -= 1
        if not data[record.data]:
            del data[record.data]
        if not data:
            del kinds[record.kind]
        if not kinds:
            del self._names[record.name]
        for name in _above(record.name):
            self._below[name] -= 1
            if not self._below[name]:
                del self._below[name]


def _records(name: str, kinds: Mapping[str, Mapping[str, int]], kind: str) -> tuple[Record, ...]:
    """For ANY the first kind there is: RFC 8482 asks for no more."""
    if kind == "ANY":
        kind = next(iter(kinds))
    return tuple(Record(name, kind, data) for data in kinds.get(kind, ()))


def _above(name: str) -> Iterator[str]:
    while name := name.partition(".")[2]:
        yield name


def _dashed_address(word: str) -> str:
    """ "" for what is none."""
    for text in (word.replace("-", "."), word.replace("-", ":")):
        try:
            return str(ip_address(text))
        except ValueError:
            continue
    return ""
