"""Where a pod may run: selectors of nodes, affinity to pods, tolerations, spreading."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, Proto, atomic
from api.meta.v1 import LabelSelector


class NodeSelectorRequirement(TypedDict, total=False):
    """A condition on the value of one label (or field) of a node."""

    key: Required[Annotated[str, Proto(1), "The label (or metadata.name, for a field)."]]
    operator: Required[Annotated[str, Proto(2), "In, NotIn, Exists, DoesNotExist, Gt or Lt."]]
    values: Annotated[
        list[str], Proto(3), ATOMIC, "The values to compare with; one whole number for Gt and Lt."
    ]


@atomic
class NodeSelectorTerm(TypedDict, total=False):
    """Conditions that must all hold. A term without any selects no node."""

    matchExpressions: Annotated[
        list[NodeSelectorRequirement], Proto(1), ATOMIC, "Conditions on the node's labels."
    ]
    matchFields: Annotated[
        list[NodeSelectorRequirement],
        Proto(2),
        ATOMIC,
        "Conditions on the node's fields; only metadata.name.",
    ]


@atomic
class NodeSelector(TypedDict, total=False):
    """Selects nodes for which at least one term holds."""

    nodeSelectorTerms: Required[
        Annotated[list[NodeSelectorTerm], Proto(1), ATOMIC, "Terms, one of which must hold."]
    ]


class PreferredSchedulingTerm(TypedDict, total=False):
    """A term that adds its weight to the nodes for which it holds."""

    weight: Required[Annotated[Int32, Proto(1), "How much it counts, 1 to 100."]]
    preference: Required[Annotated[NodeSelectorTerm, Proto(2), "The term."]]


class NodeAffinity(TypedDict, total=False):
    """Which nodes a pod must have, or would rather have."""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        NodeSelector, Proto(1), "Must hold when the pod is placed; what changes later does not move it."
    ]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PreferredSchedulingTerm], Proto(2), ATOMIC, "Adds weight where it holds, when the pod is placed."
    ]


class PodAffinityTerm(TypedDict, total=False):
    """Pods, and the topology within which to be near to them or away from them."""

    labelSelector: Annotated[LabelSelector, Proto(1), "Which pods it is about, by their labels."]
    namespaces: Annotated[
        list[str],
        Proto(2),
        ATOMIC,
        "The namespaces to look in; the pod's own where this and namespaceSelector are empty.",
    ]
    topologyKey: Required[
        Annotated[
            str,
            Proto(3),
            "The node label whose values are the places: kubernetes.io/hostname, topology.kubernetes.io/zone.",
        ]
    ]
    namespaceSelector: Annotated[
        LabelSelector, Proto(4), "The namespaces to look in, by their labels; an empty selector means all."
    ]
    matchLabelKeys: Annotated[
        list[str], Proto(5), ATOMIC, "Labels of the pod itself whose values the others must share."
    ]
    mismatchLabelKeys: Annotated[
        list[str], Proto(6), ATOMIC, "Labels of the pod itself whose values the others must not share."
    ]


class WeightedPodAffinityTerm(TypedDict, total=False):
    """A term that adds its weight where it holds."""

    weight: Required[Annotated[Int32, Proto(1), "How much it counts, 1 to 100."]]
    podAffinityTerm: Required[Annotated[PodAffinityTerm, Proto(2), "The term."]]


class PodAffinity(TypedDict, total=False):
    """Pods to be near to."""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm],
        Proto(1),
        ATOMIC,
        "Must hold when the pod is placed; what changes later does not move it.",
    ]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Proto(2), ATOMIC, "Adds weight where it holds, when the pod is placed."
    ]


class PodAntiAffinity(TypedDict, total=False):
    """Pods to be away from."""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PodAffinityTerm],
        Proto(1),
        ATOMIC,
        "Must hold when the pod is placed; what changes later does not move it.",
    ]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Proto(2), ATOMIC, "Adds weight where it holds, when the pod is placed."
    ]


class Affinity(TypedDict, total=False):
    """What a pod wants of the node and of its neighbours."""

    nodeAffinity: Annotated[NodeAffinity, Proto(1), "Which nodes to run on."]
    podAffinity: Annotated[PodAffinity, Proto(2), "Which pods to run near to."]
    podAntiAffinity: Annotated[PodAntiAffinity, Proto(3), "Which pods to stay away from."]


class Toleration(TypedDict, total=False):
    """Lets a pod run on nodes with a matching taint."""

    key: Annotated[str, Proto(1), "The taint's key; empty, with Exists, tolerates every taint."]
    operator: Annotated[str, Proto(2), "Equal (the value too must match, the default) or Exists."]
    value: Annotated[str, Proto(3), "The taint's value."]
    effect: Annotated[str, Proto(4), "NoSchedule, PreferNoSchedule or NoExecute; empty means all."]
    tolerationSeconds: Annotated[
        Int64, Proto(5), "How long a NoExecute taint is tolerated; for ever where unset."
    ]


class TopologySpreadConstraint(TypedDict, total=False):
    """How evenly matching pods are spread over zones, nodes, or whatever a label names."""

    maxSkew: Required[Annotated[Int32, Proto(1), "By how many pods two places may differ."]]
    topologyKey: Required[
        Annotated[
            str,
            Proto(2),
            "The node label whose values are the places: kubernetes.io/hostname, topology.kubernetes.io/zone.",
        ]
    ]
    whenUnsatisfiable: Required[
        Annotated[str, Proto(3), "DoNotSchedule, or ScheduleAnyway but with a preference."]
    ]
    labelSelector: Annotated[LabelSelector, Proto(4), "Which pods it is about, by their labels."]
    minDomains: Annotated[
        Int32, Proto(5), "How many places there must be for the smallest count to be above zero."
    ]
    nodeAffinityPolicy: Annotated[
        str, Proto(6), "Whether nodes that the pod's node affinity excludes count: Honor or Ignore."
    ]
    nodeTaintsPolicy: Annotated[
        str, Proto(7), "Whether nodes with taints that the pod does not tolerate count: Honor or Ignore."
    ]
    matchLabelKeys: Annotated[
        list[str], Proto(8), ATOMIC, "Labels of the pod itself whose values the counted pods must share."
    ]
