"""Corners of patches, applies, deletes and dry runs as a conformant API server shows them (docs/conformance.md)."""

from __future__ import annotations

import orjson
import pytest

from machinery.errors import Conflict, Invalid
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS, GVR, PODS

NS = "default"
POD_PATH = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


DOUBLING = [
    {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]},
    *[{"op": "copy", "from": "/metadata/finalizers", "path": "/metadata/finalizers/-"}] * 60,
]


def config(name="c", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NS},
        "data": data,
    }


def pod(name="p", **spec):
    spec = {"containers": [{"name": "c", "image": "nginx:1"}], **spec}
    return {"metadata": {"name": name, "namespace": NS}, "spec": spec}


def deployment(name="web", **spec):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NS},
        "spec": spec,
    }


def said(answer):
    return orjson.loads(answer.body)


def owners(obj):
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in obj["metadata"]["managedFields"]
    }


async def apply(api, gvr, obj, manager="one", **more):
    name = obj["metadata"]["name"]
    return await api.client.patch(gvr, name, obj, NS, type="apply", field_manager=manager, **more)


# Patches


def test_a_patch_that_changes_nothing_keeps_the_revision_and_tells_no_watcher(run_api):
    async def body(api):
        made = await api.client.create(CONFIGMAPS, config(a="1"))
        revision = made["metadata"]["resourceVersion"]
        patches = [
            (MERGE_PATCH, {"data": {"a": "1", "absent": None}}),
            (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "1"}]),
            ("application/strategic-merge-patch+json", {"data": {"a": "1"}}),
        ]
        for content_type, patch in patches:
            answer = await api.send("PATCH", f"{MAPS}/c", patch, content_type=content_type)
            assert said(answer)["metadata"]["resourceVersion"] == revision
        first = await apply(api, CONFIGMAPS, config(a="1"))
        again = await apply(api, CONFIGMAPS, config(a="1"))
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    run_api(body)


@pytest.mark.parametrize(
    ("content_type", "patch", "code", "reason"),
    [
        (JSON_PATCH, {"op": "add"}, 400, "BadRequest"),
        (JSON_PATCH, [1], 400, "BadRequest"),
        (JSON_PATCH, [{"op": "remove", "path": "/data/zz"}], 422, "Invalid"),
        (JSON_PATCH, [{"op": "test", "path": "/data/a", "value": "2"}], 422, "Invalid"),
        (
            JSON_PATCH,
            [{"op": "test", "path": "/data/a", "value": "1"}] * 10_001,
            413,
            "RequestEntityTooLarge",
        ),
        (JSON_PATCH, DOUBLING, 422, "Invalid"),
        (MERGE_PATCH, [], 400, "BadRequest"),
        (MERGE_PATCH, {"metadata": {"resourceVersion": "1"}, "data": {"b": "2"}}, 409, "Conflict"),
        (MERGE_PATCH, {"metadata": {"name": "other"}}, 400, "BadRequest"),
        (MERGE_PATCH, {"metadata": {"uid": "x"}}, 422, "Invalid"),
        (MERGE_PATCH, {"data": {"a": 1}}, 422, "Invalid"),
        ("text/plain", {}, 415, "UnsupportedMediaType"),
    ],
)
def test_a_patch_that_cannot_be_done_says_why(run_api, content_type, patch, code, reason):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(a="1"))
        answer = await api.send("PATCH", f"{MAPS}/c", patch, content_type=content_type)
        assert (answer.status, said(answer)["reason"]) == (code, reason), said(answer)
        assert (await api.client.get(CONFIGMAPS, "c", NS))["data"] == {"a": "1"}

    run_api(body)


# Server-side apply


def test_apply_after_update_by_the_same_program_shares_and_keeps_what_it_had(run_api):
    async def body(api):
        await api.client.create(DEPLOYMENTS, deployment(replicas=2))
        with pytest.raises(Conflict) as caught:
            await apply(api, DEPLOYMENTS, deployment(replicas=3), manager="kubectl")
        assert caught.value.message.startswith(
            'Apply failed with 1 conflict: conflict with "tester" using apps/v1: '
        )
        assert caught.value.message.endswith(": .spec.replicas")
        assert caught.value.causes[0].reason == "FieldManagerConflict"
        same = await apply(api, DEPLOYMENTS, deployment(replicas=2), manager="kubectl")
        assert ("kubectl", "Apply", "") in owners(same)
        assert "f:replicas" in owners(same)["tester", "Update", ""]["f:spec"]
        forced = await apply(api, DEPLOYMENTS, deployment(replicas=3), manager="kubectl", force=True)
        assert forced["spec"]["replicas"] == 3
        assert "f:replicas" not in owners(forced)["tester", "Update", ""]["f:spec"]

    run_api(body)


def test_a_field_given_up_keeps_its_value_for_who_shares_it_and_gets_its_default_else(run_api):
    async def body(api):
        await apply(api, DEPLOYMENTS, deployment(replicas=3))
        await apply(api, DEPLOYMENTS, deployment(replicas=3), manager="two")
        shared = await apply(api, DEPLOYMENTS, deployment())
        assert shared["spec"]["replicas"] == 3
        alone = await apply(api, DEPLOYMENTS, deployment(), manager="two")
        assert alone["spec"]["replicas"] == 1

    run_api(body)


def test_scale_takes_the_replicas_over_and_apply_conflicts_with_it(run_api):
    async def body(api):
        await apply(api, DEPLOYMENTS, deployment(replicas=3))
        await api.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, NS, subresource="scale")
        seen = await api.client.get(DEPLOYMENTS, "web", NS)
        assert owners(seen)["tester", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
        with pytest.raises(Conflict, match='with subresource "scale"'):
            await apply(api, DEPLOYMENTS, deployment(replicas=3))
        kept = await apply(api, DEPLOYMENTS, deployment())
        assert kept["spec"]["replicas"] == 5

    run_api(body)


def test_scale_is_applied_by_its_own_endpoint(run_api):
    async def body(api):
        await apply(api, DEPLOYMENTS, deployment(replicas=3))

        def scaled(count, **query):
            scale = {
                "apiVersion": "autoscaling/v1",
                "kind": "Scale",
                "metadata": {"name": "web"},
                "spec": {"replicas": count},
            }
            path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
            return api.send(
                "PATCH", path, scale, content_type=APPLY, query={"fieldManager": "scaler", **query}
            )

        refused = await scaled(5)
        assert refused.status == 409 and 'conflict with "one": .spec.replicas' in said(refused)["message"]
        assert said(await scaled(5, force="true"))["spec"] == {"replicas": 5}
        owned = owners(await api.client.get(DEPLOYMENTS, "web", NS))
        assert owned["scaler", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}
        assert "f:replicas" not in owned["one", "Apply", ""]["f:spec"]

    run_api(body)


def test_a_name_that_cannot_be_generated_is_said_so(run_api, monkeypatch):
    async def body(api):
        monkeypatch.setattr("machinery.names.generate", lambda base, rng: f"{base}same")
        made = {"metadata": {"generateName": "x-", "namespace": NS}}
        assert (await api.client.create(CONFIGMAPS, made))["metadata"]["name"] == "x-same"
        answer = await api.send("POST", MAPS, made)
        status = said(answer)
        assert (answer.status, status["reason"]) == (409, "AlreadyExists")
        assert status["details"]["retryAfterSeconds"] == 1
        assert status["message"].endswith("the server was not able to generate a unique name for the object")

    run_api(body)


def test_kubectl_moves_from_its_annotation_to_apply_on_the_server_without_conflicts(run_api):
    async def body(api):
        last = "kubectl.kubernetes.io/last-applied-configuration"
        first = deployment(replicas=2, minReadySeconds=5)
        made = deployment(replicas=2, minReadySeconds=5)
        made["metadata"]["annotations"] = {last: orjson.dumps(first).decode()}
        await api.client.create(DEPLOYMENTS, made)
        changed = deployment(replicas=3, minReadySeconds=5)
        with pytest.raises(Conflict):
            await apply(api, DEPLOYMENTS, changed, manager="somebody")
        moved = await apply(api, DEPLOYMENTS, changed, manager="kubectl")
        assert moved["spec"]["replicas"] == 3
        assert orjson.loads(moved["metadata"]["annotations"][last])["spec"]["replicas"] == 3
        # What somebody changed since is theirs.
        await api.client.patch(DEPLOYMENTS, "web", {"spec": {"minReadySeconds": 9}}, NS)
        with pytest.raises(Conflict) as caught:
            await apply(api, DEPLOYMENTS, deployment(replicas=4, minReadySeconds=7), manager="kubectl")
        assert [cause.field for cause in caught.value.causes] == [".spec.minReadySeconds"]

    run_api(body)


def test_status_is_applied_by_its_own_endpoint_and_owned_there(run_api):
    async def body(api):
        await apply(api, DEPLOYMENTS, deployment())
        status = {**deployment(), "status": {"replicas": 7}}
        ignored = await apply(api, DEPLOYMENTS, status, manager="two")
        assert "replicas" not in (ignored.get("status") or {})
        del status["spec"]
        told = await apply(api, DEPLOYMENTS, status, manager="controller", subresource="status")
        assert told["status"]["replicas"] == 7
        assert owners(told)["controller", "Apply", "status"] == {"f:status": {"f:replicas": {}}}

    run_api(body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"name": "web", "managedFields": [{}]}}, "metadata.managedFields must be nil"),
        (
            {"apiVersion": "v1"},
            "invalid object type: /v1, Kind=Deployment",
        ),
        (
            {"unknown": 1},
            "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
            ".unknown: field not declared in schema",
        ),
        ({"metadata": {"name": "other"}}, "does not match the name on the URL"),
    ],
)
def test_a_configuration_that_is_none_is_refused(run_api, change, message):
    async def body(api):
        query = {"fieldManager": "m", "fieldValidation": "Ignore"}
        answer = await api.send(
            "PATCH",
            "/apis/apps/v1/namespaces/default/deployments/web",
            {**deployment(), **change},
            content_type=APPLY,
            query=query,
        )
        assert answer.status == 400
        assert message in said(answer)["message"]

    run_api(body)


def test_ports_of_one_number_are_told_apart_by_their_defaulted_protocol(run_api):
    async def body(api):
        def service(*ports):
            return {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s"},
                "spec": {"ports": [{"name": f"n{at}", **each} for at, each in enumerate(ports)]},
            }

        services = GVR("", "v1", "services", kind="Service")
        made = await apply(api, services, service({"port": 53}, {"port": 53, "protocol": "UDP"}))
        assert [p["protocol"] for p in made["spec"]["ports"]] == ["TCP", "UDP"]
        one = await apply(api, services, service({"port": 53, "protocol": "TCP"}))
        assert [p["protocol"] for p in one["spec"]["ports"]] == ["TCP"]
        twice = await api.send(
            "PATCH",
            "/api/v1/namespaces/default/services/s",
            service({"port": 53}, {"port": 53, "protocol": "TCP"}),
            content_type=APPLY,
            query={"fieldManager": "m"},
        )
        assert twice.status == 400
        assert '.spec.ports: duplicate entries for key [port=53,protocol="TCP"]' in said(twice)["message"]

    run_api(body)


def test_managed_fields_are_reset_by_one_empty_entry_and_by_an_empty_list_not(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(a="1"))
        kept = await api.client.patch(CONFIGMAPS, "c", {"metadata": {"managedFields": []}}, NS)
        assert owners(kept)
        reset = await api.client.patch(CONFIGMAPS, "c", {"metadata": {"managedFields": [{}]}}, NS)
        assert "managedFields" not in reset["metadata"]
        first = await apply(api, CONFIGMAPS, config(a="1"))
        assert ("before-first-apply", "Update", "") in owners(first)

    run_api(body)


def test_what_admission_and_the_server_add_belongs_to_nobody(run_api):
    async def body(api):
        service = {"metadata": {"name": "s", "namespace": NS}, "spec": {"ports": [{"port": 80}]}}
        made = await api.client.create(GVR("", "v1", "services", kind="Service"), service)
        (fields,) = owners(made).values()
        assert made["spec"]["clusterIP"] and "f:clusterIP" not in fields["f:spec"]
        assert "f:sessionAffinity" in fields["f:spec"]

    run_api(body)


# Deletes and dry runs


def test_a_dry_run_reaches_every_verb_and_changes_nothing(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(a="1"))
        await api.client.create(PODS, pod())
        await api.client.create(DEPLOYMENTS, deployment(replicas=1))
        before = (await api.send("GET", MAPS)).body
        everything = {"dryRun": "All"}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
        replicas = {"spec": {"replicas": 9}}
        requests = [
            ("POST", MAPS, config("new"), 201),
            ("PUT", f"{MAPS}/c", config(a="2"), 200),
            ("PATCH", f"{MAPS}/c", {"data": {"a": "3"}}, 200),
            ("DELETE", f"{MAPS}/c", None, 200),
            ("DELETE", MAPS, None, 200),
            ("POST", f"{POD_PATH}/p/eviction", eviction, 201),
            ("POST", f"{POD_PATH}/p/binding", binding, 201),
            ("DELETE", f"{POD_PATH}/p", None, 200),
            ("PATCH", f"{POD_PATH}/p/status", {"status": {"phase": "Failed"}}, 200),
            ("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale", replicas, 200),
        ]
        for method, path, sent, code in requests:
            content_type = MERGE_PATCH if method == "PATCH" else "application/json"
            answer = await api.send(method, path, sent, content_type=content_type, query=everything)
            assert answer.status == code, (method, path, answer.body)
        applied = await api.send(
            "PATCH", f"{MAPS}/x", config("x"), content_type=APPLY, query={**everything, "fieldManager": "m"}
        )
        assert applied.status == 201
        assert (await api.send("GET", MAPS)).body == before
        standing = await api.client.get(PODS, "p", NS)
        assert "nodeName" not in standing["spec"] and standing["status"]["phase"] == "Pending"
        assert (await api.client.get(DEPLOYMENTS, "web", NS))["spec"]["replicas"] == 1
        wrong = await api.send("POST", MAPS, config("new"), query={"dryRun": "Some"})
        assert wrong.status == 422 or wrong.status == 400

    run_api(body)


def test_a_grace_period_may_only_become_shorter(run_api):
    async def body(api):
        await api.client.create(PODS, pod(nodeName="n", terminationGracePeriodSeconds=60))

        async def delete(seconds=None):
            sent = None if seconds is None else {"gracePeriodSeconds": seconds}
            answer = await api.send("DELETE", f"{POD_PATH}/p", sent)
            return said(answer)["metadata"]

        first = await delete()
        assert first["deletionGracePeriodSeconds"] == 60
        longer = await delete(90)
        assert longer["deletionGracePeriodSeconds"] == 60
        assert longer["deletionTimestamp"] == first["deletionTimestamp"]
        shorter = await delete(10)
        assert shorter["deletionGracePeriodSeconds"] == 10
        assert shorter["deletionTimestamp"] < first["deletionTimestamp"]
        again = await delete()
        assert again["deletionGracePeriodSeconds"] == 10
        await delete(0)
        assert (await api.send("GET", f"{POD_PATH}/p")).status == 404

    run_api(body)


def test_a_collection_is_deleted_by_selector_policy_and_preconditions(run_api):
    async def body(api):
        for at in range(4):
            made = config(f"c{at}")
            made["metadata"]["labels"] = {"odd": str(at % 2)}
            await api.client.create(CONFIGMAPS, made)
        answer = await api.send(
            "DELETE",
            MAPS,
            {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"},
            query={"labelSelector": "odd=1"},
        )
        assert answer.status == 200
        left = await api.client.list(CONFIGMAPS, NS, label_selector="odd=1")
        assert [item["metadata"]["finalizers"] for item in left["items"]] == [["foregroundDeletion"]] * 2
        by_name = await api.send("DELETE", MAPS, query={"fieldSelector": "metadata.name=c0"})
        assert by_name.status == 200
        names = {item["metadata"]["name"] for item in (await api.client.list(CONFIGMAPS, NS))["items"]}
        assert "c0" not in names and {"c1", "c2", "c3"} <= names
        wrong = await api.send("DELETE", f"{MAPS}/c2", {"preconditions": {"uid": "x"}})
        assert wrong.status == 409
        assert said(wrong)["message"].startswith(
            'Operation cannot be fulfilled on ConfigMap "c2": the UID in the precondition (x) does not match'
        )

    run_api(body)


def test_a_terminating_object_takes_no_new_finalizer(run_api):
    async def body(api):
        made = config(a="1")
        made["metadata"]["finalizers"] = ["example.com/a"]
        await api.client.create(CONFIGMAPS, made)
        await api.client.delete(CONFIGMAPS, "c", NS)
        with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
            patch = {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}
            await api.client.patch(CONFIGMAPS, "c", patch, NS)
        await api.client.patch(CONFIGMAPS, "c", {"metadata": {"finalizers": None}}, NS)
        assert (await api.send("GET", f"{MAPS}/c")).status == 404

    run_api(body)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            {"force": "true"},
            'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
        ),
        ({"fieldManager": "m" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        (
            {"fieldManager": "a\x01"},
            'fieldManager: Invalid value: "a\\x01": invalid character U+0001 (at position 1)',
        ),
        (
            {"fieldValidation": "x"},
            'Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
        ),
        ({"dryRun": "x"}, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
    ],
)
def test_options_of_a_write_that_make_no_sense_are_named(run_api, query, message):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(a="1"))
        answer = await api.send("PATCH", f"{MAPS}/c", {}, content_type=MERGE_PATCH, query=query)
        assert answer.status == 422 and message in said(answer)["message"], said(answer)

    run_api(body)


def test_an_owner_named_twice_counts_once_and_is_warned_of(run_api):
    async def body(api):
        owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}
        made = config(a="1")
        made["metadata"]["ownerReferences"] = [owner, owner]
        answer = await api.send("POST", MAPS, made)
        assert said(answer)["metadata"]["ownerReferences"] == [owner]
        assert "duplicate UID(s) observed: 1" in answer.warnings[0]
        changed = {"metadata": {"ownerReferences": [owner, {**owner, "uid": "2"}, owner]}}
        answer = await api.send("PATCH", f"{MAPS}/c", changed, content_type=MERGE_PATCH)
        assert [each["uid"] for each in said(answer)["metadata"]["ownerReferences"]] == ["1", "2"]

    run_api(body)


def test_apply_of_an_absent_object_with_a_uid_conflicts(run_api):
    async def body(api):
        wanted = config("x")
        wanted["metadata"]["uid"] = "u"
        with pytest.raises(
            Conflict, match="uid mismatch: the provided object specified uid u, and no existing"
        ):
            await apply(api, CONFIGMAPS, wanted)

    run_api(body)
