"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, Proto, atomic
from api.meta.v1 import LabelSelector


class NodeSelectorRequirement(TypedDict, total=False):
    """TODO NodeSelectorRequirement"""

    key: Required[Annotated[str, Proto(1)]]
    operator: Required[Annotated[str, Proto(2)]]
    values: Annotated[list[str], Proto(3), ATOMIC]


@atomic
class NodeSelectorTerm(TypedDict, total=False):
    """TODO NodeSelectorTerm"""

    matchExpressions: Annotated[list[NodeSelectorRequirement], Proto(1), ATOMIC]
    matchFields: Annotated[list[NodeSelectorRequirement], Proto(2), ATOMIC]


@atomic
class NodeSelector(TypedDict, total=False):
    """TODO NodeSelector"""

    nodeSelectorTerms: Required[Annotated[list[NodeSelectorTerm], Proto(1), ATOMIC]]


class PreferredSchedulingTerm(TypedDict, total=False):
    """TODO PreferredSchedulingTerm"""

    weight: Required[Annotated[Int32, Proto(1)]]
    preference: Required[Annotated[NodeSelectorTerm, Proto(2)]]


class NodeAffinity(TypedDict, total=False):
    """TODO NodeAffinity"""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[NodeSelector, Proto(1)]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[PreferredSchedulingTerm], Proto(2), ATOMIC
    ]


class PodAffinityTerm(TypedDict, total=False):
    """TODO PodAffinityTerm"""

    labelSelector: Annotated[LabelSelector, Proto(1)]
    namespaces: Annotated[list[str], Proto(2), ATOMIC]
    topologyKey: Required[Annotated[str, Proto(3)]]
    namespaceSelector: Annotated[LabelSelector, Proto(4)]
    matchLabelKeys: Annotated[list[str], Proto(5), ATOMIC]
    mismatchLabelKeys: Annotated[list[str], Proto(6), ATOMIC]


class WeightedPodAffinityTerm(TypedDict, total=False):
    """TODO WeightedPodAffinityTerm"""

    weight: Required[Annotated[Int32, Proto(1)]]
    podAffinityTerm: Required[Annotated[PodAffinityTerm, Proto(2)]]


class PodAffinity(TypedDict, total=False):
    """TODO PodAffinity"""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[list[PodAffinityTerm], Proto(1), ATOMIC]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Proto(2), ATOMIC
    ]


class PodAntiAffinity(TypedDict, total=False):
    """TODO PodAntiAffinity"""

    requiredDuringSchedulingIgnoredDuringExecution: Annotated[list[PodAffinityTerm], Proto(1), ATOMIC]
    preferredDuringSchedulingIgnoredDuringExecution: Annotated[
        list[WeightedPodAffinityTerm], Proto(2), ATOMIC
    ]


class Affinity(TypedDict, total=False):
    """TODO Affinity"""

    nodeAffinity: Annotated[NodeAffinity, Proto(1)]
    podAffinity: Annotated[PodAffinity, Proto(2)]
    podAntiAffinity: Annotated[PodAntiAffinity, Proto(3)]


class Toleration(TypedDict, total=False):
    """TODO Toleration"""

    key: Annotated[str, Proto(1)]
    operator: Annotated[str, Proto(2)]
    value: Annotated[str, Proto(3)]
    effect: Annotated[str, Proto(4)]
    tolerationSeconds: Annotated[Int64, Proto(5)]


class TopologySpreadConstraint(TypedDict, total=False):
    """TODO TopologySpreadConstraint"""

    maxSkew: Required[Annotated[Int32, Proto(1)]]
    topologyKey: Required[Annotated[str, Proto(2)]]
    whenUnsatisfiable: Required[Annotated[str, Proto(3)]]
    labelSelector: Annotated[LabelSelector, Proto(4)]
    minDomains: Annotated[Int32, Proto(5)]
    nodeAffinityPolicy: Annotated[str, Proto(6)]
    nodeTaintsPolicy: Annotated[str, Proto(7)]
    matchLabelKeys: Annotated[list[str], Proto(8), ATOMIC]
