"""Requests on their way to an extension API server: who asks, what for, and what comes back."""

from __future__ import annotations

from pathlib import Path

import orjson
from extension_server import BASE, World, with_world

from apiserver.auth.user import User
from client.inprocess import InProcessTransport


def test_requests_reach_the_extension_as_the_caller_and_come_back_whole(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        assert "is not present" in await world.available("False", "ServiceNotFound")
        refused = await world.get(f"{BASE}/nodes")
        assert refused.status == 503 and b"service unavailable" in refused.body
        await world.serve()
        assert await world.available("True", "Passed") == "all checks passed"
        world.extension.seen.clear()
        answer = await world.transport.request(
            "GET",
            f"{BASE}/nodes",
            query=[("limit", "5")],
            headers={"authorization": "Bearer secret", "x-remote-user": "root", "x-custom": "kept"},
        )
        assert answer.status == 200 and orjson.loads(answer.body)["items"][0]["usage"]["cpu"] == "250m"
        method, url, headers = next(each for each in world.extension.seen if "limit=5" in each[1])
        assert (method, url) == ("GET", f"{BASE}/nodes?limit=5")
        told = [(key, value) for key, value in headers if key.startswith("x-remote")]
        assert ("x-remote-user", "jané") in told and ("x-remote-user", "root") not in told
        assert [value for key, value in told if key == "x-remote-group"] == ["dev", "system:masters"]
        assert ("x-remote-uid", "u-1") in told and ("x-remote-extra-example.com%2fteam", "a") in told
        assert dict(headers)["x-custom"] == "kept" and "authorization" not in dict(headers)
        missing = await world.get(f"{BASE}/nodes/none")
        assert missing.status == 404 and b"gone fishing" in missing.body

    with_world(tmp_path, body)


def test_watch_is_passed_on_while_it_comes(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        names = []
        async with world.transport.stream("GET", f"{BASE}/nodes", query=[("watch", "true")]) as stream:
            async for line in stream.lines():
                names.append(orjson.loads(line)["object"]["metadata"]["name"])
                if len(names) == 3:
                    break
        assert names == ["n0", "n1", "n2"]

    with_world(tmp_path, body)


def test_names_that_hold_line_breaks_reach_no_extension(tmp_path: Path) -> None:
    forged = User("eve\r\nX-Remote-Group: system:masters", ("system:masters",))

    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        world.extension.seen.clear()
        answer = await InProcessTransport(world.server.app, forged).request("GET", f"{BASE}/nodes")
        assert answer.status == 503
        assert not [path for _, path, _ in world.extension.seen if path == f"{BASE}/nodes"]

    with_world(tmp_path, body)


def test_a_path_is_not_decoded_twice_on_its_way(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        # What stands in the scope is decoded once: this is the name "a%2Fb", which no server may take for a path.
        await world.transport.request("GET", f"{BASE}/nodes/a%252Fb")
        paths = [path for _, path, _ in world.extension.seen]
        assert f"{BASE}/nodes/a%2Fb" in paths and f"{BASE}/nodes/a/b" not in paths

    with_world(tmp_path, body)
