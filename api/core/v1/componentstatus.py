"""ComponentStatus: whether a component of the control plane is well. Nobody writes one here: the list is empty.

Deprecated upstream since 1.19; components answer for themselves on /readyz and /livez.
"""

from typing import Any

from api.builtin import builtin
from api.columns import NAME
from api.resource import Column, Strategy
from machinery.gvk import GVR

Obj = dict[str, Any]


def _healthy(key: str) -> Any:
    def cell(obj: Obj, now: float) -> str:
        for each in obj.get("conditions") or ():
            if each.get("type") == "Healthy":
                if key != "status":
                    return str(each.get(key, ""))
                return {"True": "Healthy", "False": "Unhealthy"}.get(each.get("status", ""), "Unknown")
        return "Unknown" if key == "status" else ""

    return cell


COMPONENTSTATUS = builtin(
    GVR("", "v1", "componentstatuses", namespaced=False, kind="ComponentStatus"),
    "api.core.v1.componentstatus_types:ComponentStatus",
    strategy=Strategy(),
    columns=(
        NAME,
        Column("Status", _healthy("status"), description="Whether it is well."),
        Column("Message", _healthy("message"), description="What it said."),
        Column("Error", _healthy("error"), description="What went wrong in asking."),
    ),
    short_names=("cs",),
    verbs=("get", "list"),
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
)
