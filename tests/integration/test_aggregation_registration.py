"""APIServices: who stands for which group, whether an extension is there and to be believed, and what it is told to believe."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import orjson
from extension_server import APISERVICES, BASE, GROUP, VERSION, Obj, World, with_world

from machinery.gvk import CONFIGMAPS, GVR

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def test_local_services_stand_for_every_group_and_version(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        items = {each["metadata"]["name"]: each for each in (await world.client.list(APISERVICES))["items"]}
        apps = items["v1.apps"]
        assert (apps["spec"]["groupPriorityMinimum"], apps["spec"]["versionPriority"]) == (17800, 15)
        assert apps["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"] == "onstart"
        assert items["v1."]["spec"]["groupPriorityMinimum"] == 18000
        assert items["v2.autoscaling"]["spec"]["versionPriority"] == 30
        assert "v1.apiregistration.k8s.io" not in items
        for each in items.values():
            assert each["status"]["conditions"][0]["reason"] == "Local", each["metadata"]["name"]
        groups = [each["name"] for each in orjson.loads((await world.get("/apis")).body)["groups"]]
        assert groups[:4] == ["apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io"]

    with_world(tmp_path, body)


def test_custom_resources_are_registered_while_they_are_served(tmp_path: Path) -> None:
    crds = GVR(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        namespaced=False,
        kind="CustomResourceDefinition",
    )

    async def stands(world: World, wanted: bool) -> None:
        async with asyncio.timeout(5):
            while True:
                found = [each["metadata"]["name"] for each in (await world.client.list(APISERVICES))["items"]]
                if ("v1.example.com" in found) == wanted:
                    return
                await asyncio.sleep(0.02)

    async def body(world: World) -> None:
        schema = {"openAPIV3Schema": {"type": "object"}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "example.com", "scope": "Namespaced", "versions": [version]}
        spec["names"] = {"plural": "widgets", "kind": "Widget"}
        await world.client.create(crds, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
        await stands(world, True)
        one = await world.client.get(APISERVICES, "v1.example.com")
        assert one["spec"]["groupPriorityMinimum"] == 1000 and one["spec"]["versionPriority"] == 100
        await world.client.delete(crds, "widgets.example.com")
        await stands(world, False)

    with_world(tmp_path, body)


def test_group_that_is_served_here_is_never_taken_over(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.serve()
        one = await world.client.get(APISERVICES, "v1.apps")
        one["spec"]["service"] = {"namespace": "default", "name": "metrics", "port": 443}
        one["spec"]["insecureSkipTLSVerify"] = True
        await world.client.update(APISERVICES, one)
        await world.available("False", "ServedLocally", "v1.apps")
        assert orjson.loads((await world.get("/apis/apps/v1")).body)["resources"][0]["kind"]
        assert not world.extension.seen

    with_world(tmp_path, body)


def test_certificate_that_nobody_vouches_for_is_refused_unless_told_to_skip(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        other = base64.b64encode((world.pki / "front-proxy-ca.crt").read_bytes()).decode()
        await world.serve()
        await world.register(caBundle=other)
        assert "certificate verify failed" in await world.available("False", "FailedDiscoveryCheck")
        await world.client.delete(APISERVICES, f"{VERSION}.{GROUP}")
        await world.register(insecureSkipTLSVerify=True)
        await world.available("True", "Passed")

    with_world(tmp_path, body)


def test_config_map_tells_extensions_whom_to_believe(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        found = await world.client.get(CONFIGMAPS, "extension-apiserver-authentication", "kube-system")
        assert found["data"]["client-ca-file"] == (tmp_path / "ca.crt").read_text()
        assert found["data"]["requestheader-client-ca-file"] == (tmp_path / "front-proxy-ca.crt").read_text()
        assert found["data"]["requestheader-allowed-names"] == '["front-proxy-client"]'
        assert found["data"]["requestheader-extra-headers-prefix"] == '["X-Remote-Extra-"]'

    with_world(tmp_path, body)


def test_discovery_and_openapi_tell_of_the_extension_and_remember_it_when_it_fails(tmp_path: Path) -> None:
    async def body(world: World) -> None:
        await world.register()
        await world.serve()
        await world.available("True", "Passed")
        plain = orjson.loads((await world.get("/apis")).body)["groups"]
        assert plain[-1]["name"] == GROUP and plain[-1]["preferredVersion"]["version"] == VERSION
        assert orjson.loads((await world.get(f"/apis/{GROUP}")).body)["versions"][0]["version"] == VERSION
        assert orjson.loads((await world.get(BASE)).body)["resources"][0]["name"] == "nodes"

        async def aggregated() -> Obj:
            items = orjson.loads((await world.get("/apis", accept=_AGGREGATED)).body)["items"]
            found: Obj = next(each for each in items if each["metadata"]["name"] == GROUP)["versions"][0]
            return found

        told = await aggregated()
        assert (
            told["freshness"] == "Current" and told["resources"][0]["responseKind"]["kind"] == "NodeMetrics"
        )
        index = orjson.loads((await world.get("/openapi/v3")).body)["paths"][BASE[1:]]["serverRelativeURL"]
        document = await world.get(index.partition("?")[0])
        assert orjson.loads(document.body)["openapi"] == "3.0.0"
        v2 = orjson.loads((await world.get("/openapi/v2")).body)
        assert f"{BASE}/nodes" in v2["paths"] and "/other" not in v2["paths"]
        assert "m.NodeMetrics" in v2["definitions"] and "m.Unused" not in v2["definitions"]
        assert "io.k8s.api.core.v1.Pod" in v2["definitions"]
        world.extension.failing = True
        world.server._remotes.news.set()
        assert "bad status from" in await world.available("False", "FailedDiscoveryCheck")
        assert (await aggregated())["freshness"] == "Stale"
        await world.client.delete(APISERVICES, f"{VERSION}.{GROUP}")
        assert (await world.get(f"{BASE}/nodes")).status == 404

    with_world(tmp_path, body)
