"""What happens when a task of the API server fails in a way that nobody foresaw: what its answers rest on ends it, all else is started again."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from etcd_server import fresh_prefix, shared_etcd
from served import Served

from apiserver.auth.rbac import RBACAuthorizer
from apiserver.backends import etcd
from apiserver.backends.backend import StoreFailed, StoreUnavailable
from apiserver.backends.etcd import EtcdBackend
from apiserver.backends.etcd_feed import EtcdFeed
from apiserver.backends.etcd_upkeep import Upkeep
from apiserver.backends.sqlite import SqliteBackend
from apiserver.background import Background
from apiserver.engine.crds import CustomResources
from apiserver.engine.presence import Presence
from apiserver.flowcontrol.flow import FlowControl
from apiserver.storage.cacher import Cacher
from apiserver.storage.expiry import Expiry
from machinery import virtual_loop
from machinery.clock import Clock, SystemClock


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    try:
        yield made
    finally:
        made.close()


class FailsOnce:
    """Stands before a function: raises with the first call after `armed` was set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        whole: Callable[..., Any] = getattr(owner, name)
        self.armed = False
        self.calls_after = 0

        def stands_before(this: Any, *args: Any, **more: Any) -> Any:
            if self.armed:
                self.armed = False
                raise RuntimeError("nobody foresaw this")
            self.calls_after += 1
            return whole(this, *args, **more)

        monkeypatch.setattr(owner, name, stands_before)

    def arm(self) -> None:
        self.armed, self.calls_after = True, 0


def restarts(served: Served) -> dict[str, float]:
    lines = served.send("GET", "/metrics").body.decode().splitlines()
    name = 'apiserver_background_restarts_total{task="'
    pairs = [line.removeprefix(name).split('"} ') for line in lines if line.startswith(name)]
    return {task: float(count) for task, count in pairs if float(count)}


@pytest.mark.parametrize(
    ("owner", "name", "task"),
    [
        (FlowControl, "adjust", "flow control"),
        (Presence, "reconcile", "presence"),
        (Expiry, "sweep", "upkeep of caches"),
    ],
)
def test_task_that_answers_do_not_rest_on_is_started_again_counted_and_told_of(
    owner: type, name: str, task: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fails = FailsOnce(monkeypatch, owner, name)
    served = Served()
    try:
        assert restarts(served) == {}
        fails.arm()
        served.wait(900)
        assert not fails.armed and fails.calls_after > 0
        assert served.alive()
        assert restarts(served) == {task: 1}
    finally:
        served.close()
    said = capfd.readouterr().err
    assert "a background task failed and is started again" in said and "nobody foresaw this" in said


def test_definition_whose_deletion_failed_halfway_goes_all_the_same(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"type": "object"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    served.ok("POST", path, {"metadata": {"name": "things.example.com"}, "spec": spec})
    served.wait(5)
    fails = FailsOnce(monkeypatch, CustomResources, "_has_no_instances")
    fails.arm()
    served.ok("DELETE", f"{path}/things.example.com")
    served.wait(60)
    assert restarts(served) == {"custom resources": 1}
    assert served.send("GET", f"{path}/things.example.com").status == 404


@pytest.mark.parametrize(
    ("owner", "name", "path", "body"),
    [
        (Cacher, "_apply", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}}),
        (
            RBACAuthorizer,
            "_on_role",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            {"metadata": {"name": "r"}, "rules": []},
        ),
    ],
)
def test_task_that_answers_rest_on_ends_the_server(
    owner: type, name: str, path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = FailsOnce(monkeypatch, owner, name)
    served = Served()
    fails.arm()
    try:
        served.send("POST", path, body)
        served.wait(1)
        assert not served.alive()
        assert "nobody foresaw this" in repr(leaf(served.ended()))
    finally:
        served.close()


def leaf(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_store_whose_thread_failed_says_so_instead_of_leaving_writes_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        backend = SqliteBackend(tmp_path / "s.db", SystemClock())
        await backend.start()
        monkeypatch.setattr(backend._writer, "_commit", lambda batch: 1 / 0)
        write = asyncio.create_task(backend.put("/a", b""))
        with pytest.raises(StoreFailed, match="division by zero"):
            async with asyncio.timeout(5):
                await backend.failed()
        write.cancel()
        await backend.close()

    asyncio.run(main())


def test_waits_between_restarts_grow() -> None:
    async def main(clock: Clock) -> None:
        began: list[float] = []

        async def work() -> None:
            began.append(clock.monotonic())
            if len(began) < 6:
                raise ExceptionGroup("many", [ValueError("x")])

        background = Background(clock, random.Random(1))
        await background.keep("t", work)
        waits = [after - before for before, after in itertools.pairwise(began)]
        assert waits == sorted(waits) and waits[0] < 0.2 and waits[-1] > 1
        assert background.restarts == {"t": 5}

    virtual_loop.run(main)


def test_task_whose_own_wait_was_cancelled_is_started_again_but_one_that_is_cancelled_ends() -> None:
    async def main(clock: Clock) -> None:
        began = 0

        async def work() -> None:
            nonlocal began
            began += 1
            if began > 1:
                await clock.sleep(1000)
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

        background = Background(clock, random.Random(1))
        keeping = asyncio.create_task(background.keep("t", work))
        await clock.sleep(10)
        assert began == 2 and background.restarts == {"t": 1}
        keeping.cancel()
        await asyncio.wait([keeping])
        assert keeping.cancelled() and began == 2

    virtual_loop.run(main)


def test_etcds_upkeep_is_started_again_and_its_feed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = EtcdBackend([shared_etcd().url], SystemClock(), random.Random(1), prefix=fresh_prefix())
        monkeypatch.setattr(etcd, "HOUSEKEEPING_S", 0.01)
        upkeep = FailsOnce(monkeypatch, Upkeep, "look")
        await backend.start()
        upkeep.arm()
        async with asyncio.timeout(5):
            while not upkeep.calls_after or upkeep.armed:
                await backend.put("/a", b"")
        assert backend.background is not None and backend.background.restarts == {"upkeep of etcd": 1}
        FailsOnce(monkeypatch, EtcdFeed, "_take").arm()
        with pytest.raises(StoreFailed, match="nobody foresaw this"):
            async with asyncio.timeout(5):
                write = asyncio.create_task(backend.put("/b", b""))
                await backend.failed()
        with pytest.raises(StoreUnavailable):
            await write
        await backend.close()

    asyncio.run(main())
