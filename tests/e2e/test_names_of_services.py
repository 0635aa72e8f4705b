"""Pods resolve names: Services, peers behind a headless one, aliases, addresses.

Busybox looks up names as they are when they have a dot, so only those without one are short here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from clusters import Cluster

pytestmark = pytest.mark.node
_PEERS = """
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: names}
spec: {clusterIP: None, selector: {app: peer}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: names}
spec: {selector: {app: peer}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: names}
spec: {type: ExternalName, externalName: web.names.svc.cluster.local}
---
apiVersion: v1
kind: Pod
metadata: {name: peer-0, namespace: names, labels: {app: peer}}
spec:
  hostname: peer-0
  subdomain: peers
  terminationGracePeriodSeconds: 0
  containers:
  - {name: web, image: "localhost/web:1", command: [sh, -c, "echo it works > /tmp/index.html; httpd -f -p 8080 -h /tmp"]}
---
apiVersion: v1
kind: Pod
metadata: {name: asker, namespace: names}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: tool, image: "localhost/web:1", command: [sleep, "1000"]}]
"""


@pytest.fixture(scope="module")
def names(native_cluster: Cluster) -> Iterator[Cluster]:
    native_cluster.kctl("create", "namespace", "names").checked()
    native_cluster.kctl("apply", "-f", "-", input=_PEERS).checked()
    wait = ("-n", "names", "wait", "--for=condition=Ready", "--timeout=30s", "pod/peer-0", "pod/asker")
    native_cluster.kctl(*wait).checked()
    yield native_cluster
    native_cluster.kctl("delete", "namespace", "names").checked()


def _lookup(cluster: Cluster, *words: str) -> str:
    found = cluster.kctl("-n", "names", "exec", "asker", "--", "/bin/busybox", "nslookup", *words)
    return found.out + found.err


def test_pod_resolves_services_peers_aliases_and_addresses(names: Cluster) -> None:
    peer = json.loads(names.kctl("-n", "names", "get", "pod", "peer-0", "-o", "json").checked())
    web = json.loads(names.kctl("-n", "names", "get", "service", "web", "-o", "json").checked())
    assert "Address: 10.96.0.1\n" in _lookup(names, "kubernetes.default.svc.cluster.local")
    assert f"Address: {web['spec']['clusterIP']}\n" in _lookup(names, "web")
    for name in ("peer-0.peers.names.svc.cluster.local", "peers.names.svc.cluster.local"):
        assert f"Address: {peer['status']['podIP']}\n" in _lookup(names, name)
    alias = _lookup(names, "out.names.svc.cluster.local")
    assert "canonical name = web.names.svc.cluster.local" in alias
    assert f"Address: {web['spec']['clusterIP']}\n" in alias
    assert "peer-0.peers.names.svc.cluster.local" in _lookup(names, peer["status"]["podIP"])
    assert "NXDOMAIN" in _lookup(names, "nope.names.svc.cluster.local")


def test_dns_is_the_clusters_own_service(names: Cluster) -> None:
    service = json.loads(
        names.kctl("-n", "kube-system", "get", "service", "kube-dns", "-o", "json").checked()
    )
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert service["metadata"]["labels"] == {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    resolv_conf = names.kctl("-n", "names", "exec", "asker", "--", "cat", "/etc/resolv.conf").checked()
    lines = resolv_conf.splitlines()
    assert lines[0].startswith("search names.svc.cluster.local svc.cluster.local cluster.local")
    assert lines[1:] == ["nameserver 10.96.0.10", "options ndots:5"]
