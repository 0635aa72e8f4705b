"""The wire form of PersistentVolume."""

from typing import Annotated, TypedDict

from api.annotations import ATOMIC, Enum, MapType, Proto, Quantity, Time, inlines
from api.core.v1.affinity import NodeSelector
from api.core.v1.network_volume import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    FCVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from api.core.v1.persistent_source import (
    AzureFilePersistentVolumeSource,
    CephFSPersistentVolumeSource,
    CinderPersistentVolumeSource,
    CSIPersistentVolumeSource,
    FlexPersistentVolumeSource,
    GlusterfsPersistentVolumeSource,
    ISCSIPersistentVolumeSource,
    LocalVolumeSource,
    RBDPersistentVolumeSource,
    ScaleIOPersistentVolumeSource,
    StorageOSPersistentVolumeSource,
)
from api.core.v1.reference import ObjectReference
from api.core.v1.volume import HostPathVolumeSource, NFSVolumeSource
from api.meta.v1 import ObjectMeta


class PersistentVolumeSource(TypedDict, total=False):
    """Where a persistent volume's contents come from; exactly one of these."""

    gcePersistentDisk: Annotated[GCEPersistentDiskVolumeSource, Proto(1), "A disk of Google's cloud."]
    awsElasticBlockStore: Annotated[AWSElasticBlockStoreVolumeSource, Proto(2), "A disk of AWS."]
    hostPath: Annotated[
        HostPathVolumeSource, Proto(3), "A directory of the node, for tests on a single node."
    ]
    glusterfs: Annotated[GlusterfsPersistentVolumeSource, Proto(4), "A GlusterFS volume; deprecated."]
    nfs: Annotated[NFSVolumeSource, Proto(5), "A directory of an NFS server."]
    rbd: Annotated[RBDPersistentVolumeSource, Proto(6), "A block device of Ceph; deprecated."]
    iscsi: Annotated[ISCSIPersistentVolumeSource, Proto(7), "A disk over iSCSI."]
    cinder: Annotated[CinderPersistentVolumeSource, Proto(8), "A disk of OpenStack."]
    cephfs: Annotated[CephFSPersistentVolumeSource, Proto(9), "A directory of CephFS; deprecated."]
    fc: Annotated[FCVolumeSource, Proto(10), "A disk over Fibre Channel."]
    flocker: Annotated[FlockerVolumeSource, Proto(11), "A Flocker dataset; deprecated."]
    flexVolume: Annotated[FlexPersistentVolumeSource, Proto(12), "A volume of a flex driver."]
    azureFile: Annotated[AzureFilePersistentVolumeSource, Proto(13), "A file share of Azure."]
    vsphereVolume: Annotated[VsphereVirtualDiskVolumeSource, Proto(14), "A disk of vSphere."]
    quobyte: Annotated[QuobyteVolumeSource, Proto(15), "A Quobyte volume; deprecated."]
    azureDisk: Annotated[AzureDiskVolumeSource, Proto(16), "A disk of Azure."]
    photonPersistentDisk: Annotated[
        PhotonPersistentDiskVolumeSource, Proto(17), "A disk of Photon; deprecated."
    ]
    portworxVolume: Annotated[PortworxVolumeSource, Proto(18), "A Portworx volume."]
    scaleIO: Annotated[ScaleIOPersistentVolumeSource, Proto(19), "A ScaleIO volume; deprecated."]
    local: Annotated[LocalVolumeSource, Proto(20), "A disk or directory of one node."]
    storageos: Annotated[StorageOSPersistentVolumeSource, Proto(21), "A StorageOS volume; deprecated."]
    csi: Annotated[CSIPersistentVolumeSource, Proto(22), "A volume of a CSI driver."]


class VolumeNodeAffinity(TypedDict, total=False):
    """From which nodes a volume can be reached."""

    required: Annotated[NodeSelector, Proto(1), "Nodes that can use it."]


@inlines(2, PersistentVolumeSource)
class PersistentVolumeSpec(PersistentVolumeSource, total=False):
    """What a persistent volume is."""

    capacity: Annotated[dict[str, Quantity], Proto(1), "Its size."]
    accessModes: Annotated[list[str], Proto(3), ATOMIC, "How it can be mounted."]
    claimRef: Annotated[
        ObjectReference, Proto(4), MapType("granular"), "The claim that it is bound to, or set aside for."
    ]
    persistentVolumeReclaimPolicy: Annotated[
        str,
        Proto(5),
        Enum("Delete", "Recycle", "Retain"),
        "What becomes of it once it is released: Retain, Delete or Recycle.",
    ]
    storageClassName: Annotated[str, Proto(6), "The class it belongs to; empty for none."]
    mountOptions: Annotated[list[str], Proto(7), ATOMIC, "Options of mount, not checked."]
    volumeMode: Annotated[
        str, Proto(8), Enum("Block", "Filesystem"), "Filesystem, or Block for a raw device."
    ]
    nodeAffinity: Annotated[VolumeNodeAffinity, Proto(9), "From which nodes it can be reached."]
    volumeAttributesClassName: Annotated[str, Proto(10), "The class of attributes that it has."]


class PersistentVolumeStatus(TypedDict, total=False):
    """How a persistent volume is."""

    phase: Annotated[
        str,
        Proto(1),
        Enum("Available", "Bound", "Failed", "Pending", "Released"),
        "Pending, Available, Bound, Released or Failed.",
    ]
    message: Annotated[str, Proto(2), "Why, in words for people."]
    reason: Annotated[str, Proto(3), "Why, in a word for machines."]
    lastPhaseTransitionTime: Annotated[Time, Proto(4), "When the phase last changed."]


class PersistentVolume(TypedDict, total=False):
    """A piece of storage of the cluster."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[PersistentVolumeSpec, Proto(2), "What is wanted."]
    status: Annotated[PersistentVolumeStatus, Proto(3), "What is; written by the system."]
