"""Kinds that steer the server itself: certificates, admission, aggregation, flow control; and devices."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from api import registry
from api.unserved import UNSERVED, notices
from machinery.objects import deep_copy

RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
HOOK = {
    "name": "a.b.c",
    "clientConfig": {"url": "https://example.com/x"},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}


def test_every_unserved_kind_is_a_kind() -> None:
    known = {f"{r.gvr.group}/{r.kind}" if r.gvr.group else r.kind for r in registry.load()}
    assert known >= UNSERVED


@pytest.mark.parametrize(
    ("version", "kind", "plural"),
    [
        ("networking.k8s.io/v1", "NetworkPolicy", "NetworkPolicies"),
        ("networking.k8s.io/v1", "Ingress", "Ingresses"),
        ("v1", "Endpoints", "Endpoints"),
    ],
)
def test_notice_names_the_kind_as_people_do(version: str, kind: str, plural: str) -> None:
    obj = {"apiVersion": version, "kind": kind}
    said = f"no controller acts on {plural} in this cluster yet: the object is stored, nothing happens"
    key = f"{version.rpartition('/')[0]}/{kind}".removeprefix("/")
    assert notices(obj) == ((said,) if key in UNSERVED else ())
    assert notices({"apiVersion": "example.com/v1", "kind": kind}) == ()


# --- certificates -------------------------------------------------------------------------------------------


def pem(common_name: str = "jane") -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def csr(kinds, **spec: Any) -> dict[str, Any]:
    whole = {"request": pem(), "signerName": "example.com/s", "usages": ["client auth"], **spec}
    return kinds.made("CertificateSigningRequest", spec=whole)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"request": "eA=="}, ("Invalid", "spec.request")),
        ({"request": "?"}, ("Invalid", "spec.request")),
        ({"usages": []}, ("Required", "spec.usages")),
        ({"usages": ["fun"]}, ("NotSupported", "spec.usages[0]")),
        ({"usages": ["any", "any"]}, ("Duplicate", "spec.usages[1]")),
        ({"signerName": "me"}, ("Invalid", "spec.signerName")),
        ({"signerName": "kubernetes.io/legacy-unknown"}, ("Invalid", "spec.signerName")),
        ({"expirationSeconds": 10}, ("Invalid", "spec.expirationSeconds")),
    ],
)
def test_wrong_certificate_request_names_the_field(
    kinds, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert kinds.problems(csr(kinds, **spec)) == [expected]


def test_certificate_request_shows_how_it_stands(kinds) -> None:
    obj = csr(kinds, expirationSeconds=3600)
    assert kinds.problems(obj) == []
    assert (kinds.row(obj)["Condition"], kinds.row(obj)["RequestedDuration"]) == ("Pending", "60m")
    obj["status"] = {"conditions": [{"type": "Approved", "status": "True"}], "certificate": "eA=="}
    assert kinds.row(obj)["Condition"] == "Approved,Issued"


def test_signer_may_not_approve_and_approver_may_not_sign(kinds) -> None:
    resource = kinds.resource("CertificateSigningRequest")
    old = csr(kinds)
    new = deep_copy(old)
    new["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    found = resource.strategy.validate_status_update(new, old)
    assert [c.message for c in found] == ['Forbidden: updates may not add a condition of type "Approved"']
    approval = resource.subresources["approval"].strategy
    assert approval is not None
    assert approval.validate_update(new, old) == []
    new["status"]["certificate"] = "eA=="
    approval.prepare_update(new, old)
    assert "certificate" not in new["status"]


# --- admission ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ({"name": "short"}, ("Invalid", "name")),
        ({"clientConfig": {}}, ("Required", "clientConfig")),
        ({"clientConfig": {"url": "http://x"}}, ("Invalid", "clientConfig.url")),
        ({"clientConfig": {"url": "https://x/?a"}}, ("Invalid", "clientConfig.url")),
        ({"clientConfig": {"service": {"name": "x"}}}, ("Required", "clientConfig.service.name")),
        (
            {"clientConfig": {"service": {"name": "x", "namespace": "y", "path": "z"}}},
            ("Invalid", "clientConfig.service.path"),
        ),
        ({"sideEffects": "Some"}, ("NotSupported", "sideEffects")),
        ({"sideEffects": None}, ("Required", "sideEffects")),
        ({"timeoutSeconds": 31}, ("Invalid", "timeoutSeconds")),
        ({"admissionReviewVersions": []}, ("Required", "admissionReviewVersions")),
        ({"admissionReviewVersions": ["v9"]}, ("Invalid", "admissionReviewVersions")),
        ({"rules": [{**RULE, "operations": ["*", "CREATE"]}]}, ("Invalid", "rules[0].operations")),
        ({"rules": [{**RULE, "resources": ["*", "pods"]}]}, ("Invalid", "rules[0].resources")),
        ({"rules": [{**RULE, "scope": "World"}]}, ("NotSupported", "rules[0].scope")),
        ({"matchConditions": [{"name": "a"}]}, ("Required", "matchConditions[0].expression")),
        ({"failurePolicy": "Cry"}, ("NotSupported", "failurePolicy")),
    ],
)
@pytest.mark.parametrize("kind", ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
def test_wrong_webhook_names_the_field(
    kinds, kind: str, hook: dict[str, Any], expected: tuple[str, str]
) -> None:
    obj = kinds.made(kind, webhooks=[{k: v for k, v in {**HOOK, **hook}.items() if v is not None}])
    assert (expected[0], f"webhooks[0].{expected[1]}") in kinds.problems(obj)


def test_webhook_gets_upstreams_defaults(kinds) -> None:
    service = {"service": {"name": "x", "namespace": "y"}}
    obj = kinds.made("MutatingWebhookConfiguration", webhooks=[{**HOOK, "clientConfig": service}])
    hook = obj["webhooks"][0]
    assert {k: v for k, v in hook.items() if k not in HOOK} == {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
        "timeoutSeconds": 10,
    }
    assert (hook["clientConfig"]["service"]["port"], hook["rules"][0]["scope"]) == (443, "*")
    assert kinds.problems(obj) == []
    assert kinds.row(obj)["Webhooks"] == 1


def policy(**spec: Any) -> dict[str, Any]:
    whole = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}
    return {k: v for k, v in whole.items() if v is not None}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (policy(matchConstraints=None), ("Required", "spec.matchConstraints")),
        (policy(matchConstraints={}), ("Required", "spec.matchConstraints.resourceRules")),
        (policy(validations=[]), ("Required", "spec.validations")),
        (policy(validations=[{"expression": " "}]), ("Required", "spec.validations[0].expression")),
        (
            policy(validations=[{"expression": "a", "reason": "Mood"}]),
            ("NotSupported", "spec.validations[0].reason"),
        ),
        (policy(failurePolicy="Cry"), ("NotSupported", "spec.failurePolicy")),
        (policy(paramKind={"apiVersion": "v1"}), ("Required", "spec.paramKind.kind")),
        (policy(variables=[{"name": "1a", "expression": "1"}]), ("Invalid", "spec.variables[0].name")),
        (policy(auditAnnotations=[{"key": "k"}]), ("Required", "spec.auditAnnotations[0].valueExpression")),
    ],
)
def test_wrong_validating_policy_names_the_field(
    kinds, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert expected in kinds.problems(kinds.made("ValidatingAdmissionPolicy", spec=spec))


@pytest.mark.parametrize(
    ("mutations", "expected"),
    [
        ([], ("Required", "spec.mutations")),
        ([{"patchType": "Magic"}], ("NotSupported", "spec.mutations[0].patchType")),
        ([{"patchType": "JSONPatch"}], ("Required", "spec.mutations[0].jsonPatch")),
        (
            [{"patchType": "ApplyConfiguration", "applyConfiguration": {}}],
            ("Required", "spec.mutations[0].applyConfiguration.expression"),
        ),
    ],
)
def test_wrong_mutating_policy_names_the_field(
    kinds, mutations: list[Any], expected: tuple[str, str]
) -> None:
    spec = {"matchConstraints": {"resourceRules": [RULE]}, "mutations": mutations}
    assert expected in kinds.problems(kinds.made("MutatingAdmissionPolicy", spec=spec))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"validationActions": ["Deny"]}, ("Required", "spec.policyName")),
        ({"policyName": "p", "validationActions": []}, ("Required", "spec.validationActions")),
        ({"policyName": "p", "validationActions": ["Deny", "Warn"]}, ("Invalid", "spec.validationActions")),
        ({"policyName": "p", "validationActions": ["Shout"]}, ("NotSupported", "spec.validationActions[0]")),
        (
            {"policyName": "p", "validationActions": ["Deny"], "paramRef": {"name": "x"}},
            ("Required", "spec.paramRef.parameterNotFoundAction"),
        ),
    ],
)
def test_wrong_policy_binding_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("ValidatingAdmissionPolicyBinding", spec=spec))


# --- aggregation and flow control ---------------------------------------------------------------------------

SERVICE = {"group": "a.b", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10}


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("other", {}, ("Invalid", "metadata.name")),
        ("v1.a.b", {"versionPriority": 0}, ("Invalid", "spec.versionPriority")),
        ("v1.a.b", {"groupPriorityMinimum": 20001}, ("Invalid", "spec.groupPriorityMinimum")),
        ("v1.a.b", {"caBundle": "eA=="}, ("Invalid", "spec.caBundle")),
        ("v1.a.b", {"service": {"name": "x"}}, ("Required", "spec.service.namespace")),
        (
            "v1.a.b",
            {"service": {"name": "x", "namespace": "y"}, "caBundle": "eA==", "insecureSkipTLSVerify": True},
            ("Invalid", "spec.insecureSkipTLSVerify"),
        ),
    ],
)
def test_wrong_api_service_names_the_field(
    kinds, name: str, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    obj = kinds.made("APIService", name=name, spec={**SERVICE, **spec})
    assert kinds.problems(obj) == [expected]


def schema(**spec: Any) -> dict[str, Any]:
    rule = {
        "subjects": [{"kind": "User", "user": {"name": "jane"}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}],
    }
    return {"priorityLevelConfiguration": {"name": "x"}, "rules": [rule], **spec}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (schema(matchingPrecedence=1), ("Invalid", "spec.matchingPrecedence")),
        (schema(matchingPrecedence=10001), ("Invalid", "spec.matchingPrecedence")),
        (schema(distinguisherMethod={"type": "ByMood"}), ("NotSupported", "spec.distinguisherMethod.type")),
        (schema(priorityLevelConfiguration={}), ("Required", "spec.priorityLevelConfiguration.name")),
        (schema(rules=[{}]), ("Required", "spec.rules[0].subjects")),
        (
            schema(rules=[{"subjects": [{"kind": "User", "group": {"name": "x"}}]}]),
            ("Forbidden", "spec.rules[0].subjects[0].group"),
        ),
        (
            schema(
                rules=[{"subjects": [], "nonResourceRules": [{"verbs": ["fly"], "nonResourceURLs": ["x"]}]}]
            ),
            ("Invalid", "spec.rules[0].nonResourceRules[0].nonResourceURLs[0]"),
        ),
    ],
)
def test_wrong_flow_schema_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("FlowSchema", spec=spec))


def level(**limited: Any) -> dict[str, Any]:
    return {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}, **limited}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "Exempt"}, ("Invalid", "spec.type")),
        ({"type": "Limited"}, ("Required", "spec.limited")),
        (level(lendablePercent=101), ("Invalid", "spec.limited.lendablePercent")),
        (level(limitResponse={"type": "Queue"}), ("Required", "spec.limited.limitResponse.queuing")),
        (
            level(limitResponse={"type": "Queue", "queuing": {"queues": 4, "handSize": 8}}),
            ("Invalid", "spec.limited.limitResponse.queuing.handSize"),
        ),
    ],
)
def test_wrong_priority_level_names_the_field(kinds, spec: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in kinds.problems(kinds.made("PriorityLevelConfiguration", spec=spec))


def test_priority_level_shows_its_queues(kinds) -> None:
    obj = kinds.made("PriorityLevelConfiguration", spec=level(limitResponse={"type": "Queue", "queuing": {}}))
    assert kinds.problems(obj) == []
    cells = kinds.row(obj)
    shown = ("NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit")
    assert [cells[k] for k in shown] == ["30", "64", "8", "50"]


# --- devices ------------------------------------------------------------------------------------------------


def claim(*requests: Any, **devices: Any) -> dict[str, Any]:
    return {"devices": {"requests": list(requests), **devices}}


GPU = {"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (claim({"name": "gpu"}), ("Required", "requests[0]")),
        (claim({"exactly": {"deviceClassName": "a"}}), ("Invalid", "requests[0].name")),
        (claim({"name": "a", "exactly": {}}), ("Required", "requests[0].exactly.deviceClassName")),
        (claim(GPU, GPU), ("Duplicate", "requests[1]")),
        (
            claim({"name": "a", "exactly": {"deviceClassName": "a", "allocationMode": "All", "count": 2}}),
            ("Invalid", "requests[0].exactly.count"),
        ),
        (claim(GPU, constraints=[{}]), ("Required", "constraints[0]")),
        (
            claim(GPU, constraints=[{"matchAttribute": "a.b/c", "requests": ["x"]}]),
            ("Invalid", "constraints[0].requests[0]"),
        ),
        (claim(GPU, config=[{}]), ("Required", "config[0].opaque")),
    ],
)
def test_wrong_claim_of_devices_names_the_field(
    kinds, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    found = kinds.problems(kinds.made("ResourceClaim", spec=spec))
    assert (expected[0], f"spec.devices.{expected[1]}") in found
    found = kinds.problems(kinds.made("ResourceClaimTemplate", spec={"spec": spec}))
    assert (expected[0], f"spec.spec.devices.{expected[1]}") in found


def test_claim_of_devices_is_fixed_and_says_its_state(kinds) -> None:
    old = kinds.made("ResourceClaim", spec=claim(GPU))
    assert old["spec"]["devices"]["requests"][0]["exactly"] == {
        "deviceClassName": "gpu.example.com",
        "allocationMode": "ExactCount",
        "count": 1,
    }
    assert kinds.problems(old) == []
    assert kinds.changed(old, "spec", "devices", "requests", to=[]) == [("Invalid", "spec")]
    assert kinds.row(old)["State"] == "pending"
    new = deep_copy(old)
    user = {"resource": "pods", "name": "p", "uid": "u"}
    new["status"] = {"reservedFor": [user]}
    strategy = kinds.resource("ResourceClaim").strategy
    assert [c.field for c in strategy.validate_status_update(new, old)] == ["status.reservedFor"]
    result = {"request": "gpu", "driver": "a.b", "pool": "n", "device": "gpu-0"}
    new["status"]["allocation"] = {"devices": {"results": [result]}}
    assert strategy.validate_status_update(new, old) == []
    assert kinds.row(new)["State"] == "allocated,reserved"


SLICE = {
    "driver": "a.b",
    "nodeName": "n",
    "pool": {"name": "n", "generation": 1, "resourceSliceCount": 1},
    "devices": [{"name": "d"}],
}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"driver": ""}, ("Required", "spec.driver")),
        ({"nodeName": None}, ("Required", "spec")),
        ({"allNodes": True}, ("Invalid", "spec")),
        ({"pool": {"name": "n", "generation": 1}}, ("Invalid", "spec.pool.resourceSliceCount")),
        ({"devices": [{"name": "d"}, {"name": "d"}]}, ("Duplicate", "spec.devices[1]")),
        ({"devices": [{"name": "D"}]}, ("Invalid", "spec.devices[0].name")),
        (
            {"devices": [{"name": "d", "attributes": {"a": {}}}]},
            ("Invalid", "spec.devices[0].attributes[a]"),
        ),
        (
            {"devices": [{"name": "d", "taints": [{"key": "a", "effect": "Hide"}]}]},
            ("NotSupported", "spec.devices[0].taints[0].effect"),
        ),
    ],
)
def test_wrong_slice_of_devices_names_the_field(
    kinds, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    whole = {k: v for k, v in {**SLICE, **spec}.items() if v is not None}
    assert expected in kinds.problems(kinds.made("ResourceSlice", spec=whole))


def test_slice_of_devices_stays_with_its_node(kinds) -> None:
    old = kinds.made("ResourceSlice", spec=SLICE)
    assert kinds.problems(old) == []
    assert kinds.changed(old, "spec", "nodeName", to="m") == [("Invalid", "spec.nodeName")]
