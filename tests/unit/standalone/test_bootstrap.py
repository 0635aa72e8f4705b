"""How a machine trusts a cluster by a token and a pin, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from controllers.bootstrapsigner import detached_signature, public_kubeconfig
from standalone.bootstrap import BootstrapFailed, check_arguments, pin_of, trusted_cluster
from standalone.config import ConfigError
from standalone.pki import ensure_pki, utc_now

ID, SECRET = "abcdef", "0123456789abcdef"
TOKEN = f"{ID}.{SECRET}"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("pki")
    ensure_pki(folder, [], utc_now())
    return (folder / "ca.crt").read_bytes()


def info(ca: bytes, secret: str = SECRET) -> dict[str, str]:
    content = public_kubeconfig("https://10.77.0.1:6443", ca.decode())
    return {"kubeconfig": content, f"jws-kubeconfig-{ID}": detached_signature(content, ID, secret)}


def test_signed_and_pinned_cluster_is_trusted(ca: bytes) -> None:
    other = "sha256:" + "0" * 64
    assert trusted_cluster(info(ca), TOKEN, [other, pin_of(ca)]) == ("https://10.77.0.1:6443", ca)


def test_cluster_whose_writer_does_not_know_the_token_is_refused(ca: bytes) -> None:
    with pytest.raises(BootstrapFailed, match="not signed with this token"):
        trusted_cluster(info(ca, secret="x" * 16), TOKEN, [pin_of(ca)])


def test_changed_content_is_refused(ca: bytes) -> None:
    changed = info(ca)
    changed["kubeconfig"] = changed["kubeconfig"].replace("10.77.0.1", "10.77.0.9")
    with pytest.raises(BootstrapFailed, match="not signed with this token"):
        trusted_cluster(changed, TOKEN, [pin_of(ca)])


def test_another_holder_of_the_token_is_told_by_the_pin(ca: bytes, tmp_path: Path) -> None:
    ensure_pki(tmp_path, [], utc_now())
    theirs = (tmp_path / "ca.crt").read_bytes()
    with pytest.raises(BootstrapFailed, match="not the one that was pinned"):
        trusted_cluster(info(theirs), TOKEN, [pin_of(ca)])


def test_token_that_the_cluster_does_not_sign_with_is_named(ca: bytes) -> None:
    with pytest.raises(BootstrapFailed, match="does not know token zzzzzz"):
        trusted_cluster(info(ca), "zzzzzz.0123456789abcdef", [pin_of(ca)])


@pytest.mark.parametrize(
    ("token", "pin"), [("abc", "sha256:" + "0" * 64), (TOKEN, "sha256:12"), (TOKEN, "0" * 64)]
)
def test_malformed_arguments_are_refused_before_anything_is_asked(token: str, pin: str) -> None:
    with pytest.raises(ConfigError):
        check_arguments(token, [pin])
