"""Security contexts: as whom and with which rights the processes of a pod run."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int64, Proto


class Capabilities(TypedDict, total=False):
    """Rights of the superuser, added to or taken from a container."""

    add: Annotated[list[str], Proto(1), ATOMIC, "Rights to add, such as NET_ADMIN."]
    drop: Annotated[list[str], Proto(2), ATOMIC, "Rights to take away; ALL for all of them."]


class SELinuxOptions(TypedDict, total=False):
    """The SELinux context of a process."""

    user: Annotated[str, Proto(1)]
    role: Annotated[str, Proto(2)]
    type: Annotated[str, Proto(3), "Which aspect it is."]
    level: Annotated[str, Proto(4)]


class SeccompProfile(TypedDict, total=False):
    """Which system calls a process may make."""

    type: Required[Annotated[str, Proto(1), "RuntimeDefault, Unconfined or Localhost."]]
    localhostProfile: Annotated[
        str, Proto(2), "A profile's file on the node, below the agent's seccomp directory."
    ]


class AppArmorProfile(TypedDict, total=False):
    """The AppArmor profile of a process."""

    type: Required[Annotated[str, Proto(1), "RuntimeDefault, Unconfined or Localhost."]]
    localhostProfile: Annotated[str, Proto(2), "The name of a profile loaded on the node."]


class WindowsSecurityContextOptions(TypedDict, total=False):
    """What only containers on Windows know."""

    gmsaCredentialSpecName: Annotated[str, Proto(1)]
    gmsaCredentialSpec: Annotated[str, Proto(2)]
    runAsUserName: Annotated[str, Proto(3)]
    hostProcess: Annotated[bool, Proto(4)]


class Sysctl(TypedDict, total=False):
    """A kernel setting of the pod's namespaces."""

    name: Required[Annotated[str, Proto(1), "Such as net.ipv4.ip_local_port_range."]]
    value: Required[Annotated[str, Proto(2), "What to set it to."]]


class SecurityContext(TypedDict, total=False):
    """As whom and with which rights one container runs; overrides the pod's."""

    capabilities: Annotated[Capabilities, Proto(1), "Rights of the superuser to add or to take away."]
    privileged: Annotated[bool, Proto(2), "Nearly everything that root may do on the node."]
    seLinuxOptions: Annotated[SELinuxOptions, Proto(3), "The SELinux context."]
    runAsUser: Annotated[Int64, Proto(4), "The user id; the image's where unset."]
    runAsNonRoot: Annotated[bool, Proto(5), "Refuse to start as user 0."]
    readOnlyRootFilesystem: Annotated[bool, Proto(6), "Whether the container's own file system is read-only."]
    allowPrivilegeEscalation: Annotated[
        bool, Proto(7), "Whether a process may gain more rights than its parent has."
    ]
    runAsGroup: Annotated[Int64, Proto(8), "The group id; the image's where unset."]
    procMount: Annotated[str, Proto(9), "Default hides and protects parts of /proc, Unmasked does not."]
    windowsOptions: Annotated[WindowsSecurityContextOptions, Proto(10), "Settings for Windows."]
    seccompProfile: Annotated[SeccompProfile, Proto(11), "Which system calls are allowed."]
    appArmorProfile: Annotated[AppArmorProfile, Proto(12), "Which AppArmor profile applies."]


class PodSecurityContext(TypedDict, total=False):
    """As whom the pod's containers run, where they do not say it themselves."""

    seLinuxOptions: Annotated[SELinuxOptions, Proto(1), "The SELinux context."]
    runAsUser: Annotated[Int64, Proto(2), "The user id; the image's where unset."]
    runAsNonRoot: Annotated[bool, Proto(3), "Refuse to start as user 0."]
    supplementalGroups: Annotated[list[Int64], Proto(4), ATOMIC, "Further groups of the first process."]
    fsGroup: Annotated[Int64, Proto(5), "A group that owns the pod's volumes."]
    runAsGroup: Annotated[Int64, Proto(6), "The group id; the image's where unset."]
    sysctls: Annotated[list[Sysctl], Proto(7), ATOMIC, "Kernel settings of the pod's namespaces."]
    windowsOptions: Annotated[WindowsSecurityContextOptions, Proto(8), "Settings for Windows."]
    fsGroupChangePolicy: Annotated[str, Proto(9), "Whether to change owners Always, or OnRootMismatch only."]
    seccompProfile: Annotated[SeccompProfile, Proto(10), "Which system calls are allowed."]
    appArmorProfile: Annotated[AppArmorProfile, Proto(11), "Which AppArmor profile applies."]
    supplementalGroupsPolicy: Annotated[
        str, Proto(12), "Whether groups of the image count too: Merge or Strict."
    ]
    seLinuxChangePolicy: Annotated[
        str, Proto(13), "How volumes get their SELinux label: MountOption or Recursive."
    ]
