"""What a kind is: one frozen value that holds all that differs between kinds.

The engine moves plain dicts and bytes; whatever it must know about Pods or about somebody's
CustomResource it asks the `Resource`. Built-in kinds build theirs in their own module
(`api/core/v1/pod.py`), a CustomResourceDefinition builds one when it is stored; both are then
served by the same code.

Invariants:
* A Resource never does I/O and never reads a clock: what its hooks need comes as arguments.
* Hooks that change an object change it in place; hooks that judge return causes and change nothing.
* `old` and `obj` are complete objects, decoded and defaulted, in the served version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from api.unserved import notices
from machinery.errors import Cause
from machinery.gvk import GVR
from machinery.schema import Schema

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the server-side Table. `path` is a JSONPath such as `.status.phase`, or a function of
    (object, now in epoch seconds) → cell where upstream computes one (READY 1/1, AGE). priority > 0: -o wide only.
    """

    name: str
    path: str | Callable[[Obj, float], Any]
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Codec(Protocol):
    """Turns what a client sent into a clean object of the kind, or says what is wrong with it."""

    def decode(self, raw: Any) -> tuple[Obj, list[str]]:
        """Checks types, converts quantities and times to their canonical form, drops nulls and unknown fields.

        Returns (object, paths of unknown fields such as `spec.foo`). Raises BadRequest on a type mismatch,
        naming the field. May reuse and change `raw`.
        """
        ...

    def forget(self, obj: Obj) -> None:
        """Takes away, in place, what upstream's types would forget of a built-in kind's object (`api/normal.py`)."""
        ...

    def complete(self, obj: Obj) -> None:
        """The same, and adds what they always have: the form in which the object is kept."""
        ...

    def repair(self, raw: Obj) -> Obj:
        """What was stored, without what the schema of today has no place for."""
        ...


class Strategy:
    """What writing an object of a kind means. The base class does what every kind shares: nothing special.

    Called by the engine in this order. Create: default → mutating admission (default again where it changed
    something) → prepare_create → stamp → validate. Update: default → prepare_update → mutating admission (default and
    prepare_update again) → stamp → validate_update: what an endpoint may not change, admission may not either.
    Metadata (name, uid, generation bump, timestamps, managedFields) is the engine's business and not a strategy's.
    """

    # PUT to an absent name creates (Lease, Endpoints, ...).
    allow_create_on_update: bool = False
    # An update without resourceVersion is accepted.
    allow_unconditional_update: bool = True
    # DNS-1123 subdomain unless the kind says otherwise; returns messages.
    name_rule: Literal["subdomain", "label", "dns1035", "path"] = "subdomain"
    # metadata.generation starts at 1 and grows with every change outside metadata and status.
    has_generation: bool = True
    generation_at_birth: int = 1
    # Parts of the metadata whose changes count, too.
    generation_of: Sequence[str] = ()
    # Seconds of grace for a graceful deletion, None where the kind is deleted at once. Pods only.
    default_grace_s: int | None = None
    # Names of what cannot be deleted one by one, and why not.
    undeletable: Mapping[str, str] = MappingProxyType({})
    # A delete's precondition that fails is told as the store would tell it (definitions, namespaces).
    precondition_of_store: bool = False
    # A delete that says no propagationPolicy leaves dependents as orphans; who deletes is told so, in these words.
    orphans_dependents: bool = False
    orphans_advice: str = ""

    def default(self, obj: Obj) -> None:
        """Static defaults, applied on write (and so present in storage)."""

    def prepare_create(self, obj: Obj) -> Sequence[str] | None:
        """Drop what a creator may not set (usually status), and add what follows from the rest.

        Returns advice about what cannot be seen of the object any more.
        """
        return None

    def prepare_update(self, obj: Obj, old: Obj) -> None:
        """Put back what this endpoint may not change (usually status). Runs twice where admission changed something."""

    def prepare_status_update(self, obj: Obj, old: Obj) -> None:
        """Put back everything but status (and what status may carry along). Runs twice, as prepare_update."""

    def stamp(self, obj: Obj, old: Obj | None, now: str) -> None:
        """Note when something came to be as it is, where the kind leaves that to the server. `old`: None at birth."""

    def validate(self, obj: Obj) -> Sequence[Cause]:
        """ALL field errors of a new object at once, with upstream's paths (`spec.containers[0].name`)."""
        return ()

    def validate_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        """As `validate`, and immutability."""
        return self.validate(obj)

    def validate_status_update(self, obj: Obj, old: Obj) -> Sequence[Cause]:
        return ()

    def warnings(self, obj: Obj, old: Obj | None) -> Sequence[str]:
        """Advice sent as Warning headers: deprecated fields, kinds and fields that nothing here honours."""
        return notices(obj) if old is None else ()

    def mark_deleted(self, obj: Obj, now: str) -> bool:
        """For a kind that marks its objects itself when they are first deleted; False leaves it to the engine."""
        return False

    def grace_s(self, obj: Obj, requested_s: int | None) -> int:
        """Seconds between a delete request and the removal; 0 removes at once."""
        return 0


@dataclass(frozen=True, slots=True)
class Subresource:
    """`status` and `scale` are generic; others are connectors or actions that the engine knows by `name`.

    `kind`, `group` and `version` are what discovery prints, e.g. Scale and autoscaling/v1 (empty: the parent's).
    """

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""
    # scale only: where the numbers are, as simple JSONPaths.
    spec_replicas_path: str = ".spec.replicas"
    status_replicas_path: str = ".status.replicas"
    label_selector_path: str = ""
    # An update of the parent object under rules of its own (pods/ephemeralcontainers, pods/resize,
    # namespaces/finalize): prepare_update and validate_update of this strategy, then the usual write.
    strategy: Strategy | None = None


ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource. See the module docstring."""

    gvr: GVR
    kind: str
    list_kind: str
    singular: str
    schema: Callable[
        [], Schema
    ]  # lazy: building a Pod's tree takes milliseconds, and not every process needs it
    codec: Callable[[], Codec]
    strategy: Strategy
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    # field label → path into the object, beyond metadata.name and metadata.namespace. `.a|.b|=c`: what stands at .a, else
    # at .b, else c.
    selectable_fields: Mapping[str, str] = field(default_factory=dict)
    # Two resources may be two names of one store (core and events.k8s.io Events; versions of a CRD).
    # The key prefix in storage, e.g. "pods" or "apps/deployments"; never contains the version.
    storage_prefix: str = ""
    # Converts between the stored form and this version, perhaps in place; None where objects are stored in this form.
    from_storage: Callable[[Obj], Obj] | None = None
    to_storage: Callable[[Obj], Obj] | None = None
    # Who converts instead: a custom resource's `spec.conversion.webhook`.
    conversion_webhook: Mapping[str, Any] | None = None
    # Seconds after which a stored object is removed (Events); None keeps it.
    ttl_s: int | None = None
    # A deletion answers with the object as it was, not with a Status: what typed clients expect of this kind.
    returns_deleted: bool = False
    # A Warning header of every answer about a kind that is on its way out.
    deprecation: str = ""
    custom: bool = False  # came from a CustomResourceDefinition
    # What OpenAPI says of the kind where its schema's author says it: (apiVersion, kind and metadata as published, whether
    # it is for v3) → the component. None: what the schema says.
    published: Callable[[Mapping[str, Obj], bool], Obj] | None = None

    @property
    def namespaced(self) -> bool:
        return self.gvr.namespaced
