"""Validating and mutating admission policies over the whole API."""

from __future__ import annotations

import pytest
from open_guard import open_guard

from apiserver.admission.chain import Outside, admission_chain
from apiserver.auth.seams import Decision
from apiserver.composition import kind_in, other_versions, params_in, resource_in
from machinery.errors import ApiError, Forbidden, Invalid
from machinery.gvk import CONFIGMAPS, DEPLOYMENTS, GVR, NAMESPACES, PODS, SERVICEACCOUNTS

NS = "default"
GROUP = "admissionregistration.k8s.io"
VALIDATING = GVR(GROUP, "v1", "validatingadmissionpolicies", namespaced=False)
VALIDATING_BINDINGS = GVR(GROUP, "v1", "validatingadmissionpolicybindings", namespaced=False)
MUTATING = GVR(GROUP, "v1", "mutatingadmissionpolicies", namespaced=False)
MUTATING_BINDINGS = GVR(GROUP, "v1", "mutatingadmissionpolicybindings", namespaced=False)


class OnlyGets:
    def authorize(self, attributes):
        return Decision(attributes.verb == "get", "because")


@pytest.fixture
def run_policies(run_api):
    def run(body):
        def guard(engine):
            def find(group, plural):
                served = engine.catalog.find(group, plural)
                return served.store if served else None

            outside = Outside(
                engine.clock,
                engine.rng,
                authorizer=OnlyGets(),
                others=other_versions(engine.catalog),
                params=params_in(engine.catalog),
                find=resource_in(engine.catalog),
                find_kind=kind_in(engine.catalog),
            )
            return open_guard(engine, admission_chain(find, outside))

        async def whole(api):
            await api.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": NS}})
            await body(api)

        run_api(whole, guard=guard)

    return run


def about(*resources, group="", version="v1", **more):
    rule = {"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE", "UPDATE"]}
    return {"resourceRules": [{**rule, "resources": list(resources)}], **more}


def policy(name, match, **spec):
    return {"metadata": {"name": name}, "spec": {"matchConstraints": match, **spec}}


def binding(name, of, **spec):
    return {"metadata": {"name": name}, "spec": {"policyName": of, **spec}}


async def validate(api, match, *validations, name="p", actions=("Deny",), bound=None, **spec):
    """Puts a validating policy into force."""
    await api.client.create(VALIDATING, policy(name, match, validations=list(validations), **spec))
    bound = {"validationActions": list(actions), **(bound or {})}
    await api.client.create(VALIDATING_BINDINGS, binding(f"{name}-binding", name, **bound))


async def mutate(api, match, *mutations, name="m", bound=None, **spec):
    wire = [
        {"patchType": "JSONPatch", "jsonPatch": {"expression": text}}
        if text.lstrip().startswith("[")
        else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": text}}
        for text in mutations
    ]
    await api.client.create(MUTATING, policy(name, match, mutations=wire, **spec))
    await api.client.create(MUTATING_BINDINGS, binding(f"{name}-binding", name, **(bound or {})))


def config(name="c", namespace=NS, labels=None, **data):
    metadata = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return {"metadata": metadata, "data": data}


def deployment(replicas, name="web"):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"metadata": {"name": name, "namespace": NS}, "spec": spec}


def test_deployment_is_judged_by_its_replicas(run_policies):
    async def body(api):
        await validate(
            api,
            about("deployments", group="apps"),
            {
                "expression": "variables.replicas <= variables.most",
                "messageExpression": "'at most %d, got %d'.format([variables.most, variables.replicas])",
            },
            variables=[
                {"name": "most", "expression": "5"},
                {"name": "replicas", "expression": "object.spec.replicas"},
            ],
        )
        await api.client.create(DEPLOYMENTS, deployment(5))
        with pytest.raises(Invalid) as caught:
            await api.client.create(DEPLOYMENTS, deployment(6, "big"))
        said = "ValidatingAdmissionPolicy 'p' with binding 'p-binding' denied request: at most 5, got 6"
        assert caught.value.message == f'deployments.apps "big" is forbidden: {said}'
        assert [cause.message for cause in caught.value.causes] == [said]
        with pytest.raises(Invalid):
            await api.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 7}}, NS)
        await api.client.delete(VALIDATING_BINDINGS, "p-binding")
        await api.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 7}}, NS)

    run_policies(body)


def test_refusal_says_the_message_or_else_the_expression(run_policies):
    async def body(api):
        await validate(
            api,
            about("configmaps"),
            {"expression": "object.metadata.name != 'a'", "message": "not a", "reason": "Forbidden"},
            {"expression": " object.metadata.name != 'b' ", "messageExpression": "'two\\nlines'"},
            {
                "expression": "object.metadata.name != 'd'",
                "messageExpression": "object.none",
                "message": "no d",
            },
        )
        for name, error, message in (
            ("a", Forbidden, "not a"),
            ("b", Invalid, "failed expression: object.metadata.name != 'b'"),
            ("d", Invalid, "no d"),
        ):
            with pytest.raises(error, match=message):
                await api.client.create(CONFIGMAPS, config(name))
        await api.client.create(CONFIGMAPS, config("e"))

    run_policies(body)


def test_binding_may_only_warn(run_policies):
    async def body(api):
        await validate(
            api, about("configmaps"), {"expression": "false", "message": "hm"}, actions=["Warn", "Audit"]
        )
        response = await api.send("POST", f"/api/v1/namespaces/{NS}/configmaps", config())
        assert response.status == 201
        assert any("'p' with binding 'p-binding': hm" in each for each in response.warnings)

    run_policies(body)


def test_error_in_an_expression_fails_as_the_policy_says(run_policies):
    async def body(api):
        await validate(api, about("configmaps"), {"expression": "object.spec.none == 1"}, actions=["Warn"])
        with pytest.raises(
            Invalid, match=r"expression 'object.spec.none == 1' resulted in error: no such key: spec"
        ):
            await api.client.create(CONFIGMAPS, config())
        await api.client.patch(VALIDATING, "p", {"spec": {"failurePolicy": "Ignore"}})
        await api.client.create(CONFIGMAPS, config())

    run_policies(body)


def test_conditions_and_selectors_leave_requests_out(run_policies):
    async def body(api):
        await api.client.create(NAMESPACES, {"metadata": {"name": "lax", "labels": {"lax": "yes"}}})
        strict = {"matchExpressions": [{"key": "lax", "operator": "DoesNotExist"}]}
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
        await validate(
            api,
            about(
                "*", namespaceSelector=strict, excludeResourceRules=[{**rule, "resourceNames": ["excluded"]}]
            ),
            {"expression": "false"},
            matchConditions=[{"name": "not-me", "expression": "object.metadata.name != 'spared'"}],
            bound={"matchResources": {"objectSelector": {"matchLabels": {"judge": "yes"}}}},
        )
        labels = {"judge": "yes"}
        for made in (
            config("a"),
            config("a", "lax", labels),
            config("excluded", labels=labels),
            config("spared", labels=labels),
        ):
            await api.client.create(CONFIGMAPS, made)
        with pytest.raises(Invalid):
            await api.client.create(CONFIGMAPS, config("judged", labels=labels))

    run_policies(body)


def test_parameters_come_from_any_kind(run_policies):
    async def body(api):
        await validate(
            api,
            about("deployments", group="apps"),
            {"expression": "object.spec.replicas <= int(params.data.most)"},
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={"paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}},
        )
        with pytest.raises(Invalid, match="failed to configure binding: no params found for policy binding"):
            await api.client.create(DEPLOYMENTS, deployment(1))
        await api.client.create(CONFIGMAPS, config("limits", most="2"))
        await api.client.create(DEPLOYMENTS, deployment(2))
        with pytest.raises(Invalid, match="failed expression"):
            await api.client.create(DEPLOYMENTS, deployment(3, "big"))

    run_policies(body)


def test_every_selected_parameter_is_judged_by(run_policies):
    async def body(api):
        ref = {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}
        await validate(
            api,
            about("deployments", group="apps"),
            {"expression": "object.spec.replicas <= int(params.data.most)"},
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={"paramRef": ref},
        )
        await api.client.create(DEPLOYMENTS, deployment(9, "none-yet"))
        for name, most in (("a", "9"), ("b", "3")):
            await api.client.create(CONFIGMAPS, config(name, labels={"limit": "yes"}, most=most))
        with pytest.raises(Invalid):
            await api.client.create(DEPLOYMENTS, deployment(9))

    run_policies(body)


def test_authorizer_may_be_asked(run_policies):
    async def body(api):
        await validate(
            api,
            about("configmaps"),
            {
                "expression": "authorizer.group('apps').resource('deployments').namespace('a').check('get').allowed()"
                " && !authorizer.path('/x').check('post').allowed()"
                " && authorizer.requestResource.check('get').allowed()"
                " && authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').reason() == 'because'"
            },
        )
        await api.client.create(CONFIGMAPS, config())

    run_policies(body)


def test_policies_do_not_judge_policies(run_policies):
    async def body(api):
        match = {
            "resourceRules": [
                {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
            ]
        }
        await validate(api, match, {"expression": "false"})
        await api.client.delete(VALIDATING_BINDINGS, "p-binding")
        await api.client.delete(VALIDATING, "p")

    run_policies(body)


def test_mutating_policy_merges_and_patches(run_policies):
    async def body(api):
        await mutate(
            api,
            about("pods"),
            "Object{metadata: Object.metadata{labels: {'team': variables.team}}, spec: Object.spec{"
            "initContainers: [Object.spec.initContainers{name: 'mesh', image: 'mesh:1', restartPolicy: 'Always'}],"
            "containers: [Object.spec.containers{name: 'c', env: [Object.spec.containers.env{name: 'A', value: 'x'}]}]}}",
            "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/p'), value: 'y'},"
            " JSONPatch{op: 'add', path: '/spec/hostAliases', value: [Object.spec.hostAliases{ip: '1.2.3.4', hostnames: ['h']}]}]",
            variables=[{"name": "team", "expression": "object.metadata.namespace + '-team'"}],
        )
        pod = {"metadata": {"name": "p", "namespace": NS}}
        pod["spec"] = {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}
        made = await api.client.create(PODS, pod)
        assert made["metadata"]["labels"] == {"team": "default-team", "example.com/p": "y"}
        spec = made["spec"]
        assert [each["name"] for each in spec["initContainers"]] == ["mesh"]
        assert [each["name"] for each in spec["containers"]] == ["c", "d"]
        assert spec["containers"][0]["env"] == [{"name": "A", "value": "x"}]
        assert spec["containers"][0]["image"] == "i"
        assert spec["hostAliases"] == [{"ip": "1.2.3.4", "hostnames": ["h"]}]
        assert spec["initContainers"][0]["volumeMounts"]  # ServiceAccount saw it too

    run_policies(body)


def test_mutation_that_cannot_be_done_fails_as_the_policy_says(run_policies):
    async def body(api):
        await mutate(api, about("configmaps"), "[JSONPatch{op: 'remove', path: '/data/none'}]")
        with pytest.raises(Invalid, match="policy 'm' with binding 'm-binding' denied request: JSON Patch"):
            await api.client.create(CONFIGMAPS, config())
        await api.client.patch(MUTATING, "m", {"spec": {"failurePolicy": "Ignore"}})
        await api.client.create(CONFIGMAPS, config())

    run_policies(body)


def test_applied_configuration_may_not_replace_atomic_parts(run_policies):
    async def body(api):
        text = "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'x': 'y'}}}}"
        await mutate(api, about("deployments", group="apps"), text)
        with pytest.raises(ApiError, match=r"may not mutate atomic arrays, maps or structs: .spec.selector"):
            await api.client.create(DEPLOYMENTS, deployment(1))

    run_policies(body)


def test_policy_that_wants_to_sees_what_later_ones_did(run_policies):
    async def body(api):
        count = "Object{data: {'saw': string(size(object.data))}}"
        await mutate(api, about("configmaps"), count, name="a", reinvocationPolicy="IfNeeded")
        await mutate(api, about("configmaps"), "Object{data: {'late': 'x'}}", name="b")
        made = await api.client.create(CONFIGMAPS, config(own="1"))
        assert made["data"] == {"own": "1", "late": "x", "saw": "3"}

    run_policies(body)


def test_mutating_policy_uses_parameters_one_after_the_other(run_policies):
    async def body(api):
        for name in ("a", "b"):
            await api.client.create(CONFIGMAPS, config(name, labels={"param": "yes"}, key=name))
        await mutate(
            api,
            about("configmaps"),
            "Object{data: {params.data.key: 'set'}}",
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            bound={
                "paramRef": {"selector": {"matchLabels": {"param": "yes"}}, "parameterNotFoundAction": "Deny"}
            },
        )
        made = await api.client.create(CONFIGMAPS, config("c", own="1"))
        assert made["data"] == {"own": "1", "a": "set", "b": "set"}

    run_policies(body)


@pytest.mark.parametrize(
    ("gvr", "spec", "place", "message"),
    [
        (
            VALIDATING,
            {"validations": [{"expression": "object."}]},
            "spec.validations[0].expression",
            "compilation failed",
        ),
        (
            VALIDATING,
            {"validations": [{"expression": "'x'"}]},
            "spec.validations[0].expression",
            "must evaluate to bool",
        ),
        (
            VALIDATING,
            {"validations": [{"expression": "true", "messageExpression": "1"}]},
            "spec.validations[0].messageExpression",
            "must evaluate to string",
        ),
        (
            VALIDATING,
            {
                "validations": [{"expression": "true"}],
                "matchConditions": [{"name": "n", "expression": "nope"}],
            },
            "spec.matchConditions[0].expression",
            "undeclared reference to 'nope'",
        ),
        (
            MUTATING,
            {
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: }]"}}],
                "reinvocationPolicy": "Never",
            },
            "spec.mutations[0].jsonPatch.expression",
            "compilation failed",
        ),
    ],
)
def test_expression_that_does_not_compile_is_refused_when_written(run_policies, gvr, spec, place, message):
    async def body(api):
        with pytest.raises(Invalid) as caught:
            await api.client.create(gvr, policy("p", about("configmaps"), **spec))
        (cause,) = caught.value.causes
        assert cause.field == place and message in cause.message

    run_policies(body)


def test_types_of_expressions_are_checked_and_told_in_the_status(run_policies):
    async def body(api):
        match = about("deployments", group="apps")
        right = [{"expression": "object.spec.replicas > 1"}]
        made = await api.client.create(VALIDATING, policy("right", match, validations=right))
        assert made["status"] == {"observedGeneration": 1, "typeChecking": {}}
        confused = [
            {
                "expression": "object.spec.replicas > '1'",
                "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
            }
        ]
        made = await api.client.create(VALIDATING, policy("confused", match, validations=confused))
        first, second = made["status"]["typeChecking"]["expressionWarnings"]
        assert first["fieldRef"] == "spec.validations[0].expression"
        assert "found no matching overload for '_>_' applied to '(int, string)'" in first["warning"]
        assert first["warning"].startswith("apps/v1, Kind=Deployment: ERROR: <input>:1:22: ")
        assert second["fieldRef"] == "spec.validations[0].messageExpression"
        assert "found no matching overload for '_+_' applied to '(string, int)'" in second["warning"]
        made["spec"]["validations"] = right
        fixed = await api.client.update(VALIDATING, made)
        assert fixed["status"] == {"observedGeneration": 2, "typeChecking": {}}

    run_policies(body)
