"""The explicit list of what is built in. A new kind is its module and one line here.

Importing this module imports no kind; `load()` imports their modules (some 20 ms), and still no type below Pod or
Deployment, no schema and no validator: those are made when first used.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from api.builtin import Body
from api.resource import Resource

# module:attribute of each Resource, in the order that discovery shows groups and resources.
BUILTIN: tuple[str, ...] = (
    "api.core.v1.namespace:NAMESPACE",
    "api.core.v1.pod:POD",
    "api.core.v1.configmap:CONFIGMAP",
    "api.apps.v1.deployment:DEPLOYMENT",
)

# Kinds that are sent to a subresource or with a verb, and never stored.
BODIES: tuple[str, ...] = ()


@cache
def _load() -> tuple[Resource, ...]:
    return tuple(_named(each) for each in BUILTIN)


def load() -> list[Resource]:
    """Every built-in Resource."""
    return list(_load())


@cache
def bodies() -> dict[tuple[str, str, str], Body]:
    """(group, version, kind) → Body."""
    found: list[Body] = [_named(each) for each in BODIES]
    return {(each.group, each.version, each.kind): each for each in found}


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
