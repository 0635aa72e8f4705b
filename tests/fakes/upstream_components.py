"""Upstream's own components as processes beside a cluster of ours, each with a kubeconfig and nothing else.

Kubernetes 1.20.2 is the newest that package registries carry whole; tools/upstream/kubernetes.sh builds it. `KCTL_KUBERNETES` names another
folder of its programs. Tests that need one skip where it has not been built.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clusters import Cluster
from etcd_server import free_port

_LEASES = (
    "--leader-elect-lease-duration=2s",
    "--leader-elect-renew-deadline=1500ms",
    "--leader-elect-retry-period=300ms",
)


def built() -> Path:
    """Where Kubernetes' programs lie. Skips the test where they have not been built."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = Path(os.environ.get("KCTL_KUBERNETES") or cache / "kctl/upstream/kubernetes-1.20")
    if not os.access(directory / "kube-scheduler", os.X_OK):
        pytest.skip(
            f"{directory} is not there: tools/setup.sh kubernetes-packages builds it (a quarter of an hour)"
        )
    return directory


class Component:
    """A running program of upstream's; `log` is where it writes."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def running(self) -> bool:
        return self.process.poll() is None


@contextmanager
def _component(program: str, cluster: Cluster, kubeconfig: Path, *flags: str) -> Iterator[Component]:
    port = free_port()
    certificates = cluster.scratch / f"{program}-{port}"
    asked = [f"--{which}kubeconfig={kubeconfig}" for which in ("", "authentication-", "authorization-")]
    served = [f"--secure-port={port}", "--port=0", f"--cert-dir={certificates}", "--bind-address=127.0.0.1"]
    command = [str(built() / program), *asked, *served, *_LEASES, *flags]
    component = Component(command, cluster.scratch / f"{program}-{port}.log")
    try:
        yield component
    finally:
        component.kill()


@contextmanager
def kube_scheduler(cluster: Cluster) -> Iterator[Component]:
    """Without disruption budgets: it knows them of policy/v1beta1 only, which Kubernetes 1.25 took away."""
    kubeconfig = cluster.data_dir / "kubeconfigs/scheduler"
    with _component("kube-scheduler", cluster, kubeconfig, "--feature-gates=PodDisruptionBudget=false") as it:
        yield it


@contextmanager
def our_scheduler(cluster: Cluster) -> Iterator[Component]:
    """`kctl scheduler` by itself, with upstream's flags of leader election."""
    kubeconfig = cluster.data_dir / "kubeconfigs/scheduler"
    command = [str(cluster.bin / "kctl"), "scheduler", f"--kubeconfig={kubeconfig}", "--port=0"]
    component = Component([*command, "--leader-elect", *_LEASES], cluster.scratch / "our-scheduler.log")
    try:
        yield component
    finally:
        component.kill()


@contextmanager
def kube_controller_manager(cluster: Cluster, *flags: str) -> Iterator[Component]:
    """Each of its controllers with an account of its own, by tokens it asks for."""
    pki = cluster.data_dir / "pki"
    with _component(
        "kube-controller-manager",
        cluster,
        cluster.data_dir / "kubeconfigs/controllers",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        *flags,
    ) as it:
        yield it


@contextmanager
def hollow_kubelet(cluster: Cluster, name: str) -> Iterator[Component]:
    """Upstream's kubelet on a runtime that only remembers."""
    command = [
        *(
            str(built() / "kubemark"),
            "--morph=kubelet",
            f"--name={name}",
            f"--kubeconfig={cluster.kubeconfig}",
        ),
        *(f"--kubelet-port={free_port()}", "--kubelet-read-only-port=0"),
    ]
    component = Component(command, cluster.scratch / f"{name}.log")
    try:
        yield component
    finally:
        component.kill()


def eventually(what: Callable[[], bool], component: Component, within_s: float = 30) -> None:
    """Fails with the end of the component's log when `what` does not come true."""
    end = time.monotonic() + within_s
    while not what():
        said = "\n".join(line[:300] for line in component.log.read_text(errors="replace").splitlines()[-40:])
        assert component.running(), f"it ended: {said}"
        assert time.monotonic() < end, said
        time.sleep(0.1)
