from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from machinery.gvk import CONFIGMAPS, PODS, RUNTIMECLASSES
from runtime.cri import ContainerState, ImageFailure
from runtime.fake import Program


def phase(pod: Any) -> str:
    return pod.get("status", {}).get("phase", "")


def ready(pod: Any) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", ())
    )


def first(pod: Any) -> Any:
    return (pod.get("status", {}).get("containerStatuses") or [{}])[0]


def sleeper(name: str = "main", **more: Any) -> Any:
    return {"name": name, "image": "web:1", "command": ["sleep", "infinity"], **more}


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


def test_missing_image_is_named_and_backed_off(in_world, make_pod):
    async def test(world):
        world.images.fail_pulls("nope", ImageFailure("ErrImagePull", "no such image"))
        await world.create(make_pod({"name": "main", "image": "nope", "imagePullPolicy": "IfNotPresent"}))
        pod = await world.until(
            lambda p: (
                "waiting" in first(p).get("state", {})
                and first(p)["state"]["waiting"]["reason"] == "ErrImagePull"
            )
        )
        assert first(pod)["state"]["waiting"]["message"] == "no such image"
        pod = await world.until(lambda p: first(p)["state"]["waiting"]["reason"] == "ImagePullBackOff")
        assert first(pod)["state"]["waiting"]["message"] == 'Back-off pulling image "nope": no such image'
        assert phase(pod) == "Pending"
        world.images.fail_pulls("nope", None)
        await world.until(ready)
        assert len([p for p in world.images.pulls if p == "nope"]) == 2

    in_world(test)


def test_missing_config_map_is_waited_for_and_seen_at_once(in_world, make_pod):
    async def test(world):
        volumes = [{"name": "conf", "configMap": {"name": "settings"}}]
        main = sleeper(volumeMounts=[{"name": "conf", "mountPath": "/etc/app"}])
        await world.create(make_pod(main, volumes=volumes))
        await world.clock.sleep(5)
        assert 'MountVolume.SetUp failed for volume "conf" : configmap "settings" not found' in world.events(
            "FailedMount"
        )
        assert not ready(await world.pod())
        begun = world.clock.now()
        await world.api.create(
            CONFIGMAPS, {"metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "1"}}
        )
        await world.until(ready)
        assert world.clock.now() - begun < 0.1
        path = "/data/pods/uid-web/volumes/kubernetes.io~configmap/conf/a"
        assert world.files.read(path) == b"1"
        found = await world.api.get(CONFIGMAPS, "settings", "default")
        found["data"]["a"] = "2"
        await world.api.update(CONFIGMAPS, found)
        await world.clock.sleep(0.1)
        assert world.files.read(path) == b"2"

    in_world(test)


def test_missing_env_key_is_a_config_error_and_heals(in_world, make_pod):
    async def test(world):
        env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}]
        await world.create(make_pod(sleeper(env=env)))
        pod = await world.until(
            lambda p: (
                first(p).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
            )
        )
        assert first(pod)["state"]["waiting"]["message"] == 'configmap "settings" not found'
        await world.api.create(
            CONFIGMAPS, {"metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "1"}}
        )
        await world.until(ready, limit_s=1)
        config = (await world.runtime.list_containers())[0].config
        assert dict(config.env)["A"] == "1"

    in_world(test)


def test_liveness_failure_restarts_the_container(in_world, make_pod):
    async def test(world):
        healthy = True
        world.network.answer = lambda host, port, path: 200 if healthy else 500
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5, "failureThreshold": 2}
        await world.create(make_pod(sleeper(livenessProbe=probe)))
        await world.until(ready)
        healthy = False
        await world.until(lambda p: first(p).get("restartCount") == 1)
        healthy = True
        await world.until(ready)
        assert "Liveness probe failed: HTTP probe failed with statuscode: 500" in world.events("Unhealthy")
        assert "Container main failed liveness probe, will be restarted" in world.events("Killing")

    in_world(test)


def test_readiness_follows_the_probe(in_world, make_pod):
    async def test(world):
        up = False
        world.network.answer = lambda host, port, path: 200 if up else 503
        probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 10}
        await world.create(make_pod(sleeper(readinessProbe=probe)))
        pod = await world.until(lambda p: phase(p) == "Running")
        assert not ready(pod)
        conditions = {c["type"]: c for c in pod["status"]["conditions"]}
        assert conditions["Ready"]["message"] == "containers with unready status: [main]"
        up = True
        begun = world.clock.now()
        await world.until(ready)
        assert world.clock.now() - begun < 1
        up = False
        begun = world.clock.now()
        await world.until(lambda p: not ready(p))
        assert 20 <= world.clock.now() - begun <= 31

    in_world(test)


def test_startup_probe_holds_back_the_others(in_world, make_pod):
    async def test(world):
        began = world.clock.now()
        world.network.answer = lambda host, port, path: (
            200 if path == "/live" or world.clock.now() > began + 12 else 503
        )
        main = sleeper(
            startupProbe={
                "httpGet": {"path": "/start", "port": 80},
                "periodSeconds": 1,
                "failureThreshold": 30,
            },
            livenessProbe={"httpGet": {"path": "/live", "port": 80}, "periodSeconds": 1},
        )
        await world.create(make_pod(main))
        pod = await world.until(lambda p: phase(p) == "Running")
        assert first(pod)["started"] is False
        pod = await world.until(lambda p: first(p).get("started"))
        assert 12 < world.clock.now() - began < 14
        assert first(pod)["restartCount"] == 0

    in_world(test)


def test_active_deadline_fails_the_pod(in_world, make_pod):
    async def test(world):
        await world.create(make_pod(activeDeadlineSeconds=20))
        begun = world.clock.now()
        pod = await world.until(lambda p: phase(p) == "Failed")
        assert pod["status"]["reason"] == "DeadlineExceeded"
        assert 19 <= world.clock.now() - begun < 22

    in_world(test)


def test_pod_that_does_not_fit_is_refused(in_world, make_pod):
    async def test(world):
        await world.create(make_pod(sleeper(resources={"requests": {"cpu": "5"}})))
        pod = await world.until(lambda p: phase(p) == "Failed")
        assert pod["status"]["reason"] == "OutOfcpu"
        assert not await world.runtime.list_pod_sandboxes()
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

    in_world(test)


def test_service_account_token_is_mounted_and_renewed(in_world, make_pod):
    async def test(world):
        token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
        volumes = [{"name": "api", "projected": {"sources": [token]}}]
        await world.create(
            make_pod(sleeper(volumeMounts=[{"name": "api", "mountPath": "/token"}]), volumes=volumes)
        )
        await world.until(ready)
        path = "/data/memory/pods/uid-web/volumes/kubernetes.io~projected/api/token"
        assert world.files.read(path) == b"token-1"
        assert world.api.token_requests[0]["spec"]["boundObjectRef"]["uid"] == "uid-web"
        await world.clock.sleep(3000)
        assert world.files.read(path) == b"token-2"

    in_world(test)


def test_status_survives_an_api_that_fails_for_a_while(in_world, make_pod):
    async def test(world):
        from machinery.errors import ServiceUnavailable

        world.api.fail = lambda verb, gvr, name: (
            ServiceUnavailable("down") if verb == "patch" and gvr is PODS else None
        )
        await world.create(make_pod())
        await world.clock.sleep(3)
        world.api.fail = lambda verb, gvr, name: None
        await world.until(ready)

    in_world(test)


def test_resize_changes_the_cgroup_without_a_restart(in_world, make_pod):
    async def test(world):
        limits = {"limits": {"cpu": "1", "memory": "64Mi"}}
        await world.create(make_pod(sleeper(resources=limits)))
        await world.until(ready)
        pod = await world.pod()
        pod["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "2", "memory": "64Mi"}}
        await world.api.update(PODS, pod)
        await world.clock.sleep(0.1)
        container = (await world.runtime.list_containers())[0]
        assert container.config.resources.cpu_quota_us == 200_000
        box = (await world.runtime.list_pod_sandboxes())[0]
        assert box.config.resources.cpu_quota_us == 200_000
        assert first(await world.pod())["restartCount"] == 0
        assert first(await world.pod())["resources"]["limits"]["cpu"] == "2"
        pod = await world.pod()
        main = pod["spec"]["containers"][0]
        main["resources"]["limits"] = {"cpu": "2", "memory": "128Mi"}
        main["resizePolicy"] = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
        await world.api.update(PODS, pod)
        await world.until(lambda p: first(p).get("restartCount") == 1 and ready(p))
        newest = max(await world.runtime.list_containers(), key=lambda c: c.config.attempt)
        assert newest.config.resources.memory_limit_bytes == 128 << 20

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


def test_runtime_class_with_a_handler_of_ours_runs(in_world, make_pod):
    async def test(world):
        runc = {"metadata": {"name": "own"}, "handler": "kctl"}
        await world.api.create(RUNTIMECLASSES, runc)
        await world.create(make_pod(runtimeClassName="own"))
        await world.until(ready)
        assert (await world.runtime.list_pod_sandboxes())[0].config.runtime_handler == "kctl"

    in_world(test)


def test_runtime_class_of_another_runtime_keeps_the_pod_waiting_and_says_why(in_world, make_pod):
    async def test(world):
        await world.api.create(RUNTIMECLASSES, {"metadata": {"name": "boxed"}, "handler": "gvisor"})
        await world.create(make_pod(runtimeClassName="boxed"))
        await world.clock.sleep(1)
        assert 'no runtime for "gvisor" is configured' in world.events("FailedCreatePodSandBox")[0]
        assert phase(await world.pod()) == "Pending" and not await world.runtime.list_pod_sandboxes()

    in_world(test)


def test_missing_runtime_class_is_told_and_mended_when_it_comes(in_world, make_pod):
    async def test(world):
        await world.create(make_pod(runtimeClassName="late"))
        await world.clock.sleep(0.5)
        assert '"late" not found' in world.events("FailedCreatePodSandBox")[0]
        await world.api.create(RUNTIMECLASSES, {"metadata": {"name": "late"}, "handler": ""})
        await world.until(ready)

    in_world(test)


def test_what_the_host_does_not_give_becomes_an_event_of_the_pod(in_world, make_pod):
    async def test(world):
        real = world.runtime.container_status

        async def status(container_id):
            return replace(await real(container_id), warnings=("oom_score_adj -997 is refused by this host",))

        world.runtime.container_status = status
        await world.create(make_pod())
        await world.until(ready)
        await world.clock.sleep(1)
        assert world.events("LimitNotApplied") == ["oom_score_adj -997 is refused by this host"]

    in_world(test)


def test_a_quick_life_takes_one_status_write_to_run_one_to_restart_and_one_to_end(in_world, make_pod):
    async def test(world):
        await world.create(make_pod(sleeper("a"), sleeper("b")))
        await world.until(ready)
        await world.clock.sleep(2)
        assert len(world.api.patches) == 1
        world.runtime.kill((await world.runtime.list_containers())[0].id)
        pod = await world.until(lambda p: first(p).get("restartCount") == 1 and ready(p))
        assert first(pod)["lastState"]["terminated"]["exitCode"] == 137
        await world.clock.sleep(2)
        assert len(world.api.patches) == 2
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: p is None or not p)
        assert len(world.api.patches) == 3
        final = world.api.patches[-1]["status"]
        assert final["phase"] in ("Succeeded", "Failed")
        assert all("terminated" in entry["state"] for entry in final["containerStatuses"])

    in_world(test)


def test_a_slow_start_shows_its_steps(in_world, make_pod):
    async def test(world):
        world.images._pull_s = 600.0
        await world.create(make_pod({"name": "main", "image": "slow:1"}))
        pod = await world.until(lambda p: "containerStatuses" in p.get("status", {}))
        assert first(pod)["state"]["waiting"]["reason"] == "ContainerCreating"

    in_world(test)
