"""Types of request bodies that are no resources of their own: Scale, Binding, Eviction, TokenRequest, DeleteOptions."""

from __future__ import annotations

from api import registry
from api.builtin import Body

SCALE = ("autoscaling", "v1", "Scale")
BINDING = ("", "v1", "Binding")
EVICTION = ("policy", "v1", "Eviction")
TOKEN_REQUEST = ("authentication.k8s.io", "v1", "TokenRequest")
DELETE_OPTIONS = ("meta.k8s.io", "v1", "DeleteOptions")

BodyName = tuple[str, str, str]


def body(name: BodyName) -> Body:
    """Raises KeyError for a type nobody describes."""
    return registry.bodies()[name]
