"""Custom resources in several versions: converted by a webhook or by name, stored in one version, read in any."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson
import pytest

from client.transport import Response, TransportError
from machinery.errors import Conflict, InternalError, Invalid
from machinery.gvk import CRDS, GVR
from machinery.objects import deep_copy

NS = "default"
ONE = GVR("hosts.example.com", "v1", "endpoints", kind="Endpoint")
TWO = GVR("hosts.example.com", "v2", "endpoints", kind="Endpoint")


@dataclass
class Hook:
    """The webhook: v1 says `host: a:80` where v2 says `host: a` and `port: "80"`."""

    asked: list = field(default_factory=list)
    targets: list = field(default_factory=list)
    spoil: object = None

    def connect(self, target):
        self.targets.append(target)
        return self

    async def request(self, method, path, *, query=(), body=b"", headers=None, timeout_s=None):
        review = orjson.loads(body)
        request = review["request"]
        self.asked.append((request["desiredAPIVersion"], len(request["objects"])))
        if isinstance(self.spoil, Exception):
            raise self.spoil
        made = [converted(deep_copy(each), request["desiredAPIVersion"]) for each in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        answer = {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}
        if self.spoil is not None:
            self.spoil(answer)
        return Response(200, {}, orjson.dumps(answer))

    async def close(self):
        pass


def converted(obj, wanted):
    if wanted.endswith("/v2"):
        host, _, port = obj["spec"].pop("hostPort", ":").partition(":")
        obj["spec"] |= {"host": host, "port": port}
        obj["metadata"].setdefault("labels", {})["converted"] = "yes"
    else:
        obj["spec"]["hostPort"] = f"{obj['spec'].pop('host', '')}:{obj['spec'].pop('port', '')}"
        obj["metadata"].get("labels", {}).pop("converted", None)
    obj["apiVersion"] = wanted
    return obj


def version(name, storage, *names, **more):
    properties = {each: {"type": "string"} for each in names}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": properties}},
            }
        },
        **more,
    }


def definition(*, storage="v1", client=None, webhook=True):
    conversion = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": client or {"url": "https://hooks.example.com/convert"},
            "conversionReviewVersions": ["v7", "v1"],
        },
    }
    selectable = [{"jsonPath": ".spec.host"}]
    columns = [{"name": "Host", "type": "string", "jsonPath": ".spec.host"}]
    return {
        "metadata": {"name": "endpoints.hosts.example.com"},
        "spec": {
            "group": "hosts.example.com",
            "scope": "Namespaced",
            "names": {"plural": "endpoints", "singular": "endpoint", "kind": "Endpoint"},
            "versions": [
                version("v1", storage == "v1", "hostPort"),
                version(
                    "v2",
                    storage == "v2",
                    "host",
                    "port",
                    selectableFields=selectable,
                    additionalPrinterColumns=columns,
                ),
            ],
            **({"conversion": conversion} if webhook else {}),
        },
    }


def endpoint(name="a", **spec):
    return {"metadata": {"name": name, "namespace": NS}, "spec": spec or {"hostPort": "web:80"}}


@pytest.fixture
def run_hook(run_api):
    def run(body, **options):
        hook = Hook()

        async def whole(api):
            await api.client.create(CRDS, definition(**options))
            await body(api, hook)

        run_api(whole, connect=hook.connect)

    return run


def test_each_version_reads_and_writes_what_the_webhook_makes_of_it(run_hook):
    async def body(api, hook):
        made = await api.client.create(ONE, endpoint())
        assert made["spec"] == {"hostPort": "web:80"} and hook.asked == []
        seen = await api.client.get(TWO, "a", NS)
        assert seen["apiVersion"] == "hosts.example.com/v2" and seen["spec"] == {"host": "web", "port": "80"}
        assert seen["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert seen["metadata"]["uid"] == made["metadata"]["uid"]
        assert seen["metadata"]["labels"] == {"converted": "yes"}
        seen["spec"]["port"] = "81"
        changed = await api.client.update(TWO, seen)
        assert changed["spec"] == {"host": "web", "port": "81"} and changed["metadata"]["generation"] == 2
        assert (await api.client.get(ONE, "a", NS))["spec"] == {"hostPort": "web:81"}
        merged = await api.client.patch(TWO, "a", {"spec": {"host": "db"}}, NS)
        assert merged["spec"] == {"host": "db", "port": "81"}
        born = await api.client.create(TWO, endpoint("b", host="new", port="1"))
        assert born["spec"] == {"host": "new", "port": "1"}
        assert (await api.client.get(ONE, "b", NS))["spec"] == {"hostPort": "new:1"}

    run_hook(body)


def test_lists_tables_and_field_selectors_see_the_converted_objects_asked_for_once(run_hook):
    async def body(api, hook):
        for name, host in (("a", "web:80"), ("b", "db:1"), ("c", "web:81")):
            await api.client.create(ONE, endpoint(name, hostPort=host))
        listing = await api.client.list(TWO, NS)
        assert [item["spec"]["port"] for item in listing["items"]] == ["80", "1", "81"]
        assert hook.asked == [("hosts.example.com/v2", 3)]
        found = await api.client.list(TWO, NS, field_selector="spec.host=web")
        assert [item["metadata"]["name"] for item in found["items"]] == ["a", "c"]
        labelled = await api.client.list(TWO, NS, label_selector="converted=yes")
        assert len(labelled["items"]) == 3
        path = "/apis/hosts.example.com/v2/namespaces/default/endpoints"
        first = orjson.loads(
            (await api.send("GET", path, query={"fieldSelector": "spec.host=web", "limit": "1"})).body
        )
        assert "remainingItemCount" not in first["metadata"]
        token = first["metadata"]["continue"]
        rest = await api.send(
            "GET", path, query={"fieldSelector": "spec.host=web", "limit": "1", "continue": token}
        )
        assert [item["metadata"]["name"] for item in orjson.loads(rest.body)["items"]] == ["c"]
        table = await api.send("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        assert orjson.loads(table.body)["rows"][0]["cells"][:2] == ["a", "web"]
        assert hook.asked == [("hosts.example.com/v2", 3)]

    run_hook(body)


def test_a_selecting_watch_sees_objects_enter_and_leave_in_its_own_version(run_hook):
    async def body(api, hook):
        await api.client.create(ONE, endpoint("a", hostPort="web:80"))
        start = await api.client.create(ONE, endpoint("b", hostPort="db:80"))

        async def changes():
            for name, host in (("b", "web:81"), ("a", "db:80"), ("b", "web:82")):
                await asyncio.sleep(0.1)
                await api.client.patch(ONE, name, {"spec": {"hostPort": host}}, NS)
            await api.client.delete(ONE, "b", NS)

        query = {
            "watch": "1",
            "timeoutSeconds": "1",
            "fieldSelector": "spec.host=web",
            "resourceVersion": start["metadata"]["resourceVersion"],
        }
        changing = asyncio.create_task(changes())
        response = await api.send("GET", "/apis/hosts.example.com/v2/endpoints", query=query)
        await changing
        events = [orjson.loads(line) for line in response.body.splitlines()]
        assert [(each["type"], each["object"]["metadata"]["name"]) for each in events] == [
            ("ADDED", "b"),
            ("DELETED", "a"),
            ("MODIFIED", "b"),
            ("DELETED", "b"),
        ]
        assert [each["object"]["spec"]["port"] for each in events] == ["81", "80", "82", "82"]
        revisions = [int(each["object"]["metadata"]["resourceVersion"]) for each in events]
        assert revisions == sorted(set(revisions))

    run_hook(body)


def test_a_new_storage_version_converts_what_was_stored_before(run_hook):
    async def body(api, hook):
        await api.client.create(ONE, endpoint())
        crd = await api.client.get(CRDS, "endpoints.hosts.example.com")
        crd["spec"]["versions"][0]["storage"], crd["spec"]["versions"][1]["storage"] = False, True
        crd = await api.client.update(CRDS, crd)
        assert crd["status"]["storedVersions"] == ["v1", "v2"]
        hook.asked.clear()
        assert (await api.client.get(ONE, "a", NS))["spec"] == {"hostPort": "web:80"} and hook.asked == []
        assert (await api.client.get(TWO, "a", NS))["spec"] == {"host": "web", "port": "80"}
        await api.client.patch(TWO, "a", {"spec": {"port": "9"}}, NS)
        assert (await api.client.get(ONE, "a", NS))["spec"] == {"hostPort": "web:9"}

    run_hook(body)


def test_apply_in_one_version_and_conflict_in_the_other(run_hook):
    async def body(api, hook):
        def want(version, **spec):
            meta = {"name": "a"}
            return {
                "apiVersion": f"hosts.example.com/{version}",
                "kind": "Endpoint",
                "metadata": meta,
                "spec": spec,
            }

        await api.client.patch(
            TWO, "a", want("v2", host="web", port="1"), NS, type="apply", field_manager="one"
        )
        same = await api.client.patch(
            ONE, "a", want("v1", hostPort="web:1"), NS, type="apply", field_manager="two"
        )
        assert same["spec"] == {"hostPort": "web:1"}
        with pytest.raises(Conflict) as caught:
            await api.client.patch(
                TWO, "a", want("v2", host="db", port="1"), NS, type="apply", field_manager="three"
            )
        assert {cause.field for cause in caught.value.causes} == {".spec.host", ".spec.hostPort"}

    run_hook(body)


def test_a_service_is_called_by_its_endpoints_and_its_url_is_told(run_hook):
    client = {"service": {"namespace": "hooks", "name": "convert", "path": "/x", "port": 8443}}

    async def body(api, hook):
        await api.client.create(ONE, endpoint())
        with pytest.raises(InternalError) as caught:
            await api.client.get(TWO, "a", NS)
        assert caught.value.message == (
            "conversion webhook for hosts.example.com/v1, Kind=Endpoint failed: "
            'Post "https://convert.hooks.svc:8443/x?timeout=30s": service "convert" not found'
        )

    run_hook(body, client=client)


def fewer(answer):
    answer["response"]["convertedObjects"].pop()


def other_uid(answer):
    answer["response"]["uid"] = "x"


def failed(answer):
    answer["response"] = {
        "uid": answer["response"]["uid"],
        "result": {"status": "Failed", "message": "cannot"},
    }


def renamed(answer):
    answer["response"]["convertedObjects"][0]["metadata"]["name"] = "z"


def another_kind(answer):
    answer["response"]["convertedObjects"][0]["kind"] = "Z"


def unconverted(answer):
    answer["response"]["convertedObjects"][0]["apiVersion"] = "hosts.example.com/v1"


def headless(answer):
    del answer["response"]["convertedObjects"][0]["metadata"]


def mislabelled(answer):
    answer["response"]["convertedObjects"][0]["metadata"]["labels"] = {"a": 1}


def not_a_review(answer):
    answer["kind"] = "Pod"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (TransportError("refused"), 'failed: Post "https://hooks.example.com/convert?timeout=30s": refused'),
        (fewer, "returned 0 objects, expected 1"),
        (other_uid, 'failed: expected response.uid="'),
        (failed, "failed: cannot"),
        (renamed, "returned invalid converted object at index 0: must have the same name: a != z"),
        (another_kind, "invalid kind (expected Endpoint, received Z)"),
        (unconverted, "invalid groupVersion (expected hosts.example.com/v2, received hosts.example.com/v1)"),
        (headless, "returned invalid metadata in object at index 0: missing metadata"),
        (mislabelled, "returned invalid metadata in object at index 0: labels must be"),
        (not_a_review, "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview"),
    ],
)
def test_an_answer_that_does_not_count_fails_the_request_and_nothing_else(run_hook, spoil, said):
    async def body(api, hook):
        await api.client.create(ONE, endpoint())
        hook.spoil = spoil
        for ask in (api.client.get(TWO, "a", NS), api.client.list(TWO, NS)):
            with pytest.raises(InternalError) as caught:
                await ask
            assert caught.value.message.startswith(
                "conversion webhook for hosts.example.com/v1, Kind=Endpoint "
            )
            assert said in caught.value.message
        assert (await api.client.get(ONE, "a", NS))["spec"] == {"hostPort": "web:80"}
        hook.spoil = None
        assert (await api.client.get(TWO, "a", NS))["spec"]["host"] == "web"

    run_hook(body)


def test_without_a_webhook_the_storage_version_may_change_and_old_objects_are_shown_in_it(run_hook):
    async def body(api, hook):
        await api.client.create(ONE, endpoint())
        crd = await api.client.get(CRDS, "endpoints.hosts.example.com")
        crd["spec"]["versions"][0]["storage"], crd["spec"]["versions"][1]["storage"] = False, True
        await api.client.update(CRDS, crd)
        seen = await api.client.get(TWO, "a", NS)
        # By name alone: a field that the other version does not have is pruned.
        assert seen["apiVersion"] == "hosts.example.com/v2" and seen["spec"] == {}

    run_hook(body, webhook=False)


def test_a_default_given_later_shows_in_objects_stored_before(run_hook):
    async def body(api, hook):
        await api.client.create(ONE, endpoint())
        crd = await api.client.get(CRDS, "endpoints.hosts.example.com")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        schema["properties"] = {"zone": {"type": "string", "default": "here"}}
        await api.client.update(CRDS, crd)
        assert (await api.client.get(ONE, "a", NS))["spec"] == {"zone": "here"}
        assert (await api.client.list(ONE, NS))["items"][0]["spec"] == {"zone": "here"}

    run_hook(body, webhook=False)


def test_a_webhook_configuration_that_cannot_work_is_refused(run_api):
    async def body(api):
        for spoilt, where in (
            ({"strategy": "Webhook"}, "spec.conversion.webhookClientConfig"),
            (
                {
                    "strategy": "Webhook",
                    "webhook": {"clientConfig": {"url": "http://x/y"}, "conversionReviewVersions": ["v1"]},
                },
                "spec.conversion.webhookClientConfig.url",
            ),
            (
                {
                    "strategy": "Webhook",
                    "webhook": {"clientConfig": {"url": "https://x/y"}, "conversionReviewVersions": ["v7"]},
                },
                "spec.conversion.conversionReviewVersions",
            ),
        ):
            crd = definition()
            crd["spec"]["conversion"] = spoilt
            with pytest.raises(Invalid) as caught:
                await api.client.create(CRDS, crd)
            assert where in {cause.field for cause in caught.value.causes}

    run_api(body)


def test_an_open_watch_ends_when_its_definition_changes_and_loses_nothing(run_hook):
    async def body(api, hook):
        made = await api.client.create(ONE, endpoint())
        start = made["metadata"]["resourceVersion"]
        path = "/apis/hosts.example.com/v1/endpoints"
        query = {"watch": "1", "timeoutSeconds": "60", "resourceVersion": start}
        watching = asyncio.create_task(api.send("GET", path, query=query))
        await asyncio.sleep(0.1)
        crd = await api.client.get(CRDS, "endpoints.hosts.example.com")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        schema["properties"]["zone"] = {"type": "string", "default": "here"}
        await api.client.update(CRDS, crd)
        await api.client.patch(ONE, "a", {"spec": {"hostPort": "b:1"}}, NS)
        assert (await asyncio.wait_for(watching, 5)).body == b""
        (line,) = (await api.send("GET", path, query={**query, "timeoutSeconds": "1"})).body.splitlines()
        assert orjson.loads(line)["object"]["spec"] == {"hostPort": "b:1", "zone": "here"}

    run_hook(body, webhook=False)
