"""Each plugin's answer, by table: what fits, what does not, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.framework.nodeinfo import NodeInfo, Snapshot
from scheduler.framework.podinfo import PodInfo, parse_pod, pod_requests
from scheduler.framework.status import Code
from scheduler.plugins.interpod_affinity import InterPodAffinity
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.resources_balanced import NodeResourcesBalancedAllocation
from scheduler.plugins.resources_fit import NodeResourcesFit
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.topology_spread import PodTopologySpread

Obj = dict[str, Any]


def pod(
    name: str = "p", *, labels: dict[str, str] | None = None, cpu: str = "", node: str = "", **spec: Any
) -> PodInfo:
    container: Obj = {"name": "c"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    body = {"containers": [container], **({"nodeName": node} if node else {}), **spec}
    return parse_pod(
        {"metadata": {"name": name, "namespace": "ns", "uid": name, "labels": labels or {}}, "spec": body}
    )


def node(
    name: str = "n", *pods: PodInfo, labels: dict[str, str] | None = None, cpu: str = "1", **spec: Any
) -> NodeInfo:
    info = NodeInfo(name)
    info.set_node(
        {
            "metadata": {"name": name, "labels": labels or {}},
            "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "memory": "1Gi", "pods": "3"}},
        },
        1,
    )
    for placed in pods:
        info.add(placed, 1)
    return info


@pytest.mark.parametrize(
    ("wants", "placed", "reasons"),
    [
        ("500m", "", ()),
        ("500m", "500m", ()),
        ("501m", "500m", ("Insufficient cpu",)),
        ("2", "", ("Insufficient cpu",)),
    ],
)
def test_resources_fit_compares_requests_with_what_is_left(
    wants: str, placed: str, reasons: tuple[str, ...]
) -> None:
    there = node("n", *([pod("q", cpu=placed)] if placed else []))
    assert NodeResourcesFit().filter({}, pod(cpu=wants), there).reasons == reasons


def test_resources_fit_more_than_the_node_has_is_unresolvable() -> None:
    assert NodeResourcesFit().filter({}, pod(cpu="2"), node()).code is Code.UNRESOLVABLE
    assert (
        NodeResourcesFit().filter({}, pod(cpu="1"), node("n", pod("q", cpu="1"))).code is Code.UNSCHEDULABLE
    )


def test_resources_fit_full_node_says_too_many_pods() -> None:
    full = node("n", pod("a"), pod("b"), pod("c"))
    assert NodeResourcesFit().filter({}, pod(), full).reasons == ("Too many pods",)


def test_resources_fit_prefers_the_emptier_node() -> None:
    plugin, newcomer = NodeResourcesFit(), pod(cpu="100m")
    assert plugin.score({}, newcomer, node()) > plugin.score({}, newcomer, node("m", pod("q", cpu="500m")))


def test_balanced_allocation_prefers_even_use() -> None:
    newcomer = pod(cpu="500m")
    lopsided = node("m", pod("q", cpu="400m"))
    plugin = NodeResourcesBalancedAllocation()
    assert plugin.score({}, newcomer, node()) > plugin.score({}, newcomer, lopsided)


def test_requests_take_the_larger_of_init_and_regular_and_count_sidecars() -> None:
    def container(cpu: str, **more: str) -> Obj:
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("100m"), container("100m")],
        "initContainers": [container("50m", restartPolicy="Always"), container("400m")],
        "overhead": {"cpu": "10m"},
    }
    assert pod_requests(spec) == {"cpu": 460}  # sidecar 50 + init 400 > 50 + 200, + overhead 10


@pytest.mark.parametrize(
    ("taint", "toleration", "fits"),
    [
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, None, False),
        ({"key": "k", "value": "v", "effect": "PreferNoSchedule"}, None, True),
        ({"key": "k", "value": "v", "effect": "NoExecute"}, {"operator": "Exists"}, True),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "v"}, True),
        ({"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "w"}, False),
        (
            {"key": "k", "effect": "NoSchedule"},
            {"key": "k", "operator": "Exists", "effect": "NoExecute"},
            False,
        ),
    ],
)
def test_taints_keep_out_what_does_not_tolerate_them(taint: Obj, toleration: Obj | None, fits: bool) -> None:
    newcomer = pod(tolerations=[toleration] if toleration else [])
    status = TaintToleration().filter({}, newcomer, node(taints=[taint]))
    assert status.ok is fits
    if not fits:
        assert status.reasons == (f"node(s) had untolerated taint {{k: {taint.get('value', '')}}}",)


def test_cordoned_node_takes_only_who_tolerates_it() -> None:
    cordoned = node(unschedulable=True)
    assert NodeUnschedulable().filter({}, pod(), cordoned).reasons == ("node(s) were unschedulable",)
    bears = pod(tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}])
    assert NodeUnschedulable().filter({}, bears, cordoned).ok


def _required(*expressions: Obj) -> Obj:
    terms = {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"affinity": _required({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]})}, True),
        ({"affinity": _required({"key": "disk", "operator": "NotIn", "values": ["ssd"]})}, False),
        ({"affinity": _required({"key": "gpu", "operator": "Exists"})}, False),
        ({"affinity": _required({"key": "gpu", "operator": "DoesNotExist"})}, True),
        ({"affinity": _required({"key": "cores", "operator": "Gt", "values": ["7"]})}, True),
        ({"affinity": _required({"key": "cores", "operator": "Lt", "values": ["8"]})}, False),
        ({"affinity": _required()}, False),
    ],
)
def test_node_affinity_and_selector_decide(spec: Obj, fits: bool) -> None:
    there = node(labels={"disk": "ssd", "cores": "8"})
    assert NodeAffinity().filter({}, pod(**spec), there).ok is fits


def test_host_port_conflicts_where_addresses_overlap() -> None:
    def holds(ip: str) -> PodInfo:
        ports = [{"containerPort": 80, "hostPort": 80, "hostIP": ip}]
        return parse_pod(
            {
                "metadata": {"name": "p" + ip, "namespace": "ns", "uid": ip},
                "spec": {"containers": [{"name": "c", "ports": ports}]},
            }
        )

    taken = node("n", holds("10.0.0.1"))
    assert not NodePorts().filter({}, holds("0.0.0.0"), taken).ok
    assert NodePorts().filter({}, holds("10.0.0.2"), taken).ok


def _spread(**more: Any) -> list[Obj]:
    return [
        {
            "topologyKey": "zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
            **more,
        }
    ]


def test_topology_spread_refuses_the_fuller_zone() -> None:
    web = {"app": "web"}
    a = node("a", pod("1", labels=web), labels={"zone": "a"})
    b = node("b", labels={"zone": "b"})
    newcomer, plugin, state = (
        pod("2", labels=web, topologySpreadConstraints=_spread()),
        PodTopologySpread(),
        {},
    )
    plugin.pre_filter(state, newcomer, Snapshot([a, b]))
    assert not plugin.filter(state, newcomer, a).ok
    assert plugin.filter(state, newcomer, b).ok
    nowhere = plugin.filter(state, newcomer, node("c"))
    assert "missing required label" in nowhere.reasons[0]


def _near(field: str, app: str) -> Obj:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}}
    return {field: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


@pytest.mark.parametrize(
    ("affinity", "in_zone_a", "in_zone_b"),
    [
        (_near("podAffinity", "db"), True, False),
        (_near("podAntiAffinity", "db"), False, True),
        (_near("podAffinity", "nothing-there"), False, False),
    ],
)
def test_interpod_affinity_follows_placed_pods(affinity: Obj, in_zone_a: bool, in_zone_b: bool) -> None:
    a = node("a", pod("db", labels={"app": "db"}), labels={"zone": "a"})
    b = node("b", labels={"zone": "b"})
    newcomer, plugin, state = pod("w", affinity=affinity), InterPodAffinity(lambda _: {}), {}
    plugin.pre_filter(state, newcomer, Snapshot([a, b]))
    assert plugin.filter(state, newcomer, a).ok is in_zone_a
    assert plugin.filter(state, newcomer, b).ok is in_zone_b


def test_interpod_affinity_first_of_its_own_group_may_start_it() -> None:
    newcomer = pod("w", labels={"app": "web"}, affinity=_near("podAffinity", "web"))
    a, plugin, state = node("a", labels={"zone": "a"}), InterPodAffinity(lambda _: {}), {}
    plugin.pre_filter(state, newcomer, Snapshot([a]))
    assert plugin.filter(state, newcomer, a).ok


def test_interpod_anti_affinity_of_a_placed_pod_refuses_the_newcomer() -> None:
    hermit = pod("h", affinity=_near("podAntiAffinity", "web"))
    a, plugin, state = node("a", hermit, labels={"zone": "a"}), InterPodAffinity(lambda _: {}), {}
    newcomer = pod("w", labels={"app": "web"})
    plugin.pre_filter(state, newcomer, Snapshot([a]))
    assert plugin.filter(state, newcomer, a).reasons == (
        "node(s) didn't satisfy existing pods anti-affinity rules",
    )
