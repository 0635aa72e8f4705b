"""Upstream's kube-scheduler, kube-controller-manager and kubelet, unmodified, in place of ours or beside them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from clusters import Cluster, running
from upstream_components import (
    built,
    eventually,
    hollow_kubelet,
    kube_controller_manager,
    kube_scheduler,
    our_scheduler,
)

_IMAGE = "registry.example/app:1"


def _pod(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": _IMAGE}], **spec},
    }


def _workload(kind: str, name: str, api: str = "apps/v1", **spec: object) -> dict[str, object]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": _IMAGE}]},
    }
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def _apply(cluster: Cluster, *objects: dict[str, object]) -> None:
    cluster.kctl("apply", "-f", "-", input=yaml.safe_dump_all(objects)).checked()


def _told(cluster: Cluster, what: str, path: str) -> str:
    return cluster.kctl("get", *what.split(), "-o", f"jsonpath={path}").out


@pytest.fixture(scope="module")
def without_scheduler() -> Iterator[Cluster]:
    built()
    with running("no-scheduler", "--fake-runtime", "--nodes", "2", "--schedulers", "0") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def without_controllers() -> Iterator[Cluster]:
    built()
    with running("no-controllers", "--fake-runtime", "--nodes", "2", "--controllers", "0") as cluster:
        yield cluster


def test_kube_scheduler_places_pods_by_what_they_ask_and_says_why_it_cannot(
    without_scheduler: Cluster,
) -> None:
    cluster = without_scheduler
    cluster.kctl("label", "node", "node-2", "disk=ssd").checked()
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "picky"}}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    with kube_scheduler(cluster) as scheduler:
        _apply(
            cluster,
            _pod("picky", nodeSelector={"disk": "ssd"}),
            _pod("nowhere", nodeSelector={"disk": "tape"}),
        )
        eventually(lambda: _told(cluster, "pod picky", "{.spec.nodeName}") == "node-2", scheduler)
        _apply(cluster, _pod("apart", affinity=apart))
        eventually(lambda: _told(cluster, "pod apart", "{.spec.nodeName}") == "node-1", scheduler)
        condition = "{.status.conditions[?(@.type=='PodScheduled')].message}"
        eventually(lambda: "0/2 nodes are available" in _told(cluster, "pod nowhere", condition), scheduler)
        said = cluster.kctl("events", "--for", "pod/picky").checked()
        assert "Successfully assigned default/picky to node-2" in said


def test_our_scheduler_and_upstreams_take_over_from_each_other(without_scheduler: Cluster) -> None:
    """They hold the same lease, so a cluster changes from one to the other without both placing pods."""
    cluster = without_scheduler

    def holder() -> str:
        return _told(cluster, "lease kube-scheduler -n kube-system", "{.spec.holderIdentity}")

    def placed(name: str) -> bool:
        return _told(cluster, f"pod {name}", "{.spec.nodeName}") != ""

    with our_scheduler(cluster) as ours:
        before = holder()
        eventually(lambda: holder() not in ("", before), ours)
        us = holder()
        with kube_scheduler(cluster) as upstreams:
            _apply(cluster, _pod("by-ours"))
            eventually(lambda: placed("by-ours"), ours)
            assert holder() == us
            ours.kill()
            eventually(lambda: holder() not in ("", us), upstreams)
            _apply(cluster, _pod("by-upstreams"))
            eventually(lambda: placed("by-upstreams"), upstreams)
            them = holder()
            with our_scheduler(cluster) as again:
                upstreams.kill()
                eventually(lambda: holder() not in ("", them), again)
                _apply(cluster, _pod("by-ours-again"))
                eventually(lambda: placed("by-ours-again"), again)


def test_kube_controller_manager_acts_on_every_kind_it_knows(without_controllers: Cluster) -> None:
    cluster = without_controllers
    with kube_controller_manager(cluster) as manager:
        cluster.kctl("create", "namespace", "work").checked()
        cluster.kctl("create", "quota", "few", "--hard=pods=50,configmaps=5", "-n", "work")
        _apply(
            cluster,
            _workload("Deployment", "web", replicas=3),
            _workload("StatefulSet", "db", replicas=2, serviceName="db"),
            _workload("DaemonSet", "agent"),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        )
        for what, path, wanted in (
            ("deployment web", "{.status.readyReplicas}", "3"),
            ("statefulset db", "{.status.readyReplicas}", "2"),
            ("daemonset agent", "{.status.numberReady}", "2"),
            ("endpoints web", "{.subsets[0].addresses[2].ip}", "10."),
            ("serviceaccount default -n work", "{.metadata.name}", "default"),
            ("configmap kube-root-ca.crt -n work", "{.metadata.name}", "kube-root-ca.crt"),
        ):
            eventually(lambda: _told(cluster, what, path).startswith(wanted), manager)  # noqa: B023
        assert _told(cluster, "pods -l app=db", "{.items[*].metadata.name}") == "db-0 db-1"

        # Its garbage collector and its namespace controller go by our discovery and our metadata-only answers.
        cluster.kctl("delete", "deployment", "web").checked()
        cluster.kctl("delete", "namespace", "work", "--timeout=30s").checked()
        eventually(
            lambda: _told(cluster, "pods,replicasets -l app=web", "{.items[*].metadata.name}") == "", manager
        )


def test_controllers_of_upstream_beside_ours_run_the_kinds_that_we_lack(compat_cluster: Cluster) -> None:
    flags = ("--controllers=statefulset,daemonset,job", "--leader-elect-resource-name=more-controllers")
    with kube_controller_manager(compat_cluster, *flags) as manager:
        compat_cluster.kctl("create", "namespace", "beside").checked()
        several = _workload("StatefulSet", "ranked", replicas=2, serviceName="ranked")
        several["metadata"] = {"name": "ranked", "namespace": "beside"}
        _apply(compat_cluster, several)
        ready = ("statefulset ranked -n beside", "{.status.readyReplicas}")
        eventually(lambda: _told(compat_cluster, *ready) == "2", manager)
        compat_cluster.kctl("delete", "namespace", "beside", "--timeout=30s").checked()


def test_kubelet_of_upstream_joins_and_runs_a_pod(without_controllers: Cluster) -> None:
    cluster = without_controllers
    ready = "{.status.conditions[?(@.type=='Ready')].status}"
    with hollow_kubelet(cluster, "hollow-1") as kubelet:
        eventually(lambda: _told(cluster, "node hollow-1", ready) == "True", kubelet)
        _apply(cluster, _pod("there", nodeName="hollow-1", automountServiceAccountToken=False))
        eventually(lambda: _told(cluster, "pod there", "{.status.phase}") == "Running", kubelet)
        assert _told(cluster, "lease hollow-1 -n kube-node-lease", "{.spec.holderIdentity}") == "hollow-1"
        cluster.kctl("delete", "pod", "there", "--timeout=30s").checked()  # which only a kubelet's word ends
    cluster.kctl("delete", "node", "hollow-1").checked()
