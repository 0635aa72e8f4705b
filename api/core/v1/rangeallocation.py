"""RangeAllocation: which numbers of a range are taken, as one stored object. Kept by API servers alone, served to nobody.

Several API servers on one store take numbers by comparing and swapping this object, so none is ever given twice.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from api.annotations import Bytes, Proto
from api.builtin import builtin
from api.columns import NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class RangeAllocation(TypedDict, total=False):
    """The numbers of a range that are taken."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Its name."]
    range: Annotated[str, Proto(2), "LOW-HIGH."]
    data: Annotated[Bytes, Proto(3), "One bit for each number from LOW on."]


RANGEALLOCATION = builtin(
    GVR("", "v1", "rangeallocations", namespaced=False, kind="RangeAllocation"),
    "api.core.v1.rangeallocation:RangeAllocation",
    strategy=Strategy(),
    columns=(NAME,),
    storage_prefix="ranges",
)
