"""kubeconfig: found, merged and refused as kubectl does."""

import base64
import os
from pathlib import Path

import pytest

from client.kubeconfig import KubeconfigError, TokenFile, in_cluster, load, load_or_in_cluster, parse_file

CERT, KEY = (base64.b64encode(text).decode() for text in (b"CERT", b"KEY"))
FILE = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- name: c1
  cluster: {server: "https://127.0.0.1:6443", certificate-authority: ca.crt, tls-server-name: api}
- name: c2
  cluster: {server: "http://127.0.0.1:8001"}
users:
- name: u1
  user: {client-certificate-data: "@CERT", client-key-data: "@KEY"}
- name: u2
  user: {token: secret}
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: shop}
- name: two
  context: {cluster: c2, user: u2}
- name: lost
  context: {cluster: nowhere, user: u2}
""".replace("@CERT", CERT).replace("@KEY", KEY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_bytes(b"CA")
    path = tmp_path / "config"
    path.write_text(FILE)
    return path


def test_current_context_with_files_beside_and_data_inline(file: Path) -> None:
    config = load(str(file))
    assert (config.server, config.namespace) == ("https://127.0.0.1:6443", "shop")
    assert (config.ca_data, config.cert_data, config.key_data) == (b"CA", b"CERT", b"KEY")
    assert (config.context, config.user, config.tls_server_name) == ("one", "u1", "api")


def test_named_context_wins_and_http_has_no_tls(file: Path) -> None:
    config = load(str(file), context="two")
    assert (config.server, config.token, config.namespace) == ("http://127.0.0.1:8001", "secret", "default")
    assert config.ssl_context() is None


def test_several_files_are_merged_and_the_first_wins(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(
        '{"current-context": "two", "users": [{"name": "u2", "user": {"token": "mine"}}], "contexts": []}'
    )
    env = {"KUBECONFIG": f"{other}{os.pathsep}{file}{os.pathsep}{tmp_path / 'absent'}"}
    config = load(env=env)
    assert (config.context, config.token, config.server) == ("two", "mine", "http://127.0.0.1:8001")


@pytest.mark.parametrize(
    ("context", "message"), [("typo", '"typo" does not exist'), ("lost", '"nowhere", which does not exist')]
)
def test_what_is_missing_is_named(file: Path, context: str, message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        load(str(file), context=context)


def test_unreadable_content_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="does not exist"):
        load(str(tmp_path / "absent"))
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(KubeconfigError, match="broken is not valid"):
        load(str(broken))


def test_pod_reads_its_service_account_and_rotated_tokens(tmp_path: Path) -> None:
    for name, content in {"ca.crt": "CA", "token": "t1\n", "namespace": "shop"}.items():
        (tmp_path / name).write_text(content)
    env = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    config = in_cluster(tmp_path, env=env)
    assert (config.server, config.namespace) == ("https://10.96.0.1:443", "shop")
    token = TokenFile(tmp_path / "token")
    assert token() == "t1"
    (tmp_path / "new").write_text("t2")
    os.replace(tmp_path / "new", tmp_path / "token")
    assert token() == "t2"
    (tmp_path / "token").unlink()
    assert token() == "t2"


def test_outside_a_cluster_without_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="no current context"):
        load_or_in_cluster(env={"HOME": str(tmp_path)})
    with pytest.raises(KubeconfigError, match="not in a pod"):
        in_cluster(tmp_path, env={})


def test_flow_style_yaml_is_read_though_it_begins_as_json_does(tmp_path: Path) -> None:
    file = tmp_path / "flow"
    file.write_text(
        "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    assert parse_file(str(file))["clusters"][0]["cluster"]["server"] == "http://127.0.0.1:1"
