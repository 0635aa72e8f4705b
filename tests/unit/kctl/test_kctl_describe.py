"""The layout of descriptions, and the small texts in them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from kctl.describe import containers, generic, parts, role, service, volumes
from kctl.describe.node import pod_amounts
from kctl.describe.page import Page, layout
from kctl.verbs.describe import describe

Obj = dict[str, Any]


def _text(write: Any, *args: Any) -> str:
    out = io.StringIO()
    page = Page(out)
    write(page, *args)
    page.flush()
    return out.getvalue()


def test_columns_are_as_wide_as_their_neighbours_need() -> None:
    lines = [
        line.split("\t")
        for line in ("a:\tb", "long name:\tc", "plain", "x:\ty", "  z:\t1\t2", "  zz:\t333\t4")
    ]
    assert layout(lines) == [
        "a:          b",
        "long name:  c",
        "plain",
        "x:     y",
        "  z:   1    2",
        "  zz:  333  4",
    ]


def test_empty_last_cell_is_padded_as_go_does() -> None:
    assert layout([["a", "b", ""], ["ccc", "d", "e"]]) == ["a    b  ", "ccc  d  e"]


def test_labels_stand_below_each_other_and_none_says_so() -> None:
    assert _text(parts.show_labels, "Labels", {"b": "2", "a": "1"}) == "Labels:  a=1\n         b=2\n"
    assert _text(parts.show_labels, "Labels", None) == "Labels:  <none>\n"


def test_long_annotations_are_broken_and_what_apply_remembers_is_left_out() -> None:
    values = {"a": "x" * 150, "b": "one\ntwo", parts.LAST_APPLIED: "{}"}
    lines = _text(parts.show_annotations, values).splitlines()
    assert lines[0] == "Annotations:  a:"
    assert lines[1].strip() == "x" * 138 + "..."
    assert [line.strip() for line in lines[2:]] == ["b:", "one", "two"]


@pytest.mark.parametrize(
    ("toleration", "text"),
    [
        ({"key": "a", "operator": "Exists", "effect": "NoSchedule"}, "a:NoSchedule op=Exists"),
        ({"key": "a", "value": "b"}, "a=b"),
        ({"operator": "Exists"}, "op=Exists"),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}, "a:NoExecute op=Exists for 300s"),
    ],
)  # fmt: skip
def test_toleration_is_written(toleration: Obj, text: str) -> None:
    assert _text(parts.tolerations, [toleration]) == f"Tolerations:  {text}\n"


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        ({"exec": {"command": ["cat", "/x"]}}, "exec [cat /x] delay=0s timeout=1s period=10s #success=1 #failure=3"),
        ({"httpGet": {"port": 80, "path": "/a", "scheme": "HTTPS", "host": "h"}, "periodSeconds": 1},
         "http-get https://h:80/a delay=0s timeout=1s period=1s #success=1 #failure=3"),
        ({"tcpSocket": {"port": "p"}}, "tcp-socket :p delay=0s timeout=1s period=10s #success=1 #failure=3"),
        ({"grpc": {"port": 5}}, "grpc <pod>:5  delay=0s timeout=1s period=10s #success=1 #failure=3"),
    ],
)  # fmt: skip
def test_probe_is_written(probe: Obj, text: str) -> None:
    assert containers.probe_text(probe) == text


@pytest.mark.parametrize(
    ("volume", "first"),
    [
        ({"name": "v", "emptyDir": {}}, "EmptyDir (a temporary directory that shares a pod's lifetime)"),
        ({"name": "v", "hostPath": {"path": "/x"}}, "HostPath (bare host directory volume)"),
        ({"name": "v", "configMap": {"name": "c"}}, "ConfigMap (a volume populated by a ConfigMap)"),
        ({"name": "v", "csi": {"driver": "d"}}, "csi"),
        ({"name": "v"}, "<unknown>"),
    ],
)
def test_volume_tells_its_kind(volume: Obj, first: str) -> None:
    lines = _text(volumes.volumes, [volume]).splitlines()
    assert lines[:2] == ["Volumes:", "  v:"]
    assert lines[2].split(":", 1)[1].strip() == first


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("creationTimestamp", "Creation Timestamp"), ("podIP", "Pod IP"), ("uid", "UID"), ("apiVersion", "API Version"),
        ("x", "X"), ("a.b", "a.b"), ("HTTPServer", "HTTP Server"), ("v1", "v1"),
    ],
)  # fmt: skip
def test_field_names_are_spelled_out(field: str, words: str) -> None:
    assert generic.spelled_out(field) == words


def test_unknown_kind_is_shown_field_by_field() -> None:
    content = {
        "kind": "W",
        "metadata": {"name": "w", "uid": "1"},
        "spec": {"list": ["a", {"b": 1}], "on": True},
    }
    lines = [f"{'  ' * level}{text}" for level, text in generic.content_lines(content, 0, "")]
    assert lines == [
        "Kind:\tW", "Metadata:", "  UID:\t1", "Spec:", "  List:", "    a", "    B:\t1", "  On:\ttrue",
    ]  # fmt: skip


def test_rules_of_one_resource_are_joined_and_ordered_by_verbs() -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert role.rule_lines(rules) == [
        ("pods", (), (), ["get", "list", "watch"]),
        ("", ("/metrics",), (), ["get"]),
        ("deployments.apps/scale", (), (), ["get"]),
    ]


def test_endpoints_show_three_and_count_the_others() -> None:
    ports = [{"name": "http", "port": 80}]
    endpoints = [{"addresses": [f"10.0.0.{n}"], "conditions": {"ready": n != 2}} for n in range(1, 7)]
    slices = [{"addressType": "IPv4", "ports": ports, "endpoints": endpoints}]
    assert service.endpoints_text(slices, "http") == "10.0.0.1:80,10.0.0.3:80,10.0.0.4:80 + 2 more..."
    assert service.endpoints_text(slices, "other") == ""
    assert service.endpoints_text([], "http") == "<none>"


def test_pod_takes_the_more_of_its_containers_and_its_start() -> None:
    def container(cpu: str, **more: Any) -> Obj:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("100m"), container("100m")],
        "initContainers": [container("50m", restartPolicy="Always"), container("500m")],
        "overhead": {"cpu": "1m"},
    }
    assert str(pod_amounts(spec, "requests")["cpu"]) == "551m"


def test_table_of_describers_names_modules_that_exist() -> None:
    from importlib import import_module

    from kctl.describe.kinds import DESCRIBERS, GENERIC

    for module, _ in (*DESCRIBERS.values(), GENERIC):
        assert callable(import_module(f"kctl.describe.{module}").describe)
    assert callable(describe)
