"""The same commands through kctl and an unmodified kubectl, each in a namespace of its own on one cluster.

Exit codes must be equal, and so must what is printed once names, ages, times and generated suffixes are put to
one form. Where the installed kubectl is older than the behaviour that kctl follows, the older words are mapped
to the newer ones, by name, in `normalised`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from clusters import running
from kubectl_words import one_wording

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.timeout(240),  # the first test runs every command of both
    pytest.mark.kubectl,
    pytest.mark.skipif(
        KUBECTL is None, reason="there is no kubectl on the PATH: nothing to compare kctl with"
    ),
]
KCTL = (sys.executable, "-m", "kctl")

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: page, labels: {app: web}}
data: {index.html: "hello\\n", colour: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {user: eve}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80, name: http}]
        env: [{name: COLOUR, valueFrom: {configMapKeyRef: {name: page, key: colour}}}]
        resources: {requests: {cpu: 10m, memory: 16Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"""
BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n"
UNKNOWN_FIELD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndatum: {a: b}\n"
INVALID = "apiVersion: v1\nkind: Service\nmetadata: {name: odd}\nspec: {ports: [{port: 70000}], type: Nope}\n"


class Case(NamedTuple):
    """`{dir}` is the folder of the manifests, `{ns}` the tool's namespace. `stdout`/`stderr`: is it compared?
    `last`: only the last line of the output is; `unordered`: lines may come in any order."""

    command: str
    stdout: bool = True
    stderr: bool = False
    last: bool = False
    unordered: bool = False


_ERR = {"stderr": True}
CASES: tuple[Case, ...] = (
    Case("create namespace {ns}"),
    Case("create namespace {ns}", stderr=True),
    Case("apply -f {dir}/all.yaml"),
    Case("apply -f {dir}/all.yaml"),
    Case("rollout status deployment/web --timeout=30s", last=True),
    Case("wait deployment/web --for=condition=Available --timeout=30s"),
    Case("wait deployment/web --for=jsonpath={{.status.readyReplicas}}=2 --timeout=30s"),
    Case("get pods -o name", unordered=True),
    Case("get deployment web"),
    Case("get deployments -o wide"),
    Case("get deploy,svc,cm"),
    Case("get all", unordered=True),
    Case("get pods -l app=web --no-headers", unordered=True),
    Case("get pods --show-labels", unordered=True),
    Case("get pods -L app", unordered=True),
    Case("get pods -l app=nope", stderr=True),
    Case("get pod nope", stderr=True),
    Case("get configmap page nope", stderr=True),
    Case("get configmap page -o yaml"),
    Case("get configmap page -o json"),
    Case("get service web -o jsonpath={{.spec.ports[0].port}}"),
    Case("get pods -o jsonpath={{range&.items[*]}}{{.metadata.labels.app}}:{{.status.phase}},{{end}}"),
    Case("get deploy -o custom-columns=NAME:.metadata.name,IMAGES:.spec.template.spec.containers[*].image,NO:.x"),
    Case("get configmaps --sort-by=.metadata.name"),
    Case("get deploy web --subresource=status -o name"),
    Case("get nodes"),
    Case("get namespace {ns} -o name"),
    Case("get nonsense"),
    Case("get pods -o nonsense"),
    Case("describe deployment web"),
    Case("describe replicaset -l app=web"),
    Case("describe service web"),
    Case("describe configmap page", unordered=True),
    Case("describe secret login", unordered=True),
    Case("describe serviceaccount default"),
    Case("describe pods -l app=web --show-events=false", unordered=True),
    Case("describe pod nope", stderr=True),
    Case("describe node node-1 --show-events=false", unordered=True),
    Case("explain deployment.spec.strategy"),
    Case("explain pod.spec.containers.ports"),
    Case("explain configmap --recursive"),
    Case("explain pod.nope", stdout=False),
    Case("api-resources -o name", unordered=True),
    Case("api-resources --api-group=apps"),
    Case("api-versions"),
    Case("create configmap made --from-literal=a=b --from-file={dir}/all.yaml"),
    Case("create configmap made --from-literal=a=b", stderr=True),
    Case("create secret generic made --from-literal=k=v"),
    Case("create serviceaccount builder"),
    Case("create role reader --verb=get,list --resource=pods,deployments.apps"),
    Case("create rolebinding reader --role=reader --serviceaccount={ns}:builder"),
    Case("describe rolebinding reader"),
    Case("create service nodeport np --tcp=80:8080"),
    Case("create deployment gen --image=gen:1 --replicas=1 --port=8080"),
    Case("create deployment gen2 --image=gen:1 --dry-run=client -o yaml"),
    Case("create job j --image=busybox --dry-run=client -o yaml -- date"),
    Case("create -f {dir}/all.yaml", stderr=True),
    Case("create nonsense"),
    Case("auth can-i create pods"),
    Case("auth can-i list pods --as=system:serviceaccount:{ns}:builder"),
    Case("auth can-i delete pods --as=system:serviceaccount:{ns}:builder"),
    Case("auth whoami"),
    Case("label deployment web tier=front"),
    Case("label deployment web tier=front"),
    Case("label deployment web tier=back", stderr=True),
    Case("label deployment web tier=back --overwrite"),
    Case("label deployment web tier-"),
    Case("annotate deployment web why=because"),
    Case("annotate deployment web why-"),
    Case("patch deployment web -p {{\"spec\":{{\"revisionHistoryLimit\":5}}}}"),
    Case("patch deployment web -p {{\"spec\":{{\"revisionHistoryLimit\":5}}}}"),
    Case("patch deployment web --type=json -p [{{\"op\":\"remove\",\"path\":\"/spec/nope\"}}]", stderr=False),
    Case("scale deployment web --replicas=3"),
    Case("scale deployment web --replicas=1 --current-replicas=9", stderr=True),
    Case("rollout status deployment web --timeout=30s", last=True),
    Case("set image deployment/web web=web:2"),
    Case("set image deployment/web nope=web:2", stderr=False),
    Case("rollout status deployment web --timeout=30s", last=True),
    Case("set env deployment/web SIZE=3 --dry-run=client -o yaml"),
    Case("rollout history deployment/web"),
    Case("rollout history deployment/web --revision=2"),
    Case("rollout undo deployment/web"),
    Case("rollout status deployment web --timeout=30s", last=True),
    Case("rollout pause deployment/web"),
    Case("rollout pause deployment/web", stderr=True),
    Case("rollout resume deployment/web"),
    Case("rollout restart deployment/web"),
    Case("rollout status deployment web --timeout=30s", last=True),
    Case("expose deployment gen --port=80 --target-port=8080 --name=gen-svc"),
    Case("run single --image=busybox:1 --restart=Never --labels=a=b --dry-run=client -o yaml -- sleep 1"),
    Case("run single --image=busybox:1"),
    Case("wait pod/single --for=condition=Ready --timeout=30s"),
    Case("logs nope", stderr=True),
    Case("apply -f {dir}/broken.yaml"),
    Case("apply -f {dir}/unknown.yaml"),
    Case("apply -f {dir}/invalid.yaml"),
    Case("apply -f {dir}/none.yaml"),
    Case("apply --server-side -f {dir}/page.yaml --force-conflicts"),
    Case("apply --server-side --field-manager=other -f {dir}/page2.yaml"),
    Case("diff -f {dir}/page2.yaml", stdout=False),
    Case("replace -f {dir}/page2.yaml"),
    Case("taint nodes node-1 {ns}=x:PreferNoSchedule"),
    Case("taint nodes node-1 {ns}-"),
    Case("config current-context"),
    Case("config get-contexts"),
    Case("config view --minify"),
    Case("config use-context nonsense"),
    Case("cluster-info dump-nothing", stdout=False),
    Case("delete pod single --now"),
    Case("delete pod single", stderr=True),
    Case("delete pod single --ignore-not-found"),
    Case("delete configmap made secret/made"),
    Case("delete configmap/made secret/made"),
    Case("delete -f {dir}/all.yaml"),
    Case("delete service,configmap -l app=web"),
    Case("delete nonsense"),
    Case("nonsense"),
    Case("get pods --nonsense"),
)  # fmt: skip


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    """A cluster of processes with a fake runtime, gone afterwards."""
    with running("compat", "--fake-runtime") as cluster:
        yield cluster.kubeconfig


@pytest.fixture(scope="module")
def results(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Result]]:
    """Every case through both tools, side by side."""
    folder = tmp_path_factory.mktemp("manifests")
    page = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page, labels: {app: web}}\ndata: {colour: COLOUR}\n"
    texts = {
        "all": MANIFEST, "broken": BROKEN, "unknown": UNKNOWN_FIELD, "invalid": INVALID,
        "page": page.replace("COLOUR", "red"), "page2": page.replace("COLOUR", "green"),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    assert KUBECTL is not None
    tools = {"kubectl": (KUBECTL, "--cache-dir", str(folder / "cache")), "kctl": KCTL}
    found: dict[str, list[Result]] = {}
    together = threading.Barrier(len(tools), timeout=120)

    def tour(name: str, prefix: tuple[str, ...]) -> None:
        config = json.loads(kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = f"of-{name}"
        own = folder / f"{name}.kubeconfig"
        own.write_text(json.dumps(config))
        env = {**os.environ, "KUBECONFIG": str(own)}
        found[name] = []
        for case in CASES:
            words = [w.format(dir=folder, ns=f"of-{name}").replace("&", " ") for w in case.command.split()]
            is_shared = case.command.startswith("describe node")  # it shows the pods of both namespaces
            if is_shared:
                together.wait()
            done = subprocess.run(
                [*prefix, *words], env=env, capture_output=True, text=True, timeout=60, check=False
            )
            if is_shared:
                together.wait()
            found[name].append(Result(done.returncode, done.stdout, done.stderr))

    threads = [threading.Thread(target=tour, args=item) for item in tools.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def normalised(text: str, case: Case) -> str:
    text = re.sub(r"of-(kubectl|kctl)", "NS", one_wording(text))
    text = re.sub(r"\b(kubectl|kctl)\b(?!\.kubernetes\.io)", "TOOL", text)
    text = re.sub(r'"?\b\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)"?', "TIME", text)
    text = re.sub(r"\b\w{3}, \d\d \w{3} \d{4} [\d:]+ [+-]\d{4}", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID", text)
    text = re.sub(r"\b(web|gen)-[0-9a-f]{8,10}-\w{5}\b", r"\1-HASH-POD", text)
    text = re.sub(r"\b(web|gen)-[0-9a-f]{8,10}\b", r"\1-HASH", text)
    text = re.sub(r"(pod-template-hash[=:] ?)\"?[0-9a-f]{8,10}\"?", r"\1HASH", text)
    text = re.sub(r"\bkube-api-access-\w{5}\b", "kube-api-access-RANDOM", text)
    text = re.sub(r"\b(10\.96|10\.244)\.\d+\.\d+\b", "IP", text)
    text = re.sub(r"\b80:\d+/TCP", "80:PORT/TCP", text)
    text = re.sub(r'resourceVersion"?: "\d+"', "resourceVersion: RV", text)
    text = re.sub(r"(?<![\w.])(\d+[smhdy]){1,2}(?![\w.])", "AGE", text)
    text = re.sub(r"fake://\w+|sha256:\w+", "ID", text)
    text = re.sub(r"\n *terminatingReplicas: \d+", "", text)
    lines = [re.sub(r"[ \t]+", " ", line).rstrip() for line in text.strip().splitlines()]
    if case.last:
        lines = lines[-1:]
    return "\n".join(sorted(lines) if case.unordered else lines)


@pytest.mark.parametrize(
    "index", range(len(CASES)), ids=[f"{n}-{c.command[:60]}" for n, c in enumerate(CASES)]
)
def test_command_does_and_says_what_kubectl_does(results: dict[str, list[Result]], index: int) -> None:
    case, ours, theirs = CASES[index], results["kctl"][index], results["kubectl"][index]
    shown = f"kctl {case.command}\n--- kubectl\n{theirs.out}{theirs.err}\n--- kctl\n{ours.out}{ours.err}"
    assert "Traceback" not in ours.err, shown
    assert ours.code == theirs.code, shown
    if case.stdout:
        assert normalised(ours.out, case) == normalised(theirs.out, case), shown
    if case.stderr:
        assert normalised(ours.err, case) == normalised(theirs.err, case), shown
