"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Proto
from api.core.v1.reference import LocalObjectReference


class AWSElasticBlockStoreVolumeSource(TypedDict, total=False):
    """TODO AWSElasticBlockStoreVolumeSource"""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    partition: Annotated[Int32, Proto(3)]
    readOnly: Annotated[bool, Proto(4)]


class AzureDiskVolumeSource(TypedDict, total=False):
    """TODO AzureDiskVolumeSource"""

    kind: Annotated[str, Proto(6)]
    diskName: Required[Annotated[str, Proto(1)]]
    diskURI: Required[Annotated[str, Proto(2)]]
    cachingMode: Annotated[str, Proto(3)]
    fsType: Annotated[str, Proto(4)]
    readOnly: Annotated[bool, Proto(5)]


class AzureFileVolumeSource(TypedDict, total=False):
    """TODO AzureFileVolumeSource"""

    secretName: Required[Annotated[str, Proto(1)]]
    shareName: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3)]


class CSIVolumeSource(TypedDict, total=False):
    """TODO CSIVolumeSource"""

    driver: Required[Annotated[str, Proto(1)]]
    readOnly: Annotated[bool, Proto(2)]
    fsType: Annotated[str, Proto(3)]
    volumeAttributes: Annotated[dict[str, str], Proto(4)]
    nodePublishSecretRef: Annotated[LocalObjectReference, Proto(5)]


class CephFSVolumeSource(TypedDict, total=False):
    """TODO CephFSVolumeSource"""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC]]
    path: Annotated[str, Proto(2)]
    user: Annotated[str, Proto(3)]
    secretFile: Annotated[str, Proto(4)]
    secretRef: Annotated[LocalObjectReference, Proto(5)]
    readOnly: Annotated[bool, Proto(6)]


class CinderVolumeSource(TypedDict, total=False):
    """TODO CinderVolumeSource"""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    readOnly: Annotated[bool, Proto(3)]
    secretRef: Annotated[LocalObjectReference, Proto(4)]


class FCVolumeSource(TypedDict, total=False):
    """TODO FCVolumeSource"""

    targetWWNs: Annotated[list[str], Proto(1), ATOMIC]
    lun: Annotated[Int32, Proto(2)]
    fsType: Annotated[str, Proto(3)]
    readOnly: Annotated[bool, Proto(4)]
    wwids: Annotated[list[str], Proto(5), ATOMIC]


class FlexVolumeSource(TypedDict, total=False):
    """TODO FlexVolumeSource"""

    driver: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    secretRef: Annotated[LocalObjectReference, Proto(3)]
    readOnly: Annotated[bool, Proto(4)]
    options: Annotated[dict[str, str], Proto(5)]


class FlockerVolumeSource(TypedDict, total=False):
    """TODO FlockerVolumeSource"""

    datasetName: Annotated[str, Proto(1)]
    datasetUUID: Annotated[str, Proto(2)]


class GCEPersistentDiskVolumeSource(TypedDict, total=False):
    """TODO GCEPersistentDiskVolumeSource"""

    pdName: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    partition: Annotated[Int32, Proto(3)]
    readOnly: Annotated[bool, Proto(4)]


class GitRepoVolumeSource(TypedDict, total=False):
    """TODO GitRepoVolumeSource"""

    repository: Required[Annotated[str, Proto(1)]]
    revision: Annotated[str, Proto(2)]
    directory: Annotated[str, Proto(3)]


class GlusterfsVolumeSource(TypedDict, total=False):
    """TODO GlusterfsVolumeSource"""

    endpoints: Required[Annotated[str, Proto(1)]]
    path: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3)]


class ISCSIVolumeSource(TypedDict, total=False):
    """TODO ISCSIVolumeSource"""

    targetPortal: Required[Annotated[str, Proto(1)]]
    iqn: Required[Annotated[str, Proto(2)]]
    lun: Required[Annotated[Int32, Proto(3)]]
    iscsiInterface: Annotated[str, Proto(4)]
    fsType: Annotated[str, Proto(5)]
    readOnly: Annotated[bool, Proto(6)]
    portals: Annotated[list[str], Proto(7), ATOMIC]
    chapAuthDiscovery: Annotated[bool, Proto(8)]
    secretRef: Annotated[LocalObjectReference, Proto(10)]
    chapAuthSession: Annotated[bool, Proto(11)]
    initiatorName: Annotated[str, Proto(12)]


class PhotonPersistentDiskVolumeSource(TypedDict, total=False):
    """TODO PhotonPersistentDiskVolumeSource"""

    pdID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]


class PortworxVolumeSource(TypedDict, total=False):
    """TODO PortworxVolumeSource"""

    volumeID: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    readOnly: Annotated[bool, Proto(3)]


class QuobyteVolumeSource(TypedDict, total=False):
    """TODO QuobyteVolumeSource"""

    registry: Required[Annotated[str, Proto(1)]]
    volume: Required[Annotated[str, Proto(2)]]
    readOnly: Annotated[bool, Proto(3)]
    user: Annotated[str, Proto(4)]
    group: Annotated[str, Proto(5)]
    tenant: Annotated[str, Proto(6)]


class RBDVolumeSource(TypedDict, total=False):
    """TODO RBDVolumeSource"""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC]]
    image: Required[Annotated[str, Proto(2)]]
    fsType: Annotated[str, Proto(3)]
    pool: Annotated[str, Proto(4)]
    user: Annotated[str, Proto(5)]
    keyring: Annotated[str, Proto(6)]
    secretRef: Annotated[LocalObjectReference, Proto(7)]
    readOnly: Annotated[bool, Proto(8)]


class ScaleIOVolumeSource(TypedDict, total=False):
    """TODO ScaleIOVolumeSource"""

    gateway: Required[Annotated[str, Proto(1)]]
    system: Required[Annotated[str, Proto(2)]]
    secretRef: Required[Annotated[LocalObjectReference, Proto(3)]]
    sslEnabled: Annotated[bool, Proto(4)]
    protectionDomain: Annotated[str, Proto(5)]
    storagePool: Annotated[str, Proto(6)]
    storageMode: Annotated[str, Proto(7)]
    volumeName: Annotated[str, Proto(8)]
    fsType: Annotated[str, Proto(9)]
    readOnly: Annotated[bool, Proto(10)]


class StorageOSVolumeSource(TypedDict, total=False):
    """TODO StorageOSVolumeSource"""

    volumeName: Annotated[str, Proto(1)]
    volumeNamespace: Annotated[str, Proto(2)]
    fsType: Annotated[str, Proto(3)]
    readOnly: Annotated[bool, Proto(4)]
    secretRef: Annotated[LocalObjectReference, Proto(5)]


class VsphereVirtualDiskVolumeSource(TypedDict, total=False):
    """TODO VsphereVirtualDiskVolumeSource"""

    volumePath: Required[Annotated[str, Proto(1)]]
    fsType: Annotated[str, Proto(2)]
    storagePolicyName: Annotated[str, Proto(3)]
    storagePolicyID: Annotated[str, Proto(4)]
