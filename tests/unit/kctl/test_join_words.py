"""Which way to join the words of `kctl join` mean, and which they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kctl.cluster import join
from kctl.cluster.token_create import plan_secret
from kctl.flags import UsageError, parse
from standalone.join import JoinRequest, Token

PIN = "sha256:" + "0" * 64
TOKEN = "abcdef.0123456789abcdef"


def requested(*words: str, here: tuple[str, ...] = ()) -> JoinRequest:
    return join.plan_request(parse(join.FLAGS, list(words)), here, "worker-1")


def test_token_joins_under_the_machines_own_name() -> None:
    found = requested("10.77.0.1:6443", "--token", TOKEN, "--discovery-token-ca-cert-hash", PIN)
    assert found == JoinRequest(token=Token("10.77.0.1:6443", TOKEN, (PIN,)), node_name="worker-1")


def test_name_and_networks_can_be_given() -> None:
    words = ("a:6443", "--token", TOKEN, "--discovery-token-ca-cert-hash", PIN, "--node-name", "x")
    found = requested(*words, "--node-ip", "10.0.0.5", "--cluster-cidr", "10.243.0.0/16")
    assert found.node_name == "x"
    assert found.token == Token("a:6443", TOKEN, (PIN,), "10.0.0.5", "10.243.0.0/16")


def test_file_with_credentials_needs_nothing_else() -> None:
    assert requested("--kubeconfig", "f") == JoinRequest(Path("f"))


def test_only_node_that_this_machine_has_been_is_resumed() -> None:
    assert requested(here=("old",)) == JoinRequest(node_name="old")
    assert requested("--node-name", "b", here=("a", "b")) == JoinRequest(node_name="b")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("10.77.0.1:6443",),
        ("10.77.0.1:6443", "--token", TOKEN),
        ("--token", TOKEN, "--discovery-token-ca-cert-hash", PIN),
        ("a", "b", "--token", TOKEN, "--discovery-token-ca-cert-hash", PIN),
        ("10.77.0.1:6443", "--kubeconfig", "f"),
    ],
)
def test_half_of_what_is_needed_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        requested(*words, here=("a", "b"))


def test_token_is_a_secret_that_ends_and_that_joins() -> None:
    made: dict[str, Any] = plan_secret("abcdef", "0123456789abcdef", 600, "for worker-1", 0.0)
    assert made["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert made["stringData"]["expiration"] == "1970-01-01T00:10:00Z"
    assert made["stringData"]["auth-extra-groups"] == "system:bootstrappers:kubeadm:default-node-token"
    assert "expiration" not in plan_secret("abcdef", "0123456789abcdef", 0, "", 0.0)["stringData"]
