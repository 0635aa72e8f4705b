"""What the agent watches while a pod runs: probes, deadlines, tokens, sizes; and what it tells of it."""

from __future__ import annotations

from pod_status import first, phase, ready, sleeper

from machinery.gvk import PODS


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
