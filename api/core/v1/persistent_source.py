"""Where a persistent volume's contents come from, where that differs from a pod's own volumes."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Int32, Proto
from api.core.v1.reference import ObjectReference, SecretReference


class AzureFilePersistentVolumeSource(TypedDict, total=False):
    """A file share of Azure."""

    secretName: Required[Annotated[str, Proto(1), "The Secret with the account's name and key."]]
    shareName: Required[Annotated[str, Proto(2), "The share."]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    secretNamespace: Annotated[str, Proto(4), "The Secret's namespace; the claim's where unset."]


class CSIPersistentVolumeSource(TypedDict, total=False):
    """A volume of a CSI driver."""

    driver: Required[Annotated[str, Proto(1), "The driver's name."]]
    volumeHandle: Required[Annotated[str, Proto(2), "The driver's own name for the volume."]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    fsType: Annotated[str, Proto(4), "The file system on it, such as ext4."]
    volumeAttributes: Annotated[dict[str, str], Proto(5), "Settings for the driver."]
    controllerPublishSecretRef: Annotated[
        SecretReference, Proto(6), "The Secret for attaching and detaching."
    ]
    nodeStageSecretRef: Annotated[SecretReference, Proto(7), "The Secret for staging on a node."]
    nodePublishSecretRef: Annotated[SecretReference, Proto(8), "The Secret for mounting into a pod."]
    controllerExpandSecretRef: Annotated[SecretReference, Proto(9), "The Secret for growing the volume."]
    nodeExpandSecretRef: Annotated[
        SecretReference, Proto(10), "The Secret for growing the file system on a node."
    ]


class CephFSPersistentVolumeSource(TypedDict, total=False):
    """A directory of CephFS."""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC, "Addresses of the monitors."]]
    path: Annotated[str, Proto(2), "The directory; / where unset."]
    user: Annotated[str, Proto(3), "The user; admin where unset."]
    secretFile: Annotated[str, Proto(4), "The key file of the user."]
    secretRef: Annotated[SecretReference, Proto(5), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(6), "Whether it is mounted read-only."]


class CinderPersistentVolumeSource(TypedDict, total=False):
    """A disk of OpenStack."""

    volumeID: Required[Annotated[str, Proto(1), "The disk."]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    secretRef: Annotated[SecretReference, Proto(4), "The Secret with the credentials."]


class FlexPersistentVolumeSource(TypedDict, total=False):
    """A volume of a flex driver."""

    driver: Required[Annotated[str, Proto(1), "The driver's name."]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]
    secretRef: Annotated[SecretReference, Proto(3), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]
    options: Annotated[dict[str, str], Proto(5), "Settings for the driver."]


class GlusterfsPersistentVolumeSource(TypedDict, total=False):
    """A GlusterFS volume."""

    endpoints: Required[Annotated[str, Proto(1), "The Endpoints object that names its servers."]]
    path: Required[Annotated[str, Proto(2), "The volume."]]
    readOnly: Annotated[bool, Proto(3), "Whether it is mounted read-only."]
    endpointsNamespace: Annotated[str, Proto(4), "The Endpoints' namespace; the claim's where unset."]


class ISCSIPersistentVolumeSource(TypedDict, total=False):
    """A disk over iSCSI."""

    targetPortal: Required[
        Annotated[str, Proto(1), "Address of the target, with a port unless it is the usual one."]
    ]
    iqn: Required[Annotated[str, Proto(2), "Qualified name of the target."]]
    lun: Required[Annotated[Int32, Proto(3), "Number of the unit."]]
    iscsiInterface: Annotated[str, Proto(4), "The interface to go through; default where unset."]
    fsType: Annotated[str, Proto(5), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(6), "Whether it is mounted read-only."]
    portals: Annotated[list[str], Proto(7), ATOMIC, "Further addresses of the target."]
    chapAuthDiscovery: Annotated[bool, Proto(8), "Whether discovery is authenticated by CHAP."]
    secretRef: Annotated[SecretReference, Proto(10), "The Secret with the credentials."]
    chapAuthSession: Annotated[bool, Proto(11), "Whether the session is authenticated by CHAP."]
    initiatorName: Annotated[str, Proto(12), "Qualified name of the initiator."]


class LocalVolumeSource(TypedDict, total=False):
    """A disk or directory of one node."""

    path: Required[Annotated[str, Proto(1), "Where it is on the node."]]
    fsType: Annotated[str, Proto(2), "The file system on it, such as ext4."]


class RBDPersistentVolumeSource(TypedDict, total=False):
    """A block device of Ceph."""

    monitors: Required[Annotated[list[str], Proto(1), ATOMIC, "Addresses of the monitors."]]
    image: Required[Annotated[str, Proto(2), "The device's image."]]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    pool: Annotated[str, Proto(4), "The pool it lies in; rbd where unset."]
    user: Annotated[str, Proto(5), "The user; admin where unset."]
    keyring: Annotated[str, Proto(6), "The key file of the user."]
    secretRef: Annotated[SecretReference, Proto(7), "The Secret with the credentials."]
    readOnly: Annotated[bool, Proto(8), "Whether it is mounted read-only."]


class ScaleIOPersistentVolumeSource(TypedDict, total=False):
    """A ScaleIO volume."""

    gateway: Required[Annotated[str, Proto(1), "Address of the gateway."]]
    system: Required[Annotated[str, Proto(2), "The storage system."]]
    secretRef: Required[Annotated[SecretReference, Proto(3), "The Secret with the credentials."]]
    sslEnabled: Annotated[bool, Proto(4), "Whether the gateway is spoken to over TLS."]
    protectionDomain: Annotated[str, Proto(5), "The protection domain."]
    storagePool: Annotated[str, Proto(6), "The pool within the domain."]
    storageMode: Annotated[str, Proto(7), "ThickProvisioned or ThinProvisioned."]
    volumeName: Annotated[str, Proto(8), "The volume."]
    fsType: Annotated[str, Proto(9), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(10), "Whether it is mounted read-only."]


class StorageOSPersistentVolumeSource(TypedDict, total=False):
    """A StorageOS volume."""

    volumeName: Annotated[str, Proto(1), "The volume."]
    volumeNamespace: Annotated[str, Proto(2), "StorageOS's own namespace of the volume."]
    fsType: Annotated[str, Proto(3), "The file system on it, such as ext4."]
    readOnly: Annotated[bool, Proto(4), "Whether it is mounted read-only."]
    secretRef: Annotated[ObjectReference, Proto(5), "The Secret with the credentials."]
