"""The wire form of PriorityLevelConfiguration."""

from typing import Annotated, Required, TypedDict

from api.annotations import Int32, ListMap, Patch, Proto, Time
from api.meta.v1 import ObjectMeta


class QueuingConfiguration(TypedDict, total=False):
    """How requests wait."""

    queues: Annotated[Int32, Proto(1), "How many queues there are; 64 where unset."]
    handSize: Annotated[Int32, Proto(2), "How many queues a flow is spread over; 8 where unset."]
    queueLengthLimit: Annotated[Int32, Proto(3), "How many requests a queue holds; 50 where unset."]


class LimitResponse(TypedDict, total=False):
    """What becomes of requests that are too many."""

    type: Required[Annotated[str, Proto(1), "Queue or Reject."]]
    queuing: Annotated[QueuingConfiguration, Proto(2), "How they wait."]


class LimitedPriorityLevelConfiguration(TypedDict, total=False):
    """The seats of a level with a limit."""

    nominalConcurrencyShares: Annotated[Int32, Proto(1), "Its share of the server's seats; 30 where unset."]
    limitResponse: Annotated[LimitResponse, Proto(2), "What becomes of requests that are too many."]
    lendablePercent: Annotated[Int32, Proto(3), "How many percent of its seats it may lend."]
    borrowingLimitPercent: Annotated[
        Int32, Proto(4), "How many percent of its seats it may borrow; without limit where unset."
    ]


class ExemptPriorityLevelConfiguration(TypedDict, total=False):
    """The seats of a level without a limit."""

    nominalConcurrencyShares: Annotated[Int32, Proto(1), "Its share of the server's seats; 0 where unset."]
    lendablePercent: Annotated[Int32, Proto(2), "How many percent of its seats it may lend."]


class PriorityLevelConfigurationSpec(TypedDict, total=False):
    """How many requests of a level are served at the same time."""

    type: Required[Annotated[str, Proto(1), "Exempt or Limited."]]
    limited: Annotated[LimitedPriorityLevelConfiguration, Proto(2), "The seats of a level with a limit."]
    exempt: Annotated[ExemptPriorityLevelConfiguration, Proto(3), "The seats of a level without one."]


class PriorityLevelConfigurationCondition(TypedDict, total=False):
    """One aspect of a priority level's state."""

    type: Annotated[str, Proto(1), "Which aspect it is."]
    status: Annotated[str, Proto(2), "True, False or Unknown."]
    lastTransitionTime: Annotated[Time, Proto(3), "When the status last changed."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    message: Annotated[str, Proto(5), "Why, in words for people."]


class PriorityLevelConfigurationStatus(TypedDict, total=False):
    """How a priority level is."""

    conditions: Annotated[
        list[PriorityLevelConfigurationCondition],
        Proto(1),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]


class PriorityLevelConfiguration(TypedDict, total=False):
    """How many requests of a kind are served at the same time."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[PriorityLevelConfigurationSpec, Proto(2), "What is wanted."]
    status: Annotated[PriorityLevelConfigurationStatus, Proto(3), "What is; written by the system."]
