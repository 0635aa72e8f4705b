"""TODO module"""

from typing import TYPE_CHECKING, Annotated, TypedDict

from api.annotations import In, Proto
from api.meta.v1 import ObjectMeta

if TYPE_CHECKING:
    from api.core.v1.pod_status import PodStatus
    from api.core.v1.podspec import PodSpec


class Pod(TypedDict, total=False):
    """TODO Pod"""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1)]
    spec: Annotated["PodSpec", Proto(2), In("api.core.v1.podspec")]
    status: Annotated["PodStatus", Proto(3), In("api.core.v1.pod_status")]
