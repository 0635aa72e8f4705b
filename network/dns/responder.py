"""From a question to its answer: the zone's own word, or the machine's resolvers', and aliases followed through both."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from network.dns.message import Answer, Query, rrsets
from network.dns.records import Record
from network.dns.zone import Found, Outcome, Zone

TTL_S = 5  # as long as a pod that went away may be taken to be there; nodes answer for themselves, so asking is cheap
LONGEST_CHAIN = 8


class Ask(Protocol):
    def __call__(
        self, name: dns.name.Name, kind: int, *, dnssec: bool = False, unchecked: bool = False
    ) -> Awaitable[Answer]: ...


class Responder:
    def __init__(self, zone: Callable[[], Zone], ask: Ask, rng: random.Random) -> None:
        self._zone = zone  # as it is at the moment of a question
        self._ask = ask
        self._rng = rng

    @property
    def version(self) -> int:
        """Changes with whatever `at_once` says."""
        return self._zone().version

    def at_once(self, query: Query) -> Answer | None:
        """What the zone alone can answer; None where somebody else must be asked."""
        found = self._zone().find(query.text, _kind(query.kind))
        if found.outcome is Outcome.ELSEWHERE or self._alias(query, found):
            return None
        return self._own(query, found)

    async def answer(self, query: Query) -> Answer:
        """The same, with everybody's help."""
        chain: list[dns.rrset.RRset] = []
        name, kind = query.name, query.kind
        for _ in range(LONGEST_CHAIN):
            found = self._zone().find(_text(name), _kind(kind))
            if found.outcome is Outcome.ELSEWHERE:
                if not query.wants_recursion:
                    return Answer(
                        dns.rcode.NOERROR if chain else dns.rcode.REFUSED,
                        tuple(chain),
                        is_authoritative=bool(chain),
                    )
                rest = await self._ask(
                    name, kind, dnssec=query.wants_dnssec, unchecked=query.checking_disabled
                )
                return _joined(chain, rest)
            alias = self._alias(query, found)
            if alias is None:
                return _joined(chain, self._own(query, found, name))
            chain += rrsets(found.records, TTL_S, name)
            name = dns.name.from_text(alias.data)
        return Answer(dns.rcode.SERVFAIL)

    @staticmethod
    def _alias(query: Query, found: Found) -> Record | None:
        """A CNAME that leads on."""
        alias = next((record for record in found.records if record.kind == "CNAME"), None)
        return None if query.kind in (dns.rdatatype.CNAME, dns.rdatatype.ANY) else alias

    def _own(self, query: Query, found: Found, name: dns.name.Name | None = None) -> Answer:
        asked = name or query.name
        if found.outcome is Outcome.FOUND:
            records = list(found.records)
            self._rng.shuffle(records)  # so that clients that take the first spread
            return Answer(
                dns.rcode.NOERROR,
                tuple(rrsets(records, TTL_S, asked)),
                additional=tuple(rrsets(found.extra, TTL_S, asked)),
                is_authoritative=True,
            )
        rcode = dns.rcode.NXDOMAIN if found.outcome is Outcome.NO_NAME else dns.rcode.NOERROR
        denial = rrsets([self._zone().soa(found.origin)], TTL_S, asked)
        return Answer(rcode, authority=tuple(denial), is_authoritative=True)


def _joined(chain: list[dns.rrset.RRset], rest: Answer) -> Answer:
    if not chain:
        return rest
    # Nobody vouches for the alias, so nobody vouches for the whole.
    return Answer(rest.rcode, (*chain, *rest.answer), rest.authority, rest.additional, is_authoritative=True)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _kind(kind: int) -> str:
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind))
