"""CustomResourceDefinitions: served once stored, with everything a built-in has, and gone with their instances."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from open_guard import open_guard

from apiserver.admission.admission import Plugin
from machinery.errors import Conflict, Forbidden, Invalid, NotFound, UnsupportedMediaType
from machinery.gvk import CRDS, GVR

NS = "default"
SHIRTS = GVR("stable.example.com", "v1", "shirts", kind="Shirt")


def version(name="v1", storage=True, **more):
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "spec": {
                        "type": "object",
                        "required": ["size"],
                        "properties": {
                            "color": {"type": "string", "default": "red"},
                            "size": {"type": "integer", "minimum": 1},
                            "replicas": {"type": "integer"},
                        },
                    },
                    "status": {
                        "type": "object",
                        "properties": {"replicas": {"type": "integer"}, "ready": {"type": "boolean"}},
                    },
                },
            }
        },
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
        },
        "additionalPrinterColumns": [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}],
        "selectableFields": [{"jsonPath": ".spec.color"}],
        **more,
    }


def crd(*versions, scope="Namespaced"):
    return {
        "metadata": {"name": "shirts.stable.example.com"},
        "spec": {
            "group": "stable.example.com",
            "scope": scope,
            "names": {"plural": "shirts", "singular": "shirt", "kind": "Shirt", "shortNames": ["sh"]},
            "versions": list(versions) or [version()],
        },
    }


def shirt(name="a", **spec):
    said = {"apiVersion": "stable.example.com/v1", "kind": "Shirt"}
    return {**said, "metadata": {"name": name, "namespace": NS}, "spec": {"size": 1, **spec}}


def condition(obj, kind):
    return next((c["status"] for c in obj["status"]["conditions"] if c["type"] == kind), None)


def test_definition_is_established_and_served_at_once(run_api):
    async def body(api):
        made = await api.client.create(CRDS, crd())
        assert condition(made, "Established") == "True" and condition(made, "NamesAccepted") == "True"
        assert made["status"]["storedVersions"] == ["v1"]
        one = await api.client.create(SHIRTS, shirt())
        assert one["spec"]["color"] == "red" and one["metadata"]["generation"] == 1
        listing = await api.client.list(SHIRTS, NS)
        assert listing["kind"] == "ShirtList" and len(listing["items"]) == 1

    run_api(body)


def test_custom_object_has_validation_pruning_selectors_columns_and_subresources(run_api):
    async def body(api):
        await api.client.create(CRDS, crd())
        with pytest.raises(Invalid):
            await api.client.create(SHIRTS, shirt(size=0))
        path = "/apis/stable.example.com/v1/namespaces/default/shirts"
        strict = await api.send("POST", path, shirt(x=1), query={"fieldValidation": "Strict"})
        assert strict.status == 400 and b'unknown field \\"spec.x\\"' in strict.body
        made = await api.client.create(SHIRTS, shirt("blue", color="blue", x=1))
        assert "x" not in made["spec"]
        await api.client.create(SHIRTS, shirt("red"))
        found = await api.client.list(SHIRTS, NS, field_selector="spec.color=blue")
        assert [item["metadata"]["name"] for item in found["items"]] == ["blue"]
        table = await api.send("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        rows = orjson.loads(table.body)
        assert [c["name"] for c in rows["columnDefinitions"]][:2] == ["Name", "Color"]
        assert rows["rows"][0]["cells"][:2] == ["blue", "blue"]
        with pytest.raises(UnsupportedMediaType):
            await api.client.patch(SHIRTS, "blue", {"spec": {"size": 2}}, NS, type="strategic")
        merged = await api.client.patch(SHIRTS, "blue", {"spec": {"size": 2}}, NS)
        assert merged["metadata"]["generation"] == 2
        told = await api.client.patch(
            SHIRTS, "blue", {"status": {"ready": True}, "spec": {"size": 9}}, NS, subresource="status"
        )
        assert told["status"] == {"ready": True} and told["spec"]["size"] == 2
        scaled = await api.client.patch(SHIRTS, "blue", {"spec": {"replicas": 3}}, NS, subresource="scale")
        assert scaled["kind"] == "Scale" and scaled["spec"] == {"replicas": 3}
        with pytest.raises(UnsupportedMediaType):
            await api.client.patch(SHIRTS, "blue", {}, NS, type="strategic", subresource="scale")

    run_api(body)


def test_custom_object_can_be_applied_by_two_managers(run_api):
    async def body(api):
        await api.client.create(CRDS, crd())

        def want(**spec):
            return {
                "apiVersion": "stable.example.com/v1",
                "kind": "Shirt",
                "metadata": {"name": "a"},
                "spec": spec,
            }

        await api.client.patch(SHIRTS, "a", want(size=1), NS, type="apply", field_manager="one")
        with pytest.raises(Conflict):
            await api.client.patch(SHIRTS, "a", want(size=2), NS, type="apply", field_manager="two")

    run_api(body)


def test_two_versions_show_one_object(run_api):
    async def body(api):
        await api.client.create(CRDS, crd(version("v1"), version("v2", storage=False)))
        await api.client.create(SHIRTS, shirt())
        second = GVR("stable.example.com", "v2", "shirts", kind="Shirt")
        seen = await api.client.get(second, "a", NS)
        assert seen["apiVersion"] == "stable.example.com/v2"
        changed = await api.client.patch(second, "a", {"spec": {"size": 5}}, NS)
        assert changed["apiVersion"] == "stable.example.com/v2"
        first = await api.client.get(SHIRTS, "a", NS)
        assert first["spec"]["size"] == 5 and first["apiVersion"] == "stable.example.com/v1"
        listing = await api.client.list(second, NS)
        assert listing["items"][0]["apiVersion"] == "stable.example.com/v2"

    run_api(body)


def test_unserved_version_disappears_from_discovery_and_openapi(run_api):
    async def body(api):
        made = await api.client.create(CRDS, crd(version("v1"), version("v2", storage=False)))
        index = orjson.loads((await api.send("GET", "/openapi/v3")).body)["paths"]
        assert "apis/stable.example.com/v2" in index
        made["spec"]["versions"][1]["served"] = False
        await api.client.update(CRDS, made)
        assert (await api.send("GET", "/apis/stable.example.com/v2")).status == 404
        group = orjson.loads((await api.send("GET", "/apis/stable.example.com")).body)
        assert [v["version"] for v in group["versions"]] == ["v1"]
        index = orjson.loads((await api.send("GET", "/openapi/v3")).body)["paths"]
        assert "apis/stable.example.com/v2" not in index

    run_api(body)


def test_deleting_a_definition_deletes_its_instances_and_waits_for_their_finalizers(run_api):
    async def body(api):
        await api.client.create(CRDS, crd())
        held = shirt("held")
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await api.client.create(SHIRTS, held)
        await api.client.create(SHIRTS, shirt("free"))
        await api.client.delete(CRDS, "shirts.stable.example.com")
        await asyncio.sleep(1)
        left = await api.client.list(SHIRTS, NS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["held"]
        going = await api.client.get(CRDS, "shirts.stable.example.com")
        assert condition(going, "Terminating") == "True"
        response = await api.send(
            "POST", "/apis/stable.example.com/v1/namespaces/default/shirts", shirt("late")
        )
        assert response.status == 403
        await api.client.patch(SHIRTS, "held", {"metadata": {"finalizers": None}}, NS)
        await asyncio.sleep(10)
        with pytest.raises(NotFound):
            await api.client.get(CRDS, "shirts.stable.example.com")
        with pytest.raises(NotFound):
            await api.client.list(SHIRTS, NS)

    run_api(body)


def test_clashing_names_are_not_accepted(run_api):
    async def body(api):
        await api.client.create(CRDS, crd())
        other = crd()
        other["metadata"]["name"] = "tshirts.stable.example.com"
        other["spec"]["names"] = {"plural": "tshirts", "singular": "tshirt", "kind": "Shirt"}
        made = await api.client.create(CRDS, other)
        assert condition(made, "NamesAccepted") == "False" and condition(made, "Established") == "False"
        assert (await api.send("GET", "/apis/stable.example.com/v1/tshirts")).status == 404
        await api.client.delete(CRDS, "shirts.stable.example.com")
        await asyncio.sleep(5)
        freed = await api.client.get(CRDS, "tshirts.stable.example.com")
        assert condition(freed, "NamesAccepted") == "True" and condition(freed, "Established") == "True"
        assert (await api.send("GET", "/apis/stable.example.com/v1/tshirts")).status == 200

    run_api(body)


def test_definition_of_a_protected_group_says_where_it_was_approved(run_api):
    async def body(api):
        key = "api-approved.kubernetes.io"
        for said, status, reason in (
            ("https://github.com/kubernetes/x", "True", "ApprovedAnnotation"),
            ("unapproved, it is a test", "False", "UnapprovedAnnotation"),
        ):
            made = crd()
            made["metadata"] = {"name": "shirts.stable.k8s.io", "annotations": {key: said}}
            made["spec"]["group"] = "stable.k8s.io"
            made = await api.client.create(CRDS, made)
            policy = next(
                c for c in made["status"]["conditions"] if c["type"] == "KubernetesAPIApprovalPolicy"
            )
            assert (policy["status"], policy["reason"]) == (status, reason)
            await api.client.delete(CRDS, "shirts.stable.k8s.io")
            await asyncio.sleep(5)
        for said in ("", "somebody said so"):
            made = crd()
            made["metadata"] = {"name": "shirts.stable.k8s.io", "annotations": {key: said}}
            made["spec"]["group"] = "stable.k8s.io"
            with pytest.raises(Invalid, match="protected groups must have approval annotation"):
                await api.client.create(CRDS, made)

    run_api(body)


def test_definition_made_again_is_served_again(run_api):
    async def body(api):
        for _ in range(2):
            await api.client.create(CRDS, crd())
            await api.client.create(SHIRTS, shirt())
            await api.client.delete(CRDS, "shirts.stable.example.com")
            await asyncio.sleep(10)
        with pytest.raises(NotFound):
            await api.client.list(SHIRTS, NS)

    run_api(body)


def test_watch_of_custom_objects(run_api):
    async def body(api):
        await api.client.create(CRDS, crd(version("v1"), version("v2", storage=False)))
        await api.client.create(SHIRTS, shirt())
        response = await api.send(
            "GET", "/apis/stable.example.com/v2/shirts", query={"watch": "1", "timeoutSeconds": "1"}
        )
        event = orjson.loads(response.body.splitlines()[0])
        assert event["type"] == "ADDED" and event["object"]["apiVersion"] == "stable.example.com/v2"

    run_api(body)


def test_deprecated_version_warns_and_names_the_newest_to_use(run_api):
    async def body(api):
        await api.client.create(
            CRDS,
            crd(
                version("v1beta1", storage=False, deprecated=True),
                version("v1beta2", storage=False, deprecated=True, deprecationWarning="no more"),
                version("v1"),
                version("v1alpha1", storage=False),
            ),
        )
        for name, said in (
            ("v1beta1", ("stable.example.com/v1beta1 Shirt is deprecated; use stable.example.com/v1 Shirt",)),
            ("v1beta2", ("no more",)),
            ("v1", ()),
        ):
            answer = await api.send("GET", f"/apis/stable.example.com/{name}/shirts")
            assert tuple(answer.warnings) == said

    run_api(body)


class Refusing(Plugin):
    """Refuses every update of a definition while it is told to, as somebody's policy or broken webhook may."""

    refuses = False

    def handles(self, request):
        return request.operation == "UPDATE" and request.resource.gvr.resource == CRDS.resource

    async def validate(self, request):
        if self.refuses:
            raise Forbidden("not now")


def test_refusal_of_the_servers_own_write_delays_the_end_of_a_definition_and_nothing_else(run_api):
    refusing = Refusing()

    async def body(api):
        await api.client.create(CRDS, crd())
        refusing.refuses = True
        await api.client.delete(CRDS, "shirts.stable.example.com")
        await api.clock.sleep(60)
        assert (await api.client.get(CRDS, "shirts.stable.example.com"))["metadata"]["deletionTimestamp"]
        refusing.refuses = False
        await api.clock.sleep(60)
        with pytest.raises(NotFound):
            await api.client.get(CRDS, "shirts.stable.example.com")

    run_api(body, guard=lambda engine: open_guard(engine, [refusing]))
