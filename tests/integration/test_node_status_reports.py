"""A node's reports beside others that write the same status: an extended resource by hand, a condition of a detector's."""

from __future__ import annotations

import random
from pathlib import PurePosixPath
from typing import Any

import pytest

from client.client import Client
from client.logs import get_logger
from machinery.errors import Conflict
from machinery.gvk import NODES
from nodeagent.config import AgentConfig
from nodeagent.node.machine import Machine
from nodeagent.node.registration import STATUS_TRIES, Registration
from runtime.cri import RuntimeCondition

DONGLE = "example.com/dongle"
ADVERTISE = [{"op": "add", "path": "/status/capacity/example.com~1dongle", "value": "4"}]
WITHDRAW = [{"op": "remove", "path": "/status/capacity/example.com~1dongle"}]
DETECTED = {"type": "KernelDeadlock", "status": "True", "reason": "Stuck"}


class Meanwhile:
    """A client between whose reads and status writes others write, `turns` times; counts status writes."""

    def __init__(self, client: Client, meddle: Any, turns: int) -> None:
        self._client = client
        self._meddle = meddle
        self.turns = turns
        self.written: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def patch(self, gvr: Any, name: str, patch: Any, **options: Any) -> Any:
        if self.turns:
            self.turns -= 1
            await self._meddle()
        made = await self._client.patch(gvr, name, patch, **options)
        self.written.append(patch["status"])
        return made


class Runs:
    async def version(self) -> tuple[str, str]:
        return "kctl", "1"

    async def status(self) -> list[RuntimeCondition]:
        return [RuntimeCondition("RuntimeReady", True)]


class NoImages:
    async def list_images(self) -> list[Any]:
        return []

    async def image_fs_info(self) -> None:
        return None


class NoEvents:
    def conditions(self, old: Any, new: Any) -> None:
        pass


async def registered(api: Any, meddle: Any = None, turns: int = 0) -> tuple[Registration, Meanwhile]:
    client: Any = Meanwhile(api.client, meddle, 0)
    config = AgentConfig("n", PurePosixPath("/data"), ("10.0.0.1",), status_report_s=0.0)
    parts: tuple[Any, ...] = (Runs(), NoImages(), api.clock, random.Random(1), get_logger("t"), NoEvents())
    made = Registration(config, Machine(), client, *parts)
    await made._register()
    await made._report()
    client.turns = turns
    return made, client


async def edit(api: Any, patch: Any) -> None:
    await api.client.patch(NODES, "n", patch, type="json", subresource="status")


async def status_of(api: Any) -> Any:
    return (await api.client.get(NODES, "n"))["status"]


def test_what_is_advertised_by_hand_is_offered_until_it_is_withdrawn(run_api: Any) -> None:
    async def body(api: Any) -> None:
        node, client = await registered(api)
        await edit(api, ADVERTISE)
        await node._report()
        assert (await status_of(api))["allocatable"][DONGLE] == "4"
        assert "capacity" not in client.written[-1] and "conditions" not in client.written[-1]
        await edit(api, WITHDRAW)
        await node._report()
        status = await status_of(api)
        assert DONGLE not in {**status["capacity"], **status["allocatable"]}

    run_api(body)


def test_what_others_write_between_read_and_report_stays(run_api: Any) -> None:
    async def body(api: Any) -> None:
        async def meddle() -> None:
            await edit(api, [*WITHDRAW, {"op": "add", "path": "/status/conditions/-", "value": DETECTED}])

        node, client = await registered(api, meddle)
        await edit(api, ADVERTISE)
        client.turns = 1
        await api.clock.sleep(1)
        await node._report()
        status = await status_of(api)
        assert DETECTED["type"] in [each["type"] for each in status["conditions"]]
        assert DONGLE not in {**status["capacity"], **status["allocatable"]}

    run_api(body)


def test_a_status_that_others_never_leave_alone_is_given_up(run_api: Any) -> None:
    async def body(api: Any) -> None:
        async def meddle() -> None:
            await api.client.patch(NODES, "n", {"metadata": {"labels": {"turn": str(client.turns)}}})

        node, client = await registered(api, meddle)
        client.turns = STATUS_TRIES + 1
        await api.clock.sleep(1)
        with pytest.raises(Conflict):
            await node._report()
        assert client.turns == 1

    run_api(body)


def test_a_capacity_of_a_name_that_nobody_may_advertise_is_taken_back_once(run_api: Any) -> None:
    async def body(api: Any) -> None:
        node, client = await registered(api)
        await edit(api, [{"op": "add", "path": "/status/capacity/kubernetes.io~1odd", "value": "4"}])
        await node._report()
        assert "kubernetes.io/odd" not in (await status_of(api))["capacity"]
        written = len(client.written)
        node._reported_at = float("inf")
        await node._report()
        assert len(client.written) == written

    run_api(body)
