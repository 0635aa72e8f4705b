"""Other resolvers: in which order, how long remembered, how many at a time, and never in a circle."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from machinery.clock import LoopClock
from machinery.virtual_loop import run
from network.dns.cache import LONGEST_S, MOST_BYTES, Cache, lasts
from network.dns.exchange import NoReply
from network.dns.forwarder import MOST, Forwarder
from network.dns.message import Answer, read_reply
from network.dns.resolvers import Resolvers, parse_servers

WWW = dns.name.from_text("www.example")
A, HINFO = 1, 13


def found(ttl_s: int = 300, name: str = "www.example.") -> Answer:
    return Answer(dns.rcode.NOERROR, (dns.rrset.from_text(name, ttl_s, "IN", "A", "192.0.2.1"),))


def denied(minimum_s: int) -> Answer:
    soa = f"ns.example. root.example. 1 7200 1800 86400 {minimum_s}"
    return Answer(dns.rcode.NXDOMAIN, authority=(dns.rrset.from_text("example.", 300, "IN", "SOA", soa),))


class Asked:
    """An exchange that says what a callable says, and takes `takes_s` for it."""

    def __init__(self, says: Callable[[str], Answer | None], takes_s: float = 0.1) -> None:
        self._says = says
        self._takes_s = takes_s
        self.calls: list[str] = []

    async def __call__(
        self, server: str, name: dns.name.Name, kind: int, *, dnssec: bool, unchecked: bool
    ) -> Answer:
        if kind != HINFO:  # the question for loops
            self.calls.append(server)
        await asyncio.sleep(self._takes_s)
        answer = self._says(server)
        if answer is None:
            raise NoReply(f"{server} keeps silent")
        return answer


class World:
    def __init__(self, tmp_path: Path, exchange: Asked, servers: str = "10.0.0.1 10.0.0.2") -> None:
        self.file = tmp_path / "resolv.conf"
        self.write(servers)
        self.exchange = exchange
        self.cache = Cache()

    def write(self, servers: str) -> None:
        self.file.write_text("".join(f"nameserver {each}\n" for each in servers.split()))

    def run(self, body: Callable[[Forwarder, LoopClock], Awaitable[None]]) -> None:
        async def main() -> None:
            clock = LoopClock(asyncio.get_running_loop(), 1e9)
            resolvers = Resolvers(clock, {"10.96.0.10"}, self.file, lambda: forwarder.check_for_loop())
            forwarder = Forwarder(resolvers, self.exchange, self.cache, clock, random.Random(1))
            started = asyncio.Event()
            task = asyncio.ensure_future(forwarder.run(started.set))
            await started.wait()
            try:
                await body(forwarder, clock)
            finally:
                task.cancel()
                await asyncio.wait([task])

        run(main())


def test_server_that_keeps_silent_is_asked_last_for_a_while(tmp_path: Path) -> None:
    exchange = Asked(lambda server: None if server == "10.0.0.1" else found(0))

    async def body(forwarder: Forwarder, clock: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).answer
        await forwarder.ask(WWW, A)
        assert exchange.calls == ["10.0.0.1", "10.0.0.2", "10.0.0.2"]
        await clock.sleep(11)
        await forwarder.ask(WWW, A)
        assert exchange.calls[3:] == ["10.0.0.1", "10.0.0.2"]

    World(tmp_path, exchange).run(body)


def test_server_that_fails_is_followed_by_the_next_and_its_word_is_the_last_resort(tmp_path: Path) -> None:
    broken = Answer(dns.rcode.REFUSED)
    exchange = Asked(lambda server: broken if server == "10.0.0.1" else None)

    async def body(forwarder: Forwarder, _: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.REFUSED
        assert exchange.calls == ["10.0.0.1", "10.0.0.2"]

    World(tmp_path, exchange).run(body)


def test_nobody_answering_is_a_failure_after_two_rounds(tmp_path: Path) -> None:
    exchange = Asked(lambda _: None)

    async def body(forwarder: Forwarder, _: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        assert exchange.calls == ["10.0.0.1", "10.0.0.2"] * 2

    World(tmp_path, exchange).run(body)


def test_equal_questions_under_way_are_one(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found(0))

    async def body(forwarder: Forwarder, _: LoopClock) -> None:
        other_case = dns.name.from_text("WWW.Example")
        answers = await asyncio.gather(*(forwarder.ask(each, A) for each in (WWW, other_case, WWW)))
        assert len(exchange.calls) == 1 and all(answer.answer for answer in answers)

    World(tmp_path, exchange).run(body)


def test_too_many_questions_at_a_time_fail_at_once(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found(), takes_s=5)

    async def body(forwarder: Forwarder, clock: LoopClock) -> None:
        names = [dns.name.from_text(f"n{number}.example") for number in range(MOST)]
        tasks = [asyncio.ensure_future(forwarder.ask(name, A)) for name in names]
        await clock.sleep(1)
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        await asyncio.gather(*tasks)
        assert (await forwarder.ask(WWW, A)).answer

    World(tmp_path, exchange).run(body)


def test_answers_are_remembered_and_age(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found(20), takes_s=0)

    async def body(forwarder: Forwarder, clock: LoopClock) -> None:
        await forwarder.ask(WWW, A)
        await clock.sleep(15)
        assert (await forwarder.ask(WWW, A)).answer[0].ttl == 5
        assert len(exchange.calls) == 1
        await clock.sleep(6)
        assert (await forwarder.ask(WWW, A)).answer[0].ttl == 20
        assert len(exchange.calls) == 2

    World(tmp_path, exchange).run(body)


def test_question_that_comes_back_is_a_loop_until_the_resolvers_are_others(tmp_path: Path) -> None:
    class Circle(Asked):
        forwarder: Forwarder

        async def __call__(
            self, server: str, name: dns.name.Name, kind: int, *, dnssec: bool, unchecked: bool
        ) -> Answer:
            self.calls.append(server)
            return await self.forwarder.ask(name, kind) if server == "10.0.0.1" else found(name=str(name))

    exchange = Circle(lambda _: None)
    world = World(tmp_path, exchange, "10.0.0.1")

    async def body(forwarder: Forwarder, clock: LoopClock) -> None:
        exchange.forwarder = forwarder
        async with asyncio.timeout(5):
            assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        assert forwarder.is_loop
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        world.write("10.0.0.2")
        os.utime(world.file, ns=(1, 1))
        await clock.sleep(1)
        other = dns.name.from_text("other.example")
        assert (await forwarder.ask(other, A)).answer

    world.run(body)


def test_loop_that_ended_by_itself_is_noticed_within_a_minute(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found())

    async def body(forwarder: Forwarder, clock: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).answer
        assert forwarder._probe is not None
        await forwarder.ask(forwarder._probe, HINFO)  # it has come back
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        await clock.sleep(59)
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL
        await clock.sleep(2)
        assert (await forwarder.ask(WWW, A)).answer

    World(tmp_path, exchange).run(body)


def test_own_address_is_never_a_resolver(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found())

    async def body(forwarder: Forwarder, _: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).answer
        assert exchange.calls == ["10.0.0.3"]

    World(tmp_path, exchange, "10.96.0.10 10.0.0.3").run(body)


def test_without_resolvers_names_outside_fail(tmp_path: Path) -> None:
    exchange = Asked(lambda _: found())
    world = World(tmp_path, exchange)
    world.file.unlink()

    async def body(forwarder: Forwarder, _: LoopClock) -> None:
        assert (await forwarder.ask(WWW, A)).rcode == dns.rcode.SERVFAIL

    world.run(body)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (found(20), 20),
        (found(86400), LONGEST_S),
        (found(0), 0),
        (denied(10), 10),
        (denied(3600), LONGEST_S),
        (Answer(dns.rcode.NXDOMAIN), 0),  # nothing says how long
        (Answer(dns.rcode.SERVFAIL, found().answer), 0),
    ],
)
def test_answer_lasts_as_long_as_it_says(answer: Answer, seconds: int) -> None:
    assert lasts(answer) == seconds


def test_cache_forgets_what_was_not_used_longest() -> None:
    cache = Cache(limit=2)
    for key in ("a", "b"):
        cache.put(key, found(), 0)
    cache.get("a", 1)
    cache.put("c", found(), 1)
    assert [cache.get(key, 2) is not None for key in "abc"] == [True, False, True]


def test_resolv_conf_names_servers() -> None:
    text = "# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.1 # a\nnameserver nonsense\nnameserver\nnameserver fe80::1%eth0\n"
    assert parse_servers(text) == ["10.0.0.1", "fe80::1%eth0"]


def test_answer_that_is_large_is_not_kept() -> None:
    assert lasts(replace(found(), size=MOST_BYTES)) == LONGEST_S
    assert lasts(replace(found(), size=MOST_BYTES + 1)) == 0
    wire = dns.message.make_response(dns.message.make_query("www.example", "A", id=7)).to_wire()
    reply = read_reply(wire, 7, WWW, A)
    assert reply is not None and reply.answer.size == len(wire)
