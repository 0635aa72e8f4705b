"""Whatever pods come, no node is given more than it has, and what fits somewhere is placed."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.cache import SchedulerCache
from scheduler.cycle import Cycle
from scheduler.framework.framework import Framework, Weighted
from scheduler.framework.podinfo import parse_pod
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.resources_balanced import NodeResourcesBalancedAllocation
from scheduler.plugins.resources_fit import NodeResourcesFit

Obj = dict[str, Any]


def framework() -> Framework:
    plugins = (NodePorts(), NodeResourcesFit(), NodeResourcesBalancedAllocation())
    return Framework("test", [Weighted(plugin) for plugin in plugins])


def node(name: str, cpu: int, memory: int, pods: int) -> Obj:
    allocatable = {"cpu": f"{cpu}m", "memory": f"{memory}Mi", "pods": str(pods)}
    return {"metadata": {"name": name}, "spec": {}, "status": {"allocatable": allocatable}}


def pod(index: int, cpu: int, memory: int, port: int) -> Obj:
    ports = [{"containerPort": 80, "hostPort": port}] if port else []
    requests = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
    container = {"name": "c", "resources": {"requests": requests}, "ports": ports}
    meta = {"name": f"p{index}", "namespace": "ns", "uid": f"u{index}"}
    return {"metadata": meta, "spec": {"containers": [container]}}


nodes = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 6)), min_size=1, max_size=5
)
pods = st.lists(
    st.tuples(st.integers(0, 900), st.integers(0, 900), st.sampled_from((0, 0, 80, 81))), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(nodes, pods, st.integers(0, 9))
def test_placements_stay_within_every_nodes_means(
    sizes: list[tuple[int, int, int]], wants: list[tuple[int, int, int]], seed: int
) -> None:
    cache, rng = SchedulerCache(), random.Random(seed)
    for index, size in enumerate(sizes):
        cache.set_node(node(f"n{index}", *size))
    cycle = Cycle(framework(), rng)
    for index, want in enumerate(wants):
        info = parse_pod(pod(index, *want))
        decision = cycle.decide(info, cache.snapshot())
        if decision.node_name:
            cache.assume(info, decision.node_name)
        else:
            assert len(decision.refusals) == len(sizes)
            assert all(status.reasons for status in decision.refusals.values())
        if rng.random() < 0.2:
            cache.forget(f"u{rng.randrange(index + 1)}")
    for info in cache.snapshot().nodes:
        placed = info.pods.values()
        assert len(placed) <= info.allocatable["pods"]
        for name in ("cpu", "memory"):
            total = sum(p.requests.get(name, 0) for p in placed)
            assert total == info.requested.get(name, 0)
            assert total <= info.allocatable[name]
        taken = [port.port for p in placed for port in p.host_ports]
        assert len(taken) == len(set(taken))
