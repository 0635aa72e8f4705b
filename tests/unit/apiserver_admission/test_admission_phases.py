"""Who is asked about what: remembered by kind of request, and what plugins look up is shared and left alone."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson

from api import registry
from api.core.v1 import pod_qos
from api.validation import podspec
from apiserver.admission.admission import AdmissionRequest
from apiserver.admission.chain import Outside, admission_chain
from apiserver.admission.lookup import lookup_in
from apiserver.auth.user import User
from apiserver.engine.catalog import Catalog
from apiserver.engine.engine import Engine, Phases
from apiserver.storage.store import Entry
from machinery import virtual_loop
from machinery.clock import LoopClock

RESOURCES = registry.load()
PODS = next(each for each in RESOURCES if each.gvr.resource == "pods" and not each.gvr.group)


class Nothing:
    """Stands in an admission request for all that `handles` must not look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"looked at .{name}")

    def __bool__(self) -> bool:
        raise AssertionError("looked at")


def blind_request(resource: Any, operation: Any, subresource: str) -> AdmissionRequest:
    no: Any = Nothing()
    return AdmissionRequest(operation, resource, subresource, no, no, no, no, no, dry_run=no)


class FewStores:
    """One store for every kind: the plugins are only made, never run."""

    async def list_json(self, namespace: str = "") -> tuple[bytes, int]:
        return b"", 1

    def is_newest(self, blob: bytes, namespace: str = "") -> bool:
        return True


def every_plugin() -> Any:
    async def make() -> Any:
        clock = LoopClock(asyncio.get_running_loop(), 0.0)
        store: Any = FewStores()
        anything: Any = object()
        outside = Outside(clock, random.Random(1), escalation=anything, authorizer=anything)
        return admission_chain(lambda group, plural: store, outside)

    return virtual_loop.run(make())


def test_whether_a_plugin_runs_depends_on_operation_resource_and_subresource_alone() -> None:
    plugins = every_plugin()
    assert len(plugins) > 20
    asked = 0
    for resource in RESOURCES:
        for operation in ("CREATE", "UPDATE", "DELETE", "CONNECT"):
            for subresource in ("", *resource.subresources):
                for plugin in plugins:
                    plugin.handles(blind_request(resource, operation, subresource))
                    asked += 1
    assert asked > 5000


def test_plugins_are_asked_once_for_each_kind_of_request_and_again_when_replaced() -> None:
    asked: list[str] = []

    class Counting:
        name = "Counting"

        def handles(self, request: AdmissionRequest) -> bool:
            asked.append(request.operation)
            return request.operation == "CREATE"

        async def admit(self, request: AdmissionRequest) -> bool:
            return False

        async def record(self, request: AdmissionRequest) -> None:
            return None

        async def validate(self, request: AdmissionRequest) -> None:
            return None

    clock: Any = None
    engine = Engine(Catalog(), clock, random.Random(1), (Counting(),))
    create = AdmissionRequest("CREATE", PODS, "", "a", "p", {}, None, User("jane"))
    delete = AdmissionRequest("DELETE", PODS, "", "a", "p", None, {}, User("jane"))
    for _ in range(3):
        assert [len(phase) for phase in engine.plugins(create)] == [1, 1, 1]
        assert [len(phase) for phase in engine.plugins(delete)] == [0, 0, 0]
    assert asked == ["CREATE"] * 3 + ["DELETE"] * 3  # once to mutate, once to record, once to judge
    engine.admission = ()
    assert engine.plugins(create) == ((), (), ())


def test_what_is_remembered_of_kinds_that_come_and_go_is_bounded() -> None:
    phases = Phases(())
    for index in range(5000):
        phases.of(AdmissionRequest("CREATE", PODS, f"s{index}", "a", "p", {}, None, User("jane")))
    assert len(phases._known) <= 2048


class OneEntry:
    def __init__(self) -> None:
        self.entry: Entry | None = None

    def write(self, revision: int) -> None:
        data = orjson.dumps({"metadata": {"name": "n", "resourceVersion": str(revision)}})
        self.entry = Entry("/registry/namespaces/n", "", "n", revision, data, {}, {})

    async def get(self, namespace: str, name: str, *, revision: int = 0) -> Entry | None:
        return self.entry


def test_an_object_is_decoded_again_only_once_it_was_written() -> None:
    store: Any = OneEntry()
    look_up = lookup_in(store)

    async def main() -> None:
        assert await look_up("", "n") is None
        store.write(1)
        first = await look_up("", "n")
        assert first is await look_up("", "n")
        store.write(2)
        second = await look_up("", "n")
        assert second is not first and second is not None
        assert second["metadata"]["resourceVersion"] == "2"
        store.entry = None
        assert await look_up("", "n") is None

    asyncio.run(main())


class AnyEntry:
    async def get(self, namespace: str, name: str, *, revision: int = 0) -> Entry | None:
        return Entry(f"/registry/pods/{namespace}/{name}", namespace, name, 1, b"{}", {}, {})


def test_what_is_remembered_is_bounded() -> None:
    store: Any = AnyEntry()
    look_up: Any = lookup_in(store)

    async def main() -> None:
        for index in range(1000):
            assert await look_up("a", str(index)) == {}

    asyncio.run(main())
    held = [cell.cell_contents for cell in look_up.__closure__ if isinstance(cell.cell_contents, dict)]
    assert [len(each) for each in held] == [256]
    for remembering in (
        podspec._causes_in,
        podspec._warnings_in,
        pod_qos._class_of,
    ):
        assert 0 < (remembering.cache_info().maxsize or 0) <= 1024
