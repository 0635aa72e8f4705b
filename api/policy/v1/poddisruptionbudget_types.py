"""The wire form of PodDisruptionBudget."""

from typing import Annotated, TypedDict

from api.annotations import Enum, Int32, Int64, IntOrString, ListMap, Patch, Proto, Time
from api.meta.v1 import Condition, LabelSelector, ObjectMeta


class PodDisruptionBudgetSpec(TypedDict, total=False):
    """What a user wants of a disruption budget."""

    minAvailable: Annotated[IntOrString, Proto(1), "How many pods must stay, as a number or a percentage."]
    selector: Annotated[LabelSelector, Proto(2), Patch("replace"), "Which pods it is about."]
    maxUnavailable: Annotated[IntOrString, Proto(3), "How many pods may go, as a number or a percentage."]
    unhealthyPodEvictionPolicy: Annotated[
        str,
        Proto(4),
        Enum("AlwaysAllow", "IfHealthyBudget"),
        "When pods that are not ready may go: IfHealthyBudget or AlwaysAllow.",
    ]


class PodDisruptionBudgetStatus(TypedDict, total=False):
    """How a disruption budget stands."""

    observedGeneration: Annotated[Int64, Proto(1), "The generation that this was seen of."]
    disruptedPods: Annotated[dict[str, Time], Proto(2), "Pods that are about to go, and since when."]
    disruptionsAllowed: Annotated[Int32, Proto(3), "How many pods may go now."]
    currentHealthy: Annotated[Int32, Proto(4), "Pods that are well."]
    desiredHealthy: Annotated[Int32, Proto(5), "How many pods must be well."]
    expectedPods: Annotated[Int32, Proto(6), "Pods that count."]
    conditions: Annotated[
        list[Condition],
        Proto(7),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class PodDisruptionBudget(TypedDict, total=False):
    """How many pods of a kind may be taken away at the same time."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[PodDisruptionBudgetSpec, Proto(2), "What is wanted."]
    status: Annotated[PodDisruptionBudgetStatus, Proto(3), "What is; written by the system."]
