"""What a machine shows to be a node: one kubeconfig, issued where the cluster's CA is, carried to the machine, read there.

Its certificate says who the node is (user system:node:NAME, group system:nodes) and under which address it serves;
client and server show the same one. Whoever holds the file is the node: it is a secret, and its key stays nowhere else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from client.kubeconfig import ClientConfig, KubeconfigError, load, read
from standalone.config import CLUSTER_DNS, ClusterConfig, ConfigError, check_name
from standalone.kubeconfigs import kubeconfig
from standalone.layout import Layout
from standalone.pki import Leaf, ensure_pki, utc_now

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
    check_name(node)
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
    told = {"clusterCIDR": str(config.pod_network), "clusterDNS": CLUSTER_DNS}
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


def read_credentials(path: Path, now: datetime) -> NodeCredentials:
    """Raises ConfigError for a file that is no node's, or not any more; KubeconfigError for one that is no kubeconfig."""
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
        raise ConfigError(
            f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: have a new one made"
        )
    told = _extension(path)
    return NodeCredentials(
        node=user.removeprefix(_USER),
        address=_address_in(certificate, path),
        client=client,
        cluster_cidr=told.get("clusterCIDR", "10.244.0.0/16"),
        cluster_dns=told.get("clusterDNS", CLUSTER_DNS),
    )


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


__all__ = ["KubeconfigError", "NodeCredentials", "issue", "read_credentials"]
