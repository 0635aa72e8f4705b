"""A forwarded connection's two ends: each can be over by itself."""

from __future__ import annotations

import asyncio
import socket

from runtime.service.streams import SocketConnection


def test_end_of_writing_leaves_the_answer_to_be_read_and_may_come_twice():
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            connection = SocketConnection(ours)
            await connection.write(b"question")
            await connection.end()
            assert theirs.recv(100) + theirs.recv(100) == b"question"  # the second is the end
            theirs.sendall(b"answer")
            theirs.close()
            assert await connection.read() == b"answer"
            assert await connection.read() == b""
            await connection.end()

    asyncio.run(main())
