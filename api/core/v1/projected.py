"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, Proto, inlines
from api.core.v1.reference import LocalObjectReference
from api.core.v1.volume import DownwardAPIVolumeFile, KeyToPath
from api.meta.v1 import LabelSelector


@inlines(1, LocalObjectReference)
class ConfigMapProjection(LocalObjectReference, total=False):
    """TODO ConfigMapProjection"""

    items: Annotated[list[KeyToPath], Proto(2), ATOMIC]
    optional: Annotated[bool, Proto(4)]


@inlines(1, LocalObjectReference)
class SecretProjection(LocalObjectReference, total=False):
    """TODO SecretProjection"""

    items: Annotated[list[KeyToPath], Proto(2), ATOMIC]
    optional: Annotated[bool, Proto(4)]


class DownwardAPIProjection(TypedDict, total=False):
    """TODO DownwardAPIProjection"""

    items: Annotated[list[DownwardAPIVolumeFile], Proto(1), ATOMIC]


class ServiceAccountTokenProjection(TypedDict, total=False):
    """TODO ServiceAccountTokenProjection"""

    audience: Annotated[str, Proto(1)]
    expirationSeconds: Annotated[Int64, Proto(2)]
    path: Required[Annotated[str, Proto(3)]]


class ClusterTrustBundleProjection(TypedDict, total=False):
    """TODO ClusterTrustBundleProjection"""

    name: Annotated[str, Proto(1)]
    signerName: Annotated[str, Proto(2)]
    labelSelector: Annotated[LabelSelector, Proto(3)]
    path: Required[Annotated[str, Proto(4)]]
    optional: Annotated[bool, Proto(5)]


class PodCertificateProjection(TypedDict, total=False):
    """TODO PodCertificateProjection"""

    signerName: Required[Annotated[str, Proto(1)]]
    keyType: Required[Annotated[str, Proto(2)]]
    maxExpirationSeconds: Annotated[Int32, Proto(3)]
    credentialBundlePath: Annotated[str, Proto(4)]
    keyPath: Annotated[str, Proto(5)]
    certificateChainPath: Annotated[str, Proto(6)]
    userAnnotations: Annotated[dict[str, str], Proto(7)]


class VolumeProjection(TypedDict, total=False):
    """TODO VolumeProjection"""

    secret: Annotated[SecretProjection, Proto(1)]
    downwardAPI: Annotated[DownwardAPIProjection, Proto(2)]
    configMap: Annotated[ConfigMapProjection, Proto(3)]
    serviceAccountToken: Annotated[ServiceAccountTokenProjection, Proto(4)]
    clusterTrustBundle: Annotated[ClusterTrustBundleProjection, Proto(5)]
    podCertificate: Annotated[PodCertificateProjection, Proto(6)]


class ProjectedVolumeSource(TypedDict, total=False):
    """TODO ProjectedVolumeSource"""

    sources: Annotated[list[VolumeProjection], Proto(1), ATOMIC]
    defaultMode: Annotated[Int32, Proto(2)]
