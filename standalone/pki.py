"""The cluster's own certificate authority and everything it signs.

One CA signs servers and clients (ECDSA P-256; an RSA key would cost 100 ms to make). A second one signs nothing but
the certificate by which extension API servers know this cluster's: whoever shows one of its certificates is believed
about who asks, so no client may ever hold one. `ensure_pki`
makes what is missing, and makes anew what expires within a third of its life or no longer names the
addresses asked for; it never replaces the CA or the service-account key, on which every issued
credential hangs. Names follow Kubernetes' PKI page: the CN is the user, the O its groups.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from standalone.files import write_atomic

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)


class PKIError(Exception):
    """Key material is there but cannot be used; str() names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate to have. `sans` are DNS names and IP addresses of a server; empty for a pure client."""

    file: str  # pki/<file>.crt and .key
    common_name: str
    organizations: tuple[str, ...] = ()
    sans: tuple[str, ...] = ()
    client: bool = True
    authority: str = "ca"


def component_leaves(node_names: Sequence[str]) -> list[Leaf]:
    """Client certificates of the administrator and of every component."""
    return [
        Leaf("admin", "kubernetes-admin", ("system:masters",)),
        Leaf("controller-manager", "system:kube-controller-manager"),
        Leaf("scheduler", "system:kube-scheduler"),
        Leaf("kube-proxy", "system:kube-proxy"),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",)),
        Leaf("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
        *(Leaf(f"node-{name}", f"system:node:{name}", ("system:nodes",)) for name in node_names),
    ]


def server_leaves(api_sans: Sequence[str], nodes: Sequence[tuple[str, str]]) -> list[Leaf]:
    """Serving certificates: the API server's, and one for each (node name, address)."""
    api = Leaf("apiserver", "kube-apiserver", sans=tuple(api_sans), client=False)
    return [
        api,
        *(
            Leaf(f"kubelet-{name}", f"system:node:{name}", ("system:nodes",), (name, ip), client=False)
            for name, ip in nodes
        ),
    ]


def ensure_pki(directory: Path, leaves: Sequence[Leaf], now: datetime) -> list[str]:
    """Makes the CAs, the service-account key and `leaves` where needed; returns the names of what was made."""
    made: list[str] = []
    authorities: dict[str, tuple[ec.EllipticCurvePrivateKey, x509.Certificate]] = {}
    for name in dict.fromkeys(("ca", *(leaf.authority for leaf in leaves))):
        key_path, path = directory / f"{name}.key", directory / f"{name}.crt"
        if not path.exists():
            write_atomic(path, _pem(_sign_ca(f"kctl-{name}", _new_key(key_path), now)))
            made.append(name)
        authorities[name] = _load_key(key_path), _load_cert(path)
    if not (directory / "service-account.key").exists():
        _new_key(directory / "service-account.key")
        made.append("service-account")
    for leaf in leaves:
        path = directory / f"{leaf.file}.crt"
        ca_key, ca = authorities[leaf.authority]
        if _is_good(path, leaf, ca, now):
            continue
        key = _new_key(directory / f"{leaf.file}.key")
        write_atomic(path, _pem(_sign(leaf, key, ca_key, ca, now)))
        made.append(leaf.file)
    return made


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(path, encoded, mode=0o600)
    return key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise PKIError(
            f"{path} cannot be read ({error}); without it no certificate can be signed. "
            "Restore it, or start over with `kctl down --delete`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PKIError(f"{path} is not an elliptic-curve key")
    return key


def _load_cert(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PKIError(f"{path} cannot be read ({error})") from error


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _alternative_names(sans: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for san in sans:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(san)))
        except ValueError:
            names.append(x509.DNSName(san))
    return names


def _is_good(path: Path, leaf: Leaf, ca: x509.Certificate, now: datetime) -> bool:
    """Whether the certificate at `path` still does what `leaf` asks for; an unreadable one does not."""
    if not path.exists() or not path.with_suffix(".key").exists():
        return False
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(ca)
    except Exception:  # whatever is wrong with it, a new one mends it
        return False
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if now > certificate.not_valid_after_utc - life / 3 or certificate.subject != _subject(leaf):
        return False
    if not leaf.sans:
        return True
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_alternative_names(leaf.sans)) <= set(held)


def _subject(leaf: Leaf) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in leaf.organizations]
        + [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    )


def _sign_ca(common_name: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _sign(
    leaf: Leaf,
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    now: datetime,
) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH] if leaf.client else []
    if leaf.sans:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(leaf))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(min(now + LEAF_LIFE, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(authority, critical=False)
    )
    if leaf.sans:
        names = x509.SubjectAlternativeName(_alternative_names(leaf.sans))
        builder = builder.add_extension(names, critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def utc_now() -> datetime:
    return datetime.now(UTC)
