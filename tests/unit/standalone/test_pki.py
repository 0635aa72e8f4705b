"""The cluster's certificates: made once, renewed in time, and never under a new CA."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from standalone.pki import LEAF_LIFE, Leaf, PKIError, component_leaves, ensure_pki, server_leaves

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVER = Leaf("apiserver", "kube-apiserver", sans=("localhost", "127.0.0.1"), client=False)


def load(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


def test_everything_is_made_once(tmp_path: Path) -> None:
    leaves = [*component_leaves(["node-1"]), *server_leaves(["localhost"], [("node-1", "10.99.0.11")])]
    made = ensure_pki(tmp_path, leaves, NOW)
    assert set(made) == {"ca", "front-proxy-ca", "service-account", *(leaf.file for leaf in leaves)}
    assert ensure_pki(tmp_path, leaves, NOW + timedelta(days=1)) == []


def test_node_certificate_names_the_node_and_its_group(tmp_path: Path) -> None:
    ensure_pki(tmp_path, component_leaves(["node-1"]), NOW)
    subject = load(tmp_path, "node-node-1").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:node-1"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"


def test_certificate_is_renewed_in_the_last_third_of_its_life(tmp_path: Path) -> None:
    ensure_pki(tmp_path, [SERVER], NOW)
    assert ensure_pki(tmp_path, [SERVER], NOW + LEAF_LIFE * 0.6) == []
    assert ensure_pki(tmp_path, [SERVER], NOW + LEAF_LIFE * 0.7) == ["apiserver"]


def test_new_address_makes_a_new_certificate(tmp_path: Path) -> None:
    ensure_pki(tmp_path, [SERVER], NOW)
    wider = Leaf("apiserver", "kube-apiserver", sans=("localhost", "127.0.0.1", "10.99.0.1"), client=False)
    assert ensure_pki(tmp_path, [wider], NOW) == ["apiserver"]
    assert ensure_pki(tmp_path, [SERVER], NOW) == []  # fewer names than it holds: still good


@pytest.mark.parametrize("damage", ["crt", "key"])
def test_damaged_leaf_is_made_anew(tmp_path: Path, damage: str) -> None:
    ensure_pki(tmp_path, [SERVER], NOW)
    if damage == "crt":
        (tmp_path / "apiserver.crt").write_text("half a certifi")
    else:
        (tmp_path / "apiserver.key").unlink()
    assert ensure_pki(tmp_path, [SERVER], NOW) == ["apiserver"]


def test_damaged_ca_key_is_named_and_never_replaced(tmp_path: Path) -> None:
    ensure_pki(tmp_path, [SERVER], NOW)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(PKIError, match=r"ca\.key cannot be read"):
        ensure_pki(tmp_path, [SERVER], NOW)


def test_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    ensure_pki(tmp_path, [SERVER], NOW)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.key")} == {0o600}
