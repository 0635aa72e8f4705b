"""Volume sources that live on other people's storage."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Proto
from api.core.v1.reference import LocalObjectReference


class AWSElasticBlockStoreVolumeSource(TypedDict, total=False):
    """A disk of AWS."""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    partition: Annotated[Int32, Proto(3)]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]


class AzureDiskVolumeSource(TypedDict, total=False):
    """A disk of Azure."""

    kind: Annotated[str, Proto(6), "The kind of the object."]
    diskName: Required[Annotated[str, Proto(1)]]
    diskURI: Required[Annotated[str, Proto(2)]]
    cachingMode: Annotated[str, Proto(3)]
    fsType: Annotated[str, Proto(4), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(5), "Whether it is mounted read-only."]


class AzureFileVolumeSource(TypedDict, total=False):
    """A file share of Azure."""

    secretName: Required[Annotated[str, Proto(1)]]
    shareName: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]


class CSIVolumeSource(TypedDict, total=False):
    """A volume of a CSI driver that lives as long as the pod."""

    driver: Required[Annotated[str, Proto(1), "The driver's name."]]
    readOnly: Annotated[bool, Proto(2), "Whether it is mounted read-only."]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    volumeAttributes: Annotated[dict[str, str], Proto(4), "Settings for the driver."]
    nodePublishSecretRef: Annotated[LocalObjectReference, Proto(5), "A Secret for the driver."]


class CephFSVolumeSource(TypedDict, total=False):
    """A directory of CephFS."""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC]]
    path: Annotated[str, Proto(2)]
    user: Annotated[str, Proto(3)]
    secretFile: Annotated[str, Proto(4)]
    secretRef: Annotated[LocalObjectReference, Proto(5), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(6), "Whether it is mounted read-only."]


class CinderVolumeSource(TypedDict, total=False):
    """A disk of OpenStack."""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    secretRef: Annotated[LocalObjectReference, Proto(4), "The Secret with the credentials."]


class FCVolumeSource(TypedDict, total=False):
    """A disk over Fibre Channel."""

    targetWWNs: Annotated[list[str], Proto(1), ATOMIC]
    lun: Annotated[Int32, Proto(2)]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]
    wwids: Annotated[list[str], Proto(5), ATOMIC]


class FlexVolumeSource(TypedDict, total=False):
    """A volume of a flex driver."""

    driver: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    secretRef: Annotated[LocalObjectReference, Proto(3), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]
    options: Annotated[dict[str, str], Proto(5)]


class FlockerVolumeSource(TypedDict, total=False):
    """A Flocker dataset."""

    datasetName: Annotated[str, Proto(1)]
    datasetUUID: Annotated[str, Proto(2)]


class GCEPersistentDiskVolumeSource(TypedDict, total=False):
    """A disk of Google's cloud."""

    pdName: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    partition: Annotated[Int32, Proto(3)]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]


class GitRepoVolumeSource(TypedDict, total=False):
    """A git repository, cloned into an empty directory."""

    repository: Required[Annotated[str, Proto(1)]]
    revision: Annotated[str, Proto(2)]
    directory: Annotated[str, Proto(3)]


class GlusterfsVolumeSource(TypedDict, total=False):
    """A GlusterFS volume."""

    endpoints: Required[Annotated[str, Proto(1)]]
    path: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]


class ISCSIVolumeSource(TypedDict, total=False):
    """A disk over iSCSI."""

    targetPortal: Required[Annotated[str, Proto(1)]]
    iqn: Required[Annotated[str, Proto(2)]]
    lun: Required[Annotated[Int32, Proto(3)]]
    iscsiInterface: Annotated[str, Proto(4)]
    fsType: Annotated[str, Proto(5), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(6), "Whether it is mounted read-only."]
    portals: Annotated[list[str], Proto(7), ATOMIC]
    chapAuthDiscovery: Annotated[bool, Proto(8)]
    secretRef: Annotated[LocalObjectReference, Proto(10), "The Secret with the credentials."]
    chapAuthSession: Annotated[bool, Proto(11)]
    initiatorName: Annotated[str, Proto(12)]


class PhotonPersistentDiskVolumeSource(TypedDict, total=False):
    """A disk of Photon."""

    pdID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]


class PortworxVolumeSource(TypedDict, total=False):
    """A Portworx volume."""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]


class QuobyteVolumeSource(TypedDict, total=False):
    """A Quobyte volume."""

    registry: Required[Annotated[str, Proto(1)]]
    volume: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    user: Annotated[str, Proto(4)]
    group: Annotated[str, Proto(5)]
    tenant: Annotated[str, Proto(6)]


class RBDVolumeSource(TypedDict, total=False):
    """A block device of Ceph."""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC]]
    image: Required[Annotated[str, Proto(2), "The image, as REGISTRY/NAME:TAG or with @DIGEST."]]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    pool: Annotated[str, Proto(4)]
    user: Annotated[str, Proto(5)]
    keyring: Annotated[str, Proto(6)]
    secretRef: Annotated[LocalObjectReference, Proto(7), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(8), "Whether it is mounted read-only."]


class ScaleIOVolumeSource(TypedDict, total=False):
    """A ScaleIO volume."""

    gateway: Required[Annotated[str, Proto(1)]]
    system: Required[Annotated[str, Proto(2)]]
    secretRef: Required[Annotated[LocalObjectReference, Proto(3), "The Secret with the credentials."]]
    sslEnabled: Annotated[bool, Proto(4)]
    protectionDomain: Annotated[str, Proto(5)]
    storagePool: Annotated[str, Proto(6)]
    storageMode: Annotated[str, Proto(7)]
    volumeName: Annotated[str, Proto(8)]
    fsType: Annotated[str, Proto(9), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(10), "Whether it is mounted read-only."]


class StorageOSVolumeSource(TypedDict, total=False):
    """A StorageOS volume."""

    volumeName: Annotated[str, Proto(1)]
    volumeNamespace: Annotated[str, Proto(2)]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]
    secretRef: Annotated[LocalObjectReference, Proto(5), "The Secret with the credentials."]


class VsphereVirtualDiskVolumeSource(TypedDict, total=False):
    """A disk of vSphere."""

    volumePath: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    storagePolicyName: Annotated[str, Proto(3)]
    storagePolicyID: Annotated[str, Proto(4)]
