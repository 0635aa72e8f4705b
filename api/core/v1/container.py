"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, SET, Int32, ListMap, Patch, Proto, inlines
from api.core.v1.env import EnvFromSource, EnvVar
from api.core.v1.probe import Lifecycle, Probe
from api.core.v1.resources import ContainerResizePolicy, ResourceRequirements
from api.core.v1.security import SecurityContext


class ContainerPort(TypedDict, total=False):
    """TODO ContainerPort"""

    name: Annotated[str, Proto(1)]
    hostPort: Annotated[Int32, Proto(2)]
    containerPort: Required[Annotated[Int32, Proto(3)]]
    protocol: Annotated[str, Proto(4)]
    hostIP: Annotated[str, Proto(5)]


class VolumeMount(TypedDict, total=False):
    """TODO VolumeMount"""

    name: Required[Annotated[str, Proto(1)]]
    readOnly: Annotated[bool, Proto(2)]
    mountPath: Required[Annotated[str, Proto(3)]]
    subPath: Annotated[str, Proto(4)]
    mountPropagation: Annotated[str, Proto(5)]
    subPathExpr: Annotated[str, Proto(6)]
    recursiveReadOnly: Annotated[str, Proto(7)]


class VolumeDevice(TypedDict, total=False):
    """TODO VolumeDevice"""

    name: Required[Annotated[str, Proto(1)]]
    devicePath: Required[Annotated[str, Proto(2)]]


class ContainerRestartRuleOnExitCodes(TypedDict, total=False):
    """TODO ContainerRestartRuleOnExitCodes"""

    operator: Required[Annotated[str, Proto(1)]]
    values: Annotated[list[Int32], Proto(2), SET]


class ContainerRestartRule(TypedDict, total=False):
    """TODO ContainerRestartRule"""

    action: Required[Annotated[str, Proto(1)]]
    exitCodes: Annotated[ContainerRestartRuleOnExitCodes, Proto(2)]


class Container(TypedDict, total=False):
    """TODO Container"""

    name: Required[Annotated[str, Proto(1)]]
    image: Annotated[str, Proto(2)]
    command: Annotated[list[str], Proto(3), ATOMIC]
    args: Annotated[list[str], Proto(4), ATOMIC]
    workingDir: Annotated[str, Proto(5)]
    ports: Annotated[
        list[ContainerPort], Proto(6), ListMap("containerPort", "protocol"), Patch("merge", "containerPort")
    ]
    env: Annotated[list[EnvVar], Proto(7), ListMap("name"), Patch("merge", "name")]
    resources: Annotated[ResourceRequirements, Proto(8)]
    volumeMounts: Annotated[list[VolumeMount], Proto(9), ListMap("mountPath"), Patch("merge", "mountPath")]
    livenessProbe: Annotated[Probe, Proto(10)]
    readinessProbe: Annotated[Probe, Proto(11)]
    lifecycle: Annotated[Lifecycle, Proto(12)]
    terminationMessagePath: Annotated[str, Proto(13)]
    imagePullPolicy: Annotated[str, Proto(14)]
    securityContext: Annotated[SecurityContext, Proto(15)]
    stdin: Annotated[bool, Proto(16)]
    stdinOnce: Annotated[bool, Proto(17)]
    tty: Annotated[bool, Proto(18)]
    envFrom: Annotated[list[EnvFromSource], Proto(19), ATOMIC]
    terminationMessagePolicy: Annotated[str, Proto(20)]
    volumeDevices: Annotated[
        list[VolumeDevice], Proto(21), ListMap("devicePath"), Patch("merge", "devicePath")
    ]
    startupProbe: Annotated[Probe, Proto(22)]
    resizePolicy: Annotated[list[ContainerResizePolicy], Proto(23), ATOMIC]
    restartPolicy: Annotated[str, Proto(24)]
    restartPolicyRules: Annotated[list[ContainerRestartRule], Proto(25), ATOMIC]


class EphemeralContainerCommon(TypedDict, total=False):
    """TODO EphemeralContainerCommon"""

    name: Required[Annotated[str, Proto(1)]]
    image: Annotated[str, Proto(2)]
    command: Annotated[list[str], Proto(3), ATOMIC]
    args: Annotated[list[str], Proto(4), ATOMIC]
    workingDir: Annotated[str, Proto(5)]
    ports: Annotated[
        list[ContainerPort], Proto(6), ListMap("containerPort", "protocol"), Patch("merge", "containerPort")
    ]
    env: Annotated[list[EnvVar], Proto(7), ListMap("name"), Patch("merge", "name")]
    resources: Annotated[ResourceRequirements, Proto(8)]
    volumeMounts: Annotated[list[VolumeMount], Proto(9), ListMap("mountPath"), Patch("merge", "mountPath")]
    livenessProbe: Annotated[Probe, Proto(10)]
    readinessProbe: Annotated[Probe, Proto(11)]
    lifecycle: Annotated[Lifecycle, Proto(12)]
    terminationMessagePath: Annotated[str, Proto(13)]
    imagePullPolicy: Annotated[str, Proto(14)]
    securityContext: Annotated[SecurityContext, Proto(15)]
    stdin: Annotated[bool, Proto(16)]
    stdinOnce: Annotated[bool, Proto(17)]
    tty: Annotated[bool, Proto(18)]
    envFrom: Annotated[list[EnvFromSource], Proto(19), ATOMIC]
    terminationMessagePolicy: Annotated[str, Proto(20)]
    volumeDevices: Annotated[
        list[VolumeDevice], Proto(21), ListMap("devicePath"), Patch("merge", "devicePath")
    ]
    startupProbe: Annotated[Probe, Proto(22)]
    resizePolicy: Annotated[list[ContainerResizePolicy], Proto(23), ATOMIC]
    restartPolicy: Annotated[str, Proto(24)]
    restartPolicyRules: Annotated[list[ContainerRestartRule], Proto(25), ATOMIC]


@inlines(1, EphemeralContainerCommon)
class EphemeralContainer(EphemeralContainerCommon, total=False):
    """TODO EphemeralContainer"""

    targetContainerName: Annotated[str, Proto(2)]
