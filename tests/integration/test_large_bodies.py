"""Large bodies are worked on beside the loop, small ones at once; what is answered is the same either way."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import orjson
import pytest

from apiserver.apart import LARGE_BYTES, Worker
from tests.fakes.served import Got, Served

T = TypeVar("T")
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
APPLY = "application/apply-patch+yaml"


class Elsewhere:
    """Does each work on a thread of its own, which knows no loop, and counts."""

    def __init__(self) -> None:
        self.works = 0

    async def __call__(self, work: Callable[[], T], /) -> T:
        self.works += 1
        given: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                given.append(work())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return given[0]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.close()


def config(name: str, kib: int, **more: Any) -> dict[str, Any]:
    data = {f"k{n}": "v" * 1000 for n in range(kib)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data, **more}


def pod(name: str, variables: list[Any]) -> dict[str, Any]:
    container = {"name": "c", "image": "x", "env": variables}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container]},
    }


def bad_pod(name: str) -> dict[str, Any]:
    return pod(name, [{"name": "a=b", "value": "v" * 100}] * 3000)


def repeated(name: str) -> bytes:
    return orjson.dumps(config(name, 300)).replace(b'"name":', b'"name":"other","name":')


def visit(served: Served, name: str) -> list[Got]:
    """Every kind of write with a large body."""
    plain: dict[str, str] = {"fieldManager": "tester"}
    query = list(plain.items())
    whole = config(name, 300)
    return [
        served.send("POST", MAPS, whole, query),
        served.send("POST", MAPS, whole, query),  # there already
        served.send("PUT", f"{MAPS}/{name}", config(name, 310), query),
        served.send("PATCH", f"{MAPS}/{name}", {"data": {"small": "patch"}}, query,
                    content_type="application/merge-patch+json"),
        served.send("PATCH", f"{MAPS}/{name}-applied", config(f"{name}-applied", 300), query, content_type=APPLY),
        served.send("PATCH", f"{MAPS}/{name}-applied", config(f"{name}-applied", 290), query, content_type=APPLY),
        served.send("POST", MAPS, repeated(f"{name}-twice"), [*query, ("fieldValidation", "Strict")]),
        served.send("POST", PODS, bad_pod(name), query),
        served.send("POST", PODS, pod(f"{name}-unread", [7] * 150_000), query),
        served.send("POST", MAPS, b'{"metadata": [' + b"1," * LARGE_BYTES, query),
    ]  # fmt: skip


def told(got: Got, name: str) -> tuple[int, Any]:
    obj = orjson.loads(got.body.replace(name.encode(), b"NAME"))
    metadata = obj.get("metadata") or {}
    for key in ("uid", "resourceVersion", "creationTimestamp"):
        metadata.pop(key, None)
    return got.status, obj


def test_what_is_answered_does_not_depend_on_where_it_is_worked_on(served: Served) -> None:
    here = [told(got, "one") for got in visit(served, "one")]
    engine = served.server.engine
    apart = Elsewhere()
    engine.apart = apart
    try:
        there = [told(got, "two") for got in visit(served, "two")]
    finally:
        engine.apart = None
    assert [status for status, _ in here] == [201, 409, 200, 200, 201, 200, 400, 422, 400, 400]
    assert there == here
    assert apart.works >= 20


def test_small_bodies_are_worked_on_at_once(served: Served) -> None:
    engine = served.server.engine
    engine.apart = apart = Elsewhere()
    try:
        served.ok("POST", MAPS, config("small", 10))
        served.ok("PUT", f"{MAPS}/small", config("small", 20))
        served.ok("POST", PODS, pod("small", [{"name": "A", "value": "b"}]))
    finally:
        engine.apart = None
    assert apart.works == 0


def test_the_loop_goes_on_while_the_worker_works() -> None:
    async def main() -> None:
        worker = Worker()
        goes_on = threading.Event()
        usual_s = sys.getswitchinterval()
        try:
            work = asyncio.create_task(worker(lambda: goes_on.wait(20)))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not work.done() and sys.getswitchinterval() < usual_s
            goes_on.set()
            assert await work and sys.getswitchinterval() == usual_s
            with pytest.raises(ZeroDivisionError):
                await worker(lambda: 1 // 0)
        finally:
            worker.close()

    asyncio.run(main())
