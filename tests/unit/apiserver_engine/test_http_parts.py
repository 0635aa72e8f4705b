"""Small pure parts of the HTTP layer: negotiation, versions' order, statuses of definitions, proxy targets."""

from __future__ import annotations

import random

import pytest

from apiserver.engine.catalog import version_priority
from apiserver.engine.crd_status import plan_status
from apiserver.engine.decode import parse_json
from apiserver.engine.scale import selector_text
from apiserver.http.audit_policy import is_worth
from apiserver.http.discovery import aggregated_version
from apiserver.http.negotiation import accepted, body_type
from apiserver.http.proxy import Target, plan_pod, plan_service, split_name
from apiserver.http.reply import warning_headers
from apiserver.http.request_info import RequestInfo
from machinery.errors import BadRequest, NotAcceptable, ServiceUnavailable, UnsupportedMediaType

KUBECTL = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


@pytest.mark.parametrize(
    ("accept", "shape"),
    [
        ("", "object"),
        ("*/*", "object"),
        ("application/json", "object"),
        ("application/vnd.kubernetes.protobuf,application/json", "object"),
        (KUBECTL, "Table"),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "PartialObjectMetadataList"),
        ("application/json;as=Unknown;g=x;v=v1,application/json", "object"),
        ("application/cbor;q=0.5,application/json;q=0.1", "object"),
    ],
)
def test_accepted_shapes(accept, shape):
    assert accepted(accept).shape == shape


@pytest.mark.parametrize(
    "accept", ["text/html", "application/vnd.kubernetes.protobuf", "application/json;q=0"]
)
def test_nothing_acceptable(accept):
    with pytest.raises(NotAcceptable):
        accepted(accept)


def test_body_types():
    assert body_type("") == "json"
    assert body_type("application/json; charset=utf-8") == "json"
    for other in ("application/cbor", "application/apply-patch+yaml", "/"):
        with pytest.raises(UnsupportedMediaType):
            body_type(other)


def test_discovery_prefers_what_the_client_lists_first():
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert aggregated_version(f"{aggregated},application/json") == "v2"
    assert aggregated_version(f"application/json,{aggregated}") == ""
    assert aggregated_version(aggregated.replace("v=v2", "v=v9") + ",application/json") == ""
    with pytest.raises(NotAcceptable):
        aggregated_version("text/html")


def test_versions_sort_as_kubernetes_says():
    versions = ["v10beta3", "foo1", "v1", "v12alpha1", "v2", "v11alpha2", "v3beta1", "v10", "v11beta2"]
    order = sorted(versions, key=version_priority, reverse=True)
    assert order == ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1"]


def test_duplicate_fields_are_named_by_their_path():
    raw = b'{"a": {"b": 1, "c": [{"d": 1, "d": 2}], "b": 3}, "t": "x\\": y"}'
    assert sorted(parse_json(raw).duplicates) == ["a.b", "a.c[0].d"]
    assert parse_json(b'{"a":"\\":\\":"}').duplicates == []
    with pytest.raises(BadRequest, match="nested deeper"):
        parse_json(b"[" * 300 + b"]" * 300)


def test_selector_text():
    selector = {
        "matchLabels": {"b": "1", "a": "2"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["y", "x"]},
            {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    assert selector_text(selector) == "a=2,b=1,c in (x,y),!d"
    assert selector_text({"app": "web"}) == "app=web"


def test_warnings_fit_into_a_header():
    (first,) = warning_headers(['say "x"\n', 'say "x"\n'])
    assert first == (b"warning", b'299 - "say \\"x\\" "')


def test_audit_keeps_changes_refusals_and_secrets():
    def asked(verb, resource):
        return RequestInfo(True, verb, "/", "", "v1", resource)

    assert is_worth(asked("create", "pods"), 201) and is_worth(asked("list", "secrets"), 200)
    assert is_worth(asked("get", "pods"), 403)
    assert not is_worth(asked("get", "pods"), 200) and not is_worth(asked("update", "leases"), 200)


def crd(name, **names):
    return {
        "metadata": {"name": name},
        "spec": {"group": "g", "names": names, "versions": [{"name": "v1", "storage": True}]},
    }


def test_names_taken_by_a_neighbour_are_not_accepted():
    first = crd("as.g", plural="as", singular="a", kind="A", shortNames=["x"])
    first["status"] = plan_status(first, [], "t")
    second = crd("bs.g", plural="bs", singular="b", kind="B", shortNames=["x"])
    status = plan_status(second, [first], "t")
    conditions = {c["type"]: c for c in status["conditions"]}
    assert conditions["NamesAccepted"]["reason"] == "ShortNamesConflict"
    assert conditions["Established"]["status"] == "False"
    second["status"] = status
    again = plan_status(second, [], "u")
    conditions = {c["type"]: c for c in again["conditions"]}
    assert conditions["Established"]["status"] == "True"
    assert conditions["NamesAccepted"]["lastTransitionTime"] == "u"


def test_proxy_names_and_targets():
    assert split_name("web") == (False, "web", "")
    assert split_name("https:web:443") == (True, "web", "443")
    with pytest.raises(BadRequest):
        split_name("a:b:c:d")
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 8080, "name": "http"}]}]},
        "status": {"podIP": "10.1.1.1"},
    }
    assert plan_pod(pod, "", False) == Target("10.1.1.1", 8080, False)
    assert plan_pod(pod, "http", False).port == 8080 and plan_pod(pod, "81", False).port == 81
    with pytest.raises(BadRequest, match="address not allowed"):
        plan_pod({**pod, "status": {}}, "", False)
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    slices = [
        {
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.1.1.2"], "conditions": {"ready": False}},
                {"addresses": ["10.1.1.3"], "conditions": {"ready": True}},
            ],
        }
    ]
    assert plan_service(service, slices, "http", False, random.Random(1)) == Target("10.1.1.3", 8080, False)
    assert plan_service(service, slices, "80", False, random.Random(1)).host == "10.1.1.3"
    with pytest.raises(ServiceUnavailable, match="no endpoints"):
        plan_service(service, [], "80", False, random.Random(1))
