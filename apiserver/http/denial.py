"""A denial in upstream's words."""

from __future__ import annotations

from apiserver.auth.user import Attributes
from machinery.errors import Forbidden


def refuse(attributes: Attributes, reason: str) -> Forbidden:
    """`pods "web" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "shop"`."""
    user = attributes.user.name
    if attributes.path:
        return Forbidden(f'forbidden: User "{user}" cannot {attributes.verb} path "{attributes.path}"')
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    where = f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    text = f'User "{user}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"{where}'
    if reason:
        text += f": {reason}"
    group = f".{attributes.group}" if attributes.group else ""
    name = f' "{attributes.name}"' if attributes.name else ""
    return Forbidden(
        f"{attributes.resource}{group}{name} is forbidden: {text}",
        group=attributes.group,
        kind=attributes.resource,
        name=attributes.name,
    )
