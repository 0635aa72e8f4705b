"""Upstream's kube-apiserver 1.20 with every built-in kind, on an etcd of its own, for one run.

Debian 12 has the source package of Kubernetes 1.20.2; its `kube-apiserver` and an `etcd` are looked for in KCTL_KUBERNETES and
KCTL_UPSTREAM, or in ~/.cache/kctl/upstream. The gates that are set are of what is stable by now, so that 1.20 answers as nearly as it can.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from https_world import Authority
from upstream_live import CACHE, answers, free_port, process
from upstream_ours import TOKEN, unchecked
from upstream_wire import Server

PROGRAMS = Path(os.environ.get("KCTL_KUBERNETES") or CACHE / "kubernetes-1.20")
GATES = (
    *("IPv6DualStack", "TTLAfterFinished", "GenericEphemeralVolume", "EphemeralContainers", "ProcMountType"),
    *("ServiceLBNodePortControl", "HPAContainerMetrics", "MixedProtocolLBService", "DownwardAPIHugePages"),
    *("CSIStorageCapacity", "CSIServiceAccountToken", "AnyVolumeDataSource", "SizeMemoryBackedVolumes"),
    *("EndpointSliceNodeName", "EndpointSliceTerminatingCondition", "EfficientWatchResumption"),
)


@asynccontextmanager
async def kube_apiserver(scratch: Path) -> AsyncIterator[Server]:
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    etcd_url, peer_url = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    etcd = (
        *(CACHE / "etcd", "--data-dir", scratch / "etcd", "--log-level", "warn", "--unsafe-no-fsync"),
        *("--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url),
        *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"default={peer_url}"),
    )
    authority = Authority(scratch)
    tokens = scratch / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,,"system:masters"\n')
    server = (
        *(PROGRAMS / "kube-apiserver", "--etcd-servers", etcd_url, "--cert-dir", scratch / "certs"),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port), "--endpoint-reconciler-type", "none"),
        *("--service-cluster-ip-range", "10.96.0.0/16", "--authorization-mode", "RBAC"),
        *("--token-auth-file", tokens, "--service-account-issuer", "https://kubernetes.default.svc"),
        *("--service-account-key-file", authority.file),
        *("--service-account-signing-key-file", authority.key_file),
        *("--allow-privileged", "--max-mutating-requests-inflight", "1000"),
        f"--feature-gates={','.join(f'{gate}=true' for gate in GATES)}",
    )
    etcd_log, log = scratch / "etcd.log", scratch / "kube-apiserver.log"
    async with process(*etcd, log=etcd_log) as store:
        await answers(Server(etcd_port, ""), "/health", store, etcd_log)
        here = Server(port, TOKEN, unchecked())
        async with process(*server, log=log) as running:
            await answers(here, "/readyz", running, log)
            yield here
