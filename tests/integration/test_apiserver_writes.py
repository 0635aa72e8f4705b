"""Creating, updating, patching and applying objects through the whole server."""

from __future__ import annotations

import orjson
import pytest

from machinery.errors import AlreadyExists, BadRequest, Conflict, Invalid, NotFound, UnsupportedMediaType
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS, LEASES, NAMESPACES, PODS

NS = "default"


def config(name="a", **data):
    return {"metadata": {"name": name, "namespace": NS}, "data": data}


def deployment(name="web", replicas=2):
    return {
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }


def test_create_gives_identity_and_forgets_what_only_the_server_sets(run_api):
    async def body(api):
        sent = config(k="v")
        sent["metadata"] |= {"uid": "mine", "generation": 9, "deletionTimestamp": "2020-01-01T00:00:00Z"}
        made = await api.client.create(CONFIGMAPS, sent)
        meta = made["metadata"]
        assert meta["uid"] != "mine" and len(meta["uid"]) == 36
        assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
        assert "deletionTimestamp" not in meta
        assert int(meta["resourceVersion"]) > 0
        assert made["kind"] == "ConfigMap" and made["apiVersion"] == "v1"
        assert await api.client.get(CONFIGMAPS, "a", NS) == made

    run_api(body)


def test_create_twice_is_already_exists(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config())
        with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
            await api.client.create(CONFIGMAPS, config())

    run_api(body)


def test_generate_name_draws_a_name(run_api):
    async def body(api):
        names = set()
        for _ in range(20):
            made = await api.client.create(
                CONFIGMAPS, {"metadata": {"generateName": "x-", "namespace": NS}, "data": {}}
            )
            names.add(made["metadata"]["name"])
        assert len(names) == 20 and all(len(name) == 7 for name in names)

    run_api(body)


def test_create_in_missing_namespace_with_wrong_name_or_revision_is_refused(run_api):
    async def body(api):
        response = await api.send(
            "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "A_B"}}
        )
        status = orjson.loads(response.body)
        assert response.status == 422 and status["details"]["causes"][0]["field"] == "metadata.name"
        response = await api.send(
            "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a", "namespace": "other"}}
        )
        assert response.status == 400
        response = await api.send(
            "POST",
            "/api/v1/namespaces/default/configmaps",
            {"metadata": {"name": "a", "resourceVersion": "7"}},
        )
        assert response.status == 400
        response = await api.send(
            "POST", "/api/v1/namespaces/default/configmaps", {"kind": "Secret", "metadata": {"name": "a"}}
        )
        assert response.status == 400

    run_api(body)


def test_update_with_old_revision_conflicts_and_without_revision_wins(run_api):
    async def body(api):
        first = await api.client.create(CONFIGMAPS, config(k="1"))
        second = await api.client.update(CONFIGMAPS, {**first, "data": {"k": "2"}})
        assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
        with pytest.raises(Conflict, match="the object has been modified"):
            await api.client.update(CONFIGMAPS, {**first, "data": {"k": "3"}})
        third = await api.client.update(CONFIGMAPS, config(k="4"))
        assert third["data"] == {"k": "4"} and third["metadata"]["uid"] == first["metadata"]["uid"]

    run_api(body)


def test_update_that_changes_nothing_keeps_the_revision(run_api):
    async def body(api):
        first = await api.client.create(CONFIGMAPS, config(k="1"))
        again = await api.client.update(CONFIGMAPS, first)
        assert again == first

    run_api(body)


def test_update_of_another_uid_conflicts(run_api):
    async def body(api):
        first = await api.client.create(CONFIGMAPS, config())
        first["metadata"]["uid"] = "0" * 36
        with pytest.raises(Conflict, match="UID in precondition"):
            await api.client.update(CONFIGMAPS, first)

    run_api(body)


def test_put_to_an_absent_lease_creates_it_and_to_an_absent_config_map_is_not_found(run_api):
    async def body(api):
        made = await api.client.update(
            LEASES, {"metadata": {"name": "l", "namespace": NS}, "spec": {"holderIdentity": "me"}}
        )
        assert made["spec"]["holderIdentity"] == "me"
        with pytest.raises(NotFound):
            await api.client.update(CONFIGMAPS, config("absent"))

    run_api(body)


def test_generation_grows_with_the_spec_only(run_api):
    async def body(api):
        made = await api.client.create(DEPLOYMENTS, deployment())
        assert made["metadata"]["generation"] == 1
        labelled = await api.client.patch(DEPLOYMENTS, "web", {"metadata": {"labels": {"a": "b"}}}, NS)
        assert labelled["metadata"]["generation"] == 1
        scaled = await api.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}}, NS)
        assert scaled["metadata"]["generation"] == 2
        status = {"status": {"replicas": 3, "observedGeneration": 2}}
        told = await api.client.patch(DEPLOYMENTS, "web", status, NS, subresource="status")
        assert told["metadata"]["generation"] == 2 and told["status"]["replicas"] == 3

    run_api(body)


def test_status_and_spec_are_written_by_their_own_endpoints(run_api):
    async def body(api):
        made = await api.client.create(DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}})
        assert "replicas" not in (made.get("status") or {})
        made["status"] = {"replicas": 1}
        made["spec"]["replicas"] = 7
        told = await api.client.update(DEPLOYMENTS, made, subresource="status")
        assert told["spec"]["replicas"] == 2 and told["status"]["replicas"] == 1
        told["status"] = {"replicas": 5}
        told["spec"]["replicas"] = 7
        said = await api.client.update(DEPLOYMENTS, told)
        assert said["spec"]["replicas"] == 7 and said["status"]["replicas"] == 1

    run_api(body)


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", {"data": {"k": None, "n": "1"}}),
        ("strategic", {"data": {"k": None, "n": "1"}}),
        ("json", [{"op": "remove", "path": "/data/k"}, {"op": "add", "path": "/data/n", "value": "1"}]),
    ],
)
def test_patch_of_each_type_changes_the_object(run_api, kind, patch):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(k="v", stay="s"))
        made = await api.client.patch(CONFIGMAPS, "a", patch, NS, type=kind)
        assert made["data"] == {"stay": "s", "n": "1"}

    run_api(body)


def test_strategic_patch_merges_containers_by_name(run_api):
    async def body(api):
        await api.client.create(DEPLOYMENTS, deployment())
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "d", "image": "x"}]}}}}
        made = await api.client.patch(DEPLOYMENTS, "web", patch, NS, type="strategic")
        assert {c["name"] for c in made["spec"]["template"]["spec"]["containers"]} == {"c", "d"}

    run_api(body)


def test_strategic_patch_may_name_another_kind_than_it_changes(run_api):
    """Ansible's k8s_scale sends the Deployment's kind to its scale; the type alone decides, a merge patch is refused."""

    async def body(api):
        await api.client.create(DEPLOYMENTS, deployment())
        patch = {"kind": "Other", "apiVersion": "else/v1", "spec": {"replicas": 3}}
        for sub, kind in (("", "Deployment"), ("scale", "Scale")):
            made = await api.client.patch(DEPLOYMENTS, "web", patch, NS, type="strategic", subresource=sub)
            assert (made["kind"], made["spec"]["replicas"]) == (kind, 3)
            with pytest.raises((BadRequest, Invalid)):
                await api.client.patch(DEPLOYMENTS, "web", patch, NS, type="merge", subresource=sub)

    run_api(body)


def test_patch_with_stale_revision_conflicts_and_with_failing_test_is_invalid(run_api):
    async def body(api):
        first = await api.client.create(CONFIGMAPS, config(k="1"))
        await api.client.patch(CONFIGMAPS, "a", {"data": {"k": "2"}}, NS)
        stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"k": "3"}}
        with pytest.raises(Conflict):
            await api.client.patch(CONFIGMAPS, "a", stale, NS)
        with pytest.raises(Invalid):
            await api.client.patch(
                CONFIGMAPS, "a", [{"op": "test", "path": "/data/k", "value": "x"}], NS, type="json"
            )
        response = await api.send(
            "PATCH", "/api/v1/namespaces/default/configmaps/a", {"data": {}}, content_type="text/plain"
        )
        assert response.status == 415

    run_api(body)


def test_apply_creates_owns_removes_and_conflicts(run_api):
    async def body(api):
        def want(**data):
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}

        async def apply(who, obj, force=False):
            return await api.client.patch(
                CONFIGMAPS, "a", obj, NS, type="apply", field_manager=who, force=force
            )

        made = await apply("one", want(x="1", y="1"))
        assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["one"]
        assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
        both = await apply("two", want(z="1"))
        assert both["data"] == {"x": "1", "y": "1", "z": "1"}
        with pytest.raises(Conflict, match='conflict with "one"'):
            await apply("two", want(x="2"))
        forced = await apply("two", want(x="2"), force=True)
        assert forced["data"] == {"x": "2", "y": "1"}
        same = await apply("two", want(x="2"))
        assert same["metadata"]["resourceVersion"] == forced["metadata"]["resourceVersion"]

    run_api(body)


def test_apply_needs_a_field_manager(run_api):
    async def body(api):
        response = await api.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a",
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            content_type="application/apply-patch+yaml",
        )
        assert response.status == 422 and b"fieldManager" in response.body
        response = await api.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a",
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n",
            content_type="application/apply-patch+yaml",
            query={"fieldManager": "m"},
        )
        assert response.status == 201 and orjson.loads(response.body)["data"] == {"k": "v"}

    run_api(body)


def test_unknown_and_duplicate_fields_by_field_validation(run_api):
    async def body(api):
        path = "/api/v1/namespaces/default/configmaps"
        raw = b'{"metadata":{"name":"a","foo":1},"data":{"k":"1","k":"2"},"bar":true}'
        strict = await api.send("POST", path, raw, query={"fieldValidation": "Strict"})
        assert strict.status == 400
        message = orjson.loads(strict.body)["message"]
        # in the order in which a reader of the body meets them
        wanted = 'unknown field "metadata.foo", duplicate field "data.k", unknown field "bar"'
        assert message.endswith(f"strict decoding error: {wanted}")
        warned = await api.send("POST", path, raw, query={"fieldValidation": "Warn", "dryRun": "All"})
        assert warned.status == 201
        assert 'unknown field "bar"' in warned.warnings and 'duplicate field "data.k"' in warned.warnings
        ignored = await api.send("POST", path, raw, query={"fieldValidation": "Ignore"})
        assert ignored.status == 201 and not ignored.warnings
        assert "bar" not in orjson.loads(ignored.body)

    run_api(body)


PATCHES = {
    "application/json-patch+json": (
        b"""[{"op": "add", "path": "/spec/unknown1", "value": "val1", "foo": "bar"},
            {"op": "add", "path": "/spec/unknown2", "path": "/spec/unknown3", "value": "val1"},
            {"op": "add", "path": "/spec/template/spec/containers/0/nested", "value": "val1"}]""",
        ['json patch unknown field "[0].foo"', 'json patch duplicate field "[1].path"'],
        ["spec.template.spec.containers[0].nested", "spec.unknown1", "spec.unknown3"],
    ),
    "application/merge-patch+json": (
        b'{"spec": {"unknown1": 1, "twice": 1, "twice": 2, "paused": true, "paused": false}}',
        ['duplicate field "spec.twice"', 'duplicate field "spec.paused"'],
        ["spec.unknown1", "spec.twice"],
    ),
    "application/strategic-merge-patch+json": (
        b'{"spec": {"unknown1": 1, "template": {"spec": {"x": 1, "dnsPolicy": "A", "dnsPolicy": "Default"}}}}',
        ['duplicate field "spec.template.spec.dnsPolicy"'],
        ["spec.template.spec.x", "spec.unknown1"],
    ),
}


@pytest.mark.parametrize("content_type", PATCHES)
def test_what_is_strange_in_a_patch_is_told_before_what_it_made_unknown(run_api, content_type):
    patch, strange, unknown = PATCHES[content_type]
    told = [*strange, *(f'unknown field "{path}"' for path in unknown)]

    async def body(api):
        labels = {"app": "a"}
        containers = [{"name": "c", "image": "i"}]
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        path = "/apis/apps/v1/namespaces/default/deployments"
        await api.send("POST", path, {"metadata": {"name": "d"}, "spec": spec})

        async def send(mode):
            query = {"fieldValidation": mode} if mode else {}
            return await api.send("PATCH", f"{path}/d", patch, content_type=content_type, query=query)

        strict = await send("Strict")
        assert strict.status == 422
        [cause] = orjson.loads(strict.body)["details"]["causes"]
        assert cause["field"] == "patch"
        assert cause["message"].endswith(f"strict decoding error: {', '.join(told)}")
        for mode in ("", "Warn"):
            warned = await send(mode)
            assert (warned.status, list(warned.warnings)) == (200, told)
        ignored = await send("Ignore")
        assert ignored.status == 200 and not ignored.warnings
        assert not any(key.startswith("unknown") for key in orjson.loads(ignored.body)["spec"])

    run_api(body)


def test_dry_run_answers_as_if_and_stores_nothing(run_api):
    async def body(api):
        path = "/api/v1/namespaces/default/configmaps"
        made = await api.send("POST", path, config(), query={"dryRun": "All"})
        assert made.status == 201 and orjson.loads(made.body)["metadata"]["uid"]
        with pytest.raises(NotFound):
            await api.client.get(CONFIGMAPS, "a", NS)
        real = await api.client.create(CONFIGMAPS, config(k="1"))
        patched = await api.send(
            "PATCH",
            f"{path}/a",
            {"data": {"k": "2"}},
            content_type="application/merge-patch+json",
            query={"dryRun": "All"},
        )
        assert orjson.loads(patched.body)["data"] == {"k": "2"}
        gone = await api.send("DELETE", f"{path}/a", {"dryRun": ["All"]})
        assert gone.status == 200
        assert await api.client.get(CONFIGMAPS, "a", NS) == real

    run_api(body)


def test_all_validation_errors_come_at_once(run_api):
    async def body(api):
        bad = {
            "metadata": {"name": "p", "namespace": NS},
            "spec": {"containers": [{"name": "A!"}, {"image": "x"}]},
        }
        with pytest.raises(Invalid) as caught:
            await api.client.create(PODS, bad)
        fields = {cause.field for cause in caught.value.causes}
        assert {"spec.containers[0].name", "spec.containers[1].name"} <= fields

    run_api(body)


def test_managed_fields_name_each_writer(run_api):
    async def body(api):
        await api.client.create(CONFIGMAPS, config(k="1"))
        response = await api.send(
            "PATCH",
            "/api/v1/namespaces/default/configmaps/a",
            {"data": {"z": "1"}},
            content_type="application/merge-patch+json",
            query={"fieldManager": "other"},
        )
        managed = orjson.loads(response.body)["metadata"]["managedFields"]
        assert {entry["manager"] for entry in managed} == {"tester", "other"}

    run_api(body)


def test_concurrent_patches_all_take_effect(run_api):
    async def body(api):
        import asyncio

        await api.client.create(CONFIGMAPS, config())
        await asyncio.gather(
            *(api.client.patch(CONFIGMAPS, "a", {"data": {f"k{n}": "v"}}, NS) for n in range(20))
        )
        made = await api.client.get(CONFIGMAPS, "a", NS)
        assert len(made["data"]) == 20

    run_api(body)


def test_namespace_body_without_spec_gets_its_finalizer(run_api):
    async def body(api):
        made = await api.client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        assert made["spec"]["finalizers"] == ["kubernetes"]
        assert made["status"]["phase"] == "Active"
        assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == "shop"

    run_api(body)


def test_errors_are_statuses_of_their_code(run_api):
    async def body(api):
        cases = [
            ("GET", "/api/v1/namespaces/default/configmaps/none", None, 404, "NotFound"),
            ("GET", "/api/v1/nothings", None, 404, "NotFound"),
            ("POST", "/api/v1/namespaces/default/configmaps/x", {}, 405, "MethodNotAllowed"),
            ("POST", "/api/v1/namespaces/default/configmaps", b"{", 400, "BadRequest"),
            (
                "POST",
                "/api/v1/namespaces/default/configmaps",
                b"x" * (3 * 1024 * 1024 + 1),
                413,
                "RequestEntityTooLarge",
            ),
            ("PUT", "/api/v1/namespaces/default/configmaps", {}, 405, "MethodNotAllowed"),
        ]
        for method, path, sent, code, reason in cases:
            response = await api.send(method, path, sent)
            status = orjson.loads(response.body)
            assert (response.status, status["reason"], status["kind"]) == (code, reason, "Status"), path
        for path in ("/apis/none/v1/x", "/nowhere"):
            response = await api.send("GET", path)
            assert (response.status, response.body) == (404, b"404 page not found\n")
        response = await api.send("GET", "/api/v1/namespaces", accept="text/html")
        assert response.status == 406
        response = await api.send(
            "POST", "/api/v1/namespaces/default/configmaps", {"a": 1}, content_type="application/cbor"
        )
        assert response.status == 415

    run_api(body)


def test_client_errors_carry_their_class(run_api):
    async def body(api):
        with pytest.raises(BadRequest):
            await api.client.list(CONFIGMAPS, NS, field_selector="spec.x=1")
        with pytest.raises(UnsupportedMediaType):
            raise UnsupportedMediaType("x")

    run_api(body)
