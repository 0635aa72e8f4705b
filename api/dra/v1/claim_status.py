"""What a claim got: devices, and who uses them."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ListMap, Patch, Proto, Quantity, RawExtension, Time, inlines
from api.core.v1.affinity import NodeSelector
from api.dra.v1.device_parts import DeviceConfiguration, DeviceToleration
from api.meta.v1 import Condition


class DeviceRequestAllocationResult(TypedDict, total=False):
    """A device that was given for a request."""

    request: Required[
        Annotated[str, Proto(1), "The request, perhaps with the way it was fulfilled: main or main/sub."]
    ]
    driver: Required[Annotated[str, Proto(2), "The driver."]]
    pool: Required[Annotated[str, Proto(3), "The pool."]]
    device: Required[Annotated[str, Proto(4), "The device within the pool."]]
    adminAccess: Annotated[bool, Proto(5), "Whether others use it, too."]
    tolerations: Annotated[list[DeviceToleration], Proto(6), ATOMIC, "Taints that the request puts up with."]
    bindingConditions: Annotated[
        list[str], Proto(7), ATOMIC, "Conditions that must be true before the pod is bound."
    ]
    bindingFailureConditions: Annotated[list[str], Proto(8), ATOMIC, "Conditions that make binding fail."]
    shareID: Annotated[str, Proto(9), "Tells shares of one device apart."]
    consumedCapacity: Annotated[
        dict[str, Quantity], Proto(10), "How much of the device it takes, by capacity."
    ]


@inlines(3, DeviceConfiguration)
class DeviceAllocationConfiguration(DeviceConfiguration, total=False):
    """Settings of a device that was given."""

    source: Required[Annotated[str, Proto(1), "Where they come from: FromClass or FromClaim."]]
    requests: Annotated[list[str], Proto(2), ATOMIC, "The requests; all where there are none."]


class DeviceAllocationResult(TypedDict, total=False):
    """Devices that were given."""

    results: Annotated[list[DeviceRequestAllocationResult], Proto(1), ATOMIC, "The devices."]
    config: Annotated[list[DeviceAllocationConfiguration], Proto(2), ATOMIC, "Settings for their drivers."]


class AllocationResult(TypedDict, total=False):
    """What a claim got."""

    devices: Annotated[DeviceAllocationResult, Proto(1), "Devices that were given."]
    nodeSelector: Annotated[NodeSelector, Proto(3), "Nodes from which they can be used."]
    allocationTimestamp: Annotated[Time, Proto(5), "When they were given."]


class ResourceClaimConsumerReference(TypedDict, total=False):
    """Who uses a claim."""

    apiGroup: Annotated[str, Proto(1), "Its group; empty for the core group."]
    resource: Required[Annotated[str, Proto(3), "Its resource, such as pods."]]
    name: Required[Annotated[str, Proto(4), "Its name."]]
    uid: Required[Annotated[str, Proto(5), "Its unique id."]]


class NetworkDeviceData(TypedDict, total=False):
    """A network interface."""

    interfaceName: Annotated[str, Proto(1), "Its name in the pod."]
    ips: Annotated[list[str], Proto(2), ATOMIC, "Its addresses, with prefix lengths."]
    hardwareAddress: Annotated[str, Proto(3), "Its hardware address."]


class AllocatedDeviceStatus(TypedDict, total=False):
    """How a device that was given is."""

    driver: Required[Annotated[str, Proto(1), "The driver."]]
    pool: Required[Annotated[str, Proto(2), "The pool."]]
    device: Required[Annotated[str, Proto(3), "The device within the pool."]]
    conditions: Annotated[
        list[Condition], Proto(4), ListMap("type"), "Aspects of its state, one of each type."
    ]
    data: Annotated[RawExtension, Proto(5), "What else the driver says."]
    networkData: Annotated[NetworkDeviceData, Proto(6), "The interface, for network devices."]
    shareID: Annotated[str, Proto(7), "Tells shares of one device apart."]


class ResourceClaimStatus(TypedDict, total=False):
    """How a claim stands."""

    allocation: Annotated[AllocationResult, Proto(1), "What it got."]
    reservedFor: Annotated[
        list[ResourceClaimConsumerReference], Proto(2), ListMap("uid"), Patch("merge", "uid"), "Who uses it."
    ]
    devices: Annotated[
        list[AllocatedDeviceStatus],
        Proto(4),
        ListMap("driver", "device", "pool", "shareID"),
        "How its devices are.",
    ]
