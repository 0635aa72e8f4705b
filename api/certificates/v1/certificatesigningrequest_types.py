"""The wire form of CertificateSigningRequest."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Bytes, Int32, ListMap, Proto, Time
from api.meta.v1 import ObjectMeta


class CertificateSigningRequestSpec(TypedDict, total=False):
    """What is asked for, and by whom."""

    request: Required[Annotated[Bytes, Proto(1), "The PKCS#10 request in PEM."]]
    username: Annotated[str, Proto(2), "Who asked; set by the server."]
    uid: Annotated[str, Proto(3), "Id of whoever asked; set by the server."]
    groups: Annotated[list[str], Proto(4), ATOMIC, "Groups of whoever asked; set by the server."]
    usages: Annotated[list[str], Proto(5), ATOMIC, "What it is to be used for."]
    extra: Annotated[
        dict[str, list[str]], Proto(6), "What else is known of whoever asked; set by the server."
    ]
    signerName: Required[Annotated[str, Proto(7), "Who is to sign."]]
    expirationSeconds: Annotated[Int32, Proto(8), "How long the certificate should be good."]


class CertificateSigningRequestCondition(TypedDict, total=False):
    """One aspect of a request's state."""

    type: Required[Annotated[str, Proto(1), "Approved, Denied or Failed."]]
    reason: Annotated[str, Proto(2), "Why, in a word for machines."]
    message: Annotated[str, Proto(3), "Why, in words for people."]
    lastUpdateTime: Annotated[Time, Proto(4), "When the condition was last written."]
    lastTransitionTime: Annotated[Time, Proto(5), "When the status last changed."]
    status: Required[Annotated[str, Proto(6), "True, False or Unknown."]]


class CertificateSigningRequestStatus(TypedDict, total=False):
    """How a request stands."""

    conditions: Annotated[
        list[CertificateSigningRequestCondition],
        Proto(1),
        ListMap("type"),
        "Whether it was approved, denied, or failed.",
    ]
    certificate: Annotated[Bytes, Proto(2), "The certificate in PEM, once there is one."]


class CertificateSigningRequest(TypedDict, total=False):
    """Asks for a certificate."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Required[Annotated[CertificateSigningRequestSpec, Proto(2), "What is wanted."]]
    status: Annotated[CertificateSigningRequestStatus, Proto(3), "What is; written by the system."]
