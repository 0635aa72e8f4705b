"""What a node reports of itself."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, ListMap, Patch, Proto, Quantity, Time


class NodeAddress(TypedDict, total=False):
    """A way to reach the node."""

    type: Required[Annotated[str, Proto(1), "Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS."]]
    address: Required[Annotated[str, Proto(2), "The address."]]


class NodeCondition(TypedDict, total=False):
    """One aspect of a node's health."""

    type: Required[
        Annotated[str, Proto(1), "Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable."]
    ]
    status: Required[Annotated[str, Proto(2), "True, False or Unknown."]]
    lastHeartbeatTime: Annotated[Time, Proto(3), "When the node last said so."]
    lastTransitionTime: Annotated[Time, Proto(4), "When the status last changed."]
    reason: Annotated[str, Proto(5), "Why, in a word for machines."]
    message: Annotated[str, Proto(6), "Why, in words for people."]


class DaemonEndpoint(TypedDict, total=False):
    """A port that a daemon listens on."""

    Port: Required[Annotated[Int32, Proto(1)]]


class NodeDaemonEndpoints(TypedDict, total=False):
    """Where the node's agent listens."""

    kubeletEndpoint: Annotated[DaemonEndpoint, Proto(1)]


class NodeSwapStatus(TypedDict, total=False):
    """Swap of the node."""

    capacity: Annotated[Int64, Proto(1)]


class NodeSystemInfo(TypedDict, total=False):
    """Ids and versions of the node's machine and software."""

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
    """An image the node has."""

    names: Annotated[list[str], Proto(1), ATOMIC]
    sizeBytes: Annotated[Int64, Proto(2)]


class AttachedVolume(TypedDict, total=False):
    """A volume attached to the node."""

    name: Required[Annotated[str, Proto(1)]]
    devicePath: Required[Annotated[str, Proto(2)]]


class ConfigMapNodeConfigSource(TypedDict, total=False):
    """A ConfigMap that once configured the agent."""

    namespace: Required[Annotated[str, Proto(1)]]
    name: Required[Annotated[str, Proto(2)]]
    uid: Annotated[str, Proto(3), "Its unique id."]
    resourceVersion: Annotated[str, Proto(4), "Its revision."]
    kubeletConfigKey: Required[Annotated[str, Proto(5)]]


class NodeConfigSource(TypedDict, total=False):
    """Where the agent's configuration once came from."""

    configMap: Annotated[ConfigMapNodeConfigSource, Proto(2)]


class NodeConfigStatus(TypedDict, total=False):
    """Which configuration the agent once used."""

    assigned: Annotated[NodeConfigSource, Proto(1)]
    active: Annotated[NodeConfigSource, Proto(2)]
    lastKnownGood: Annotated[NodeConfigSource, Proto(3)]
    error: Annotated[str, Proto(4)]


class NodeRuntimeHandlerFeatures(TypedDict, total=False):
    """What a runtime handler can do."""

    recursiveReadOnlyMounts: Annotated[bool, Proto(1)]
    userNamespaces: Annotated[bool, Proto(2)]


class NodeRuntimeHandler(TypedDict, total=False):
    """A runtime handler that pods may ask for through a RuntimeClass."""

    name: Annotated[str, Proto(1)]
    features: Annotated[NodeRuntimeHandlerFeatures, Proto(2)]


class NodeFeatures(TypedDict, total=False):
    """What the node's runtime can do."""

    supplementalGroupsPolicy: Annotated[bool, Proto(1)]


class NodeStatus(TypedDict, total=False):
    """What a node reports of itself."""

    capacity: Annotated[dict[str, Quantity], Proto(1), "What the machine has."]
    allocatable: Annotated[dict[str, Quantity], Proto(2), "What of it pods may use."]
    phase: Annotated[str, Proto(3), "No longer used."]
    conditions: Annotated[
        list[NodeCondition],
        Proto(4),
        ListMap("type"),
        Patch("merge", "type"),
        "Aspects of its state, one of each type.",
    ]
    addresses: Annotated[
        list[NodeAddress], Proto(5), ListMap("type"), Patch("merge", "type"), "How to reach it."
    ]
    daemonEndpoints: Annotated[NodeDaemonEndpoints, Proto(6), "Where its agent listens."]
    nodeInfo: Annotated[NodeSystemInfo, Proto(7), "Ids and versions."]
    images: Annotated[list[ContainerImage], Proto(8), ATOMIC, "Images it has."]
    volumesInUse: Annotated[list[str], Proto(9), ATOMIC, "Volumes it uses."]
    volumesAttached: Annotated[list[AttachedVolume], Proto(10), ATOMIC, "Volumes attached to it."]
    config: Annotated[NodeConfigStatus, Proto(11)]
    runtimeHandlers: Annotated[list[NodeRuntimeHandler], Proto(12), ATOMIC, "Runtime handlers it offers."]
    features: Annotated[NodeFeatures, Proto(13), "What its runtime can do."]
    declaredFeatures: Annotated[list[str], Proto(14), ATOMIC]
