"""A client that asks for SPDY/3.1 as client-go does, on a plain socket: for tests of the API server's upgrades."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from machinery.spdy.session import DataReceived, Event, SessionClosed, SpdySession, StreamReset

V4, V1 = "v4.channel.k8s.io", "channel.k8s.io"


async def ask(
    address: str,
    path: str,
    protocols: Sequence[str],
    upgrade: str = "SPDY/3.1",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, list[str]], asyncio.StreamReader, asyncio.StreamWriter]:
    """(status, headers, reader, writer) of the answer to a POST that asks for `upgrade`."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        f"Upgrade: {upgrade}",
        "Content-Length: 0",
    ]
    lines += [f"X-Stream-Protocol-Version: {each}" for each in protocols]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
    status, *rest = head.split("\r\n")[:-2]
    found: dict[str, list[str]] = {}
    for line in rest:
        name, _, value = line.partition(": ")
        found.setdefault(name.lower(), []).append(value)
    return int(status.split()[1]), found, reader, writer


class SpdyClient:
    """`got` is the data of each stream, `ended` the streams whose other side has ended; both by number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: str) -> None:
        self.session = SpdySession(client=True)
        self.protocol = protocol
        self.got: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.gone_away = False
        self._reader = reader
        self._writer = writer

    async def open(self, *kinds: str, fin: Sequence[str] = ("error",), **headers: str) -> list[int]:
        streams = [
            self.session.open_stream({"streamType": kind, **headers}, fin=kind in fin) for kind in kinds
        ]
        await self.flush()
        return streams

    async def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        self.session.send(stream, data, fin=fin)
        await self.flush()

    async def flush(self) -> None:
        self._writer.write(self.session.take_output())
        await self._writer.drain()

    async def hear(self) -> bool:
        """The next piece that comes; False at the end of the connection."""
        data = await asyncio.wait_for(self._reader.read(65536), 10)
        for event in self.session.receive(data):
            self._take(event)
        return bool(data)

    async def until(self, *streams: int) -> None:
        """The other side has ended or reset them."""
        while not set(streams) <= self.ended | self.reset:
            assert await self.hear(), "the connection ended"

    def close(self) -> None:
        self._writer.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            self.got[event.stream] = self.got.get(event.stream, b"") + event.data
            if event.fin:
                self.ended.add(event.stream)
        elif isinstance(event, StreamReset):
            self.reset.add(event.stream)
        elif isinstance(event, SessionClosed):
            self.gone_away = True


@asynccontextmanager
async def spdy(address: str, path: str, *protocols: str) -> AsyncIterator[SpdyClient]:
    status, headers, reader, writer = await ask(address, path, protocols)
    assert status == 101, status
    assert headers["upgrade"] == ["SPDY/3.1"] and headers["connection"] == ["Upgrade"]
    try:
        yield SpdyClient(reader, writer, headers["x-stream-protocol-version"][0])
    finally:
        writer.close()
