"""What keeps a pod from starting is named, waited for, and mended when it comes."""

from __future__ import annotations

from dataclasses import replace

from pod_status import first, phase, ready, sleeper

from machinery.gvk import CONFIGMAPS, PODS, RUNTIMECLASSES
from runtime.cri import ImageFailure


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


def test_pod_that_does_not_fit_is_refused(in_world, make_pod):
    async def test(world):
        await world.create(make_pod(sleeper(resources={"requests": {"cpu": "5"}})))
        pod = await world.until(lambda p: phase(p) == "Failed")
        assert pod["status"]["reason"] == "OutOfcpu"
        assert not await world.runtime.list_pod_sandboxes()
        await world.api.delete(PODS, "web", "default")
        await world.until(lambda p: not p)

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
