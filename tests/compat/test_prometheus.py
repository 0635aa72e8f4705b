"""Service discovery as Prometheus is configured for it, over TLS with a ServiceAccount's token, and metrics scraped.

Debian's Prometheus is built without Kubernetes' service discovery, so its configuration is run by VictoriaMetrics, which
reads the same `kubernetes_sd_configs` with a client of its own: nodes, services, pods, endpoints, slices, ingresses, listed
and then watched. Prometheus itself scrapes the API server, and the nodes through the API server's proxy.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

PROGRAMS = {name: shutil.which(name) for name in ("prometheus", "victoria-metrics")}
pytestmark = pytest.mark.skipif(
    None in PROGRAMS.values(),
    reason="SKIPPED LOUDLY: prometheus or victoria-metrics is not installed (tools/setup.sh test-packages)",
)
ROLES = ("node", "service", "pod", "endpoints", "endpointslice", "ingress")
APP = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: outside, labels: {app: outside}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 10.9.9.9}], ports: [{name: http, port: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: main, image: web, ports: [{name: http, containerPort: 8080}]}]}
"""


def until(condition: Callable[[], Any], timeout_s: float = 20) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


class Scraper:
    """A running Prometheus or VictoriaMetrics, by the HTTP interface that both have."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(self._base + path, timeout=5) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def targets(self, job: str) -> list[dict[str, str]]:
        """The discovered labels, with what the target scraped as `health`."""
        found = (self.get("/targets?state=active") or {}).get("activeTargets", ())
        return [
            {**each["discoveredLabels"], "health": each["health"]}
            for each in found
            if each["labels"]["job"] == job
        ]


@contextmanager
def scraping(program: str, directory: Path, jobs: list[dict[str, Any]], *flags: str) -> Iterator[Scraper]:
    directory.mkdir()
    (directory / "config.yaml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [PROGRAMS[program] or "", *(flag.format(directory=directory, port=port) for flag in flags)]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
        try:
            made = Scraper(port)
            until(lambda: made.get("/targets"))
            yield made
        finally:
            process.terminate()
            process.wait(20)


def token_for(api_client: Any, namespace: str) -> str:
    """A ServiceAccount with the rights that Prometheus' own documentation asks for, and a token of it."""
    core, rbac = client.CoreV1Api(api_client), client.RbacAuthorizationV1Api(api_client)
    kinds = [
        ("", ["nodes", "nodes/metrics", "nodes/proxy", "services", "endpoints", "pods"]),
        ("networking.k8s.io", ["ingresses"]),
        ("discovery.k8s.io", ["endpointslices"]),
    ]
    rules = [
        {"apiGroups": [group], "resources": names, "verbs": ["get", "list", "watch"]}
        for group, names in kinds
    ]
    rules.append({"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "prometheus"}})
    name = f"prometheus-{namespace}"
    rbac.create_cluster_role({"metadata": {"name": name}, "rules": rules})
    rbac.create_cluster_role_binding(
        {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": namespace}],
        }
    )
    spec = {"spec": {"expirationSeconds": 3600}}
    return str(core.create_namespaced_service_account_token("prometheus", namespace, spec).status.token)


@pytest.fixture(scope="module")
def observed(new_namespace) -> str:
    return str(new_namespace())


@pytest.fixture(scope="module")
def server(compat_cluster) -> str:
    return str(yaml.safe_load(compat_cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])


@pytest.fixture(scope="module")
def access(api_client, observed, tmp_path_factory) -> dict[str, Any]:
    """What a job's configuration says about credentials."""
    directory = tmp_path_factory.mktemp("access")
    core = client.CoreV1Api(api_client)
    (directory / "ca.crt").write_text(
        core.read_namespaced_config_map("kube-root-ca.crt", observed).data["ca.crt"]
    )
    (directory / "token").write_text(token_for(api_client, observed))
    return {
        "authorization": {"credentials_file": str(directory / "token")},
        "tls_config": {"ca_file": str(directory / "ca.crt")},
    }


@pytest.fixture(scope="module")
def discovery(server, access, observed, tmp_path_factory) -> Iterator[Scraper]:
    jobs: list[dict[str, Any]] = []
    for role in ROLES:
        how = {"api_server": server, "role": role, **access}
        if role != "node":
            how["namespaces"] = {"names": [observed]}
        jobs.append({"job_name": role, "scrape_interval": "1h", "kubernetes_sd_configs": [how]})
    with scraping(
        "victoria-metrics",
        tmp_path_factory.mktemp("discovery") / "run",
        jobs,
        "-promscrape.config={directory}/config.yaml",
        "-promscrape.kubernetesSDCheckInterval=1s",
        "-storageDataPath={directory}/data",
        "-httpListenAddr=127.0.0.1:{port}",
        "-memory.allowedBytes=64MB",
    ) as made:
        yield made


@pytest.fixture(scope="module")
def prometheus(server, access, tmp_path_factory) -> Iterator[Scraper]:
    address = server.removeprefix("https://")
    jobs = [
        {
            "job_name": name,
            "scheme": "https",
            "scrape_interval": "1s",
            "metrics_path": path,
            "static_configs": [{"targets": [address]}],
            **access,
        }
        for name, path in (
            ("apiserver", "/metrics"),
            ("node-1", "/api/v1/nodes/node-1/proxy/metrics"),
            ("node-2", "/api/v1/nodes/node-2/proxy/metrics"),
        )
    ]
    with scraping(
        "prometheus",
        tmp_path_factory.mktemp("prometheus") / "run",
        jobs,
        "--config.file={directory}/config.yaml",
        "--storage.tsdb.path={directory}/data",
        "--web.listen-address=127.0.0.1:{port}",
    ) as made:
        yield made


def test_nodes_are_discovered(discovery):
    found = until(lambda: len(targets := discovery.targets("node")) == 2 and targets)
    assert {each["__meta_kubernetes_node_name"] for each in found} == {"node-1", "node-2"}
    assert {each["__meta_kubernetes_node_label_kubernetes_io_os"] for each in found} == {"linux"}


def test_what_comes_and_goes_in_a_namespace_is_followed(discovery, api_client, observed, compat_cluster):
    compat_cluster.kctl("apply", "-n", observed, "-f", "-", input=APP).checked()
    [pod] = until(
        lambda: [
            each for each in discovery.targets("pod") if each.get("__meta_kubernetes_pod_ready") == "true"
        ]
    )
    assert pod["__meta_kubernetes_pod_container_port_number"] == "8080"
    assert pod["__address__"] == pod["__meta_kubernetes_pod_ip"] + ":8080"
    addresses = {f"{name}.{observed}.svc:80" for name in ("web", "outside")}
    until(lambda: {each["__address__"] for each in discovery.targets("service")} == addresses)
    [address] = until(
        lambda: [each for each in discovery.targets("endpointslice") if "10.9.9.9" not in each["__address__"]]
    )
    assert address["__address__"] == pod["__address__"]
    assert address["__meta_kubernetes_pod_name"] == "web"
    assert address["__meta_kubernetes_service_label_app"] == "web"
    [outside] = until(
        lambda: [each for each in discovery.targets("endpoints") if each["__address__"] == "10.9.9.9:8080"]
    )
    assert outside["__meta_kubernetes_service_label_app"] == "outside"
    [ingress] = until(lambda: discovery.targets("ingress"))
    assert ingress["__meta_kubernetes_ingress_host"] == "web.example.com"
    compat_cluster.kctl("delete", "-n", observed, "--force", "-f", "-", input=APP).checked()
    until(lambda: not any(discovery.targets(role) for role in ROLES[1:]), 30)


def test_api_server_and_nodes_are_scraped(prometheus):
    for job in ("apiserver", "node-1", "node-2"):
        assert until(lambda job=job: [each["health"] for each in prometheus.targets(job)] == ["up"]), job
    found = until(lambda: (prometheus.get("/query?query=apiserver_request_total") or {}).get("result"))
    assert {each["metric"]["job"] for each in found} == {"apiserver"}
