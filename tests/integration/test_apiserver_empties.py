"""What becomes of empty lists and maps, zeros and nulls that a user writes down: what upstream's types make of them."""

from __future__ import annotations

import copy

import orjson
import pytest

from machinery.gvk import DEPLOYMENTS, PODS, SERVICES

NS = "default"
PATH = f"/apis/apps/v1/namespaces/{NS}/deployments/web"


def deployment(**container):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NS},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "nginx", **container}]},
            },
        },
    }


def with_empties():
    obj = deployment(args=[], command=[], env=[], stdin=False, workingDir="", securityContext=None)
    obj["spec"] |= {"paused": False, "minReadySeconds": 0}
    obj["spec"]["template"]["spec"] |= {"nodeSelector": {}, "hostNetwork": False, "tolerations": []}
    obj["metadata"] |= {"annotations": {}, "finalizers": []}
    return obj


def patched(live, **pod_spec):
    obj = copy.deepcopy(live)
    obj["spec"]["template"]["spec"] |= pod_spec
    return obj


async def write(api, how, obj, manager="tester"):
    if how == "update":
        return await api.send("PUT", PATH, obj)
    kinds = {
        "apply": "application/apply-patch+yaml",
        "merge": "application/merge-patch+json",
        "strategic": "application/strategic-merge-patch+json",
    }
    query = {"fieldManager": manager, "force": "true"} if how == "apply" else {"fieldManager": manager}
    return await api.send("PATCH", PATH, obj, content_type=kinds[how], query=query)


@pytest.mark.parametrize("how", ["update", "merge", "strategic"])
def test_empties_in_a_write_change_nothing_and_start_no_rollout(run_api, how):
    async def body(api):
        made = await api.client.create(DEPLOYMENTS, deployment())
        answer = await write(api, how, with_empties())
        assert answer.status == 200
        assert orjson.loads(answer.body) == made
        assert await api.client.get(DEPLOYMENTS, "web", NS) == made

    run_api(body)


def test_args_empty_in_an_apply_change_nothing_and_start_no_rollout(run_api):
    """They are owned, since they were said, and the object is as it was. Said again, nothing is written at all."""

    async def body(api):
        assert (await write(api, "apply", deployment())).status == 201
        made = await api.client.get(DEPLOYMENTS, "web", NS)
        answer = orjson.loads((await write(api, "apply", with_empties())).body)
        assert answer["metadata"]["generation"] == made["metadata"]["generation"] == 1
        assert answer["spec"] == made["spec"] and answer["status"] == made["status"]
        owned = answer["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
        assert owned["f:containers"]['k:{"name":"c"}']["f:args"] == {}
        assert owned["f:nodeSelector"] == {}
        again = await write(api, "apply", with_empties())
        assert orjson.loads(again.body) == answer

    run_api(body)


def test_a_diff_by_dry_run_shows_nothing(run_api):
    """What kubectl diff does: an apply that is not kept, compared with what is there."""

    async def body(api):
        await write(api, "apply", with_empties())
        made = await api.client.get(DEPLOYMENTS, "web", NS)
        answer = await api.send(
            "PATCH",
            PATH,
            with_empties(),
            content_type="application/apply-patch+yaml",
            query={"fieldManager": "tester", "dryRun": "All"},
        )
        assert orjson.loads(answer.body) == made

    run_api(body)


def test_created_object_is_given_back_without_empties_and_with_what_is_always_there(run_api):
    async def body(api):
        made = await api.client.create(DEPLOYMENTS, with_empties())
        pod = made["spec"]["template"]["spec"]
        assert pod["containers"][0].keys() >= {"name", "image", "resources"}
        assert not pod["containers"][0].keys() & {"args", "command", "env", "stdin", "workingDir"}
        assert pod["containers"][0]["resources"] == {}
        assert not pod.keys() & {"nodeSelector", "hostNetwork", "tolerations"}
        assert not made["spec"].keys() & {"paused", "minReadySeconds"}
        assert made["status"] == {}
        assert not made["metadata"].keys() & {"annotations", "finalizers"}

    run_api(body)


def test_zeros_that_say_something_stay(run_api):
    async def body(api):
        sent = deployment(securityContext={"privileged": False, "runAsUser": 0})
        sent["spec"] |= {"replicas": 0, "revisionHistoryLimit": 0}
        sent["spec"]["template"]["spec"] |= {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "v", "emptyDir": {}}],
        }
        sent["metadata"]["annotations"] = {"empty": ""}
        made = await api.client.create(DEPLOYMENTS, sent)
        assert made["spec"]["replicas"] == made["spec"]["revisionHistoryLimit"] == 0
        pod = made["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False and pod["terminationGracePeriodSeconds"] == 0
        assert pod["volumes"] == [{"name": "v", "emptyDir": {}}]
        assert pod["containers"][0]["securityContext"] == {"privileged": False, "runAsUser": 0}
        assert made["metadata"]["annotations"] == {"empty": ""}

    run_api(body)


def test_empty_text_and_zero_are_defaulted_like_absent_ones(run_api):
    async def body(api):
        sent = deployment(imagePullPolicy="", terminationMessagePath="")
        sent["spec"]["template"]["spec"] |= {"restartPolicy": "", "dnsPolicy": ""}
        plain = deployment()
        plain["metadata"]["name"] = "plain"
        made, other = [await api.client.create(DEPLOYMENTS, each) for each in (sent, plain)]
        assert made["spec"] == other["spec"]
        service = {
            "metadata": {"name": "s", "namespace": NS},
            "spec": {"ports": [{"port": 80, "targetPort": 0}]},
        }
        made = await api.client.create(SERVICES, service)
        assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
        assert made["status"] == {"loadBalancer": {}}

    run_api(body)


def test_object_of_an_older_store_is_the_same_to_a_write_that_changes_nothing(run_api):
    """It is shown as it was stored, until a write changes it; then it is kept in today's form."""

    async def body(api):
        made = await api.client.create(DEPLOYMENTS, deployment())
        served = api.server.engine.catalog.get("apps", "v1", "deployments")
        old = patched(made, nodeSelector={}, hostNetwork=False)
        del old["status"], old["metadata"]["resourceVersion"]
        revision = int(made["metadata"]["resourceVersion"])
        await served.store.update(NS, "web", old, revision)
        stored = await api.client.get(DEPLOYMENTS, "web", NS)
        assert stored["spec"]["template"]["spec"]["nodeSelector"] == {}
        answer = await write(api, "update", stored)
        assert orjson.loads(answer.body) == stored
        answer = orjson.loads((await write(api, "merge", {"metadata": {"labels": {"a": "b"}}})).body)
        assert answer["spec"] == made["spec"]
        assert answer["metadata"]["generation"] == 1

    run_api(body)


def test_nulls_that_are_given_out_may_be_sent_back(run_api):
    """A pod's conditions have a lastProbeTime that nobody sets."""

    async def body(api):
        await api.client.create(
            PODS,
            {
                "metadata": {"name": "p", "namespace": NS},
                "spec": {"containers": [{"name": "c", "image": "x"}]},
            },
        )
        path = f"/api/v1/namespaces/{NS}/pods/p/status"
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        answer = await api.send(
            "PATCH",
            path,
            {"status": {"conditions": [condition]}},
            content_type="application/strategic-merge-patch+json",
        )
        made = orjson.loads(answer.body)
        assert made["status"]["conditions"] == [condition | {"lastProbeTime": None}]
        again = await api.send("PUT", path, made)
        assert again.status == 200 and orjson.loads(again.body) == made

    run_api(body)
