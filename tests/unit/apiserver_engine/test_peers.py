"""Definitions that other API servers write, while the store comes and goes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from apiserver.backends.backend import StoreUnavailable
from apiserver.engine.crds import CustomResources
from apiserver.peers import SharedDefinitions
from machinery.clock import LoopClock
from machinery.virtual_loop import run


class Customs:
    def __init__(self) -> None:
        self.lost = 2
        self.taken: list[str] = []

    async def follow(self, name: str, crd: Any) -> None:
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("etcd is lost")
        self.taken.append(name)


def test_definition_that_cannot_be_served_yet_is_taken_again_in_its_turn() -> None:
    async def main(clock: LoopClock) -> None:
        customs = Customs()
        shared = SharedDefinitions(cast(CustomResources, customs), clock)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(shared.run())
            shared.on_change("", "first", {})
            shared.on_change("", "second", None)
            await clock.sleep(10)
            running.cancel()
        assert customs.taken == ["first", "second"]

    run(main)
