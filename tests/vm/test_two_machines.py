"""A cluster over two machines: one has the control plane and is a node as well, the other joins; then it is lost.

vm1 10.77.0.1  control plane, node          vm2 10.77.0.2  node
    └────────────────── a cable ──────────────────┘
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from vm_image import Image
from vm_machine import Machine, cable

LIFE_S = 1500
KCTL = "python3 -m kctl"
ENV = "export KCTL_HOME=/root/kctl; export KUBECONFIG=/root/kctl/lab/kubeconfig; "
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations:
        - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 5}
        - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 5}
      topologySpreadConstraints:
        - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
           labelSelector: {matchLabels: {app: web}}}
      containers:
        - name: web
          image: localhost/busybox:latest
          imagePullPolicy: Never
          command: [sh, -c, "mkdir /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 2, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""
Obj = dict[str, Any]


@pytest.fixture
def machines(vm_image: Image, vm_disk: Path, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """Two machines with a cable between them; the first end listens."""
    with Machine(
        vm_image,
        vm_disk,
        tmp_path,
        "vm1",
        address="10.77.0.1/24",
        link=cable(tmp_path, "cable", True),
        life_s=LIFE_S,
    ) as first:
        first.wait_booted()
        with Machine(
            vm_image,
            vm_disk,
            tmp_path,
            "vm2",
            address="10.77.0.2/24",
            link=cable(tmp_path, "cable", False),
            life_s=LIFE_S,
        ) as second:
            second.wait_booted()
            yield first, second


def kctl(machine: Machine, words: str, timeout_s: float = 60) -> str:
    return machine.shell(f"{ENV}{KCTL} {words}", timeout_s)


def objects(machine: Machine, words: str) -> list[Obj]:
    items: list[Obj] = json.loads(kctl(machine, f"get {words} -o json"))["items"]
    return items


def wait_for(check: Callable[[], Any], timeout_s: float, what: str) -> Any:
    end = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(1)
    return found


def ready_pods(machine: Machine) -> list[Obj]:
    def is_ready(pod: Obj) -> bool:
        conditions = pod["status"].get("conditions", ())
        gone = "deletionTimestamp" in pod["metadata"]
        return not gone and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    return [pod for pod in objects(machine, "pods -l app=web") if is_ready(pod)]


@pytest.mark.timeout(1500)
def test_pods_of_two_machines_reach_each_other_and_move_when_one_is_lost(
    machines: tuple[Machine, Machine],
) -> None:
    vm1, vm2 = machines
    assert vm1.run("ping", "-c", "1", "-W", "5", "10.77.0.2").code == 0

    # The control plane, and a node on each machine.
    print(kctl(vm1, "up lab --advertise-address 10.77.0.1 --timeout 4m", 260))
    credentials = kctl(vm1, "node kubeconfig vm1 --cluster lab --address 10.77.0.1 2>/dev/null")
    vm1.run("sh", "-c", "umask 077; cat > /root/node.kubeconfig", input=credentials)
    by_token = kctl(vm1, "token create --print-join-command").removeprefix("kctl ")
    for machine, command in ((vm1, "join --kubeconfig /root/node.kubeconfig"), (vm2, by_token)):
        kctl(machine, f"images build-busybox --data-dir /root/kctl/joined/{machine.name}")
        print(kctl(machine, f"{command} --timeout 4m", 300))
    nodes = {n["metadata"]["name"]: n for n in objects(vm1, "nodes")}
    assert sorted(nodes) == ["vm1", "vm2"]
    assert len({n["spec"]["podCIDR"] for n in nodes.values()}) == 2

    # Pods on both, and each answers the other machine's pods and the Service.
    vm1.run("sh", "-c", "cat > /root/web.yaml", input=WEB)
    kctl(vm1, "apply -f /root/web.yaml")
    pods = wait_for(lambda: len(found := ready_pods(vm1)) == 4 and found, 240, "four ready pods")
    by_node = {name: [p for p in pods if p["spec"]["nodeName"] == name] for name in nodes}
    assert all(by_node.values()), "pods stand on one machine only"
    service = objects(vm1, "services -l '!provider' --field-selector metadata.name=web")[0]["spec"][
        "clusterIP"
    ]
    for name, others in (("vm1", by_node["vm2"]), ("vm2", by_node["vm1"])):
        asking = by_node[name][0]["metadata"]["name"]
        asked = others[0]
        answer = kctl(
            vm1, f"exec {asking} -- timeout 20 wget -q -O - http://{asked['status']['podIP']}:8080/"
        )
        assert answer.strip() == asked["metadata"]["name"]
        script = f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do timeout 20 wget -q -O - http://{service}/; done"
        answers = set(kctl(vm1, f"exec {asking} -- sh -c '{script}'").split())
        assert answers & {p["metadata"]["name"] for p in others}, "the Service never led to the other machine"

    # One machine is gone: its pods come up on the other.
    vm2.power_off()
    lost = time.monotonic()

    def all_on_first() -> bool:
        found = ready_pods(vm1)
        return len(found) == 4 and all(p["spec"]["nodeName"] == "vm1" for p in found)

    wait_for(all_on_first, 300, "four ready pods on the machine that is left")
    print(f"pods moved within {time.monotonic() - lost:.0f} s of the loss")
    print(kctl(vm1, "leave vm1 --delete", 90))
    print(kctl(vm1, "down lab --delete", 90))
    assert vm1.shell("ls /sys/fs/cgroup | grep kctl || true") == ""
    assert (
        vm1.shell("nft list tables; ip route show proto 76; ip -br link | grep -v -e ^lo -e ^eth0 || true")
        == ""
    )
