from __future__ import annotations

from typing import Any

import pytest

from machinery.gvk import PODS
from nodeagent.node.events import NodeEvents, plan_node_events
from nodeagent.node.eviction import Eviction, plan_eviction
from nodeagent.node.image_gc import plan_image_gc
from nodeagent.node.machine import parse_meminfo
from nodeagent.node.status import NodeReading, is_same_status, node_conditions
from runtime.cri import FilesystemUsage, Image, RuntimeCondition


def pod(uid: str, request: str = "", **spec: Any) -> Any:
    resources = {"requests": {"memory": request}} if request else {}
    return {
        "metadata": {"name": uid, "namespace": "ns", "uid": uid},
        "spec": {"containers": [{"name": "c", "resources": resources}], **spec},
    }


def test_eviction_takes_who_exceeds_then_by_priority_then_by_excess() -> None:
    usage = {"within": 500 << 20, "over": 200 << 20, "more": 300 << 20, "vip": 900 << 20}
    pods = [pod("within", "1Gi"), pod("over", "100Mi"), pod("more", "100Mi"), pod("vip", priority=10)]
    assert plan_eviction(pods, usage) == "more"
    assert plan_eviction([pods[0], pods[3]], usage) == "vip"
    assert plan_eviction([pod("sys", priority=2_000_000_000)], {"sys": 1 << 40}) is None


def test_disk_eviction_spares_who_holds_none() -> None:
    pods = [pod("idle"), pod("writer"), pod("vip", priority=10)]
    assert plan_eviction(pods, {"writer": 5, "vip": 900}, "ephemeral-storage") == "writer"
    assert plan_eviction(pods, {}, "ephemeral-storage") is None


def test_node_tells_each_condition_that_turned() -> None:
    def conditions(**status: str) -> list[dict[str, str]]:
        return [{"type": type_, "status": value} for type_, value in status.items()]

    fresh = conditions(MemoryPressure="False", DiskPressure="False", Ready="True", Custom="True")
    assert plan_node_events([], fresh) == ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeReady"]
    later = conditions(MemoryPressure="False", DiskPressure="True", Ready="False")
    assert plan_node_events(fresh, later) == ["NodeHasDiskPressure", "NodeNotReady"]
    assert plan_node_events(later, later) == []


def image(name: str, size: int, pinned: bool = False) -> Image:
    return Image(name, (), (), size, pinned=pinned)


def test_image_gc_frees_to_the_low_mark_oldest_first() -> None:
    usage = FilesystemUsage("/", 900, 1000, 100, 0, 0)
    images = [
        image("old", 50),
        image("older", 60),
        image("used", 500),
        image("pinned", 500, True),
        image("young", 500),
    ]
    last = {"old": 10.0, "older": 5.0, "used": 0.0, "pinned": 0.0, "young": 990.0}
    assert plan_image_gc(usage, images, last, frozenset(("used",)), 0.85, 0.80, 1000.0) == ["older", "old"]
    assert plan_image_gc(usage, images, last, frozenset(), 0.95, 0.80, 1000.0) == []


def test_node_conditions_keep_their_transition_times() -> None:
    good = NodeReading((RuntimeCondition("RuntimeReady", True),))
    first = node_conditions(good, [{"type": "Custom", "status": "True"}], 1000.0)
    later = node_conditions(good, first, 2000.0)
    assert {c["lastTransitionTime"] for c in later if c["type"] != "Custom"} == {
        first[0]["lastTransitionTime"]
    }
    assert is_same_status({"conditions": first}, {"conditions": later})
    assert later[-1] == {"type": "Custom", "status": "True"}
    bad = node_conditions(NodeReading((), pressure=frozenset(("MemoryPressure",))), first, 3000.0)
    assert next(c for c in bad if c["type"] == "MemoryPressure")["reason"] == "KubeletHasInsufficientMemory"
    assert not is_same_status({"conditions": first}, {"conditions": bad})


def test_meminfo_is_parsed() -> None:
    assert parse_meminfo("MemTotal:  16 kB\nHugePages_Total: 3\nbad\n") == {
        "MemTotal": 16384,
        "HugePages_Total": 3,
    }


@pytest.mark.parametrize("kind", ["memory", "empty-dir", "disk"])
def test_pod_is_evicted_and_says_why(in_world, make_pod, kind) -> None:
    async def test(world):
        volumes = [{"name": "v", "emptyDir": {"sizeLimit": "10"} if kind == "empty-dir" else {}}]
        await world.create(make_pod(volumes=volumes))
        await world.until(lambda p: p.get("status", {}).get("phase") == "Running")
        if kind == "disk":
            full = FilesystemUsage("/", 95, 100, 5, 0, 0)

            async def image_fs_info():
                return full

            world.images.image_fs_info = image_fs_info
        if kind != "memory":
            world.files.write("/data/pods/uid-web/volumes/kubernetes.io~empty-dir/v/big", b"x" * 11)
        eviction = Eviction(
            world.config,
            world.clock,
            world.runtime,
            world.images,
            world.files,
            lambda: world.pods.workers,
            lambda: None,
            world.deps.log,
            NodeEvents(world.recorder, "node-1"),
            lambda: 1 if kind == "memory" else 1 << 40,
        )
        task = world.group.create_task(eviction.run())
        pod = await world.until(lambda p: p["status"]["phase"] == "Failed")
        assert pod["status"]["reason"] == "Evicted"
        assert any(c["type"] == "DisruptionTarget" for c in pod["status"]["conditions"])
        told = {"memory": {"MemoryPressure"}, "disk": {"DiskPressure"}}.get(kind, set())
        assert eviction.pressure == told
        assert len(world.events("Evicted")) == 1
        assert bool(world.events("EvictionThresholdMet")) == bool(told)
        task.cancel()

    in_world(test)


def test_ephemeral_container_starts_in_a_running_pod(in_world, make_pod) -> None:
    async def test(world):
        await world.create(make_pod())
        await world.until(lambda p: p.get("status", {}).get("phase") == "Running")
        pod = await world.pod()
        debug = {
            "name": "debug",
            "image": "busybox:1",
            "command": ["sleep", "5"],
            "targetContainerName": "main",
        }
        pod["spec"]["ephemeralContainers"] = [debug]
        await world.api.update(PODS, pod)
        pod = await world.until(lambda p: p["status"].get("ephemeralContainerStatuses"))
        await world.until(lambda p: "terminated" in p["status"]["ephemeralContainerStatuses"][0]["state"])
        await world.clock.sleep(30)
        assert len([c for c in await world.runtime.list_containers() if c.config.name == "debug"]) == 1
        assert any("targetContainerName" in text for text in world.events("UnsupportedFeature"))

    in_world(test)


def test_hooks_run_and_a_failing_post_start_ends_the_container(in_world, make_pod) -> None:
    async def test(world):
        from runtime.cri import ExecResult

        ran: list[list[str]] = []

        def on_exec(container, command):
            ran.append(list(command))
            return ExecResult(1 if command[0] == "bad" else 0, b"", b"no")

        world.runtime.on_exec = on_exec
        lifecycle = {"postStart": {"exec": {"command": ["good"]}}, "preStop": {"exec": {"command": ["bye"]}}}
        main = {"name": "main", "image": "web:1", "command": ["sleep", "infinity"], "lifecycle": lifecycle}
        await world.create(make_pod(main))
        await world.until(lambda p: (p.get("status", {}).get("containerStatuses") or [{}])[0].get("ready"))
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)
        assert ran == [["good"], ["bye"]]
        failing = {**main, "lifecycle": {"postStart": {"exec": {"command": ["bad"]}}}}
        await world.create(make_pod(failing, name="other", terminationGracePeriodSeconds=1))
        await world.until(
            lambda p: p.get("status", {}).get("containerStatuses", [{}])[0].get("restartCount", 0) >= 1,
            name="other",
        )
        assert any("PostStartHook failed" in text for text in world.events("FailedPostStartHook"))

    in_world(test)
