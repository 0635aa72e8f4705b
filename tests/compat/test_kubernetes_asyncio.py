"""kubernetes_asyncio: typed and dynamic clients, watches, websockets, leader election, manifests, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kubernetes_asyncio import client, config, dynamic, utils, watch
from kubernetes_asyncio.client.api_client import ApiClient
from kubernetes_asyncio.leaderelection import electionconfig, leaderelection
from kubernetes_asyncio.leaderelection.resourcelock.leaselock import LeaseLock
from kubernetes_asyncio.stream import WsApiClient

POD = {
    "metadata": {"name": "p", "labels": {"app": "p"}},
    "spec": {
        "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", "echo up; sleep 3600"]}]
    },
}


@pytest.fixture
def asked(compat_cluster) -> Callable[..., Any]:
    """Runs a scenario with an ApiClient (or another class of it) of the cluster's administrator."""

    def run(scenario: Callable[[Any], Awaitable[Any]], cls: type = ApiClient) -> Any:
        async def main() -> Any:
            settings = client.Configuration()
            await config.load_kube_config(str(compat_cluster.kubeconfig), client_configuration=settings)
            async with cls(configuration=settings) as api:
                return await scenario(api)

        return asyncio.run(asyncio.wait_for(main(), 30))

    return run


async def running(core: Any, namespace: str, name: str) -> None:
    async with watch.Watch().stream(
        core.list_namespaced_pod, namespace, field_selector=f"metadata.name={name}", timeout_seconds=20
    ) as events:
        async for event in events:
            if event["object"].status.phase == "Running":
                return


def test_objects_are_written_patched_and_deleted(asked, namespace):
    async def scenario(api):
        core = client.CoreV1Api(api)
        made = await core.create_namespaced_config_map(
            namespace, {"metadata": {"name": "c"}, "data": {"a": "1"}}
        )
        patched = await core.patch_namespaced_config_map("c", namespace, {"data": {"b": "2"}})
        assert patched.data == {"a": "1", "b": "2"}
        applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"c": "3"}}
        done = await core.patch_namespaced_config_map(
            "c", namespace, applied, field_manager="me", _content_type="application/apply-patch+yaml"
        )
        assert done.data == {"a": "1", "b": "2", "c": "3"}
        patched.metadata.resource_version = made.metadata.resource_version
        with pytest.raises(client.ApiException) as refused:
            await core.replace_namespaced_config_map("c", namespace, patched)
        assert refused.value.status == 409
        await core.delete_namespaced_config_map("c", namespace)
        with pytest.raises(client.ApiException) as refused:
            await core.read_namespaced_config_map("c", namespace)
        assert refused.value.status == 404

    asked(scenario)


def test_many_requests_at_once_are_all_answered(asked, namespace):
    async def scenario(api):
        core = client.CoreV1Api(api)
        bodies = [{"metadata": {"name": f"c{number}", "labels": {"many": "yes"}}} for number in range(100)]
        await asyncio.gather(*(core.create_namespaced_config_map(namespace, body) for body in bodies))
        listed = await core.list_namespaced_config_map(namespace, label_selector="many=yes")
        assert len(listed.items) == 100
        await core.delete_collection_namespaced_config_map(namespace, label_selector="many=yes")
        assert not (await core.list_namespaced_config_map(namespace, label_selector="many=yes")).items

    asked(scenario)


def test_watch_resumes_by_itself_after_each_timeout_of_the_server(asked, namespace):
    async def scenario(api):
        core = client.CoreV1Api(api)
        seen: list[tuple[str, str]] = []

        async def follow() -> None:
            options = {"label_selector": "seen=yes", "_request_timeout": 15}
            async with watch.Watch().stream(core.list_namespaced_config_map, namespace, **options) as events:
                async for event in events:
                    seen.append((event["type"], event["object"].metadata.name))
                    if len(seen) == 3:
                        return

        following = asyncio.create_task(follow())
        labels = {"labels": {"seen": "yes"}}
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": "a", **labels}})
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": "b", **labels}})
        await core.delete_namespaced_config_map("a", namespace)
        await following
        assert seen[-1] in {("DELETED", "a"), ("ADDED", "b")}

    asked(scenario)


def test_logs_are_followed_and_commands_executed(asked, namespace):
    async def prepare(api):
        core = client.CoreV1Api(api)
        await core.create_namespaced_pod(namespace, POD)
        await running(core, namespace, "p")
        assert await core.read_namespaced_pod_log("p", namespace) == "up\n"

    async def execute(api):
        core = client.CoreV1Api(api)
        ask = {"stdout": True, "stderr": True, "stdin": False, "tty": False}
        said = await core.connect_get_namespaced_pod_exec("p", namespace, command=["echo", "hi"], **ask)
        assert said == "hi\n"
        session = await core.connect_get_namespaced_pod_exec(
            "p", namespace, command=["sh", "-c", "exit 4"], _preload_content=False, **ask
        )
        async with session as socket:
            frames = [message.data async for message in socket]
        assert WsApiClient.parse_error_data(frames[-1][1:]) == 4

    asked(prepare)
    asked(execute, WsApiClient)


def test_dynamic_client_reads_discovery_and_custom_kinds(asked, namespace, widgets):
    async def scenario(api):
        found = await dynamic.DynamicClient(api)
        kind = await found.resources.get(api_version=f"{widgets}/v1", kind="Widget")
        body = {
            "apiVersion": f"{widgets}/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"colour": "red"},
        }
        made = await kind.create(namespace=namespace, body=body)
        assert made.spec.replicas == 1
        done = await kind.server_side_apply(
            namespace=namespace,
            name="w",
            body={**body, "spec": {"colour": "blue"}},
            field_manager="me",
            force_conflicts=True,
        )
        assert done.spec.colour == "blue"
        assert [each.metadata.name for each in (await kind.get(namespace=namespace)).items] == ["w"]

    asked(scenario)


def test_manifests_are_created_from_a_dict(asked, namespace):
    async def scenario(api):
        document = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        await utils.create_from_dict(api, document, namespace=namespace)
        with pytest.raises(utils.FailToCreateError, match="already exists"):
            await utils.create_from_dict(api, document, namespace=namespace)

    asked(scenario)


def test_leader_election_holds_and_releases_a_lease(asked, namespace):
    async def scenario(api):
        led = asyncio.Event()

        async def lead() -> None:
            led.set()

        async def left() -> None:
            pass

        settings = electionconfig.Config(
            LeaseLock("leader", namespace, "me", api),
            lease_duration=3,
            renew_deadline=2,
            retry_period=1,
            onstarted_leading=lead,
            onstopped_leading=left,
        )
        candidate = asyncio.create_task(leaderelection.LeaderElection(settings).run())
        await led.wait()
        lease = await client.CoordinationV1Api(api).read_namespaced_lease("leader", namespace)
        assert lease.spec.holder_identity == "me"
        candidate.cancel()

    asked(scenario)
