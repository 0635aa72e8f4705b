"""The day a token in a Secret was last used: noted beside requests, and never at the server's cost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson

from apiserver.auth.legacy_tokens import LABEL, LegacyTokenUse
from apiserver.backends.backend import StoreUnavailable
from apiserver.storage.store import Entry, Store
from machinery.clock import LoopClock
from machinery.virtual_loop import run


class Secrets:
    """A store that is lost for the first `failures` reads."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.written: list[dict[str, Any]] = []

    async def get(self, namespace: str, name: str) -> Entry:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("etcd is lost")
        return entry(namespace, name)

    async def update(self, namespace: str, name: str, obj: dict[str, Any], revision: int) -> None:
        self.written.append(obj)


def entry(namespace: str, name: str) -> Entry:
    data = orjson.dumps({"metadata": {"name": name, "namespace": namespace}})
    return Entry(f"{namespace}/{name}", namespace, name, 7, data, {}, {})


def test_a_store_that_is_lost_costs_one_note_and_nothing_else() -> None:
    async def main(clock: LoopClock) -> None:
        secrets = Secrets(failures=1)
        use = LegacyTokenUse(cast(Store, secrets), clock)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(use.run())
            use.note(entry("ns", "first"))
            use.note(entry("ns", "second"))
            await asyncio.sleep(1)
            running.cancel()
        assert [obj["metadata"]["name"] for obj in secrets.written] == ["second"]
        assert LABEL in secrets.written[0]["metadata"]["labels"]

    run(main)
