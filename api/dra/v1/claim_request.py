"""What a claim asks for: requests, constraints, settings."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int64, Proto, Quantity, inlines
from api.dra.v1.device_parts import DeviceConfiguration, DeviceSelector, DeviceToleration


class CapacityRequirements(TypedDict, total=False):
    """How much of a device is needed."""

    requests: Annotated[dict[str, Quantity], Proto(1), "How much, by capacity."]


class ExactDeviceRequest(TypedDict, total=False):
    """Devices of one class."""

    deviceClassName: Required[Annotated[str, Proto(1), "The class."]]
    selectors: Annotated[list[DeviceSelector], Proto(2), ATOMIC, "Conditions that a device must meet."]
    allocationMode: Annotated[str, Proto(3), "ExactCount, or All devices that match."]
    count: Annotated[Int64, Proto(4), "How many devices, for ExactCount; 1 where unset."]
    adminAccess: Annotated[bool, Proto(5), "Whether to look at devices that others use."]
    tolerations: Annotated[list[DeviceToleration], Proto(6), ATOMIC, "Taints to put up with."]
    capacity: Annotated[CapacityRequirements, Proto(7), "How much of each device is needed."]


class DeviceSubRequest(TypedDict, total=False):
    """One of several ways to fulfil a request."""

    name: Required[Annotated[str, Proto(1), "Its name within the request."]]
    deviceClassName: Required[Annotated[str, Proto(2), "The class."]]
    selectors: Annotated[list[DeviceSelector], Proto(3), ATOMIC, "Conditions that a device must meet."]
    allocationMode: Annotated[str, Proto(4), "ExactCount, or All devices that match."]
    count: Annotated[Int64, Proto(5), "How many devices, for ExactCount; 1 where unset."]
    tolerations: Annotated[list[DeviceToleration], Proto(6), ATOMIC, "Taints to put up with."]
    capacity: Annotated[CapacityRequirements, Proto(7), "How much of each device is needed."]


class DeviceRequest(TypedDict, total=False):
    """Devices that are needed, by a name of the claim's own."""

    name: Required[Annotated[str, Proto(1), "Its name within the claim."]]
    exactly: Annotated[ExactDeviceRequest, Proto(2), "Devices of one class."]
    firstAvailable: Annotated[
        list[DeviceSubRequest], Proto(3), ATOMIC, "Ways to fulfil it, the best one first."
    ]


class DeviceConstraint(TypedDict, total=False):
    """What all devices of some requests must have in common."""

    requests: Annotated[list[str], Proto(1), ATOMIC, "The requests; all where there are none."]
    matchAttribute: Annotated[str, Proto(2), "The attribute that must be equal."]
    distinctAttribute: Annotated[str, Proto(3), "The attribute that must differ."]


@inlines(2, DeviceConfiguration)
class DeviceClaimConfiguration(DeviceConfiguration, total=False):
    """Settings of the devices of some requests."""

    requests: Annotated[list[str], Proto(1), ATOMIC, "The requests; all where there are none."]


class DeviceClaim(TypedDict, total=False):
    """Devices that a claim asks for."""

    requests: Annotated[list[DeviceRequest], Proto(1), ATOMIC, "The devices."]
    constraints: Annotated[list[DeviceConstraint], Proto(2), ATOMIC, "What they must have in common."]
    config: Annotated[list[DeviceClaimConfiguration], Proto(3), ATOMIC, "Settings for their drivers."]


class ResourceClaimSpec(TypedDict, total=False):
    """What a claim asks for."""

    devices: Annotated[DeviceClaim, Proto(1), "Devices."]
