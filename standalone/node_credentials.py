"""What a machine shows to be a node: a kubeconfig, and a certificate to serve with; issued, kept and read again.

`issue` makes both in one file where the cluster's CA is: its certificate says who the node is (user system:node:NAME,
group system:nodes) and under which address it serves. Whoever holds that file is the node: it is a secret, and its key
stays nowhere else. A machine that joins by a token (bootstrap.py) makes its keys itself and has two certificates.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from client.kubeconfig import ClientConfig, load, read
from standalone.bootstrap import KeyPair
from standalone.config import CLUSTER_DNS, ClusterConfig, ConfigError, check_name
from standalone.files import write_atomic
from standalone.kubeconfigs import kubeconfig
from standalone.layout import Layout
from standalone.pki import Leaf, ensure_pki, utc_now

CLUSTER_CIDR = "10.244.0.0/16"
_USER = "system:node:"
_EXTENSION = "kctl.dev/cluster"


@dataclass(frozen=True, slots=True)
class NodeCredentials:
    """A node's kubeconfig, taken apart. `address` is the one that its certificate holds."""

    node: str
    address: str
    client: ClientConfig
    cluster_cidr: str
    cluster_dns: str


def issue(layout: Layout, config: ClusterConfig, node: str, address: str) -> dict[str, Any]:
    """A kubeconfig for a node called `node` at `address`. Raises ConfigError, PKIError."""
    check_name(node, "node")
    _check_address(address)
    if not config.advertise:
        raise ConfigError(
            f"cluster {config.name!r} is not reachable from other machines: bring it up with "
            "`--nodes 0 --advertise-address ADDRESS`, an address of this machine that they can reach"
        )
    if not (layout.pki / "ca.key").exists():
        raise ConfigError(f"{layout.pki / 'ca.key'} is missing: `kctl up {config.name}` makes it")
    leaf = Leaf(f"joining-{node}", _USER + node, ("system:nodes",), (node, address))
    certificate, key = (layout.pki / f"{leaf.file}.{suffix}" for suffix in ("crt", "key"))
    try:
        certificate.unlink(missing_ok=True)
        ensure_pki(layout.pki, [leaf], utc_now())
        found = kubeconfig(
            f"https://{config.api_host}:{config.api_port}",
            (layout.pki / "ca.crt").read_bytes(),
            certificate.read_bytes(),
            key.read_bytes(),
            cluster=config.name,
            user=leaf.common_name,
        )
    finally:
        key.unlink(missing_ok=True)
        certificate.unlink(missing_ok=True)
    return with_networks(found, str(config.pod_network))


def with_networks(found: dict[str, Any], cluster_cidr: str) -> dict[str, Any]:
    """The kubeconfig, saying also what a node must know of the cluster's networks."""
    told = {"clusterCIDR": cluster_cidr, "clusterDNS": CLUSTER_DNS}
    found["clusters"][0]["cluster"]["extensions"] = [{"name": _EXTENSION, "extension": told}]
    return found


def _check_address(address: str) -> None:
    try:
        given = ipaddress.IPv4Address(address)
    except ValueError:
        raise ConfigError(f"{address!r} is not an IPv4 address") from None
    if given.is_loopback or given.is_unspecified:
        raise ConfigError(
            f"{address} leads to whoever asks: give the address that other machines reach the node by"
        )


def store(layout: Layout, kubeconfig: bytes, serving: KeyPair | None = None) -> None:
    """Keeps a node's kubeconfig on its machine. Without a pair to serve with, the one it shows as a client serves."""
    target = layout.component_kubeconfig("node")
    write_atomic(target, kubeconfig, mode=0o600)
    client = load(str(target))
    pair = serving or KeyPair(client.cert_data, client.key_data)
    write_atomic(layout.pki / "ca.crt", client.ca_data)
    write_atomic(layout.pki / "node.key", pair.key, mode=0o600)
    write_atomic(layout.pki / "node.crt", pair.certificate)


def stored(layout: Layout, now: datetime) -> NodeCredentials:
    """What `store` has kept. Raises ConfigError, KubeconfigError."""
    path = layout.component_kubeconfig("node")
    if not path.exists():
        raise ConfigError(f"no node's credentials are in {layout.root}: join with --token or --kubeconfig")
    serving = x509.load_pem_x509_certificate((layout.pki / "node.crt").read_bytes())
    told = _extension(path)
    return NodeCredentials(
        node=node_of(path, now),
        address=_address_in(serving, path),
        client=load(str(path)),
        cluster_cidr=told.get("clusterCIDR", CLUSTER_CIDR),
        cluster_dns=told.get("clusterDNS", CLUSTER_DNS),
    )


def node_of(path: Path, now: datetime) -> str:
    """Whose kubeconfig it is. Raises ConfigError for one that is no node's, or not any more; KubeconfigError."""
    client = load(str(path))
    if not client.cert_data or not client.ca_data:
        raise ConfigError(
            f"{path} holds no certificate: `kctl node kubeconfig NAME --address ADDRESS` makes the right one"
        )
    certificate = x509.load_pem_x509_certificate(client.cert_data)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    user = str(names[0].value) if names else ""
    if not user.startswith(_USER):
        raise ConfigError(
            f"{path} is for {user or 'nobody'}, not for a node (`kctl node kubeconfig` makes one)"
        )
    if now > certificate.not_valid_after_utc:
        raise ConfigError(f"{path} expired on {certificate.not_valid_after_utc.date()}: have a new one made")
    return user.removeprefix(_USER)


def _address_in(certificate: x509.Certificate, path: Path) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    addresses = [a for a in names.get_values_for_type(x509.IPAddress) if isinstance(a, ipaddress.IPv4Address)]
    if not addresses:
        raise ConfigError(f"{path} names no address that the node could serve under")
    return str(addresses[0])


def _extension(path: Path) -> dict[str, str]:
    for cluster in read(str(path))["clusters"].values():
        for extension in cluster.get("extensions") or ():
            if extension.get("name") == _EXTENSION:
                found: dict[str, str] = extension.get("extension") or {}
                return found
    return {}
