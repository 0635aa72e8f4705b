"""Names that are not the cluster's: asked of the machine's resolvers, one after the other, and remembered a while.

Equal questions that are under way are one question. That saves work, and it is what ends loops: a question that comes
back to us by whatever way finds itself under way and waits, instead of going out again. Who asks more than `MOST` different
questions at a time is told that it failed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import dns.name
import dns.rcode
import dns.rdatatype

from client.logs import get_logger
from machinery.clock import Clock
from network.dns.cache import Cache
from network.dns.exchange import Exchange, NoReply
from network.dns.message import Answer
from network.dns.resolvers import Resolvers

log = get_logger("network")
MOST = 256
ROUNDS = 2
FAILED = Answer(dns.rcode.SERVFAIL)
_SAY_EVERY_S = 10.0
_PROBE_AGAIN_S = 60.0
Key = tuple[dns.name.Name, int, bool, bool]


class Forwarder:
    """`run()` must run while `ask` is used."""

    def __init__(
        self, resolvers: Resolvers, exchange: Exchange, cache: Cache, clock: Clock, rng: random.Random
    ):
        self._resolvers = resolvers
        self._exchange = exchange
        self._cache = cache
        self._clock = clock
        self._rng = rng
        self._under_way: dict[Key, asyncio.Task[Answer]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._said_at = float("-inf")
        self._probe: dns.name.Name | None = None
        self._probe_again_at = 0.0
        self.is_loop = False
        self.asked: dict[tuple[str, str], int] = {}  # by server and how it went

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                started()
                await asyncio.Event().wait()
            finally:
                self._group = None

    def check_for_loop(self) -> None:
        """Sends a question that nobody else asks: if it comes back, the resolvers ask us (as CoreDNS's `loop` does)."""
        if self._group is None:
            return
        word = f"{self._rng.getrandbits(62):x}.{self._rng.getrandbits(62):x}"
        self._probe, self.is_loop = dns.name.from_text(word), False
        self._group.create_task(self._ask_safely((self._probe, int(dns.rdatatype.HINFO), False, False)))

    async def ask(
        self, name: dns.name.Name, kind: int, *, dnssec: bool = False, unchecked: bool = False
    ) -> Answer:
        """SERVFAIL where nobody knows."""
        self._resolvers.in_order()  # looks whether they are others now, which may end a loop
        if name == self._probe:
            self._looped()
        elif self.is_loop and self._clock.monotonic() >= self._probe_again_at:
            self.check_for_loop()  # it may have been ended behind our resolvers
        if self.is_loop or self._group is None:
            return FAILED
        key = (name, kind, dnssec, unchecked)
        known = self._cache.get(key, self._clock.monotonic())
        if known is not None:
            return known
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= MOST:
                self._say("too many questions at a time", most=MOST)
                return FAILED
            task = self._under_way[key] = self._group.create_task(self._ask_safely(key))
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_safely(self, key: Key) -> Answer:
        try:
            return await self._ask(key)
        except Exception:  # whatever a stranger's answer holds must not stop the others' questions
            log.exception("a question could not be forwarded", name=str(key[0]))
            return FAILED

    async def _ask(self, key: Key) -> Answer:
        name, kind, dnssec, unchecked = key
        refused = FAILED
        for _ in range(ROUNDS):
            for server in self._resolvers.in_order():
                try:
                    answer = await self._exchange(server, name, kind, dnssec=dnssec, unchecked=unchecked)
                except NoReply as error:
                    self._count(server, "silent")
                    self._resolvers.was_silent(server)
                    self._say("a resolver does not answer", why=str(error))
                    continue
                self._resolvers.answered(server)
                self._count(server, dns.rcode.to_text(answer.rcode))
                if answer.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    self._cache.put(key, answer, self._clock.monotonic())
                    return answer
                refused = answer
            if refused is not FAILED:
                break
        return refused

    def _looped(self) -> None:
        if not self.is_loop:
            self.is_loop = True
            self._probe_again_at = self._clock.monotonic() + _PROBE_AGAIN_S
            log.error(
                "this machine's resolvers ask the cluster's DNS, which asks them: names outside of the cluster fail "
                "until that ends"
            )

    def _count(self, server: str, how: str) -> None:
        self.asked[server, how] = self.asked.get((server, how), 0) + 1

    def _say(self, what: str, **more: object) -> None:
        """Not for every question."""
        now = self._clock.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            log.warning(what, **more)
