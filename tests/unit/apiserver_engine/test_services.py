"""Cluster addresses and node ports: each given once, given back, never lost."""

from __future__ import annotations

import asyncio
import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.auth.user import User
from apiserver.engine.bitmap import Bitmap
from apiserver.engine.engine import Call, WriteOptions
from apiserver.engine.services import Addresses, Ports, ServiceNumbers
from machinery.errors import InternalError, Invalid

NETWORK = ipaddress.ip_network("10.0.0.0/28")


def call(dry_run=False):
    return Call(None, User("u"), options=WriteOptions(dry_run=dry_run))  # type: ignore[arg-type]


def service(kind="ClusterIP", ports=((80, "TCP"),), **spec):
    return {
        "metadata": {"name": "s"},
        "spec": {"type": kind, "ports": [{"port": p, "protocol": q} for p, q in ports], **spec},
    }


def test_every_address_is_given_once_and_the_range_ends():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    seen = set()
    for _ in range(14):
        made = service()
        numbers.before_create(call(), made)
        seen.add(made["spec"]["clusterIP"])
        assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]
    assert len(seen) == 14 and all(ipaddress.ip_address(a) in NETWORK for a in seen)
    with pytest.raises(InternalError, match="range is full"):
        numbers.before_create(call(), service())


def test_undo_and_delete_give_back():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    made = service("NodePort")
    undo = numbers.before_create(call(), made)
    assert numbers.addresses.used == 1 and made["spec"]["ports"][0]["nodePort"] >= 30000
    assert undo is not None
    undo()
    assert numbers.addresses.used == 0
    kept = service("NodePort")
    numbers.before_create(call(), kept)
    asyncio.run(numbers.after_delete(call(), kept))
    assert numbers.addresses.used == 0 and numbers.ports._taken.used == 0


def test_a_dry_run_reserves_nothing():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    made = service()
    assert numbers.before_create(call(dry_run=True), made) is None
    assert made["spec"]["clusterIP"] and numbers.addresses.used == 0


def test_asked_numbers_are_honoured_or_refused_with_their_field():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    numbers.before_create(call(), service(clusterIP="10.0.0.5"))
    with pytest.raises(Invalid) as caught:
        numbers.before_create(call(), service(clusterIP="10.0.0.5"))
    assert caught.value.causes[0].field == "spec.clusterIPs" and "already allocated" in caught.value.message
    with pytest.raises(Invalid, match="not in the valid range"):
        numbers.before_create(call(), service(clusterIP="10.9.0.5"))
    asked = service("NodePort")
    asked["spec"]["ports"][0]["nodePort"] = 80
    with pytest.raises(Invalid, match="range of valid ports"):
        numbers.before_create(call(), asked)
    assert numbers.addresses.used == 1


def test_headless_and_external_services_take_no_address():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    headless = service(clusterIP="None")
    numbers.before_create(call(), headless)
    assert headless["spec"]["clusterIPs"] == ["None"]
    external = service("ExternalName", ports=(), externalName="x.y")
    numbers.before_create(call(), external)
    assert "clusterIP" not in external["spec"] and numbers.addresses.used == 0


def test_an_update_keeps_what_it_does_not_speak_of_and_frees_what_it_gives_up():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    old = service("NodePort")
    numbers.before_create(call(), old)
    new = service("NodePort")
    assert numbers.before_update(call(), new, old) is None
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    assert new["spec"]["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"]
    plain = service("ClusterIP")
    plain["spec"]["ports"][0]["nodePort"] = old["spec"]["ports"][0]["nodePort"]
    numbers.before_update(call(), plain, old)
    assert "nodePort" not in plain["spec"]["ports"][0]
    asyncio.run(numbers.after_write(call(), plain, old))
    assert numbers.ports._taken.used == 0 and numbers.addresses.used == 1
    gone = service("ExternalName", ports=())
    numbers.before_update(call(), gone, plain)
    asyncio.run(numbers.after_write(call(), gone, plain))
    assert numbers.addresses.used == 0


def test_an_address_that_changes_is_left_to_validation_and_not_reserved():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    old = service()
    numbers.before_create(call(), old)
    new = service(clusterIP="192.0.2.7", clusterIPs=old["spec"]["clusterIPs"])
    assert numbers.before_update(call(), new, old) is None
    assert new["spec"]["clusterIPs"] == ["192.0.2.7"] and numbers.addresses.used == 1


def test_one_port_under_two_protocols_shares_its_node_port():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    made = service("NodePort", ports=((53, "TCP"), (53, "UDP")))
    numbers.before_create(call(), made)
    first, second = made["spec"]["ports"]
    assert first["nodePort"] == second["nodePort"]


def test_stored_services_are_loaded_before_new_ones_are_made():
    numbers = ServiceNumbers(NETWORK, random.Random(1))
    numbers.load([service("NodePort", clusterIP="10.0.0.3", clusterIPs=["10.0.0.3"])])
    assert numbers.addresses.take("10.0.0.3") != ""


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 1000))
def test_bitmap_gives_no_number_twice(returns, seed):
    bitmap, rng, held = Bitmap(31), random.Random(seed), set()
    for number in returns:
        got = bitmap.take_any(rng, 0, 31)
        assert got is None or got not in held
        if got is not None:
            held.add(got)
        bitmap.give_back(number)
        held.discard(number)
        assert bitmap.used == len(held)


def test_pools_prefer_their_upper_band():
    pool = Addresses(ipaddress.ip_network("10.1.0.0/24"), random.Random(2))
    assert all(int(pool.take_any().split(".")[3]) > 16 for _ in range(100))
    ports = Ports(30000, 32767, random.Random(2))
    assert all(ports.take_any("TCP") >= 30086 for _ in range(100))
