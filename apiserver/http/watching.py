"""The Streamer for watch requests: reads the query, then streams."""

from __future__ import annotations

import random
from collections.abc import Sequence

from apiserver.engine.engine import Engine
from apiserver.engine.revisions import parse_watch
from apiserver.http.negotiation import accepted_stream
from apiserver.http.reply import Header, Receive, Send, warning_headers
from apiserver.http.request import Request
from apiserver.http.resources import Resources
from apiserver.http.table import included
from apiserver.http.watch_stream import Streams, stream_watch
from machinery.errors import MethodNotAllowed

# Where the client names no end, one is drawn so that thousands of watches do not end together.
_MIN_TIMEOUT_S = 1800.0


class Watching:
    def __init__(self, engine: Engine, resources: Resources, streams: Streams, rng: random.Random) -> None:
        self._engine = engine
        self._resources = resources
        self._streams = streams
        self._rng = rng

    async def __call__(self, request: Request, receive: Receive, send: Send, extra: Sequence[Header]) -> int:
        if request.info.subresource:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        served = self._resources.find(request.info)
        call = self._resources.call(request, served)
        options = parse_watch(request.query)
        shape = accepted_stream(request.header(b"accept"))
        timeout_s = options.timeout_s or _MIN_TIMEOUT_S * (1 + self._rng.random())
        headers = [*extra, *warning_headers(request.warnings)]
        include = included(request.query, shape)
        await stream_watch(
            call,
            options,
            shape,
            include,
            self._engine.clock.now,
            timeout_s,
            receive,
            send,
            self._streams,
            headers,
        )
        return 200
