"""The components' health and metrics server, and the indexer behind the informers."""

import asyncio

from prometheus_client import CollectorRegistry, Counter

from client.health import health_server
from client.http1 import HttpTransport
from client.indexer import Indexer, Lister
from machinery.gvk import Key


def test_health_endpoints_show_what_fails() -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        Counter("reconciles", "how many", registry=registry).inc()
        problem: list[str] = ["caches are not synced"]
        ready = {"informers": lambda: problem[0] if problem else None}
        async with health_server(0, {"loop": lambda: None}, registry, ready=ready) as port:
            transport = HttpTransport(f"http://127.0.0.1:{port}")

            async def get(path: str) -> tuple[int, str]:
                path, _, query = path.partition("?")
                pairs = [tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair]
                response = await transport.request("GET", path, query=pairs)
                return response.status, response.body.decode()

            assert await get("/healthz") == (200, "ok")
            assert await get("/livez?verbose") == (200, "[+]ping ok\n[+]loop ok\nlivez check passed\n")
            status, text = await get("/readyz")
            assert status == 500
            assert "[-]informers failed: caches are not synced" in text
            assert (await get("/readyz/loop"))[0] == 200
            assert (await get("/readyz?exclude=informers"))[0] == 200
            problem.clear()
            assert await get("/readyz") == (200, "ok")
            assert "reconciles_total 1.0" in (await get("/metrics"))[1]
            assert (await get("/nothing"))[0] == 404
            assert (await transport.request("POST", "/healthz")).status == 405
            await transport.close()

    asyncio.run(main())


def pod(name: str, node: str, namespace: str = "a") -> dict:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}}


def test_index_follows_changes_and_removals() -> None:
    indexer = Indexer()
    indexer.put(Key("a", "x"), pod("x", "n1"))
    indexer.add_index("node", lambda obj: [obj["spec"]["nodeName"]])
    indexer.put(Key("a", "y"), pod("y", "n1"))
    lister = Lister(indexer)
    assert [o["metadata"]["name"] for o in lister.by_index("node", "n1")] == ["x", "y"]
    indexer.put(Key("a", "x"), pod("x", "n2"))
    assert [o["metadata"]["name"] for o in lister.by_index("node", "n1")] == ["y"]
    indexer.remove(Key("a", "y"))
    assert lister.by_index("node", "n1") == []
    assert len(lister.list("a")) == 1
    assert lister.list("b") == []
    assert len(lister.list(selector=lambda o: o["spec"]["nodeName"] == "n2")) == 1
