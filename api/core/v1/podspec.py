"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Int32, Int64, ListMap, Patch, Proto, Quantity
from api.core.v1.affinity import Affinity, Toleration, TopologySpreadConstraint
from api.core.v1.container import Container, EphemeralContainer
from api.core.v1.reference import LocalObjectReference
from api.core.v1.resources import PodResourceClaim, ResourceRequirements
from api.core.v1.security import PodSecurityContext
from api.core.v1.volume import Volume
from api.meta.v1 import ObjectMeta


class PodOS(TypedDict, total=False):
    """TODO PodOS"""

    name: Required[Annotated[str, Proto(1)]]


class HostAlias(TypedDict, total=False):
    """TODO HostAlias"""

    ip: Required[Annotated[str, Proto(1)]]
    hostnames: Annotated[list[str], Proto(2), ATOMIC]


class PodDNSConfigOption(TypedDict, total=False):
    """TODO PodDNSConfigOption"""

    name: Annotated[str, Proto(1)]
    value: Annotated[str, Proto(2)]


class PodDNSConfig(TypedDict, total=False):
    """TODO PodDNSConfig"""

    nameservers: Annotated[list[str], Proto(1), ATOMIC]
    searches: Annotated[list[str], Proto(2), ATOMIC]
    options: Annotated[list[PodDNSConfigOption], Proto(3), ATOMIC]


class PodReadinessGate(TypedDict, total=False):
    """TODO PodReadinessGate"""

    conditionType: Required[Annotated[str, Proto(1)]]


class PodSchedulingGate(TypedDict, total=False):
    """TODO PodSchedulingGate"""

    name: Required[Annotated[str, Proto(1)]]


class PodSchedulingGroup(TypedDict, total=False):
    """TODO PodSchedulingGroup"""

    podGroupName: Annotated[str, Proto(1)]


class PodSpec(TypedDict, total=False):
    """TODO PodSpec"""

    volumes: Annotated[list[Volume], Proto(1), ListMap("name"), Patch("merge,retainKeys", "name")]
    containers: Required[Annotated[list[Container], Proto(2), ListMap("name"), Patch("merge", "name")]]
    restartPolicy: Annotated[str, Proto(3)]
    terminationGracePeriodSeconds: Annotated[Int64, Proto(4)]
    activeDeadlineSeconds: Annotated[Int64, Proto(5)]
    dnsPolicy: Annotated[str, Proto(6)]
    nodeSelector: Annotated[dict[str, str], Proto(7), ATOMIC_MAP]
    serviceAccountName: Annotated[str, Proto(8)]
    serviceAccount: Annotated[str, Proto(9)]
    nodeName: Annotated[str, Proto(10)]
    hostNetwork: Annotated[bool, Proto(11)]
    hostPID: Annotated[bool, Proto(12)]
    hostIPC: Annotated[bool, Proto(13)]
    securityContext: Annotated[PodSecurityContext, Proto(14)]
    imagePullSecrets: Annotated[
        list[LocalObjectReference], Proto(15), ListMap("name"), Patch("merge", "name")
    ]
    hostname: Annotated[str, Proto(16)]
    subdomain: Annotated[str, Proto(17)]
    affinity: Annotated[Affinity, Proto(18)]
    schedulerName: Annotated[str, Proto(19)]
    initContainers: Annotated[list[Container], Proto(20), ListMap("name"), Patch("merge", "name")]
    automountServiceAccountToken: Annotated[bool, Proto(21)]
    tolerations: Annotated[list[Toleration], Proto(22), ATOMIC]
    hostAliases: Annotated[list[HostAlias], Proto(23), ListMap("ip"), Patch("merge", "ip")]
    priorityClassName: Annotated[str, Proto(24)]
    priority: Annotated[Int32, Proto(25)]
    dnsConfig: Annotated[PodDNSConfig, Proto(26)]
    shareProcessNamespace: Annotated[bool, Proto(27)]
    readinessGates: Annotated[list[PodReadinessGate], Proto(28), ATOMIC]
    runtimeClassName: Annotated[str, Proto(29)]
    enableServiceLinks: Annotated[bool, Proto(30)]
    preemptionPolicy: Annotated[str, Proto(31)]
    overhead: Annotated[dict[str, Quantity], Proto(32)]
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint],
        Proto(33),
        ListMap("topologyKey", "whenUnsatisfiable"),
        Patch("merge", "topologyKey"),
    ]
    ephemeralContainers: Annotated[
        list[EphemeralContainer], Proto(34), ListMap("name"), Patch("merge", "name")
    ]
    setHostnameAsFQDN: Annotated[bool, Proto(35)]
    os: Annotated[PodOS, Proto(36)]
    hostUsers: Annotated[bool, Proto(37)]
    schedulingGates: Annotated[list[PodSchedulingGate], Proto(38), ListMap("name"), Patch("merge", "name")]
    resourceClaims: Annotated[
        list[PodResourceClaim], Proto(39), ListMap("name"), Patch("merge,retainKeys", "name")
    ]
    resources: Annotated[ResourceRequirements, Proto(40)]
    hostnameOverride: Annotated[str, Proto(41)]
    schedulingGroup: Annotated[PodSchedulingGroup, Proto(43)]


class PodTemplateSpec(TypedDict, total=False):
    """TODO PodTemplateSpec"""

    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated[PodSpec, Proto(2)]
