"""Volumes of a pod, and the sources a node serves by itself."""

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
    """A key, and the file it becomes."""

    key: Required[Annotated[str, Proto(1), "The key."]]
    path: Required[Annotated[str, Proto(2), "The file, relative to the volume."]]
    mode: Annotated[Int32, Proto(3), "Permission bits of the file; the volume's defaultMode where unset."]


@inlines(1, LocalObjectReference)
class ConfigMapVolumeSource(LocalObjectReference, total=False):
    """The keys of a ConfigMap as files."""

    items: Annotated[
        list[KeyToPath],
        Proto(2),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]
    defaultMode: Annotated[
        Int32, Proto(3), "Permission bits of the files, 0644 where unset. JSON has no octal: 420."
    ]
    optional: Annotated[bool, Proto(4), "Whether it may be missing."]


class SecretVolumeSource(TypedDict, total=False):
    """The keys of a Secret as files, kept in memory."""

    secretName: Annotated[str, Proto(1), "The Secret."]
    items: Annotated[
        list[KeyToPath],
        Proto(2),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]
    defaultMode: Annotated[
        Int32, Proto(3), "Permission bits of the files, 0644 where unset. JSON has no octal: 420."
    ]
    optional: Annotated[bool, Proto(4), "Whether it may be missing."]


class EmptyDirVolumeSource(TypedDict, total=False):
    """A directory that lives as long as the pod."""

    medium: Annotated[
        str, Proto(1), "Empty for the node's disk, Memory for a tmpfs, HugePages for huge pages."
    ]
    sizeLimit: Annotated[Quantity, Proto(2), "How much may be stored in it."]


class HostPathVolumeSource(TypedDict, total=False):
    """A file or directory of the node."""

    path: Required[Annotated[str, Proto(1), "The path on the node."]]
    type: Annotated[
        str,
        Proto(2),
        "What must be there, or is made: Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice, BlockDevice.",
    ]


class DownwardAPIVolumeFile(TypedDict, total=False):
    """A file with what the pod knows about itself."""

    path: Required[Annotated[str, Proto(1), "The file, relative to the volume."]]
    fieldRef: Annotated[
        ObjectFieldSelector,
        Proto(2),
        "A field of the pod: metadata.name, metadata.labels, spec.nodeName, status.podIP...",
    ]
    resourceFieldRef: Annotated[
        ResourceFieldSelector, Proto(3), "A request or a limit of a container: limits.cpu, requests.memory..."
    ]
    mode: Annotated[Int32, Proto(4), "Permission bits of the file; the volume's defaultMode where unset."]


class DownwardAPIVolumeSource(TypedDict, total=False):
    """What the pod knows about itself, as files."""

    items: Annotated[
        list[DownwardAPIVolumeFile],
        Proto(1),
        ATOMIC,
        "Which keys become files, and which; all of them under their own names where this is empty.",
    ]
    defaultMode: Annotated[
        Int32, Proto(2), "Permission bits of the files, 0644 where unset. JSON has no octal: 420."
    ]


class PersistentVolumeClaimVolumeSource(TypedDict, total=False):
    """Storage that a claim in the same namespace is bound to."""

    claimName: Required[Annotated[str, Proto(1), "The claim."]]
    readOnly: Annotated[bool, Proto(2), "Whether it is mounted read-only."]


class PersistentVolumeClaimSpec(TypedDict, total=False):
    """What a claim asks for."""

    accessModes: Annotated[
        list[str],
        Proto(1),
        ATOMIC,
        "How it is to be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod.",
    ]
    resources: Annotated[
        VolumeResourceRequirements, Proto(2), "How much it needs at least, and may use at most."
    ]
    volumeName: Annotated[str, Proto(3), "The volume it is bound to."]
    selector: Annotated[LabelSelector, Proto(4), "Which volumes it may be bound to."]
    storageClassName: Annotated[str, Proto(5), "The storage class that makes its volume."]
    volumeMode: Annotated[str, Proto(6), "Filesystem or Block."]
    dataSource: Annotated[
        TypedLocalObjectReference, Proto(7), "What to fill it from: a snapshot or another claim."
    ]
    dataSourceRef: Annotated[TypedObjectReference, Proto(8), "As dataSource, for any kind."]
    volumeAttributesClassName: Annotated[str, Proto(9), "The class of attributes that its volume gets."]


class PersistentVolumeClaimTemplate(TypedDict, total=False):
    """A claim that is made for the pod and goes with it."""

    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[PersistentVolumeClaimSpec, Proto(2), "What is wanted."]]


class EphemeralVolumeSource(TypedDict, total=False):
    """Storage of a claim that lives as long as the pod."""

    volumeClaimTemplate: Annotated[PersistentVolumeClaimTemplate, Proto(1), "The claim to make."]


class ImageVolumeSource(TypedDict, total=False):
    """The contents of an image, read-only."""

    reference: Annotated[str, Proto(1), "The image."]
    pullPolicy: Annotated[str, Proto(2), "Always, IfNotPresent or Never."]


class NFSVolumeSource(TypedDict, total=False):
    """A directory of an NFS server."""

    server: Required[Annotated[str, Proto(1), "The server."]]
    path: Required[Annotated[str, Proto(2), "The directory it exports."]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]


class VolumeSource(TypedDict, total=False):
    """Where a volume's contents come from; exactly one of these."""

    hostPath: Annotated[HostPathVolumeSource, Proto(1), "A file or directory of the node."]
    emptyDir: Annotated[EmptyDirVolumeSource, Proto(2), "A directory that lives as long as the pod."]
    gcePersistentDisk: Annotated[GCEPersistentDiskVolumeSource, Proto(3), "A disk of Google's cloud."]
    awsElasticBlockStore: Annotated[AWSElasticBlockStoreVolumeSource, Proto(4), "A disk of AWS."]
    gitRepo: Annotated[GitRepoVolumeSource, Proto(5), "A cloned git repository; deprecated."]
    secret: Annotated[SecretVolumeSource, Proto(6), "Keys of a Secret as files."]
    nfs: Annotated[NFSVolumeSource, Proto(7), "A directory of an NFS server."]
    iscsi: Annotated[ISCSIVolumeSource, Proto(8), "A disk over iSCSI."]
    glusterfs: Annotated[GlusterfsVolumeSource, Proto(9), "A GlusterFS volume; deprecated."]
    persistentVolumeClaim: Annotated[
        PersistentVolumeClaimVolumeSource, Proto(10), "Storage that a claim is bound to."
    ]
    rbd: Annotated[RBDVolumeSource, Proto(11), "A block device of Ceph; deprecated."]
    flexVolume: Annotated[FlexVolumeSource, Proto(12), "A volume of a flex driver."]
    cinder: Annotated[CinderVolumeSource, Proto(13), "A disk of OpenStack."]
    cephfs: Annotated[CephFSVolumeSource, Proto(14), "A directory of CephFS; deprecated."]
    flocker: Annotated[FlockerVolumeSource, Proto(15), "A Flocker dataset; deprecated."]
    downwardAPI: Annotated[DownwardAPIVolumeSource, Proto(16), "What the pod knows about itself, as files."]
    fc: Annotated[FCVolumeSource, Proto(17), "A disk over Fibre Channel."]
    azureFile: Annotated[AzureFileVolumeSource, Proto(18), "A file share of Azure."]
    configMap: Annotated[ConfigMapVolumeSource, Proto(19), "Keys of a ConfigMap as files."]
    vsphereVolume: Annotated[VsphereVirtualDiskVolumeSource, Proto(20), "A disk of vSphere."]
    quobyte: Annotated[QuobyteVolumeSource, Proto(21), "A Quobyte volume; deprecated."]
    azureDisk: Annotated[AzureDiskVolumeSource, Proto(22), "A disk of Azure."]
    photonPersistentDisk: Annotated[
        PhotonPersistentDiskVolumeSource, Proto(23), "A disk of Photon; deprecated."
    ]
    portworxVolume: Annotated[PortworxVolumeSource, Proto(24), "A Portworx volume."]
    scaleIO: Annotated[ScaleIOVolumeSource, Proto(25), "A ScaleIO volume; deprecated."]
    projected: Annotated[
        "ProjectedVolumeSource", Proto(26), In("api.core.v1.projected"), "Several sources in one directory."
    ]
    storageos: Annotated[StorageOSVolumeSource, Proto(27), "A StorageOS volume; deprecated."]
    csi: Annotated[CSIVolumeSource, Proto(28), "A volume of a CSI driver."]
    ephemeral: Annotated[EphemeralVolumeSource, Proto(29), "Storage of a claim made for the pod."]
    image: Annotated[ImageVolumeSource, Proto(30), "The contents of an image."]


@inlines(2, VolumeSource)
class Volume(VolumeSource, total=False):
    """A directory that the pod's containers may mount."""

    name: Required[Annotated[str, Proto(1), "Unique within the pod."]]
