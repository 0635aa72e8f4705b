"""Cluster addresses and node ports: each given once by however many servers, given back, found again by the repair."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.auth.user import User
from apiserver.backends.memory import MemoryBackend
from apiserver.composition import make_cacher
from apiserver.engine.addresses import Addresses, band, contains, networks_in_use, owner_of
from apiserver.engine.bitmap import Bitmap
from apiserver.engine.engine import Call, WriteOptions
from apiserver.engine.nodeports import Ports
from apiserver.engine.number_repair import FINALIZER, plan_addresses, plan_cidr
from apiserver.engine.services import ServiceNumbers
from machinery import virtual_loop
from machinery.clock import LoopClock
from machinery.errors import InternalError, Invalid

Obj = dict[str, Any]
NETWORK = ipaddress.ip_network("10.0.0.0/28")


def call(name: str = "s", *, dry_run: bool = False) -> Call:
    return Call(None, User("u"), "d", name, options=WriteOptions(dry_run=dry_run))


def service(kind: str = "ClusterIP", ports: Any = ((80, "TCP"),), name: str = "s", **spec: Any) -> Obj:
    return {
        "metadata": {"name": name, "namespace": "d"},
        "spec": {"type": kind, "ports": [{"port": p, "protocol": q} for p, q in ports], **spec},
    }


class Numbers:
    """Two API servers' numbers on one store."""

    def __init__(self, one: ServiceNumbers, two: ServiceNumbers) -> None:
        self.one, self.two = one, two

    async def addresses(self) -> list[str]:
        return [entry.name for entry in (await self.one.addresses.store.list()).entries]

    async def ports(self) -> list[int]:
        return await self.one.ports.taken()


def with_numbers(body: Callable[[Numbers], Awaitable[None]], ports: tuple[int, int] = (30000, 32767)) -> None:
    async def main(clock: LoopClock) -> None:
        from api.core.v1.rangeallocation import RANGEALLOCATION
        from api.networking.v1.ipaddress import IPADDRESS
        from api.networking.v1.servicecidr import SERVICECIDR

        backend = MemoryBackend(clock)
        await backend.start()
        made, uid = [], "00000000-0000-0000-0000-000000000000"
        async with asyncio.TaskGroup() as group:
            tasks = []
            for seed in (1, 1):  # the same chance: they draw the same numbers
                stores = []
                for resource in (IPADDRESS, SERVICECIDR, RANGEALLOCATION):
                    store = make_cacher(backend, resource, clock, random.Random(seed))
                    await store.start()
                    tasks.append(group.create_task(store.run()))
                    stores.append(store)
                numbers = ServiceNumbers(NETWORK, random.Random(seed), clock, lambda: uid, ports)
                numbers.addresses.attach(stores[0], stores[1])
                numbers.ports.attach(stores[2])
                made.append(numbers)
            await body(Numbers(*made))
            for task in tasks:
                task.cancel()
        await backend.close()

    virtual_loop.run(main)


def test_two_servers_give_every_address_once_until_the_range_ends() -> None:
    async def body(both: Numbers) -> None:
        made = [service(name=f"s{n}") for n in range(14)]
        await asyncio.gather(
            *(
                (both.one if n % 2 else both.two).before_create(call(f"s{n}"), each)
                for n, each in enumerate(made)
            )
        )
        given_out = {each["spec"]["clusterIP"] for each in made}
        assert len(given_out) == 14 and all(ipaddress.ip_address(a) in NETWORK for a in given_out)
        assert sorted(given_out) == sorted(await both.addresses())
        with pytest.raises(InternalError, match="range is full"):
            await both.one.before_create(call(), service())

    with_numbers(body)


def test_two_servers_give_every_node_port_once_until_the_range_ends() -> None:
    async def body(both: Numbers) -> None:
        made = [service("NodePort", name=f"s{n}") for n in range(10)]
        await asyncio.gather(
            *(
                (both.one if n % 2 else both.two).before_create(call(f"s{n}"), each)
                for n, each in enumerate(made)
            )
        )
        assert sorted(each["spec"]["ports"][0]["nodePort"] for each in made) == list(range(30000, 30010))
        with pytest.raises(InternalError, match="failed to allocate a nodePort: range is full"):
            await both.two.before_create(call("more"), service("NodePort", name="more"))
        assert len(await both.addresses()) == 10  # the refused one's address was given back

    with_numbers(body, (30000, 30009))


def test_undo_and_delete_give_back() -> None:
    async def body(both: Numbers) -> None:
        made = service("NodePort")
        undo = await both.one.before_create(call(), made)
        assert undo is not None and made["spec"]["ports"][0]["nodePort"] >= 30000
        assert len(await both.addresses()) == len(await both.ports()) == 1
        await undo()
        assert not await both.addresses() and not await both.ports()
        kept = service("NodePort")
        await both.one.before_create(call(), kept)
        await both.two.after_delete(call(), kept)
        assert not await both.addresses() and not await both.ports()

    with_numbers(body)


def test_a_dry_run_reserves_nothing() -> None:
    async def body(both: Numbers) -> None:
        made = service("NodePort")
        assert await both.one.before_create(call(dry_run=True), made) is None
        assert made["spec"]["clusterIP"] and made["spec"]["ports"][0]["nodePort"]
        assert not await both.addresses() and not await both.ports()

    with_numbers(body)


def test_asked_numbers_are_honoured_or_refused_with_their_field() -> None:
    async def body(both: Numbers) -> None:
        await both.one.before_create(call(), service(clusterIP="10.0.0.5"))
        with pytest.raises(Invalid) as caught:
            await both.two.before_create(call("t"), service(clusterIP="10.0.0.5", name="t"))
        assert caught.value.causes[0].field == "spec.clusterIPs"
        assert "already allocated" in caught.value.message
        with pytest.raises(Invalid, match="does not match the current range"):
            await both.one.before_create(call(), service(clusterIP="10.9.0.5"))
        asked = service("NodePort")
        asked["spec"]["ports"][0]["nodePort"] = 80
        with pytest.raises(Invalid, match="range of valid ports"):
            await both.one.before_create(call(), asked)
        asked["spec"]["ports"][0]["nodePort"] = 30080
        for field in ("clusterIP", "clusterIPs"):
            asked["spec"].pop(field, None)
        await both.one.before_create(call(), asked)
        other = service("NodePort", ports=((80, "UDP"),), name="t")
        other["spec"]["ports"][0]["nodePort"] = 30080
        with pytest.raises(Invalid, match="provided port is already allocated"):
            await both.two.before_create(call("t"), other)
        assert len(await both.addresses()) == 2 and await both.ports() == [30080]

    with_numbers(body)


def test_headless_and_external_services_take_no_address() -> None:
    async def body(both: Numbers) -> None:
        headless = service(clusterIP="None")
        await both.one.before_create(call(), headless)
        assert headless["spec"]["clusterIPs"] == ["None"]
        external = service("ExternalName", ports=(), externalName="x.y")
        await both.one.before_create(call(), external)
        assert "clusterIP" not in external["spec"] and not await both.addresses()

    with_numbers(body)


def test_an_update_keeps_what_it_does_not_speak_of_and_frees_what_it_gives_up() -> None:
    async def body(both: Numbers) -> None:
        numbers = both.one
        old = service("NodePort")
        await numbers.before_create(call(), old)
        new = service("NodePort")
        assert await numbers.before_update(call(), new, old) is None
        assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
        assert new["spec"]["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"]
        plain = service("ClusterIP")
        plain["spec"]["ports"][0]["nodePort"] = old["spec"]["ports"][0]["nodePort"]
        await numbers.before_update(call(), plain, old)
        assert "nodePort" not in plain["spec"]["ports"][0]
        await numbers.after_write(call(), plain, old)
        assert not await both.ports() and len(await both.addresses()) == 1
        gone = service("ExternalName", ports=())
        await numbers.before_update(call(), gone, plain)
        await numbers.after_write(call(), gone, plain)
        assert not await both.addresses()

    with_numbers(body)


def test_an_address_that_changes_is_left_to_validation_and_not_reserved() -> None:
    async def body(both: Numbers) -> None:
        old = service()
        await both.one.before_create(call(), old)
        new = service(clusterIP="192.0.2.7", clusterIPs=old["spec"]["clusterIPs"])
        assert await both.one.before_update(call(), new, old) is None
        assert new["spec"]["clusterIPs"] == ["192.0.2.7"] and len(await both.addresses()) == 1

    with_numbers(body)


def test_one_port_under_two_protocols_shares_its_node_port() -> None:
    async def body(both: Numbers) -> None:
        made = service("NodePort", ports=((53, "TCP"), (53, "UDP")))
        await both.one.before_create(call(), made)
        first, second = made["spec"]["ports"]
        assert first["nodePort"] == second["nodePort"] and len(await both.ports()) == 1

    with_numbers(body)


def test_local_traffic_of_a_load_balancer_gets_a_health_check_port_and_keeps_it() -> None:
    async def body(both: Numbers) -> None:
        made = service("LoadBalancer", externalTrafficPolicy="Local")
        await both.one.before_create(call(), made)
        health = made["spec"]["healthCheckNodePort"]
        assert sorted(await both.ports()) == sorted([health, made["spec"]["ports"][0]["nodePort"]])
        again = service("LoadBalancer", externalTrafficPolicy="Local")
        assert await both.one.before_update(call(), again, made) is None
        assert again["spec"]["healthCheckNodePort"] == health

    with_numbers(body)


TWO = ["IPv4", "IPv6"]
BOTH = {"clusterIP": "10.0.0.5", "clusterIPs": ["10.0.0.5", "fd00::5"]}
HEADLESS = {"clusterIP": "None", "clusterIPs": ["None"]}


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        ({"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy", "not configured for dual-stack"),
        ({"ipFamilies": ["IPv6"]}, "spec.ipFamilies[0]", "not configured on this cluster"),
        ({"ipFamilies": TWO}, "spec.ipFamilyPolicy", "when multiple IP families are specified"),
        ({"ipFamilies": TWO, "ipFamilyPolicy": "PreferDualStack"}, "spec.ipFamilies[1]", "not configured"),
        (BOTH, "spec.ipFamilyPolicy", "when multiple cluster IPs are specified"),
        ({**BOTH, "ipFamilyPolicy": "PreferDualStack"}, "spec.clusterIPs[1]", "IPv6 is not configured"),
        ({"clusterIP": "fd00::5"}, "spec.clusterIPs[0]", "IPv6 is not configured on this cluster"),
        ({"clusterIPs": ["10.0.0.5"]}, "spec.clusterIPs", "must be empty when `clusterIP` is not specified"),
        ({**BOTH, "clusterIPs": ["10.0.0.6"]}, "spec.clusterIPs", "first value must match `clusterIP`"),
        ({"ipFamilyPolicy": "Other"}, "spec.ipFamilyPolicy", "supported values"),
    ],
)
def test_addresses_and_families_that_cannot_be_had_are_refused_in_words(
    spec: Obj, field: str, why: str
) -> None:
    async def body(both: Numbers) -> None:
        with pytest.raises(Invalid, match=why) as caught:
            await both.one.before_create(call(), service(**spec))
        assert caught.value.causes[0].field == field and not await both.addresses()

    with_numbers(body)


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        ({"selector": {"a": "b"}}, ["IPv4"], "SingleStack"),
        ({"selector": {"a": "b"}, "ipFamilyPolicy": "PreferDualStack"}, ["IPv4"], "PreferDualStack"),
        ({**HEADLESS, "selector": {"a": "b"}}, ["IPv4"], "SingleStack"),
        (HEADLESS, TWO, "RequireDualStack"),
        ({**HEADLESS, "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "RequireDualStack"),
        ({**HEADLESS, "ipFamilyPolicy": "SingleStack"}, ["IPv4"], "SingleStack"),
    ],
)
def test_families_are_what_there_is_and_both_where_nobody_is_selected(
    spec: Obj, families: list[str], policy: str
) -> None:
    async def body(both: Numbers) -> None:
        made = service(**spec)
        await both.one.before_create(call(), made)
        assert (made["spec"]["ipFamilies"], made["spec"]["ipFamilyPolicy"]) == (families, policy)

    with_numbers(body)


def test_an_update_that_leaves_out_what_was_given_keeps_it() -> None:
    async def body(both: Numbers) -> None:
        old = service("NodePort", ports=((80, "TCP"), (80, "UDP")))
        await both.one.before_create(call(), old)
        new = service("NodePort", ports=((81, "TCP"), (81, "UDP")), clusterIP="")
        new["spec"]["clusterIPs"] = list(old["spec"]["clusterIPs"])
        assert await both.one.before_update(call(), new, old) is None
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            assert new["spec"][field] == old["spec"][field]
        (number,) = {port["nodePort"] for port in old["spec"]["ports"]}
        assert [port["nodePort"] for port in new["spec"]["ports"]] == [number, number]

    with_numbers(body)


def test_a_port_that_is_asked_for_is_shared_with_the_other_protocol() -> None:
    async def body(both: Numbers) -> None:
        made = service("NodePort", ports=((80, "TCP"), (80, "UDP")))
        made["spec"]["ports"][1]["nodePort"] = 30005
        await both.one.before_create(call(), made)
        assert [port["nodePort"] for port in made["spec"]["ports"]] == [30005, 30005]

    with_numbers(body)


def test_taken_ports_of_another_range_are_forgotten_and_claimed_anew() -> None:
    async def body(both: Numbers) -> None:
        await both.one.ports.take([30000, 30007], 0)
        other = Ports(30004, 30011, random.Random(1))
        other.attach(both.one.ports._store)
        assert await other.taken() == []
        await other.claim([30007, 31000])
        assert await other.taken() == [30007]

    with_numbers(body)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 1000))
def test_bitmap_gives_no_number_twice(returns: list[int], seed: int) -> None:
    bitmap, rng, held = Bitmap(31), random.Random(seed), set()
    for number in returns:
        got = bitmap.take_any(rng, 0, 31)
        assert got is None or got not in held
        if got is not None:
            held.add(got)
        bitmap.give_back(number)
        held.discard(number)
        assert bitmap.used == len(held)
        assert Bitmap.of(31, bitmap.data).data == bitmap.data
    assert Bitmap.of(31, b"\xff" * 9).used == 31


def test_fresh_addresses_come_from_the_upper_band() -> None:
    assert [band(size) for size in (16, 254, 65534)] == [0, 16, 256]

    async def body(both: Numbers) -> None:
        pool = both.one.addresses
        pool.network = ipaddress.ip_network("10.1.0.0/24")
        found = [await pool.take_any(("d", "s")) for _ in range(238)]
        assert all(int(ipaddress.ip_address(str(each))) & 0xFF > 16 for each in found)
        last = await pool.take_any(("d", "s"))
        assert int(ipaddress.ip_address(str(last))) & 0xFF <= 16

    with_numbers(body)


def cidr(name: str, *texts: str, **metadata: Any) -> Obj:
    return {"metadata": {"name": name, **metadata}, "spec": {"cidrs": list(texts)}}


def test_ranges_in_use_are_those_that_stay_and_of_the_servers_family() -> None:
    gone = cidr("b", "10.3.0.0/24", deletionTimestamp="2026-01-01T00:00:00Z")
    found = networks_in_use([cidr("c", "10.2.0.0/24", "fd00::/112"), gone, cidr("a", "10.1.0.0/24")], NETWORK)
    assert [str(each) for each in found] == ["10.1.0.0/24", "10.2.0.0/24"]
    assert networks_in_use([], NETWORK) == [NETWORK] and networks_in_use([gone], NETWORK) == []
    assert contains(NETWORK, "10.0.0.14")
    assert not any(contains(NETWORK, each) for each in ("10.0.0.0", "10.0.0.15", "fd00::1"))


def held_by(address: str, name: str, at: str = "2026-01-01T00:00:00Z") -> Obj:
    pool = Addresses(NETWORK, random.Random(1), LoopClock(None, 0.0), lambda: "u")
    pool._clock = type("Still", (), {"now": lambda self: 0.0})()
    obj = pool.object_of(address, ("d", name))
    obj["metadata"]["creationTimestamp"] = at
    assert owner_of(obj) == ("d", name)
    return obj


def test_repair_finds_what_is_missing_and_what_nobody_holds_once_it_is_old() -> None:
    services = [service(clusterIP=f"10.0.0.{n}", clusterIPs=[f"10.0.0.{n}"], name=f"s{n}") for n in (1, 2, 3)]
    there = {
        "10.0.0.1": held_by("10.0.0.1", "s1"),
        "10.0.0.2": held_by("10.0.0.2", "other"),  # another Service's: s2 holds it
        "10.0.0.8": held_by("10.0.0.8", "old"),
        "10.0.0.9": held_by("10.0.0.9", "young", "2026-01-01T00:01:30Z"),
    }
    foreign = held_by("10.0.0.7", "gateway")
    foreign["spec"]["parentRef"] = {"group": "g", "resource": "gateways", "name": "gateway"}
    there["10.0.0.7"] = foreign
    plan = plan_addresses(services, there, 1767225600.0 + 100, 60.0)
    assert plan.missing == [("10.0.0.3", ("d", "s3"))]
    assert plan.orphans == [("10.0.0.2", ("d", "other")), ("10.0.0.8", ("d", "old"))]


def test_range_is_ready_protected_and_let_go_when_its_addresses_are_elsewhere() -> None:
    ready = plan_cidr(cidr("a", "10.1.0.0/24"), [], [], 4, 0.0)
    assert ready["metadata"]["finalizers"] == [FINALIZER]
    assert ready["status"]["conditions"][0]["status"] == "True"
    six = plan_cidr(cidr("a", "fd00::/112"), [], [], 4, 0.0)["status"]["conditions"][0]
    assert (six["status"], six["reason"]) == ("False", "FamilyNotConfigured")
    going = cidr("a", "10.1.0.0/24", deletionTimestamp="2026-01-01T00:00:00Z", finalizers=[FINALIZER])
    used = plan_cidr(going, [], ["10.1.0.9"], 4, 0.0)
    assert used["metadata"]["finalizers"] == [FINALIZER]
    assert used["status"]["conditions"][0]["reason"] == "Terminating"
    wider = cidr("b", "10.1.0.0/16")
    assert "finalizers" not in plan_cidr(going, [wider], ["10.1.0.9"], 4, 0.0)["metadata"]
    assert "finalizers" not in plan_cidr(going, [], ["10.9.0.9"], 4, 0.0)["metadata"]
