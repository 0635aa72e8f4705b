"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, ListMap, Patch, Proto, Quantity, Time


class NodeAddress(TypedDict, total=False):
    """TODO NodeAddress"""

    type: Required[Annotated[str, Proto(1)]]
    address: Required[Annotated[str, Proto(2)]]


class NodeCondition(TypedDict, total=False):
    """TODO NodeCondition"""

    type: Required[Annotated[str, Proto(1)]]
    status: Required[Annotated[str, Proto(2)]]
    lastHeartbeatTime: Annotated[Time, Proto(3)]
    lastTransitionTime: Annotated[Time, Proto(4)]
    reason: Annotated[str, Proto(5)]
    message: Annotated[str, Proto(6)]


class DaemonEndpoint(TypedDict, total=False):
    """TODO DaemonEndpoint"""

    Port: Required[Annotated[Int32, Proto(1)]]


class NodeDaemonEndpoints(TypedDict, total=False):
    """TODO NodeDaemonEndpoints"""

    kubeletEndpoint: Annotated[DaemonEndpoint, Proto(1)]


class NodeSwapStatus(TypedDict, total=False):
    """TODO NodeSwapStatus"""

    capacity: Annotated[Int64, Proto(1)]


class NodeSystemInfo(TypedDict, total=False):
    """TODO NodeSystemInfo"""

    machineID: Required[Annotated[str, Proto(1)]]
    systemUUID: Required[Annotated[str, Proto(2)]]
    bootID: Required[Annotated[str, Proto(3)]]
    kernelVersion: Required[Annotated[str, Proto(4)]]
    osImage: Required[Annotated[str, Proto(5)]]
    containerRuntimeVersion: Required[Annotated[str, Proto(6)]]
    kubeletVersion: Required[Annotated[str, Proto(7)]]
    kubeProxyVersion: Required[Annotated[str, Proto(8)]]
    operatingSystem: Required[Annotated[str, Proto(9)]]
    architecture: Required[Annotated[str, Proto(10)]]
    swap: Annotated[NodeSwapStatus, Proto(11)]


class ContainerImage(TypedDict, total=False):
    """TODO ContainerImage"""

    names: Annotated[list[str], Proto(1), ATOMIC]
    sizeBytes: Annotated[Int64, Proto(2)]


class AttachedVolume(TypedDict, total=False):
    """TODO AttachedVolume"""

    name: Required[Annotated[str, Proto(1)]]
    devicePath: Required[Annotated[str, Proto(2)]]


class ConfigMapNodeConfigSource(TypedDict, total=False):
    """TODO ConfigMapNodeConfigSource"""

    namespace: Required[Annotated[str, Proto(1)]]
    name: Required[Annotated[str, Proto(2)]]
    uid: Annotated[str, Proto(3)]
    resourceVersion: Annotated[str, Proto(4)]
    kubeletConfigKey: Required[Annotated[str, Proto(5)]]


class NodeConfigSource(TypedDict, total=False):
    """TODO NodeConfigSource"""

    configMap: Annotated[ConfigMapNodeConfigSource, Proto(2)]


class NodeConfigStatus(TypedDict, total=False):
    """TODO NodeConfigStatus"""

    assigned: Annotated[NodeConfigSource, Proto(1)]
    active: Annotated[NodeConfigSource, Proto(2)]
    lastKnownGood: Annotated[NodeConfigSource, Proto(3)]
    error: Annotated[str, Proto(4)]


class NodeRuntimeHandlerFeatures(TypedDict, total=False):
    """TODO NodeRuntimeHandlerFeatures"""

    recursiveReadOnlyMounts: Annotated[bool, Proto(1)]
    userNamespaces: Annotated[bool, Proto(2)]


class NodeRuntimeHandler(TypedDict, total=False):
    """TODO NodeRuntimeHandler"""

    name: Annotated[str, Proto(1)]
    features: Annotated[NodeRuntimeHandlerFeatures, Proto(2)]


class NodeFeatures(TypedDict, total=False):
    """TODO NodeFeatures"""

    supplementalGroupsPolicy: Annotated[bool, Proto(1)]


class NodeStatus(TypedDict, total=False):
    """TODO NodeStatus"""

    capacity: Annotated[dict[str, Quantity], Proto(1)]
    allocatable: Annotated[dict[str, Quantity], Proto(2)]
    phase: Annotated[str, Proto(3)]
    conditions: Annotated[list[NodeCondition], Proto(4), ListMap("type"), Patch("merge", "type")]
    addresses: Annotated[list[NodeAddress], Proto(5), ListMap("type"), Patch("merge", "type")]
    daemonEndpoints: Annotated[NodeDaemonEndpoints, Proto(6)]
    nodeInfo: Annotated[NodeSystemInfo, Proto(7)]
    images: Annotated[list[ContainerImage], Proto(8), ATOMIC]
    volumesInUse: Annotated[list[str], Proto(9), ATOMIC]
    volumesAttached: Annotated[list[AttachedVolume], Proto(10), ATOMIC]
    config: Annotated[NodeConfigStatus, Proto(11)]
    runtimeHandlers: Annotated[list[NodeRuntimeHandler], Proto(12), ATOMIC]
    features: Annotated[NodeFeatures, Proto(13)]
    declaredFeatures: Annotated[list[str], Proto(14), ATOMIC]
