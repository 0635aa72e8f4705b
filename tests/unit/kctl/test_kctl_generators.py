"""The objects that `create`, `run`, `expose`, `set env` and `taint` plan from flags."""

from __future__ import annotations

import base64
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from kctl.failure import Failure
from kctl.flags import Options, parse
from kctl.mapper import KNOWN
from kctl.selection import Found

Obj = dict[str, Any]


def _options(verb: str, *argv: str) -> Options:
    return parse(importlib.import_module(f"kctl.verbs.{verb}").FLAGS, argv)


def _plan(verb: str, *argv: str) -> Obj:
    planned: Obj = importlib.import_module(f"kctl.verbs.{verb}").plan(_options(verb, *argv))
    return planned


def test_deployment_has_a_container_for_each_image() -> None:
    obj = _plan(
        "create_deployment", "web", "--image=nginx:1,reg/side@sha256:0,nginx", "--port=80", "--replicas=3"
    )
    containers = obj["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in containers] == ["nginx", "side", "nginx-2"]
    assert containers[0]["ports"] == [{"containerPort": 80}]
    assert obj["spec"]["replicas"] == 3
    assert obj["spec"]["selector"]["matchLabels"] == {"app": "web"}


def test_command_follows_the_dashes() -> None:
    assert _plan("create_deployment", "a", "--image=b", "--", "sleep", "-1")["spec"]["template"]["spec"]["containers"][0]["command"] == ["sleep", "-1"]  # fmt: skip
    pod = _plan("run", "a", "--image=b", "--env=A=b,c", "--", "x")["spec"]["containers"][0]
    assert (pod["args"], pod["env"]) == (["x"], [{"name": "A", "value": "b,c"}])
    assert _plan("run", "a", "--image=b", "--command", "--", "x")["spec"]["containers"][0]["command"] == ["x"]


def test_configmap_holds_texts_bytes_and_env_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("hi")
    (tmp_path / "raw").write_bytes(b"\xff\x00")
    obj = _plan("create_configmap", "c", f"--from-file={tmp_path}", f"--from-file=key={tmp_path}/index.html", "--from-literal=a='b'")  # fmt: skip
    assert obj["data"] == {"index.html": "hi", "key": "hi", "a": "b"}
    assert obj["binaryData"] == {"raw": base64.b64encode(b"\xff\x00").decode()}
    env = tmp_path / "env"
    env.write_text("# comment\n\nA=1=2\nFROM_HERE\nABSENT\n")
    monkeypatch.setenv("FROM_HERE", "x")
    assert _plan("create_configmap", "c", f"--from-env-file={env}")["data"] == {"A": "1=2", "FROM_HERE": "x"}


def test_secret_kinds() -> None:
    generic = _plan("create_secret", "generic", "s", "--from-literal=a=b", "--type=x/y")
    assert (generic["type"], generic["data"]) == ("x/y", {"a": "Yg=="})
    registry = _plan("create_secret", "docker-registry", "s", "--docker-username=u", "--docker-password=p")
    config = json.loads(base64.b64decode(registry["data"][".dockerconfigjson"]))
    assert config["auths"]["https://index.docker.io/v1/"]["auth"] == base64.b64encode(b"u:p").decode()


@pytest.mark.parametrize(
    ("verb", "argv", "name"),
    [
        ("create_configmap", ["a", "--from-literal=a=<b"], "a-b4647km65f"),
        ("create_configmap", ["e"], "e-gmbcf66h4d"),
        ("create_secret", ["generic", "a", "--from-literal=a=<b"], "a-566f7f74bd"),
    ],
)
def test_digest_of_the_content_is_kubectls(verb: str, argv: list[str], name: str) -> None:
    assert _plan(verb, *argv, "--append-hash")["metadata"]["name"] == name


def test_service_ports() -> None:
    spec = _plan("create_service", "nodeport", "s", "--tcp=80:http,81", "--node-port=30000")["spec"]
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [
        {"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http", "nodePort": 30000},
        {"name": "81", "protocol": "TCP", "port": 81, "targetPort": 81, "nodePort": 30000},
    ]


def test_binding_names_every_subject() -> None:
    obj = _plan(
        "create_rolebinding", "b", "--clusterrole=edit", "--user=u", "--group=g", "--serviceaccount=ns:sa"
    )
    assert [(s["kind"], s["name"]) for s in obj["subjects"]] == [
        ("User", "u"),
        ("Group", "g"),
        ("ServiceAccount", "sa"),
    ]
    assert obj["roleRef"]["kind"] == "ClusterRole"


@pytest.mark.parametrize(
    ("verb", "argv", "message"),
    [
        ("create_deployment", ["web"], 'required flag\\(s\\) "image" not set'),
        ("create_deployment", [], "exactly one NAME is required, got 0"),
        (
            "create_deployment",
            ["a", "--image=b,c", "--", "x"],
            "cannot specify multiple --image options and command",
        ),
        ("create_configmap", ["c", "--from-literal=a"], "invalid literal source a, expected key=value"),
        ("create_configmap", ["c", "--from-literal=a=1", "--from-literal=a=2"], 'cannot add key "a"'),
        ("create_configmap", ["c", "--from-file=/nowhere/x"], "error reading /nowhere/x: No such file"),
        ("create_configmap", ["c", "--from-literal=a/b=1"], '"a/b" is not a valid key name'),
        (
            "create_configmap",
            ["c", "--from-literal=a=1", "--from-env-file=x"],
            "from-env-file cannot be combined",
        ),
        ("create_secret", ["nope", "s"], "the kind of secret is expected first"),
        ("create_secret", ["tls", "s"], "key and cert must be specified"),
        ("create_service", ["clusterip", "s"], "at least one tcp port specifier must be provided"),
        ("create_service", ["clusterip", "s", "--tcp=x"], "invalid port 'x'"),
        ("create_rolebinding", ["b"], "exactly one of clusterrole or role must be specified"),
        (
            "create_rolebinding",
            ["b", "--role=r", "--serviceaccount=x"],
            "serviceaccount must be <namespace>:<name>",
        ),
        ("create_quota", ["q", "--hard=cpu"], "Invalid argument syntax cpu"),
        ("create_cronjob", ["c", "--image=i"], '"schedule" not set'),
        ("run", ["a"], "--image is required"),
        ("run", ["a", "--image=b", "-t"], "-i/--stdin is required"),
        ("run", ["a", "--image=b", "--env=x"], "invalid env: x"),
        ("create_token", ["t", "--bound-object-kind=Pod"], "--bound-object-name is required"),
    ],
)
def test_wrong_flags_are_refused(verb: str, argv: list[str], message: str) -> None:
    with pytest.raises(Failure, match=message):
        _plan(verb, *argv)


def _found(kind: str, obj: Obj) -> Found:
    info = next(info for info in KNOWN if info.gvr.kind == kind)
    return Found(info, "default", obj["metadata"]["name"], obj)


def _deployment() -> Found:
    ports = [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]
    template = {
        "spec": {"containers": [{"name": "web", "ports": ports, "env": [{"name": "A", "value": "1"}]}]}
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return _found(
        "Deployment", {"kind": "Deployment", "metadata": {"name": "web", "labels": {"x": "y"}}, "spec": spec}
    )


def test_expose_takes_ports_labels_and_selector_of_the_workload() -> None:
    from kctl.verbs.expose import plan

    service = plan(_options("expose"), _deployment())
    assert service["metadata"] == {"name": "web", "labels": {"x": "y"}}
    assert service["spec"]["selector"] == {"app": "web"}
    assert [(p["name"], p["port"], p["protocol"]) for p in service["spec"]["ports"]] == [
        ("port-1", 8080, "TCP"),
        ("port-2", 53, "UDP"),
    ]


def test_set_env_keeps_the_order_and_removes() -> None:
    from kctl.verbs.set_env import plan

    found = _deployment()
    assert found.obj is not None
    container = found.obj["spec"]["template"]["spec"]["containers"][0]
    changes = [{"name": "B", "value": "2", "valueFrom": None}, {"name": "A", "$patch": "delete"}, {"name": "C", "$patch": "delete"}]  # fmt: skip
    patch = plan(found, [("containers", container)], changes, overwrite=True)
    assert patch["spec"]["template"]["spec"]["containers"] == [
        {
            "name": "web",
            "env": [{"name": "B", "value": "2"}, {"name": "A", "$patch": "delete"}],
            "$setElementOrder/env": [{"name": "B"}],
        }
    ]
    with pytest.raises(Failure, match="'A' already has a value"):
        plan(found, [("containers", container)], [{"name": "A", "value": "2"}], overwrite=False)


TAINT = {"key": "a", "value": "b", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("present", "words", "overwrite", "said", "after"),
    [
        ([], ["a=b:NoSchedule"], False, "tainted", [TAINT]),
        ([], ["a:NoSchedule"], False, "tainted", [{"key": "a", "effect": "NoSchedule"}]),
        ([TAINT], ["a=c:NoSchedule"], True, "modified", [{**TAINT, "value": "c"}]),
        ([TAINT], ["a-"], False, "untainted", []),
        ([TAINT], ["a:NoSchedule-"], False, "untainted", []),
        ([TAINT], ["a-", "x:NoExecute"], False, "modified", [{"key": "x", "effect": "NoExecute"}]),
    ],
)
def test_taints_are_planned(
    present: list[Obj], words: list[str], overwrite: bool, said: str, after: list[Obj]
) -> None:
    from kctl.verbs.taint import parse_changes, plan

    assert plan("node-1", present, parse_changes(words), overwrite=overwrite) == (said, after)


@pytest.mark.parametrize(
    ("present", "words", "message"),
    [
        ([TAINT], ["a=c:NoSchedule"], "node node-1 already has a taint"),
        ([], ["a-"], 'taint "a" not found'),
        ([], ["a=b:Nope"], "unsupported taint effect"),
        ([], ["a=b"], "an effect is missing"),
        ([], ["a:NoExecute", "a-"], "can not both modify and remove"),
        ([], [], "at least one taint update is required"),
    ],
)
def test_wrong_taints_are_refused(present: list[Obj], words: list[str], message: str) -> None:
    from kctl.verbs.taint import parse_changes, plan

    with pytest.raises(Failure, match=message):
        plan("node-1", present, parse_changes(words), overwrite=False)
