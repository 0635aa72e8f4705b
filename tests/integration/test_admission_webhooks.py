"""Webhooks over the whole API: what they are told, what their answers do, how they fail."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass, field

import orjson
import pytest
from open_guard import open_guard

from apiserver.admission.chain import Outside, admission_chain
from apiserver.composition import other_versions
from client.transport import Response, TransportError
from machinery.errors import ApiError, BadRequest, Forbidden, InternalError
from machinery.gvk import CONFIGMAPS, CRDS, GVR, NAMESPACES, PODS, SERVICEACCOUNTS, SERVICES

NS = "default"
GROUP = "admissionregistration.k8s.io"
MUTATING = GVR(GROUP, "v1", "mutatingwebhookconfigurations", namespaced=False)
VALIDATING = GVR(GROUP, "v1", "validatingwebhookconfigurations", namespaced=False)
ENDPOINTSLICES = GVR("discovery.k8s.io", "v1", "endpointslices")


@dataclass
class Webhooks:
    """Plays every webhook there is: answers by path, in place of connections."""

    clock: object = None
    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    targets: list = field(default_factory=list)

    def connect(self, target):
        self.targets.append(target)
        return self

    async def request(self, method, path, *, query=(), body=b"", headers=None, timeout_s=None):
        review = orjson.loads(body)
        request = review["request"]
        self.asked.append((path, request))
        answer = self.answers[path](request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return Response(answer, {}, b"")
        response = {"uid": request["uid"], "allowed": True, **answer}
        made = {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}
        return Response(200, {}, orjson.dumps(made))

    async def close(self):
        pass

    def paths(self):
        return [path for path, _ in self.asked]


@pytest.fixture
def run_hooks(run_api):
    def run(body):
        hooks = Webhooks()

        def guard(engine):
            def find(group, plural):
                served = engine.catalog.find(group, plural)
                return served.store if served else None

            outside = Outside(
                engine.clock, engine.rng, others=other_versions(engine.catalog), connect=hooks.connect
            )
            return open_guard(engine, admission_chain(find, outside))

        async def whole(api):
            await api.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": NS}})
            await body(api, hooks)

        run_api(whole, guard=guard)

    return run


def hook(path, *operations, resources=("configmaps",), groups=("",), versions=("v1",), **more):
    rule = {"operations": list(operations or ("CREATE", "UPDATE", "DELETE"))}
    rule |= {"apiGroups": list(groups), "apiVersions": list(versions), "resources": list(resources)}
    return {
        "name": f"{path.strip('/')}.example.com",
        "clientConfig": {"url": f"https://hooks.example.com{path}"},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }


async def register(api, gvr, name, *webhooks):
    return await api.client.create(gvr, {"metadata": {"name": name}, "webhooks": list(webhooks)})


def patching(*operations):
    patch = base64.b64encode(orjson.dumps(list(operations))).decode()
    return {"patchType": "JSONPatch", "patch": patch}


def config(name="c", **data):
    return {"metadata": {"name": name, "namespace": NS}, "data": data}


def test_webhook_is_shown_the_kept_form_and_what_it_adds_is_kept_in_it(run_hooks):
    """A patch counts on `resources`, which is always there; an empty list that it brings is none."""

    async def body(api, hooks):
        await register(api, MUTATING, "m", hook("/change", "CREATE", resources=("pods",)))
        operations = [
            {"op": "add", "path": "/spec/containers/0/resources/limits", "value": {"cpu": "1"}},
            {"op": "add", "path": "/spec/containers/0/args", "value": []},
            {"op": "add", "path": "/spec/hostNetwork", "value": False},
        ]
        hooks.answers["/change"] = lambda request: patching(*operations)
        pod = {
            "metadata": {"name": "p", "namespace": NS},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        }
        made = await api.client.create(PODS, pod)
        (_, request) = hooks.asked[-1]
        assert request["object"]["spec"]["containers"][0]["resources"] == {}
        (container,) = made["spec"]["containers"]
        assert container["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}
        assert "args" not in container and "hostNetwork" not in made["spec"]

    run_hooks(body)


def test_validating_webhook_is_told_everything_and_may_refuse(run_hooks):
    async def body(api, hooks):
        await register(api, VALIDATING, "v", hook("/check"))
        hooks.answers["/check"] = lambda request: {"warnings": ["look out"]}
        await api.client.create(CONFIGMAPS, config(a="1"))
        (_, request) = hooks.asked[-1]
        assert (
            request["kind"] == request["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        )
        assert request["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (request["name"], request["namespace"], request["operation"]) == ("c", NS, "CREATE")
        assert request["userInfo"] == {"username": "admin", "groups": ["system:masters"]}
        assert request["object"]["data"] == {"a": "1"} and request["object"]["kind"] == "ConfigMap"
        assert request["oldObject"] is None and request["dryRun"] is False
        assert request["options"]["kind"] == "CreateOptions"

        await api.client.patch(CONFIGMAPS, "c", {"data": {"a": "2"}}, NS)
        (_, request) = hooks.asked[-1]
        assert request["operation"] == "UPDATE"
        assert (request["oldObject"]["data"], request["object"]["data"]) == ({"a": "1"}, {"a": "2"})

        hooks.answers["/check"] = lambda request: {
            "allowed": False,
            "status": {"code": 403, "reason": "Forbidden", "message": "not like this"},
        }
        with pytest.raises(Forbidden) as caught:
            await api.client.delete(CONFIGMAPS, "c", NS)
        assert (
            caught.value.message == 'admission webhook "check.example.com" denied the request: not like this'
        )
        (_, request) = hooks.asked[-1]
        assert request["operation"] == "DELETE"
        assert request["object"] is None and request["oldObject"]["data"] == {"a": "2"}

        hooks.answers["/check"] = lambda request: {"allowed": False}
        with pytest.raises(BadRequest, match="denied the request without explanation"):
            await api.client.create(CONFIGMAPS, config("d"))

    run_hooks(body)


def test_warnings_of_webhooks_reach_the_client(run_hooks):
    async def body(api, hooks):
        await register(api, VALIDATING, "v", hook("/check"))
        hooks.answers["/check"] = lambda request: {"warnings": ["look out"]}
        response = await api.send("POST", f"/api/v1/namespaces/{NS}/configmaps", config())
        assert response.status == 201 and any("look out" in each for each in response.warnings)

    run_hooks(body)


def test_mutating_webhooks_see_what_others_did(run_hooks):
    async def body(api, hooks):
        await register(api, MUTATING, "a", hook("/one"))
        await register(api, MUTATING, "b", hook("/two"))
        hooks.answers["/one"] = lambda request: patching({"op": "add", "path": "/data/one", "value": "yes"})
        hooks.answers["/two"] = lambda request: patching(
            {"op": "add", "path": "/data/saw", "value": ",".join(sorted(request["object"]["data"]))}
        )
        made = await api.client.create(CONFIGMAPS, config(own="x"))
        assert made["data"] == {"own": "x", "one": "yes", "saw": "one,own"}
        assert hooks.paths() == ["/one", "/two"]

    run_hooks(body)


def test_earlier_webhook_is_asked_again_where_it_wants(run_hooks):
    async def body(api, hooks):
        again = hook("/one", "CREATE", reinvocationPolicy="IfNeeded")
        await register(api, MUTATING, "a", again, hook("/never", "CREATE"))
        await register(api, MUTATING, "b", hook("/two", "CREATE"))
        hooks.answers["/one"] = lambda request: patching(
            {"op": "add", "path": "/data/seen", "value": ",".join(sorted(request["object"]["data"]))}
        )
        hooks.answers["/never"] = lambda request: {}
        hooks.answers["/two"] = lambda request: patching({"op": "add", "path": "/data/two", "value": "x"})
        made = await api.client.create(CONFIGMAPS, config(own="x"))
        assert hooks.paths() == ["/one", "/never", "/two", "/one"]
        assert made["data"]["seen"] == "own,seen,two"

    run_hooks(body)


def test_injected_container_passes_the_other_plugins_too(run_hooks):
    async def body(api, hooks):
        await register(api, MUTATING, "a", hook("/inject", "CREATE", resources=("pods",)))
        sidecar = {"name": "side", "image": "s"}
        hooks.answers["/inject"] = lambda request: patching(
            {"op": "add", "path": "/spec/containers/-", "value": sidecar}
        )
        pod = {
            "metadata": {"name": "p", "namespace": NS},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        made = await api.client.create(PODS, pod)
        main, side = made["spec"]["containers"]
        assert side["volumeMounts"] == main["volumeMounts"]  # the token, from ServiceAccount's second look
        assert side["imagePullPolicy"] == "Always"  # defaulted

    run_hooks(body)


def test_patch_that_breaks_the_object_is_refused(run_hooks):
    async def body(api, hooks):
        await register(api, MUTATING, "a", hook("/bad", "CREATE"))
        hooks.answers["/bad"] = lambda request: patching({"op": "remove", "path": "/data/none"})
        with pytest.raises(InternalError):
            await api.client.create(CONFIGMAPS, config(a="1"))
        hooks.answers["/bad"] = lambda request: patching({"op": "add", "path": "/data", "value": [1]})
        with pytest.raises(InternalError):
            await api.client.create(CONFIGMAPS, config(a="1"))
        hooks.answers["/bad"] = lambda request: {"patch": "x"}
        with pytest.raises(
            InternalError, match=r"webhook returned response.patch but not response.patchType"
        ):
            await api.client.create(CONFIGMAPS, config(a="1"))

    run_hooks(body)


def test_failure_policy_decides_over_a_webhook_that_is_gone(run_hooks):
    async def body(api, hooks):
        await register(api, VALIDATING, "v", hook("/check", "CREATE"))
        for failure in (TransportError("connection refused"), 500):
            hooks.answers["/check"] = lambda request, failure=failure: failure
            with pytest.raises(
                InternalError, match=r'failed calling webhook "check.example.com": failed to call'
            ):
                await api.client.create(CONFIGMAPS, config())
        hooks.answers["/check"] = lambda request: {"uid": "another"}
        with pytest.raises(InternalError, match=r"expected response.uid"):
            await api.client.create(CONFIGMAPS, config())
        await api.client.patch(VALIDATING, "v", {"webhooks": [hook("/check", failurePolicy="Ignore")]})
        hooks.answers["/check"] = lambda request: TransportError("connection refused")
        await api.client.create(CONFIGMAPS, config())

    run_hooks(body)


def test_slow_webhook_is_not_waited_for_longer_than_its_timeout(run_hooks):
    async def body(api, hooks):
        await register(api, VALIDATING, "v", hook("/slow", timeoutSeconds=1))

        async def slow():
            await api.clock.sleep(5)
            return {}

        hooks.answers["/slow"] = lambda request: slow()
        started = api.clock.monotonic()
        with pytest.raises(InternalError, match="context deadline exceeded"):
            await api.client.create(CONFIGMAPS, config())
        assert api.clock.monotonic() - started == 1
        await api.client.patch(VALIDATING, "v", {"webhooks": [hook("/slow", timeoutSeconds=10)]})
        await api.client.create(CONFIGMAPS, config())

    run_hooks(body)


def test_dry_run_asks_only_webhooks_without_effects(run_hooks):
    async def body(api, hooks):
        await register(api, VALIDATING, "v", hook("/check"))
        hooks.answers["/check"] = lambda request: {}
        path = f"/api/v1/namespaces/{NS}/configmaps"
        response = await api.send("POST", path, config(), query={"dryRun": "All"})
        assert response.status == 201 and hooks.asked[-1][1]["dryRun"] is True
        assert hooks.asked[-1][1]["options"]["dryRun"] == ["All"]

    run_hooks(body)


def test_selectors_and_conditions_choose(run_hooks):
    async def body(api, hooks):
        labels = {"metadata": {"name": "watched", "labels": {"watch": "yes"}}}
        await api.client.create(NAMESPACES, labels)
        selective = hook(
            "/check",
            "CREATE",
            namespaceSelector={"matchLabels": {"watch": "yes"}},
            objectSelector={"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            matchConditions=[
                {"name": "named", "expression": "object.metadata.name != 'exempt'"},
                {"name": "who", "expression": "request.userInfo.username == 'admin'"},
            ],
        )
        await register(api, VALIDATING, "v", selective)
        hooks.answers["/check"] = lambda request: {"allowed": False}

        async def is_asked(name, namespace, **labels):
            made = {"metadata": {"name": name, "namespace": namespace, "labels": labels}}
            before = len(hooks.asked)
            with contextlib.suppress(ApiError):
                await api.client.create(CONFIGMAPS, made)
            return len(hooks.asked) > before

        assert not await is_asked("a", NS)
        assert await is_asked("a", "watched")
        assert not await is_asked("b", "watched", skip="x")
        assert not await is_asked("exempt", "watched")

    run_hooks(body)


def test_condition_that_cannot_be_evaluated_fails_as_the_policy_says(run_hooks):
    async def body(api, hooks):
        condition = [{"name": "bad", "expression": "object.nothing.here == 1"}]
        await register(api, VALIDATING, "v", hook("/check", "CREATE", matchConditions=condition))
        with pytest.raises(Forbidden, match="no such key: nothing"):
            await api.client.create(CONFIGMAPS, config())
        ignoring = hook("/check", "CREATE", matchConditions=condition, failurePolicy="Ignore")
        await api.client.patch(VALIDATING, "v", {"webhooks": [ignoring]})
        await api.client.create(CONFIGMAPS, config())
        assert hooks.asked == []

    run_hooks(body)


def test_webhook_configurations_themselves_are_never_asked_about(run_hooks):
    async def body(api, hooks):
        everything = hook("/all", "*", resources=("*/*",), groups=("*",), versions=("*",))
        await register(api, VALIDATING, "v", everything)
        await register(api, MUTATING, "m", {**everything, "reinvocationPolicy": "Never"})
        await api.client.patch(VALIDATING, "v", {"metadata": {"labels": {"a": "b"}}})
        await api.client.delete(MUTATING, "m")
        await api.client.delete(VALIDATING, "v")
        assert hooks.asked == []

    run_hooks(body)


def test_service_is_called_at_an_endpoint_under_its_name(run_hooks):
    async def body(api, hooks):
        reference = {"namespace": NS, "name": "hooks", "path": "/check", "port": 8443}
        await register(api, VALIDATING, "v", hook("/x", "CREATE", clientConfig={"service": reference}))
        with pytest.raises(InternalError, match='service "hooks" not found'):
            await api.client.create(CONFIGMAPS, config())
        ports = [{"name": "https", "port": 8443, "targetPort": 9443}]
        await api.client.create(
            SERVICES, {"metadata": {"name": "hooks", "namespace": NS}, "spec": {"ports": ports}}
        )
        with pytest.raises(InternalError, match='no endpoints available for service "hooks"'):
            await api.client.create(CONFIGMAPS, config())
        slice_ = {
            "metadata": {"name": "s", "namespace": NS, "labels": {"kubernetes.io/service-name": "hooks"}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": False}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": True}},
            ],
            "ports": [{"name": "https", "port": 9443}],
        }
        await api.client.create(ENDPOINTSLICES, slice_)
        hooks.answers["/check"] = lambda request: {}
        await api.client.create(CONFIGMAPS, config())
        (target,) = hooks.targets
        assert (target.server, target.hostname) == ("https://10.0.0.2:9443", f"hooks.{NS}.svc")

    run_hooks(body)


def test_custom_resource_is_shown_in_the_version_of_the_rule_and_pruned(run_hooks):
    async def body(api, hooks):
        schema = {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {"data": {"type": "object", "properties": {"a": {"type": "string"}}}},
            }
        }
        versions = [
            {"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v2")
        ]
        names = {"plural": "toys", "kind": "Toy"}
        spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
        await api.client.create(CRDS, {"metadata": {"name": "toys.example.com"}, "spec": spec})
        about = {"resources": ("toys",), "groups": ("example.com",), "versions": ("v1",)}
        await register(api, MUTATING, "m", hook("/toy", "CREATE", **about))
        hooks.answers["/toy"] = lambda request: patching(
            {"op": "add", "path": "/data/a", "value": "set"}, {"op": "add", "path": "/data/odd", "value": "x"}
        )
        toy = {"apiVersion": "example.com/v2", "kind": "Toy", "metadata": {"name": "t", "namespace": NS}}
        made = await api.client.create(GVR("example.com", "v2", "toys"), {**toy, "data": {}})
        assert made["data"] == {"a": "set"} and made["apiVersion"] == "example.com/v2"
        (_, request) = hooks.asked[-1]
        assert request["object"]["apiVersion"] == "example.com/v1"
        assert request["resource"]["version"] == "v1" and request["requestResource"]["version"] == "v2"
        exact = hook("/toy", "CREATE", matchPolicy="Exact", **about)
        await api.client.patch(MUTATING, "m", {"webhooks": [exact]})
        toy["metadata"] = {"name": "u", "namespace": NS}
        assert "data" not in await api.client.create(GVR("example.com", "v2", "toys"), toy)

    run_hooks(body)


def test_attaching_binding_and_evicting_are_asked_about_by_their_options(run_hooks):
    async def body(api, hooks):
        about = {"resources": ("pods/attach", "pods/binding", "pods/eviction", "serviceaccounts/token")}
        anything = {**about, "groups": ("*",), "versions": ("*",)}
        await register(
            api, VALIDATING, "v", hook("/check", "CONNECT", "CREATE", "UPDATE", "DELETE", **anything)
        )
        hooks.answers["/check"] = lambda request: {"allowed": False, "status": {"message": "no"}}
        pod = {
            "metadata": {"name": "p", "namespace": NS},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await api.client.create(PODS, pod)
        path = f"/api/v1/namespaces/{NS}/pods/p"
        target = {"kind": "Node", "name": "n1"}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": NS}}
        for method, sub, sent, kind in (
            ("POST", "binding", {"metadata": {"name": "p"}, "target": target}, "Binding"),
            ("POST", "eviction", eviction, "Eviction"),
            ("GET", "attach", None, "PodAttachOptions"),
        ):
            response = await api.send(method, f"{path}/{sub}", sent, query={"stdin": "true"})
            assert response.status == 400 and b"denied the request: no" in response.body
            (_, request) = hooks.asked[-1]
            assert request["operation"] == ("CONNECT" if sub == "attach" else "CREATE")
            assert (request["kind"]["kind"], request["subResource"], request["name"]) == (kind, sub, "p")
        assert hooks.asked[-1][1]["object"]["stdin"] is True

        hooks.answers["/check"] = lambda request: {}
        before = len(hooks.asked)
        await api.send("POST", f"{path}/binding", {"metadata": {"name": "p"}, "target": target})
        assert (await api.client.get(PODS, "p", NS))["spec"]["nodeName"] == "n1"
        await api.send("POST", f"{path}/eviction", eviction)
        assert len(hooks.asked) == before + 2  # once each: the writes they lead to are not asked about

    run_hooks(body)
