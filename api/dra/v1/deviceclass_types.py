"""The wire form of DeviceClass."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto, inlines
from api.dra.v1.device_parts import DeviceConfiguration, DeviceSelector
from api.meta.v1 import ObjectMeta


@inlines(1, DeviceConfiguration)
class DeviceClassConfiguration(DeviceConfiguration, total=False):
    """Settings of every device of a class."""


class DeviceClassSpec(TypedDict, total=False):
    """Which devices are of a class."""

    selectors: Annotated[list[DeviceSelector], Proto(1), ATOMIC, "Conditions that a device must meet."]
    config: Annotated[
        list[DeviceClassConfiguration], Proto(2), ATOMIC, "Settings that come with every request."
    ]
    extendedResourceName: Annotated[
        str, Proto(4), "The resource by which a pod may ask for them without a claim."
    ]


class DeviceClass(TypedDict, total=False):
    """A name for devices of a kind."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[DeviceClassSpec, Proto(2), "What is wanted."]]
