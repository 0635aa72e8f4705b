"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int64, Proto


class Capabilities(TypedDict, total=False):
    """TODO Capabilities"""

    add: Annotated[list[str], Proto(1), ATOMIC]
    drop: Annotated[list[str], Proto(2), ATOMIC]


class SELinuxOptions(TypedDict, total=False):
    """TODO SELinuxOptions"""

    user: Annotated[str, Proto(1)]
    role: Annotated[str, Proto(2)]
    type: Annotated[str, Proto(3)]
    level: Annotated[str, Proto(4)]


class SeccompProfile(TypedDict, total=False):
    """TODO SeccompProfile"""

    type: Required[Annotated[str, Proto(1)]]
    localhostProfile: Annotated[str, Proto(2)]


class AppArmorProfile(TypedDict, total=False):
    """TODO AppArmorProfile"""

    type: Required[Annotated[str, Proto(1)]]
    localhostProfile: Annotated[str, Proto(2)]


class WindowsSecurityContextOptions(TypedDict, total=False):
    """TODO WindowsSecurityContextOptions"""

    gmsaCredentialSpecName: Annotated[str, Proto(1)]
    gmsaCredentialSpec: Annotated[str, Proto(2)]
    runAsUserName: Annotated[str, Proto(3)]
    hostProcess: Annotated[bool, Proto(4)]


class Sysctl(TypedDict, total=False):
    """TODO Sysctl"""

    name: Required[Annotated[str, Proto(1)]]
    value: Required[Annotated[str, Proto(2)]]


class SecurityContext(TypedDict, total=False):
    """TODO SecurityContext"""

    capabilities: Annotated[Capabilities, Proto(1)]
    privileged: Annotated[bool, Proto(2)]
    seLinuxOptions: Annotated[SELinuxOptions, Proto(3)]
    runAsUser: Annotated[Int64, Proto(4)]
    runAsNonRoot: Annotated[bool, Proto(5)]
    readOnlyRootFilesystem: Annotated[bool, Proto(6)]
    allowPrivilegeEscalation: Annotated[bool, Proto(7)]
    runAsGroup: Annotated[Int64, Proto(8)]
    procMount: Annotated[str, Proto(9)]
    windowsOptions: Annotated[WindowsSecurityContextOptions, Proto(10)]
    seccompProfile: Annotated[SeccompProfile, Proto(11)]
    appArmorProfile: Annotated[AppArmorProfile, Proto(12)]


class PodSecurityContext(TypedDict, total=False):
    """TODO PodSecurityContext"""

    seLinuxOptions: Annotated[SELinuxOptions, Proto(1)]
    runAsUser: Annotated[Int64, Proto(2)]
    runAsNonRoot: Annotated[bool, Proto(3)]
    supplementalGroups: Annotated[list[Int64], Proto(4), ATOMIC]
    fsGroup: Annotated[Int64, Proto(5)]
    runAsGroup: Annotated[Int64, Proto(6)]
    sysctls: Annotated[list[Sysctl], Proto(7), ATOMIC]
    windowsOptions: Annotated[WindowsSecurityContextOptions, Proto(8)]
    fsGroupChangePolicy: Annotated[str, Proto(9)]
    seccompProfile: Annotated[SeccompProfile, Proto(10)]
    appArmorProfile: Annotated[AppArmorProfile, Proto(11)]
    supplementalGroupsPolicy: Annotated[str, Proto(12)]
    seLinuxChangePolicy: Annotated[str, Proto(13)]
