"""Upstream's own API server behind ours, as an aggregated API: it takes callers from our front proxy headers, asks us what they
may, follows our namespaces, webhooks, policies and priority levels, and its resource is one of the cluster's.
Skipped where it has not been built.
"""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from clusters import Cluster
from upstream_server import UpstreamServer, upstream_beside

GROUP = "stable.example.com"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"crontabs.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "shortNames": ["ct"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
                },
                "additionalPrinterColumns": [{"name": "Spec", "type": "string", "jsonPath": ".spec.cron"}],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "cron": {"type": "string", "pattern": r"^\S+( \S+){4}$"},
                                    "replicas": {"type": "integer", "minimum": 0, "default": 1},
                                },
                            },
                            "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}
BEHIND = """
apiVersion: v1
kind: Service
metadata: {{name: upstream, namespace: default}}
spec: {{ports: [{{port: 443, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: upstream-1, namespace: default, labels: {{kubernetes.io/service-name: upstream}}}}
addressType: IPv4
ports: [{{name: "", port: {port}, protocol: TCP}}]
endpoints: [{{addresses: ["127.0.0.1"], conditions: {{ready: true}}}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.stable.example.com}}
spec:
  group: stable.example.com
  version: v1
  groupPriorityMinimum: 1000
  versionPriority: 10
  insecureSkipTLSVerify: true
  service: {{name: upstream, namespace: default}}
"""
ONE = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: %s}
spec: {cron: "%s"}
"""
AVAILABLE = ("wait", "apiservice/v1.stable.example.com", "--timeout=40s")


def define(server: UpstreamServer, kubeconfig: Path) -> None:
    """Puts the definition into upstream's server itself, past ours: our own group of definitions is ours."""
    import base64
    import tempfile

    user = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]
    context = ssl._create_unverified_context()
    with tempfile.NamedTemporaryFile() as pair:
        for part in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[part]))
        pair.flush()
        context.load_cert_chain(pair.name)
    request = urllib.request.Request(
        f"https://127.0.0.1:{server.port}/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        json.dumps(DEFINITION).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        assert answer.status == 201


@pytest.fixture(scope="module")
def behind(compat_cluster: Cluster) -> Iterator[UpstreamServer]:
    with upstream_beside(compat_cluster.kubeconfig) as server:
        define(server, compat_cluster.kubeconfig)
        compat_cluster.kctl("apply", "-f", "-", input=BEHIND.format(port=server.port)).checked()
        compat_cluster.kctl(*AVAILABLE, "--for=condition=Available").checked()
        yield server
        compat_cluster.kctl("delete", "-f", "-", input=BEHIND.format(port=server.port)).checked()


@pytest.mark.timeout(120)
def test_upstreams_resource_is_one_of_the_clusters(compat_cluster: Cluster, behind: UpstreamServer) -> None:
    kctl = compat_cluster.kctl
    assert "crontabs" in kctl("api-resources", "--api-group", GROUP).checked()
    assert kctl("apply", "-f", "-", input=ONE % ("a", "* * * * 5")).checked().endswith("/a created\n")
    kctl("scale", "crontab", "a", "--replicas=3").checked()
    assert kctl("get", "ct", "a", "-o", "jsonpath={.spec.replicas}").checked() == "3"
    assert "* * * * 5" in kctl("get", "ct").checked()
    refused = kctl("apply", "-f", "-", input=ONE % ("b", "never"))
    assert refused.code == 1 and "spec.cron" in refused.err
    again = kctl("apply", "--server-side", "--field-manager=other", "-f", "-", input=ONE % ("a", "1 * * * 5"))
    assert again.code == 1 and "conflict" in again.err
    kctl("delete", "ct", "a").checked()


def test_upstreams_server_asks_us_what_callers_may(compat_cluster: Cluster, behind: UpstreamServer) -> None:
    denied = compat_cluster.kctl("get", "ct", "--as", "jane")
    assert denied.code == 1
    assert 'User "jane" cannot list resource "crontabs" in API group "stable.example.com"' in denied.err


@pytest.mark.timeout(150)
def test_upstreams_server_killed_is_unavailable_until_it_is_back(
    compat_cluster: Cluster, behind: UpstreamServer
) -> None:
    kctl = compat_cluster.kctl
    kctl("apply", "-f", "-", input=ONE % ("kept", "* * * * 5")).checked()
    behind.kill()
    kctl(*AVAILABLE, "--for=condition=Available=False").checked()
    gone = kctl("get", "ct")
    assert gone.code == 1
    kctl("get", "pods").checked()  # the others go on
    behind.start()
    kctl(*AVAILABLE, "--for=condition=Available").checked()
    assert "kept" in kctl("get", "ct", "-o", "name").checked()


def test_upstreams_server_found_nothing_to_complain_of(behind: UpstreamServer) -> None:
    """Its informers follow our namespaces, webhooks, policies, flow schemas and priority levels."""
    lines = behind.log.read_text().splitlines()
    killed = ("retrying", "connection refused", "EOF")  # by the test before
    bad = [line for line in lines if line[:1] == "E" and not any(word in line for word in killed)]
    assert bad == []
