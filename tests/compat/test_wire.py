"""What upstream's own clients (client-go) put on the wire and expect back, request by request: negotiation, watches over
websockets, reflectors with streaming lists, leases, events and their series. Upstream's binaries are not at hand to run:
their habits are recorded here.
"""

from __future__ import annotations

import json

import pytest
from websockets.sync.client import connect

PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@pytest.fixture
def maps(wire, namespace) -> str:
    """The path of a namespace's ConfigMaps, of which there are three."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        made = wire.send(
            "POST", path, {"metadata": {"name": name, "labels": {"made": "here"}}, "data": {"k": "v"}}
        )
        assert made.status == 201
    return path


def test_protobuf_is_preferred_by_clients_and_json_is_what_they_get(wire, maps):
    answer = wire.send("GET", maps, accept=f"{PROTOBUF},application/json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json["kind"] == "ConfigMapList"
    assert wire.send("GET", maps, accept=PROTOBUF).status == 406


def test_cbor_is_refused_so_that_clients_fall_back(wire, maps):
    assert wire.send("GET", maps, accept="application/cbor").status == 406
    assert wire.send("GET", maps, accept="application/cbor, application/json").json["kind"] == "ConfigMapList"
    refused = wire.send("POST", maps, b"\xd9\xd9\xf7\xa0", content_type="application/cbor")
    assert (refused.status, refused.json["reason"]) == (415, "UnsupportedMediaType")


def test_table_and_metadata_are_served_where_asked_for(wire, maps):
    table = wire.send("GET", maps, accept=f"{TABLE},application/json").json
    assert (table["kind"], [each["cells"][0] for each in table["rows"]]) == (
        "Table",
        ["a", "b", "kube-root-ca.crt"],
    )
    assert {each["object"]["kind"] for each in table["rows"]} == {"PartialObjectMetadata"}
    assert wire.send("GET", f"{maps}?includeObject=None", accept=TABLE).json["rows"][0]["object"] is None
    partial = wire.send("GET", f"{maps}/a", accept=f"{PARTIAL},application/json").json
    assert (partial["kind"], "data" in partial) == ("PartialObjectMetadata", False)
    listed = wire.send("GET", maps, accept=PARTIAL_LIST).json
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    [event, *_] = wire.watch(f"{maps}?watch=1&timeoutSeconds=1", accept=PARTIAL)
    assert event["object"]["kind"] == "PartialObjectMetadata"
    [event, *_] = wire.watch(f"{maps}?watch=1&timeoutSeconds=1", accept=TABLE)
    assert event["object"]["kind"] == "Table"


def test_large_answers_are_compressed_and_small_ones_are_not(wire, maps):
    big = {"metadata": {"name": "big"}, "data": {"text": "abc" * 100_000}}
    assert wire.send("POST", maps, big).status == 201
    packed = wire.send("GET", f"{maps}/big", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < 10_000
    assert packed.json["data"] == big["data"]
    assert "content-encoding" not in wire.send("GET", f"{maps}/a", accept_encoding="gzip").headers


@pytest.mark.parametrize("subprotocols", [None, ["binary.k8s.io"]])
def test_watch_over_a_websocket_sends_one_event_in_each_frame(wire, maps, subprotocols):
    address = f"wss://{wire.host}:{wire.port}{maps}?watch=1&labelSelector=made%3Dhere"
    with connect(address, ssl=wire.context, subprotocols=subprotocols, compression=None) as socket:
        seen = [json.loads(socket.recv(10)) for _ in range(2)]
        assert [(each["type"], each["object"]["metadata"]["name"]) for each in seen] == [
            ("ADDED", "a"),
            ("ADDED", "b"),
        ]
        wire.send("PATCH", f"{maps}/a", {"data": {"k": "w"}}, content_type="application/merge-patch+json")
        changed = json.loads(socket.recv(10))
        assert (changed["type"], changed["object"]["data"]) == ("MODIFIED", {"k": "w"})
        wire.send("DELETE", f"{maps}/b")
        assert json.loads(socket.recv(10))["type"] == "DELETED"


def test_reflector_starts_with_a_streaming_list_and_goes_on_where_it_ended(wire, maps):
    opening = "allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeoutSeconds=1&watch=true"
    events = list(wire.watch(f"{maps}?{opening}"))
    assert [each["type"] for each in events] == ["ADDED", "ADDED", "ADDED", "BOOKMARK"]
    mark = events[-1]["object"]
    assert (mark["kind"], mark["metadata"]["annotations"]) == (
        "ConfigMap",
        {"k8s.io/initial-events-end": "true"},
    )
    wire.send("DELETE", f"{maps}/a")
    since = mark["metadata"]["resourceVersion"]
    [event, *rest] = wire.watch(
        f"{maps}?allowWatchBookmarks=true&resourceVersion={since}&timeoutSeconds=1&watch=true"
    )
    assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "a")
    assert {each["type"] for each in rest} <= {"BOOKMARK"}


def test_reflector_that_lists_reads_from_the_cache_in_chunks(wire, maps):
    cached = wire.send("GET", f"{maps}?limit=500&resourceVersion=0").json
    assert len(cached["items"]) == 3
    first = wire.send("GET", f"{maps}?limit=2").json
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 1)
    second = wire.send("GET", f"{maps}?limit=2&continue={first['metadata']['continue']}").json
    assert [each["metadata"]["name"] for each in second["items"]] == ["kube-root-ca.crt"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    broken = wire.send("GET", f"{maps}?limit=2&continue=nonsense")
    assert (broken.status, broken.json["reason"]) == (400, "BadRequest")


def test_lease_is_taken_by_one_of_two_who_saw_the_same(wire, namespace):
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    now = "2026-01-01T00:00:00.000000Z"
    lease = {
        "metadata": {"name": "kube-scheduler"},
        "spec": {
            "holderIdentity": "one",
            "leaseDurationSeconds": 15,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        },
    }
    made = wire.send("POST", path, lease).json
    for holder, status in (("two", 200), ("three", 409)):
        made["spec"].update(
            holderIdentity=holder, leaseTransitions=1, renewTime="2026-01-01T00:00:20.000000Z"
        )
        assert wire.send("PUT", f"{path}/kube-scheduler", made).status == status
    assert wire.send("GET", f"{path}/kube-scheduler").json["spec"]["holderIdentity"] == "two"


def test_events_are_counted_by_patch_in_the_old_group_and_in_series_in_the_new(wire, namespace):
    old = f"/api/v1/namespaces/{namespace}/events"
    event = {
        "metadata": {"name": "web.1", "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "web"},
        "reason": "BackOff",
        "message": "again",
        "type": "Warning",
        "count": 1,
        "source": {"component": "kubelet"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    assert wire.send("POST", old, event).status == 201
    again = {"count": 2, "lastTimestamp": "2026-01-01T00:01:00Z"}
    counted = wire.send(
        "PATCH", f"{old}/web.1", again, content_type="application/strategic-merge-patch+json"
    ).json
    assert (counted["count"], counted["lastTimestamp"]) == (2, "2026-01-01T00:01:00Z")

    new = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    noted = {
        "metadata": {"name": "web.2"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "default-scheduler",
        "reportingInstance": "default-scheduler-1",
        "action": "Scheduling",
        "reason": "FailedScheduling",
        "type": "Warning",
        "note": "0/2 nodes are available",
        "regarding": {"kind": "Pod", "namespace": namespace, "name": "web"},
    }
    assert wire.send("POST", new, noted).status == 201
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:02:00.000000Z"}}
    repeated = wire.send(
        "PATCH", f"{new}/web.2", series, content_type="application/strategic-merge-patch+json"
    ).json
    assert repeated["series"]["count"] == 2
    both = wire.send("GET", f"{old}?fieldSelector=involvedObject.name%3Dweb,type%3DWarning").json["items"]
    assert {each["metadata"]["name"] for each in both} == {"web.1", "web.2"}


def test_unknown_paths_and_methods_are_refused_with_a_status(wire, maps):
    for method, path, code in (
        ("GET", "/api/v1/nonsense", 404),
        ("PUT", maps, 405),
        ("POST", f"{maps}/a", 405),
    ):
        answer = wire.send(method, path, {} if method != "GET" else None)
        assert (answer.status, answer.json["kind"]) == (code, "Status"), path
    nobodys = wire.send("GET", "/apis/nobody.example.com/v1/things")
    assert (nobodys.status, nobodys.body) == (404, b"404 page not found\n")
