"""Makes the Resource of a built-in kind from its TypedDict, and the Body of a kind that is only ever sent.

Schema and codec stay unmade until asked for: listing kinds, their verbs and columns costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from api.resource import ALL_VERBS, Codec, Column, Resource, Strategy, Subresource
from api.schema import schema_named, schema_of
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.schema import Schema

Obj = dict[str, Any]

STATUS_VERBS = ("get", "patch", "update")


def builtin(
    gvr: GVR,
    cls: type | str,
    *,
    strategy: Strategy,
    columns: tuple[Column, ...],
    short_names: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
    subresources: tuple[Subresource, ...] = (),
    selectable_fields: Mapping[str, str] | None = None,
    storage_prefix: str = "",
    from_storage: Callable[[Obj], Obj] | None = None,
    to_storage: Callable[[Obj], Obj] | None = None,
    ttl_s: int | None = None,
    returns_deleted: bool = False,
    deprecation: str = "",
) -> Resource:
    """The Resource of a kind whose type is `cls`, or `module:Type` of one that is to be imported when first used.

    The storage prefix follows the group unless given.
    """
    schema, codec = _lazy(cls)
    return Resource(
        gvr=gvr,
        kind=gvr.kind,
        list_kind=f"{gvr.kind}List",
        singular=gvr.kind.lower(),
        schema=schema,
        codec=codec,
        strategy=strategy,
        columns=columns,
        short_names=short_names,
        categories=categories,
        verbs=verbs,
        subresources={each.name: each for each in subresources},
        selectable_fields=selectable_fields or {},
        storage_prefix=storage_prefix or (f"{gvr.group}/{gvr.resource}" if gvr.group else gvr.resource),
        from_storage=from_storage,
        to_storage=to_storage,
        ttl_s=ttl_s,
        returns_deleted=returns_deleted,
        deprecation=deprecation,
    )


def status_of(kind: str) -> Subresource:
    return Subresource("status", kind, STATUS_VERBS)


@dataclass(frozen=True, slots=True)
class Body:
    """A kind that travels as a request's body or answer and is never stored: Scale, Binding, Eviction...

    `older`: versions of its group that are no longer served, in which it is still taken: they were the same type.
    """

    group: str
    version: str
    kind: str
    schema: Callable[[], Schema]
    codec: Callable[[], Codec]
    default: Callable[[Obj], None]
    validate: Callable[[Obj], Sequence[Cause]]
    older: tuple[str, ...] = ()


def body(
    group: str,
    version: str,
    cls: type,
    *,
    default: Callable[[Obj], None] = lambda obj: None,
    validate: Callable[[Obj], Sequence[Cause]] = lambda obj: (),
    older: tuple[str, ...] = (),
) -> Body:
    schema, codec = _lazy(cls)
    return Body(group, version, cls.__name__, schema, codec, default, validate, older)


def _lazy(cls: type | str) -> tuple[Callable[[], Schema], Callable[[], Codec]]:
    def schema() -> Schema:
        if isinstance(cls, str):
            module, _, name = cls.partition(":")
            return schema_named(module, name)
        return schema_of(cls)

    @cache
    def codec() -> Codec:
        from api.codec import TypedCodec

        return TypedCodec(schema())

    return schema, codec


def scale_of(selector_path: str = ".spec.selector") -> Subresource:
    return Subresource("scale", "Scale", STATUS_VERBS, "autoscaling", "v1", label_selector_path=selector_path)
