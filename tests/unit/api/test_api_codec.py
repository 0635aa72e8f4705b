"""The codec: both paths agree, unknown fields are named and dropped, mismatches are told in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from api import registry
from api.codec import TypedCodec
from api.core.v1.pod import Pod
from api.schema import schema_of
from machinery.errors import BadRequest


def codec_of(kind: str) -> Any:
    return next(r for r in registry.load() if r.kind == kind).codec()


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], **spec},
    }


def test_clean_object_is_returned_as_it_is() -> None:
    sent = pod(nodeSelector={"disk": "ssd"}, terminationGracePeriodSeconds=0)
    obj, unknown = codec_of("Pod").decode(sent)
    assert obj == sent
    assert unknown == []


def test_unknown_fields_are_dropped_and_named_with_their_paths() -> None:
    sent = pod(foo=1)
    sent["spec"]["containers"][0]["bar"] = {"deep": True}
    sent["metadata"]["labelz"] = {}
    obj, unknown = codec_of("Pod").decode(sent)
    assert sorted(unknown) == ["metadata.labelz", "spec.containers[0].bar", "spec.foo"]
    assert obj == pod()


def test_nulls_mean_absent() -> None:
    sent = pod(nodeName=None, tolerations=None)
    sent["metadata"]["creationTimestamp"] = None
    sent["metadata"]["labels"] = {"a": None}
    obj, unknown = codec_of("Pod").decode(sent)
    assert unknown == []
    assert obj["spec"] == pod()["spec"]
    assert obj["metadata"] == {"name": "web", "labels": {"a": ""}}


@pytest.mark.parametrize(
    ("amount", "canonical"),
    [("0.1", "100m"), ("1024Mi", "1Gi"), (2, "2"), (0.5, "500m"), ("1000m", "1"), ("1e3", "1e3")],
)
def test_quantities_become_canonical(amount: Any, canonical: str) -> None:
    sent = pod(overhead={"cpu": amount})
    assert codec_of("Pod").decode(sent)[0]["spec"]["overhead"] == {"cpu": canonical}


def test_times_become_utc_in_whole_seconds() -> None:
    sent = pod()
    sent["metadata"]["creationTimestamp"] = "2024-01-01T02:00:00.75+02:00"
    assert codec_of("Pod").decode(sent)[0]["metadata"]["creationTimestamp"] == "2024-01-01T00:00:00Z"


def test_micro_times_keep_six_digits() -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l"},
        "spec": {"renewTime": "2024-01-01T02:00:00.500000+02:00"},
    }
    assert codec_of("Lease").decode(lease)[0]["spec"]["renewTime"] == "2024-01-01T00:00:00.500000Z"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0001-01-01T00:00:02.000001Z", "0001-01-01T00:00:02.000001Z"),
        ("0001-01-01T02:00:00.000000+01:00", "0001-01-01T01:00:00.000000Z"),
        ("0999-12-31T23:59:59.999999Z", "0999-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_far_from_today_keep_their_zeros_and_microseconds(sent: str, kept: str) -> None:
    lease = {"metadata": {"name": "l"}, "spec": {"renewTime": sent}}
    assert codec_of("Lease").decode(lease)[0]["spec"]["renewTime"] == kept


@pytest.mark.parametrize("zero", ["0001-01-01T00:00:00.000000Z", "0001-01-01T01:00:00.000000+01:00"])
def test_the_first_moment_of_the_year_one_is_no_time(zero: str) -> None:
    lease = {"metadata": {"name": "l"}, "spec": {"renewTime": zero, "holderIdentity": "me"}}
    assert codec_of("Lease").decode(lease)[0]["spec"] == {"holderIdentity": "me"}


@pytest.mark.parametrize(
    "sent",
    [
        "0000-01-01T00:00:00Z",
        "\uff12\uff10\uff12\uff14-01-01T00:00:00Z",
        "\u0662\u0660\u0662\u0664-01-01T00:00:00Z",
    ],
)
def test_times_that_no_clock_can_tell_are_refused(sent: str) -> None:
    with pytest.raises(BadRequest):
        codec_of("Event").decode({"metadata": {"name": "e"}, "lastTimestamp": sent})


@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00.000000+00:01", "9999-12-31T23:59:59.000000-00:01"])
def test_times_beyond_the_calendar_are_refused(sent: str) -> None:
    with pytest.raises(BadRequest, match="parsing time"):
        codec_of("Lease").decode({"metadata": {"name": "l"}, "spec": {"renewTime": sent}})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"hostNetwork": "yes"},
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field '
            "PodSpec.spec.hostNetwork of type bool",
        ),
        (
            {"nodeName": 5},
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field '
            "PodSpec.spec.nodeName of type string",
        ),
        (
            {"priority": 2**40},
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number 1099511627776 into Go '
            "struct field PodSpec.spec.priority of type int32",
        ),
        (
            {"containers": {"name": "c"}},
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field '
            "PodSpec.spec.containers of type []v1.Container",
        ),
        (
            {"overhead": {"cpu": "many"}},
            'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression '
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_wrong_type_is_told_as_upstream_does(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        codec_of("Pod").decode(pod(**spec))
    assert refused.value.message == message


def test_several_wrong_types_are_all_named_with_their_places() -> None:
    sent = pod()
    sent["spec"]["containers"][0] |= {"tty": "a", "ports": [{"containerPort": "80"}]}
    with pytest.raises(BadRequest) as refused:
        codec_of("Pod").decode(sent)
    assert [cause.field for cause in refused.value.causes] == [
        "spec.containers[0].tty",
        "spec.containers[0].ports[0].containerPort",
    ]


def test_bytes_that_are_no_base64_are_refused() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "!"}}
    with pytest.raises(BadRequest, match="illegal base64 data"):
        codec_of("Secret").decode(secret)


def test_int_or_string_takes_both() -> None:
    for port in (80, "http"):
        sent = pod()
        sent["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": port}}
        assert codec_of("Pod").decode(sent)[0] == sent


def test_bool_is_no_number() -> None:
    with pytest.raises(BadRequest, match="cannot unmarshal bool"):
        codec_of("Pod").decode(pod(priority=True))


def test_recursive_schema_with_its_odd_types_is_kept() -> None:
    schema = {
        "type": "object",
        "properties": {
            "any": {"x-kubernetes-preserve-unknown-fields": True, "default": {"a": None}},
            "list": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            "yes": {"type": "object", "additionalProperties": True},
        },
    }
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x.y.z"},
        "spec": {
            "group": "y.z",
            "scope": "Namespaced",
            "names": {"plural": "x", "kind": "X"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
    obj, unknown = codec_of("CustomResourceDefinition").decode(crd)
    assert obj == crd
    assert unknown == []


def test_slow_path_agrees_with_fast_path() -> None:
    sent = pod(overhead={"cpu": "0.1"}, volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1024Ki"}}])
    codec = TypedCodec(schema_of(Pod))
    assert codec._decode_slowly(sent) == codec.decode(sent)


@pytest.mark.parametrize("wrong", [{}, [], {"a": 1}, True])
def test_quantity_that_is_no_text_and_no_number_is_refused(wrong: Any) -> None:
    resources = {"limits": {"cpu": wrong}}
    with pytest.raises(BadRequest, match="cannot unmarshal"):
        TypedCodec(schema_of(Pod)).decode({"spec": {"containers": [{"name": "c", "resources": resources}]}})
