"""A pod's life on a node: how it starts, restarts, ends, and what outlives the agent."""

from __future__ import annotations

import pytest
from pod_status import first, phase, ready, sleeper

from machinery.gvk import PODS
from runtime.cri import ContainerState
from runtime.fake import Program


def test_new_pod_runs_and_is_ready(in_world, make_pod):
    async def test(world):
        begun = world.clock.now()
        await world.create(make_pod())
        pod = await world.until(ready)
        assert world.clock.now() - begun < 0.05
        status = pod["status"]
        assert status["phase"] == "Running"
        assert status["podIP"] == "10.244.0.2" and status["podIPs"] == [{"ip": "10.244.0.2"}]
        assert status["hostIP"] == "10.99.0.2"
        assert status["qosClass"] == "BestEffort"
        assert status["observedGeneration"] == 1
        entry = status["containerStatuses"][0]
        assert entry["ready"] and entry["started"] and entry["restartCount"] == 0
        assert entry["containerID"].startswith("kctl://")
        assert "startedAt" in entry["state"]["running"]
        assert {c["type"]: c["status"] for c in status["conditions"]} == {
            "PodReadyToStartContainers": "True",
            "Initialized": "True",
            "Ready": "True",
            "ContainersReady": "True",
            "PodScheduled": "True",
        }
        await world.clock.sleep(1)
        assert world.events("Created") == ["Created container: main"]
        assert world.events("Started") == ["Started container main"]
        assert world.events("Pulled") == ['Container image "web:1" already present on machine']

    in_world(test)


def test_killed_container_first_restarts_at_once_then_backs_off(in_world, make_pod):
    async def test(world):
        await world.create(make_pod())
        await world.until(ready)
        container = (await world.runtime.list_containers())[0]
        begun = world.clock.now()
        world.runtime.kill(container.id)
        pod = await world.until(lambda p: first(p).get("restartCount") == 1 and ready(p))
        assert world.clock.now() - begun < 0.05
        assert first(pod)["lastState"]["terminated"]["exitCode"] == 137
        second = next(c for c in await world.runtime.list_containers() if c.state is ContainerState.RUNNING)
        world.runtime.kill(second.id)
        pod = await world.until(lambda p: "waiting" in first(p).get("state", {}))
        waiting = first(pod)["state"]["waiting"]
        assert waiting["reason"] == "CrashLoopBackOff"
        assert waiting["message"] == "back-off 10s restarting failed container=main pod=web_default(uid-web)"
        begun = world.clock.now()
        await world.until(lambda p: first(p).get("restartCount") == 2)
        assert 9.5 < world.clock.now() - begun < 10.5
        assert world.events("BackOff") == [
            "Back-off restarting failed container main in pod web_default(uid-web)"
        ]

    in_world(test)


def test_deleted_pod_is_stopped_and_leaves_nothing(in_world, make_pod):
    async def test(world):
        await world.create(make_pod())
        await world.until(ready)
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)
        assert phase({"status": world.api.patches[-1]["status"]}) == "Failed"  # the signal ended it: 143
        await world.clock.sleep(1)
        assert not await world.runtime.list_pod_sandboxes()
        assert not world.pods.workers
        assert world.files.list_dir("/data/pods") == []

    in_world(test)


def test_container_that_ignores_the_signal_is_killed_after_grace(in_world, make_pod):
    async def test(world):
        world.runtime.behaviour = lambda config: Program(stop_s=None)
        await world.create(make_pod(terminationGracePeriodSeconds=5))
        await world.until(ready)
        begun = world.clock.now()
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)
        assert 4.9 < world.clock.now() - begun < 5.2

    in_world(test)


def test_shorter_second_deletion_shortens_the_grace(in_world, make_pod):
    async def test(world):
        world.runtime.behaviour = lambda config: Program(stop_s=None)
        await world.create(make_pod(terminationGracePeriodSeconds=600))
        await world.until(ready)
        begun = world.clock.now()
        await world.api.delete(PODS, "web", "default")
        await world.clock.sleep(1)
        await world.api.delete(PODS, "web", "default", grace_period_s=3)
        await world.until(lambda p: not p)
        assert world.clock.now() - begun < 5

    in_world(test)


def test_run_to_completion_succeeds_and_keeps_its_containers(in_world, make_pod):
    async def test(world):
        await world.create(
            make_pod({"name": "main", "image": "web:1", "command": ["sleep", "2"]}, restartPolicy="Never")
        )
        pod = await world.until(lambda p: phase(p) == "Succeeded")
        assert first(pod)["state"]["terminated"]["reason"] == "Completed"
        conditions = {c["type"]: c for c in pod["status"]["conditions"]}
        assert conditions["Ready"]["reason"] == "PodCompleted" and conditions["Ready"]["status"] == "False"
        await world.clock.sleep(60)
        assert len(await world.runtime.list_containers()) == 1
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

    in_world(test)


def test_failing_job_pod_restarts_on_failure_until_it_succeeds(in_world, make_pod):
    async def test(world):
        codes = iter([1, 1, 0])
        world.runtime.behaviour = lambda config: Program(runs_s=0.5, exit_code=next(codes))
        await world.create(make_pod(restartPolicy="OnFailure"))
        pod = await world.until(lambda p: phase(p) == "Succeeded")
        assert first(pod)["restartCount"] == 2

    in_world(test)


def test_init_containers_run_in_order_and_sidecar_outlives_them(in_world, make_pod):
    async def test(world):
        inits = [
            {"name": "one", "image": "init:1", "command": ["sleep", "1"]},
            {
                "name": "proxy",
                "image": "sidecar:1",
                "command": ["sleep", "infinity"],
                "restartPolicy": "Always",
            },
            {"name": "two", "image": "init:1", "command": ["sleep", "1"]},
        ]
        begun = world.clock.now()
        await world.create(make_pod(initContainers=inits))
        pod = await world.until(
            lambda p: (p.get("status", {}).get("initContainerStatuses") or [{}])[0].get("ready")
        )
        assert first(pod)["state"]["waiting"]["reason"] == "PodInitializing"
        assert phase(pod) == "Pending"
        pod = await world.until(ready)
        assert 2.0 < world.clock.now() - begun < 2.2
        names = [
            c.config.name
            for c in sorted(await world.runtime.list_containers(), key=lambda c: c.started_at_ns)
        ]
        assert names == ["one", "proxy", "two", "main"]
        proxy = next(c for c in await world.runtime.list_containers() if c.config.name == "proxy")
        world.runtime.kill(proxy.id)
        await world.until(lambda p: p["status"]["initContainerStatuses"][1]["restartCount"] == 1)
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

    in_world(test)


def test_failing_init_container_of_a_never_pod_fails_it(in_world, make_pod):
    async def test(world):
        bad = {"name": "one", "image": "init:1", "command": ["false"]}
        await world.create(make_pod(initContainers=[bad], restartPolicy="Never"))
        pod = await world.until(lambda p: phase(p) == "Failed")
        assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 1

    in_world(test)


def test_job_with_sidecar_completes_and_stops_the_sidecar(in_world, make_pod):
    async def test(world):
        proxy = {
            "name": "proxy",
            "image": "sidecar:1",
            "command": ["sleep", "infinity"],
            "restartPolicy": "Always",
        }
        main = {"name": "main", "image": "web:1", "command": ["sleep", "1"]}
        await world.create(make_pod(main, initContainers=[proxy], restartPolicy="Never"))
        await world.until(lambda p: phase(p) == "Succeeded")
        assert all(c.state is ContainerState.EXITED for c in await world.runtime.list_containers())

    in_world(test)


def test_agent_restart_restarts_nothing(in_world, make_pod):
    async def test(world):
        probe = {"readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5}}
        await world.create(make_pod(sleeper(**probe)))
        await world.until(ready)
        before = await world.runtime.list_containers()
        patches = len(world.api.patches)
        await world.stop_agent()
        await world.start_agent()
        await world.clock.sleep(30)
        after = await world.runtime.list_containers()
        assert [c.id for c in before] == [c.id for c in after]
        assert after[0].state is ContainerState.RUNNING
        assert len(world.api.patches) == patches
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

    in_world(test)


def test_pod_deleted_while_the_agent_was_away_is_removed(in_world, make_pod):
    async def test(world):
        await world.create(make_pod())
        await world.until(ready)
        await world.stop_agent()
        await world.api.delete(PODS, "web", "default", grace_period_s=0)
        await world.start_agent()
        await world.clock.sleep(5)
        assert not await world.runtime.list_pod_sandboxes()
        assert world.files.list_dir("/data/pods") == []

    in_world(test)


def test_node_reboot_starts_the_pod_again_in_a_new_sandbox(in_world, make_pod):
    async def test(world):
        await world.create(make_pod())
        await world.until(ready)
        world.runtime.reboot()
        pod = await world.until(lambda p: first(p).get("restartCount") == 1 and ready(p))
        boxes = await world.runtime.list_pod_sandboxes()
        assert max(box.config.attempt for box in boxes) == 1
        assert pod["status"]["podIP"]

    in_world(test)


def test_sandbox_made_after_its_pod_was_gone_is_removed(in_world, make_pod):
    async def test(world):
        from nodeagent.cri_config import sandbox_config
        from runtime.cri import DnsConfig

        stray = make_pod(name="stray")
        await world.runtime.run_pod_sandbox(sandbox_config(stray, 0, DnsConfig(), world.config))
        await world.clock.sleep(5)
        assert not await world.runtime.list_pod_sandboxes()

    in_world(test)


@pytest.mark.parametrize("after_ms", range(0, 60, 2))
def test_pod_deleted_at_any_moment_of_its_start_goes_at_once(in_world, make_pod, after_ms):
    async def test(world):
        await world.create(make_pod(spec={"containers": [sleeper()]}))
        await world.clock.sleep(after_ms / 1000)
        await world.api.delete(PODS, "web", "default")
        await world.clock.sleep(1)
        assert ("pods", "default", "web") not in world.api.objects
        assert not await world.runtime.list_pod_sandboxes()

    in_world(test)


def test_pod_deleted_while_its_image_is_pulled_goes_at_once(in_world, make_pod):
    async def test(world):
        world.images._pull_s = 600.0
        await world.create(make_pod({"name": "main", "image": "big"}))
        await world.until(lambda p: world.images.pulls)
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p, limit_s=2)
        await world.clock.sleep(3)
        assert not await world.runtime.list_pod_sandboxes()

    in_world(test)


def test_worker_that_breaks_is_begun_anew(in_world, make_pod):
    async def test(world):
        await world.create(make_pod())
        await world.until(ready)
        before = await world.runtime.list_containers()
        worker = world.pods.workers["uid-web"]
        worker._must_stop = lambda now: 1 / 0
        worker.poke()
        await world.clock.sleep(10)
        assert world.pods.workers["uid-web"] is not worker
        assert [c.id for c in await world.runtime.list_containers()] == [c.id for c in before]
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

    in_world(test)


def test_fifty_pods_at_once_run_side_by_side(in_world, make_pod):
    async def test(world):
        begun = world.clock.now()
        for number in range(50):
            await world.create(make_pod(name=f"web-{number}"))
        for number in range(50):
            await world.until(ready, name=f"web-{number}")
        assert world.clock.now() - begun < 0.2

    in_world(test)
