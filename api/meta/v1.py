"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, FieldsV1, Int32, Int64, ListMap, Patch, Proto, Time, atomic

PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1"
GROUP = ""
VERSION = "v1"


@atomic
class OwnerReference(TypedDict, total=False):
    """TODO OwnerReference"""

    kind: Required[Annotated[str, Proto(1)]]
    apiVersion: Required[Annotated[str, Proto(5)]]
    name: Required[Annotated[str, Proto(3)]]
    uid: Required[Annotated[str, Proto(4)]]
    controller: Annotated[bool, Proto(6)]
    blockOwnerDeletion: Annotated[bool, Proto(7)]


class ManagedFieldsEntry(TypedDict, total=False):
    """TODO ManagedFieldsEntry"""

    apiVersion: Annotated[str, Proto(3)]
    manager: Annotated[str, Proto(1)]
    operation: Annotated[str, Proto(2)]
    time: Annotated[Time, Proto(4)]
    fieldsType: Annotated[str, Proto(6)]
    fieldsV1: Annotated[FieldsV1, Proto(7)]
    subresource: Annotated[str, Proto(8)]


class ObjectMeta(TypedDict, total=False):
    """TODO ObjectMeta"""

    name: Annotated[str, Proto(1)]
    generateName: Annotated[str, Proto(2)]
    namespace: Annotated[str, Proto(3)]
    selfLink: Annotated[str, Proto(4)]
    uid: Annotated[str, Proto(5)]
    resourceVersion: Annotated[str, Proto(6)]
    generation: Annotated[Int64, Proto(7)]
    creationTimestamp: Annotated[Time, Proto(8)]
    deletionTimestamp: Annotated[Time, Proto(9)]
    deletionGracePeriodSeconds: Annotated[Int64, Proto(10)]
    labels: Annotated[dict[str, str], Proto(11)]
    annotations: Annotated[dict[str, str], Proto(12)]
    ownerReferences: Annotated[list[OwnerReference], Proto(13), ListMap("uid"), Patch("merge", "uid")]
    finalizers: Annotated[list[str], Proto(14), SET, Patch("merge")]
    managedFields: Annotated[list[ManagedFieldsEntry], Proto(17), ATOMIC]


class ShardInfo(TypedDict, total=False):
    """TODO ShardInfo"""

    selector: Required[Annotated[str, Proto(1)]]


ListMeta = TypedDict(
    "ListMeta",
    {
        "selfLink": Annotated[str, Proto(1)],
        "resourceVersion": Annotated[str, Proto(2)],
        "continue": Annotated[str, Proto(3)],
        "remainingItemCount": Annotated[Int64, Proto(4)],
        "shardInfo": Annotated[ShardInfo, Proto(5)],
    },
    total=False,
)
"""TODO ListMeta"""


class LabelSelectorRequirement(TypedDict, total=False):
    """TODO LabelSelectorRequirement"""

    key: Required[Annotated[str, Proto(1)]]
    operator: Required[Annotated[str, Proto(2)]]
    values: Annotated[list[str], Proto(3), ATOMIC]


@atomic
class LabelSelector(TypedDict, total=False):
    """TODO LabelSelector"""

    matchLabels: Annotated[dict[str, str], Proto(1)]
    matchExpressions: Annotated[list[LabelSelectorRequirement], Proto(2), ATOMIC]


class FieldSelectorRequirement(TypedDict, total=False):
    """TODO FieldSelectorRequirement"""

    key: Required[Annotated[str, Proto(1)]]
    operator: Required[Annotated[str, Proto(2)]]
    values: Annotated[list[str], Proto(3), ATOMIC]


class Condition(TypedDict, total=False):
    """TODO Condition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    observedGeneration: Annotated[Int64, Proto(3)]
    lastTransitionTime: Required[Annotated[Time, Proto(4)]]
    reason: Required[Annotated[str, Proto(5)]]
    message: Required[Annotated[str, Proto(6)]]


class Preconditions(TypedDict, total=False):
    """TODO Preconditions"""

    uid: Annotated[str, Proto(1)]
    resourceVersion: Annotated[str, Proto(2)]


class DeleteOptions(TypedDict, total=False):
    """TODO DeleteOptions"""

    apiVersion: str
    kind: str
    gracePeriodSeconds: Annotated[Int64, Proto(1)]
    preconditions: Annotated[Preconditions, Proto(2)]
    orphanDependents: Annotated[bool, Proto(3)]
    propagationPolicy: Annotated[str, Proto(4)]
    dryRun: Annotated[list[str], Proto(5), ATOMIC]
    ignoreStoreReadErrorWithClusterBreakingPotential: Annotated[bool, Proto(6)]


class StatusCause(TypedDict, total=False):
    """TODO StatusCause"""

    reason: Annotated[str, Proto(1)]
    message: Annotated[str, Proto(2)]
    field: Annotated[str, Proto(3)]


class StatusDetails(TypedDict, total=False):
    """TODO StatusDetails"""

    kind: Annotated[str, Proto(3)]
    name: Annotated[str, Proto(1)]
    group: Annotated[str, Proto(2)]
    causes: Annotated[list[StatusCause], Proto(4), ATOMIC]
    retryAfterSeconds: Annotated[Int32, Proto(5)]
    uid: Annotated[str, Proto(6)]


class Status(TypedDict, total=False):
    """TODO Status"""

    apiVersion: str
    kind: str
    metadata: Annotated[ListMeta, Proto(1)]
    status: Annotated[str, Proto(2)]
    message: Annotated[str, Proto(3)]
    reason: Annotated[str, Proto(4)]
    details: Annotated[StatusDetails, Proto(5)]
    code: Annotated[Int32, Proto(6)]
