"""The wire form of ResourceSlice."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int64, Proto, Quantity
from api.core.v1.affinity import NodeSelector
from api.dra.v1.device_parts import DeviceTaint
from api.meta.v1 import ObjectMeta


class Counter(TypedDict, total=False):
    """An amount that devices of a pool share."""

    value: Required[Annotated[Quantity, Proto(1), "How much there is, or is taken."]]


class CounterSet(TypedDict, total=False):
    """Amounts that devices of a pool share."""

    name: Required[Annotated[str, Proto(1), "Its name within the pool."]]
    counters: Required[Annotated[dict[str, Counter], Proto(2), "The amounts."]]


class DeviceCounterConsumption(TypedDict, total=False):
    """Shared amounts that a device takes."""

    counterSet: Required[Annotated[str, Proto(1), "Where they are taken from."]]
    counters: Required[Annotated[dict[str, Counter], Proto(2), "How much."]]


class CapacityRequestPolicyRange(TypedDict, total=False):
    """Amounts that may be asked for."""

    min: Required[Annotated[Quantity, Proto(1), "The least."]]
    max: Annotated[Quantity, Proto(2), "The most."]
    step: Annotated[Quantity, Proto(3), "By how much they may grow."]


class CapacityRequestPolicy(TypedDict, total=False):
    """How much of a capacity may be asked for."""

    default: Annotated[Quantity, Proto(1), "How much a request gets that does not say."]
    validValues: Annotated[list[Quantity], Proto(3), ATOMIC, "Amounts that may be asked for."]
    validRange: Annotated[CapacityRequestPolicyRange, Proto(4), "A range of amounts that may be asked for."]


class DeviceCapacity(TypedDict, total=False):
    """How much of something a device has."""

    value: Required[Annotated[Quantity, Proto(1), "How much."]]
    requestPolicy: Annotated[CapacityRequestPolicy, Proto(2), "How much may be asked for."]


class DeviceAttribute(TypedDict, total=False):
    """A value of a device's attribute; exactly one of these."""

    int: Annotated[Int64, Proto(2), "A number."]
    bool: Annotated[bool, Proto(3), "True or false."]
    string: Annotated[str, Proto(4), "A word."]
    version: Annotated[str, Proto(5), "A version, as semver."]
    ints: Annotated[list[Int64], Proto(6), ATOMIC, "Numbers."]
    bools: Annotated[list[bool], Proto(7), ATOMIC, "Truth values."]
    strings: Annotated[list[str], Proto(8), ATOMIC, "Words."]
    versions: Annotated[list[str], Proto(9), ATOMIC, "Versions, as semver."]


class NodeAllocatableResourceMapping(TypedDict, total=False):
    """A resource of the node that a device takes."""

    capacityKey: Annotated[str, Proto(1), "The capacity of the device that it is taken by."]
    allocationMultiplier: Annotated[
        Quantity, Proto(2), "How much of the resource goes with one of the device, or of its capacity."
    ]


class Device(TypedDict, total=False):
    """A device of a pool."""

    name: Required[Annotated[str, Proto(1), "Its name within the pool."]]
    attributes: Annotated[dict[str, DeviceAttribute], Proto(2), "What it is like."]
    capacity: Annotated[dict[str, DeviceCapacity], Proto(3), "How much it has, by capacity."]
    consumesCounters: Annotated[
        list[DeviceCounterConsumption], Proto(4), ATOMIC, "Shared amounts that it takes."
    ]
    nodeName: Annotated[str, Proto(5), "The node it is on."]
    nodeSelector: Annotated[NodeSelector, Proto(6), "Nodes it can be used from."]
    allNodes: Annotated[bool, Proto(7), "Whether it can be used from everywhere."]
    taints: Annotated[list[DeviceTaint], Proto(8), ATOMIC, "What keeps claims off it."]
    bindsToNode: Annotated[bool, Proto(9), "Whether using it ties the claim to the node."]
    bindingConditions: Annotated[
        list[str], Proto(10), ATOMIC, "Conditions that must be true before the pod is bound."
    ]
    bindingFailureConditions: Annotated[list[str], Proto(11), ATOMIC, "Conditions that make binding fail."]
    allowMultipleAllocations: Annotated[bool, Proto(12), "Whether several claims may have it."]
    nodeAllocatableResourceMappings: Annotated[
        dict[str, NodeAllocatableResourceMapping], Proto(13), "Resources of the node that it takes."
    ]


class ResourcePool(TypedDict, total=False):
    """The pool that a slice belongs to."""

    name: Required[Annotated[str, Proto(1), "Its name; that of the node where its devices are a node's own."]]
    generation: Required[
        Annotated[Int64, Proto(2), "Grows with every change of the pool; older slices do not count."]
    ]
    resourceSliceCount: Required[Annotated[Int64, Proto(3), "How many slices the pool has."]]


class ResourceSliceSpec(TypedDict, total=False):
    """Some of the devices of a pool."""

    driver: Required[Annotated[str, Proto(1), "The driver."]]
    pool: Required[Annotated[ResourcePool, Proto(2), "The pool."]]
    nodeName: Annotated[str, Proto(3), "The node they are on."]
    nodeSelector: Annotated[NodeSelector, Proto(4), "Nodes they can be used from."]
    allNodes: Annotated[bool, Proto(5), "Whether they can be used from everywhere."]
    devices: Annotated[list[Device], Proto(6), ATOMIC, "The devices."]
    perDeviceNodeSelection: Annotated[
        bool, Proto(7), "Whether each device says for itself where it can be used."
    ]
    sharedCounters: Annotated[list[CounterSet], Proto(8), ATOMIC, "Amounts that devices share."]


class ResourceSlice(TypedDict, total=False):
    """Some of the devices of a driver."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[ResourceSliceSpec, Proto(2), "What is wanted."]]
