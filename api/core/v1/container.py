"""Containers as a user describes them."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Default, Int32, ListMap, Patch, Proto, inlines
from api.core.v1.env import EnvFromSource, EnvVar
from api.core.v1.probe import Lifecycle, Probe
from api.core.v1.resources import ContainerResizePolicy, ResourceRequirements
from api.core.v1.security import SecurityContext


class ContainerPort(TypedDict, total=False):
    """A port that a container listens on."""

    name: Annotated[str, Proto(1), "Its name, for probes and services."]
    hostPort: Annotated[Int32, Proto(2), "The same port of the node that leads here."]
    containerPort: Required[Annotated[Int32, Proto(3), "Its number."]]
    protocol: Annotated[str, Proto(4), Default("TCP"), "TCP, UDP or SCTP."]
    hostIP: Annotated[str, Proto(5), "The node's address that hostPort listens on."]


class VolumeMount(TypedDict, total=False):
    """Where a volume appears in a container."""

    name: Required[Annotated[str, Proto(1), "The volume."]]
    readOnly: Annotated[bool, Proto(2), "Whether it is mounted read-only."]
    mountPath: Required[Annotated[str, Proto(3), "Where it appears."]]
    subPath: Annotated[str, Proto(4), "The directory or file of the volume to mount, instead of its root."]
    mountPropagation: Annotated[
        str,
        Proto(5),
        "Whether mounts made below it show on the other side: None, HostToContainer or Bidirectional.",
    ]
    subPathExpr: Annotated[str, Proto(6), "As subPath, with $(VARIABLES) of the container's environment."]
    recursiveReadOnly: Annotated[
        str, Proto(7), "Whether mounts below it are read-only too: Disabled, IfPossible or Enabled."
    ]


class VolumeDevice(TypedDict, total=False):
    """Where a raw block device appears in a container."""

    name: Required[Annotated[str, Proto(1), "The claim's volume."]]
    devicePath: Required[Annotated[str, Proto(2), "Where the device appears."]]


class ContainerRestartRuleOnExitCodes(TypedDict, total=False):
    """Exit codes that a rule is about."""

    operator: Required[Annotated[str, Proto(1), "In or NotIn."]]
    values: Annotated[list[Int32], Proto(2), SET, "The exit codes."]


class ContainerRestartRule(TypedDict, total=False):
    """What to do when a container ends in a certain way."""

    action: Required[Annotated[str, Proto(1), "Restart."]]
    exitCodes: Annotated[ContainerRestartRuleOnExitCodes, Proto(2), "For which exit codes."]


class Container(TypedDict, total=False):
    """A process of a pod, and the image it runs from."""

    name: Required[Annotated[str, Proto(1), "Unique among the pod's containers; cannot be changed."]]
    image: Annotated[str, Proto(2), "The image, as REGISTRY/NAME:TAG or with @DIGEST."]
    command: Annotated[
        list[str],
        Proto(3),
        ATOMIC,
        "What to run instead of the image's entrypoint; $(VARIABLES) are replaced.",
    ]
    args: Annotated[
        list[str], Proto(4), ATOMIC, "Arguments, instead of the image's own; $(VARIABLES) are replaced."
    ]
    workingDir: Annotated[str, Proto(5), "The directory to start in; the image's where unset."]
    ports: Annotated[
        list[ContainerPort],
        Proto(6),
        ListMap("containerPort", "protocol"),
        Patch("merge", "containerPort"),
        "Ports.",
    ]
    env: Annotated[
        list[EnvVar], Proto(7), ListMap("name"), Patch("merge", "name"), "Variables of its environment."
    ]
    resources: Annotated[ResourceRequirements, Proto(8), "How much it needs at least, and may use at most."]
    volumeMounts: Annotated[
        list[VolumeMount],
        Proto(9),
        ListMap("mountPath"),
        Patch("merge", "mountPath"),
        "Where the pod's volumes appear.",
    ]
    livenessProbe: Annotated[Probe, Proto(10), "Restart the container when this fails."]
    readinessProbe: Annotated[Probe, Proto(11), "Send it no traffic while this fails."]
    lifecycle: Annotated[Lifecycle, Proto(12), "What to do after it starts and before it is stopped."]
    terminationMessagePath: Annotated[
        str, Proto(13), "The file whose contents become the message of its end."
    ]
    imagePullPolicy: Annotated[
        str,
        Proto(14),
        "Always, IfNotPresent or Never. Always is the default for the tag latest, and for none.",
    ]
    securityContext: Annotated[SecurityContext, Proto(15), "As whom and with which rights it runs."]
    stdin: Annotated[bool, Proto(16), "Keep its standard input open."]
    stdinOnce: Annotated[bool, Proto(17), "Close its standard input after the first client has gone."]
    tty: Annotated[bool, Proto(18), "Give it a terminal."]
    envFrom: Annotated[
        list[EnvFromSource],
        Proto(19),
        ATOMIC,
        "Further variables, from whole ConfigMaps and Secrets. `env` goes before these.",
    ]
    terminationMessagePolicy: Annotated[
        str,
        Proto(20),
        "File, or FallbackToLogsOnError to use the last lines of its log where the file is empty.",
    ]
    volumeDevices: Annotated[
        list[VolumeDevice],
        Proto(21),
        ListMap("devicePath"),
        Patch("merge", "devicePath"),
        "Where raw block devices appear.",
    ]
    startupProbe: Annotated[
        Probe, Proto(22), "Ask nothing else before this succeeds; restart the container when it fails."
    ]
    resizePolicy: Annotated[
        list[ContainerResizePolicy], Proto(23), ATOMIC, "Which changes of resources need a restart."
    ]
    restartPolicy: Annotated[
        str, Proto(24), "Always makes an init container a sidecar, which stays beside the containers."
    ]
    restartPolicyRules: Annotated[
        list[ContainerRestartRule],
        Proto(25),
        ATOMIC,
        "What to do for certain exit codes, before restartPolicy is asked.",
    ]


class EphemeralContainerCommon(Container, total=False):
    """What an ephemeral container shares with the others: every field is there, some must be left out."""


@inlines(1, EphemeralContainerCommon)
class EphemeralContainer(EphemeralContainerCommon, total=False):
    """A container that joins a running pod, for debugging. It is never restarted nor removed."""

    targetContainerName: Annotated[str, Proto(2), "The container whose processes it shall see."]
