"""An etcd backend for as long as a test needs it, at the server and prefix that the test names."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from etcd_server import EtcdServer

from apiserver.backends.etcd import EtcdBackend
from machinery.clock import SystemClock


@asynccontextmanager
async def opened(
    server: EtcdServer, prefix: str, *, patience_s: float = 5.0, **more: object
) -> AsyncIterator[EtcdBackend]:
    backend = EtcdBackend(
        [server.url],
        SystemClock(),
        random.Random(1),
        prefix=prefix,
        patience_s=patience_s,
        **more,
    )
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()
