"""Unmodified kubectl against the API server alone, as a process of its own over TLS: a scripted tour.

Nothing runs behind the server here (no scheduler, no controllers, no nodes), so what is checked is what the server
itself answers for: every verb, every way of writing, discovery, explain, authorization.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from standalone.pki import component_leaves, ensure_pki, server_leaves

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH"),
]
ROOT = Path(__file__).parents[2]

DEPLOY = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p1, labels: {run: p1}}
spec: {containers: [{name: c, image: nginx}]}
"""
NODE = """\
apiVersion: v1
kind: Node
metadata: {name: n1}
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shirts.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: shirts, singular: shirt, kind: Shirt, shortNames: [sh]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              color: {type: string, description: What colour it has.}
              size: {type: integer, minimum: 1}
"""
SHIRT = """\
apiVersion: stable.example.com/v1
kind: Shirt
metadata: {name: blue}
spec: {color: blue, size: 2}
"""
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "3"}
"""
TYPO = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: typo}
dta: {a: b}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = {**os.environ, "HOME": str(directory), "KUBECONFIG": str(directory / "kubeconfig")}

    def kubectl(self, line: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *line.split()],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            env=self.env,
            cwd=self.directory,
            check=False,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kubectl")
    pki, port = directory / "pki", free_port()
    pki.mkdir()
    leaves = [*component_leaves([]), *server_leaves(["localhost", "127.0.0.1"], [])]
    ensure_pki(pki, leaves, datetime.now(UTC))
    (directory / "kubeconfig").write_text(
        f"""\
apiVersion: v1
kind: Config
current-context: c
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: u, user: {{client-certificate: {pki}/admin.crt, client-key: {pki}/admin.key}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
"""
    )
    for name, text in (
        ("deploy", DEPLOY),
        ("pod", POD),
        ("node", NODE),
        ("crd", CRD),
        ("shirt", SHIRT),
        ("typo", TYPO),
        ("settings", SETTINGS),
    ):
        (directory / f"{name}.yaml").write_text(text)
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "apiserver",
            f"--data-dir={directory / 'store'}",
            f"--port={port}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--service-account-key-file={pki}/service-account.key",
            f"--audit-log-path={directory / 'audit.log'}",
        ],
        cwd=ROOT,
        stderr=log,
    )
    try:
        wait_ready(port, pki / "ca.crt", process)
        yield Cluster(directory)
        process.terminate()
        assert process.wait(10) == 0
        assert "Traceback" not in (directory / "log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


def wait_ready(port: int, ca: Path, process: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=context, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise AssertionError("the API server did not become ready")


# (arguments, what the output must match, exit code)
TOUR: list[tuple[str, str, int]] = [
    ("version", r"Server Version: v1\.36\.0\+kctl", 0),
    ("cluster-info", r"control plane.* is running at", 0),
    ("api-versions", r"(?m)^apps/v1$", 0),
    ("api-resources", r"deployments +deploy +apps/v1 +true +Deployment", 0),
    ("api-resources --namespaced=false -o name", r"(?m)^namespaces$", 0),
    ("get --raw /readyz?verbose", r"readyz check passed", 0),
    ("get --raw /metrics", r"apiserver_request_total", 0),
    ("get namespaces", r"kube-system +Active", 0),
    ("get ns default -o jsonpath={.status.phase}", r"^Active$", 0),
    ("create serviceaccount default", r"serviceaccount/default created", 0),
    ("create namespace team", r"namespace/team created", 0),
    ("create namespace team", r"AlreadyExists", 1),
    (
        "apply -f deploy.yaml",
        r"deployment.apps/web created\nservice/web created\nconfigmap/settings created",
        0,
    ),
    ("apply -f deploy.yaml", r"deployment.apps/web unchanged", 0),
    ("apply -f deploy.yaml --server-side", r"service/web serverside-applied", 0),
    ("apply -f deploy.yaml --dry-run=server", r"server dry run", 0),
    ("diff -f deploy.yaml", r"^$", 0),
    ("get deploy,svc,cm", r"deployment.apps/web +0/2", 0),
    ("get deploy web -o wide", r"CONTAINERS +IMAGES +SELECTOR", 0),
    ("get deploy web -o yaml", r"revisionHistoryLimit: 10", 0),
    ("get deploy web -o custom-columns=N:.metadata.name,R:.spec.replicas", r"web +2", 0),
    ("get all", r"service/kubernetes +ClusterIP +10\.96\.0\.1", 0),
    ("get cm -l nothing=here", r"No resources found", 0),
    ("get services --field-selector=metadata.name=web -o name", r"^service/web\n$", 0),
    ("get services --field-selector=spec.nonsense=1", r"field label not supported", 1),
    ("describe deploy web", r"RollingUpdateStrategy: +25% max unavailable, 25% max surge", 0),
    ("describe svc web", r"Port: +<unset> +80/TCP", 0),
    ("explain deployment.spec.strategy", r"FIELD: strategy <DeploymentStrategy>", 0),
    ("explain pod.spec.containers --output=plaintext-openapiv2", r"RESOURCE: containers", 0),
    ("explain pod.spec.nonsense", r'field "nonsense" does not exist', 1),
    ("label deploy web tier=front", r"deployment.apps/web labeled", 0),
    ("label deploy web tier=back", r"already has a value", 1),
    ("label deploy web tier-", r"unlabeled", 0),
    ("annotate cm settings note=hi", r"annotated", 0),
    ("scale deploy web --replicas=4", r"scaled", 0),
    ("get deploy web --subresource=scale -o jsonpath={.spec.replicas}", r"^4$", 0),
    ('patch cm settings -p {"data":{"b":"2"}}', r"patched", 0),
    ('patch cm settings --type=merge -p {"data":{"b":null}}', r"patched", 0),
    ('patch cm settings --type=json -p [{"op":"test","path":"/data/a","value":"2"}]', r"invalid|failed", 1),
    ("set image deploy/web c=nginx:2", r"image updated", 0),
    ("set env deploy/web A=b", r"env updated", 0),
    ("set resources deploy/web --limits=cpu=1", r"resource requirements updated", 0),
    ("rollout restart deploy/web", r"restarted", 0),
    ("rollout pause deploy/web", r"paused", 0),
    ("rollout resume deploy/web", r"resumed", 0),
    ("rollout history deploy/web", r"deployment.apps/web", 0),
    ("expose deploy web --name=web2 --port=81", r"service/web2 exposed", 0),
    ("create deployment d2 --image=nginx", r"deployment.apps/d2 created", 0),
    ("create configmap c2 --from-literal=k=v", r"configmap/c2 created", 0),
    ("create secret generic s2 --from-literal=k=v", r"secret/s2 created", 0),
    ("create service nodeport np --tcp=80:80", r"service/np created", 0),
    ("get svc np -o jsonpath={.spec.ports[0].nodePort}", r"^3[0-2]\d{3}$", 0),
    ("create role r --verb=get,list --resource=pods", r"created", 0),
    ("create rolebinding rb --role=r --user=jane", r"created", 0),
    ("create clusterrole cr --verb=get --resource=nodes", r"created", 0),
    ("auth can-i list pods --as=jane", r"^yes$", 0),
    ("auth can-i delete pods --as=jane", r"^no", 1),
    ("auth can-i --list --as=jane", r"pods +\[\] +\[\] +\[get list\]", 0),
    ("auth whoami", r"kubernetes-admin", 0),
    (
        "get secrets --as=jane",
        r'cannot list resource "secrets" in API group "" in the namespace "default"',
        1,
    ),
    ("create token default", r"^[\w-]+\.[\w-]+\.[\w-]+", 0),
    ("apply -f pod.yaml", r"pod/p1 created", 0),
    ("get pod p1", r"p1 +0/1 +Pending", 0),
    ("replace -f pod.yaml", r"pod updates may not change fields other than", 1),
    ("replace -f settings.yaml", r"configmap/settings replaced", 0),
    (
        'patch pod p1 --subresource=status --type=merge -p {"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
        r"patched",
        0,
    ),
    ("wait pod/p1 --for=condition=Ready --timeout=10s", r"condition met", 0),
    ("wait pod/p1 --for=jsonpath={.status.phase}=Pending --timeout=10s", r"condition met", 0),
    ("wait pod/p1 --for=condition=Gone --timeout=1s", r"timed out", 1),
    ("delete pod p1", r'pod "p1" deleted', 0),
    ("wait pod/p1 --for=delete --timeout=10s", r"", 0),
    ("get pod p1", r'pods "p1" not found', 1),
    ("run p2 --image=nginx --restart=Never", r"pod/p2 created", 0),
    ("logs p2", r"", 0),
    ("exec p2 -- true", r"does not have a host assigned", 1),
    ("apply -f node.yaml", r"node/n1 created", 0),
    ("cordon n1", r"node/n1 cordoned", 0),
    ("taint node n1 a=b:NoSchedule", r"tainted", 0),
    ("uncordon n1", r"uncordoned", 0),
    ("drain n1 --ignore-daemonsets", r"drained", 0),
    ("apply -f typo.yaml", r'unknown field "dta"', 1),
    ("apply -f typo.yaml --validate=ignore", r"configmap/typo created", 0),
    (
        "apply -f crd.yaml",
        r"customresourcedefinition.apiextensions.k8s.io/shirts.stable.example.com created",
        0,
    ),
    ("wait crd/shirts.stable.example.com --for=condition=Established --timeout=10s", r"condition met", 0),
    ("apply -f shirt.yaml", r"shirt.stable.example.com/blue created", 0),
    ("get sh", r"NAME +COLOR\nblue +blue", 0),
    ("explain shirt.spec.color", r"What colour it has", 0),
    ('patch shirt blue -p {"spec":{"size":3}}', r"415|unsupported|does not support|application/strategic", 1),
    ('patch shirt blue --type=merge -p {"spec":{"size":0}}', r"spec.size", 1),
    ("apply -f shirt.yaml --server-side --force-conflicts", r"serverside-applied", 0),
    ("delete crd shirts.stable.example.com", r"deleted", 0),
    ("get events", r"No resources found", 0),
    ("delete -f deploy.yaml", r'deployment.apps "web" deleted', 0),
    ("delete cm --all", r'configmap "c2" deleted', 0),
    ("delete ns team --wait=false", r'namespace "team" deleted', 0),
    ("get ns team -o jsonpath={.status.phase}", r"^Terminating$", 0),
    ("create cm late -n team --from-literal=a=b", r"because it is being terminated", 1),
    ("get nonsense", r'the server doesn\'t have a resource type "nonsense"', 1),
]


@pytest.mark.timeout(240)
def test_tour(cluster):
    wrong = []
    for line, expected, code in TOUR:
        done = cluster.kubectl(line)
        output = done.stdout + done.stderr
        if done.returncode != code or not re.search(expected, output):
            wrong.append(
                f"kubectl {line}\n  exit {done.returncode}, wanted {code} and {expected!r}, got: {output[:400]}"
            )
    assert not wrong, "\n".join(wrong)
    assert len(TOUR) >= 60
