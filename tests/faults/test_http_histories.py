"""Histories of clients that go through two API servers on one etcd, from request to request through another, over TLS.

In between: a server killed, etcd killed and stalled, history compacted under everybody's feet, watchers that read slowly. What was seen
must be what one store, doing one thing after the other, could have shown.

`KCTL_HISTORY_SEEDS=200 pytest tests/faults/test_http_histories.py` plays longer: as many plays, each its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from etcd_server import EtcdServer
from histories import History
from histories_played import judge, play
from revived import Server, reviving
from workload import ApiSubject, ChangingSubject, Workload

from apiserver.backends.backend import StoreUnavailable
from apiserver.backends.etcd import EtcdBackend
from client.client import Client
from client.kubeconfig import load
from machinery.clock import SystemClock

SEEDS = range(1, 1 + int(os.environ.get("KCTL_HISTORY_SEEDS", "1")))
CLUSTER = "revived"


@pytest.fixture
def etcd() -> Iterator[EtcdServer]:
    server = EtcdServer("--max-request-bytes=8388608").start()
    yield server
    server.remove()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
def test_two_api_servers_on_one_etcd_look_like_one_store(seed: int, tmp_path: Path, etcd: EtcdServer) -> None:
    rng = random.Random(seed)

    async def main(servers: list[Server]) -> History:
        for server in servers:
            server.begin()
        transports = [load(str(tmp_path / name)).transport() for name in ("kubeconfig", "kubeconfig-1")]
        clients = [Client(transport) for transport in transports]
        await asyncio.gather(
            *(server.serves(client) for server, client in zip(servers, clients, strict=True))
        )
        # Another that shares the store, as a third API server would: it forgets history.
        third = EtcdBackend([etcd.url], SystemClock(), random.Random(seed), prefix=f"/kctl/{CLUSTER}")
        await third.start()

        async def trouble(load: Workload) -> None:
            for turn in range(6):
                await asyncio.sleep(rng.uniform(0.2, 0.5))
                with suppress(StoreUnavailable):
                    await third.compact(max(1, load.logged - rng.randrange(60)))
                if turn % 2 == 0:
                    victim = turn // 2 % 2
                    servers[victim].dies()
                    await asyncio.sleep(rng.uniform(0.0, 0.4))
                    await servers[victim].revive(clients[victim])
                elif rng.random() < 0.5:
                    etcd.stop(signal.SIGKILL)
                    await asyncio.to_thread(etcd.start)
                else:
                    etcd.stall()
                    await asyncio.sleep(rng.uniform(0.1, 0.6))
                    etcd.go_on()
            await asyncio.sleep(0.5)

        subject = ChangingSubject([ApiSubject(client) for client in clients], random.Random(seed))
        history, _ = await play([subject], trouble, seed, any_deletes=False)
        await third.close()
        for transport in transports:
            await transport.close()
        return history

    with reviving(tmp_path, etcd.url, "2") as reviver:
        history = asyncio.run(main([Server(reviver, number) for number in range(2)]))
    judge(history, 100)
