"""The wire form of NetworkPolicy."""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Enum, Int32, IntOrString, Proto
from api.meta.v1 import LabelSelector, ObjectMeta


class NetworkPolicyPort(TypedDict, total=False):
    """Ports that traffic may go to."""

    protocol: Annotated[str, Proto(1), Enum("SCTP", "TCP", "UDP"), "TCP, UDP or SCTP; TCP where unset."]
    port: Annotated[IntOrString, Proto(2), "The port, by number or by name; every port where unset."]
    endPort: Annotated[Int32, Proto(3), "The last port of a range."]


IPBlock = TypedDict(
    "IPBlock",
    {
        "cidr": Required[Annotated[str, Proto(1), "The range."]],
        "except": Annotated[list[str], Proto(2), ATOMIC, "Parts of the range that are left out."],
    },
    total=False,
)
IPBlock.__doc__ = "A range of addresses."


class NetworkPolicyPeer(TypedDict, total=False):
    """Who traffic may come from or go to."""

    podSelector: Annotated[LabelSelector, Proto(1), "Pods."]
    namespaceSelector: Annotated[
        LabelSelector, Proto(2), "Namespaces of these pods; all of their pods where no podSelector is."
    ]
    ipBlock: Annotated[IPBlock, Proto(3), "Addresses; stands alone."]


NetworkPolicyIngressRule = TypedDict(
    "NetworkPolicyIngressRule",
    {
        "ports": Annotated[
            list[NetworkPolicyPort], Proto(1), ATOMIC, "To these ports; to every port where there are none."
        ],
        "from": Annotated[
            list[NetworkPolicyPeer],
            Proto(2),
            ATOMIC,
            "From these peers; from everywhere where there are none.",
        ],
    },
    total=False,
)
NetworkPolicyIngressRule.__doc__ = "Traffic that may come in."


class NetworkPolicyEgressRule(TypedDict, total=False):
    """Traffic that may go out."""

    ports: Annotated[
        list[NetworkPolicyPort], Proto(1), ATOMIC, "To these ports; to every port where there are none."
    ]
    to: Annotated[
        list[NetworkPolicyPeer], Proto(2), ATOMIC, "To these peers; to everywhere where there are none."
    ]


class NetworkPolicySpec(TypedDict, total=False):
    """What a user wants of a network policy."""

    podSelector: Annotated[LabelSelector, Proto(1), "Which pods it is about."]
    ingress: Annotated[list[NetworkPolicyIngressRule], Proto(2), ATOMIC, "Traffic that may come in."]
    egress: Annotated[list[NetworkPolicyEgressRule], Proto(3), ATOMIC, "Traffic that may go out."]
    policyTypes: Annotated[list[str], Proto(4), ATOMIC, "Which directions it restricts: Ingress, Egress."]


class NetworkPolicy(TypedDict, total=False):
    """Which traffic some pods may have."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Name, labels and all else that every object carries."]
    spec: Annotated[NetworkPolicySpec, Proto(2), "What is wanted."]
