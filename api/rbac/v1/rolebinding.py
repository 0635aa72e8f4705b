"""TODO module"""

from typing import Annotated, Required, TypedDict

from api.annotations import ATOMIC, Proto, atomic
from api.meta.v1 import ObjectMeta


@atomic
class RoleRef(TypedDict, total=False):
    """TODO RoleRef"""

    kind: Required[Annotated[str, Proto(2)]]
    apiGroup: Annotated[str, Proto(1)]
    name: Required[Annotated[str, Proto(3)]]


@atomic
class Subject(TypedDict, total=False):
    """TODO Subject"""

    kind: Required[Annotated[str, Proto(1)]]
    apiGroup: Annotated[str, Proto(2)]
    name: Required[Annotated[str, Proto(3)]]
    namespace: Annotated[str, Proto(4)]


class RoleBinding(TypedDict, total=False):
    """TODO RoleBinding"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    subjects: Annotated[list[Subject], Proto(2), ATOMIC]
    roleRef: Required[Annotated[RoleRef, Proto(3)]]


class ClusterRoleBinding(TypedDict, total=False):
    """TODO ClusterRoleBinding"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    subjects: Annotated[list[Subject], Proto(2), ATOMIC]
    roleRef: Required[Annotated[RoleRef, Proto(3)]]
