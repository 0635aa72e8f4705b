"""What device classes, claims and slices share: selectors, configurations, taints."""

from typing import Annotated, Required, TypedDict

from api.annotations import Enum, Int64, Proto, RawExtension, Time


class CELDeviceSelector(TypedDict, total=False):
    """A condition in CEL on a device."""

    expression: Required[Annotated[str, Proto(1), "The condition."]]


class DeviceSelector(TypedDict, total=False):
    """A condition on a device."""

    cel: Annotated[CELDeviceSelector, Proto(1), "The condition, in CEL."]


class OpaqueDeviceConfiguration(TypedDict, total=False):
    """Settings that only the driver understands."""

    driver: Required[Annotated[str, Proto(1), "The driver."]]
    parameters: Required[Annotated[RawExtension, Proto(2), "The settings."]]


class DeviceConfiguration(TypedDict, total=False):
    """Settings of a device."""

    opaque: Annotated[OpaqueDeviceConfiguration, Proto(1), "Settings that only the driver understands."]


class DeviceTaint(TypedDict, total=False):
    """Keeps claims off a device."""

    key: Required[Annotated[str, Proto(1), "Its name."]]
    value: Annotated[str, Proto(2), "Its value."]
    effect: Required[Annotated[str, Proto(3), "NoSchedule, NoExecute or None."]]
    timeAdded: Annotated[Time, Proto(4), "When it was added."]


class DeviceToleration(TypedDict, total=False):
    """A taint that a request puts up with."""

    key: Annotated[str, Proto(1), "The taint's name; any where unset."]
    operator: Annotated[str, Proto(2), Enum("Equal", "Exists"), "Exists or Equal."]
    value: Annotated[str, Proto(3), "The taint's value, for Equal."]
    effect: Annotated[str, Proto(4), "The taint's effect; any where unset."]
    tolerationSeconds: Annotated[Int64, Proto(5), "For how long, for NoExecute."]
