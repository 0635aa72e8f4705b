"""The server's process is killed at random moments under write load, again and again: nothing acknowledged is lost.

Each round writes from several connections (create, update, delete of ConfigMaps), kills the process with SIGKILL at a
moment of chance, starts it anew on the same data, and compares what stands with every answer that came.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from pathlib import Path

import orjson
import pytest

import apiserver.__main__ as program

ROUNDS = 50
WRITERS = 8
PATH = b"/api/v1/namespaces/default/configmaps"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(directory: Path, port: int) -> int:
    """A server in a forked process (everything is imported already); returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        code = program.main(
            [
                f"--data-dir={directory}",
                f"--port={port}",
                f"--token-auth-file={directory / 'tokens'}",
                f"--service-account-key-file={directory / 'sa.key'}",
            ]
        )
    finally:
        os._exit(code)


class Connection:
    """One keep-alive connection speaking just enough HTTP."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def call(self, method, path, body=None):
        raw = b"" if body is None else orjson.dumps(body)
        self.writer.write(
            b"%s %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (method, path, len(raw), raw)
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.index(b"\r\n", at)])
        return int(head[9:12]), orjson.loads(await self.reader.readexactly(length))

    def close(self):
        self.writer.close()


async def connect(port):
    for _ in range(1000):
        try:
            return await Connection.open(port)
        except OSError:
            await asyncio.sleep(0.01)
    raise AssertionError("the server does not come up")


class Ledger:
    """What was answered. `done`: name → (value or None for deleted); `open`: names with a write in flight, and what
    either outcome would leave."""

    def __init__(self):
        self.done = {}
        self.open = {}

    def begin(self, name, after):
        self.open[name] = (self.done.get(name), after)

    def end(self, name):
        self.done[name] = self.open.pop(name)[1]

    def compare(self, standing):
        wrong = []
        for name, value in self.done.items():
            if name in self.open:
                continue
            if standing.get(name) != value:
                wrong.append(f"{name}: answered {value}, stands {standing.get(name)}")
        for name, outcomes in self.open.items():
            if standing.get(name) not in outcomes:
                wrong.append(f"{name}: stands {standing.get(name)}, could be {outcomes}")
        strangers = standing.keys() - self.done.keys() - self.open.keys()
        wrong += [f"{name}: nobody wrote it" for name in sorted(strangers)]
        for name in self.open:
            self.done[name] = standing.get(name)
        self.open.clear()
        return wrong


async def write(connection, ledger, rng, who, round_):
    """Writes until the connection breaks."""
    serial = 0
    try:
        while True:
            serial += 1
            name, value = f"w{who}-r{round_}-{serial}", f"{rng.random()}"
            obj = {"metadata": {"name": name}, "data": {"v": value}}
            ledger.begin(name, value)
            code, _ = await connection.call(b"POST", PATH, obj)
            assert code == 201
            ledger.end(name)
            choice = rng.random()
            if choice < 0.4:
                obj["data"]["v"] = value + "+"
                ledger.begin(name, value + "+")
                code, _ = await connection.call(b"PUT", PATH + b"/" + name.encode(), obj)
                assert code == 200
                ledger.end(name)
            elif choice < 0.7:
                ledger.begin(name, None)
                code, _ = await connection.call(b"DELETE", PATH + b"/" + name.encode())
                assert code == 200
                ledger.end(name)
    except (OSError, asyncio.IncompleteReadError):
        connection.close()


async def standing_now(port):
    connection = await connect(port)
    code, listing = await connection.call(b"GET", PATH)
    connection.close()
    assert code == 200
    return {item["metadata"]["name"]: item["data"]["v"] for item in listing["items"]}


async def rounds(directory, seed):
    rng, ledger, port = random.Random(seed), Ledger(), free_port()
    writes = 0
    for round_ in range(ROUNDS):
        pid = start(directory, port)
        try:
            standing = await standing_now(port)
            assert not (wrong := ledger.compare(standing)), f"round {round_}: " + "; ".join(wrong[:5])
            before = len(ledger.done)
            connections = [await connect(port) for _ in range(WRITERS)]
            tasks = [
                asyncio.create_task(write(each, ledger, random.Random(rng.random()), who, round_))
                for who, each in enumerate(connections)
            ]
            await asyncio.sleep(rng.uniform(0.0, 0.15))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 (it is dead already)
        await asyncio.gather(*tasks)
        writes += len(ledger.done) - before
    assert writes > ROUNDS


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_no_acknowledged_write_is_lost_when_the_process_is_killed(tmp_path):
    from datetime import UTC, datetime

    from standalone.pki import ensure_pki

    ensure_pki(tmp_path, [], datetime.now(UTC))
    (tmp_path / "service-account.key").rename(tmp_path / "sa.key")
    (tmp_path / "tokens").write_text('secret,admin,1,"system:masters"\n')
    asyncio.run(rounds(tmp_path, seed=11))
    assert "Traceback" not in (tmp_path / "log").read_text()
