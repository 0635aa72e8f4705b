"""A denial in upstream's words."""

from __future__ import annotations

from typing import Any

from apiserver.auth.user import Attributes
from machinery.errors import Forbidden


class Denied(Forbidden):
    """What authorization says no to: details are there, be there any or not."""

    def to_status(self) -> dict[str, Any]:
        return {"details": {}, **super().to_status()}


def refuse(attributes: Attributes, reason: str) -> Denied:
    """`pods "web" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "shop"`."""
    user = attributes.user.name
    if attributes.path:
        return Denied(f'forbidden: User "{user}" cannot {attributes.verb} path "{attributes.path}"')
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    where = f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    text = f'User "{user}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"{where}'
    if reason:
        text += f": {reason}"
    group = f".{attributes.group}" if attributes.group else ""
    name = f' "{attributes.name}"' if attributes.name else ""
    return Denied(
        f"{attributes.resource}{group}{name} is forbidden: {text}",
        group=attributes.group,
        kind=attributes.resource,
        name=attributes.name,
    )
