"""The explicit table: which plugins the default scheduler runs, in which order, with which weight."""

from __future__ import annotations

from client.client import Client
from scheduler.framework.framework import Framework, Weighted
from scheduler.plugins.default_binder import DefaultBinder
from scheduler.plugins.interpod_affinity import InterPodAffinity, NamespaceLabels
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.priority_sort import PrioritySort
from scheduler.plugins.resources_balanced import NodeResourcesBalancedAllocation
from scheduler.plugins.resources_fit import NodeResourcesFit
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration
from scheduler.plugins.topology_spread import PodTopologySpread

DEFAULT_NAME = "default-scheduler"


def default_profile(client: Client, namespace_labels: NamespaceLabels, name: str = DEFAULT_NAME) -> Framework:
    """Cheap refusals come first: the first plugin to refuse a node ends the look at it."""
    return Framework(
        name,
        (
            Weighted(PrioritySort(), 0),
            Weighted(SchedulingGates(), 0),
            Weighted(NodeUnschedulable(), 0),
            Weighted(NodeName(), 0),
            Weighted(TaintToleration(), 3),
            Weighted(NodeAffinity(), 2),
            Weighted(NodePorts(), 0),
            Weighted(NodeResourcesFit(), 1),
            Weighted(NodeResourcesBalancedAllocation(), 1),
            Weighted(PodTopologySpread(), 2),
            Weighted(InterPodAffinity(namespace_labels), 2),
            Weighted(DefaultBinder(client), 0),
        ),
    )
