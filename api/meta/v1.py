"""Metadata that every object carries, selectors, and the bodies that answers and deletions share."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, FieldsV1, Int32, Int64, ListMap, Patch, Proto, Time, atomic

PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1"
GROUP = ""
VERSION = "v1"


@atomic
class OwnerReference(TypedDict, total=False):
    """An object that this one belongs to, and with which it is removed."""

    kind: Required[Annotated[str, Proto(1), "Kind of the owner."]]
    apiVersion: Required[Annotated[str, Proto(5), "Group and version of the owner."]]
    name: Required[Annotated[str, Proto(3), "Name of the owner."]]
    uid: Required[Annotated[str, Proto(4), "Id of the owner; another object of the same name is no owner."]]
    controller: Annotated[bool, Proto(6), "Whether this is the one owner that manages the object."]
    blockOwnerDeletion: Annotated[
        bool, Proto(7), "Whether the owner, deleted in the foreground, waits for this object."
    ]


class ManagedFieldsEntry(TypedDict, total=False):
    """The fields that one manager set, and when."""

    apiVersion: Annotated[str, Proto(3), "The version in which the fields are named."]
    manager: Annotated[str, Proto(1), "Who set the fields."]
    operation: Annotated[str, Proto(2), "Apply, or Update for everything else."]
    time: Annotated[Time, Proto(4), "When they were last set."]
    fieldsType: Annotated[str, Proto(6), "How they are written: FieldsV1."]
    fieldsV1: Annotated[FieldsV1, Proto(7), "The fields."]
    subresource: Annotated[str, Proto(8), "The subresource through which they were set."]


class ObjectMeta(TypedDict, total=False):
    """What every stored object has: its name, its identity, its labels, its owners."""

    name: Annotated[str, Proto(1), "Unique within its namespace and kind; cannot be changed."]
    generateName: Annotated[
        str, Proto(2), "A prefix from which the server makes a unique name, where none is given."
    ]
    namespace: Annotated[
        str, Proto(3), "The scope of the name; empty for kinds that have no namespaces. Cannot be changed."
    ]
    selfLink: Annotated[str, Proto(4), "No longer set."]
    uid: Annotated[
        str,
        Proto(5),
        "Unique over all time; tells two objects apart that had the same name one after the other.",
    ]
    resourceVersion: Annotated[
        str,
        Proto(6),
        "The revision of the object. Send it back with an update to be told if somebody else was faster.",
    ]
    generation: Annotated[Int64, Proto(7), "Grows with every change of what is wanted."]
    creationTimestamp: Annotated[
        Time, Proto(8), "CreationTimestamp is a timestamp: when the server stored the object first."
    ]
    deletionTimestamp: Annotated[Time, Proto(9), "When the object is to be gone; set by a graceful deletion."]
    deletionGracePeriodSeconds: Annotated[Int64, Proto(10), "How long the deletion may take."]
    labels: Annotated[dict[str, str], Proto(11), "Words to select the object by."]
    annotations: Annotated[dict[str, str], Proto(12), "Further notes that nothing selects by."]
    ownerReferences: Annotated[
        list[OwnerReference],
        Proto(13),
        ListMap("uid"),
        Patch("merge", "uid"),
        "The objects it belongs to; when all are gone, it is removed.",
    ]
    finalizers: Annotated[
        list[str],
        Proto(14),
        SET,
        Patch("merge"),
        "Who must agree before a deleted object goes: each takes its own entry away.",
    ]
    managedFields: Annotated[
        list[ManagedFieldsEntry], Proto(17), ATOMIC, "Who set which field; kept by the server."
    ]


class ShardInfo(TypedDict, total=False):
    """Which part of a sharded list this is."""

    selector: Required[Annotated[str, Proto(1), "Which pods are its own."]]


ListMeta = TypedDict(
    "ListMeta",
    {
        "selfLink": Annotated[str, Proto(1), "No longer set."],
        "resourceVersion": Annotated[
            str, Proto(2), "The revision of the whole list; a watch goes on from here."
        ],
        "continue": Annotated[str, Proto(3), "The token to ask for the next part of the list with."],
        "remainingItemCount": Annotated[
            Int64, Proto(4), "How many objects this part of the list leaves out."
        ],
        "shardInfo": Annotated[ShardInfo, Proto(5), "Which shard of the list was asked for."],
    },
    total=False,
)
ListMeta.__doc__ = "What a list says of itself: its revision, and how to go on."


class LabelSelectorRequirement(TypedDict, total=False):
    """A condition on the value of one label."""

    key: Required[Annotated[str, Proto(1), "The label."]]
    operator: Required[Annotated[str, Proto(2), "In, NotIn, Exists or DoesNotExist."]]
    values: Annotated[list[str], Proto(3), ATOMIC, "The values for In and NotIn; none for the others."]


@atomic
class LabelSelector(TypedDict, total=False):
    """Selects objects by their labels; all its conditions must hold. An empty one selects everything."""

    matchLabels: Annotated[dict[str, str], Proto(1), "Labels that must have exactly these values."]
    matchExpressions: Annotated[
        list[LabelSelectorRequirement], Proto(2), ATOMIC, "Conditions on labels; all must hold."
    ]


class FieldSelectorRequirement(TypedDict, total=False):
    """A condition on the value of one field."""

    key: Required[Annotated[str, Proto(1), "The field."]]
    operator: Required[Annotated[str, Proto(2), "In, NotIn, Exists or DoesNotExist."]]
    values: Annotated[list[str], Proto(3), ATOMIC, "The values for In and NotIn; none for the others."]


class Condition(TypedDict, total=False):
    """One aspect of an object's state: true, false or unknown, since when and why."""

    type: Required[Annotated[str, Proto(1), "Which aspect it is."]]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    observedGeneration: Annotated[Int64, Proto(3), "The generation that this was seen of."]
    lastTransitionTime: Required[Annotated[Time, Proto(4), "When the status last changed."]]
    reason: Required[Annotated[str, Proto(5), "Why, in a word for machines."]]
    message: Required[Annotated[str, Proto(6), "Why, in words for people."]]


class Preconditions(TypedDict, total=False):
    """What must hold of an object for it to be deleted."""

    uid: Annotated[str, Proto(1), "Its unique id."]
    resourceVersion: Annotated[str, Proto(2), "Its revision."]


class DeleteOptions(TypedDict, total=False):
    """What a deletion may say: how long to wait, what to do about dependents, and on which conditions."""

    apiVersion: str
    kind: str
    gracePeriodSeconds: Annotated[
        Int64, Proto(1), "Seconds between the request and the removal; 0 removes at once."
    ]
    preconditions: Annotated[
        Preconditions, Proto(2), "What must hold of the object, else nothing is deleted."
    ]
    orphanDependents: Annotated[bool, Proto(3), "Superseded by propagationPolicy."]
    propagationPolicy: Annotated[
        str, Proto(4), "Orphan keeps dependents, Background removes them later, Foreground first."
    ]
    dryRun: Annotated[list[str], Proto(5), ATOMIC, "All: do everything but delete."]
    ignoreStoreReadErrorWithClusterBreakingPotential: Annotated[
        bool, Proto(6), "Delete what cannot be read any more, without its finalizers."
    ]


class StatusCause(TypedDict, total=False):
    """One reason among several why a request was refused."""

    reason: Annotated[str, Proto(1), "Why, in a word for machines."]
    message: Annotated[str, Proto(2), "Why, in words for people."]
    field: Annotated[str, Proto(3), "Where it is wrong, such as spec.containers[0].name."]


class StatusDetails(TypedDict, total=False):
    """What a Status is about, and all that was wrong."""

    kind: Annotated[str, Proto(3), "The resource."]
    name: Annotated[str, Proto(1), "Name of the object."]
    group: Annotated[str, Proto(2), "Group of the object."]
    causes: Annotated[list[StatusCause], Proto(4), ATOMIC, "Everything that was wrong."]
    retryAfterSeconds: Annotated[Int32, Proto(5), "How long to wait before trying again."]
    uid: Annotated[str, Proto(6), "Id of the object."]


class Status(TypedDict, total=False):
    """How a request ended that returns no object."""

    apiVersion: str
    kind: str
    metadata: Annotated[ListMeta, Proto(1), "Name, labels and all else that every object carries."]
    status: Annotated[str, Proto(2), "Success or Failure."]
    message: Annotated[str, Proto(3), "Why, in words for people."]
    reason: Annotated[str, Proto(4), "Why, in a word for machines."]
    details: Annotated[StatusDetails, Proto(5), "What it is about."]
    code: Annotated[Int32, Proto(6), "The HTTP status."]
