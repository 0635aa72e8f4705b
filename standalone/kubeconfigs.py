"""kubeconfig files: the administrator's, and one for each component."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from standalone.config import ClusterConfig
from standalone.files import write_atomic
from standalone.layout import Layout


def kubeconfig(
    server: str, ca: bytes, certificate: bytes, key: bytes, *, cluster: str, user: str
) -> dict[str, Any]:
    """A self-contained kubeconfig with its credentials inline, as kubectl reads it."""

    def b64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    context = f"kctl-{cluster}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": b64(ca)}}],
        "users": [
            {"name": user, "user": {"client-certificate-data": b64(certificate), "client-key-data": b64(key)}}
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": user}}],
        "current-context": context,
    }


def write_kubeconfigs(layout: Layout, config: ClusterConfig) -> None:
    """The administrator's file, the components' and the nodes'. JSON is YAML; kubectl reads either."""
    on_host = config.server_url
    from_nodes = f"https://{config.api_host}:{config.api_port}"
    wanted: list[tuple[Path, str, str]] = [
        (layout.kubeconfig, "admin", on_host),
        (layout.component_kubeconfig("controllers"), "controller-manager", on_host),
        (layout.component_kubeconfig("scheduler"), "scheduler", on_host),
        (layout.component_kubeconfig("network"), "kube-proxy", on_host),
        *(
            (layout.component_kubeconfig(f"nodeagent-{n.name}"), f"node-{n.name}", from_nodes)
            for n in config.nodes
        ),
    ]
    ca = (layout.pki / "ca.crt").read_bytes()
    for path, leaf, server in wanted:
        content = kubeconfig(
            server,
            ca,
            (layout.pki / f"{leaf}.crt").read_bytes(),
            (layout.pki / f"{leaf}.key").read_bytes(),
            cluster=config.name,
            user=leaf,
        )
        write_atomic(path, json.dumps(content, indent=2).encode() + b"\n", mode=0o600)
