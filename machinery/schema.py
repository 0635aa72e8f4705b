"""What a value may be: the one description that everything generic is derived from.

Built-in kinds derive it from their annotated types (`api/schema.py`), CustomResourceDefinitions
from their OpenAPI schema. Pruning, strategic merge, server-side apply, protobuf decoding and the
published OpenAPI read this tree and nothing else, so that a built-in kind and a custom one take
the same path.

A node describes the value AND how it sits in its parent's field (`proto`, `merge_key`,
`patch_strategy`, `default`, `description`): a list of containers is one node, its items another.
Trees may be recursive (JSONSchemaProps): `fields` are filled in after the node is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["object", "map", "list", "string", "integer", "number", "boolean", "any"]
# Formats refine a scalar: int32, int64, double, quantity, int-or-string, date-time, micro-time, byte,
# duration, raw-extension, fields-v1.


@dataclass(slots=True, eq=False)
class Schema:
    """One node. `object`: fixed `fields`. `map`: string keys, `values`. `list`: `items`. `any`: no rule."""

    kind: Kind
    format: str = ""
    name: str = ""  # the type's full name, e.g. io.k8s.api.core.v1.Container; "" where it has none
    description: str = ""

    fields: dict[str, Schema] = field(default_factory=dict)  # kind object
    required: frozenset[str] = frozenset()  # kind object
    always: frozenset[str] = frozenset()  # kind object: fields that are there, as zeros, when nobody set them
    pointers: frozenset[str] = (
        frozenset()
    )  # kind object: fields whose zero is said; else null, if there always
    items: Schema | None = None  # kind list
    values: Schema | None = None  # kind map
    enum: tuple[Any, ...] = ()
    nullable: bool = False

    # Merge semantics (structural-merge-diff, strategic merge patch).
    list_type: Literal["atomic", "set", "map", ""] = ""  # "" on a list means atomic for apply
    list_map_keys: tuple[str, ...] = ()
    map_type: Literal["granular", "atomic", ""] = ""  # also on objects
    merge_key: str = ""
    patch_strategy: frozenset[str] = frozenset()  # of merge, replace, retainKeys

    # Kubernetes extensions.
    preserve_unknown: bool = False
    embedded_resource: bool = False
    int_or_string: bool = False
    default: Any = None
    has_default: bool = False

    # Protobuf: the field's number in its parent; and, on an object, messages that the protobuf form
    # nests under a number where JSON inlines their fields (Probe's ProbeHandler, Volume's VolumeSource).
    proto: int = 0
    proto_inline: dict[int, Schema] = field(default_factory=dict)

    # Group-version-kinds published for a top-level type: (group, version, kind)
    gvks: tuple[tuple[str, str, str], ...] = ()

    # Bounds on a value's size, by which the cost of CEL rules is estimated (maxItems, maxLength, ...).
    rules: dict[str, Any] = field(default_factory=dict)
