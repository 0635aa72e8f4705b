"""What a user wants of a pod, in a pod and in the templates of its controllers."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, ATOMIC_MAP, Enum, Int32, Int64, ListMap, Patch, Proto, Quantity
from api.core.v1.affinity import Affinity, Toleration, TopologySpreadConstraint
from api.core.v1.container import Container, EphemeralContainer
from api.core.v1.reference import LocalObjectReference
from api.core.v1.resources import PodResourceClaim, ResourceRequirements
from api.core.v1.security import PodSecurityContext
from api.core.v1.volume import Volume
from api.meta.v1 import ObjectMeta


class PodOS(TypedDict, total=False):
    """The operating system a pod is made for."""

    name: Required[Annotated[str, Proto(1), "linux or windows."]]


class HostAlias(TypedDict, total=False):
    """A line of /etc/hosts."""

    ip: Required[Annotated[str, Proto(1), "The address."]]
    hostnames: Annotated[list[str], Proto(2), ATOMIC, "Its names."]


class PodDNSConfigOption(TypedDict, total=False):
    """An option of /etc/resolv.conf."""

    name: Annotated[str, Proto(1)]
    value: Annotated[str, Proto(2)]


class PodDNSConfig(TypedDict, total=False):
    """What is added to the resolver's settings that dnsPolicy gives."""

    nameservers: Annotated[list[str], Proto(1), ATOMIC, "Addresses of name servers."]
    searches: Annotated[list[str], Proto(2), ATOMIC, "Domains to look names up in."]
    options: Annotated[list[PodDNSConfigOption], Proto(3), ATOMIC, "Options."]


class PodReadinessGate(TypedDict, total=False):
    """A condition that must also be true for the pod to be ready."""

    conditionType: Required[Annotated[str, Proto(1), "The condition."]]


class PodSchedulingGate(TypedDict, total=False):
    """Holds the pod back from scheduling until it is removed."""

    name: Required[Annotated[str, Proto(1), "Its name."]]


class PodSchedulingGroup(TypedDict, total=False):
    """The group of pods that this one is scheduled with."""

    podGroupName: Annotated[str, Proto(1)]


class PodSpec(TypedDict, total=False):
    """What a user wants of a pod."""

    volumes: Annotated[
        list[Volume],
        Proto(1),
        ListMap("name"),
        Patch("merge,retainKeys", "name"),
        "Directories that its containers may mount.",
    ]
    containers: Required[
        Annotated[
            list[Container],
            Proto(2),
            ListMap("name"),
            Patch("merge", "name"),
            "Its containers; at least one, none can be added or removed later.",
        ]
    ]
    restartPolicy: Annotated[
        str,
        Proto(3),
        Enum("Always", "Never", "OnFailure"),
        "Whether ended containers are started again: Always, OnFailure or Never.",
    ]
    terminationGracePeriodSeconds: Annotated[
        Int64, Proto(4), "How long its processes may take to end when asked, before they are killed."
    ]
    activeDeadlineSeconds: Annotated[
        Int64, Proto(5), "How long it may run at all, before it is ended as failed."
    ]
    dnsPolicy: Annotated[
        str,
        Proto(6),
        Enum("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
        "Whose resolver it uses: ClusterFirst, ClusterFirstWithHostNet, Default (the node's) or None.",
    ]
    nodeSelector: Annotated[dict[str, str], Proto(7), ATOMIC_MAP, "Labels that its node must have."]
    serviceAccountName: Annotated[str, Proto(8), "Who it is to the API server."]
    serviceAccount: Annotated[str, Proto(9), "Old name of serviceAccountName."]
    nodeName: Annotated[str, Proto(10), "The node it runs on; set by the scheduler."]
    hostNetwork: Annotated[bool, Proto(11), "Use the node's network instead of its own."]
    hostPID: Annotated[bool, Proto(12), "See the node's processes."]
    hostIPC: Annotated[bool, Proto(13), "Share the node's System V IPC."]
    securityContext: Annotated[
        PodSecurityContext, Proto(14), "As whom its containers run, where they do not say it themselves."
    ]
    imagePullSecrets: Annotated[
        list[LocalObjectReference],
        Proto(15),
        ListMap("name"),
        Patch("merge", "name"),
        "Secrets with which to pull its images.",
    ]
    hostname: Annotated[str, Proto(16), "Its host name; the pod's name where unset."]
    subdomain: Annotated[
        str, Proto(17), "Makes its full name HOSTNAME.SUBDOMAIN.NAMESPACE.svc.CLUSTER-DOMAIN."
    ]
    affinity: Annotated[Affinity, Proto(18), "Which nodes and neighbours it wants."]
    schedulerName: Annotated[str, Proto(19), "Who places it."]
    initContainers: Annotated[
        list[Container],
        Proto(20),
        ListMap("name"),
        Patch("merge", "name"),
        "Containers that run one after the other before the others start; those with restartPolicy Always stay (sidecars).",
    ]
    automountServiceAccountToken: Annotated[
        bool, Proto(21), "Whether a token is mounted into its containers."
    ]
    tolerations: Annotated[list[Toleration], Proto(22), ATOMIC, "Taints that do not keep it away."]
    hostAliases: Annotated[
        list[HostAlias], Proto(23), ListMap("ip"), Patch("merge", "ip"), "Lines to add to /etc/hosts."
    ]
    priorityClassName: Annotated[str, Proto(24), "The class that gives it its priority."]
    priority: Annotated[Int32, Proto(25), "Its priority; set from the class."]
    dnsConfig: Annotated[PodDNSConfig, Proto(26), "What to add to the resolver's settings."]
    shareProcessNamespace: Annotated[bool, Proto(27), "Let its containers see each other's processes."]
    readinessGates: Annotated[
        list[PodReadinessGate], Proto(28), ATOMIC, "Conditions that must also be true for it to be ready."
    ]
    runtimeClassName: Annotated[str, Proto(29), "The RuntimeClass that runs it."]
    enableServiceLinks: Annotated[bool, Proto(30), "Whether services become variables of its environment."]
    preemptionPolicy: Annotated[
        str, Proto(31), "Whether it may evict pods of lower priority: PreemptLowerPriority or Never."
    ]
    overhead: Annotated[
        dict[str, Quantity],
        Proto(32),
        "What the runtime itself needs, on top of the containers; set from the RuntimeClass.",
    ]
    topologySpreadConstraints: Annotated[
        list[TopologySpreadConstraint],
        Proto(33),
        ListMap("topologyKey", "whenUnsatisfiable"),
        Patch("merge", "topologyKey"),
        "How evenly pods like this one are spread.",
    ]
    ephemeralContainers: Annotated[
        list[EphemeralContainer],
        Proto(34),
        ListMap("name"),
        Patch("merge", "name"),
        "Containers that joined for debugging, through the subresource of that name.",
    ]
    setHostnameAsFQDN: Annotated[bool, Proto(35), "Use the full name as the host name."]
    os: Annotated[PodOS, Proto(36), "The operating system it is made for."]
    hostUsers: Annotated[
        bool, Proto(37), "False gives it a user namespace, in which its root is nobody outside."
    ]
    schedulingGates: Annotated[
        list[PodSchedulingGate],
        Proto(38),
        ListMap("name"),
        Patch("merge", "name"),
        "What holds it back from scheduling; can only be removed.",
    ]
    resourceClaims: Annotated[
        list[PodResourceClaim],
        Proto(39),
        ListMap("name"),
        Patch("merge,retainKeys", "name"),
        "Devices, and the like, that it needs.",
    ]
    resources: Annotated[
        ResourceRequirements, Proto(40), "What all its containers together need at least and may use at most."
    ]
    hostnameOverride: Annotated[str, Proto(41), "A host name that overrides everything else."]
    schedulingGroup: Annotated[PodSchedulingGroup, Proto(43), "The group of pods it is scheduled with."]


class PodTemplateSpec(TypedDict, total=False):
    """The pod that a controller makes copies of."""

    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[PodSpec, Proto(2), "What is wanted."]
