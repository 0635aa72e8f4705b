"""An API server's claim to be alive at an address. Kept by API servers alone, served to nobody; its name is the address."""

from __future__ import annotations

from typing import Annotated, TypedDict

from api.annotations import Proto
from api.builtin import builtin
from api.columns import NAME
from api.meta.v1 import ObjectMeta
from api.resource import Strategy
from machinery.gvk import GVR


class MasterLease(TypedDict, total=False):
    """An API server that is alive."""

    apiVersion: str
    kind: str
    metadata: Annotated[ObjectMeta, Proto(1), "Its address is its name."]
    renewTime: Annotated[str, Proto(2), "When it last said so, by its own clock."]


MASTERLEASE = builtin(
    GVR("", "v1", "masterleases", namespaced=False, kind="MasterLease"),
    "api.core.v1.masterlease:MasterLease",
    strategy=Strategy(),
    columns=(NAME,),
    storage_prefix="masterleases",
)
