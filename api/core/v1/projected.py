"""Projected volumes: several sources in one directory."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Int64, Proto, inlines
from api.core.v1.reference import LocalObjectReference
from api.core.v1.volume import DownwardAPIVolumeFile, KeyToPath
from api.meta.v1 import LabelSelector


@inlines(1, LocalObjectReference)
class ConfigMapProjection(LocalObjectReference, total=False):
    """Keys of a ConfigMap within a projected volume."""

    items: Annotated[
        list[KeyToPath],
        Proto(2),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]
    optional: Annotated[bool, Proto(4), "Whether it may be missing."]


@inlines(1, LocalObjectReference)
class SecretProjection(LocalObjectReference, total=False):
    """Keys of a Secret within a projected volume."""

    items: Annotated[
        list[KeyToPath],
        Proto(2),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]
    optional: Annotated[bool, Proto(4), "Whether it may be missing."]


class DownwardAPIProjection(TypedDict, total=False):
    """What the pod knows about itself, within a projected volume."""

    items: Annotated[
        list[DownwardAPIVolumeFile],
        Proto(1),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]


class ServiceAccountTokenProjection(TypedDict, total=False):
    """A token of the pod's service account that is renewed before it expires."""

    audience: Annotated[str, Proto(1), "For whom the token is meant; the API server where unset."]
    expirationSeconds: Annotated[Int64, Proto(2), "How long it lives; it is renewed at four fifths of that."]
    path: Required[Annotated[str, Proto(3), "The file, relative to the volume."]]


class ClusterTrustBundleProjection(TypedDict, total=False):
    """Certificates to trust, within a projected volume."""

    name: Annotated[str, Proto(1), "One bundle."]
    signerName: Annotated[str, Proto(2), "All bundles of a signer."]
    labelSelector: Annotated[LabelSelector, Proto(3), "Which pods it is about, by their labels."]
    path: Required[Annotated[str, Proto(4), "The file, relative to the volume."]]
    optional: Annotated[bool, Proto(5), "Whether it may be missing."]


class PodCertificateProjection(TypedDict, total=False):
    """A key and a certificate of the pod's own."""

    signerName: Required[Annotated[str, Proto(1), "Who signs the certificate."]]
    keyType: Required[Annotated[str, Proto(2), "The kind of key, such as ECDSAP256."]]
    maxExpirationSeconds: Annotated[Int32, Proto(3), "How long the certificate may live at most."]
    credentialBundlePath: Annotated[str, Proto(4), "One file with key and certificates."]
    keyPath: Annotated[str, Proto(5), "The file for the key."]
    certificateChainPath: Annotated[str, Proto(6), "The file for the certificates."]
    userAnnotations: Annotated[dict[str, str], Proto(7), "Notes for the signer."]


class VolumeProjection(TypedDict, total=False):
    """One source of a projected volume; exactly one of these."""

    secret: Annotated[SecretProjection, Proto(1), "Keys of a Secret."]
    downwardAPI: Annotated[DownwardAPIProjection, Proto(2), "What the pod knows about itself."]
    configMap: Annotated[ConfigMapProjection, Proto(3), "Keys of a ConfigMap."]
    serviceAccountToken: Annotated[
        ServiceAccountTokenProjection, Proto(4), "A token of the pod's service account."
    ]
    clusterTrustBundle: Annotated[ClusterTrustBundleProjection, Proto(5), "Certificates to trust."]
    podCertificate: Annotated[PodCertificateProjection, Proto(6), "A key and a certificate of the pod's own."]


class ProjectedVolumeSource(TypedDict, total=False):
    """Several sources in one directory."""

    sources: Annotated[
        list[VolumeProjection], Proto(1), ATOMIC, "The sources; later ones must not write the same files."
    ]
    defaultMode: Annotated[
        Int32, Proto(2), "Permission bits of the files, 0644 where unset. JSON has no octal: 420."
    ]
