"""Environment variables, and where their values come from."""

from typing import Annotated, Required, TypedDict

from api.annotations import Proto, Quantity, atomic, inlines
from api.core.v1.reference import LocalObjectReference


@atomic
class ObjectFieldSelector(TypedDict, total=False):
    """A field of the pod itself."""

    apiVersion: Annotated[str, Proto(1), "The version in which fieldPath is written, v1."]
    fieldPath: Required[
        Annotated[str, Proto(2), "The field, such as metadata.name or metadata.labels['app']."]
    ]


@atomic
class ResourceFieldSelector(TypedDict, total=False):
    """A request or limit of a container."""

    containerName: Annotated[str, Proto(1), "The container; may be left out within a container's own env."]
    resource: Required[Annotated[str, Proto(2), "Such as limits.cpu or requests.memory."]]
    divisor: Annotated[Quantity, Proto(3), "The unit of the result, 1 where unset."]


@inlines(1, LocalObjectReference)
@atomic
class ConfigMapKeySelector(LocalObjectReference, total=False):
    """One key of a ConfigMap."""

    key: Required[Annotated[str, Proto(2), "The key."]]
    optional: Annotated[bool, Proto(3), "Whether it may be missing."]


@inlines(1, LocalObjectReference)
@atomic
class SecretKeySelector(LocalObjectReference, total=False):
    """One key of a Secret."""

    key: Required[Annotated[str, Proto(2), "The key."]]
    optional: Annotated[bool, Proto(3), "Whether it may be missing."]


@atomic
class FileKeySelector(TypedDict, total=False):
    """One variable of a file in a volume."""

    volumeName: Required[Annotated[str, Proto(1), "The volume with the file."]]
    path: Required[Annotated[str, Proto(2), "The file within the volume."]]
    key: Required[Annotated[str, Proto(3), "The variable within the file."]]
    optional: Annotated[bool, Proto(4), "Whether it may be missing."]


class EnvVarSource(TypedDict, total=False):
    """Where a variable's value comes from; exactly one place."""

    fieldRef: Annotated[
        ObjectFieldSelector,
        Proto(1),
        "A field of the pod: metadata.name, metadata.labels, spec.nodeName, status.podIP...",
    ]
    resourceFieldRef: Annotated[
        ResourceFieldSelector, Proto(2), "A request or a limit of a container: limits.cpu, requests.memory..."
    ]
    configMapKeyRef: Annotated[ConfigMapKeySelector, Proto(3), "A key of a ConfigMap."]
    secretKeyRef: Annotated[SecretKeySelector, Proto(4), "A key of a Secret."]
    fileKeyRef: Annotated[FileKeySelector, Proto(5), "A variable in a file of a volume."]


class EnvVar(TypedDict, total=False):
    """A variable of a container's environment."""

    name: Required[Annotated[str, Proto(1), "The variable's name."]]
    value: Annotated[
        str, Proto(2), "Its value; $(OTHER) is replaced by variables defined before, $$ is a plain $."
    ]
    valueFrom: Annotated[EnvVarSource, Proto(3), "Where its value comes from, instead of `value`."]


@inlines(1, LocalObjectReference)
class ConfigMapEnvSource(LocalObjectReference, total=False):
    """All keys of a ConfigMap as variables."""

    optional: Annotated[bool, Proto(2), "Whether it may be missing."]


@inlines(1, LocalObjectReference)
class SecretEnvSource(LocalObjectReference, total=False):
    """All keys of a Secret as variables."""

    optional: Annotated[bool, Proto(2), "Whether it may be missing."]


class EnvFromSource(TypedDict, total=False):
    """A source of many variables."""

    prefix: Annotated[str, Proto(1), "What to put before each name."]
    configMapRef: Annotated[ConfigMapEnvSource, Proto(2), "The ConfigMap."]
    secretRef: Annotated[SecretEnvSource, Proto(3), "The Secret."]
