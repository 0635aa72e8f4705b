"""The cluster's DNS over real sockets on loopback: what clients are told, and what strangers and floods meet."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Network
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest
from dns_upstream import Upstream
from dns_world import dns_world
from service_objects import endpoint, service, slice_of

from machinery.gvk import ENDPOINTSLICES, SERVICES
from network.dns.figures import Figures
from network.dns.forwarder import MOST
from network.dns.server import MOST_OF_ONE, MOST_WAITING_OF_ONE, Answering

WEB = "web.ns.svc.cluster.local"
TABLE = {
    ("www.example.com.", "A"): ["192.0.2.80"],
    ("big.example.com.", "A"): [f"192.0.2.{number}" for number in range(1, 200)],
}


def test_names_of_services_follow_their_objects(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            assert await world.data(WEB) == ["10.96.0.9"]
            assert await world.data(f"_http._tcp.{WEB}", "SRV", tcp=True) == [f"0 100 80 {WEB}."]
            world.fed.put(SERVICES, service(clusterIP="None"))
            missing = await world.ask(WEB)
            assert missing.rcode() == dns.rcode.NXDOMAIN
            assert missing.authority[0].to_text().startswith("cluster.local. 5 IN SOA ns.dns.cluster.local. ")
            world.fed.put(ENDPOINTSLICES, slice_of(endpoint("10.1.0.2", "db-0"), endpoint("10.1.0.3")))
            assert await world.data(WEB) == ["10.1.0.2", "10.1.0.3"]
            assert await world.data(f"db-0.{WEB}") == ["10.1.0.2"]
            assert await world.data("2.0.1.10.in-addr.arpa", "PTR") == [f"db-0.{WEB}."]
            nothing = await world.ask(WEB, "AAAA")
            assert nothing.rcode() == dns.rcode.NOERROR and not nothing.answer and nothing.authority

    asyncio.run(main())


def test_same_question_gets_the_same_until_something_changes(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            first = await world.ask(WEB, id=1)
            second = await world.ask(WEB, id=2)
            assert (second.id, second.answer) == (2, first.answer)
            assert (await world.ask(WEB, use_edns=0)).edns == 0  # another question
            world.fed.put(SERVICES, service(clusterIP="10.96.0.10"))
            assert await world.data(WEB, id=3) == ["10.96.0.10"]
            assert world.component.figures.requests == {("udp", "A"): 4}

    asyncio.run(main())


def test_addresses_of_peers_come_in_changing_order(tmp_path: Path) -> None:
    many = slice_of(*(endpoint(f"10.1.{number}.1") for number in range(10)))

    async def main() -> None:
        async with dns_world(tmp_path, [service(clusterIP="None")], [many]) as world:
            seen = {(await world.ask(WEB, id=1)).answer[0].to_text() for _ in range(5)}
            assert len(seen) > 1

    asyncio.run(main())


def test_names_outside_are_asked_of_the_machines_resolvers_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(TABLE).running() as upstream,
            dns_world(tmp_path, upstream_port=upstream.port) as world,
        ):
            told = await world.ask("www.example.com")
            assert [each.to_text() for each in told.answer] == ["www.example.com. 300 IN A 192.0.2.80"]
            assert not told.flags & dns.flags.AA and told.flags & dns.flags.RA
            assert await world.data("www.example.com", tcp=True) == ["192.0.2.80"]
            assert (await world.ask("nope.example.com")).rcode() == dns.rcode.NXDOMAIN
            asked = [name for _, name in upstream.asked if name.endswith("example.com.")]
            assert asked == ["www.example.com.", "nope.example.com."]

    asyncio.run(main())


def test_external_name_is_followed_inside_and_outside(tmp_path: Path) -> None:
    aliases = [
        service("out", type="ExternalName", externalName="www.example.com"),
        service("in", type="ExternalName", externalName=WEB),
        service("round", type="ExternalName", externalName="round.ns.svc.cluster.local"),
        service("lost", type="ExternalName", externalName="nope.ns.svc.cluster.local"),
    ]

    async def main() -> None:
        async with (
            Upstream(TABLE).running() as upstream,
            dns_world(tmp_path, [service(), *aliases], upstream_port=upstream.port) as world,
        ):
            assert await world.data("out.ns.svc.cluster.local") == ["192.0.2.80", "www.example.com."]
            assert await world.data("in.ns.svc.cluster.local") == ["10.96.0.9", f"{WEB}."]
            assert await world.data("out.ns.svc.cluster.local", "CNAME") == ["www.example.com."]
            assert (await world.ask("round.ns.svc.cluster.local")).rcode() == dns.rcode.SERVFAIL
            lost = await world.ask("lost.ns.svc.cluster.local")
            assert lost.rcode() == dns.rcode.NXDOMAIN and len(lost.answer) == 1

    asyncio.run(main())


def test_what_does_not_fit_into_a_datagram_comes_over_tcp(tmp_path: Path) -> None:
    many = slice_of(*(endpoint(f"10.1.{number}.1") for number in range(200)))

    async def main() -> None:
        async with (
            Upstream(TABLE).running() as upstream,
            dns_world(tmp_path, [service(clusterIP="None")], [many], upstream_port=upstream.port) as world,
        ):
            for name, count in ((WEB, 200), ("big.example.com", 199)):
                cut = await world.ask(name)
                assert cut.flags & dns.flags.TC
                assert len(await world.data(name, tcp=True)) == count
            assert ("tcp", "big.example.com.") in upstream.asked  # the resolver's answer did not fit either

    asyncio.run(main())


def test_resolver_that_lies_or_keeps_silent_is_a_failure_and_not_an_answer(tmp_path: Path) -> None:
    def another(answer: dns.message.Message) -> dns.message.Message:
        answer.id ^= 1
        return answer

    async def main() -> None:
        async with (
            Upstream(TABLE, another).running() as upstream,
            dns_world(tmp_path, [service()], upstream_port=upstream.port) as world,
        ):
            asking = asyncio.ensure_future(world.ask("www.example.com"))
            assert await world.data(WEB) == ["10.96.0.9"]  # who waits is in nobody's way
            await asyncio.sleep(0.05)
            assert not asking.done()
            asking.cancel()

    asyncio.run(main())


def test_what_is_no_question_gets_no_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            await world.data(WEB)
            assert not world.component.figures.dropped
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(b"", ("127.0.0.1", world.udp))
                sock.sendto(b"\xff" * 40, ("127.0.0.1", world.udp))
                answer = dns.message.make_response(dns.message.make_query(WEB, "A")).to_wire()
                sock.sendto(answer, ("127.0.0.1", world.udp))
                await world.data(WEB)
                assert world.component.figures.dropped == {"no question": 3}
                with pytest.raises(BlockingIOError):
                    sock.recv(512)

    asyncio.run(main())


def test_only_addresses_of_the_cluster_are_answered() -> None:
    networks = (IPv4Network("10.244.0.0/16"), IPv4Network("10.99.0.11/32"))
    answering = Answering(None, Figures(), networks, None)
    asked = ("10.244.1.7", "10.99.0.11", "10.99.0.12", "192.0.2.1")
    assert [answering.is_client(address) for address in asked] == [True, True, False, False]


def test_one_client_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            await world.data(WEB)
            held = [await asyncio.open_connection("127.0.0.1", world.tcp) for _ in range(MOST_OF_ONE)]
            query = dns.message.make_query(WEB, "A").to_wire()
            for reader, writer in held:  # all are served, again and again
                for _ in range(2):
                    writer.write(len(query).to_bytes(2) + query)
                    assert await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            reader, one_more = await asyncio.open_connection("127.0.0.1", world.tcp)
            assert await reader.read() == b""
            for _, writer in (*held, (None, one_more)):
                writer.close()
                await writer.wait_closed()
            await asyncio.sleep(0)
            assert await world.data(WEB, tcp=True) == ["10.96.0.9"]

    asyncio.run(main())


def test_connection_too_many_ends_the_one_that_was_silent_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("network.dns.server.MOST_CONNECTIONS", 3)

    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            await world.data(WEB)
            query = dns.message.make_query(WEB, "A").to_wire()

            async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
                writer.write(len(query).to_bytes(2) + query)
                return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))

            held = [await asyncio.open_connection("127.0.0.1", world.tcp) for _ in range(3)]
            for each in held:
                assert await ask(*each)
            assert await ask(*held[0])  # so the second was silent the longest
            held.append(await asyncio.open_connection("127.0.0.1", world.tcp))
            assert await ask(*held[3])
            assert await held[1][0].read() == b""
            assert await ask(*held[0]) and await ask(*held[2])
            for _, writer in held:
                writer.close()
                await writer.wait_closed()

    asyncio.run(main())


def test_client_that_floods_leaves_room_for_others(tmp_path: Path) -> None:
    def never_slow(answer: dns.message.Message) -> dns.message.Message | None:
        return None if answer.question[0].name.to_text().startswith("slow") else answer

    async def main() -> None:
        async with (
            Upstream(TABLE, never_slow).running() as upstream,
            dns_world(tmp_path, [service()], upstream_port=upstream.port) as world,
        ):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.3", 0))
                for number in range(2 * MOST):
                    query = dns.message.make_query(f"slow{number}.example.com", "A")
                    sock.sendto(query.to_wire(), ("127.0.0.1", world.udp))
                    await asyncio.sleep(0)
                assert await world.data("www.example.com") == ["192.0.2.80"]
            assert world.component.figures.dropped["too many wait"] == 2 * MOST - MOST_WAITING_OF_ONE

    asyncio.run(main())


def test_nothing_is_loaded_before_the_first_question(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            for _ in range(3):
                await asyncio.sleep(0)
            assert world.component._forwarder is None
            assert await world.data(WEB) == ["10.96.0.9"]
            assert world.component._forwarder is not None

    asyncio.run(main())


def test_figures_bear_the_names_of_coredns(tmp_path: Path) -> None:
    async def main() -> None:
        async with dns_world(tmp_path, [service()]) as world:
            await world.data(WEB)
            await world.ask("nope.ns.svc.cluster.local", "AAAA", tcp=True)
            from prometheus_client import exposition

            told = exposition.generate_latest(world.component).decode()
            assert 'coredns_dns_requests_total{proto="udp",type="A"} 1.0' in told
            assert 'coredns_dns_responses_total{rcode="NXDOMAIN"} 1.0' in told

    asyncio.run(main())
