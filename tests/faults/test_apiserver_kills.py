"""The API server's whole process SIGKILLed at random while clients write over TLS: what it acknowledged stands."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from revived import Server, reviving

from client.client import Client
from client.kubeconfig import load
from client.transport import TransportError
from machinery.gvk import CONFIGMAPS

KILLS = 50  # and more, on a machine so slow that too little is written to prove anything
ENOUGH = 200
WRITERS = 12


@dataclass
class Book:
    """What one writer was told, and what it tried without hearing the end."""

    acknowledged: dict[str, str | None] = field(default_factory=dict)  # name → value, None: deleted
    open_ends: dict[str, set[str | None]] = field(default_factory=dict)  # values that may stand as well
    revisions: list[int] = field(default_factory=list)


async def write(client: Client, server: Server, book: Book, number: int, rng: random.Random) -> None:
    """Creates, updates and deletes until cancelled; after each lost answer, goes on with the next name."""
    for turn in range(1_000_000):
        await server.ready.wait()
        name = f"w{number}-{turn}"
        steps: list[str | None] = ["0", "1", "2"][: rng.randint(1, 3)]
        steps += [None] if rng.random() < 0.3 else []
        for value in steps:
            try:
                if value is None:
                    await client.delete(CONFIGMAPS, name, "default")
                elif value == "0":
                    made = await client.create(CONFIGMAPS, config_map(name, value), "default")
                    book.revisions.append(int(made["metadata"]["resourceVersion"]))
                else:
                    patch = {"data": {"value": value}}
                    made = await client.patch(CONFIGMAPS, name, patch, "default")
                    book.revisions.append(int(made["metadata"]["resourceVersion"]))
            except TransportError:
                book.open_ends.setdefault(name, set()).add(value)
                await asyncio.sleep(0.01)
                break
            book.acknowledged[name] = value


def config_map(name: str, value: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": {"value": value}}


@pytest.mark.timeout(120)
def test_api_server_killed_fifty_times_under_load_loses_no_acknowledged_write(tmp_path: Path) -> None:
    rng = random.Random(20)
    books = [Book() for _ in range(WRITERS)]

    async def main(reviver: subprocess.Popen[str]) -> dict[str, str]:
        server = Server(reviver)
        config = tmp_path / "kubeconfig"
        server.begin()
        transport = load(str(config)).transport()
        client = Client(transport)
        os.kill(server.pid, signal.SIGKILL)  # the first kill: before anything was served
        await server.revive(client)
        tasks = [
            asyncio.create_task(write(client, server, book, at, random.Random(at)))
            for at, book in enumerate(books)
        ]
        kills = 1
        while kills < KILLS or sum(len(book.acknowledged) for book in books) < ENOUGH:
            kills += 1
            await asyncio.sleep(rng.uniform(0.0, 0.15))
            server.dies()
            await server.revive(client)
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.wait(tasks)
        listed = await client.list(CONFIGMAPS, "default")
        await transport.close()
        return {
            item["metadata"]["name"]: item["data"]["value"]
            for item in listed["items"]
            if item["metadata"]["name"].startswith("w")
        }

    with reviving(tmp_path) as reviver:
        stands = asyncio.run(main(reviver))

    acknowledged = {name: value for book in books for name, value in book.acknowledged.items()}
    open_ends = {name: values for book in books for name, values in book.open_ends.items()}
    lost = {
        name: (value, stands.get(name))
        for name, value in acknowledged.items()
        if stands.get(name) != value and stands.get(name) not in open_ends.get(name, set())
    }
    assert not lost
    invented = {
        name for name in stands if name not in acknowledged and stands[name] not in open_ends.get(name, set())
    }
    assert not invented
    told = [revision for book in books for revision in book.revisions]
    assert len(told) == len(set(told)), "two writes were acknowledged with the same resourceVersion"
    assert all(sorted(book.revisions) == book.revisions for book in books)
    assert "Traceback" not in (tmp_path / "logs/apiserver.log").read_text()
