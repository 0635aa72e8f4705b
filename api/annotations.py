"""What an annotated field says beyond its Python type: the words that the kinds are written in.

A kind is a TypedDict whose fields carry the names of the wire:

    class Container(TypedDict, total=False):
        name: Required[Annotated[str, Proto(1), "Unique among the pod's containers."]]
        args: Annotated[list[str], Proto(4), ATOMIC]

A plain string is the field's description; `Proto` its number in the protobuf form; `ListMap`, `SET`, `ATOMIC`
and `Patch` its merge semantics; `In` names the module of a type that is referred to by its name only, so that a
kind can be listed without importing the hundred types below it. `api.schema` turns all of this into
`machinery.schema.Schema`. A package (or module) of kinds says in PACKAGE, GROUP and VERSION what its types are
called in the published OpenAPI.

Nothing here is checked when a dict is built: a TypedDict is a plain dict at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proto:
    """The field's number in upstream's generated.proto."""

    number: int


@dataclass(frozen=True, slots=True)
class ListType:
    """How server-side apply merges a list without keys."""

    kind: Literal["atomic", "set"]


@dataclass(frozen=True, slots=True, init=False)
class ListMap:
    """A list whose items are told apart by the values of these fields."""

    keys: tuple[str, ...]

    def __init__(self, *keys: str) -> None:
        object.__setattr__(self, "keys", keys)


@dataclass(frozen=True, slots=True)
class MapType:
    """How server-side apply merges a map or an object: as a whole, or key by key (the default)."""

    kind: Literal["atomic", "granular"]


@dataclass(frozen=True, slots=True)
class Patch:
    """What strategic merge patch does with the field: "merge", "replace", "retainKeys" or "merge,retainKeys"."""

    strategy: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Default:
    """A static default that the published schema shows; the kind's Strategy applies it."""

    value: Any


@dataclass(frozen=True, slots=True, init=False)
class Enum:
    """The values that validation accepts. Published, not enforced by the codec: a wrong one is a 422, not a 400."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Format:
    """A scalar's format, and the published name where upstream gives the scalar a type of its own."""

    format: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class In:
    """The module that holds the type which this annotation names as a string."""

    module: str


ATOMIC = ListType("atomic")
SET = ListType("set")
ATOMIC_MAP = MapType("atomic")

_META = "io.k8s.apimachinery.pkg"

Int32 = Annotated[int, Format("int32")]
Int64 = Annotated[int, Format("int64")]
Double = Annotated[float, Format("double")]
Bytes = Annotated[str, Format("byte")]
Quantity = Annotated[str, Format("quantity", f"{_META}.api.resource.Quantity")]
IntOrString = Annotated[int | str, Format("int-or-string", f"{_META}.util.intstr.IntOrString")]
Time = Annotated[str, Format("date-time", f"{_META}.apis.meta.v1.Time")]
MicroTime = Annotated[str, Format("micro-time", f"{_META}.apis.meta.v1.MicroTime")]
RawExtension = Annotated[dict[str, Any], Format("raw-extension", f"{_META}.runtime.RawExtension")]
FieldsV1 = Annotated[dict[str, Any], Format("fields-v1", f"{_META}.apis.meta.v1.FieldsV1")]


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What a whole type says of itself, kept beside its fields (see `atomic`, `inlines`)."""

    map_type: str = ""
    inline: tuple[tuple[int, type], ...] = ()


_FACTS = "__kind_facts__"


def facts_of(cls: type) -> TypeFacts:
    """The type's own facts; those of a base are not inherited."""
    facts: TypeFacts = cls.__dict__.get(_FACTS, TypeFacts())
    return facts


def atomic(cls: type[T]) -> type[T]:
    """Marks a type that server-side apply always replaces as a whole."""
    setattr(cls, _FACTS, TypeFacts("atomic", facts_of(cls).inline))
    return cls


def inlines(number: int, part: type) -> Callable[[type[T]], type[T]]:
    """Marks a type whose protobuf form nests the fields of its base `part` under a number of their own."""

    def mark(cls: type[T]) -> type[T]:
        facts = facts_of(cls)
        setattr(cls, _FACTS, TypeFacts(facts.map_type, (*facts.inline, (number, part))))
        return cls

    return mark
