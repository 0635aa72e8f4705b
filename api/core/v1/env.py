"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, Quantity, atomic, inlines
from api.core.v1.reference import LocalObjectReference


@atomic
class ObjectFieldSelector(TypedDict, total=False):
    """TODO ObjectFieldSelector"""

    apiVersion: Annotated[str, Proto(1)]
    fieldPath: Required[Annotated[str, Proto(2)]]


@atomic
class ResourceFieldSelector(TypedDict, total=False):
    """TODO ResourceFieldSelector"""

    containerName: Annotated[str, Proto(1)]
    resource: Required[Annotated[str, Proto(2)]]
    divisor: Annotated[Quantity, Proto(3)]


@inlines(1, LocalObjectReference)
@atomic
class ConfigMapKeySelector(LocalObjectReference, total=False):
    """TODO ConfigMapKeySelector"""

    key: Required[Annotated[str, Proto(2)]]
    optional: Annotated[bool, Proto(3)]


@inlines(1, LocalObjectReference)
@atomic
class SecretKeySelector(LocalObjectReference, total=False):
    """TODO SecretKeySelector"""

    key: Required[Annotated[str, Proto(2)]]
    optional: Annotated[bool, Proto(3)]


@atomic
class FileKeySelector(TypedDict, total=False):
    """TODO FileKeySelector"""

    volumeName: Required[Annotated[str, Proto(1)]]
    path: Required[Annotated[str, Proto(2)]]
    key: Required[Annotated[str, Proto(3)]]
    optional: Annotated[bool, Proto(4)]


class EnvVarSource(TypedDict, total=False):
    """TODO EnvVarSource"""

    fieldRef: Annotated[ObjectFieldSelector, Proto(1)]
    resourceFieldRef: Annotated[ResourceFieldSelector, Proto(2)]
    configMapKeyRef: Annotated[ConfigMapKeySelector, Proto(3)]
    secretKeyRef: Annotated[SecretKeySelector, Proto(4)]
    fileKeyRef: Annotated[FileKeySelector, Proto(5)]


class EnvVar(TypedDict, total=False):
    """TODO EnvVar"""

    name: Required[Annotated[str, Proto(1)]]
    value: Annotated[str, Proto(2)]
    valueFrom: Annotated[EnvVarSource, Proto(3)]


@inlines(1, LocalObjectReference)
class ConfigMapEnvSource(LocalObjectReference, total=False):
    """TODO ConfigMapEnvSource"""

    optional: Annotated[bool, Proto(2)]


@inlines(1, LocalObjectReference)
class SecretEnvSource(LocalObjectReference, total=False):
    """TODO SecretEnvSource"""

    optional: Annotated[bool, Proto(2)]


class EnvFromSource(TypedDict, total=False):
    """TODO EnvFromSource"""

    prefix: Annotated[str, Proto(1)]
    configMapRef: Annotated[ConfigMapEnvSource, Proto(2)]
    secretRef: Annotated[SecretEnvSource, Proto(3)]
