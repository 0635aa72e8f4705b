"""TODO module"""

from typing import TYPE_CHECKING, Annotated, Required, TypedDict

from api.annotations import ATOMIC, In, Int32, Proto, Quantity, inlines
from api.core.v1.env import ObjectFieldSelector, ResourceFieldSelector
from api.core.v1.network_volume import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    CSIVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GitRepoVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.core.v1.reference import LocalObjectReference, TypedLocalObjectReference, TypedObjectReference
from api.core.v1.resources import VolumeResourceRequirements
from api.meta.v1 import LabelSelector, ObjectMeta

if TYPE_CHECKING:
    from api.core.v1.projected import ProjectedVolumeSource


class KeyToPath(TypedDict, total=False):
    """TODO KeyToPath"""

    key: Required[Annotated[str, Proto(1)]]
    path: Required[Annotated[str, Proto(2)]]
    mode: Annotated[Int32, Proto(3)]


@inlines(1, LocalObjectReference)
class ConfigMapVolumeSource(LocalObjectReference, total=False):
    """TODO ConfigMapVolumeSource"""

    items: Annotated[list[KeyToPath], Proto(2), ATOMIC]
    defaultMode: Annotated[Int32, Proto(3)]
    optional: Annotated[bool, Proto(4)]


class SecretVolumeSource(TypedDict, total=False):
    """TODO SecretVolumeSource"""

    secretName: Annotated[str, Proto(1)]
    items: Annotated[list[KeyToPath], Proto(2), ATOMIC]
    defaultMode: Annotated[Int32, Proto(3)]
    optional: Annotated[bool, Proto(4)]


class EmptyDirVolumeSource(TypedDict, total=False):
    """TODO EmptyDirVolumeSource"""

    medium: Annotated[str, Proto(1)]
    sizeLimit: Annotated[Quantity, Proto(2)]


class HostPathVolumeSource(TypedDict, total=False):
    """TODO HostPathVolumeSource"""

    path: Required[Annotated[str, Proto(1)]]
    type: Annotated[str, Proto(2)]


class DownwardAPIVolumeFile(TypedDict, total=False):
    """TODO DownwardAPIVolumeFile"""

    path: Required[Annotated[str, Proto(1)]]
    fieldRef: Annotated[ObjectFieldSelector, Proto(2)]
    resourceFieldRef: Annotated[ResourceFieldSelector, Proto(3)]
    mode: Annotated[Int32, Proto(4)]


class DownwardAPIVolumeSource(TypedDict, total=False):
    """TODO DownwardAPIVolumeSource"""

    items: Annotated[list[DownwardAPIVolumeFile], Proto(1), ATOMIC]
    defaultMode: Annotated[Int32, Proto(2)]


class PersistentVolumeClaimVolumeSource(TypedDict, total=False):
    """TODO PersistentVolumeClaimVolumeSource"""

    claimName: Required[Annotated[str, Proto(1)]]
    readOnly: Annotated[bool, Proto(2)]


class PersistentVolumeClaimSpec(TypedDict, total=False):
    """TODO PersistentVolumeClaimSpec"""

    accessModes: Annotated[list[str], Proto(1), ATOMIC]
    resources: Annotated[VolumeResourceRequirements, Proto(2)]
    volumeName: Annotated[str, Proto(3)]
    selector: Annotated[LabelSelector, Proto(4)]
    storageClassName: Annotated[str, Proto(5)]
    volumeMode: Annotated[str, Proto(6)]
    dataSource: Annotated[TypedLocalObjectReference, Proto(7)]
    dataSourceRef: Annotated[TypedObjectReference, Proto(8)]
    volumeAttributesClassName: Annotated[str, Proto(9)]


class PersistentVolumeClaimTemplate(TypedDict, total=False):
    """TODO PersistentVolumeClaimTemplate"""

    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Required[Annotated[PersistentVolumeClaimSpec, Proto(2)]]


class EphemeralVolumeSource(TypedDict, total=False):
    """TODO EphemeralVolumeSource"""

    volumeClaimTemplate: Annotated[PersistentVolumeClaimTemplate, Proto(1)]


class ImageVolumeSource(TypedDict, total=False):
    """TODO ImageVolumeSource"""

    reference: Annotated[str, Proto(1)]
    pullPolicy: Annotated[str, Proto(2)]


class NFSVolumeSource(TypedDict, total=False):
    """TODO NFSVolumeSource"""

    server: Required[Annotated[str, Proto(1)]]
    path: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3)]


class VolumeSource(TypedDict, total=False):
    """TODO VolumeSource"""

    hostPath: Annotated[HostPathVolumeSource, Proto(1)]
    emptyDir: Annotated[EmptyDirVolumeSource, Proto(2)]
    gcePersistentDisk: Annotated[GCEPersistentDiskVolumeSource, Proto(3)]
    awsElasticBlockStore: Annotated[AWSElasticBlockStoreVolumeSource, Proto(4)]
    gitRepo: Annotated[GitRepoVolumeSource, Proto(5)]
    secret: Annotated[SecretVolumeSource, Proto(6)]
    nfs: Annotated[NFSVolumeSource, Proto(7)]
    iscsi: Annotated[ISCSIVolumeSource, Proto(8)]
    glusterfs: Annotated[GlusterfsVolumeSource, Proto(9)]
    persistentVolumeClaim: Annotated[PersistentVolumeClaimVolumeSource, Proto(10)]
    rbd: Annotated[RBDVolumeSource, Proto(11)]
    flexVolume: Annotated[FlexVolumeSource, Proto(12)]
    cinder: Annotated[CinderVolumeSource, Proto(13)]
    cephfs: Annotated[CephFSVolumeSource, Proto(14)]
    flocker: Annotated[FlockerVolumeSource, Proto(15)]
    downwardAPI: Annotated[DownwardAPIVolumeSource, Proto(16)]
    fc: Annotated[FCVolumeSource, Proto(17)]
    azureFile: Annotated[AzureFileVolumeSource, Proto(18)]
    configMap: Annotated[ConfigMapVolumeSource, Proto(19)]
    vsphereVolume: Annotated[VsphereVirtualDiskVolumeSource, Proto(20)]
    quobyte: Annotated[QuobyteVolumeSource, Proto(21)]
    azureDisk: Annotated[AzureDiskVolumeSource, Proto(22)]
    photonPersistentDisk: Annotated[PhotonPersistentDiskVolumeSource, Proto(23)]
    portworxVolume: Annotated[PortworxVolumeSource, Proto(24)]
    scaleIO: Annotated[ScaleIOVolumeSource, Proto(25)]
    projected: Annotated["ProjectedVolumeSource", Proto(26), In("api.core.v1.projected")]
    storageos: Annotated[StorageOSVolumeSource, Proto(27)]
    csi: Annotated[CSIVolumeSource, Proto(28)]
    ephemeral: Annotated[EphemeralVolumeSource, Proto(29)]
    image: Annotated[ImageVolumeSource, Proto(30)]


@inlines(2, VolumeSource)
class Volume(VolumeSource, total=False):
    """TODO Volume"""

    name: Required[Annotated[str, Proto(1)]]
