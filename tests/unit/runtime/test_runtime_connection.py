"""The agent's end of the spawner's socket, when an asker does not wait for the answer."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import orjson
import pytest

from runtime.service.connection import SpawnerConnection
from runtime.spawner.wire import Channel


class Spawner:
    """Its end, played by hand."""

    def __init__(self, directory: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(str(directory / "spawner.sock"))
            listening.listen(1)
            self.connection = SpawnerConnection(lambda message: None, lambda: None)
            self.connection.open(str(directory))
            accepted, _ = listening.accept()
        self._channel = Channel(accepted, orjson.dumps, orjson.loads)

    async def heard(self) -> tuple[Any, list[int]]:
        for _ in range(5000):
            if messages := self._channel.receive():
                [found] = messages
                return found
            await asyncio.sleep(0.001)
        raise AssertionError("nothing came")

    def answer(self, message: dict[str, Any], *fds: int) -> None:
        self._channel.queue(message, fds)
        self._channel.flush()

    def close(self) -> None:
        self.connection.close()
        self._channel.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("answered", ["before", "after"])
def test_what_was_done_for_an_asker_who_was_cancelled_is_undone(tmp_path: Path, answered: str) -> None:
    async def main() -> None:
        spawner = Spawner(tmp_path)
        before = descriptors()
        given = os.open(os.devnull, os.O_RDONLY)
        asking = asyncio.create_task(
            spawner.connection.ask(
                "exec", {}, (given,), undo=lambda answer: ("kill_exec", {"exec": answer["exec"]})
            )
        )
        message, came = await spawner.heard()
        assert message["verb"] == "exec" and len(came) == 1
        os.close(came[0])
        if answered == "before":  # the answer has come, but the asker has not woken
            spawner.answer({"seq": message["seq"], "exec": "e1"}, given)
            spawner.connection._readable()
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        if answered == "after":
            spawner.answer({"seq": message["seq"], "exec": "e1"}, given)
        os.close(given)
        undone, _ = await spawner.heard()
        assert (undone["verb"], undone["exec"]) == ("kill_exec", "e1")
        assert descriptors() == before
        spawner.close()

    asyncio.run(main())


def test_descriptors_are_sent_though_their_owner_closed_them_meanwhile(tmp_path: Path) -> None:
    async def main() -> None:
        spawner = Spawner(tmp_path)
        flush, spawner.connection._flush = spawner.connection._flush, lambda: None  # the socket is full
        given = os.open("/proc/self/status", os.O_RDONLY)
        asking = asyncio.create_task(spawner.connection.ask("exec", {}, (given,)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        os.close(given)
        flush()
        _, [came] = await spawner.heard()
        assert os.readlink(f"/proc/self/fd/{came}").endswith("/status")
        os.close(came)
        spawner.close()

    asyncio.run(main())
